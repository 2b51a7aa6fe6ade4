"""A whole broker under test: real Kafka, real processes, killed for real, counted from outside.

What is expected comes from the offline flow, an oracle that never saw Kafka; what happened is read
from the topics as a `read_committed` client reads them, and from the ledger's files.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Collection, Container, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from broker.client.connection import consumer_of, producer_of
from broker.client.opening import open_alert
from broker.examples import example
from broker.model.codec import decode
from broker.model.envelope import seal_statement
from broker.model.sealer import sealed_for
from broker.model.sealing import unpad, unseal
from broker.model.types import (
    Alert,
    AlertContent,
    ConcernEvent,
    IdentifierScheme,
    Receipt,
    ReceiptContent,
)
from broker.shell.access import ensure_access
from broker.shell.certificates import authority_of
from broker.shell.embedded import EmbeddedKafka
from broker.shell.keys import AgencyKeys, load_agency_keys, make_keys, unwrap
from broker.shell.security import embedded_kafka, security_of_operator
from broker.shell.settings import Settings
from broker.shell.topics import ensure_topics

RECEIPT_WITHIN_S = 30.0
STEPS = ("intake", "decide", "ledger")


def fresh_event(_number: int = 0) -> ConcernEvent:
    """The parent's warning with ids of its own and a child of its own."""
    event = example("concern")
    assert isinstance(event, ConcernEvent)
    (subject, *_) = event.subjects
    value = f"case-{uuid.uuid4()}"
    identifier = msgspec.structs.replace(
        subject.identifiers[0], scheme=IdentifierScheme.LOCAL, value=value, system="simulation"
    )
    return msgspec.structs.replace(
        event,
        event_id=str(uuid.uuid4()),
        origin_id=f"origin-{value}",
        subjects=(msgspec.structs.replace(subject, identifiers=(identifier,)),),
    )


def secured_kafka(data_dir: Path, organisations: Sequence[str]) -> EmbeddedKafka:
    """The embedded Kafka of a broker's data folder as `broker up` runs it: TLS and rights."""
    return embedded_kafka(Settings(data_dir=data_dir), organisations, quiet=True)


