"""`broker audit verify --kafka`: reads a broker's topics from their start, to be held to its ledger."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from broker.auditor.message import MANUAL, kind_of
from broker.auditor.on_kafka import (
    ACTIONS,
    CONCERNS,
    DECISIONS,
    DELIVERIES,
    PARTS,
    KafkaRecord,
    OnKafka,
    Said,
    compare,
)
from broker.auditor.recorded import shards_of
from broker.auditor.report import BadLedgerError, KafkaCount, Report
from broker.auditor.sidecars import read_outbox
from broker.commands.errors import CommandError
from broker.ledger import LedgerError
from broker.model.codec import decode
from broker.model.types import Progress
from broker.shell.acls import OPERATOR
from broker.shell.kafka import PROGRESS_TOPIC, committed_consumer
from broker.shell.settings import Settings
from broker.shell.topics import load_topics

KINDS = frozenset({*DELIVERIES, MANUAL, CONCERNS, ACTIONS, DECISIONS, PARTS})
READINGS = 4
PAUSE_S = 2.0
QUIET = 5
MILLISECONDS = 1000
NO_KAFKA = (
    "there is no Kafka to compare with: set BROKER_KAFKA_BOOTSTRAP to host:port of the one that the "
    "broker uses (`broker up` prints it)"
)


def with_kafka(report: Report, settings: Settings, ledger_dir: Path) -> Report:
    """The report of files that hold, with Kafka compared; its first fault makes it one that does not.

    Raises CommandError where no Kafka is named.
    """
    try:
        return msgspec.structs.replace(report, kafka=compare_with_kafka(settings, ledger_dir))
    except BadLedgerError as error:
        return msgspec.structs.replace(report, ok=False, first_bad=str(error))


def compare_with_kafka(settings: Settings, ledger_dir: Path) -> KafkaCount:
    """Everything on Kafka against the ledger's files, which must have been verified.

    While the broker runs the two are never read at one moment: a fault counts if it is there still
    after some seconds. Raises BadLedgerError for the first fault, CommandError where no Kafka is named.
    """
    if not settings.kafka_bootstrap:
        raise CommandError(NO_KAFKA)
    for reading in range(READINGS):
        try:
            on_kafka, marks = asyncio.run(_read(settings))
            return compare(Said(ledger_dir), on_kafka, _waiting(ledger_dir, marks))
        except (BadLedgerError, LedgerError):
            if reading == READINGS - 1:
                raise
        time.sleep(PAUSE_S)
    raise AssertionError("unreachable")


def _waiting(ledger_dir: Path, marks: dict[str, int]) -> frozenset[str]:
    """Ids of the messages that are recorded and not sent yet."""
    return frozenset(
        key.decode("utf-8", "replace")
        for shard in shards_of(ledger_dir)
        for sequence, key in read_outbox(shard)
        if sequence > marks.get(shard.name, 0)
    )


async def _read(settings: Settings) -> tuple[OnKafka, dict[str, int]]:
    """All committed records of the topics, and how far each shard's outbox was sent."""
    # Whoever audits reads every organisation's topics, which only the operator may.
    consumer = committed_consumer(settings.model_copy(update={"process": OPERATOR}))
    await consumer.start()
    try:
        topics = frozenset(await consumer.topics())
        records = await _records(consumer, [one for one in topics if kind_of(one)[0] in KINDS])
        progress = await _records(consumer, [PROGRESS_TOPIC] if PROGRESS_TOPIC in topics else [])
    finally:
        await consumer.stop()
    keeps = {kind_of(spec.name)[0]: spec.retention for spec in load_topics().topics}
    now = int(time.time() * MILLISECONDS)
    marks = [decode(one.value, Progress) for one in progress if one.value]
    return OnKafka(records, topics, keeps, now), {one.shard: one.sequence for one in marks}


async def _records(consumer: AIOKafkaConsumer, topics: Sequence[str]) -> list[KafkaRecord]:
    """Every committed record from the start to the end as of now, in the order of topic and offset."""
    counts = {kind_of(spec.name)[0]: spec.partitions for spec in load_topics().topics}
    partitions = [
        TopicPartition(topic, number)
        for topic in sorted(topics)
        for number in range(counts[kind_of(topic)[0]])
    ]
    if not partitions:
        return []
    consumer.assign(partitions)
    await consumer.seek_to_beginning(*partitions)
    ends = await consumer.end_offsets(partitions)
    found: list[KafkaRecord] = []
    quiet = 0
    while quiet < QUIET:
        batch = await consumer.getmany(timeout_ms=200)
        found += [
            KafkaRecord(one.topic, one.partition, one.offset, one.key, one.value)
            for records in batch.values()
            for one in records
        ]
        done = all([await consumer.position(one) >= ends[one] for one in partitions])
        if done and not batch:
            break
        quiet = 0 if batch else quiet + 1
    return sorted(found, key=lambda one: (one.topic, one.partition, one.offset))
