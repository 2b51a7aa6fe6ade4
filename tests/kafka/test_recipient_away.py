"""A recipient that is away for a week: others have theirs, the clock acts, and what it missed is there."""

from __future__ import annotations

import asyncio
import datetime
import json
import time
import uuid
from collections.abc import Callable, Sequence
from functools import partial

import msgspec
import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from broker.client import Subscriber
from broker.ledger import read_entries
from broker.model.types import ConcernEvent, EventType
from broker.shell.security import security_of_operator
from broker.shell.settings import Settings
from tests.simulation.harness import Broker, delivered, fresh_event

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(400)]
AWAY, PRESENT = "SCH-WV-001", "E08000028"
EVENTS, WITHDRAWN = 8, 3
WEEK = datetime.timedelta(days=7)
WITHIN_S = 120.0


def eventually(holds: Callable[[], bool]) -> None:
    """Waits for it."""
    deadline = time.monotonic() + WITHIN_S
    while not holds():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.5)


def told(running: Broker, who: str, events: Sequence[ConcernEvent]) -> set[str]:
    """Which of the events this organisation has an alert about on its topic."""
    found = asyncio.run(delivered(running.settings, running.organisations)).alerts
    ids = {one.event_id for one in events}
    return {event for event, name in found if event in ids and name.split(":")[0] == who}


def is_told(running: Broker, who: str, events: Sequence[ConcernEvent]) -> bool:
    """Whether of all of them."""
    return len(told(running, who, events)) == len(events)


def escalated(running: Broker) -> set[str]:
    """Events about which the clock acted since this organisation did not answer, from the ledger."""
    leaves = [
        json.loads(leaf)
        for shard in running.settings.ledger_dir.glob("s*")
        for leaf in read_entries(shard, 0)
    ]
    return {
        str(leaf["event_id"])
        for leaf in leaves
        if leaf["kind"] == "action"
        and leaf["action"] == "escalate"
        and str(leaf["recipient"]).split(":")[0] == AWAY
    }


def retraction_of(event: ConcernEvent) -> ConcernEvent:
    """What takes it back."""
    return msgspec.structs.replace(
        event,
        event_id=str(uuid.uuid4()),
        event_type=EventType.RETRACTION,
        subjects=(),
        place=None,
        relates_to=event.event_id,
        reason="It was about somebody else.",
    )


async def close_segments_each_second(settings: Settings, topic: str) -> None:
    """As they are closed each six hours where the topic is a week old."""
    admin = AIOKafkaAdminClient(
        bootstrap_servers=settings.kafka_bootstrap, **security_of_operator(settings)
    )
    await admin.start()
    try:
        change = ConfigResource(ConfigResourceType.TOPIC, topic, configs={"segment.ms": "1000"})
        await admin.alter_configs([change])
    finally:
        await admin.close()


async def read_until(
    settings: Settings, wanted: set[str]
) -> tuple[list[tuple[str, str, int]], list[str], int]:
    """What its client shows it when it is back: (event, log, place in it), what not, and refusals."""
    shown: list[tuple[str, str, int]] = []
    async with (
        Subscriber.connect(AWAY, settings, from_start=True) as alerts,
        asyncio.timeout(WITHIN_S),
    ):
        while not wanted <= {event for event, _, _ in shown}:
            one = await anext(alerts)
            shown.append((one.content.event_id, one.position.origin, one.position.index))
        return shown, list(alerts.held_back), len(alerts.refused)


def test_who_is_away_for_a_week_delays_nobody_and_then_reads_all_that_still_stands(
    running: Broker,
) -> None:
    """In the order of its log, without what was withdrawn; meanwhile the clock, a week ahead, escalates.

    The week is scaled: the clock looks ahead, and the topic closes segments after a second. What is not
    is Kafka's forgetting after 14 days, which it sees to every five minutes.
    """
    asyncio.run(close_segments_each_second(running.settings, f"alerts.v1.{AWAY}"))
    events = [fresh_event() for _ in range(EVENTS)]
    ids = [one.event_id for one in events]
    for some in (events[: EVENTS // 2], events[EVENTS // 2 :]):
        asyncio.run(running.publish(some))
        eventually(partial(is_told, running, PRESENT, some))
    eventually(partial(is_told, running, AWAY, events))
    asyncio.run(running.publish_in_turn([retraction_of(one) for one in events[:WITHDRAWN]]))
    running.start("clock", clock_ahead_s=WEEK.total_seconds())
    try:
        eventually(lambda: escalated(running) >= set(ids[WITHDRAWN:]))
    finally:
        running.kill("clock")
    shown, held_back, refused = asyncio.run(read_until(running.settings, set(ids[WITHDRAWN:])))

    assert not {event for event, _, _ in shown} & set(ids[:WITHDRAWN])
    assert len(held_back) >= WITHDRAWN
    assert refused == 0
    for origin in {log for _, log, _ in shown}:
        places = [place for _, log, place in shown if log == origin]
        assert places == sorted(set(places))
