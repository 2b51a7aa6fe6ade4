"""Outputs of a Faust agent, sent in batches and acknowledged only when Kafka has them.

Faust's tables must be changed one event at a time, while sending is cheap only in batches. So an
agent works event by event and hands each result here. While one batch is on its way the next one
gathers; it goes when it is full, or when the way is free and the loop has turned a few times with
nothing more coming. So a record alone waits for nothing, and under load batches fill by themselves.
Batches are sent in order, and the events acknowledged after Kafka confirmed: at least once.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

import structlog

TURNS = 20
"""Of the loop, after which nothing more lies ready: Faust needs a few for each record."""
ItemT = TypeVar("ItemT")
log = structlog.get_logger()


class Batcher(Generic[ItemT]):
    """Gathers (event, item) pairs and gives them, in order, to `send`."""

    def __init__(
        self,
        send: Callable[[list[ItemT]], Awaitable[None]],
        *,
        size: int,
        acknowledged: Callable[[], None],
    ) -> None:
        """`send` returns when Kafka has confirmed all; `acknowledged` runs after the acks."""
        self._send = send
        self._size = size
        self._acknowledged = acknowledged
        self._pending: list[tuple[Any, ItemT]] = []
        self._on_its_way: asyncio.Task[None] | None = None
        self._turns = 0
        self._counting = False

    async def add(self, event: Any, item: ItemT) -> None:
        """Takes one result. Waits where a batch is full and the one before it not yet confirmed."""
        self._pending.append((event, item))
        self._turns = 0
        if len(self._pending) >= self._size:
            await self._confirmed()
            self._go()
        elif self._is_free() and not self._counting:
            self._turn()

    async def flush(self) -> None:
        """Returns when all that has gathered is sent and acknowledged."""
        while self._pending or not self._is_free():
            await self._confirmed()
            self._go()

    def _turn(self) -> None:
        """Counts the turns of the loop since something came; what has gathered goes after enough."""
        self._turns += 1
        self._counting = self._is_free() and bool(self._pending) and self._turns <= TURNS
        if self._counting:
            asyncio.get_running_loop().call_soon(self._turn)
        else:
            self._go()

    def _is_free(self) -> bool:
        return self._on_its_way is None

    def _go(self) -> None:
        """Puts what has gathered on its way, if there is anything and no batch is before it."""
        if self._pending and self._is_free():
            batch, self._pending = self._pending, []
            self._on_its_way = asyncio.get_running_loop().create_task(self._take(batch))

    async def _confirmed(self) -> None:
        if self._on_its_way is not None:
            await self._on_its_way

    async def _take(self, batch: list[tuple[Any, ItemT]]) -> None:
        """Sends a batch and acknowledges it.

        A batch that cannot be sent ends the process: the supervisor starts it anew, and it reads the
        same records again. Going on would acknowledge what Kafka does not have.
        """
        try:
            await self._send([item for _, item in batch])
            for event, _ in batch:
                event.ack()
            self._acknowledged()
        except Exception as error:  # noqa: BLE001 -- whatever it is, nothing may be acknowledged
            log.error("batch_not_sent", error=type(error).__name__, count=len(batch))
            os._exit(1)
        self._on_its_way = None
        if len(self._pending) >= self._size:
            self._go()
        elif self._pending and not self._counting:
            self._turn()
