"""Kafka as an agency's client uses it: committed records only, errors in words, no group by default."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from broker.shell.key_ring import OwnKeys, keys_now
from broker.shell.keys import AgencyKeys
from broker.shell.security import security_of_organisation
from broker.shell.settings import Settings

MAX_FETCH_BYTES = 12_582_912
"""The largest record that the topics take (deploy/topics.yaml)."""
FETCH_WAIT_MS = 100
"""How long Kafka waits for records before it says that there are none."""
POLL_MS = 300
QUIET_POLLS = 5
"""So many empty polls in a row end a read although its end was not reached."""


class ClientError(RuntimeError):
    """A client that cannot do as asked; says what to do."""


class NotConnectedError(ClientError):
    """The organisation has no topics at this Kafka."""


class HoldsKeys:
    """A client with the keys of its organisation, followed while it is open or given once."""

    def __init__(self, keys: AgencyKeys | OwnKeys) -> None:
        """`keys` of the organisation that it acts for."""
        self._held = keys

    @property
    def _keys(self) -> AgencyKeys:
        """The organisation's keys as they are now: a new one is taken without a restart."""
        return keys_now(self._held)


@asynccontextmanager
async def consumer_of(
    settings: Settings, organisation: str, group: str | None = None
) -> AsyncIterator[Any]:
    """A started consumer of committed records; with a group it starts where the group left off.

    Raises KeysError where the organisation's certificate is missing or expired, ClientError where
    Kafka does not answer it.
    """
    consumer = AIOKafkaConsumer(
        bootstrap_servers=address_of(settings),
        **security_of_organisation(settings, organisation),
        group_id=group,
        enable_auto_commit=False,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=MAX_FETCH_BYTES,
        fetch_max_wait_ms=FETCH_WAIT_MS,
    )
    try:
        await _start(consumer, settings, organisation)
        yield consumer
    finally:
        await consumer.stop()


@asynccontextmanager
async def producer_of(settings: Settings, organisation: str) -> AsyncIterator[Any]:
    """A started producer that waits for all replicas and never sends a record twice.

    Raises as `consumer_of` does.
    """
    producer = AIOKafkaProducer(
        bootstrap_servers=address_of(settings),
        **security_of_organisation(settings, organisation),
        acks="all",
        enable_idempotence=True,
        max_request_size=MAX_FETCH_BYTES,
    )
    try:
        await _start(producer, settings, organisation)
        yield producer
    finally:
        await producer.stop()


async def partition_of(consumer: Any, topic: str, settings: Settings) -> TopicPartition:
    """The one partition of an organisation's topic. Raises NotConnectedError where there is none."""
    if topic not in await consumer.topics():
        raise NotConnectedError(
            f"Kafka at {settings.kafka_bootstrap} has no topic {topic}: see that the organisation "
            "is in policies/organisations/connected.yaml and that `broker up` runs there"
        )
    return TopicPartition(topic, 0)


def assign(consumer: Any, *partitions: TopicPartition) -> None:
    """Makes the consumer's partitions these, at rest until `read_to_end`."""
    consumer.assign(list(partitions))
    consumer.pause(*partitions)


async def read_to_end(consumer: Any, *partitions: TopicPartition) -> list[Any]:
    """Committed records from where the consumer stands to the end as of now, in no promised order.

    The partitions come from `assign` and are at rest again afterwards: while a consumer waits for
    records, Kafka answers nothing else on its connection, and asking for the end would wait too.
    """
    ends = await consumer.end_offsets(list(partitions))
    found: list[Any] = []
    quiet = 0
    while quiet < QUIET_POLLS:
        behind = [one for one in partitions if await consumer.position(one) < ends[one]]
        if not behind:
            break
        consumer.resume(*behind)
        batch = await consumer.getmany(*behind, timeout_ms=POLL_MS)
        consumer.pause(*behind)
        quiet = 0 if batch else quiet + 1
        found.extend(record for records in batch.values() for record in records)
    return found


async def whole_topic(settings: Settings, organisation: str, topic: str) -> list[Any]:
    """All committed records of a topic of one partition, in order, read as that organisation.

    Raises ClientError where Kafka or the topic is missing.
    """
    async with consumer_of(settings, organisation) as consumer:
        place = await partition_of(consumer, topic, settings)
        assign(consumer, place)
        await consumer.seek_to_beginning(place)
        records = await read_to_end(consumer, place)
    return sorted(records, key=lambda one: int(one.offset))


def address_of(settings: Settings) -> str:
    """Kafka's address. Raises ClientError where none is set."""
    if not settings.kafka_bootstrap:
        raise ClientError(
            "no Kafka address: set BROKER_KAFKA_BOOTSTRAP to host:port, as `broker up` prints it"
        )
    return settings.kafka_bootstrap


async def _start(client: Any, settings: Settings, organisation: str) -> None:
    try:
        await client.start()
    except (KafkaError, OSError) as error:
        raise ClientError(
            f"no Kafka answers at {settings.kafka_bootstrap} ({type(error).__name__}): see that "
            "`broker up` runs and that BROKER_KAFKA_BOOTSTRAP names its address; a Kafka that runs does "
            f"not know the certificate of {organisation} or took it back (`broker keys show`)"
        ) from error
