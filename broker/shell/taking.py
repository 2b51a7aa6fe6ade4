"""What intake works on next: publishers in turn, however their records come, and only while there is room.

Faust gives records in turn within what it fetched at once, and puts what comes later behind all of it. So
a flood that is fetched would lie before what others publish afterwards. Here records are kept by topic as
they come, and one is taken of each in turn. Nothing is lost by that: none of them is acknowledged yet.
"""

from __future__ import annotations

import asyncio
import contextlib
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import faust
from aiokafka import TopicPartition
from faust import streams
from faust.types import TP

from broker.shell.turns import Turns

FULL = 500
"""Records of one topic in hand, from which on no more of it is fetched; what was fetched is kept."""
LOW = 250
"""So few again, and fetching goes on."""


class Taking:
    """The records that one worker has in hand. Made before the app starts."""

    def __init__(self, app: faust.App, room: Callable[[], Awaitable[None]]) -> None:
        """`room` returns when a record may be taken in."""
        self._app, self._room = app, room
        self._turns: Turns[TP, Any] = Turns()
        self._came = asyncio.Event()
        self._full: set[TP] = set()
        app.on_partitions_revoked.connect(self._forget)
        app.on_partitions_assigned.connect(self._forget)

    def holds(self, place: TopicPartition) -> bool:
        """Whether records of this partition wait here for their turn."""
        return self._turns.count(TP(place.topic, place.partition)) > 0

    async def in_turn(self, events: AsyncIterator[Any]) -> AsyncIterator[Any]:
        """The same events, none left out: those of one topic in their order, topics in turn."""
        gathering = asyncio.create_task(self._gather(events))
        gathering.add_done_callback(lambda _: self._came.set())
        try:
            while True:
                if not await self._something(gathering):
                    return
                await self._room()
                event = self._next()
                if event is None:
                    continue
                # Faust's tables ask which record is being worked on.
                streams._current_event.set(weakref.ref(event))  # noqa: SLF001 -- Faust sets it in the task that reads
                yield event
                await asyncio.sleep(0)  # what comes meanwhile must be seen
        finally:
            gathering.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await gathering

    async def _something(self, gathering: asyncio.Task[None]) -> bool:
        """Whether something waits; else all was read. Raises what broke the reading off."""
        while not self._turns:
            if gathering.done():
                await gathering
                return False
            self._came.clear()
            await self._came.wait()
        return True

    async def _gather(self, events: AsyncIterator[Any]) -> None:
        async for event in events:
            place = TP(event.message.topic, event.message.partition)
            self._turns.put(place, event)
            if self._turns.count(place) >= FULL:
                self._app.consumer.on_buffer_full(place)
                self._full.add(place)
            self._came.set()

    def _next(self) -> Any:
        """The next one; None where it was taken from this worker in a rebalance, to be read again."""
        if not self._turns:
            return None
        place, event = self._turns.take()
        if place in self._full and self._turns.count(place) <= LOW:
            self._full.discard(place)
            self._app.consumer.on_buffer_drop(place)
        is_ours = event.message.generation_id == self._app.consumer_generation_id
        return event if is_ours else None

    async def _forget(self, *_: Any, **__: Any) -> None:
        """What is not acknowledged is read again, here or by another worker."""
        self._turns.clear()
        for place in self._full:
            self._app.consumer.on_buffer_drop(place)
        self._full.clear()
