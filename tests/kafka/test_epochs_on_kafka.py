"""A change of epoch while the broker runs: nothing stops, nothing is lost, recipients open both."""

from __future__ import annotations

import asyncio
import datetime
import time
from collections.abc import Sequence

import pytest

from broker.auditor.verify import verify_ledger
from broker.client.connection import assign, consumer_of, partition_of, read_to_end
from broker.model.codec import decode
from broker.model.types import Alert
from broker.shell.keys import current_epoch, next_epoch
from tests.kafka.test_rounds_on_kafka import eventually, publish, retraction_of, told
from tests.oracle import expected_alerts
from tests.simulation.harness import Broker, fresh_event

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(240)]
NOTICE_S = 2.0
RECIPIENT = "E08000028"


def test_a_broker_goes_over_to_the_next_epoch_as_it_runs(running: Broker) -> None:
    """Told before and after, each under its own key; an act of today reaches a part of yesterday."""
    keys_dir = running.settings.keys_dir
    before, after = fresh_event(), fresh_event()
    publish(running, before)
    eventually(lambda: told(running, before.event_id).total() == len(expected_alerts(before)))
    first = current_epoch(keys_dir).name
    fresh = next_epoch(
        keys_dir, datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=NOTICE_S)
    )
    while current_epoch(keys_dir).name == first:
        time.sleep(0.1)
    publish(running, after)
    eventually(lambda: told(running, after.event_id).total() == len(expected_alerts(after)))
    publish(running, retraction_of(before))

    assert {first, fresh.name} <= set(asyncio.run(key_ids(running)))
    assert verify_ledger(running.settings.ledger_dir, keys=None, allow_open=True).ok


async def key_ids(running: Broker) -> Sequence[str]:
    """Under which epochs one recipient's alerts are sealed."""
    topic = f"alerts.v1.{RECIPIENT}"
    async with consumer_of(running.settings, RECIPIENT) as consumer:
        place = await partition_of(consumer, topic, running.settings)
        assign(consumer, place)
        await consumer.seek_to_beginning(place)
        return [decode(one.value, Alert).key_id for one in await read_to_end(consumer, place)]
