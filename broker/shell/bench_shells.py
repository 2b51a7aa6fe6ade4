"""The decide step with Kafka around it, over the same step without: `broker bench`.

An embedded Kafka without security (what that costs: `broker bench security`), with Java's second compiler.
In each run the same parts lie on parts.v1 before anything reads them; then the Faust worker, a plain
aiokafka loop and Quix Streams decide them in turn, each a process of its own, with the ledger stopped, and
so does a loop without Kafka. A shell's rate is counted by Kafka's own times of the sets that it wrote, the
first fifth left out.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from broker.model.codec import decode, encode
from broker.model.types import Part
from broker.shell.bench_measured import seconds
from broker.shell.bench_parts import MemoryTables, Workshop
from broker.shell.bench_peers import CHANGELOG, QUIX_FOLDER
from broker.shell.embedded.jars import cache_dir
from broker.shell.kafka import (
    BATCH_BYTES,
    DECISIONS_TOPIC,
    MAX_REQUEST_BYTES,
    PARTS_TOPIC,
    send_all,
)
from broker.shell.security import embedded_kafka
from broker.shell.settings import PROJECT_DIR, Settings
from broker.shell.subject_keys import SubjectKeys
from broker.shell.topics import ensure_topics

LOCK = PROJECT_DIR / "requirements" / "quix.lock"
LEFT_OUT = 0.2
"""Share of a run's sets, the first, that do not count: a worker starts, and joins its group."""
WITHIN_S = 300.0
LOOK_EVERY_S = 0.2
FAUST, AIOKAFKA, QUIX = "faust", "aiokafka", "quix"
COMMANDS: Mapping[str, tuple[str, ...]] = {
    FAUST: ("broker.shell.run", "decide"),
    AIOKAFKA: ("broker.shell.bench_peers", "aiokafka"),
    QUIX: ("broker.shell.bench_peers", "quix"),
}


class ShellError(RuntimeError):
    """A shell that ended, or did not write its sets in time; names its log."""


def shell_rates(shop: Workshop, count: int, runs: int) -> dict[str, list[float]]:
    """Parts a second of each shell and of the loop without Kafka (`flow`), one figure a run.

    Quix Streams is left out where it is not installed and cannot be.
    """
    settings = shop.settings.model_copy(update={"kafka_security": "plaintext"})
    quix = quix_folder()
    shells = [one for one in COMMANDS if one != QUIX or quix is not None]
    found: dict[str, list[float]] = {name: [] for name in ("flow", *shells)}
    with embedded_kafka(settings, [], quiet=True, full_compiler=True) as kafka:
        settings = settings.model_copy(update={"kafka_bootstrap": kafka.bootstrap})
        asyncio.run(make_topics(settings))
        # A run before, which does not count: Java compiles what it needs, and tables come to be.
        for number in range(runs + 1):
            parts = shop.parts(count)
            asyncio.run(fill(settings, parts))
            rates = {"flow": _flow_rate(shop, parts)}
            for name in shells if number % 2 else reversed(shells):
                rates[name] = _rate_of(name, settings, count, quix)
            if number:
                for name, rate in rates.items():
                    found[name].append(rate)
    return found


def _flow_rate(shop: Workshop, parts: Sequence[Part]) -> float:
    """The step alone: records read, decided, sealed and encoded in batches, state in memory."""
    records = [encode(part) for part in parts]
    with tempfile.TemporaryDirectory(prefix="broker-bench-") as folder:
        decider = shop.decider(MemoryTables(), SubjectKeys(Path(folder) / "subjects.db"))
        taken = seconds(
            lambda: shop.decide(decider, [decode(one, Part) for one in records], 0),
        )
    return len(parts) / taken


def _rate_of(name: str, settings: Settings, count: int, quix: Path | None) -> float:
    before = asyncio.run(ends_of(settings))
    with running(name, settings, quix) as process:
        deadline = time.monotonic() + WITHIN_S
        while asyncio.run(written_since(settings, before)) < count:
            if process.poll() is not None or time.monotonic() > deadline:
                raise ShellError(f"{name} did not write its sets: see {_log_of(name, settings)}")
            time.sleep(LOOK_EVERY_S)
    times = sorted(asyncio.run(times_since(settings, before)))[:count]
    first = int(len(times) * LEFT_OUT)
    return (len(times) - first - 1) / max(0.001, (times[-1] - times[first]) / 1000)


