"""Faust's tables in RocksDB, with changes sent in batches and on disk once their changelog has them.

Faust itself sends each change on its own, with a future and a callback, and writes it to disk before
it is sent. A worker killed in between kept on its disk what the changelog never got, and would not
send it again. Here changes are held in memory, where the worker reads them, until `Changelogs.keep` has
sent what gathered and Kafka confirmed; only then are they written, with the offset up to which the disk
is right, in one write.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import faust
import msgspec
from aiokafka import AIOKafkaProducer
from faust.stores import rocksdb
from faust.streams import current_event
from rocksdict import WriteBatch

MEMORY = {"write_buffer_size": 4 << 20, "block_cache_size": 32 << 20}
"""Bytes for each partition of a table; Faust's own figures let a worker grow by gigabytes."""
Place = tuple[int, bytes]
"""Partition and key."""


class Change(msgspec.Struct, frozen=True):
    """A row as it is from now on; None: it is gone."""

    partition: int
    key: bytes
    value: bytes | None
    turn: int
    """How often the partition had been taken away when the change was made."""


class HeldStore(rocksdb.Store):
    """Faust's store of bytes; what is not in the changelog yet is held, and read, in memory."""

    def __init__(self, *args: Any, **options: Any) -> None:
        """As Faust makes its stores."""
        super().__init__(*args, **options)
        self._held: dict[Place, Change] = {}
        self._gathered: list[Change] = []
        self._turns: defaultdict[int, int] = defaultdict(int)

    def taken(self) -> list[Change]:
        """What changed since the last time, in order; it stays readable until it is written."""
        taken, self._gathered = self._gathered, []
        return taken

    def write(self, changes: list[Change], partition: int, offset: int) -> None:
        """Writes changes of one partition, the last of which lies at `offset` on the changelog.

        Where the partition was taken away meanwhile, another may have written between: nothing is said of the
        offset, and Faust reads the changelog again from where the disk last was right.
        """
        batch = WriteBatch(raw_mode=True)
        for change in changes:
            if change.value is None:
                batch.delete(change.key)
            else:
                batch.put(change.key, change.value)
        if all(change.turn == self._turns[partition] for change in changes):
            batch.put(self.offset_key, str(offset).encode())
        if partition in self._dbs:
            self._dbs[partition].write(batch)
        for change in changes:
            if self._held.get((partition, change.key)) is change:
                del self._held[partition, change.key]

    def revoke_partitions(self, table: Any, tps: Any) -> None:
        """Closes what is taken away."""
        for tp in tps:
            if tp.topic in table.changelog_topic.topics:
                self._turns[tp.partition] += 1
        super().revoke_partitions(table, tps)

    def get_bytes(self, key: bytes) -> bytes | None:
        """A row of the partition of the event at hand."""
        partition = _partition()
        held = self._held.get((partition, key))
        if held is not None:
            return held.value
        found: bytes | None = self._db_for_partition(partition).get(key)
        return found

    def _change(self, key: bytes, value: bytes | None) -> None:
        partition = _partition()
        change = Change(partition, key, value, self._turns[partition])
        self._held[partition, key] = change
        self._gathered.append(change)

    def _get(self, key: bytes) -> bytes | None:
        return self.get_bytes(key)

    def _contains(self, key: bytes) -> bool:
        return self.get_bytes(key) is not None

    def _set(self, key: bytes, value: bytes | None) -> None:
        self._change(key, value)

    def _del(self, key: bytes) -> None:
        self._change(key, None)

    def _visible_items(self, db: Any) -> Iterator[tuple[bytes, bytes]]:
        (partition,) = [one for one, opened in self._dbs.items() if opened is db]
        held = {key: change.value for (at, key), change in self._held.items() if at == partition}
        for key, value in super()._visible_items(db):
            if key not in held:
                yield key, value
        for key, changed in held.items():
            if changed is not None:
                yield key, changed

    def _visible_keys(self, db: Any) -> Iterator[bytes]:
        for key, _ in self._visible_items(db):
            yield key


class HeldTable(faust.Table):  # type: ignore[type-arg]
    """A Faust table over a HeldStore: nothing is sent until `Changelogs.keep`."""

    def _new_store(self) -> HeldStore:
        return HeldStore(
            self.app.conf.store,
            self.app,
            self,
            table_name=self.name,
            key_type=self.key_type,
            key_serializer=self.key_serializer,
            value_serializer=self.value_serializer,
            value_type=self.value_type,
            loop=self.loop,
            options={**MEMORY, **(self.options or {})},
            driver="rocksdict",
        )

    def get(self, key: bytes, default: Any = None) -> Any:
        """One look where Faust has two, with a sensor."""
        store: Any = self.data
        found = store.get_bytes(key)
        return default if found is None else found

    def on_key_set(self, key: bytes, value: bytes) -> None:  # noqa: ARG002 -- Faust's signature
        """The store holds the change."""
        # Raises where the changelog has other partitions than the topic.
        self.partition_for_key(key)

    def on_key_del(self, key: bytes) -> None:
        """The store holds the change."""
        self.partition_for_key(key)


class Changelogs:
    """Brings what the tables of an app gathered to Kafka, and then to disk."""

    def __init__(self, app: faust.App, producer: Callable[[], Awaitable[AIOKafkaProducer]]) -> None:
        """`producer` is connected when there is first something to send."""
        self._app = app
        self._producer = producer

    async def keep(self) -> None:
        """Returns when Kafka has confirmed every change made before the call, and the disk has it."""
        sending: list[tuple[HeldStore, int, list[Change], list[Any]]] = []
        for table in self._app.tables.values():
            by_partition: defaultdict[int, list[Change]] = defaultdict(list)
            for change in table.data.taken():
                by_partition[change.partition].append(change)
            for partition, changes in by_partition.items():
                futures = await self._send(table.changelog_topic_name, partition, changes)
                sending.append((table.data, partition, changes, futures))
        for store, partition, changes, futures in sending:
            last = [await future for future in futures][-1]
            store.write(changes, partition, last.offset)

    async def _send(self, topic: str, partition: int, changes: list[Change]) -> list[Any]:
        producer = await self._producer()
        return [
            await producer.send(topic, one.value, key=one.key, partition=partition)
            for one in changes
        ]


def _partition() -> int:
    event = current_event()
    if event is None:
        raise TypeError("a table has rows of the partition of an event: there is none at hand")
    partition: int = event.message.partition
    return partition
