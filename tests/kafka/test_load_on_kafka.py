"""Load on a real Kafka that is no fault: a flood of one publisher, and a recipient that is long away."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from broker.client.connection import producer_of
from broker.model.codec import decode
from broker.model.envelope import seal_statement
from broker.model.types import ConcernEvent, Part
from broker.reference import load_connected
from broker.shell.kafka import PARTS_TOPIC, read_to_end
from broker.shell.keys import load_agency_keys
from broker.shell.security import security_of_operator
from broker.shell.settings import Settings
from broker.shell.watch.ports import ask
from tests.kafka.conftest import ORGANISATIONS
from tests.simulation.harness import Broker, fresh_event, receipts_of, secured_kafka

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(400)]
WITHIN_S = 120.0
AHEAD = 20
MADE = 2
"""Records in the inner queues that one event makes here: its part and its receipt."""
FLOOD = 150
FLOODS, SUFFERS = "ADV-WM-001", "CHA-WM-001"


class Steps(msgspec.Struct):
    """A broker whose intake may be no more than AHEAD records ahead; decide is not started."""

    broker: Broker
    port: int

    @property
    def settings(self) -> Settings:
        """Where it runs."""
        return self.broker.settings

    def is_ready(self) -> bool:
        """What intake says of itself."""
        return ask(f"127.0.0.1:{self.port}", "/readyz")[0] == 200

    def waiting(self) -> int:
        """Statements on their publishers' topics that intake has seen there and not taken in."""
        _, text = ask(f"127.0.0.1:{self.port}", "/metrics")
        (line,) = re.findall(r'^broker_lag_records{topic="concerns"} (\S+)$', text, re.MULTILINE)
        return round(float(line))

    def events(self, publisher: str, count: int) -> list[ConcernEvent]:
        """Warnings about a child each."""
        found = [fresh_event() for _ in range(count)]
        return [msgspec.structs.replace(one, publisher=publisher) for one in found]

    def parts(self) -> list[tuple[int, str]]:
        """When and whose, of every record of parts.v1, in the order of time."""
        return asyncio.run(self._parts())

    async def _parts(self) -> list[tuple[int, str]]:
        async with self._reading() as consumer:
            records: list[Any] = []
            for number in range(2):
                records += await read_to_end(consumer, TopicPartition(PARTS_TOPIC, number))
        return sorted((one.timestamp, decode(one.value, Part).publisher) for one in records)

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[AIOKafkaConsumer]:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.settings.kafka_bootstrap,
            **security_of_operator(self.settings),
            group_id=None,
            isolation_level="read_committed",
        )
        await consumer.start()
        try:
            yield consumer
        finally:
            await consumer.stop()

    def publish(self, events: list[ConcernEvent]) -> None:
        """All at once."""
        asyncio.run(self._publish(events))

    async def _publish(self, events: list[ConcernEvent]) -> None:
        publisher = events[0].publisher
        keys = load_agency_keys(self.settings.keys_dir, publisher)
        async with producer_of(self.settings, publisher) as producer:
            sent = [
                await producer.send(
                    f"concerns.v1.{publisher}",
                    seal_statement(one, keys.identity, keys.epoch, os.urandom(32)),
                )
                for one in events
            ]
            await asyncio.gather(*sent)

    def accepted(self, publisher: str) -> int:
        """How many of its statements have a receipt that says so."""
        found = asyncio.run(receipts_of(self.settings, publisher))
        return sum(one.outcome == "accepted" for one in found)


@pytest.fixture(scope="module")
def steps(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Steps]:
    """Of their own, since decide must stand and the bound is small."""
    data_dir = tmp_path_factory.mktemp("load") / "var"
    organisations = load_connected(ORGANISATIONS)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {"BROKER_AHEAD": str(AHEAD)}
    with secured_kafka(data_dir, organisations) as kafka:
        broker = Broker(kafka.bootstrap, data_dir, organisations, environment=environment)
        broker.prepare()
        broker.start("ledger")
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("BROKER_METRICS_PORT", str(port))
            broker.start("intake")
        try:
            yield Steps(broker, port)
        finally:
            broker.stop()


def until(holds: Callable[[], bool]) -> None:
    """Waits for it."""
    deadline = time.monotonic() + WITHIN_S
    while not holds():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.3)


def test_a_flood_lies_before_another_publisher_no_further_than_the_bound(steps: Steps) -> None:
    """While decide stands intake stops, says so, and goes on by itself; the other one waits for few.

    At the bound all that lies ahead is parts, one of each event: the ledger has recorded the receipts. So
    the other's event has what lies there before it, and at most what is taken in with it: of a flood of any
    length twice the bound, where Kafka's times do not tell the order within a batch.
    """
    until(steps.is_ready)
    steps.publish(steps.events(FLOODS, FLOOD))
    until(lambda: not steps.is_ready())
    taken = steps.parts()
    steps.publish(steps.events(SUFFERS, 1))
    until(lambda: steps.waiting() == FLOOD + 1 - len(taken))
    steps.broker.start("decide")
    until(lambda: steps.accepted(SUFFERS) == 1)
    until(lambda: steps.accepted(FLOODS) == FLOOD)
    until(steps.is_ready)
    whose = [publisher for _, publisher in steps.parts()]

    assert 1 <= len(taken) < AHEAD + MADE
    assert whose.index(SUFFERS) <= len(taken) + AHEAD + MADE < FLOOD / 3
    assert whose.count(FLOODS) == FLOOD
