"""The accounts of a ledger, over all its shards: nothing accepted is left undecided or hidden.

Sets of one event may lie on different shards, so the accounts are closed when every log was read.
What is tolerated as "still open" is only what time brings: decisions or first records that another
shard has yet to record.
"""

from __future__ import annotations

from collections import Counter

import msgspec

from broker.auditor.erasures import ErasureBook
from broker.auditor.leaves import (
    Accepted,
    Action,
    Certificate,
    Closing,
    Decision,
    Duplicate,
    Leaf,
    Link,
    OwnLeaf,
    Rejected,
)
from broker.auditor.report import BadLedgerError
from broker.ledger import folder_of
from broker.model.values import SourcePosition
from broker.record import intake_set_id

ALERT, RECEIPT, WITHDRAWAL, ORIGINATOR = "alert", "receipt", "withdrawal", "originator"
FATE = "FATE"
"""Mode of a decision by which a publisher learns what came of its statement."""
Part = tuple[str, str, int, str]


class Where(msgspec.Struct, frozen=True):
    """A leaf of an auditors' log."""

    shard: str
    index: int

    def __str__(self) -> str:
        return f"log {self.shard}, leaf {self.index}"


class Commitment(msgspec.Struct, frozen=True):
    """What an auditors' leaf says must be in an organisation's own log."""

    where: Where
    set_id: str
    addressee: str
    kind: str
    """What the leaf there must be: `alert`, `withdrawal` or `receipt`."""


class _Run(msgspec.Struct):
    """The decisions of one set, until its closing leaf."""

    where: Where
    set_id: str
    part: Part
    round: int
    outcomes: Counter[str] = msgspec.field(default_factory=Counter)
    sent: int = 0
    recipients: set[str] = msgspec.field(default_factory=set)