class Broker:
    """The processes of one broker, each of which can be killed and started at will."""

    def __init__(
        self,
        bootstrap: str,
        data_dir: Path,
        organisations: Sequence[str],
        policies_dir: Path | None = None,
        witnesses: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        # A Kafka of `secured_kafka` has made certificates in this folder; any other is open.
        secured = authority_of(data_dir / "keys").exists()
        self.settings = Settings(
            kafka_bootstrap=bootstrap,
            data_dir=data_dir,
            kafka_security="ssl" if secured else "plaintext",
        )
        if policies_dir is not None:
            self.settings = self.settings.model_copy(update={"policies_dir": policies_dir})
        if witnesses is not None:
            self.settings = self.settings.model_copy(update={"witnesses": witnesses})
        self.organisations = tuple(organisations)
        self._environment = dict(environment or {})
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def prepare(self) -> None:
        """Keys, topics, and where Kafka is secured, rights."""
        make_keys(self.settings.keys_dir, self.organisations)
        asyncio.run(self._prepare_kafka())

    async def _prepare_kafka(self) -> None:
        bootstrap, operator = self.settings.kafka_bootstrap, security_of_operator(self.settings)
        await ensure_topics(bootstrap, self.organisations, security=operator)
        if self.settings.kafka_security == "ssl":
            await ensure_access(bootstrap, self.organisations, security=operator)

    def start(self, name: str, crash_at: str = "", clock_ahead_s: float = 0.0) -> None:
        """Starts a process, armed to die at `crash_at` if given; a clock may look ahead.

        `name`: one of the steps, or with `-2` behind it a second process of that step.
        """
        environment = {
            **os.environ,
            "BROKER_KAFKA_BOOTSTRAP": self.settings.kafka_bootstrap,
            "BROKER_KAFKA_SECURITY": self.settings.kafka_security,
            "BROKER_DATA_DIR": str(self.settings.data_dir),
            "BROKER_POLICIES_DIR": str(self.settings.policies_dir),
            "BROKER_CRASH_AT": crash_at,
            "BROKER_CLOCK_AHEAD_S": str(clock_ahead_s),
            **self._environment,
        }
        step, _, second = name.partition("-")
        if second:
            environment["BROKER_STATE_DIR"] = str(self.settings.data_dir / f"state-{second}")
        if self.settings.witnesses is not None:
            environment["BROKER_WITNESSES"] = str(self.settings.witnesses)
        log_dir = self.settings.data_dir / "log"
        log_dir.mkdir(parents=True, exist_ok=True)
        with (log_dir / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                [sys.executable, "-m", "broker.shell.run", step],
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def start_all(self) -> None:
        """Starts all three."""
        for name in STEPS:
            self.start(name)

    def kill(self, name: str) -> None:
        """Ends a process as `kill -9` does."""
        self._processes[name].send_signal(signal.SIGKILL)
        self._processes[name].wait()

    def pause(self, name: str) -> None:
        """A process that hangs, until it is resumed."""
        self._processes[name].send_signal(signal.SIGSTOP)

    def resume(self, name: str) -> None:
        """It goes on, knowing nothing of what others did meanwhile."""
        self._processes[name].send_signal(signal.SIGCONT)

    def died(self, name: str, within_s: float) -> bool:
        """True if the process was killed by its crash point within the time."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self._processes[name].wait(within_s) == -signal.SIGKILL
        return False

    def ended_with(self, name: str, within_s: float) -> int | None:
        """The exit code of a process that ends of its own accord; None if it does not."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self._processes[name].wait(within_s)
        return None

    def revive(self) -> None:
        """Starts again whatever has ended."""
        for name, process in list(self._processes.items()):
            if process.poll() is not None:
                self.start(name)

    def stop(self) -> None:
        """Ends all processes in order."""
        for process in self._processes.values():
            process.terminate()
        for process in self._processes.values():
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    async def publish_in_turn(self, events: Sequence[ConcernEvent]) -> None:
        """Publishes each event when the one before has its receipt: a story has an order."""
        for event in events:
            await self.publish([event])
            deadline = time.monotonic() + RECEIPT_WITHIN_S
            while all(
                one.event_id != event.event_id
                for one in await receipts_of(self.settings, event.publisher)
            ):
                assert time.monotonic() < deadline, "no receipt in time"
                await asyncio.sleep(0.1)

    async def publish(self, events: Sequence[ConcernEvent]) -> None:
        """Publishes each event as its publisher, as an agency's own client would."""
        async with contextlib.AsyncExitStack() as stack:
            producers: dict[str, Any] = {}
            for event in events:
                publisher = event.publisher
                if publisher not in producers:
                    opening = producer_of(self.settings, publisher)
                    producers[publisher] = await stack.enter_async_context(opening)
                keys = load_agency_keys(self.settings.keys_dir, publisher)
                data = seal_statement(event, keys.identity, keys.epoch, os.urandom(32))
                await producers[publisher].send_and_wait(f"concerns.v1.{publisher}", data)


class Delivered(msgspec.Struct):
    """What a `read_committed` reader finds on the organisations' topics."""

    alerts: Counter[tuple[str, str]]
    """(event id, recipient) -> how often."""
    receipts: Counter[str]
    """event id -> how many receipts say accepted."""
    rejected: int


async def delivered(
    settings: Settings, organisations: Sequence[str], forged: Collection[str] = ()
) -> Delivered:
    """Reads every alert and receipt topic from its start to its end and opens each with its key.

    But for alerts with the ids `forged`, which a test put there.

    As the operator, who alone may read all: an organisation sees only its own.
    """
    topics = [f"{kind}.v1.{code}" for code in organisations for kind in ("alerts", "receipts")]
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap,
        **security_of_operator(settings),
        group_id=None,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
    )
    await consumer.start()
    found = Delivered(Counter(), Counter(), 0)
    try:
        for record in await _all_records(consumer, topics):
            _count(record, settings, found, forged)
    finally:
        await consumer.stop()
    return found


async def _all_records(consumer: AIOKafkaConsumer, topics: Sequence[str]) -> list[Any]:
    partitions = [TopicPartition(topic, 0) for topic in topics]
    consumer.assign(partitions)
    await consumer.seek_to_beginning(*partitions)
    ends = await consumer.end_offsets(partitions)
    records: list[Any] = []
    quiet = 0
    while quiet < 3:
        batch = await consumer.getmany(timeout_ms=300)
        found = [record for some in batch.values() for record in some]
        records.extend(found)
        done = all([await consumer.position(one) >= ends[one] for one in partitions])
        quiet = 0 if found else quiet + 1
        if done and not found:
            break
    return records


def _count(record: Any, settings: Settings, found: Delivered, forged: Collection[str]) -> None:
    organisation = record.topic.split(".v1.")[1]
    keys = load_agency_keys(settings.keys_dir, organisation)
    kind: type[Alert | Receipt] = Alert if record.topic.startswith("alerts") else Receipt
    message = decode(record.value, kind)
    if isinstance(message, Alert) and message.alert_id in forged:
        return
    plain = _opened(message, keys)
    if kind is Alert:
        open_alert(record.value, keys)  # the recipient's own client would show it: its proof holds
        content = decode(plain, AlertContent)
        found.alerts[content.event_id, content.recipient] += 1
    else:
        receipt = decode(plain, ReceiptContent)
        if receipt.outcome == "accepted":
            found.receipts[receipt.event_id or ""] += 1
        elif receipt.outcome == "rejected":
            found.rejected += 1


async def receipts_of(settings: Settings, organisation: str) -> list[ReceiptContent]:
    """Every receipt of one organisation, opened, in order."""
    async with consumer_of(settings, organisation) as consumer:
        records = await _all_records(consumer, [f"receipts.v1.{organisation}"])
    keys = load_agency_keys(settings.keys_dir, organisation)
    return [decode(_opened(decode(one.value, Receipt), keys), ReceiptContent) for one in records]


def _opened(message: Alert | Receipt, keys: AgencyKeys) -> bytes:
    organisation = keys.identity.organisation
    own = (keys.sealing_key, *keys.earlier_sealing)
    key = unwrap(organisation, message.key_id, message.wrapped_key, *own)
    return unpad(unseal(key, message.sealed, sealed_for(organisation, message.set_id)))


async def wait_for_receipts(
    settings: Settings,
    organisations: Sequence[str],
    alerts: int,
    within_s: float,
    mine: Container[str] | None = None,
) -> Delivered:
    """Waits until at least `alerts` alerts are there (about the events `mine`, if these are given).

    Returns what is there then or at the end.
    """
    deadline = time.monotonic() + within_s
    while True:
        found = await delivered(settings, organisations)
        counted = sum(n for (one, _), n in found.alerts.items() if mine is None or one in mine)
        if counted >= alerts or time.monotonic() > deadline:
            return found
        await asyncio.sleep(0.5)
