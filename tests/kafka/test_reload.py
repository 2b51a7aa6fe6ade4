"""A new policy comes into force while the broker runs: no event is lost, none is decided by two."""

from __future__ import annotations

import asyncio
import json
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from broker.auditor.verify import verify_ledger
from broker.ledger import read_entries
from broker.model.types import ConcernEvent
from broker.reference import load_connected
from tests.simulation.harness import Broker, fresh_event, secured_kafka

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(180)]
ROOT = Path(__file__).resolve().parents[2]
SCHOOL = "agreements/national-baseline/agreement.yaml"
BEFORE, AFTER = "[given_name, family_name, safety_plan]", "[given_name, safety_plan]"
WITHIN_S = 40.0


def leaves_of(broker: Broker) -> list[dict[str, Any]]:
    """Every leaf of every auditors' log."""
    return [
        json.loads(entry)
        for shard in sorted(broker.settings.ledger_dir.glob("s*"))
        for entry in read_entries(shard, 0)
    ]


def closed(broker: Broker, events: list[ConcernEvent]) -> dict[str, dict[str, Any]]:
    """Event id -> its closing leaf, once all are there."""
    wanted = {one.event_id for one in events}
    deadline = time.monotonic() + WITHIN_S
    while True:
        found = {
            leaf["event_id"]: leaf
            for leaf in leaves_of(broker)
            if leaf["kind"] == "closing" and leaf["event_id"] in wanted
        }
        if len(found) == len(wanted) or time.monotonic() > deadline:
            assert found.keys() == wanted
            return found
        time.sleep(0.3)


def told_to_school(broker: Broker, event: ConcernEvent) -> list[str]:
    """Fields that the school was shown of the event."""
    (leaf,) = [
        one
        for one in leaves_of(broker)
        if one["kind"] == "decision"
        and one["event_id"] == event.event_id
        and one["recipient"].endswith(":school")
    ]
    fields: list[str] = leaf["released"]
    return fields


def test_a_change_comes_into_force_a_broken_one_does_not_and_nothing_is_lost(
    tmp_path: Path,
) -> None:
    """Events flow throughout: each is closed once, by the bundle that its closing leaf names."""
    policies = tmp_path / "policies"
    shutil.copytree(ROOT / "policies", policies)
    organisations = load_connected(policies / "organisations" / "connected.yaml")
    agreement = policies / SCHOOL
    good = agreement.read_text(encoding="utf-8")
    assert BEFORE in good
    with secured_kafka(tmp_path / "var", organisations) as kafka:
        broker = Broker(kafka.bootstrap, tmp_path / "var", organisations, policies)
        broker.prepare()
        broker.start_all()
        try:
            first = publish(broker, 3)
            closed(broker, first)
            agreement.write_text(good.replace(BEFORE, "[given_name"), encoding="utf-8")
            time.sleep(5)
            broken = publish(broker, 3)
            closed(broker, broken)
            agreement.write_text(good.replace(BEFORE, AFTER), encoding="utf-8")
            time.sleep(5)
            after = publish(broker, 3)
            bundles = closed(broker, [*first, *broken, *after])
        finally:
            broker.stop()

    def bundle_of(events: list[ConcernEvent]) -> set[str]:
        return {bundles[one.event_id]["policy_bundle"] for one in events}

    assert bundle_of(first) == bundle_of(broken)
    assert len(bundle_of(first)) == len(bundle_of(after)) == 1
    assert bundle_of(first) != bundle_of(after)
    assert "family_name" in told_to_school(broker, broken[0])
    assert "family_name" not in told_to_school(broker, after[0])
    report = verify_ledger(broker.settings.ledger_dir)
    assert report.ok, report.first_bad
    log = (broker.settings.data_dir / "log" / "decide.log").read_text(encoding="utf-8")
    assert "policy_not_loaded" in log
    assert "policy_loaded" in log


def publish(broker: Broker, count: int) -> list[ConcernEvent]:
    """New events, published."""
    events = [fresh_event() for _ in range(count)]
    asyncio.run(broker.publish(events))
    return events
