"""Publisher and Subscriber on a real Kafka: what a client is shown, in order, and what it refuses."""

from __future__ import annotations

import asyncio
import shutil
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest
from aiokafka import AIOKafkaProducer

from broker.client import (
    ClientError,
    MissingEntries,
    NotConnectedError,
    Publisher,
    Refusal,
    Subscriber,
    open_alert,
)
from broker.examples import example
from broker.model.codec import decode, encode
from broker.model.types import Alert, Withdrawal
from broker.shell.keys import KeysError
from broker.shell.settings import Settings
from broker.shell.topics import ensure_topics
from tests.client.recorded import NOW, Sending

pytestmark = pytest.mark.kafka


def opened(kafka: str, folder: Path) -> Settings:
    """Settings for the tests' open Kafka: what is tried here is the same with TLS and without."""
    return Settings(kafka_bootstrap=kafka, data_dir=folder, kafka_security="plaintext")


class Agency:
    """One organisation with topics and keys, and a broker that sends to it."""

    def __init__(self, kafka: str, folder: Path, code: str) -> None:
        self.code = code
        self.sending = Sending(folder, code)
        self.settings = opened(kafka, folder)

    async def receives(self, *messages: tuple[str, bytes], transaction: str = "") -> None:
        """Puts messages on topics of the organisation, with `transaction` as the ledger does."""
        producer = AIOKafkaProducer(
            bootstrap_servers=self.settings.kafka_bootstrap,
            acks="all",
            transactional_id=transaction or None,
        )
        await producer.start()
        try:
            if not transaction:
                for topic, value in messages:
                    await producer.send_and_wait(topic, value, key=sha256(value).digest())
                return
            async with producer.transaction():
                for topic, value in messages:
                    await producer.send(topic, value, key=sha256(value).digest())
        finally:
            await producer.stop()

    def alerts(self, *set_ids: str) -> list[tuple[str, bytes]]:
        """Alerts of one recorded batch."""
        return self.sending.deliver(*(self.sending.alert_set(one) for one in set_ids))

    def withdrawal(self, value: bytes) -> tuple[str, bytes]:
        """What takes an alert back."""
        alert_id = open_alert(value, self.sending.agency()).alert_id
        content = Withdrawal(
            alert_id=alert_id,
            recipient=f"{self.code}:csc",
            reason="withdrawn",
            withdrawn_at=NOW,
        )
        return f"withdrawn.v1.{self.code}", encode(content)

    async def takes(self, count: int, *, from_start: bool = False) -> list[str]:
        """Set ids of the next alerts, in the order in which they are handed over."""
        taken: list[str] = []
        async with (
            Subscriber.connect(self.code, self.settings, from_start=from_start) as alerts,
            asyncio.timeout(30),
        ):
            while len(taken) < count:
                taken.append((await anext(alerts)).set_id)
        return taken


@pytest.fixture
async def agency(kafka: str, tmp_path: Path, request: pytest.FixtureRequest) -> Agency:
    """An organisation of this test's own."""
    code = f"T-{abs(hash(request.node.name)):x}"[:40]
    await ensure_topics(kafka, [code])
    return Agency(kafka, tmp_path, code)


def tampered(value: bytes) -> bytes:
    """The alert with other sealed bytes."""
    alert = decode(value, Alert)
    return encode(msgspec.structs.replace(alert, sealed=bytes(len(alert.sealed))))


async def test_alerts_come_in_order_and_a_new_subscriber_goes_on_where_the_last_left_off(
    agency: Agency,
) -> None:
    """What was handed over is not handed over again, nothing between is missing."""
    await agency.receives(*agency.alerts("a", "b"), transaction=f"tx-{agency.code}")
    await agency.receives(*agency.alerts("c", "d"), transaction=f"tx-{agency.code}")

    assert await agency.takes(1) == ["a"]
    assert await agency.takes(2) == ["b", "c"]
    assert await agency.takes(1) == ["d"]
    assert await agency.takes(4, from_start=True) == ["a", "b", "c", "d"]


async def test_an_alert_whose_handling_failed_is_handed_over_again(agency: Agency) -> None:
    """At least once: an error in the block means that it was not dealt with."""
    await agency.receives(*agency.alerts("a", "b"))

    async def handle() -> None:
        async with Subscriber.connect(agency.code, agency.settings) as alerts:
            await anext(alerts)
            raise RuntimeError("the printer is out of paper")

    with pytest.raises(RuntimeError, match="printer"):
        await handle()
    assert await agency.takes(2) == ["a", "b"]


