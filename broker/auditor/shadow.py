"""What a proposed policy would have decided otherwise, part by part. Pure; nothing is told to anyone.

What was decided is taken from the leaves. How a field was shown is not in a leaf: where the part was
decided by the very bundle that is given as the present one, it is taken from deciding it again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import msgspec

from broker.auditor.erasures import ErasedParts
from broker.auditor.recorded import RecordedDecision, RecordedPart
from broker.auditor.replay import FactsError, open_facts, replay_part, subject_of
from broker.flow import DecidedPart, Policy
from broker.model.sealing import SealError
from broker.record import PolicyHashes

NOT_KNOWN = ""
"""How a field was shown, where only its leaf is there to say."""


class Told(msgspec.Struct, frozen=True):
    """What one recipient was, or would be, told of a part."""

    outcome: str
    mode: str | None
    released: Mapping[str, str]
    """Field -> how it is shown; NOT_KNOWN where that is not on record."""
    withheld: Mapping[str, str]
    clauses: tuple[str, ...]
    reasons: tuple[str, ...]
    obligations: tuple[str, ...]


class Change(msgspec.Struct, frozen=True):
    """One decision that would be another. `before` or `after` is None where it is no candidate."""

    publisher: str
    event_id: str
    part_id: str
    recipient: str
    other_bundle: bool
    """It was decided under a bundle that is neither the present nor the proposed one."""
    before: Told | None
    after: Told | None

    @property
    def added(self) -> tuple[str, ...]:
        """Fields that it would disclose and did not."""
        return tuple(one for one in _shown(self.after) if one not in _shown(self.before))

    @property
    def removed(self) -> tuple[str, ...]:
        """Fields that it disclosed and would not."""
        return tuple(one for one in _shown(self.before) if one not in _shown(self.after))

    @property
    def shown_otherwise(self) -> tuple[tuple[str, str, str], ...]:
        """(field, as it was shown, as it would be), for fields that are disclosed both times."""
        before, after = _shown(self.before), _shown(self.after)
        return tuple(
            (field, how, after[field])
            for field, how in before.items()
            if field in after and NOT_KNOWN not in (how, after[field]) and how != after[field]
        )

    @property
    def withheld_otherwise(self) -> tuple[tuple[str, str, str], ...]:
        """(field, reason it was withheld for, reason it would be), where both times withheld."""
        before = self.before.withheld if self.before else {}
        after = self.after.withheld if self.after else {}
        return tuple(
            (field, why, after[field])
            for field, why in before.items()
            if after.get(field, why) != why
        )

    @property
    def clauses(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """(clauses that permitted and would no longer, clauses that would permit and did not)."""
        before = self.before.clauses if self.before else ()
        after = self.after.clauses if self.after else ()
        return (
            tuple(one for one in before if one not in after),
            tuple(one for one in after if one not in before),
        )


class Shadow(msgspec.Struct, frozen=True):
    """What was compared, what would change, and what could not be compared and why."""

    replayed: int
    same: int
    """Decisions that would be the same."""
    changes: tuple[Change, ...]
    erased: int
    """Parts whose key is gone: nobody can decide them again."""
    no_facts: int
    """Parts whose sealed facts are not in the store that was read."""
    later_rounds: int
    """Parts of rounds that a person or a correction made: not replayed here."""
    other_bundle: int
    """Parts that were decided under a bundle that is neither the present nor the proposed one."""
    unreadable: tuple[str, ...]
    """Parts whose facts opened and could not be decided again, with what went wrong."""
    drifted: tuple[str, ...]
    """Parts that the present policy, by which they were decided, would now decide otherwise."""

    @property
    def newly_told(self) -> int:
        """Recipients of a part that were told nothing and would be told something."""
        return sum(1 for one in self.changes if _shown(one.after) and not _shown(one.before))

    @property
    def no_longer_told(self) -> int:
        """Recipients of a part that were told something and would be told nothing."""
        return sum(1 for one in self.changes if _shown(one.before) and not _shown(one.after))

    @property
    def fields_added(self) -> int:
        """Field disclosures that it adds, over all recipients and parts."""
        return sum(len(one.added) for one in self.changes)

    @property
    def fields_removed(self) -> int:
        """Field disclosures that it takes away."""
        return sum(len(one.removed) for one in self.changes)


Facts = Callable[[RecordedPart], bytes | None]
"""The sealed facts of a part, None where they are not there."""


def shadow(
    parts: Iterable[RecordedPart],
    facts_of: Facts,
    keys: Mapping[str, bytes],
    present: Policy,
    proposed: Policy,
) -> Shadow:
    """Every part decided again under `proposed` and compared with what its leaves say.

    `keys`: part key -> key of its subject, for every key that is still held.
    """
    held = tuple(parts)
    work = _Comparison(keys, present, proposed)
    for part in held:
        work.erased.take(_part_of(part), part.closing.round, part.closing.flags)
    for part in held:
        work.take(part, facts_of(part))
    return work.result()


class _Comparison:
    """Counts while parts are compared."""

    def __init__(self, keys: Mapping[str, bytes], present: Policy, proposed: Policy) -> None:
        self._keys = keys
        self._present = present
        self._proposed = proposed
        self._counts = dict.fromkeys(
            ("replayed", "same", "erased", "no_facts", "later_rounds", "other_bundle"), 0
        )
        self.erased = ErasedParts()
        """Parts that an act erased: their subject may have been heard of again, with a new key."""
        self._changes: list[Change] = []
        self._unreadable: list[str] = []
        self._drifted: list[str] = []

    def result(self) -> Shadow:
        """What was found."""
        return Shadow(
            changes=tuple(self._changes),
            unreadable=tuple(self._unreadable),
            drifted=tuple(self._drifted),
            **self._counts,
        )

    def take(self, part: RecordedPart, sealed: bytes | None) -> None:
        """One part: compared, or counted as what stands in the way."""
        closing = part.closing
        if closing.round > 0:
            self._counts["later_rounds"] += 1
            return
        key = subject_of(closing.set_id, part.statement, closing.round, self._keys)
        if key is None or self.erased.holds(_part_of(part), closing.round):
            self._counts["erased"] += 1
        elif sealed is None:
            self._counts["no_facts"] += 1
        else:
            try:
                self._compare(part, open_facts(sealed, self._keys[key], closing.set_id))
            except (SealError, FactsError) as error:
                self._unreadable.append(f"event {closing.event_id}: {error}")
            except Exception as error:  # noqa: BLE001 -- one part that cannot be decided must not hide the others
                self._unreadable.append(f"event {closing.event_id}: {type(error).__name__}")

    def _compare(self, part: RecordedPart, facts: bytes) -> None:
        made_by = _hashes(part)
        after = told_of(replay_part(facts, self._proposed, _no_pseudonym))
        before = {one.recipient: _as_recorded(one) for one in part.decisions}
        if made_by == self._present.hashes:
            again = told_of(replay_part(facts, self._present, _no_pseudonym))
            if {who: _bare(one) for who, one in again.items()} == before:
                before = again
            else:
                self._drifted.append(f"event {part.closing.event_id}, part {part.closing.part_id}")
        elsewhere = made_by not in (self._present.hashes, self._proposed.hashes)
        self._counts["replayed"] += 1
        self._counts["other_bundle"] += elsewhere
        for recipient in sorted(before.keys() | after.keys()):
            change = Change(
                publisher=part.closing.publisher,
                event_id=part.closing.event_id,
                part_id=part.closing.part_id,
                recipient=recipient,
                other_bundle=elsewhere,
                before=before.get(recipient),
                after=after.get(recipient),
            )
            if _differs(change):
                self._changes.append(change)
            else:
                self._counts["same"] += 1


def told_of(decided: DecidedPart) -> dict[str, Told]:
    """Recipient -> what it is told, of a part that was decided now."""
    return {
        one.decision.candidate.recipient: Told(
            outcome=one.decision.outcome.value,
            mode=one.decision.mode,
            released={ruling.field: ruling.transform for ruling in one.decision.released},
            withheld=dict(one.decision.withheld),
            clauses=tuple(sorted({ruling.clause for ruling in one.decision.released})),
            reasons=one.decision.reasons,
            obligations=one.decision.obligations,
        )
        for one in decided.decided
    }


def differences(part: RecordedPart, decided: DecidedPart) -> tuple[str, ...]:
    """Recipients whose leaf says otherwise than the part as it was decided now; none if all agree."""
    before = {one.recipient: _as_recorded(one) for one in part.decisions}
    after = {who: _bare(one) for who, one in told_of(decided).items()}
    return tuple(
        who for who in sorted(before.keys() | after.keys()) if before.get(who) != after.get(who)
    )


def _as_recorded(decision: RecordedDecision) -> Told:
    return Told(
        outcome=decision.outcome,
        mode=decision.mode,
        released=dict.fromkeys(decision.released, NOT_KNOWN),
        withheld=dict(decision.withheld),
        clauses=decision.clauses,
        reasons=decision.reasons,
        obligations=decision.obligations,
    )


def _bare(told: Told) -> Told:
    """As a leaf has it: without how the fields are shown."""
    return msgspec.structs.replace(told, released=dict.fromkeys(told.released, NOT_KNOWN))


def _differs(change: Change) -> bool:
    """Whether anything but the wording of how a field is shown on record differs."""
    if change.before is None or change.after is None:
        return True
    return _bare(change.before) != _bare(change.after) or bool(change.shown_otherwise)


def _shown(told: Told | None) -> Mapping[str, str]:
    return told.released if told is not None and told.outcome == "PERMIT" else {}


def _hashes(part: RecordedPart) -> PolicyHashes:
    closing = part.closing
    return PolicyHashes(
        bundle=closing.policy_bundle,
        geography=closing.geography,
        register=closing.register,
        parameters=closing.parameters,
    )


def _no_pseudonym(_organisation: str, _part_key: str) -> str:
    """Who is meant does not change what is decided, and is not shown here."""
    return "pseudonym"


def _part_of(part: RecordedPart) -> tuple[str, str, int, str]:
    closing = part.closing
    return closing.publisher, closing.event_id, closing.version, closing.part_id
