"""`kill -9` at every step of every process: nothing lost, nothing twice, nothing unrecorded.

Each crash point is armed in turn while events flow; the process that dies there is started again. A
witness cosigns meanwhile. At the end the topics are read as any client reads them and the ledger is
verified from its files; then its store is put back to an earlier state, and nothing more is sent.
"""

from __future__ import annotations

import asyncio
import random
import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from broker.auditor.verify import verify_ledger
from broker.commands.audit_kafka import with_kafka
from broker.ledger import WitnessKey, cosigners, verifier_key
from broker.model.types import ConcernEvent
from broker.shell.crash import POINTS
from broker.shell.keys import load_broker_keys, make_keys
from tests.ledger.witness import SmallWitness, small_witness
from tests.oracle import expected_alerts
from tests.simulation.harness import (
    Broker,
    delivered,
    fresh_event,
    secured_kafka,
    wait_for_receipts,
)

SEED = 20221123
RANDOM_KILLS = 6
EVENTS_A_POINT = 4
DIES_WITHIN_S = 20.0
PUBLISHED_AT_MOST = 6
DELIVERED_WITHIN_S = 60.0
ORGANISATIONS_FILE = Path("policies/organisations/connected.yaml")

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(900)]


def test_no_kill_loses_doubles_or_hides_anything(tmp_path: Path) -> None:
    """All crash points, then kills at seeded random moments, then a count from outside."""
    from broker.reference import load_connected

    organisations = load_connected(ORGANISATIONS_FILE)
    chance = random.Random(SEED)
    sent: list[ConcernEvent] = []
    with (
        secured_kafka(tmp_path / "var", organisations) as kafka,
        small_witness(logs_of(tmp_path / "var", organisations)) as witness,
    ):
        witnesses = witnesses_file(tmp_path / "witnesses.yaml", witness)
        broker = Broker(kafka.bootstrap, tmp_path / "var", organisations, witnesses=witnesses)
        broker.prepare()
        broker.start_all()
        try:
            for point in POINTS:
                name = point.split(".")[0]
                broker.kill(name)
                broker.start(name, f"{point}:{chance.randint(1, 2)}")
                sent += publish_until_it_dies(broker, name)
                broker.start(name)
            broker.kill("ledger")
            shutil.copytree(broker.settings.ledger_dir, tmp_path / "older")
            broker.start("ledger")
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
        report = with_kafka(report, broker.settings, broker.settings.ledger_dir)
        cosigned = cosigned_by(broker, witness.key)
        said = said_after_putting_back(broker, tmp_path / "older")
        afterwards = asyncio.run(delivered(broker.settings, organisations))

    assert found.alerts == expected
    assert found.receipts == Counter(event.event_id for event in sent)
    assert report.ok, report.first_bad
    assert report.accepted == len(sent)
    assert report.kafka is not None
    assert report.kafka.deliveries >= expected.total()
    assert report.kafka.taken_in == len(sent)
    assert cosigned == ["s0", "s1"]
    assert "put back to an earlier state" in said
    assert (afterwards.alerts, afterwards.receipts) == (found.alerts, found.receipts)


def logs_of(data_dir: Path, organisations: Sequence[str]) -> dict[str, str]:
    """The auditors' logs of a broker that has its keys now and nothing else yet."""
    make_keys(data_dir / "keys", organisations)
    key = load_broker_keys(data_dir / "keys").ledger_key.public_key()
    return {one: verifier_key(one, key) for one in ("broker.example/s0", "broker.example/s1")}


def witnesses_file(path: Path, witness: SmallWitness) -> Path:
    """The witness, as the broker is told of it; deliveries wait for it."""
    one = witness.witness
    path.write_text(
        f"quorum: 1\nif_unreachable: wait\nwitnesses:\n  - key: {one.key.text}\n    url: {one.url}\n"
    )
    return path


def cosigned_by(broker: Broker, key: WitnessKey) -> list[str]:
    """The shards whose published checkpoint the witness cosigned."""
    shards = sorted(broker.settings.ledger_dir.glob("s*"))
    return [one.name for one in shards if cosigners((one / "checkpoint").read_text(), [key])]


def said_after_putting_back(broker: Broker, older: Path) -> str:
    """What the ledger process logs, and ends with, once its store is an earlier one."""
    shutil.rmtree(broker.settings.ledger_dir)
    shutil.copytree(older, broker.settings.ledger_dir)
    log = broker.settings.data_dir / "log" / "ledger.log"
    before = log.stat().st_size
    broker.start("ledger")
    assert broker.ended_with("ledger", DIES_WITHIN_S) not in {None, 0}
    return log.read_text()[before:]


def publish(broker: Broker) -> list[ConcernEvent]:
    """A few new events, published."""
    events = [fresh_event(number) for number in range(EVENTS_A_POINT)]
    asyncio.run(broker.publish(events))
    return events


def publish_until_it_dies(broker: Broker, name: str) -> list[ConcernEvent]:
    """Publishes while it lives: a point may wait for a second batch, and one takes all that lies there."""
    sent: list[ConcernEvent] = []
    for _ in range(PUBLISHED_AT_MOST):
        sent += publish(broker)
        if broker.died(name, DIES_WITHIN_S / 2):
            return sent
    raise AssertionError(f"{name} never reached its crash point")
