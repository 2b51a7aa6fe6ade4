"""`broker audit verify --kafka` on a real Kafka: what was put there, taken away or doubled is named.

The ledger is made without the broker's processes and its outbox sent by hand, so that each fault can be
planted on topics that are otherwise right. The fault tests of the processes ask the same of a real run.
"""

from __future__ import annotations

import asyncio
import datetime
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic, RecordsToDelete
from typer.testing import CliRunner

from broker.auditor import verify_ledger
from broker.auditor.message import kind_of
from broker.auditor.report import KafkaCount
from broker.cli import app
from broker.commands import audit_kafka
from broker.commands.audit_kafka import with_kafka
from broker.commands.recording import new_ledger
from broker.model.codec import decode, encode
from broker.model.types import Alert, ConcernEvent, DecisionSet, Progress
from broker.model.values import SourcePosition
from broker.offline import OfflineFlow
from broker.reference import load_connected
from broker.shell.embedded import EmbeddedKafka
from broker.shell.policy import load_policy
from broker.shell.settings import Settings
from broker.shell.topics import load_topics
from tests.simulation.harness import fresh_event

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(240)]
EVENTS = 3
NOW = datetime.datetime.now(datetime.UTC)
Message = tuple[str, bytes, bytes]


class Made(msgspec.Struct):
    """A ledger, and what belongs on Kafka with it."""

    folder: Path
    events: tuple[ConcernEvent, ...]
    sets: tuple[DecisionSet, ...]
    outbox: tuple[Message, ...]
    sequence: int

    @property
    def topics(self) -> set[str]:
        """Every topic that must be there."""
        concerns = {f"concerns.v1.{one.publisher}" for one in self.events}
        return {topic for topic, _, _ in self.outbox} | concerns | {"decisions.v1", "progress.v1"}

    @property
    def owners(self) -> set[str]:
        """Codes of the organisations that have topics."""
        return {kind_of(topic)[1] for topic in self.topics} - {""}

    def alert(self) -> Message:
        """An alert to one organisation."""
        return next(one for one in self.outbox if one[0].startswith("alerts.v1."))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A few events of one publisher, decided and recorded as of now."""
    settings = Settings()
    folder = tmp_path_factory.mktemp("audited") / "ledger"
    policy = load_policy(settings)
    connected = load_connected(settings.organisations_dir / "connected.yaml")
    events = tuple(fresh_event(number) for number in range(EVENTS))
    sets: list[DecisionSet] = []
    with new_ledger(folder, "test", policy.reference, connected) as recorder:
        flow = OfflineFlow(policy, recorder.reception, recorder.subject_key)
        for offset, event in enumerate(events):
            topic = f"concerns.v1.{event.publisher}"
            made = flow.submit(event, NOW, SourcePosition(topic, 0, offset)).sets
            recorder.take(made)
            sets += made
    with closing(sqlite3.connect(folder / "s0/store.db")) as database:
        rows = database.execute(
            "SELECT sequence, topic, key, value FROM outbox ORDER BY 1"
        ).fetchall()
    return Made(folder, events, tuple(sets), tuple(row[1:] for row in rows), rows[-1][0])


@pytest.fixture(scope="module")
def bootstrap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Kafka of its own: everything on it belongs to one ledger."""
    with EmbeddedKafka(tmp_path_factory.mktemp("kafka")) as kafka:
        yield kafka.bootstrap


