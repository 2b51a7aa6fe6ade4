"""The scenarios and their transposed copies on a real Kafka: exactly those are told who must be."""

from __future__ import annotations

import asyncio
import datetime
import uuid
from collections import Counter

import pytest

from broker.auditor.verify import verify_ledger
from broker.examples.scenarios import fresh_scenarios
from tests.scenarios.transpose import WEST_MIDLANDS_TO_GREATER_MANCHESTER, transpose
from tests.simulation.harness import Broker, delivered, wait_for_receipts

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(180)]
WITHIN_S = 60.0


def test_all_scenarios_here_and_elsewhere_deliver_what_they_say(running: Broker) -> None:
    """Each event is published by its agency in order; each alert opens with its recipient's key."""
    now = datetime.datetime.now(datetime.UTC)
    here = fresh_scenarios(now, uuid.uuid4().hex)
    elsewhere = transpose(
        fresh_scenarios(now, uuid.uuid4().hex), WEST_MIDLANDS_TO_GREATER_MANCHESTER
    )
    events = [event for one in (*here, *elsewhere) for event in one.events]
    mine = {event.event_id for event in events}
    told = Counter(pair for one in (*here, *elsewhere) for pair in one.told)

    asyncio.run(running.publish_in_turn(events))
    asyncio.run(
        wait_for_receipts(running.settings, running.organisations, told.total(), WITHIN_S, mine)
    )
    found = asyncio.run(delivered(running.settings, running.organisations))
    report = verify_ledger(running.settings.ledger_dir)

    assert Counter({k: n for k, n in found.alerts.items() if k[0] in mine}) == told
    assert {one for one in mine if found.receipts[one] == 1} == mine
    assert report.ok, report.first_bad
