"""Decide workers under load: two over one, one taking over from another, and memory: `broker bench`.

An embedded Kafka without security; the ledger is stopped. A second worker has a data folder of its own and
the first one's keys. What is counted are Kafka's own times of the sets that were written. A rate is that of
workers that are warm and have shared the partitions out: it counts from when all parts lie on the topic
until the first partition is worked off.
"""

from __future__ import annotations

import asyncio
import itertools
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

import psutil
from aiokafka import TopicPartition

from broker.model.types import Part
from broker.shell.bench_parts import Workshop
from broker.shell.bench_shells import (
    FAUST,
    LOOK_EVERY_S,
    WITHIN_S,
    ShellError,
    ends_of,
    fill,
    make_topics,
    running,
    times_since,
    written_since,
)
from broker.shell.security import embedded_kafka
from broker.shell.settings import Settings

SETTLE_S = 3.0
"""After a worker has joined: until the other has given up what it must."""
WARM_PARTS = 300
FEWEST = 100
"""Sets that a rate is made of."""
RATE = 100
"""Parts a second while a worker is killed."""
BEFORE_S, AFTER_S = 3, 8
"""Seconds of load before a worker is killed, and after."""
MEMORY_STEP = 2_000
"""Parts between two looks at the memory."""
WARM = 5
"""Looks that do not count: caches and tables fill first."""


def two_over_one(shop: Workshop, count: int, runs: int) -> list[float]:
    """The rate of two workers over that of one, of the same number of parts that come at once."""
    found = []
    with _kafka(shop) as settings:
        for number in range(runs + 1):
            # Which comes first changes, as everywhere; the round before does not count.
            order = (1, 2) if number % 2 else (2, 1)
            rates = {workers: _rate(settings, shop, count, workers) for workers in order}
            if number:
                found.append(rates[2] / rates[1])
    return found


def takeover_stalls(shop: Workshop, runs: int) -> list[float]:
    """Seconds without a set on the partition that waited longest, when one of two workers is killed."""
    found = []
    with _kafka(shop) as settings:
        for _ in range(runs):
            with ExitStack() as stack:
                kept, killed = (
                    stack.enter_context(running(FAUST, one, None)) for one in _data(settings, 2)
                )
                asyncio.run(_ready(settings, shop, 2))
                first, then = shop.parts(RATE * BEFORE_S), shop.parts(RATE * AFTER_S)
                before = asyncio.run(ends_of(settings))
                asyncio.run(_load(settings, first))
                killed.kill()
                asyncio.run(_load(settings, then))
                count = RATE * (BEFORE_S + AFTER_S)
                _wait(settings, before, count)
                if kept.poll() is not None:
                    raise ShellError("the worker that should have taken over ended")
            found.append(max(asyncio.run(_gaps(settings, before))))
    return found


def memory_slope(shop: Workshop, count: int) -> list[float]:
    """Bytes by which one worker's resident memory grows for each part, over `count` parts.

    Theil and Sen's slope: the median over all pairs of looks, so that one jump does not make it.
    """
    looks: list[tuple[int, int]] = []
    with _kafka(shop) as settings, running(FAUST, settings, None) as process:
        asyncio.run(_ready(settings, shop, 1))
        worker = psutil.Process(process.pid)
        for done in range(0, count, MEMORY_STEP):
            before = asyncio.run(ends_of(settings))
            asyncio.run(fill(settings, shop.parts(MEMORY_STEP)))
            _wait(settings, before, MEMORY_STEP)
            looks.append((done + MEMORY_STEP, worker.memory_info().rss))
    counted = looks[WARM:]
    slopes = [
        (later[1] - earlier[1]) / (later[0] - earlier[0])
        for number, earlier in enumerate(counted)
        for later in counted[number + 1 :]
    ]
    return [statistics.median(slopes)] if slopes else []


@contextmanager
def _kafka(shop: Workshop) -> Iterator[Settings]:
    settings = shop.settings.model_copy(update={"kafka_security": "plaintext"})
    with embedded_kafka(settings, [], quiet=True, full_compiler=True) as kafka:
        found = settings.model_copy(update={"kafka_bootstrap": kafka.bootstrap})
        asyncio.run(make_topics(found))
        yield found


def _data(settings: Settings, workers: int) -> list[Settings]:
    """Settings of each worker: a data folder of its own, the same keys."""
    found = [settings]
    for number in range(1, workers):
        folder = settings.data_dir.with_name(f"{settings.data_dir.name}-{number}")
        folder.mkdir(exist_ok=True)
        if not (folder / "keys").exists():
            (folder / "keys").symlink_to(settings.keys_dir.resolve())
        found.append(settings.model_copy(update={"data_dir": folder}))
    return found


def _rate(settings: Settings, shop: Workshop, count: int, workers: int) -> float:
    """Parts a second; raises ShellError where too few lay there to say."""
    parts = shop.parts(count)
    with ExitStack() as stack:
        for one in _data(settings, workers):
            stack.enter_context(running(FAUST, one, None))
        asyncio.run(_ready(settings, shop, workers, WARM_PARTS))
        before = asyncio.run(ends_of(settings))
        asyncio.run(fill(settings, parts))
        filled = time.time() * 1000
        _wait(settings, before, len(parts))
    written = [
        sorted(asyncio.run(times_since(settings, {place: offset})))
        for place, offset in before.items()
    ]
    until = min(times[-1] for times in written if times)
    counted = [one for times in written for one in times if filled <= one <= until]
    if len(counted) < FEWEST:
        raise ShellError(
            f"{len(counted)} sets were left when the topic was full: measure more parts"
        )
    return len(counted) * 1000 / max(1.0, until - filled)


def _wait(settings: Settings, before: Mapping[TopicPartition, int], count: int) -> None:
    deadline = time.monotonic() + WITHIN_S
    while asyncio.run(written_since(settings, before)) < count:
        if time.monotonic() > deadline:
            raise ShellError(
                f"the sets were not written in time: see the logs in {settings.data_dir}"
            )
        time.sleep(LOOK_EVERY_S)


async def _ready(settings: Settings, shop: Workshop, workers: int, count: int = 20) -> None:
    """Returns when so many first parts were decided and the workers have settled."""
    before = await ends_of(settings)
    await fill(settings, shop.parts(count))
    deadline = time.monotonic() + WITHIN_S
    while await written_since(settings, before) < count:
        if time.monotonic() > deadline:
            raise ShellError(f"no worker is ready: see the logs in {settings.data_dir}")
        await asyncio.sleep(LOOK_EVERY_S)
    await asyncio.sleep(SETTLE_S * workers)


async def _load(settings: Settings, parts: Sequence[Part]) -> None:
    """Parts at RATE a second, a tenth of a second's at a time."""
    step = RATE // 10
    started = time.monotonic()
    for number in range(0, len(parts), step):
        await fill(settings, parts[number : number + step])
        ahead = started + (number + step) / RATE - time.monotonic()
        await asyncio.sleep(max(0.0, ahead))


async def _gaps(settings: Settings, before: Mapping[TopicPartition, int]) -> list[float]:
    """Longest time between two sets, in seconds, of each partition of decisions.v1."""
    gaps = []
    for place, offset in before.items():
        times = await times_since(settings, {place: offset})
        gaps.append(max((b - a for a, b in itertools.pairwise(times)), default=0) / 1000)
    return gaps
