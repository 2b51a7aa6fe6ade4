"""The decide step in other shells, for comparison: `python -m broker.shell.bench_peers aiokafka|quix`.

The same flow, records and state: tables in RocksDB with a changelog, at least once, subjects' keys and
sets sent in batches, positions committed after Kafka confirmed. `broker bench` starts these; nothing
else does.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import sys
from pathlib import Path
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from rocksdict import Rdict

from broker.link import KeptHistory
from broker.model.codec import decode
from broker.model.types import Part
from broker.model.values import PartState
from broker.shell.bench_parts import BATCH, RocksTables
from broker.shell.decide_state import DecideState
from broker.shell.decide_worker import Decider, Work
from broker.shell.kafka import MAX_REQUEST_BYTES, PARTS_TOPIC, Message, make_producer, send_all
from broker.shell.key_ring import KeyRing
from broker.shell.policy import PolicyHolder
from broker.shell.run import end_with_parent
from broker.shell.settings import Settings
from broker.shell.subject_keys import SubjectKeys

CHANGELOG = "bench-aiokafka-changelog"
QUIX_FOLDER = "BROKER_BENCH_QUIX"
"""Environment variable: the folder in which Quix Streams is installed."""
WAIT_MS = 20


class _LoggedTable:
    """A table in RocksDB that notes what is written, for the changelog."""

    def __init__(self, table: Rdict, written: list[Message]) -> None:
        self._table = table
        self._written = written

    def get(self, key: bytes) -> Any:
        return self._table.get(key)

    def __setitem__(self, key: bytes, value: bytes) -> None:
        self._table[key] = value
        self._written.append((CHANGELOG, key, value))


class _LoggedTables(RocksTables):
    """Tables with one changelog."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.written: list[Message] = []

    def Table(self, name: str, **options: Any) -> Any:  # noqa: N802 -- Faust's name
        return _LoggedTable(super().Table(name, **options), self.written)


async def _with_aiokafka(settings: Settings) -> None:
    """Reads a batch, works on it, sends changelog and sets, commits."""
    folder = settings.data_dir / "bench-aiokafka"
    folder.mkdir(exist_ok=True)
    tables: Any = _LoggedTables(folder)
    decider = Decider(
        DecideState(tables, 1),
        KeyRing(settings.keys_dir),
        SubjectKeys(folder / "subjects.db"),
    )
    policies = PolicyHolder(settings)
    producer: AIOKafkaProducer = await make_producer(settings)
    consumer = AIOKafkaConsumer(
        PARTS_TOPIC,
        bootstrap_servers=settings.kafka_bootstrap,
        group_id="bench-aiokafka",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=MAX_REQUEST_BYTES,
    )
    await consumer.start()
    while True:
        batch = await consumer.getmany(timeout_ms=WAIT_MS, max_records=BATCH)
        work: list[Work] = []
        ends: dict[TopicPartition, int] = {}
        for place, records in batch.items():
            for record in records:
                part = decode(record.value, Part)
                work.append(decider.work_on(part, record.offset, policies.current(), None))
                ends[place] = record.offset + 1
        if not work:
            continue
        await send_all(producer, tables.written)
        tables.written.clear()
        await send_all(producer, decider.messages(work))
        await consumer.commit(ends)


class _QuixRows:
    """The rows of one history in the state of its key."""

    def __init__(self, state: Any) -> None:
        self._state = state

    def get(self, name: str) -> bytes | None:
        row: bytes | None = self._state.get_bytes(f"link{name}")
        return row

    def put(self, name: str, row: bytes) -> None:
        self._state.set_bytes(f"link{name}", row)

    def drop(self, name: str) -> None:
        self._state.delete(f"link{name}")


class _QuixState:
    """The state of one key as Quix Streams holds it, under the names that a Decider asks for."""

    def __init__(self) -> None:
        self.state: Any = None

    def history(self, _part_key: str) -> KeptHistory:
        return KeptHistory(_QuixRows(self.state))

    def rounds(self, part_id: str) -> PartState | None:
        held = self.state.get_bytes(part_id)
        return None if held is None else msgspec.msgpack.decode(held, type=PartState)

    def keep_rounds(self, state: PartState) -> None:
        self.state.set_bytes(state.part_id, msgspec.msgpack.encode(state))


def _with_quix(settings: Settings) -> None:
    """A stateful step, and a sink that seals and sends what has gathered at each checkpoint."""
    # Behind everything else: where both have a package, the broker's own is taken.
    sys.path.append(os.environ[QUIX_FOLDER])
    quixstreams: Any = importlib.import_module("quixstreams")
    sinks: Any = importlib.import_module("quixstreams.sinks")

    folder = settings.data_dir / "bench-quix"
    folder.mkdir(exist_ok=True)
    state: Any = _QuixState()
    decider = Decider(state, KeyRing(settings.keys_dir), SubjectKeys(folder / "subjects.db"))
    policies = PolicyHolder(settings)
    app = quixstreams.Application(
        broker_address=settings.kafka_bootstrap,
        consumer_group="bench-quix",
        auto_offset_reset="earliest",
        state_dir=folder / "state",
        commit_every=BATCH,
        commit_interval=WAIT_MS / 1000,
        loglevel="ERROR",
        producer_extra_config={"message.max.bytes": MAX_REQUEST_BYTES, "linger.ms": 2},
        consumer_extra_config={"max.partition.fetch.bytes": MAX_REQUEST_BYTES},
    )
    sending = app.get_producer()

    def work_on(value: bytes, _key: Any, _time: int, _headers: Any, held: Any) -> Work:
        state.state = held
        offset = quixstreams.message_context().offset
        return decider.work_on(decode(value, Part), offset, policies.current(), None)

    class Sets(sinks.BatchingSink):  # type: ignore[misc]
        def write(self, batch: Any) -> None:
            for topic, key, value, *_ in decider.messages([one.value for one in batch]):
                sending.produce(topic, value, key=key)
            sending.flush()

    topic = app.topic(PARTS_TOPIC, key_deserializer="bytes", value_deserializer="bytes")
    frame = app.dataframe(topic)
    frame.apply(work_on, stateful=True, metadata=True).sink(Sets())
    app.run()


def main(arguments: list[str]) -> int:
    """Runs the named peer until it is ended."""
    end_with_parent()
    settings = Settings().model_copy(update={"process": "decide"})
    if arguments == ["aiokafka"]:
        asyncio.run(_with_aiokafka(settings))
    elif arguments == ["quix"]:
        _with_quix(settings)
    else:
        sys.stderr.write("usage: python -m broker.shell.bench_peers aiokafka|quix\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
