"""The decide process: a Faust worker around `broker.flow.decide_part`; scales by partition.

Per record: read the past from the tables, decide (or carry out an act, or take back), leave an entry.
Per batch: fetch or make the subjects' keys, seal, send one batch of decision sets, acknowledge. An
entry carries the offset of the part that made it and a part sees only entries below its own; a
part's state carries the round of each entry. So doing it again after a crash, with later entries
already in state, gives the same bytes.
"""

from __future__ import annotations

import time
from typing import Any

import faust
import msgspec
import structlog

from broker.decide import corrected_type
from broker.flow import (
    DecidedPart,
    Policy,
    decide_part,
    part_input,
    record_part,
    undecided,
)
from broker.later import Sealing, act_input, act_on_part, opened_act, take_back
from broker.link import about, entry_of
from broker.model.codec import decode, encode
from broker.model.sealing import seal, unseal
from broker.model.types import DecisionSet, Part, PartStep
from broker.model.values import PartInput, PartState, StateEntry
from broker.record import held_record
from broker.rounds import first_state
from broker.shell.batches import Batcher
from broker.shell.crash import point
from broker.shell.decide_state import DecideState, PartReader
from broker.shell.erasing import Eraser, tag_of
from broker.shell.kafka import (
    DECISIONS_TOPIC,
    HELD_TOPIC,
    PARTS_TOPIC,
    Headers,
    Message,
    Sender,
    make_app,
)
from broker.shell.key_ring import KeyRing
from broker.shell.keys import BrokerKeys, SubjectKeys
from broker.shell.logs import configure
from broker.shell.policy import PolicyHolder
from broker.shell.settings import Settings
from broker.shell.tables import Changelogs
from broker.shell.unbroken import Unbroken
from broker.shell.watch.hops import Hop, context_of
from broker.shell.watch.process import Watch
from broker.shell.watch.workers import show

LOOK_EVERY_S = 1.0
PARTITIONS = 2
"""Partitions of parts.v1, as in deploy/topics.yaml; a test holds them equal."""

log = structlog.get_logger()


class Work(msgspec.Struct, frozen=True):
    """The outcome of one record: a decided part with its past, or what an act or a join made."""

    part: Part
    result: DecidedPart | None = None
    past: tuple[StateEntry, ...] = ()
    policy: Policy | None = None
    """By which `result` was decided: the record names it, whatever is in force when it is sent."""
    recorded: tuple[DecisionSet, ...] = ()
    sent_on: tuple[Part, ...] = ()
    """Records for other keys of parts.v1."""
    held: tuple[tuple[bytes, bytes | None], ...] = ()
    """Records of held.v1: part id, and what waits (None: nothing any more)."""
    trace: Headers = ()
    """What its outputs carry if it is traced."""