class Accounts:
    """Takes every leaf of every log, auditors' logs first, and says where they do not add up."""

    def __init__(self) -> None:
        """Nothing was read yet."""
        self.kinds: Counter[str] = Counter()
        self.committed: dict[tuple[str, str], dict[str, Commitment]] = {}
        self.sidecars: dict[str, dict[tuple[str, str], tuple[str, Where]]] = {}
        """Shard -> (set id, name) -> (SHA-256 in hex, the leaf that commits to it)."""
        self.open_parts = 0
        self._sets: dict[str, Where] = {}
        self._erasures = ErasureBook()
        self._first: set[str] = set()
        self._sources: dict[tuple[str, int], set[int]] = {}
        self._events: dict[tuple[str, str], Where] = {}
        self._event_ids: set[str] = set()
        self._parts: dict[Part, tuple[Where, str]] = {}
        self._closed: dict[tuple[Part, int], tuple[Where, str]] = {}
        self._runs: dict[str, _Run] = {}
        self._expected: list[tuple[Where, str, str]] = []
        """Duplicates and links: where, kind of what they refer to, its id."""

    def take(self, shard: str, index: int, leaf: Leaf) -> None:
        """One leaf of an auditors' log. Raises BadLedgerError."""
        where = Where(shard, index)
        if isinstance(leaf, Decision):
            self._take_decision(where, leaf)
        elif isinstance(leaf, Closing):
            self._take_closing(where, leaf)
        else:
            self.end_of_log(shard)
            self._claim(where, leaf.set_id)
            if isinstance(leaf, Link):
                self._expected.append((where, "event", leaf.event_id))
            elif isinstance(leaf, Certificate):
                self._erasures.take_certificate(shard, str(where), leaf)
            else:
                self._take_intake(where, leaf)
        self.kinds[type(leaf).__name__] += 1

    def end_of_log(self, shard: str) -> None:
        """No set may be open here. Raises BadLedgerError."""
        run = self._runs.get(shard)
        if run is not None:
            raise BadLedgerError(
                f"{run.where}: the decisions of set {run.set_id} have no closing leaf"
            )

    def take_own(self, shard: str, folder: str, index: int, digest: str, leaf: OwnLeaf) -> None:
        """One leaf of an organisation's own log: some auditors' leaf must commit to it, once."""
        shown = f"log {shard}/recipients/{folder}, leaf {index}"
        known = self.committed.get((shard, folder), {}).pop(digest, None)
        if known is None:
            raise BadLedgerError(
                f"{shown}: no leaf of the auditors' log {shard} commits to it, or it is here twice"
            )
        stated = (leaf.set_id, leaf.recipient, leaf.kind)
        if stated != (known.set_id, known.addressee, known.kind):
            raise BadLedgerError(
                f"{shown}: set, recipient or kind differ from those of {known.where}, "
                "which commits to it"
            )

    def close(self, *, allow_open: bool) -> None:
        """All logs were read. Raises BadLedgerError for what is missing in any of them."""
        for (shard, folder), left in self.committed.items():
            for known in left.values():
                raise BadLedgerError(
                    f"{known.where}: commits to a leaf that is not in the log "
                    f"{shard}/recipients/{folder}"
                )
        open_ = [*self._open_parts(), *self._open_references(), *self._open_closings()]
        open_ += self._erasures.still_open()
        if open_ and not allow_open:
            more = f" (and {len(open_) - 1} more like it)" if len(open_) > 1 else ""
            raise BadLedgerError(open_[0] + more)
        self._check_rounds()

    def gaps(self) -> tuple[str, ...]:
        """Offsets between the first and the last of a topic that no leaf accounts for: a note.

        Transaction markers take offsets too, so a gap is no proof of anything missing.
        """
        notes = []
        for (topic, partition), seen in sorted(self._sources.items()):
            missing = max(seen) - min(seen) + 1 - len(seen)
            if missing:
                notes.append(
                    f"{topic}, partition {partition}: {missing} of the offsets {min(seen)} to "
                    f"{max(seen)} have no leaf (transaction markers take offsets too)"
                )
        return tuple(notes)

    def _claim(self, where: Where, set_id: str) -> None:
        before = self._sets.setdefault(set_id, where)
        if before is not where:
            raise BadLedgerError(f"{where}: set {set_id} was recorded before ({before})")

    def _take_intake(self, where: Where, leaf: Accepted | Duplicate | Rejected | Action) -> None:
        source = leaf.source
        # The set id is made of the position and claimed once, so a position has one leaf at most.
        position = SourcePosition(source.topic, source.partition, source.offset)
        if leaf.set_id != intake_set_id(position):
            raise BadLedgerError(f"{where}: its set id is not that of the record it accounts for")
        self._sources.setdefault((source.topic, source.partition), set()).add(source.offset)
        self._commit(where, leaf.publisher, leaf.receipt, leaf.publisher, leaf, kind=RECEIPT)
        if isinstance(leaf, Accepted):
            self._take_accepted(where, leaf)
        elif isinstance(leaf, Duplicate):
            self._expected.append((where, "set", leaf.first_set_id))
        elif isinstance(leaf, Action):
            self._first.add(leaf.set_id)
            self._beside(where, leaf.set_id, rows=leaf.rows_hash)
            if leaf.queued is not None:
                self._commit(where, leaf.desk, leaf.queued, leaf.desk, leaf, kind=ALERT)
            if leaf.action == "erase":
                self._erasures.take_act(leaf.set_id)

    def _take_accepted(self, where: Where, leaf: Accepted) -> None:
        self._first.add(leaf.set_id)
        self._event_ids.add(leaf.event_id)
        before = self._events.setdefault((leaf.publisher, leaf.event_id), where)
        if before is not where:
            raise BadLedgerError(
                f"{where}: event {leaf.event_id} of {leaf.publisher} was accepted before ({before})"
            )
        for part_id in leaf.parts:
            part = (leaf.publisher, leaf.event_id, leaf.version, part_id)
            if part in self._parts:
                raise BadLedgerError(f"{where}: names part {part_id} twice")
            self._parts[part] = where, leaf.set_id

    def _take_decision(self, where: Where, leaf: Decision) -> None:
        run = self._runs.get(where.shard)
        if run is not None and run.set_id != leaf.set_id:
            self.end_of_log(where.shard)
        if run is None:
            self._claim(where, leaf.set_id)
            run = self._runs[where.shard] = _Run(where, leaf.set_id, leaf.part, leaf.round)
        if leaf.n != run.outcomes.total():
            raise BadLedgerError(
                f"{where}: is decision {leaf.n} of set {leaf.set_id} where decision "
                f"{run.outcomes.total()} must stand: a decision was removed, added or moved"
            )
        if (leaf.part, leaf.round) != (run.part, run.round):
            raise BadLedgerError(f"{where}: is of another part or round than the rest of its set")
        if leaf.recipient in run.recipients:
            raise BadLedgerError(f"{where}: decides for {leaf.recipient} a second time")
        run.outcomes[leaf.outcome] += 1
        run.recipients.add(leaf.recipient)
        sent = leaf.recipient_leaf is not None or (leaf.mode == FATE and leaf.receipt is not None)
        may_withdraw = leaf.outcome == "DENY" and leaf.round > 0
        if sent != (leaf.outcome == "PERMIT") and not (sent and may_withdraw):
            raise BadLedgerError(
                f"{where}: {leaf.outcome} for {leaf.recipient}, and "
                + ("something" if sent else "nothing")
                + " was sent"
            )
        if leaf.recipient_leaf is not None:
            run.sent += 1
            self._commit(
                where,
                leaf.organisation,
                leaf.recipient_leaf,
                leaf.recipient,
                leaf,
                kind=ALERT if leaf.outcome == "PERMIT" else WITHDRAWAL,
            )
        if leaf.receipt is not None:
            self._take_refusal(where, leaf, leaf.receipt)

    def _take_refusal(self, where: Where, leaf: Decision, receipt: str) -> None:
        """A publisher is told of a part of its own that it was refused or answered; nobody else is."""
        own = leaf.organisation == leaf.publisher and ORIGINATOR in leaf.capacity
        if not own or not (leaf.outcome == "DENY" or leaf.mode == FATE):
            raise BadLedgerError(
                f"{where}: a receipt for {leaf.recipient}, and only the publisher of a part that was "
                "refused or answered gets one"
            )
        self._commit(where, leaf.organisation, receipt, leaf.organisation, leaf, kind=RECEIPT)

    def _take_closing(self, where: Where, leaf: Closing) -> None:
        run = self._runs.get(where.shard)
        if run is None:
            self._claim(where, leaf.set_id)
            run = _Run(where, leaf.set_id, leaf.part, leaf.round)
        if run.set_id != leaf.set_id:
            self.end_of_log(where.shard)
        self._runs.pop(where.shard, None)
        if (leaf.part, leaf.round) != (run.part, run.round):
            raise BadLedgerError(f"{where}: closes another part or round than its decisions are of")
        stated = (leaf.count, leaf.permit, leaf.deny, leaf.review)
        found = (
            run.outcomes.total(),
            *(run.outcomes[one] for one in ("PERMIT", "DENY", "REVIEW")),
        )
        if stated != found:
            raise BadLedgerError(
                f"{where}: closes set {leaf.set_id} with (decisions, PERMIT, DENY, REVIEW) = "
                f"{stated}, and there are {found}"
            )
        self._erasures.take_closing(where.shard, str(where), leaf, run.sent)
        before, _ = self._closed.setdefault((leaf.part, leaf.round), (where, leaf.receipt_set_id))
        if before is not where:
            raise BadLedgerError(
                f"{where}: round {leaf.round} of part {leaf.part_id} was closed before ({before})"
            )
        self._beside(where, leaf.set_id, facts=leaf.facts_hash, rows=leaf.rows_hash)

    def _commit(
        self,
        where: Where,
        organisation: str,
        digest: str,
        addressee: str,
        leaf: Decision | Accepted | Duplicate | Rejected | Action,
        *,
        kind: str,
    ) -> None:
        held = self.committed.setdefault((where.shard, folder_of(organisation)), {})
        known = Commitment(where, leaf.set_id, addressee, kind)
        before = held.setdefault(digest, known)
        if before is not known:
            raise BadLedgerError(f"{where}: commits to the same leaf as {before.where}")

    def _beside(self, where: Where, set_id: str, **hashes: str) -> None:
        held = self.sidecars.setdefault(where.shard, {})
        for name, digest in hashes.items():
            held[set_id, name] = digest, where

    def _open_parts(self) -> list[str]:
        left = [
            f"{where}: accepted part {part[3]} of event {part[1]} and no decision set closes it"
            for part, (where, _) in self._parts.items()
            if (part, 0) not in self._closed
        ]
        self.open_parts = len(left)
        return left

    def _open_references(self) -> list[str]:
        known = {"set": self._first, "event": self._event_ids}
        return [
            f"{where}: refers to {kind} {one}, which no leaf accepts"
            for where, kind, one in self._expected
            if one not in known[kind]
        ]

    def _open_closings(self) -> list[str]:
        return [
            f"{where}: decides part {part[3]}, which no leaf accepts"
            for (part, _), (where, _) in self._closed.items()
            if part not in self._parts
        ]

    def _check_rounds(self) -> None:
        """What time cannot mend: rounds in order, and each part decided for the record it came from."""
        for (part, round_), (where, receipt_set_id) in self._closed.items():
            if round_ and (part, round_ - 1) not in self._closed:
                raise BadLedgerError(f"{where}: round {round_} without the round before it")
            accepted = self._parts.get(part)
            if accepted is not None and accepted[1] != receipt_set_id:
                raise BadLedgerError(
                    f"{where}: names another record than {accepted[0]}, which accepted its part"
                )
