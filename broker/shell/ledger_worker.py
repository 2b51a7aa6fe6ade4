"""The ledger process: one writer a partition of decisions.v1. Records, then delivers; reads no plaintext.

A batch is recorded in one database transaction with everything that will be sent; witnesses, where
there are any, cosign it; then one Kafka transaction sends it with a progress mark. At start the writer
takes the epoch, fences its predecessor at Kafka, reads how far the outbox was sent, sends the rest, and
reads on from the position in the database. So a crash anywhere loses nothing and sends nothing twice.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import closing
from functools import partial
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from broker.deliver import body_of, message_of
from broker.ledger import (
    Delivery,
    LastCosigned,
    Message,
    Proof,
    RecordSet,
    ShardStore,
    open_connection,
    verifier_keys,
)
from broker.model.codec import decode, encode
from broker.model.types import DecisionSet, LogProof, Progress
from broker.shell.cloud_events import attributes
from broker.shell.crash import point
from broker.shell.kafka import (
    DECISIONS_TOPIC,
    PROGRESS_TOPIC,
    committed_consumer,
    make_producer,
    read_to_end,
)
from broker.shell.key_ring import LedgerSigners
from broker.shell.keys import load_broker_keys
from broker.shell.leased import Write, write_leased
from broker.shell.logs import configure
from broker.shell.settings import Settings
from broker.shell.standing import keep_saying
from broker.shell.topics import load_topics
from broker.shell.watch.process import Watch, watching
from broker.shell.watch.recorded import Seen, look_at_store
from broker.shell.witnesses_file import read_witnesses
from broker.shell.witnessing import Witnessing

OUTBOX_CHUNK = 500
"""Messages in one Kafka transaction."""
KEEP_SENT = 1000
"""Sent outbox rows that are kept, for looking into a delivery."""

log = structlog.get_logger()


def record_set(one: DecisionSet) -> RecordSet:
    """A decision set as the ledger stores it: opaque bodies, nothing opened."""
    return RecordSet(
        set_id=one.set_id,
        leaves=one.leaves,
        deliveries=tuple(
            Delivery(
                recipient=delivery.recipient,
                channel=delivery.channel.value,
                leaf=delivery.leaf,
                body=body_of(one.set_id, delivery),
            )
            for delivery in one.deliveries
        ),
        sidecars=tuple((sidecar.name, sidecar.content) for sidecar in one.sidecars),
    )


def render(delivery: Delivery, proof: Proof) -> Message:
    """The final bytes of one delivery, with its proof."""
    stated = LogProof(
        origin=proof.origin,
        index=proof.index,
        size=proof.size,
        hashes=proof.hashes,
        checkpoint=proof.checkpoint,
    )
    topic, key, value = message_of(delivery.recipient, delivery.leaf, delivery.body, stated)
    return Message(topic=topic, key=key, value=value)


class ShardWriter:
    """The one writer of one shard."""

    def __init__(
        self,
        partition: int,
        settings: Settings,
        store: ShardStore,
        witnessing: Witnessing,
        watch: Watch,
    ) -> None:
        """`store` is opened by the caller; the writer takes its epoch when it runs."""
        self._watch = watch
        self._seen = Seen(watch, f"s{partition}")
        self._signing = LedgerSigners(settings.keys_dir)
        self._partition = TopicPartition(DECISIONS_TOPIC, partition)
        self._shard = f"s{partition}"
        self._settings = settings
        self._store = store
        self._witnessing = witnessing
        self._armed = settings.crash_at
        self._epoch = 0
        self._sent = 0
        self.ready = False
        """Whether it records: it is the one writer, and what was left unsent is sent."""
        self.position = {self._partition: 0}
        """The next record that it has not recorded."""

    async def run(self) -> None:
        """Records and delivers until cancelled."""
        self._epoch = self._store.take_epoch()
        point("ledger.epoch_taken", self._armed)
        producer = await make_producer(self._settings, f"ledger-{self._shard}")
        consumer = committed_consumer(self._settings)
        await consumer.start()
        try:
            self._sent = await self._progress(consumer)
            self._sign_with_new_keys()
            await self._deliver(producer)
            consumer.assign([self._partition])
            consumer.seek(self._partition, self._at(self._store.next_offset()))
            self.ready = True
            log.info("shard_ready", shard=self._shard, epoch=self._epoch, size=self._store.size())
            while True:
                await self._turn(consumer, producer)
        finally:
            await self._witnessing.close()
            await consumer.stop()
            await producer.stop()

    async def _turn(self, consumer: AIOKafkaConsumer, producer: AIOKafkaProducer) -> None:
        """One batch: record, have it witnessed, publish tiles, deliver."""
        if self._sign_with_new_keys():
            await self._deliver(producer)
        batch = await consumer.getmany(
            self._partition, timeout_ms=500, max_records=self._settings.batch_size
        )
        records = batch.get(self._partition, [])
        if not records:
            return
        point("ledger.received", self._armed)
        started = time.perf_counter()
        self._record(records)
        self._watch.batch(len(records), time.perf_counter() - started)
        point("ledger.committed", self._armed)
        await self._deliver(producer)
        self._store.outbox_prune(self._sent - KEEP_SENT)
        point("ledger.pruned", self._armed)

    def _sign_with_new_keys(self) -> bool:
        """Whether other keys sign from now on: then every log's present state is signed by them."""
        changed = self._signing.changed()
        if changed is None:
            return False
        origin = f"{self._settings.name}/{self._shard}"
        self._witnessing.know(verifier_keys(origin, self._signing.every))
        self._store.sign_with(changed.signers, changed.listed)
        log.info("ledger_keys", shard=self._shard, count=len(changed.signers))
        return True

    async def _deliver(self, producer: AIOKafkaProducer) -> None:
        """Sends what is recorded once witnesses have seen it and outsiders can read it.

        Raises ContradictionError, with nothing sent, where the log does not continue what was cosigned.
        """
        await self._witnessing.confirm()
        point("ledger.cosigned", self._armed)
        self._store.publish_tiles()
        point("ledger.tiles_published", self._armed)
        await self._send_outbox(producer)

    def _record(self, records: Sequence[Any]) -> None:
        read = [decode(record.value, DecisionSet) for record in records]
        hops = self._seen.begin(records, read)
        sets = [record_set(one) for one in read]
        point("ledger.before_commit", self._armed)
        result = self._store.commit(
            sets, epoch=self._epoch, next_offset=records[-1].offset + 1, render=render
        )
        self._seen.recorded(read, result.recorded, hops, time.time())
        self._at(records[-1].offset + 1)
        log.info(
            "recorded", shard=self._shard, sets=len(result.recorded), dropped=len(result.dropped)
        )

    def _at(self, offset: int) -> int:
        """Notes where it stands now, for who looks on."""
        self.position = {self._partition: offset}
        self._seen.size(self._store.size())
        return offset

    async def _send_outbox(self, producer: AIOKafkaProducer) -> None:
        """Everything recorded and not yet sent, each chunk in one transaction with its mark."""
        while chunk := self._store.outbox_after(self._sent, OUTBOX_CHUNK):
            last = chunk[-1][0]
            messages = [message for _, message in chunk]
            started = time.perf_counter()
            mark = Progress(shard=self._shard, epoch=self._epoch, sequence=last)
            async with producer.transaction():
                point("ledger.transaction_begun", self._armed)
                futures = [
                    await producer.send(
                        one.topic, one.value, key=one.key, headers=self._headers_of(one)
                    )
                    for one in messages
                ]
                futures.append(
                    await producer.send(PROGRESS_TOPIC, encode(mark), key=self._shard.encode())
                )
                said = [await future for future in futures]
                point("ledger.outbox_sent", self._armed)
            self._sent = last
            point("ledger.transaction_committed", self._armed)
            self._seen.sent(messages, said[:-1], time.perf_counter() - started)

    def _headers_of(self, message: Message) -> list[tuple[str, bytes]]:
        """What it is as a CloudEvent, and where it is traced, its context."""
        what = attributes(message.topic, message.key.decode(), self._settings.name)
        return [*what, *(self._seen.headers(message) or ())]

    async def _progress(self, consumer: AIOKafkaConsumer) -> int:
        """The last sequence that a committed transaction of this shard sent."""
        marks = await read_to_end(consumer, TopicPartition(PROGRESS_TOPIC, 0))
        own = [
            decode(mark.value, Progress)
            for mark in marks
            if mark.value and mark.key == self._shard.encode()
        ]
        return own[-1].sequence if own else 0


