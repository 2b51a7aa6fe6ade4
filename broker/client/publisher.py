"""Publisher: an agency's statements, signed, sealed to intake, and its receipts."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from broker.client.connection import (
    POLL_MS,
    ClientError,
    HoldsKeys,
    address_of,
    consumer_of,
    partition_of,
    producer_of,
)
from broker.client.opening import OpenedReceipt, RefusedAlertError, open_receipt
from broker.model.envelope import seal_statement
from broker.model.types import Action, ConcernEvent
from broker.model.values import SourcePosition
from broker.record import intake_set_id
from broker.shell.cloud_events import attributes
from broker.shell.key_ring import IntakeEpochs, OwnKeys
from broker.shell.keys import AgencyKeys
from broker.shell.settings import Settings
from broker.shell.watch.hops import OFF, Traces

SEED_BYTES = 32
RECEIPT_WITHIN_S = 30.0


class PublishedRecord(msgspec.Struct, frozen=True):
    """A statement as Kafka holds it. Held by Kafka is not yet accepted: the receipt says so."""

    topic: str
    partition: int
    offset: int
    event_id: str
    """The event's id, or the action's."""

    @property
    def set_id(self) -> str:
        """Id of the set that records it, by which its receipt is known."""
        return intake_set_id(SourcePosition(self.topic, self.partition, self.offset))


class Publisher(HoldsKeys):
    """One organisation's publishing client. Open it with `Publisher.connect`."""

    def __init__(
        self,
        keys: AgencyKeys | OwnKeys,
        producer: Any,
        receipts: Any,
        partition: TopicPartition,
        epochs: IntakeEpochs | None = None,
        traces: Traces = OFF,
    ) -> None:
        """`receipts` is a consumer that stands where the organisation's receipts end.

        `epochs` follows intake's keys while the publisher is open; without it they stay those of `keys`.
        """
        self._epochs = epochs
        self._traces = traces
        super().__init__(keys)
        self._producer = producer
        self._receipts = receipts
        self._partition = partition
        self._arrived: dict[str, OpenedReceipt] = {}
        self._reading = asyncio.Lock()
        self.refused: list[RefusedAlertError] = []
        """Receipts whose proof did not hold."""

    @classmethod
    @asynccontextmanager
    async def connect(
        cls, organisation: str, settings: Settings | None = None
    ) -> AsyncIterator[Publisher]:
        """A publisher for `organisation`, with its keys from the key folder of `settings`.

        Raises ClientError where Kafka or the organisation's topics are missing, KeysError where its
        keys are.
        """
        used = settings or Settings()
        address_of(used)
        keys = OwnKeys(used.keys_dir, organisation)
        async with (
            producer_of(used, organisation) as producer,
            consumer_of(used, organisation) as receipts,
        ):
            partition = await partition_of(receipts, f"receipts.v1.{organisation}", used)
            receipts.assign([partition])
            await receipts.seek_to_end(partition)
            await receipts.position(partition)
            traces = Traces.of(used, "client")
            yield cls(keys, producer, receipts, partition, IntakeEpochs(used.keys_dir), traces)
            traces.close()

    async def publish(self, statement: ConcernEvent | Action) -> PublishedRecord:
        """Signs, seals and sends one statement; returns when Kafka holds it on every replica.

        Raises ValueError for a statement of another organisation, ClientError if Kafka refuses it.
        """
        return (await self.publish_many([statement]))[0]

    async def publish_many(
        self, statements: Sequence[ConcernEvent | Action]
    ) -> list[PublishedRecord]:
        """The same for several, sent in their order and confirmed together."""
        sealed = [self._sealed(statement) for statement in statements]
        hops = [self._traces.begin("publish") for _ in sealed]
        owner = self._keys.identity.organisation
        try:
            sent = [
                await self._producer.send(
                    topic,
                    data,
                    headers=[*attributes(topic, statement_id, owner), *hop.headers],
                )
                for (topic, statement_id, data), hop in zip(sealed, hops, strict=True)
            ]
            confirmed = [await future for future in sent]
        except KafkaError as error:
            raise ClientError(
                f"Kafka did not take the statement ({type(error).__name__}): see that "
                f"{owner} may write its topics, and publish again; "
                "what was taken before is then a duplicate and harmless"
            ) from error
        for hop in hops:
            hop.end()
        return [
            PublishedRecord(at.topic, at.partition, at.offset, statement_id)
            for at, (_, statement_id, _) in zip(confirmed, sealed, strict=True)
        ]

    async def wait_for_receipt(
        self, published: PublishedRecord, timeout_s: float = RECEIPT_WITHIN_S
    ) -> OpenedReceipt:
        """The receipt of a record that this publisher sent, its proof checked.

        Raises TimeoutError where none came in time: the record is with Kafka all the same, and
        publishing it again is harmless.
        """
        async with asyncio.timeout(timeout_s):
            while published.set_id not in self._arrived:
                async with self._reading:
                    if published.set_id not in self._arrived:
                        await self._read_receipts()
        return self._arrived[published.set_id]

    async def publish_and_wait(self, statement: ConcernEvent | Action) -> OpenedReceipt:
        """Publishes one statement and returns its receipt. Raises what both of these raise."""
        return await self.wait_for_receipt(await self.publish(statement))

    async def _read_receipts(self) -> None:
        batch = await self._receipts.getmany(self._partition, timeout_ms=POLL_MS)
        for record in batch.get(self._partition, []):
            try:
                receipt = open_receipt(record.value, self._keys)
            except RefusedAlertError as error:
                self.refused.append(error)
            else:
                self._arrived[receipt.set_id] = receipt

    def _sealed(self, statement: ConcernEvent | Action) -> tuple[str, str, bytes]:
        """(topic, statement id, envelope)."""
        identity = self._keys.identity
        if isinstance(statement, Action):
            owner, kind, statement_id = statement.organisation, "actions", statement.action_id
        else:
            owner, kind, statement_id = statement.publisher, "concerns", statement.event_id
        if owner != identity.organisation:
            raise ValueError(
                f"the statement is by {owner}, this publisher is {identity.organisation}: "
                "each organisation publishes its own"
            )
        epoch = self._epochs.current() if self._epochs else self._keys.epoch
        seed = os.urandom(SEED_BYTES)
        data = seal_statement(statement, identity, epoch, seed)
        return f"{kind}.v1.{owner}", statement_id, data
