"""`kill -9` at every step of every process: nothing lost, nothing twice, nothing unrecorded.

Each crash point is armed in turn while events flow; the process that dies there is started again.
At the end the topics are read as any client reads them and the ledger is verified from its files.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from pathlib import Path

import pytest

from broker.auditor.verify import verify_ledger
from broker.model.types import ConcernEvent
from broker.shell.crash import POINTS
from broker.shell.embedded import EmbeddedKafka
from tests.oracle import expected_alerts
from tests.simulation.harness import Broker, delivered, fresh_event, wait_for_receipts

SEED = 20221123
RANDOM_KILLS = 6
EVENTS_A_POINT = 4
DIES_WITHIN_S = 20.0
DELIVERED_WITHIN_S = 60.0
ORGANISATIONS_FILE = Path("policies/organisations/connected.yaml")

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(900)]


def test_no_kill_loses_doubles_or_hides_anything(tmp_path: Path) -> None:
    """All crash points, then kills at seeded random moments, then a count from outside."""
    from broker.reference import load_connected

    organisations = load_connected(ORGANISATIONS_FILE)
    chance = random.Random(SEED)
    sent: list[ConcernEvent] = []
    with EmbeddedKafka(tmp_path / "kafka") as kafka:
        broker = Broker(kafka.bootstrap, tmp_path / "var", organisations)
        broker.prepare()
        broker.start_all()
        try:
            for point in POINTS:
                name = point.split(".")[0]
                broker.kill(name)
                broker.start(name, f"{point}:{chance.randint(1, 2)}")
                sent += publish_until_it_dies(broker, name)
                broker.start(name)
            for _ in range(RANDOM_KILLS):
                sent += publish(broker)
                name = chance.choice(("intake", "decide", "ledger"))
                asyncio.run(asyncio.sleep(chance.random() * 2))
                broker.kill(name)
                broker.start(name)
            expected = Counter(alert for event in sent for alert in expected_alerts(event))
            asyncio.run(
                wait_for_receipts(
                    broker.settings, organisations, expected.total(), DELIVERED_WITHIN_S
                )
            )
        finally:
            broker.stop()
        found = asyncio.run(delivered(broker.settings, organisations))

    report = verify_ledger(broker.settings.ledger_dir, keys=None)

    assert found.alerts == expected
    assert found.receipts == Counter(event.event_id for event in sent)
    assert report.ok, report.first_bad
    assert report.accepted == len(sent)


def publish(broker: Broker) -> list[ConcernEvent]:
    """A few new events, published."""
    events = [fresh_event(number) for number in range(EVENTS_A_POINT)]
    asyncio.run(broker.publish(events))
    return events


def publish_until_it_dies(broker: Broker, name: str) -> list[ConcernEvent]:
    """Publishes, and publishes once more if the point waits for a second passing."""
    sent = publish(broker)
    if not broker.died(name, DIES_WITHIN_S / 2):
        sent += publish(broker)
        assert broker.died(name, DIES_WITHIN_S), f"{name} never reached its crash point"
    return sent
