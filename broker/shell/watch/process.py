"""What one process shows of itself: figures, health, traces, and the loop that keeps them up to date."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import structlog
from aiokafka import TopicPartition

from broker.model.types import PartStep
from broker.shell.settings import Settings
from broker.shell.watch.figures import Figures
from broker.shell.watch.health import Health
from broker.shell.watch.hops import Traces
from broker.shell.watch.probe import Probe, lag_by_kind
from broker.shell.watch.serving import serve

TURN_S = 1.0
ASK_KAFKA_S = 5.0
BUNDLE_DIGITS = 12
"""Of a hash, as a number: no label with values without end, and a double holds it exactly."""
Positions = Mapping[TopicPartition, int | None]
"""Where a process stands on what it reads: the next offset, or None where it took nothing yet."""

log = structlog.get_logger()


@asynccontextmanager
async def watching(keeping: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Keeps figures and health up to date for as long as the block runs."""
    task = asyncio.get_running_loop().create_task(keeping)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


class Watch:
    """The figures, health and traces of one process. Costs nothing that a record would notice."""

    def __init__(
        self, settings: Settings, process: str, needs: Sequence[str], reads: Sequence[str] = ()
    ) -> None:
        """`needs`: conditions of readiness; `reads`: kinds of topics whose lag it tells."""
        self._settings = settings
        self._process = process
        self._reads = reads
        self.figures = Figures(process)
        self.health = Health(needs)
        self.traces = Traces.of(settings, process)
        self._probe = Probe(settings)
        self._answers = True

    def serve(self) -> None:
        """Opens the port that the settings name, if any. One that is taken stops nothing: an alarm."""
        self.figures.up.set(1, process=self._process)
        if not self._settings.metrics_port:
            return
        try:
            serve(self._settings.metrics_port, self.figures, self.health)
        except OSError as error:
            log.error("figures_not_served", error=type(error).__name__)

    def alarm(self, name: str) -> None:
        """Counts an alarm that was logged."""
        self.figures.alarms.add(alarm=name)

    def batch(self, records: int, seconds: float) -> None:
        """One batch that was sent or recorded."""
        self.figures.batch_records.observe(records, process=self._process)
        self.figures.batch_seconds.observe(seconds, process=self._process)

    def steps(self, steps: Iterable[PartStep]) -> None:
        """Records of parts.v1 that were worked on."""
        for step, count in Counter(steps).items():
            self.figures.parts.add(count, step=step.value)

    def policy(self, bundle: str, *, refused: bool) -> None:
        """The policy in force by the hash of its bundle, and whether newer files were refused."""
        self.figures.bundle.set(int(bundle[:BUNDLE_DIGITS], 16))
        self.figures.refused.set(refused)

    async def keep(
        self,
        look: Callable[[], None] = lambda: None,
        positions: Callable[[], Positions] = dict,
    ) -> None:
        """Until cancelled: says once a second that the loop turns, and asks Kafka now and then.

        `look` sets what the process alone knows; `positions` is asked for what it has acknowledged.
        """
        asking = asyncio.create_task(self._ask(positions))
        try:
            while True:
                self.health.beat()
                look()
                self._own()
                await asyncio.sleep(TURN_S)
        finally:
            asking.cancel()
            await self._probe.close()
            self.traces.close()

    async def _ask(self, positions: Callable[[], Positions]) -> None:
        while True:
            behind = await self._probe.ends(positions())
            self.health.say("kafka", behind is not None)
            if behind is not None:
                for kind, count in lag_by_kind(behind, self._reads).items():
                    self.figures.lag.set(count, topic=kind)
            elif self._answers:
                log.error("kafka_not_answering")
            self._answers = behind is not None
            await asyncio.sleep(ASK_KAFKA_S if self._answers else TURN_S)

    def _own(self) -> None:
        self.figures.turned.set(time.time(), process=self._process)
        for condition, holds in self.health.conditions.items():
            self.figures.ready.set(holds, process=self._process, condition=condition)
        if self._settings.data_dir.is_dir():
            room = shutil.disk_usage(self._settings.data_dir)
            self.figures.disk_free.set(room.free)
            self.figures.disk_size.set(room.total)
