"""Tables whose disk never has what their changelog has not, and that forget nothing that is confirmed."""

from __future__ import annotations

import asyncio
import tempfile
import weakref
from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from faust.streams import _current_event
from faust.types import TP
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.shell.kafka import make_app
from broker.shell.settings import Settings
from broker.shell.tables import Changelogs, HeldStore

PARTITIONS = 2
Rows = dict[tuple[int, bytes], bytes]
KEYS = st.sampled_from([b"a", b"b", b"c"])
CHANGES = st.tuples(
    st.just("change"), st.integers(0, PARTITIONS - 1), KEYS, st.none() | st.binary(max_size=3)
)
STEPS = st.lists(
    CHANGES | st.tuples(st.sampled_from(["keep", "send only", "kill", "away and back"])),
    max_size=40,
)


class Event:
    """The record at hand."""

    def __init__(self, partition: int) -> None:
        self.message = SimpleNamespace(partition=partition, topic="parts.v1")


class Log:
    """A changelog: rows in order, by partition."""

    def __init__(self) -> None:
        self.rows: defaultdict[int, list[tuple[bytes, bytes | None]]] = defaultdict(list)

    async def send(self, _topic: str, value: bytes | None, *, key: bytes, partition: int) -> Any:
        """Kafka confirms at once."""
        self.rows[partition].append((key, value))
        offset = len(self.rows[partition]) - 1
        confirmed: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        confirmed.set_result(SimpleNamespace(offset=offset))
        return confirmed

    def state(self) -> Rows:
        """Every row as its last change left it."""
        found: Rows = {}
        for partition, rows in self.rows.items():
            for key, value in rows:
                found.pop((partition, key), None)
                if value is not None:
                    found[partition, key] = value
        return found


class Worker:
    """A worker's table on a folder; its changelog outlives it."""

    def __init__(self, folder: Path, log: Log) -> None:
        configured = Settings().model_copy(
            update={
                "data_dir": folder,
                "kafka_bootstrap": "nowhere:1",
                "kafka_security": "plaintext",
            }
        )
        app = make_app("laws", configured, partitions=PARTITIONS)
        self.table: Any = app.Table("rows", partitions=PARTITIONS, key_type=bytes, value_type=bytes)
        store: Any = self.table.data
        self.store: HeldStore = store
        self.changelogs = Changelogs(app, self.producer)
        self.log = log
        for partition in range(PARTITIONS):
            self._open(partition)

    async def producer(self) -> Any:
        """The changelog takes what it is given."""
        return self.log

    def _open(self, partition: int) -> None:
        """As Faust recovers: what lies on the changelog behind the offset that the disk names."""
        database: Any = self.store._db_for_partition(partition)
        known = self.store.persisted_offset(TP("rows", partition))
        for key, value in self.log.rows[partition][0 if known is None else known + 1 :]:
            if value is None:
                database.delete(key)
            else:
                database[key] = value

    def at(self, partition: int) -> None:
        """A record of this partition is at hand."""
        self.event = Event(partition)
        _current_event.set(weakref.ref(self.event))  # type: ignore[arg-type]

    def change(self, partition: int, key: bytes, value: bytes | None) -> None:
        """One change, by a record of that partition."""
        self.at(partition)
        if value is not None:
            self.store[key] = value
        elif self.table.get(key) is not None:
            del self.store[key]

    def rows(self) -> Rows:
        """What the worker reads, row by row."""
        found: Rows = {}
        for partition in range(PARTITIONS):
            self.at(partition)
            for key in (b"a", b"b", b"c"):
                value = self.table.get(key)
                if value is not None:
                    found[partition, key] = value
                assert (key in self.store) == (value is not None)
        return found

    def listed(self) -> Rows:
        """What the worker reads when it looks through everything."""
        return {
            (partition, key): value
            for partition, database in self.store._dbs.items()
            for key, value in self.store._visible_items(database)
        }

    def away_and_back(self) -> None:
        """A rebalance takes partition 0 and gives it back."""
        topics = self.table.changelog_topic.topics
        self.store.revoke_partitions(self.table, {TP(topics[0], 0)})
        self._open(0)


@settings(max_examples=25)
@given(steps=STEPS)
def test_a_kill_at_any_moment_leaves_disk_and_changelog_in_agreement(
    steps: list[tuple[Any, ...]],
) -> None:
    """What a worker reads is what it changed; after a kill, it and any other read what the changelog has."""
    with tempfile.TemporaryDirectory() as folder:
        log, expected = Log(), Rows()
        worker = Worker(Path(folder), log)
        for what, *change in steps:
            if what == "change":
                partition, key, value = change
                worker.change(partition, key, value)
                expected.pop((partition, key), None)
                if value is not None:
                    expected[partition, key] = value
            elif what == "keep":
                asyncio.run(worker.changelogs.keep())
                assert log.state() == expected
            elif what == "send only":
                # Killed when Kafka has it and the disk has not.
                worker.store.write = lambda *_: None  # type: ignore[method-assign]
                asyncio.run(worker.changelogs.keep())
            elif what == "away and back":
                worker.away_and_back()
            if what in {"kill", "send only"}:
                worker.store._dbs.clear()
                worker = Worker(Path(folder), log)
                expected = log.state()
            assert worker.rows() == worker.listed() == expected
        worker.store._dbs.clear()


async def written(log: Log) -> None:
    """By another worker."""
    await log.send("rows", b"x", key=b"b", partition=0)


def test_what_was_taken_away_meanwhile_says_nothing_of_the_offset(tmp_path: Path) -> None:
    """Another worker may have written between: the disk is read on from where it last was right."""
    log = Log()
    worker = Worker(tmp_path, log)
    worker.change(0, b"a", b"1")
    asyncio.run(worker.changelogs.keep())
    worker.change(0, b"a", b"2")
    worker.away_and_back()
    asyncio.run(written(log))
    asyncio.run(worker.changelogs.keep())
    assert worker.store.persisted_offset(TP("rows", 0)) == 0
