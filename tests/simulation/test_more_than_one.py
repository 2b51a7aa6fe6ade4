"""Two ledger processes and two decide workers, on real Kafka and real PostgreSQL: kills change nothing.

The second writer takes over what a killed one held; the topics are read as any client reads them and
the ledger is verified from its files with every row in PostgreSQL.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import psycopg
import pytest

from broker.auditor.verify import verify_ledger
from broker.ledger.copying import stores_in
from broker.model.types import ConcernEvent
from broker.reference import load_connected
from tests.ledger.postgres import new_database
from tests.oracle import expected_alerts
from tests.simulation.harness import (
    Broker,
    delivered,
    fresh_event,
    secured_kafka,
    wait_for_receipts,
)

SEED = 20261124
ORGANISATIONS_FILE = Path("policies/organisations/connected.yaml")
ALL = ("intake", "decide", "decide-2", "ledger", "ledger-2")
WITHIN_S = 90.0
TAKEN_OVER_WITHIN_S = 30.0

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture
def address(postgres: str) -> str:
    """A database for the shards."""
    return new_database(postgres, "more_than_one")


@pytest.fixture
def broker(tmp_path: Path, address: str) -> Iterator[Broker]:
    """Five processes on one Kafka and one database."""
    organisations = load_connected(ORGANISATIONS_FILE)
    with secured_kafka(tmp_path / "var", organisations) as kafka:
        broker = Broker(
            kafka.bootstrap,
            tmp_path / "var",
            organisations,
            environment={"BROKER_LEDGER_STORE": address},
        )
        broker.prepare()
        for name in ALL:
            broker.start(name)
        try:
            yield broker
        finally:
            broker.stop()


def test_a_killed_writer_is_replaced_by_the_other_and_nothing_is_lost_or_doubled(
    broker: Broker, address: str
) -> None:
    """Each writer and each decider in turn, and once a writer that only hangs."""
    chance = random.Random(SEED)
    assert len(until_held_by(address, 2)) == 2
    sent = publish(broker)
    for name in ("ledger", "ledger-2"):
        broker.kill(name)
        (successor,) = until_held_by(address, 1)
        sent += publish(broker)
        expected = sum(len(expected_alerts(one)) for one in sent)
        found = asyncio.run(wait_for(broker, expected))
        assert found >= expected, "the other writer did not take over"
        broker.start(name)
        assert successor in until_held_by(address, 2)
    for _ in range(4):
        sent += publish(broker)
        name = chance.choice(ALL[1:])
        time.sleep(chance.random())
        broker.kill(name)
        broker.start(name)
    with stopped(broker, "ledger"):
        until_held_by(address, 1)
        sent += publish(broker)
    expected_in_all = Counter(alert for event in sent for alert in expected_alerts(event))
    asyncio.run(wait_for(broker, expected_in_all.total()))
    broker.stop()
    found_in_all = asyncio.run(delivered(broker.settings, broker.organisations))
    with stores_in(address) as stores:
        report = verify_ledger(broker.settings.ledger_dir, stores=stores)

    assert found_in_all.alerts == expected_in_all
    assert found_in_all.receipts == Counter(event.event_id for event in sent)
    assert report.ok, report.first_bad
    assert report.accepted == len(sent)
    assert not list(broker.settings.ledger_dir.rglob("store.db"))


async def wait_for(broker: Broker, alerts: int) -> int:
    """Alerts that are there when that many are, or after the time."""
    found = await wait_for_receipts(broker.settings, broker.organisations, alerts, WITHIN_S)
    return found.alerts.total()


def publish(broker: Broker) -> list[ConcernEvent]:
    """A few new events, published."""
    events = [fresh_event(number) for number in range(4)]
    asyncio.run(broker.publish(events))
    return events


def until_held_by(address: str, count: int) -> set[str]:
    """The processes that hold both shards, once there are so many of them."""
    deadline = time.monotonic() + TAKEN_OVER_WITHIN_S
    while True:
        holders = holders_in(address)
        if len(holders) == 2 and len(set(holders)) == count:
            return set(holders)
        assert time.monotonic() < deadline, f"the shards are held by {holders}"
        time.sleep(0.1)


def holders_in(address: str) -> Sequence[str]:
    """Who holds each shard, of the processes that live."""
    with contextlib.suppress(psycopg.errors.UndefinedTable), psycopg.connect(address) as database:
        rows = database.execute(
            "SELECT holder FROM ledger_leases.lease JOIN ledger_leases.member ON name = holder"
        )
        return [holder for (holder,) in rows]
    return []


@contextlib.contextmanager
def stopped(broker: Broker, name: str) -> Iterator[None]:
    """A process that hangs (SIGSTOP) inside the block and goes on after it, knowing nothing."""
    broker.pause(name)
    try:
        yield
    finally:
        broker.resume(name)
