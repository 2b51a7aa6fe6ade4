"""No record is passed over: what a Faust worker is given must follow what it was given before.

In a rebalance Faust can hand on a record and leave out one before it, and then counts the missing one as
acknowledged: it marks where it has read after the record was taken from it again, and takes the
offset to go on at for the last one read. So a warning could lie on its topic, accepted and decided by
nobody (found by tests/chaos). Here every record is held to the one before it, or to the offset that Kafka
has for the group; and what lies there must be acknowledged in time. Where either fails the process ends
before it acknowledges anything: the supervisor starts it anew, and it reads from that offset again.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Collection
from typing import Any

import faust
import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from broker.shell.kafka import acknowledged, committed_consumer
from broker.shell.settings import Settings
from broker.shell.watch.probe import Probe

READ_WITHIN_S = 10.0
LOOK_EVERY_S = 2.0
STALLED_AFTER_S = 20.0
"""A worker acknowledges every half second while it has anything to do."""

log = structlog.get_logger()


class Unbroken:
    """Watches what one worker is given. Made before the app starts."""

    def __init__(
        self,
        app: faust.App,
        settings: Settings,
        kinds: Collection[str],
        in_hand: Callable[[TopicPartition], bool] = lambda _place: False,
    ) -> None:
        """`kinds`: first words of the names of the topics that the worker reads.

        `in_hand` tells whether records of a partition were given to the worker and wait for their turn.
        """
        self._in_hand = in_hand
        self._app = app
        self._settings = settings
        self._kinds = tuple(kinds)
        self._next: dict[TopicPartition, int] = {}
        self._probe = Probe(settings)
        self._since: dict[tuple[TopicPartition, int | None], float] = {}
        """(partition, where it stands) -> since when something lies there; monotonic seconds."""
        app.on_partitions_revoked.connect(self._forget)
        app.on_partitions_assigned.connect(self._forget)
        app.on_before_shutdown.connect(self._close)
        app.timer(interval=LOOK_EVERY_S)(self._look)

    async def events(self, stream: Any) -> AsyncIterator[Any]:
        """The events of a stream, to be acknowledged by hand, for as long as each follows the last."""
        async for event in stream.noack().events():
            await self._follows(event.message)
            yield event

    async def _follows(self, message: Any) -> None:
        """Returns if nothing was left out before this record; else the process ends."""
        place = TopicPartition(message.topic, message.partition)
        expected = self._next.get(place)
        if expected is None:
            expected = self._acknowledged().get(place)
        if expected is not None and message.offset > expected:
            first = await self._first_from(place, expected)
            # Offsets may be missing for good: transactions have marks, and Kafka forgets.
            if first is None or first < message.offset:
                log.error("records_passed_over", topic=place.topic, offset=expected)
                os._exit(1)
        self._next[place] = message.offset + 1

    async def _look(self) -> None:
        """Ends the process where something lies unacknowledged for too long."""
        positions = self._acknowledged()
        behind = {} if self._app.rebalancing else await self._probe.ends(positions)
        waits = {
            (place, positions[place])
            for place, count in (behind or {}).items()
            if count and not self._in_hand(place)
        }
        now = time.monotonic()
        self._since = {one: self._since.get(one, now) for one in waits}
        for (place, at), since in list(self._since.items()):
            if now - since > STALLED_AFTER_S:
                # What lies there may be no more than the mark of a transaction.
                if await self._first_from(place, at or 0) is not None:
                    log.error("records_not_taken", topic=place.topic, offset=at or 0)
                    os._exit(1)
                self._since[place, at] = now

    def _acknowledged(self) -> dict[TopicPartition, int | None]:
        return acknowledged(self._app, self._kinds)

    async def _forget(self, *_: Any, **__: Any) -> None:
        """Another worker may have gone on from here meanwhile."""
        self._next.clear()
        self._since.clear()

    async def _close(self, *_: Any, **__: Any) -> None:
        await self._probe.close()

    async def _first_from(self, place: TopicPartition, offset: int) -> int | None:
        """Offset of the first record that lies there from `offset` on; None where Kafka has none now."""
        consumer: AIOKafkaConsumer = committed_consumer(self._settings)
        try:
            async with asyncio.timeout(READ_WITHIN_S):
                await consumer.start()
                consumer.assign([place])
                consumer.seek(place, offset)
                return int((await consumer.getone(place)).offset)
        except (TimeoutError, KafkaError, OSError):
            return None
        finally:
            await consumer.stop()