STANDBY = {"standby": True}
"""What a process shows that has no shard now: it is ready to take one."""


async def run(settings: Settings) -> None:
    """All shards of decisions.v1, or those leased to this process, until cancelled or until one fails."""
    watch = Watch(settings, "ledger", ("kafka", "store"), ("decisions",))
    configure("ledger", settings.log_level, watch.alarm)
    watch.serve()
    writers: dict[str, ShardWriter] = {}

    def look() -> None:
        ready = {shard: one.ready for shard, one in writers.items()}
        look_at_store(watch, settings, ready or STANDBY)

    def positions() -> dict[TopicPartition, int | None]:
        return {at: offset for one in writers.values() for at, offset in one.position.items()}

    def recorded() -> dict[TopicPartition, int]:
        return {at: n for one in writers.values() if one.ready for at, n in one.position.items()}

    async with watching(watch.keep(look, positions)), watching(keep_saying(settings, recorded)):
        await _write_all(settings, partial(_write, settings, watch, writers))


async def _write_all(settings: Settings, write: Write) -> None:
    """Every shard, or where several processes share a PostgreSQL, those that are leased to this one."""
    shards = [f"s{one}" for one in range(load_topics().named([])[DECISIONS_TOPIC].partitions)]
    store = settings.ledger_store.get_secret_value()
    if not store:
        await asyncio.gather(*map(write, shards))
        return
    from broker.shell.leases import Leases  # noqa: PLC0415 -- loads PostgreSQL's client

    leases = Leases(store, shards)
    leases.start()
    try:
        await write_leased(leases.held, write)
    finally:
        leases.close()


async def _write(
    settings: Settings, watch: Watch, writers: dict[str, ShardWriter], shard: str
) -> None:
    """Writes one shard until cancelled or until it fails; stands in `writers` meanwhile."""
    key = load_broker_keys(settings.keys_dir).ledger_key
    listed = LedgerSigners(settings.keys_dir).every
    policy = read_witnesses(settings.witnesses)
    origin, directory = f"{settings.name}/{shard}", settings.ledger_dir / shard
    connection = open_connection(settings.ledger_store.get_secret_value(), directory)
    with closing(ShardStore.open(directory, origin, key, listed, connection)) as store:
        last = LastCosigned(
            settings.witnessed_dir / f"{shard}.checkpoint", verifier_keys(origin, listed)
        )
        witnessing = Witnessing(shard, store, policy, last, settings.crash_at)
        writers[shard] = ShardWriter(int(shard[1:]), settings, store, witnessing, watch)
        try:
            await writers[shard].run()
        finally:
            writers.pop(shard)