class Decider:
    """Turns records of parts.v1 into work; all that it needs, and nothing of Faust's streams."""

    def __init__(self, state: DecideState, keys: KeyRing, subjects: SubjectKeys) -> None:
        """`state` is that of the partition whose records it is given."""
        self._state = state
        self._keys = keys
        self._subjects = subjects

    def work_on(self, part: Part, order: int, policy: Policy, original: Part | None) -> Work:
        """One record: `original` is the part that an act is about, as it was decided."""
        if self._is_erased(part, order):
            return Work(part)
        if part.step is PartStep.MOVE:
            whole = self._state.history(part.part_key).whole()
            past = tuple(entry for entry in whole if entry.order < order)
            return Work(part, sent_on=(_handed_over(part, past, self._of(part).parts_key),))
        if part.step is PartStep.ADOPT:
            self._adopt(part, order)
            return Work(part)
        if part.step is PartStep.RETRACT:
            return self._take_back(part, order, policy)
        if part.step is PartStep.ACT:
            return self._act(part, original, policy)
        return self._decide(part, order, policy)

    def _is_erased(self, part: Part, order: int) -> bool:
        """Whether the subject was erased after this record: all that came of it had been sent."""
        if not self._subjects.any_erased:
            return False
        tag = tag_of(self._of(part).sealer, part.part_key)
        return self._subjects.is_before_erasure(tag, order, part.received_at)

    def _decide(self, part: Part, order: int, policy: Policy) -> Work:
        keys = self._of(part)
        given = part_input(part, order, keys.parts_key)
        history = self._state.history(part.part_key)
        past = about(given, history)
        try:
            result = decide_part(given, past, policy, keys.sealer.pairwise)
        except Exception as error:  # noqa: BLE001 -- an error while deciding is a refusal and an alarm, never a lost part
            log.error("policy_error", error=type(error).__name__, offset=order)
            result = undecided(given, past)
        history.add(entry_of(given))
        state = self._state.rounds(part.part_id)
        if state is None:
            state = first_state(
                part, order, corrected_type(given), (one.decision for one in result.decided)
            )
            self._state.keep_rounds(state)
        waits = any(one.resolved is None for one in state.waiting)
        held = self._held(state, given) if waits else ()
        return Work(part, result=result, past=past, policy=policy, held=held)

    def _act(self, part: Part, original: Part | None, policy: Policy) -> Work:
        state = self._state.rounds(part.part_id)
        if state is None or original is None:
            # The part is older than parts.v1 keeps: the act is on record, and nothing more can be shown.
            log.error("part_forgotten", topic=PARTS_TOPIC, reason=part.step.value)
            return Work(part)
        given = act_input(original, part, state.order, self._of(original).parts_key)
        past = about(given, self._state.history(part.part_key))
        made = act_on_part(
            opened_act(part, self._of(part).parts_key),
            part.act_set_id or "",
            state,
            given,
            past,
            policy,
            self._sealing(part),
        )
        self._state.keep_rounds(made.state)
        return Work(part, recorded=(made.recorded,), held=self._held(made.state, given))

    def _take_back(self, part: Part, order: int, policy: Policy) -> Work:
        taken = take_back(
            part,
            self._state.rounds(part.part_id),
            order,
            policy,
            self._sealing(part),
            self._of(part).parts_key,
        )
        self._state.history(part.part_key).retract(taken.mark)
        if taken.state is None or taken.recorded is None:
            return Work(part, sent_on=(taken.forwarded,) if taken.forwarded else ())
        self._state.keep_rounds(taken.state)
        return Work(
            part,
            recorded=(taken.recorded,),
            sent_on=(taken.forwarded,) if taken.forwarded else (),
            held=((part.part_id.encode(), None),),
        )

    def _adopt(self, part: Part, order: int) -> None:
        packed = unseal(self._of(part).parts_key, part.sealed, _adopt_binding(part))
        moved = msgspec.msgpack.decode(packed, type=tuple[StateEntry, ...])
        renumbered = tuple(msgspec.structs.replace(entry, order=order) for entry in moved)
        self._state.history(part.part_key).adopt(renumbered)

    def _of(self, part: Part) -> BrokerKeys:
        """The keys of the epoch in which the record that brought the part was taken in."""
        return self._keys.at(part.received_at)

    def _held(self, state: PartState, given: PartInput) -> tuple[tuple[bytes, bytes | None], ...]:
        return (
            (
                state.part_id.encode(),
                held_record(state, given, self._keys.at(given.received_at).sealer),
            ),
        )

    def _sealing(self, part: Part) -> Sealing:
        key = self._subjects.keys_for([part.part_key])[part.part_key]
        return Sealing(self._of(part).sealer, key)

    def messages(self, batch: list[Work]) -> list[Message]:
        """Decision sets, records for other keys, and what waits, in the order of the records."""
        sealed = [one.part for one in batch if one.result]
        newest = max((part.received_at for part in sealed), default=None)
        held = self._subjects.keys_for([part.part_key for part in sealed], newest)
        messages: list[Message] = []
        for one in batch:
            key = one.part.part_key
            if one.result is not None and one.policy is not None:
                recorded = record_part(
                    one.result, one.past, one.policy, self._of(one.part).sealer, held[key]
                )
                messages.append((DECISIONS_TOPIC, key.encode(), encode(recorded), one.trace))
            messages.extend(
                (DECISIONS_TOPIC, key.encode(), encode(r), one.trace) for r in one.recorded
            )
            messages.extend(
                (PARTS_TOPIC, p.part_key.encode(), encode(p), one.trace) for p in one.sent_on
            )
            messages.extend((HELD_TOPIC, part_id, value) for part_id, value in one.held)
        return messages


