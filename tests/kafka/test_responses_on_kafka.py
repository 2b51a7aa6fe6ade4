"""Answers on a real Kafka: through the client and at the command line, back to who spoke first."""

from __future__ import annotations

import asyncio

import pytest

from broker.auditor.verify import verify_ledger
from broker.client.responder import Responder
from tests.kafka.test_rounds_on_kafka import alert_ids, command, eventually, publish, told
from tests.simulation.harness import Broker, fresh_event

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(240)]
SANDWELL = "E08000028"


def test_an_answer_comes_back_to_who_published_without_a_name(running: Broker) -> None:
    """Acknowledged through the client, acted on by the command line: the advocate can tell the mother."""
    event = fresh_event()
    publish(running, event)
    eventually(lambda: told(running, event.event_id)[f"{SANDWELL}:mash"] == 1)
    (alert_id,) = alert_ids(running, event, SANDWELL)

    async def acknowledge() -> str:
        async with Responder.connect(SANDWELL, running.settings) as desk:
            alert = await desk.find(alert_id[:20])
            return (await desk.acknowledge(alert, actor="duty-4")).content.outcome.value

    assert asyncio.run(acknowledge()) == "accepted"
    (row,) = command(running, "respond", "act", SANDWELL, alert_id, "--plan", "CP-2026-118")
    assert (row["outcome"], row["answer"]) == ("accepted", "act")
    quiet = ("--keep-from-originator", "--reason", "weighed at the meeting")
    command(running, "respond", "consider", SANDWELL, alert_id, *quiet)

    fate = ("fate", event.publisher, event.event_id)
    eventually(lambda: len(command(running, *fate)) == 2)
    rows = command(running, *fate)
    assert [one["answer"] for one in rows] == ["acknowledge", "act"]
    assert {one["by"] for one in rows} == {"authority"}
    assert rows[1]["plan_informed"]
    assert SANDWELL not in str(rows)
    report = verify_ledger(running.settings.ledger_dir, allow_open=True)
    assert report.ok, report.first_bad
