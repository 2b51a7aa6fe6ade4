"""Later rounds on a real Kafka: the queue, a review, break-glass, a retraction that overtakes."""

from __future__ import annotations

import asyncio
import datetime
import json
import os
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from broker.auditor.verify import verify_ledger
from broker.client import Subscriber
from broker.model import types as t
from broker.model.types import ConcernEvent
from tests.simulation.harness import Broker, delivered, fresh_event

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(240)]
BROKER = str(Path(sys.executable).with_name("broker"))
WITHIN_S = 45.0
NEIGHBOUR = "E08000030:csc"


def command(running: Broker, *words: str) -> list[dict[str, Any]]:
    """The JSON rows of one command, run as an operator runs it."""
    done = subprocess.run(
        [BROKER, *words, "--json"],
        env={
            **os.environ,
            "BROKER_KAFKA_BOOTSTRAP": running.settings.kafka_bootstrap,
            "BROKER_DATA_DIR": str(running.settings.data_dir),
        },
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def told(running: Broker, event_id: str) -> Counter[str]:
    """Recipient -> how many alerts about the event lie on its topic."""
    found = asyncio.run(delivered(running.settings, running.organisations))
    return Counter({who: n for (event, who), n in found.alerts.items() if event == event_id})


def eventually(what: Callable[[], object]) -> None:
    """Returns when it holds; fails where it does not in time."""
    deadline = time.monotonic() + WITHIN_S
    while not what():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.3)


def publish(running: Broker, *events: ConcernEvent) -> None:
    asyncio.run(running.publish_in_turn(events))


def retraction_of(event: ConcernEvent) -> ConcernEvent:
    return msgspec.structs.replace(
        event,
        event_id=str(uuid.uuid4()),
        event_type=t.EventType.RETRACTION,
        subjects=(),
        place=None,
        relates_to=event.event_id,
        reason="It was about somebody else.",
    )


def mine(running: Broker, event: ConcernEvent) -> list[dict[str, Any]]:
    """What waits of one event."""
    rows = command(running, "review", "list")
    return [row for row in rows if row["event_id"] == event.event_id]


def test_what_waits_is_in_the_queue_until_a_person_has_decided(running: Broker) -> None:
    """Listed, permitted for one, refused for the rest; each a round, and the queue is empty."""
    event = msgspec.structs.replace(fresh_event(), handling=t.Handling(code="Z"))
    publish(running, event)
    eventually(lambda: bool(mine(running, event)))
    (waiting,) = mine(running, event)
    part = waiting["part_id"]
    recipients = {one["recipient"] for one in waiting["waiting"]}
    first = min(one for one in recipients if one.endswith(":csc"))

    (row,) = command(
        running, "review", "permit", part, "--recipient", first, "--reason", "read the code"
    )
    assert row["outcome"] == "accepted"
    eventually(lambda: told(running, event.event_id) == Counter([first]))
    command(running, "review", "refuse", part, "--reason", "not for the others")
    eventually(lambda: not mine(running, event))
    assert told(running, event.event_id) == Counter([first])
    report = verify_ledger(running.settings.ledger_dir, allow_open=True)
    assert report.ok, report.first_bad


def test_two_people_break_the_glass_and_look_back(running: Broker) -> None:
    """One asks, another confirms; looked back on as not justified, the alert is withdrawn."""
    event = fresh_event()
    publish(running, event)
    about = (event.publisher, event.event_id)
    reason = ("--reason", "he is on his way there")
    (asked,) = command(running, "break-glass", "ask", *about, "--recipient", NEIGHBOUR, *reason)
    first = asked["action_id"]
    command(running, "break-glass", "confirm", *about, first, "--recipient", NEIGHBOUR, *reason)
    eventually(lambda: told(running, event.event_id)[NEIGHBOUR] == 1)
    command(
        running, "break-glass", "look-back", *about, first, "--not-justified", "--reason", "no need"
    )
    eventually(lambda: bool(withdrawn_of(running, NEIGHBOUR.split(":", maxsplit=1)[0], event)))


def withdrawn_of(running: Broker, organisation: str, event: ConcernEvent) -> list[str]:
    """Alert ids about the event that the organisation's client holds back."""

    async def read() -> list[str]:
        async with Subscriber.connect(
            organisation, running.settings, from_start=True
        ) as subscriber:
            known = set(subscriber.withdrawn)
        return sorted(known & set(alert_ids(running, event, organisation)))

    return asyncio.run(read())


def alert_ids(running: Broker, event: ConcernEvent, organisation: str) -> list[str]:
    """Ids of the organisation's alerts about the event, as the ledger's leaves name them."""
    from broker.ledger import read_entries

    leaves = [
        json.loads(entry)
        for shard in sorted(running.settings.ledger_dir.glob("s*"))
        for entry in read_entries(shard, 0)
    ]
    return [
        leaf["message_id"]
        for leaf in leaves
        if leaf["kind"] == "decision"
        and leaf["event_id"] == event.event_id
        and leaf["organisation"] == organisation
        and leaf["outcome"] == "PERMIT"
    ]


def test_a_retraction_overtakes_an_alert_that_was_not_read_yet(running: Broker) -> None:
    """The recipient's client, started afterwards, never hands over what was taken back."""
    event = fresh_event()
    publish(running, event)
    eventually(lambda: told(running, event.event_id).total() > 0)
    recipients = set(told(running, event.event_id))
    publish(running, retraction_of(event))
    for recipient in sorted(recipients):
        organisation = recipient.split(":")[0]
        eventually(lambda who=organisation: bool(withdrawn_of(running, who, event)))  # type: ignore[misc]

    async def hand_over(organisation: str) -> set[str]:
        """Event ids of everything that the client hands over from the start of the topic."""
        found: set[str] = set()
        async with Subscriber.connect(
            organisation, running.settings, from_start=True
        ) as subscriber:
            try:
                while True:
                    alert = await asyncio.wait_for(anext(subscriber), 2)
                    found.add(alert.content.event_id)
            except TimeoutError:
                return found

    for recipient in sorted(recipients):
        assert event.event_id not in asyncio.run(hand_over(recipient.split(":")[0]))


def test_a_retraction_that_arrives_first_leaves_nothing_to_tell(running: Broker) -> None:
    """The original is accepted, closed and told to nobody."""
    event = fresh_event()
    publish(running, retraction_of(event), event)
    report: list[bool] = []

    def closed() -> bool:
        report.append(verify_ledger(running.settings.ledger_dir).ok)
        return report[-1]

    eventually(closed)
    assert not told(running, event.event_id)


def test_the_clock_escalates_what_is_overdue(running: Broker) -> None:
    """Looking a day ahead it finds that nobody reviewed: the desk is told, the recipients are not."""
    event = msgspec.structs.replace(fresh_event(), handling=t.Handling(code="Z"))
    publish(running, event)
    eventually(lambda: bool(mine(running, event)))
    running.start("clock", clock_ahead_s=datetime.timedelta(days=1).total_seconds())
    try:
        eventually(lambda: told(running, event.event_id)["DUTY-DESK:desk"] > 0)
    finally:
        running.kill("clock")
    assert set(told(running, event.event_id)) == {"DUTY-DESK:desk"}
