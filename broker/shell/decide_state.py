"""What the decide process keeps between records: histories by key, rounds by part, and the way back.

Tables hold ids, harms and times, no content. A part that a later act is about is read again from
parts.v1, where it lies sealed for as long as the topic keeps it.
"""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Iterable
from typing import Any

import faust
import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from rocksdict import BottommostLevelCompaction, CompactOptions

from broker.link import KeptHistory
from broker.model.codec import decode
from broker.model.types import Part
from broker.model.values import PartState
from broker.shell.kafka import PARTS_TOPIC, committed_consumer
from broker.shell.settings import Settings

READ_WITHIN_S = 10.0
CHANGELOG_COMPACTED_WITHIN = datetime.timedelta(days=1)
CHANGELOG_SEGMENT = datetime.timedelta(hours=6)
CHANGELOG = {
    "max.compaction.lag.ms": str(round(CHANGELOG_COMPACTED_WITHIN.total_seconds() * 1000)),
    "segment.ms": str(round(CHANGELOG_SEGMENT.total_seconds() * 1000)),
}
"""Settings of the tables' changelogs: what a table forgets is gone from Kafka within a bound too."""


class DecideState:
    """The two tables of the decide process. Values are MessagePack."""

    def __init__(self, app: faust.App, partitions: int) -> None:
        """As many partitions as parts.v1."""
        self._link = table_of(app, "link", partitions)
        self._rounds = table_of(app, "rounds", partitions)

    def history(self, part_key: str) -> KeptHistory:
        """The link entries of one key, as they are now: for the work on one record."""
        return KeptHistory(TableRows(self._link, part_key))

    def rounds(self, part_id: str) -> PartState | None:
        """The state of a part that was decided on this partition."""
        held = self._rounds.get(part_id.encode())
        return None if held is None else msgspec.msgpack.decode(held, type=PartState)

    def keep_rounds(self, state: PartState) -> None:
        """Replaces the state of a part."""
        self._rounds[state.part_id.encode()] = msgspec.msgpack.encode(state)

    def forget(self, part_key: str, part_ids: Iterable[str]) -> None:
        """Removes the link entries of a key and the state of these parts."""
        self.history(part_key).forget()
        for part_id in part_ids:
            remove(self._rounds, part_id.encode())

    def compact(self) -> None:
        """Rewrites the tables' files, so that what was removed is no longer in them."""
        for table in (self._link, self._rounds):
            compact(table)


class TableRows:
    """The rows of one key in a table: under the key itself and under names that begin with it."""

    def __init__(self, table: Any, part_key: str) -> None:
        """In `table`, whose keys are bytes."""
        self._table = table
        self._part_key = part_key

    def get(self, name: str) -> bytes | None:
        """The row; None where there is none."""
        row: bytes | None = self._table.get((self._part_key + name).encode())
        return row

    def put(self, name: str, row: bytes) -> None:
        """Writes the row."""
        self._table[(self._part_key + name).encode()] = row

    def drop(self, name: str) -> None:
        """Removes the row, if it is there."""
        remove(self._table, (self._part_key + name).encode())


def table_of(app: faust.App, name: str, partitions: int) -> Any:
    """A table of bytes whose changelog forgets within a bound."""
    return app.Table(
        name,
        partitions=partitions,
        key_type=bytes,
        value_type=bytes,
        extra_topic_configs=CHANGELOG,
    )


def remove(table: Any, key: bytes) -> None:
    """Removes a row if it is there."""
    if table.get(key) is not None:
        del table[key]


def compact(table: Any) -> None:
    """Rewrites the files of a table's open partitions, and opens them anew.

    RocksDB keeps what was removed until its files are merged, and the bounds of old files until it is
    opened the next time.
    """
    store = table.data
    opened = store._dbs  # noqa: SLF001 -- Faust has no way to compact a table
    options = CompactOptions()
    options.set_bottommost_level_compaction(BottommostLevelCompaction.force_optimized())
    for partition in list(opened):
        database = opened.pop(partition)
        database.flush()
        database.compact_range(None, None, options)
        database.close()
        store._db_for_partition(partition)  # noqa: SLF001 -- opens it again


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
