"""Outputs of a Faust agent, sent in batches and acknowledged only when Kafka has them.

Faust's tables must be changed one event at a time, while sending is cheap only in batches. So an
agent works event by event and hands each result here; this sends what has gathered, when it is
full or has waited long enough, and acknowledges the events after Kafka confirmed: at least once.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

import structlog

ItemT = TypeVar("ItemT")
log = structlog.get_logger()


class Batcher(Generic[ItemT]):
    """Gathers (event, item) pairs and gives them, in order, to `send`."""

    def __init__(
        self,
        send: Callable[[list[ItemT]], Awaitable[None]],
        *,
        size: int,
        wait_ms: int,
        acknowledged: Callable[[], None],
    ) -> None:
        """`send` returns when Kafka has confirmed all; `acknowledged` runs after the acks."""
        self._send = send
        self._size = size
        self._wait_s = wait_ms / 1000
        self._acknowledged = acknowledged
        self._pending: list[tuple[Any, ItemT]] = []
        self._lock = asyncio.Lock()
        self._timer: asyncio.Task[None] | None = None

    async def add(self, event: Any, item: ItemT) -> None:
        """Takes one result; sends now if the batch is full, else soon."""
        self._pending.append((event, item))
        if len(self._pending) >= self._size:
            await self.flush()
        elif self._timer is None or self._timer.done():
            self._timer = asyncio.get_running_loop().create_task(self._flush_soon())

    async def flush(self) -> None:
        """Sends what has gathered and acknowledges it.

        A batch that cannot be sent ends the process: the supervisor starts it anew, and it reads the
        same records again. Going on would acknowledge what Kafka does not have.
        """
        async with self._lock:
            batch, self._pending = self._pending, []
            if not batch:
                return
            try:
                await self._send([item for _, item in batch])
            except Exception as error:  # noqa: BLE001 -- whatever it is, nothing may be acknowledged
                log.error("batch_not_sent", error=type(error).__name__, count=len(batch))
                os._exit(1)
            for event, _ in batch:
                event.ack()
            self._acknowledged()

    async def _flush_soon(self) -> None:
        # What arrives while a batch is being sent has no timer of its own: this one goes on for it.
        while self._pending:
            await asyncio.sleep(self._wait_s)
            await self.flush()
