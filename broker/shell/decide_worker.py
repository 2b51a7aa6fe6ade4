"""The decide process: a Faust worker around `broker.flow.decide_part`; scales by partition.

Per part: read the past from the table, decide, leave an entry. Per batch: fetch or make the
subjects' keys, seal, send one batch of decision sets, acknowledge. An entry carries the offset of
the part that made it and a part sees only entries below its own, so deciding again after a crash,
with later entries already in state, gives the same bytes.
"""

from __future__ import annotations

from typing import Any

import faust
import msgspec
import structlog
from aiokafka import AIOKafkaProducer

from broker.flow import (
    DecidedPart,
    Policy,
    decide_part,
    part_input,
    record_part,
    undecided,
)
from broker.link import entry_of, join
from broker.model.codec import decode, encode
from broker.model.sealing import seal, unseal
from broker.model.types import Part, PartStep
from broker.model.values import StateEntry
from broker.shell.batches import Batcher
from broker.shell.crash import point
from broker.shell.kafka import DECISIONS_TOPIC, PARTS_TOPIC, make_app, make_producer, send_all
from broker.shell.keys import BrokerKeys, SubjectKeys, load_broker_keys
from broker.shell.logs import configure
from broker.shell.policy import load_policy
from broker.shell.settings import Settings

PARTITIONS = 2
"""Partitions of parts.v1, as in deploy/topics.yaml; a test holds them equal."""

log = structlog.get_logger()


class Work(msgspec.Struct, frozen=True):
    """The outcome of one part: a decided part with its past, or a message to another key."""

    part: Part
    result: DecidedPart | None = None
    past: tuple[StateEntry, ...] = ()
    handed_over: Part | None = None


class LinkState:
    """The table of entries by part key. Values are MessagePack: ids, harms and times, no content."""

    def __init__(self, app: faust.App) -> None:
        """As many partitions as parts.v1."""
        self._table = app.Table("link", partitions=PARTITIONS, key_type=bytes, value_type=bytes)

    def past(self, part_key: str) -> tuple[StateEntry, ...]:
        """All entries of one key, in order."""
        held = self._table.get(part_key.encode())
        if held is None:
            return ()
        return msgspec.msgpack.decode(held, type=tuple[StateEntry, ...])

    def keep(self, part_key: str, entries: tuple[StateEntry, ...]) -> None:
        """Replaces the entries of one key."""
        self._table[part_key.encode()] = msgspec.msgpack.encode(entries)


def work_on(part: Part, order: int, state: LinkState, policy: Policy, keys: BrokerKeys) -> Work:
    """One record of parts.v1: decide it, hand state over, or take state over."""
    past = tuple(entry for entry in state.past(part.part_key) if entry.order < order)
    if part.step is PartStep.MOVE:
        return Work(part, handed_over=_handed_over(part, past, keys.parts_key))
    if part.step is PartStep.ADOPT:
        packed = unseal(keys.parts_key, part.sealed, _adopt_binding(part))
        moved = msgspec.msgpack.decode(packed, type=tuple[StateEntry, ...])
        renumbered = tuple(msgspec.structs.replace(entry, order=order) for entry in moved)
        state.keep(part.part_key, join(state.past(part.part_key), renumbered))
        return Work(part)
    given = part_input(part, order, keys.parts_key)
    try:
        result = decide_part(given, past, policy, keys.sealer.pairwise)
    except Exception as error:  # noqa: BLE001 -- an error while deciding is a refusal and an alarm, never a lost part
        log.error("policy_error", error=type(error).__name__, offset=order)
        result = undecided(given, past)
    entry = entry_of(given)
    known = state.past(part.part_key)
    if all(one.statement != entry.statement for one in known):
        state.keep(part.part_key, (*known, entry))
    return Work(part, result=result, past=past)


def build(settings: Settings) -> faust.App:
    """The decide app, ready to run."""
    configure("decide", settings.log_level)
    app = make_app("decide", settings, partitions=PARTITIONS)
    policy = load_policy(settings)
    keys = load_broker_keys(settings.keys_dir)
    subjects = SubjectKeys(settings.keys_dir / "subjects.db")
    topic = app.topic(PARTS_TOPIC, key_type=bytes, value_type=bytes, partitions=PARTITIONS)
    state = LinkState(app)
    armed = settings.crash_at
    producer: AIOKafkaProducer | None = None

    async def send(batch: list[Work]) -> None:
        nonlocal producer
        producer = producer or await make_producer(settings)
        point("decide.decided", armed)
        await app.producer.flush()
        point("decide.state_flushed", armed)
        await send_all(producer, _messages(batch, policy, keys, subjects))
        point("decide.sent", armed)
        log.info("batch_sent", parts=len(batch))

    batcher = Batcher[Work](
        send,
        size=settings.batch_size,
        wait_ms=settings.batch_wait_ms,
        acknowledged=lambda: point("decide.acknowledged", armed),
    )

    @app.on_before_shutdown.connect
    async def close(*_: Any, **__: Any) -> None:
        if producer is not None:
            await producer.stop()

    @app.agent(topic, name="decide")
    async def take(stream: Any) -> None:
        async for event in stream.noack().events():
            point("decide.received", armed)
            part = decode(event.message.value, Part)
            await batcher.add(event, work_on(part, event.message.offset, state, policy, keys))

    return app


def _messages(
    batch: list[Work], policy: Policy, keys: BrokerKeys, subjects: SubjectKeys
) -> list[tuple[str, bytes | None, bytes]]:
    """Decision sets and handed-over state, in the order of the parts."""
    held = subjects.keys_for([one.part.part_key for one in batch if one.result])
    messages: list[tuple[str, bytes | None, bytes]] = []
    for one in batch:
        if one.handed_over is not None:
            part = one.handed_over
            messages.append((PARTS_TOPIC, part.part_key.encode(), encode(part)))
        if one.result is not None:
            key = one.part.part_key
            recorded = record_part(one.result, one.past, policy, keys.sealer, held[key])
            messages.append((DECISIONS_TOPIC, key.encode(), encode(recorded)))
    return messages


def _handed_over(part: Part, past: tuple[StateEntry, ...], parts_key: bytes) -> Part:
    """The record that brings the entries of a younger token to the older one."""
    handed = msgspec.structs.replace(
        part, step=PartStep.ADOPT, part_key=part.other_key or "", other_key=part.part_key
    )
    packed = msgspec.msgpack.encode(past)
    return msgspec.structs.replace(handed, sealed=seal(parts_key, packed, _adopt_binding(handed)))


def _adopt_binding(part: Part) -> bytes:
    return b"adopt\n" + part.part_key.encode() + b"\n" + part.part_id.encode()