def _eraser(
    settings: Settings,
    sender: Sender,
    changelogs: Changelogs,
    state: DecideState,
    keys: KeyRing,
    subjects: SubjectKeys,
) -> Eraser:
    return Eraser(
        state,
        keys,
        subjects,
        settings,
        send=sender.send,
        flush=changelogs.keep,
    )


def build(settings: Settings) -> faust.App:
    """The decide app, ready to run."""
    watch = Watch(settings, "decide", ("kafka", "state", "policy"), ("parts",))
    configure("decide", settings.log_level, watch.alarm)
    watch.serve()
    app = make_app("decide", settings, partitions=PARTITIONS)
    policies = PolicyHolder(settings)
    keys = KeyRing(settings.keys_dir)
    state = DecideState(app, PARTITIONS)
    subjects = SubjectKeys(settings.keys_dir / "subjects.db")
    decider = Decider(state, keys, subjects)
    sender, unbroken = Sender(settings), Unbroken(app, settings, ("parts",))
    changelogs = Changelogs(app, sender.producer)
    eraser = _eraser(settings, sender, changelogs, state, keys, subjects)
    reader = PartReader(settings)
    topic = app.topic(PARTS_TOPIC, key_type=bytes, value_type=bytes, partitions=PARTITIONS)
    armed = settings.crash_at
    show(app, watch, ("parts",), policies)

    async def send(batch: list[Work]) -> None:
        started = time.perf_counter()
        point("decide.decided", armed)
        await changelogs.keep()
        point("decide.state_flushed", armed)
        await sender.send(decider.messages(batch))
        point("decide.sent", armed)
        watch.batch(len(batch), time.perf_counter() - started)
        watch.steps(one.part.step for one in batch)
        log.info("batch_sent", parts=len(batch))

    batcher = Batcher[Work](
        send,
        size=settings.batch_size,
        acknowledged=lambda: point("decide.acknowledged", armed),
    )

    @app.on_partitions_revoked.connect
    async def drop_keys(*_: Any, **__: Any) -> None:
        # Another process may erase a subject while it has this one's partitions.
        subjects.forget()

    @app.on_before_shutdown.connect
    async def close(*_: Any, **__: Any) -> None:
        await reader.stop()
        await sender.stop()

    @app.timer(interval=LOOK_EVERY_S)  # type: ignore[untyped-decorator]
    async def look_for_policy() -> None:
        # Looked for while nothing comes too, so that the first record after a change meets it.
        policies.current()

    @app.agent(topic, name="decide")
    async def take(stream: Any) -> None:
        async for event in unbroken.events(stream):
            point("decide.received", armed)
            part, place = decode(event.message.value, Part), event.message
            if part.step is PartStep.ERASE:
                await batcher.flush()
                await eraser.erase(part, place.offset, policies.current())
                watch.steps([part.step])
                event.ack()
                continue
            original = None
            if part.step is PartStep.ACT and (decided := state.rounds(part.part_id)) is not None:
                original = await reader.read(place.partition, decided.order)
            hop = watch.traces.go_on("decide", context_of(place.headers))
            work = decider.work_on(part, place.offset, policies.current(), original)
            await batcher.add(event, _traced(work, hop))

    return app


def _traced(work: Work, hop: Hop) -> Work:
    """Ends the step; what comes of it carries its trace, if it has one."""
    hop.end(step=work.part.step.value)
    return msgspec.structs.replace(work, trace=hop.headers) if hop else work


def _handed_over(part: Part, past: tuple[StateEntry, ...], parts_key: bytes) -> Part:
    """The record that brings the entries of a younger token to the older one."""
    handed = msgspec.structs.replace(
        part, step=PartStep.ADOPT, part_key=part.other_key or "", other_key=part.part_key
    )
    packed = msgspec.msgpack.encode(past)
    return msgspec.structs.replace(handed, sealed=seal(parts_key, packed, _adopt_binding(handed)))


def _adopt_binding(part: Part) -> bytes:
    return b"adopt\n" + part.part_key.encode() + b"\n" + part.part_id.encode()
