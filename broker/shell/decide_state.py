"""What the decide process keeps between records: link entries by key, rounds by part, and the way back.

Tables hold ids, harms and times, no content. A part that a later act is about is read again from
parts.v1, where it lies sealed for as long as the topic keeps it.
"""

from __future__ import annotations

import asyncio

import faust
import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from broker.model.codec import decode
from broker.model.types import Part
from broker.model.values import PartState, StateEntry
from broker.shell.kafka import PARTS_TOPIC, committed_consumer
from broker.shell.settings import Settings

READ_WITHIN_S = 10.0


class DecideState:
    """The two tables of the decide process. Values are MessagePack."""

    def __init__(self, app: faust.App, partitions: int) -> None:
        """As many partitions as parts.v1."""
        self._link = app.Table("link", partitions=partitions, key_type=bytes, value_type=bytes)
        self._rounds = app.Table("rounds", partitions=partitions, key_type=bytes, value_type=bytes)

    def past(self, part_key: str) -> tuple[StateEntry, ...]:
        """All link entries of one key, in order."""
        held = self._link.get(part_key.encode())
        if held is None:
            return ()
        return msgspec.msgpack.decode(held, type=tuple[StateEntry, ...])

    def keep(self, part_key: str, entries: tuple[StateEntry, ...]) -> None:
        """Replaces the link entries of one key."""
        self._link[part_key.encode()] = msgspec.msgpack.encode(entries)

    def rounds(self, part_id: str) -> PartState | None:
        """The state of a part that was decided on this partition."""
        held = self._rounds.get(part_id.encode())
        return None if held is None else msgspec.msgpack.decode(held, type=PartState)

    def keep_rounds(self, state: PartState) -> None:
        """Replaces the state of a part."""
        self._rounds[state.part_id.encode()] = msgspec.msgpack.encode(state)


class PartReader:
    """Reads one record of parts.v1 again, by its partition and offset."""

    def __init__(self, settings: Settings) -> None:
        """Connects when it is first asked."""
        self._settings = settings
        self._consumer: AIOKafkaConsumer | None = None

    async def read(self, partition: int, offset: int) -> Part | None:
        """The part at that place; None if the topic has forgotten it."""
        consumer = await self._started()
        place = TopicPartition(PARTS_TOPIC, partition)
        consumer.assign([place])
        if (await consumer.beginning_offsets([place]))[place] > offset:
            return None
        consumer.seek(place, offset)
        record = await asyncio.wait_for(consumer.getone(place), READ_WITHIN_S)
        if record.offset != offset or record.value is None:
            return None
        return decode(record.value, Part)

    async def stop(self) -> None:
        """Disconnects."""
        if self._consumer is not None:
            await self._consumer.stop()

    async def _started(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            self._consumer = committed_consumer(self._settings)
            await self._consumer.start()
        return self._consumer
