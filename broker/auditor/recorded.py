"""What a ledger says was decided, read from its published files; nothing is verified here.

For those who explain or replay. Run `broker audit verify` first where it matters that the files are
whole: this takes them as they lie.
"""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import msgspec

from broker.ledger import folder_of, leaf_hash, read_entries

SHARD = re.compile(r"s[0-9]+")
RECIPIENTS = "recipients"


class RecordedWeight(msgspec.Struct, frozen=True):
    """How much consideration the part was given: 0 to 1000, and its band."""

    value: int
    band: str


class RecordedDecision(msgspec.Struct, frozen=True):
    """One candidate of one part in one round, as its leaf has it."""

    set_id: str
    n: int
    recipient: str
    organisation: str
    role: str
    capacity: tuple[str, ...]
    outcome: str
    mode: str | None
    released: tuple[str, ...]
    clauses: tuple[str, ...]
    withheld: tuple[tuple[str, str], ...]
    reasons: tuple[str, ...]
    obligations: tuple[str, ...]
    weight: RecordedWeight
    channel: str | None
    recipient_leaf: str | None
    message_id: str | None = None
    due: int | None = None
    """When it must be acknowledged, UTC milliseconds since 1970."""


class RecordedClosing(msgspec.Struct, frozen=True):
    """The end of a decision set: of which part, when, and by which policy."""

    set_id: str
    publisher: str
    event_id: str
    version: int
    part_id: str
    round: int
    decided_at: int
    """UTC milliseconds since 1970: when Kafka had the event."""
    flags: tuple[str, ...]
    policy_bundle: str
    geography: str
    register: str
    parameters: str


class RecordedPart(msgspec.Struct, frozen=True):
    """One decision set with the place of its first leaf in the auditors' log."""

    shard: str
    first: int
    closing: RecordedClosing
    decisions: tuple[RecordedDecision, ...]

    @property
    def statement(self) -> tuple[str, str, int]:
        """Publisher, event id, version."""
        return self.closing.publisher, self.closing.event_id, self.closing.version


class RecordedIntake(msgspec.Struct, frozen=True):
    """A record that was accepted, refused or seen before, or a human act."""

    kind: str
    set_id: str
    publisher: str
    received_at: int
    """UTC milliseconds since 1970."""
    event_id: str | None = None
    reason: str | None = None
    action: str | None = None
    alert_id: str | None = None
    plan: Any = None
    """Whether an answer names a plan or an assessment that the alert went into."""


class Recorded(msgspec.Struct, frozen=True):
    """Everything that was decided, and every record that was taken in, in the order of the logs."""

    parts: tuple[RecordedPart, ...]
    intake: tuple[RecordedIntake, ...]


class _Kind(msgspec.Struct, frozen=True):
    kind: str
    set_id: str


INTAKE_KINDS = frozenset({"accepted", "duplicate", "rejected", "action"})


def shards_of(ledger_dir: Path) -> tuple[Path, ...]:
    """The folders of the shards, in order; none where there is no ledger."""
    found = [one for one in ledger_dir.glob("s*") if SHARD.fullmatch(one.name) and one.is_dir()]
    return tuple(sorted(found, key=lambda one: int(one.name[1:])))


def read_recorded(ledger_dir: Path) -> Recorded:
    """All decision sets and intake leaves of a ledger. Raises LedgerError for files that are no log.

    Raises ValueError for a leaf that cannot be read.
    """
    parts: list[RecordedPart] = []
    intake: list[RecordedIntake] = []
    for shard in shards_of(ledger_dir):
        decisions: defaultdict[str, list[RecordedDecision]] = defaultdict(list)
        first: dict[str, int] = {}
        for index, data in enumerate(read_entries(shard, 0)):
            head = msgspec.json.decode(data, type=_Kind)
            first.setdefault(head.set_id, index)
            if head.kind == "decision":
                decisions[head.set_id].append(msgspec.json.decode(data, type=RecordedDecision))
            elif head.kind == "closing":
                closing = msgspec.json.decode(data, type=RecordedClosing)
                made = tuple(decisions.pop(head.set_id, ()))
                parts.append(RecordedPart(shard.name, first[head.set_id], closing, made))
            elif head.kind in INTAKE_KINDS:
                intake.append(msgspec.json.decode(data, type=RecordedIntake))
    return Recorded(tuple(parts), tuple(intake))


def own_index(ledger_dir: Path, shard: str, decision: RecordedDecision) -> int | None:
    """Where the recipient's own log holds what it was sent; None where it was sent nothing."""
    if decision.recipient_leaf is None:
        return None
    folder = ledger_dir / shard / RECIPIENTS / folder_of(decision.organisation)
    return next(
        (
            index
            for index, data in enumerate(read_entries(folder, 0))
            if leaf_hash(data).hex() == decision.recipient_leaf
        ),
        None,
    )