@pytest.fixture
def settings(bootstrap: str, made: Made, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Topics as a broker that did all right would have left them. A fault is not waited out here."""
    monkeypatch.setattr(audit_kafka, "PAUSE_S", 0.01)
    monkeypatch.setattr(audit_kafka, "READINGS", 1)
    asyncio.run(filled(bootstrap, made))
    return Settings(kafka_bootstrap=bootstrap, kafka_security="plaintext")


async def filled(bootstrap: str, made: Made) -> None:
    """Fresh topics with everything that the ledger says."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        old = [one for one in await admin.list_topics() if ".v1" in one]
        await admin.delete_topics(old)
        while any(".v1" in one for one in await admin.list_topics()):  # noqa: ASYNC110 -- no event to wait for
            await asyncio.sleep(0.05)
        specs = load_topics().named(sorted(made.owners))
        await admin.create_topics(
            [NewTopic(one, specs[one].partitions, 1) for one in sorted(made.topics)]
        )
    finally:
        await admin.close()
    mark = encode(Progress(shard="s0", epoch=1, sequence=made.sequence))
    await sent(
        bootstrap,
        *((f"concerns.v1.{one.publisher}", b"", b"as it came") for one in made.events),
        *(("decisions.v1", b"", encode(one)) for one in made.sets),
        *made.outbox,
        ("progress.v1", b"s0", mark),
    )


async def sent(bootstrap: str, *messages: Message) -> None:
    """Puts messages on their topics, as somebody with the right to write could."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all")
    await producer.start()
    try:
        for topic, key, value in messages:
            await producer.send_and_wait(topic, value, key=key, partition=0)
    finally:
        await producer.stop()


async def taken_away(bootstrap: str, topic: str) -> None:
    """Deletes what lies on a topic, as an administrator could."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        everything = {TopicPartition(topic, 0): RecordsToDelete(before_offset=-1)}
        await admin.delete_records(everything)
    finally:
        await admin.close()


def fault_of(made: Made, settings: Settings) -> str:
    """What the auditor says of Kafka; there must be something, and the files must be sound."""
    report = verify_ledger(made.folder)
    assert report.ok, report.first_bad
    found = with_kafka(report, settings, made.folder)
    assert not found.ok
    return found.first_bad or ""


def test_what_the_broker_sent_agrees_with_its_ledger(
    made: Made, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every delivery recorded and there once, every record taken in; the command says so in JSON too."""
    monkeypatch.setenv("BROKER_KAFKA_BOOTSTRAP", settings.kafka_bootstrap)
    monkeypatch.setenv("BROKER_KAFKA_SECURITY", "plaintext")
    said = CliRunner().invoke(app, ["audit", "verify", str(made.folder), "--kafka", "--json"])

    assert said.exit_code == 0, said.output
    assert json.loads(said.stdout)["kafka"] == msgspec.to_builtins(
        KafkaCount(len(made.outbox), 0, EVENTS, 0, len(made.sets))
    )


def test_an_alert_put_there_by_hand_is_named(made: Made, settings: Settings) -> None:
    """A copy with other content, a true one on another's topic, and bytes of no kind."""
    topic, key, value = made.alert()
    alert = decode(value, Alert)
    forged = encode(msgspec.structs.replace(alert, sealed=alert.sealed[:-1] + b"\x00"))
    asyncio.run(sent(settings.kafka_bootstrap, (topic, key, forged)))
    assert "has other sealed content than its leaf commits to" in fault_of(made, settings)

    asyncio.run(filled(settings.kafka_bootstrap, made))
    other = next(one for one in made.topics if one.startswith("alerts.v1.") and one != topic)
    asyncio.run(sent(settings.kafka_bootstrap, (other, key, value)))
    assert f"{other}, partition 0, offset" in fault_of(made, settings)

    asyncio.run(filled(settings.kafka_bootstrap, made))
    asyncio.run(sent(settings.kafka_bootstrap, (topic, b"x", b"by hand")))
    assert "is no alert of the broker" in fault_of(made, settings)


def test_a_delivery_sent_twice_is_named(made: Made, settings: Settings) -> None:
    """The second one, and where the first is."""
    topic, key, value = made.alert()
    asyncio.run(sent(settings.kafka_bootstrap, (topic, key, value)))

    assert f"was delivered before ({topic}, partition 0, offset" in fault_of(made, settings)


def test_a_delivery_that_is_not_there_is_named(made: Made, settings: Settings) -> None:
    """Deleted within the time that its topic keeps: recorded, and not to be found."""
    topic, _, _ = made.alert()
    asyncio.run(taken_away(settings.kafka_bootstrap, topic))

    assert f"was recorded as delivered and is not on {topic}" in fault_of(made, settings)


def test_a_statement_without_a_leaf_is_named(made: Made, settings: Settings) -> None:
    """A record on a publisher's topic that was neither accepted nor refused."""
    topic = f"concerns.v1.{made.events[0].publisher}"
    asyncio.run(sent(settings.kafka_bootstrap, (topic, b"", b"passed over")))

    assert f"{topic}, partition 0, offset {EVENTS}: has no leaf" in fault_of(made, settings)


def test_a_decision_set_that_was_not_recorded_is_named(made: Made, settings: Settings) -> None:
    """It lies on decisions.v1 and no log has it."""
    stray = encode(msgspec.structs.replace(made.sets[0], set_id="0" * 64))
    asyncio.run(sent(settings.kafka_bootstrap, ("decisions.v1", b"", stray)))

    assert "is not recorded" in fault_of(made, settings)


def test_without_a_kafka_it_says_what_to_set(made: Made) -> None:
    """There is nothing to compare with."""
    said = CliRunner().invoke(app, ["audit", "verify", str(made.folder), "--kafka"])

    assert said.exit_code != 0
    assert "BROKER_KAFKA_BOOTSTRAP" in f"{said.output}{said.exception}"
