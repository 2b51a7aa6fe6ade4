"""Replays a ledger: makes every decision set again from its sealed facts and compares the leaves.

Pure: leaves, sealed bytes, keys and policies in, verdicts out. A set is made by the policy that its
closing leaf names, where the ledger's archive has it. Else it is made under the policy that is given but
names the recorded hashes, so that what differs is what would have been decided otherwise, and not that
the rules have another name. Which set is about whom is found by
the hash that it is named by: a set that no held key fits counts as erased, so run
`broker audit verify` as well, which holds the names against what was accepted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import StrEnum
from hashlib import sha256
from types import MappingProxyType

import msgspec

from broker.auditor.compared import Difference, compare_leaves
from broker.auditor.erasures import ErasedParts
from broker.auditor.recorded_sets import RecordedSet
from broker.auditor.rederive import Replayable, begin, next_round
from broker.auditor.replay import FactsError, open_facts
from broker.auditor.subjects import Subjects
from broker.flow import Policy
from broker.model.sealer import Sealer
from broker.model.sealing import DataKey, SealError
from broker.record import PolicyHashes

KEY_BYTES = 32
NOTHING_ARCHIVED: Mapping[PolicyHashes, Policy] = MappingProxyType({})
RULES = ("policy_bundle", "geography", "register", "parameters")

NOT_OPEN = (
    "its subject has a key and the facts do not open under it: "
    "they are forged, or the key was destroyed and made anew"
)


class Verdict(StrEnum):
    """What became of one decision set."""

    IDENTICAL = "identical"
    DIFFERS = "differs"
    RULES = "differs, rules changed"
    """Every difference may come from rules that are not those of then."""
    ERASED = "erased, commitments verify"
    ERASED_UNCHECKED = "erased, nothing here to check"
    NOT_ERASED = "certified as erased, and its key is still held"
    BROKEN = "commitment broken"
    """What lies beside the log is not what the closing leaf commits to."""
    UNREADABLE = "facts cannot be read"
    NO_FACTS = "no facts in this copy"
    NOT_REPLAYED = "later round not replayed"


FAULTS = frozenset({Verdict.DIFFERS, Verdict.NOT_ERASED, Verdict.BROKEN, Verdict.UNREADABLE})
"""What no change of rules explains."""


class RuleChange(msgspec.Struct, frozen=True):
    """One hash that was another when the set was decided."""

    of: str
    recorded: str
    present: str


class Replayed(msgspec.Struct, frozen=True):
    """One set, replayed or not, and why not."""

    shard: str
    first: int
    publisher: str
    event_id: str
    part_id: str
    round: int
    verdict: Verdict
    rules: tuple[RuleChange, ...] = ()
    differences: tuple[Difference, ...] = ()
    detail: str = ""


class Beside(msgspec.Struct, frozen=True):
    """What is kept beside the log: set id -> sealed bytes."""

    facts: Mapping[str, bytes]
    rows: Mapping[str, bytes]


class ReplayKeys(msgspec.Struct, frozen=True):
    """Keys of subjects by part key, and the broker's own where they are there."""

    subjects: Mapping[str, bytes]
    sealer: Sealer | None
    of_epoch: Callable[[int], Sealer | None] | None = None
    """The keys of the epoch in force at a time (UTC milliseconds), None where they were destroyed;
    without this, `sealer` is of every time."""

    def sealer_at(self, milliseconds: int) -> Sealer | None:
        """What a set of that time was sealed with."""
        if self.sealer is None or self.of_epoch is None:
            return self.sealer
        return self.of_epoch(milliseconds)

    def __repr__(self) -> str:
        """Nothing of the keys."""
        return "ReplayKeys(...)"


def replay_sets(
    sets: Iterable[RecordedSet],
    beside: Beside,
    keys: ReplayKeys,
    policy: Policy,
    archived: Mapping[PolicyHashes, Policy] = NOTHING_ARCHIVED,
) -> Iterator[Replayed]:
    """Each set with its verdict, in the order given; a later round must come after those before it.

    A set is made by what it was decided by, where that is among `archived`, else by `policy`.
    """
    work = _Replay(beside, keys, policy, archived)
    held = tuple(sets)
    for one in held:
        work.erased.take(one.part, one.closing.round, one.closing.flags)
    for one in held:
        yield work.take(one)


def stand_in_sealer() -> Sealer:
    """Makes sets of the right shape where the broker's own keys are not at hand; opens nothing."""
    nothing = bytes(KEY_BYTES)
    return Sealer(
        data_keys={},
        desk=DataKey("stand-in", nothing, b""),
        rows_key=nothing,
        pairwise_secret=b"stand-in",
    )


