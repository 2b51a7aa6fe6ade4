"""A request for what is held, on a running broker: asked by an agency, listed by the duty desk."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import pytest
from aiokafka import TopicPartition

from broker.auditor.asking import Ledger
from broker.client import Publisher
from broker.client.access import access_requests, ask, one_request
from broker.client.connection import consumer_of, read_to_end
from broker.commands.access_answering import access_answer
from broker.commands.subject_access import consultation
from broker.model import types as t
from broker.model.codec import decode
from broker.record.subject_access import ACKNOWLEDGEMENT
from broker.shell.settings import Settings
from tests.rounds.test_subject_access import NOBODY, request
from tests.simulation.harness import Broker, fresh_event

pytestmark = pytest.mark.kafka
ASKER = "E08000025"


def test_what_the_asker_sees_is_alike_and_the_desk_finds_the_child(running: Broker) -> None:
    """Receipts of one size and one content but for ids; both in the desk's queue; looking is recorded."""
    event = fresh_event()
    (child,) = event.subjects[0].identifiers
    known, unknown = str(uuid.uuid4()), str(uuid.uuid4())

    async def told() -> tuple[list[t.ReceiptContent], list[int], Any]:
        settings = running.settings
        async with Publisher.connect(event.publisher, settings) as publisher:
            await publisher.wait_for_receipt(await publisher.publish(event))
        answers = [
            await ask(settings, request(one, action_id=action_id, organisation=ASKER))
            for action_id, one in ((known, child), (unknown, NOBODY))
        ]
        sizes = await _sizes(settings, f"receipts.v1.{ASKER}", {one.receipt_id for one in answers})
        looked = await ask(settings, _looked(known))
        queue = await access_requests(settings)
        return [one.content for one in answers], sizes, (looked.content, queue)

    contents, sizes, (looked, queue) = asyncio.run(told())

    assert {one.explanation for one in contents} == {ACKNOWLEDGEMENT}
    assert {(one.outcome, one.flags, one.parts) for one in contents} == {
        (t.IntakeOutcome.ACCEPTED, (), 0)
    }
    # The proof of the later one may be longer by the hashes of what came between: never by what is held.
    assert len(set(sizes)) == 1
    assert looked.outcome is t.IntakeOutcome.ACCEPTED
    keys = running.settings.keys_dir
    ledger = Ledger(running.settings.ledger_dir, rows_key=keys / "broker" / "rows.key")
    found = access_answer(one_request(queue, known), ledger, keys)
    nothing = access_answer(one_request(queue, unknown), ledger, keys)
    assert event.event_id in {one.event_id for one in found.records}
    assert all(one.opened for one in found.records)
    assert nothing.records == ()


def _looked(request_id: str) -> t.Action:
    at = request(NOBODY).acted_at
    looked: t.Action = consultation(request_id, "desk-1", "a request is answered", at)
    return looked


async def _sizes(settings: Settings, topic: str, ids: set[str]) -> list[int]:
    """Bytes of the sealed part and its leaf, of these receipts, as they lie on the topic."""
    async with consumer_of(settings, ASKER) as consumer:
        place = TopicPartition(topic, 0)
        consumer.assign([place])
        consumer.pause(place)
        await consumer.seek_to_beginning(place)
        records = await read_to_end(consumer, place)
    receipts = [decode(one.value, t.Receipt) for one in records]
    return [len(one.sealed) + len(one.leaf) for one in receipts if one.receipt_id in ids]
