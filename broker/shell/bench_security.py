"""`broker bench security`: what TLS, client certificates and rights cost a simple relay.

Two embedded Kafkas side by side, one with all security and one open to everybody; both have Java's
second compiler, as a Kafka for live use has. The same relay (read one topic, write another, every batch
confirmed) runs on them in turn, so that what else the machine does meets both alike. Figures are of one
run on one machine. Speed is never asserted in a test.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from broker.shell.access import ensure_access
from broker.shell.kafka import make_producer, send_all
from broker.shell.security import (
    embedded_kafka,
    security_of_operator,
    security_of_organisation,
    security_of_process,
)
from broker.shell.settings import Settings
from broker.shell.topics import ensure_topics

ORGANISATION = "BENCH-1"
FROM, TO = f"concerns.v1.{ORGANISATION}", "parts.v1"
RECORD_BYTES = 1000
BATCH = 500
PROCESS = "intake"
WARM_UP = 6
"""Rounds until Java has compiled what they need."""


class Rates(msgspec.Struct, frozen=True):
    """Records a second over all rounds."""

    median: float
    minimum: float
    maximum: float


class SecurityFigures(msgspec.Struct, frozen=True):
    """One run of the benchmark."""

    records: int
    record_bytes: int
    rounds: int
    plaintext: Rates
    secured: Rates
    loss: float
    """Share of the rate that security costs: 1 - secured / plaintext, of the medians."""


def bench_security(records: int, rounds: int) -> SecurityFigures:
    """Relays `records` in each of `rounds` on both Kafkas, after WARM_UP rounds."""
    found: dict[str, list[float]] = {"plaintext": [], "ssl": []}
    with tempfile.TemporaryDirectory(prefix="broker-bench-") as folder, ExitStack() as stack:
        sides = [_started(Path(folder) / name, name, stack) for name in found]
        for side in sides:
            asyncio.run(_fill(side, records))
        for number in range(rounds + WARM_UP):
            # Who goes first changes: the second of a pair may meet a warmer machine.
            for side in sides if number % 2 else reversed(sides):
                rate = asyncio.run(_relay(side, records))
                if number >= WARM_UP:
                    found[side.kafka_security].append(rate)
    plaintext, secured = _rates(found["plaintext"]), _rates(found["ssl"])
    return SecurityFigures(
        records=records,
        record_bytes=RECORD_BYTES,
        rounds=rounds,
        plaintext=plaintext,
        secured=secured,
        loss=1 - secured.median / plaintext.median,
    )


def _started(folder: Path, security: str, stack: ExitStack) -> Settings:
    settings = Settings(data_dir=folder).model_copy(
        update={"kafka_security": security, "process": PROCESS}
    )
    kafka = stack.enter_context(
        embedded_kafka(settings, [ORGANISATION], quiet=True, full_compiler=True)
    )
    return settings.model_copy(update={"kafka_bootstrap": kafka.bootstrap})


async def _fill(settings: Settings, records: int) -> None:
    """Topics, rights, and the records to relay."""
    operator, bootstrap = security_of_operator(settings), settings.kafka_bootstrap
    await ensure_topics(bootstrap, [ORGANISATION], security=operator)
    if settings.kafka_security == "ssl":
        await ensure_access(bootstrap, [ORGANISATION], security=operator)
    own: Mapping[str, Any] = security_of_organisation(settings, ORGANISATION)
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", **own) as producer:
        await send_all(producer, [(FROM, None, bytes(RECORD_BYTES))] * records)


async def _relay(settings: Settings, records: int) -> float:
    """Records a second, from the first read to the last confirmation; connecting is not counted."""
    place = TopicPartition(FROM, 0)
    producer = await make_producer(settings)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap,
        isolation_level="read_committed",
        **security_of_process(settings, PROCESS),
    )
    await consumer.start()
    try:
        consumer.assign([place])
        await consumer.seek_to_beginning(place)
        await consumer.position(place)
        taken, started = 0, time.perf_counter()
        while taken < records:
            batch = (await consumer.getmany(timeout_ms=1000, max_records=BATCH)).get(place, [])
            await send_all(producer, [(TO, None, record.value) for record in batch])
            taken += len(batch)
        return records / (time.perf_counter() - started)
    finally:
        await consumer.stop()
        await producer.stop()


def _rates(found: Sequence[float]) -> Rates:
    return Rates(statistics.median(found), min(found), max(found))