class _Replay:
    """Carries the state of each part from one of its rounds to the next."""

    def __init__(
        self,
        beside: Beside,
        keys: ReplayKeys,
        policy: Policy,
        archived: Mapping[PolicyHashes, Policy],
    ) -> None:
        self._beside = beside
        self._keys = keys
        self._policy = policy
        self._archived = archived
        self._subjects = Subjects(keys.subjects)
        self.erased = ErasedParts()
        """Parts that an act erased: their subject may have been heard of again, with a new key."""
        self._parts: dict[tuple[str, str, int, str], Replayable] = {}
        self._by_rules: set[tuple[str, str, int, str]] = set()
        """Parts of which an earlier round differs for rules that changed: so may those after it."""

    def take(self, one: RecordedSet) -> Replayed:
        """One set."""
        # A round that cannot be made again leaves nothing for the rounds after it to stand on.
        before = self._parts.pop(one.part, None)
        broken = self._broken(one)
        if broken is not None:
            return self._said(one, Verdict.BROKEN, broken)
        key = self._subjects.of(one)
        sealed = self._beside.facts.get(one.closing.set_id)
        certified = self.erased.holds(one.part, one.closing.round)
        if certified and key is not None and _opens(sealed, self._keys.subjects[key], one):
            return self._said(one, Verdict.NOT_ERASED)
        if key is None or certified:
            there = sealed is not None and one.closing.set_id in self._beside.rows
            return self._said(one, Verdict.ERASED if there else Verdict.ERASED_UNCHECKED)
        if sealed is None:
            return self._said(one, Verdict.NO_FACTS)
        if one.closing.round and before is None:
            return self._said(one, Verdict.NOT_REPLAYED, "a round before it could not be replayed")
        return self._replayed(one, before, sealed, self._keys.subjects[key])

    def _replayed(
        self, one: RecordedSet, before: Replayable | None, sealed: bytes, subject_key: bytes
    ) -> Replayed:
        used = self._archived.get(one.hashes, self._policy)
        policy = msgspec.structs.replace(used, hashes=one.hashes)
        held = self._keys.sealer_at(one.closing.decided_at)
        sealer = held or stand_in_sealer()
        try:
            facts = open_facts(sealed, subject_key, one.closing.set_id)
            if before is None:
                made = begin(facts, policy, sealer, subject_key)
            else:
                made = next_round(before, facts, one.closing, policy, sealer)
            found = compare_leaves(one.leaves, made.recorded.leaves, sealed=held is not None)
        except SealError:
            return self._said(one, Verdict.UNREADABLE, NOT_OPEN)
        except FactsError as error:
            return self._said(one, Verdict.UNREADABLE, str(error))
        except Exception as error:  # noqa: BLE001 -- one set that cannot be made again must not hide the others
            return self._said(one, Verdict.UNREADABLE, type(error).__name__)
        # The record itself is large, and no later round asks for it.
        bare = msgspec.structs.replace(made.recorded, leaves=(), deliveries=(), sidecars=())
        self._parts[one.part] = msgspec.structs.replace(made, recorded=bare)
        return self._compared(one, found)

    def _compared(self, one: RecordedSet, found: tuple[Difference, ...]) -> Replayed:
        if not found:
            return self._said(one, Verdict.IDENTICAL)
        changed = bool(self._rules(one)) or one.part in self._by_rules
        explained = changed and all(difference.may_be_a_rules for difference in found)
        if explained:
            self._by_rules.add(one.part)
        verdict = Verdict.RULES if explained else Verdict.DIFFERS
        return msgspec.structs.replace(self._said(one, verdict), differences=found)

    def _broken(self, one: RecordedSet) -> str | None:
        """What beside the log does not fit its commitment; None if what is there fits."""
        closing = one.closing
        for name, held, digest in (
            ("facts", self._beside.facts, closing.facts_hash),
            ("rows", self._beside.rows, closing.rows_hash),
        ):
            content = held.get(closing.set_id)
            if content is not None and sha256(content).hexdigest() != digest:
                return f"the sealed {name} are not those that the closing leaf commits to"
        return None

    def _rules(self, one: RecordedSet) -> tuple[RuleChange, ...]:
        """What differs between what the set was decided by and what it is made by now."""
        then = msgspec.structs.astuple(one.hashes)
        now = msgspec.structs.astuple(self._archived.get(one.hashes, self._policy).hashes)
        pairs = zip(RULES, then, now, strict=True)
        return tuple(RuleChange(of, old, new) for of, old, new in pairs if old != new)

    def _said(self, one: RecordedSet, verdict: Verdict, detail: str = "") -> Replayed:
        closing = one.closing
        return Replayed(
            shard=one.shard,
            first=one.first,
            publisher=closing.publisher,
            event_id=closing.event_id,
            part_id=closing.part_id,
            round=closing.round,
            verdict=verdict,
            rules=self._rules(one),
            detail=detail,
        )


def _opens(sealed: bytes | None, subject_key: bytes, one: RecordedSet) -> bool:
    try:
        return sealed is not None and bool(open_facts(sealed, subject_key, one.closing.set_id))
    except SealError:
        return False
