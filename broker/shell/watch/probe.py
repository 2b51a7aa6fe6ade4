"""Asks Kafka, on a connection of its own, whether it answers and where the topics end.

A consumer that waits for records holds up every other question on its connection; this one never
fetches, so its answer is Kafka's and not the worker's.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from broker.shell.kafka import committed_consumer
from broker.shell.settings import Settings

WITHIN_S = 3.0


class Probe:
    """One process's questions to Kafka."""

    def __init__(self, settings: Settings) -> None:
        """Connects at the first question, as the process that `settings` name."""
        self._settings = settings
        self._consumer: Any = None

    async def ends(
        self, positions: Mapping[TopicPartition, int | None]
    ) -> Mapping[TopicPartition, int] | None:
        """How many records lie behind each position (None: from the start); None without an answer."""
        try:
            async with asyncio.timeout(WITHIN_S):
                consumer = await self._connected()
                self._know(consumer, list(positions))
                ends = await consumer.end_offsets(list(positions))
                unknown = [one for one, at in positions.items() if at is None]
                starts = await consumer.beginning_offsets(unknown) if unknown else {}
        except (KafkaError, OSError, TimeoutError):
            return None
        return {
            one: max(0, ends[one] - (starts[one] if at is None else at))
            for one, at in positions.items()
        }

    async def close(self) -> None:
        """Ends the connection."""
        if self._consumer is not None:
            await self._consumer.stop()
            self._consumer = None

    def _know(self, consumer: Any, partitions: list[TopicPartition]) -> None:
        """Has the client learn where all of them lie at once; it would ask for one after the other."""
        if consumer.assignment() != set(partitions):
            consumer.assign(partitions)
            consumer.pause(*partitions)

    async def _connected(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            consumer = committed_consumer(self._settings, request_timeout_ms=int(WITHIN_S * 1000))
            try:
                await consumer.start()
            except BaseException:
                with contextlib.suppress(KafkaError, OSError):
                    await consumer.stop()
                raise
            self._consumer = consumer
        return self._consumer


def lag_by_kind(behind: Mapping[TopicPartition, int], kinds: Sequence[str]) -> dict[str, int]:
    """Records behind, summed by the first word of the topic's name: no organisation is told apart."""
    lag = dict.fromkeys(kinds, 0)
    for partition, count in behind.items():
        kind = partition.topic.partition(".")[0]
        if kind in lag:
            lag[kind] += count
    return lag
