"""A change of epoch while the broker runs: nothing stops, nothing is lost, recipients open both."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
from aiokafka import TopicPartition

from broker.auditor.verify import verify_ledger
from broker.client.connection import assign, consumer_of, partition_of, read_to_end
from broker.intake import identifier_token, part_binding
from broker.model.codec import CodecError, decode
from broker.model.envelope import open_body
from broker.model.sealer import sealed_for
from broker.model.sealing import SealError, unseal
from broker.model.types import Alert, DecisionSet, Envelope, Handling, Held, Part
from broker.record import held_binding
from broker.shell.epochs import Kind, destroy, read_epochs
from broker.shell.kafka import committed_consumer
from broker.shell.kafka import read_to_end as read_all
from broker.shell.keys import DESK, current_epoch, load_broker_keys, next_epoch, read_subject_keys
from tests.kafka.test_erasure_on_kafka import PLANTED
from tests.kafka.test_rounds_on_kafka import command, eventually, publish, retraction_of, told
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


def test_with_its_epoch_destroyed_no_record_of_an_erased_child_opens(
    running: Broker, tmp_path: Path
) -> None:
    """Statements, parts, decisions and what waited: sealed as they lie, and no key is left for them.

    On a copy of the keys, since the broker under test goes on with its own; before, they do open.
    """
    event = msgspec.structs.replace(
        fresh_event(), summary=f"About {PLANTED}.", handling=Handling(code="Z")
    )
    publish(running, event)
    token = identifier_token(
        load_broker_keys(running.settings.keys_dir).linkage_key, event.subjects[0].identifiers[0]
    )
    eventually(lambda: token in read_subject_keys(running.settings.keys_dir / "subjects.db"))
    command(running, "retention", "erase", token, "--reason", "asked for and granted")
    keys_dir = tmp_path / "keys"
    shutil.copytree(running.settings.keys_dir, keys_dir)
    records = asyncio.run(everything(running, event.publisher))
    before = opened(records, keys_dir)
    now = datetime.datetime.now(datetime.UTC)
    ended = [one.name for one in read_epochs(keys_dir / "broker")]
    next_epoch(keys_dir, now)
    for name in ended:
        for kind in Kind:
            destroy(keys_dir / "broker", name, kind, now)

    assert {"concerns", "parts", "held"} <= {
        name for name, text in before if PLANTED.encode() in text
    }
    assert opened(records, keys_dir) == []
    assert not [one for one in records if PLANTED.encode() in one[1]]


async def everything(running: Broker, publisher: str) -> list[tuple[str, bytes]]:
    """(topic, value) of every record that the broker's processes read or write about a statement."""
    found: list[tuple[str, bytes]] = []
    for process, topic, partitions in (
        ("intake", f"concerns.v1.{publisher}", 1),
        ("decide", "parts.v1", 2),
        ("ledger", "decisions.v1", 2),
    ):
        settings = running.settings.model_copy(update={"process": process})
        consumer = committed_consumer(settings)
        await consumer.start()
        try:
            for partition in range(partitions):
                records = await read_all(consumer, TopicPartition(topic, partition))
                found += [(topic.split(".")[0], one.value) for one in records if one.value]
        finally:
            await consumer.stop()
    async with consumer_of(running.settings, DESK) as consumer:
        waits = await read_all(consumer, TopicPartition("held.v1", 0))
    return found + [("held", one.value) for one in waits if one.value]


def opened(records: Sequence[tuple[str, bytes]], keys_dir: Path) -> list[tuple[str, bytes]]:
    """What opens of these records with any key that the broker still has."""
    own, plain = keys_dir / "broker", []
    moments = [one.since for one in read_epochs(own) if not one.gone]
    for keys in (load_broker_keys(keys_dir, moment) for moment in moments):
        for name, value in records:
            with contextlib.suppress(SealError, CodecError, ValueError):
                if name == "concerns":
                    body = open_body(decode(value, Envelope), keys.epoch_keys)
                    plain.append((name, body.payload))
                elif name == "parts":
                    part = decode(value, Part)
                    sealed = unseal(keys.parts_key, part.sealed, part_binding(part.part_id))
                    plain.append((name, sealed))
                elif name == "held":
                    held = decode(value, Held)
                    bound = held_binding(held.part_id, held.round)
                    plain.append((name, unseal(keys.sealer.desk.key, held.sealed, bound)))
                else:
                    plain += [
                        (name, unseal(keys.sealer.key_for(to.recipient).key, to.sealed, bound))
                        for one in [decode(value, DecisionSet)]
                        for to in one.deliveries
                        for bound in [sealed_for(to.recipient, one.set_id)]
                    ]
    return plain
