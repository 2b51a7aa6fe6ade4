"""Load: a raw relay, catching up after a stop, and the rate at which no queue grows: `broker bench`.

On an embedded Kafka without security, with the broker's three processes. An hour's stop is scaled: as many
events as are asked for are published while nothing runs, and the rate at which they are worked off says
how long an hour's would take at the rate that the capacity plan provides for.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from broker.shell.bench_latency import ALERT_BYTES, STEPS, connected, make_topics, process_of
from broker.shell.bench_parts import Workshop
from broker.shell.bench_relay import HOPS
from broker.shell.bench_shells import LEFT_OUT, WITHIN_S, ShellError
from broker.shell.kafka import LINGER_MS, MAX_REQUEST_BYTES
from broker.shell.security import embedded_kafka
from broker.shell.settings import Settings

PLANNED = 36.93
"""Events a second: ten times the busiest second of all England (`aim` in docs/capacity.md)."""
HOUR_S = 3600
ALERTS = 4
"""Alerts on topics of each event here (bench_parts)."""
SHARES = (0.9, 0.75, 0.6, 0.45, 0.3)
"""Of the rate at which a queue was worked off: the first of them at which none grows is sustained."""
DRAINED_S = 2.0
"""No queue has grown if all is done so soon after the last event."""


class CaughtUp(msgspec.Struct, frozen=True):
    """One stop."""

    rate: float
    """Events a second that were worked off, once it had begun."""
    began_s: float
    """From the start of the processes to the first receipt."""

    @property
    def over_real_time(self) -> float:
        """An hour's events at the planned rate: by how much faster than they came."""
        return HOUR_S / (self.began_s + HOUR_S * PLANNED / self.rate)


def caught_up(
    shop: Workshop, count: int, runs: int, sustained_s: int
) -> tuple[list[CaughtUp], list[float]]:
    """Of each run the stop, and the highest rate that was sustained for so many seconds after it."""
    settings = shop.settings.model_copy(update={"kafka_security": "plaintext"})
    stops, sustained = [], []
    with embedded_kafka(settings, [], quiet=True, full_compiler=True) as kafka:
        settings = settings.model_copy(update={"kafka_bootstrap": kafka.bootstrap})
        asyncio.run(make_topics(settings))
        for number in range(runs + 1):
            events = [data for _, data in shop.sealed(count)]
            before = asyncio.run(_alerts_end(settings))
            asyncio.run(_published(settings, shop.publisher, events))
            started = time.time()
            with ExitStack() as stack:
                for name in STEPS:
                    stack.enter_context(process_of(settings, "broker.shell.run", name))
                times = asyncio.run(_arrived(settings, before, count))
                if number:  # the run before does not count: Java compiles what it needs
                    stops.append(_stop(times, count, started))
                    sustained.append(_sustained(settings, shop, stops[-1].rate, sustained_s))
    return stops, sustained


def relay_rates(shop: Workshop, count: int, runs: int) -> list[float]:
    """Records of an alert's size a second, from one topic to another by a loop that does nothing else."""
    settings = shop.settings.model_copy(update={"kafka_security": "plaintext"})
    found = []
    place = TopicPartition(HOPS[1], 0)
    with embedded_kafka(settings, [], quiet=True, full_compiler=True) as kafka:
        settings = settings.model_copy(update={"kafka_bootstrap": kafka.bootstrap})
        asyncio.run(make_topics(settings))
        with process_of(settings, "broker.shell.bench_relay", "0"):
            for number in range(runs + 1):
                before = asyncio.run(_ends(settings, [place]))
                asyncio.run(_sent(settings, HOPS[0], [bytes(ALERT_BYTES)] * count))
                times = asyncio.run(_times(settings, before, count))
                if number:
                    found.append(_rate(times))
    return found


def _stop(times: Sequence[float], count: int, started: float) -> CaughtUp:
    return CaughtUp(rate=_rate(times) * count / len(times), began_s=times[0] - started)


def _rate(times: Sequence[float]) -> float:
    """A second, without the first of them: what was begun before is not finished first."""
    first = int(len(times) * LEFT_OUT)
    return (len(times) - first - 1) / max(0.001, times[-1] - times[first])


def _sustained(settings: Settings, shop: Workshop, rate: float, seconds: int) -> float:
    """The highest share of the rate at which all is done soon after the last event; nought if none is."""
    for share in SHARES:
        tried = rate * share
        count = max(1, round(tried * seconds))
        events = [data for _, data in shop.sealed(count)]
        before = asyncio.run(_alerts_end(settings))
        asyncio.run(_published(settings, shop.publisher, events, tried))
        ended = time.time()
        times = asyncio.run(_arrived(settings, before, count))
        if times[-1] - ended <= DRAINED_S:
            return tried
    return 0.0


async def _published(
    settings: Settings, publisher: str, events: Sequence[bytes], rate: float | None = None
) -> None:
    await _sent(settings, f"concerns.v1.{publisher}", events, rate)


async def _sent(
    settings: Settings, topic: str, records: Sequence[bytes], rate: float | None = None
) -> None:
    """At this rate a second, or at once; confirmed."""
    async with AIOKafkaProducer(
        bootstrap_servers=settings.kafka_bootstrap, acks="all", linger_ms=LINGER_MS
    ) as producer:
        started, futures = time.monotonic(), []
        for number, data in enumerate(records):
            if rate is not None:
                await asyncio.sleep(max(0.0, started + number / rate - time.monotonic()))
            futures.append(await producer.send(topic, data))
        for one in futures:
            await one


async def _alerts_end(settings: Settings) -> dict[TopicPartition, int]:
    """Where the topics of alerts and receipts end."""
    kinds = ("alerts", "receipts")
    return await _ends(
        settings,
        [TopicPartition(f"{kind}.v1.{code}", 0) for code in connected(settings) for kind in kinds],
    )


async def _ends(settings: Settings, places: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
    consumer = _consumer(settings)
    await consumer.start()
    try:
        consumer.assign(list(places))
        return dict(await consumer.end_offsets(list(places)))
    finally:
        await consumer.stop()


async def _arrived(
    settings: Settings, before: Mapping[TopicPartition, int], events: int
) -> list[float]:
    """Kafka's times of the alerts and receipts since then: of each event a receipt and its alerts."""
    return await _times(settings, before, events * (1 + ALERTS))


async def _times(
    settings: Settings, before: Mapping[TopicPartition, int], wanted: int
) -> list[float]:
    """Kafka's times of so many records since then, Unix seconds, sorted. Raises ShellError."""
    consumer = _consumer(settings)
    await consumer.start()
    found: list[float] = []
    deadline = time.monotonic() + WITHIN_S
    try:
        consumer.assign(list(before))
        for place, offset in before.items():
            consumer.seek(place, offset)
        while len(found) < wanted:
            if time.monotonic() > deadline:
                raise ShellError(f"{len(found)} of {wanted} messages came: see {settings.data_dir}")
            batch = await consumer.getmany(timeout_ms=500)
            found += [one.timestamp / 1000 for records in batch.values() for one in records]
    finally:
        await consumer.stop()
    return sorted(found)


def _consumer(settings: Settings) -> AIOKafkaConsumer:
    return AIOKafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap,
        isolation_level="read_committed",
        max_partition_fetch_bytes=MAX_REQUEST_BYTES,
    )
