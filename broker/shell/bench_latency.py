"""From Kafka taking an event to a recipient's client having the alert, over a relay: `broker bench`.

The broker's three processes on an embedded Kafka without security; events come at a steady rate. The relay
carries records of an alert's size over as many hops, each a process, its last one as the ledger: what it
read is synced to disk, then sent in a Kafka transaction. Clients read committed records only, both times.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from broker.ledger import read_entries
from broker.reference import load_connected
from broker.shell.bench_parts import Workshop
from broker.shell.bench_relay import HOPS
from broker.shell.bench_shells import ShellError
from broker.shell.kafka import LINGER_MS, MAX_REQUEST_BYTES
from broker.shell.security import embedded_kafka
from broker.shell.settings import Settings
from broker.shell.topics import ensure_topics

STEPS = ("intake", "decide", "ledger")
ALERT_BYTES = 8_000
WARM_UP = 100
"""Events or records before the measured ones: workers join, Java compiles."""
READY_WITHIN_S = 120.0
QUIET_S = 2


class Latency(msgspec.Struct, frozen=True):
    """Milliseconds of one round at one rate."""

    p50: float
    p99: float
    most: float


def latencies(shop: Workshop, rate: int, seconds: int, runs: int) -> list[tuple[Latency, Latency]]:
    """Broker and relay, one after the other in each run, at `rate` events a second."""
    settings = shop.settings.model_copy(update={"kafka_security": "plaintext"})
    found = []
    with (
        embedded_kafka(settings, [], quiet=True, full_compiler=True) as kafka,
        ExitStack() as stack,
    ):
        settings = settings.model_copy(update={"kafka_bootstrap": kafka.bootstrap})
        asyncio.run(make_topics(settings))
        for name in STEPS:
            stack.enter_context(process_of(settings, "broker.shell.run", name))
        for hop in range(len(HOPS) - 1):
            stack.enter_context(process_of(settings, "broker.shell.bench_relay", str(hop)))
        asyncio.run(_alerts(settings, shop, rate, WARM_UP))
        asyncio.run(_relayed(settings, rate, WARM_UP))
        for _ in range(runs):
            broker = asyncio.run(_alerts(settings, shop, rate, rate * seconds))
            found.append((broker, asyncio.run(_relayed(settings, rate, rate * seconds))))
    return found


@contextmanager
def process_of(settings: Settings, module: str, name: str) -> Iterator[None]:
    """A process of the broker or of the relay; it is ended at the end."""
    environment = {
        **os.environ,
        "BROKER_KAFKA_BOOTSTRAP": settings.kafka_bootstrap,
        "BROKER_KAFKA_SECURITY": "plaintext",
        "BROKER_DATA_DIR": str(settings.data_dir),
    }
    with (settings.data_dir / f"{name}.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", module, name], env=environment, stdout=log, stderr=log
        )
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def connected(settings: Settings) -> list[str]:
    """Codes of the organisations that have topics."""
    return list(load_connected(settings.organisations_dir / "connected.yaml"))


async def make_topics(settings: Settings) -> None:
    """All topics of the broker, and those of the relay."""
    await ensure_topics(settings.kafka_bootstrap, connected(settings))
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, 1, 1) for name in HOPS])
    finally:
        await admin.close()


async def _alerts(settings: Settings, shop: Workshop, rate: int, count: int) -> Latency:
    """Publishes events and waits for their alerts."""
    published = list(shop.sealed(count))
    topic = f"concerns.v1.{shop.publisher}"
    topics = [f"alerts.v1.{code}" for code in connected(settings)]
    taken, arrived = await _sent_and_read(
        settings, rate, topic, [data for _, data in published], topics, per_record=None
    )
    sent_at = {event_id: at for (event_id, _), at in zip(published, taken, strict=True)}
    events = _event_of_message(settings)
    return _latency(
        [at - sent_at[events[key]] for key, at in arrived.items() if events.get(key) in sent_at],
        count,
    )


async def _relayed(settings: Settings, rate: int, count: int) -> Latency:
    """The same through the relay: a record's value begins with its number."""
    run = os.urandom(8).hex()
    records = [f"{run}-{number:08d}".encode().ljust(ALERT_BYTES, b".") for number in range(count)]
    taken, arrived = await _sent_and_read(
        settings, rate, HOPS[0], records, [HOPS[-1]], per_record=len(records[0].rstrip(b"."))
    )
    sent_at = {data.rstrip(b".").decode(): at for data, at in zip(records, taken, strict=True)}
    return _latency([at - sent_at[key] for key, at in arrived.items() if key in sent_at], count)


async def _sent_and_read(
    settings: Settings,
    rate: int,
    topic: str,
    records: Sequence[bytes],
    wanted: Sequence[str],
    per_record: int | None,
) -> tuple[list[float], dict[str, float]]:
    """When Kafka took each record, and when each message was read, by its key or its first bytes."""
    consumer = AIOKafkaConsumer(
        *wanted,
        bootstrap_servers=settings.kafka_bootstrap,
        isolation_level="read_committed",
        auto_offset_reset="latest",
        max_partition_fetch_bytes=MAX_REQUEST_BYTES,
    )
    await consumer.start()
    for place in consumer.assignment():
        await consumer.position(place)
    arrived: dict[str, float] = {}
    reading = asyncio.create_task(_read(consumer, arrived, per_record))
    try:
        async with AIOKafkaProducer(
            bootstrap_servers=settings.kafka_bootstrap, acks="all", linger_ms=LINGER_MS
        ) as producer:
            started, futures = time.monotonic(), []
            for number, data in enumerate(records):
                await asyncio.sleep(max(0.0, started + number / rate - time.monotonic()))
                futures.append(await producer.send(topic, data))
            taken = [(await one).timestamp / 1000 for one in futures]
        await _quiet(arrived, len(records))
    finally:
        reading.cancel()
        await consumer.stop()
    return taken, arrived


async def _read(consumer: AIOKafkaConsumer, arrived: dict[str, float], size: int | None) -> None:
    while True:
        batch = await consumer.getmany(timeout_ms=1000)
        now = time.time()
        for records in batch.values():
            for record in records:
                key = record.key if size is None else record.value[:size]
                arrived[key.decode()] = now


async def _quiet(arrived: Mapping[str, float], least: int) -> None:
    """Returns when at least so many have come and no more have for two seconds."""
    deadline = time.monotonic() + READY_WITHIN_S
    seen, since = -1, time.monotonic()
    while time.monotonic() < deadline:
        if len(arrived) != seen:
            seen, since = len(arrived), time.monotonic()
        elif seen >= least and time.monotonic() - since > QUIET_S:
            return
        await asyncio.sleep(0.1)


def _event_of_message(settings: Settings) -> dict[str, str]:
    """Message id of every alert -> its event, from the ledger's files."""
    found: dict[str, str] = {}
    for shard in settings.ledger_dir.glob("s*"):
        for entry in read_entries(shard, 0):
            leaf = json.loads(entry)
            if leaf["kind"] == "decision" and leaf["channel"] == "alert":
                found[leaf["message_id"]] = leaf["event_id"]
    return found


def _latency(seconds: Sequence[float], least: int) -> Latency:
    """Raises ShellError where fewer came than were sent."""
    if len(seconds) < least:
        raise ShellError(f"{len(seconds)} of at least {least} messages came")
    cuts = statistics.quantiles(seconds, n=100)
    return Latency(1000 * cuts[49], 1000 * cuts[98], 1000 * max(seconds))
