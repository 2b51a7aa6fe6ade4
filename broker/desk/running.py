"""What the pages of one running desk share: settings, reference data, its database, its tasks."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any

import structlog

from broker.client.connection import ClientError
from broker.desk.consultation_log import ConsultationLog
from broker.desk.listed import Opened
from broker.desk.settings import DeskSettings
from broker.desk.store import DeskStore
from broker.model.reference import Reference
from broker.shell.key_ring import OwnKeys
from broker.shell.keys import KeysError
from broker.shell.settings import Settings

AGAIN_S = 2.0
"""How long a task that lost Kafka waits before it tries again."""

log = structlog.get_logger()
Task = Callable[["RunningDesk"], Coroutine[Any, Any, None]]


class RunningDesk:
    """One desk. Pages get it by the name `desk`."""

    def __init__(
        self, own: DeskSettings, settings: Settings, reference: Reference, store: DeskStore
    ) -> None:
        """`settings` are the broker's, `own` the desk's."""
        self.own = own
        self.settings = settings
        self.reference = reference
        self.store = store
        self.consultations = ConsultationLog.of(own, settings)
        """Who looked at what."""
        self.changed = asyncio.Condition()
        """Told when something arrived: long polls and live pages wait for it."""
        self.connected = False
        """Whether the desk's tasks reach Kafka now."""
        self._opened: Opened | None = None

    @property
    def organisation(self) -> str:
        """Code of the organisation that the desk serves."""
        return self.own.organisation

    @property
    def name(self) -> str:
        """Name of the organisation, as people say it."""
        if self.is_auditors:
            return "Auditors"
        return self.reference.organisations[self.organisation].name

    @property
    def is_auditors(self) -> bool:
        """Whether it is the auditors' console."""
        return self.own.is_auditors

    @property
    def is_duty_desk(self) -> bool:
        """Whether it is the broker's own duty desk, where reviews are decided."""
        return self.own.is_duty_desk

    @property
    def opened(self) -> Opened:
        """Opens alerts with the organisation's key. Raises KeysError where it has none here."""
        if self._opened is None:
            self._opened = Opened(OwnKeys(self.settings.keys_dir, self.organisation))
        return self._opened

    async def tell_changed(self) -> None:
        """Wakes who waits for something to arrive."""
        async with self.changed:
            self.changed.notify_all()

    async def wait_for_change(self, timeout_s: float) -> bool:
        """Returns when something arrived (True) or so many seconds have passed (False)."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s), self.changed:
                await self.changed.wait()
                return True
        return False


@contextlib.asynccontextmanager
async def with_tasks(desk: RunningDesk, tasks: tuple[Task, ...]) -> AsyncIterator[None]:
    """Runs the desk's tasks inside the block; one that loses Kafka begins again after a while."""
    running = [asyncio.create_task(_kept_up(desk, task)) for task in tasks]
    try:
        yield
    finally:
        for one in running:
            one.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        desk.store.close()


async def _kept_up(desk: RunningDesk, task: Callable[[RunningDesk], Awaitable[None]]) -> None:
    while True:
        try:
            await task(desk)
        except (ClientError, KeysError) as error:
            log.warning("desk_without_kafka", error=type(error).__name__)
        except Exception as error:  # noqa: BLE001 -- pages go on while a task is begun again
            log.error("desk_task_ended", error=type(error).__name__, task=task.__name__)
        desk.connected = False
        await asyncio.sleep(AGAIN_S)
