"""The whole flow without Kafka: one ordered stream, state in memory.

`broker decide`, the benchmark and the tests run this. It is the same `broker.flow` that the workers
run; only what keeps the state differs. Time is what the caller says.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec

from broker.decide import corrected_type
from broker.flow import (
    DecidedPart,
    Policy,
    decide_part,
    part_input,
    record_part,
    undecided,
)
from broker.intake import (
    AliasEntry,
    KnownSubject,
    SeenEntry,
    known_subject,
    older_of,
    opened_erasure,
    without,
)
from broker.later import Sealing, act_input, act_on_part, opened_act, take_back
from broker.link import Listed, about, entry_of, join, retracted
from broker.model.codec import encode
from broker.model.types import Action, ConcernEvent, DecisionSet, Part, PartStep
from broker.model.values import PartState, Rejection, SourcePosition, StateEntry
from broker.reception import (
    IntakeResult,
    IntakeView,
    Opened,
    RawRecord,
    Reception,
    rejected,
    take,
)
from broker.record import Certified, StoreDate, certificate_record
from broker.rounds import ERASED, counted, erase, first_state


class Outcome(msgspec.Struct, frozen=True):
    """What became of one statement: its decided parts, or the reason why it was refused."""

    parts: tuple[DecidedPart, ...]
    sets: tuple[DecisionSet, ...]
    """Everything that the ledger would record, in order."""
    rejection: Rejection | None = None
    duplicate: bool = False


class OfflineFlow:
    """Takes statements one after the other and carries link state from one to the next."""

    def __init__(
        self,
        policy: Policy,
        reception: Reception,
        subject_key: Callable[[str], bytes],
        destroy_key: Callable[[str], None] = lambda _part_key: None,
    ) -> None:
        """`subject_key` gives the key of a part key, as the shell's key file does; `destroy_key` ends it."""
        self._destroy_key = destroy_key
        self._policy = policy
        self._reception = reception
        self._subject_key = subject_key
        self._seen: dict[str, SeenEntry] = {}
        self._aliases: dict[str, AliasEntry] = {}
        self._entries: dict[str, tuple[StateEntry, ...]] = {}
        self._states: dict[str, PartState] = {}
        self._parts: dict[str, Part] = {}
        self._order = 0

    def submit(
        self,
        statement: ConcernEvent | Action,
        received_at: datetime.datetime,
        source: SourcePosition,
        data: bytes = b"",
    ) -> Outcome:
        """One unsigned statement through the flow; `data` is what its envelope hash is taken of."""
        is_action = isinstance(statement, Action)
        owner = statement.organisation if isinstance(statement, Action) else statement.publisher
        record = RawRecord(source, owner, received_at, data, is_action)
        if self._policy.reference.organisation(owner, received_at.date()) is None:
            refusal = Rejection(
                "unknown_publisher",
                "the publisher is not in the organisation register: "
                "use a code of policies/organisations/",
            )
            return Outcome((), rejected(record, refusal, self._reception).sets, refusal)
        view = IntakeView(self._seen.get, self._alias_rows, self._subject)
        opened = Opened(statement, encode(statement))
        return self._outcome(take(record, opened, view, self._reception))

    def _outcome(self, taken: IntakeResult) -> Outcome:
        self._keep(taken)
        decided: list[DecidedPart] = []
        sets = list(taken.sets)
        for part in taken.parts:
            for result, recorded in self._work_on(part):
                sets.append(recorded)
                if result is not None:
                    decided.append(result)
        self._forget(taken.erased)
        return Outcome(tuple(decided), tuple(sets), taken.rejection, taken.duplicate)

    def _keep(self, taken: IntakeResult) -> None:
        for token, entry in taken.aliases:
            self._aliases[token] = older_of(self._aliases.get(token), entry)
        for kept in (taken.seen, taken.mark):
            if kept is not None:
                key, seen = kept
                self._seen[key] = seen

    def _alias_rows(self, tokens: tuple[str, ...]) -> Mapping[str, AliasEntry]:
        found: dict[str, AliasEntry] = {}
        wanted = list(tokens)
        while wanted:
            token = wanted.pop()
            if token in self._aliases and token not in found:
                found[token] = self._aliases[token]
                wanted.append(found[token].canonical)
        return found

    def _subject(self, token: str) -> KnownSubject | None:
        return known_subject(token, self._aliases, self._seen.items())

    def _forget(self, tokens: Sequence[str]) -> None:
        if tokens:
            self._seen = {key: without(entry, tokens) for key, entry in self._seen.items()}
            self._aliases = {t: row for t, row in self._aliases.items() if t not in tokens}

    def _work_on(self, part: Part) -> Iterator[tuple[DecidedPart | None, DecisionSet]]:
        self._order += 1
        if part.step is PartStep.MOVE:
            self._join(part)
        elif part.step is PartStep.RETRACT:
            yield from self._take_back(part)
        elif part.step is PartStep.ACT:
            yield from self._act(part)
        elif part.step is PartStep.ERASE:
            yield from ((None, recorded) for recorded in self._erase(part))
        else:
            yield self._decide(part)

    def _take_back(self, part: Part) -> Iterator[tuple[DecidedPart | None, DecisionSet]]:
        taken = take_back(
            part,
            self._states.get(part.part_id),
            self._order,
            self._policy,
            self._sealing(part.part_key),
            self._reception.parts_key,
        )
        entries = self._entries.get(part.part_key, ())
        self._entries[part.part_key] = retracted(entries, taken.mark)
        if taken.state is not None:
            self._states[part.part_id] = taken.state
        if taken.recorded is not None:
            yield None, taken.recorded
        if taken.forwarded is not None:
            yield from self._work_on(taken.forwarded)

    def _act(self, part: Part) -> Iterator[tuple[DecidedPart | None, DecisionSet]]:
        state = self._states.get(part.part_id)
        if state is None:
            return
        given = act_input(self._parts[part.part_id], part, state.order, self._reception.parts_key)
        past = about(given, Listed(self._entries.get(part.part_key, ())))
        made = act_on_part(
            opened_act(part, self._reception.parts_key),
            part.act_set_id or "",
            state,
            given,
            past,
            self._policy,
            self._sealing(part.part_key),
        )
        self._states[part.part_id] = made.state
        yield made.result, made.recorded

    def _erase(self, part: Part) -> Iterator[DecisionSet]:
        """On request: the last round of each part, then the certificate."""
        told = opened_erasure(part, self._reception.parts_key)
        if not told.part_ids:
            return
        rounds = [
            erase(
                self._states.pop(part_id),
                part.act_set_id or "",
                part.received_at,
                reason=ERASED,
                tell=True,
                hashes=self._policy.hashes,
                sealer=self._reception.sealer,
            )
            for part_id in told.part_ids
        ]
        yield from (one.recorded for one in rounds)
        self._destroy_key(part.part_key)
        self._entries.pop(part.part_key, None)
        for part_id in told.part_ids:
            self._parts.pop(part_id)
        stated = Certified(
            act_set_id=part.act_set_id or "",
            part_key=part.part_key,
            why=told.why or "requested",
            received_at=part.received_at,
            stores=(StoreDate("subject_key", at=part.received_at),),
            remains=(),
            policy="",
        )
        yield certificate_record(stated, counted(rounds))

    def _sealing(self, part_key: str) -> Sealing:
        return Sealing(self._reception.sealer, self._subject_key(part_key))

    def _decide(self, part: Part) -> tuple[DecidedPart, DecisionSet]:
        entries = self._entries.get(part.part_key, ())
        given = part_input(part, self._order, self._reception.parts_key)
        past = about(given, Listed(entries))
        sealer = self._reception.sealer
        try:
            result = decide_part(given, past, self._policy, sealer.pairwise)
        except Exception:  # noqa: BLE001 -- as in the decide process: an error is a refusal on record
            result = undecided(given, past)
        entry = entry_of(given)
        if all(one.statement != entry.statement for one in entries):
            self._entries[part.part_key] = (*entries, entry)
        self._parts[part.part_id] = part
        self._states[part.part_id] = first_state(
            part,
            self._order,
            corrected_type(given),
            (one.decision for one in result.decided),
        )
        key = self._subject_key(part.part_key)
        return result, record_part(result, past, self._policy, sealer, key)

    def _join(self, move: Part) -> None:
        """What decide does in two records, at once: the younger token's entries go to the older."""
        younger = self._entries.get(move.part_key, ())
        renumbered = tuple(msgspec.structs.replace(one, order=self._order) for one in younger)
        older = move.other_key or ""
        self._entries[older] = join(self._entries.get(older, ()), renumbered)