def _log_of(name: str, settings: Settings) -> Path:
    return settings.data_dir / f"{name}.log"


@contextmanager
def running(name: str, settings: Settings, quix: Path | None) -> Iterator[subprocess.Popen[bytes]]:
    """The process of a shell; it is ended at the end, and does not outlive this one."""
    environment = {
        **os.environ,
        "BROKER_KAFKA_BOOTSTRAP": settings.kafka_bootstrap,
        "BROKER_KAFKA_SECURITY": "plaintext",
        "BROKER_DATA_DIR": str(settings.data_dir),
        QUIX_FOLDER: str(quix or ""),
    }
    with _log_of(name, settings).open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", *COMMANDS[name]], env=environment, stdout=log, stderr=log
        )
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


async def make_topics(settings: Settings) -> None:
    """The broker's topics, of no organisation, and the changelog of the aiokafka loop."""
    await ensure_topics(settings.kafka_bootstrap, [])
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(CHANGELOG, 2, 1)])
    finally:
        await admin.close()


async def fill(settings: Settings, parts: Sequence[Part]) -> None:
    """Puts parts on parts.v1, confirmed."""
    async with AIOKafkaProducer(
        bootstrap_servers=settings.kafka_bootstrap,
        max_batch_size=BATCH_BYTES,
        max_request_size=MAX_REQUEST_BYTES,
    ) as producer:
        await send_all(
            producer, [(PARTS_TOPIC, part.part_key.encode(), encode(part)) for part in parts]
        )


@contextmanager
def _no_group(settings: Settings) -> Iterator[AIOKafkaConsumer]:
    yield AIOKafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap,
        group_id=None,
        max_partition_fetch_bytes=MAX_REQUEST_BYTES,
        fetch_max_bytes=4 * MAX_REQUEST_BYTES,
    )


async def ends_of(settings: Settings) -> dict[TopicPartition, int]:
    """Where decisions.v1 ends now, by partition."""
    with _no_group(settings) as consumer:
        await consumer.start()
        try:
            places = [
                TopicPartition(DECISIONS_TOPIC, one)
                for one in consumer.partitions_for_topic(DECISIONS_TOPIC)
                or await _partitions(consumer)
            ]
            return dict(await consumer.end_offsets(places))
        finally:
            await consumer.stop()


async def _partitions(consumer: AIOKafkaConsumer) -> set[int]:
    """Asks Kafka: a consumer without a subscription knows no topic yet."""
    consumer.subscribe([DECISIONS_TOPIC])
    await consumer.getmany(timeout_ms=200)
    return set(consumer.partitions_for_topic(DECISIONS_TOPIC) or ())


async def written_since(settings: Settings, before: Mapping[TopicPartition, int]) -> int:
    """How many sets were written since."""
    ends = await ends_of(settings)
    return sum(ends.values()) - sum(before.values())


async def times_since(settings: Settings, before: Mapping[TopicPartition, int]) -> list[int]:
    """Kafka's times of the sets that were written since, in milliseconds."""
    ends = await ends_of(settings)
    found: list[int] = []
    with _no_group(settings) as consumer:
        await consumer.start()
        try:
            consumer.assign(list(before))
            for place, offset in before.items():
                consumer.seek(place, offset)
            wanted = sum(ends[place] - offset for place, offset in before.items())
            while len(found) < wanted:
                batch = await consumer.getmany(timeout_ms=1000)
                found += [one.timestamp for records in batch.values() for one in records]
        finally:
            await consumer.stop()
    return found


def quix_folder() -> Path | None:
    """Where Quix Streams is installed, by hash, in the cache folder; None where it cannot be."""
    lock = hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12]
    target = cache_dir() / "tools" / f"quix-{sys.implementation.cache_tag}-{lock}"
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as staging:
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--require-hashes"]
        done = subprocess.run(
            [*command, "--no-deps", "--target", f"{staging}/it", "-r", str(LOCK)],
            check=False,
            capture_output=True,
        )
        if done.returncode:
            return None
        Path(staging, "it").rename(target)
    return target
