"""CloudEvents on Kafka, by the library of those who wrote the standard, in both directions."""

from __future__ import annotations

import datetime
import os
import uuid

import pytest
from cloudevents.core.base import BaseCloudEvent
from cloudevents.core.bindings.kafka import KafkaMessage, from_kafka_event, to_binary_event
from cloudevents.core.v1.event import CloudEvent

from broker.client import Publisher
from broker.client.connection import producer_of, whole_topic
from broker.examples import fresh_example
from broker.model.envelope import seal_statement
from broker.model.types import ConcernEvent
from broker.shell.keys import load_agency_keys
from tests.simulation.harness import Broker

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(120)]
ADVOCATE = "ADV-WM-001"


def a_warning() -> ConcernEvent:
    """A statement that was not made before."""
    made = fresh_example("concern", datetime.datetime.now(datetime.UTC))
    assert isinstance(made, ConcernEvent)
    return made


async def events_on(broker: Broker, kind: str) -> list[tuple[BaseCloudEvent, bytes]]:
    """What the library reads in every record of one of the advocate's topics, beside its value."""
    records = await whole_topic(broker.settings, ADVOCATE, f"{kind}.v1.{ADVOCATE}")
    return [
        (from_kafka_event(KafkaMessage(dict(one.headers), one.key, one.value)), one.value)
        for one in records
        if any(name == "ce_specversion" for name, _ in one.headers)
    ]


async def test_what_the_broker_sends_is_a_cloud_event_of_its_kind(running: Broker) -> None:
    """Id, source and type as the record has them; the data are its value, to the byte."""
    async with Publisher.connect(ADVOCATE, running.settings) as publisher:
        receipt = await publisher.publish_and_wait(a_warning())
    found = {
        event.get_id(): (event, value) for event, value in await events_on(running, "receipts")
    }
    event, value = found[receipt.receipt_id]
    assert event.get_type() == "uk.safeguarding.receipt.v1"
    assert event.get_source() == f"/{running.settings.name}"
    assert event.get_datacontenttype() == "avro/binary"
    assert event.get_data() == value


async def test_a_statement_that_comes_as_a_cloud_event_is_taken(running: Broker) -> None:
    """In binary mode, made by the library; what its headers claim changes nothing."""
    keys = load_agency_keys(running.settings.keys_dir, ADVOCATE)
    statement = a_warning()
    sealed = seal_statement(statement, keys.identity, keys.epoch, os.urandom(32))
    made = to_binary_event(
        CloudEvent(
            {
                "id": str(uuid.uuid4()),
                "source": "/somebody-else",
                "type": "uk.safeguarding.concern.v1",
                "specversion": "1.0",
                "datacontenttype": "avro/binary",
            },
            sealed,
        )
    )
    async with Publisher.connect(ADVOCATE, running.settings) as publisher:
        async with producer_of(running.settings, ADVOCATE) as producer:
            await producer.send_and_wait(
                f"concerns.v1.{ADVOCATE}", made.value, headers=list(made.headers.items())
            )
        # Published again as itself it is known: it came in the first time.
        again = await publisher.publish_and_wait(statement)
    assert again.content.outcome.value == "duplicate"
