"""Kafka clients as the broker configures them, and the Faust app from which its workers are made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import faust
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from broker.shell.logs import foreign_loggers
from broker.shell.security import security_of_process
from broker.shell.settings import Settings
from broker.shell.tables import HeldTable

MAX_REQUEST_BYTES = 12_582_912
LINGER_MS = 2
BATCH_BYTES = 524_288
"""Of one partition one batch at a time is on its way: by the client's own 16 kB, one decision set."""
PARTS_TOPIC = "parts.v1"
DECISIONS_TOPIC = "decisions.v1"
PROGRESS_TOPIC = "progress.v1"
HELD_TOPIC = "held.v1"
Headers = Sequence[tuple[str, bytes]]
Message = tuple[str, bytes | None, bytes | None] | tuple[str, bytes | None, bytes | None, Headers]
"""Topic, key, value, and headers where there are any."""


def make_app(name: str, settings: Settings, *, partitions: int) -> faust.App:
    """A Faust app for one step: at-least-once, raw bytes, tables in RocksDB, no web server."""
    state = ((settings.state_dir or settings.data_dir / "state") / name).resolve()
    state.mkdir(parents=True, exist_ok=True)
    context = security_of_process(settings, name).get("ssl_context")
    return faust.App(
        f"broker-{name}",
        broker=f"kafka://{settings.kafka_bootstrap}",
        broker_credentials=None if context is None else faust.SSLCredentials(context),
        store="rocksdb://",
        Table=HeldTable,
        datadir=str(state),
        processing_guarantee="at_least_once",
        key_serializer="raw",
        value_serializer="raw",
        topic_partitions=partitions,
        topic_replication_factor=1,
        topic_disable_leader=True,
        consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=MAX_REQUEST_BYTES,
        producer_max_request_size=MAX_REQUEST_BYTES,
        broker_session_timeout=settings.session_timeout_s,
        broker_heartbeat_interval=settings.heartbeat_s,
        broker_commit_interval=0.5,
        stream_wait_empty=False,
        web_enabled=False,
        worker_redirect_stdouts=False,
        logging_config=foreign_loggers(name),
    )


async def make_producer(
    settings: Settings, transactional_id: str | None = None
) -> AIOKafkaProducer:
    """A started producer of the process that `settings` name; never sends a record twice."""
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.kafka_bootstrap,
        **security_of_process(settings, settings.process),
        acks="all",
        enable_idempotence=True,
        linger_ms=LINGER_MS,
        max_batch_size=BATCH_BYTES,
        max_request_size=MAX_REQUEST_BYTES,
        transactional_id=transactional_id,
    )
    await producer.start()
    return producer


class Sender:
    """A producer that connects when there is first something to send."""

    def __init__(self, settings: Settings) -> None:
        """As the process that `settings` name."""
        self._settings = settings
        self._producer: AIOKafkaProducer | None = None

    async def producer(self) -> AIOKafkaProducer:
        """Connected."""
        if self._producer is None:
            self._producer = await make_producer(self._settings)
        return self._producer

    async def send(self, messages: Sequence[Message]) -> None:
        """Returns when Kafka has confirmed all."""
        await send_all(await self.producer(), messages)

    async def stop(self) -> None:
        """Disconnects."""
        if self._producer is not None:
            await self._producer.stop()


async def send_all(producer: AIOKafkaProducer, messages: Sequence[Message]) -> None:
    """Sends messages in order and returns when Kafka has confirmed every one."""
    futures = [
        await producer.send(topic, value, key=key, headers=list(*headers) or None)
        for topic, key, value, *headers in messages
    ]
    for future in futures:
        await future


def acknowledged(app: faust.App, kinds: Sequence[str]) -> dict[TopicPartition, int | None]:
    """Next offset that a worker has not acknowledged, of each partition that it has now.

    Of topics whose name begins with one of `kinds`; None where the group took nothing yet.
    """
    committed = app.consumer._committed_offset  # type: ignore[attr-defined]  # noqa: SLF001 -- Faust tells it nowhere else
    return {
        TopicPartition(one.topic, one.partition): committed.get(one)
        for one in app.consumer.assignment()
        if one.topic.partition(".")[0] in kinds
    }


def committed_consumer(
    settings: Settings, *, group: str | None = None, **options: Any
) -> AIOKafkaConsumer:
    """A consumer of that process that sees committed records only; assigned by hand.

    `group`: under which it may say how far it has come; it never joins it.
    """
    return AIOKafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap,
        **security_of_process(settings, settings.process),
        group_id=group,
        enable_auto_commit=False,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=MAX_REQUEST_BYTES,
        **options,
    )


async def read_to_end(
    consumer: AIOKafkaConsumer, partition: TopicPartition, *, patience_ms: int = 300
) -> list[Any]:
    """Every committed record of one partition, from its start to its end as of now."""
    consumer.assign([partition])
    await consumer.seek_to_beginning(partition)
    end = (await consumer.end_offsets([partition]))[partition]
    found: list[Any] = []
    quiet = 0
    while await consumer.position(partition) < end and quiet < 3:
        batch = await consumer.getmany(partition, timeout_ms=patience_ms)
        records = batch.get(partition, [])
        quiet = 0 if records else quiet + 1
        found.extend(records)
    return found