async def test_a_refused_alert_is_surfaced_and_does_not_stop_those_that_follow(
    agency: Agency,
) -> None:
    """The forged one is named by topic, offset and check; the sound one behind it is handed over."""
    first, second = agency.alerts("a", "b")
    topic = first[0]
    await agency.receives((topic, tampered(first[1])), (topic, b"noise"), second)
    told: list[Refusal] = []
    async with (
        Subscriber.connect(agency.code, agency.settings, on_refusal=told.append) as alerts,
        asyncio.timeout(30),
    ):
        handed = await anext(alerts)

    assert handed.set_id == "b"
    assert [(one.offset, one.check) for one in alerts.refused] == [(0, "leaf"), (1, "decodes")]
    assert told == alerts.refused


async def test_a_withdrawn_alert_is_never_handed_over(agency: Agency) -> None:
    """Withdrawn before the start, or while the subscriber waits: it is held back either way."""
    first, second, third, fourth = agency.alerts("a", "b", "c", "d")
    await agency.receives(agency.withdrawal(first[1]), first, second)
    async with Subscriber.connect(agency.code, agency.settings) as alerts, asyncio.timeout(30):
        handed = [(await anext(alerts)).set_id]
        await agency.receives(
            third, agency.withdrawal(third[1]), fourth, transaction=f"tx-{agency.code}"
        )
        handed.append((await anext(alerts)).set_id)

    assert handed == ["b", "d"]
    assert len(alerts.held_back) == 2
    assert set(alerts.held_back) == set(alerts.withdrawn)


async def test_a_ledger_that_was_put_back_is_refused(agency: Agency) -> None:
    """After four entries were seen, entries two and three cannot be others."""
    earlier = agency.alerts("a", "b")
    shutil.copytree(agency.sending.folder / "s0", agency.sending.folder / "backup")
    await agency.receives(*earlier, *agency.alerts("c", "d"))
    restored = Sending(agency.sending.folder, agency.code, shard="backup")
    rewritten = restored.deliver(*(restored.alert_set(one) for one in ("x", "y")))
    async with Subscriber.connect(agency.code, agency.settings) as alerts, asyncio.timeout(30):
        handed = [(await anext(alerts)).set_id for _ in range(4)]
        await agency.receives(*rewritten, *agency.alerts("e"))
        handed.append((await anext(alerts)).set_id)

    assert handed == ["a", "b", "c", "d", "e"]
    assert [one.check for one in alerts.refused] == ["rolled_back"] * 2


async def test_entries_that_never_came_are_named(agency: Agency) -> None:
    """The recipient finds by itself which entries of its log were not delivered."""
    first, second, third = agency.alerts("a", "b", "c")
    receipt = f"receipts.v1.{agency.code}", agency.sending.receipt()
    await agency.receives(first, third)
    async with Subscriber.connect(agency.code, agency.settings, from_start=True) as alerts:
        before = await alerts.missing_from_own_log()
        await agency.receives(second, receipt, transaction=f"tx-{agency.code}")
        after = await alerts.missing_from_own_log()

    assert before == (MissingEntries(f"broker.example/s0/{agency.code}", 3, (1,)),)
    assert after == ()


async def test_a_statement_lies_on_its_publishers_topic_and_says_nothing_there(
    agency: Agency,
) -> None:
    """The record's place and id come back; the topic shows no word of it."""
    event = msgspec.structs.replace(example("concern"), publisher=agency.code)
    act = msgspec.structs.replace(example("action"), organisation=agency.code)
    async with Publisher.connect(agency.code, agency.settings) as publisher:
        published = await publisher.publish_many([event, act, event])
        with pytest.raises(ValueError, match="its own"):
            await publisher.publish(example("incident"))
        with pytest.raises(TimeoutError):
            await publisher.wait_for_receipt(published[0], timeout_s=0.2)

    assert [(one.topic, one.offset) for one in published] == [
        (f"concerns.v1.{agency.code}", 0),
        (f"actions.v1.{agency.code}", 0),
        (f"concerns.v1.{agency.code}", 1),
    ]
    assert len({one.set_id for one in published}) == 3


async def test_what_is_missing_to_connect_is_named(
    kafka: str, agency: Agency, tmp_path: Path
) -> None:
    """No address, nobody there, no topics, no keys: each says what to do."""
    nowhere = opened("", tmp_path)
    silent = opened("127.0.0.1:9", tmp_path)
    Sending(tmp_path / "unknown", "NOT-THERE")
    unknown = opened(kafka, tmp_path / "unknown")
    for settings, code, error, said in (
        (nowhere, agency.code, ClientError, "BROKER_KAFKA_BOOTSTRAP"),
        (silent, agency.code, ClientError, "127.0.0.1:9"),
        (unknown, "NOT-THERE", NotConnectedError, "connected.yaml"),
        (agency.settings, "NOT-THERE", KeysError, "connected.yaml"),
        (agency.settings, "../broker", KeysError, "connected.yaml"),
    ):
        for client in (Publisher.connect(code, settings), Subscriber.connect(code, settings)):
            with pytest.raises(error, match=said):
                async with client:
                    raise AssertionError("connected")
