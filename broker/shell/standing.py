"""The ledger says how far it has come, so that intake does not run ahead of it.

The truth stands in each shard's store, written with what was recorded; what is said here, as a consumer
group's offsets, is a copy that nobody reads on from. If it cannot be said, nothing stops.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from broker.shell.kafka import committed_consumer
from broker.shell.settings import Settings
from broker.shell.topics import load_topics

SAY_EVERY_S = 0.1
WITHIN_S = 5.0
AGAIN_AFTER_S = 1.0
Positions = Mapping[TopicPartition, int]
"""Next offset that is not recorded, of each partition that this process writes now."""


async def keep_saying(settings: Settings, positions: Callable[[], Positions]) -> None:
    """Says it a few times a second for as long as it changes, until cancelled."""
    while True:
        try:
            await _say(settings, positions)
        except (KafkaError, OSError, TimeoutError):
            await asyncio.sleep(AGAIN_AFTER_S)


async def _say(settings: Settings, positions: Callable[[], Positions]) -> None:
    """On one connection, for as long as that lasts."""
    group = load_topics().access.positions["ledger"]
    consumer: AIOKafkaConsumer = committed_consumer(settings, group=group)
    said: dict[TopicPartition, int] = {}
    try:
        async with asyncio.timeout(WITHIN_S):
            await consumer.start()
        while True:
            now = dict(positions())
            fresh = {place: at for place, at in now.items() if said.get(place) != at}
            if fresh:
                if consumer.assignment() != now.keys():
                    consumer.assign(list(now))
                    consumer.pause(*now)
                async with asyncio.timeout(WITHIN_S):
                    await consumer.commit(fresh)
                # What another writes now is to be said anew should it come back.
                said = now
            await asyncio.sleep(SAY_EVERY_S)
    finally:
        with contextlib.suppress(KafkaError, OSError):
            await consumer.stop()
