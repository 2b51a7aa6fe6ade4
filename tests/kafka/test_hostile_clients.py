"""A hostile organisation at Kafka, with a client that is not ours (librdkafka): refused and counted."""

from __future__ import annotations

import asyncio
import datetime
import json
import re
import shutil
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import confluent_kafka.admin
import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import GroupAuthorizationFailedError, TopicAuthorizationFailedError
from confluent_kafka import (
    Consumer,
    ConsumerGroupTopicPartitions,
    KafkaError,
    KafkaException,
    Producer,
)
from confluent_kafka import TopicPartition as Place
from confluent_kafka.admin import AdminClient

from broker.cli import run
from broker.shell.access import AccessChange, ensure_access
from broker.shell.certificates import (
    authority_of,
    held_certificates,
    make_certificates,
    pair_of,
    rotate_certificates,
)
from broker.shell.denials import denials_log, read_denials
from broker.shell.embedded import EmbeddedKafka
from broker.shell.keys import KeysError
from broker.shell.security import security_of_operator, security_of_organisation
from broker.shell.settings import Settings
from broker.shell.topics import Quotas, TopicsFile, ensure_topics, load_topics
from tests.simulation.harness import secured_kafka

admin: Any = confluent_kafka.admin  # its types name less than it has
pytestmark = [pytest.mark.kafka, pytest.mark.timeout(180)]
MINE, THEIRS, LATE, ROBBED = "SCH-1", "SCH-10", "LATE-1", "ROBBED-1"
ORGANISATIONS = ("DUTY-DESK", MINE, THEIRS, LATE, ROBBED)
WITHIN_S = 15.0
SURNAME = "Exampleton"
TOPIC, GROUP, CLUSTER, TRANSACTION = (
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
)
Options = dict[str, Any]


class Hostile(msgspec.Struct):
    """A Kafka with rights for four organisations."""

    kafka: EmbeddedKafka
    settings: Settings

    def options(self, code: str, **more: Any) -> Options:
        """Settings of librdkafka with an organisation's certificate."""
        pair = pair_of(self.settings.keys_dir, code, process=False)
        return {
            "bootstrap.servers": self.settings.kafka_bootstrap,
            "security.protocol": "ssl",
            "ssl.ca.location": str(authority_of(self.settings.keys_dir)),
            "ssl.certificate.location": str(pair.certificate),
            "ssl.key.location": str(pair.key),
            "log_level": 0,
            **more,
        }


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hostile]:
    data_dir = tmp_path_factory.mktemp("hostile") / "var"
    kafka = secured_kafka(data_dir, ORGANISATIONS)
    keys_dir = data_dir / "keys"
    stolen = pair_of(keys_dir, ROBBED, process=False)
    shutil.copytree(stolen.key.parent, data_dir / "stolen")
    rotate_certificates(keys_dir, [(ROBBED, False)], revoke=True)
    with kafka:
        settings = Settings(kafka_bootstrap=kafka.bootstrap, data_dir=data_dir)
        asyncio.run(set_up(settings))
        yield Hostile(kafka, settings)


async def set_up(
    settings: Settings,
    organisations: tuple[str, ...] = ORGANISATIONS,
    file: TopicsFile | None = None,
) -> AccessChange:
    operator = security_of_operator(settings)
    await ensure_topics(settings.kafka_bootstrap, ORGANISATIONS, security=operator)
    return await ensure_access(
        settings.kafka_bootstrap, organisations, security=operator, topics=file
    )


# ---------------------------------------------------------------------------------- what is tried


def writes(topic: str) -> Callable[[Options], None]:
    def attempt(options: Options) -> None:
        failed: list[KafkaError | None] = []
        producer = Producer({**options, "message.timeout.ms": 10_000})
        producer.produce(topic, b"forged", on_delivery=lambda error, _: failed.append(error))
        producer.flush(WITHIN_S)
        if failed[0] is not None:
            raise KafkaException(failed[0])

    return attempt


def reads(topic: str, group: str = f"{MINE}.x") -> Callable[[Options], None]:
    def attempt(options: Options) -> None:
        consumer = Consumer({**options, "group.id": group, "auto.offset.reset": "earliest"})
        try:
            consumer.subscribe([topic])
            deadline = time.monotonic() + WITHIN_S
            while time.monotonic() < deadline:
                message = consumer.poll(0.5)
                if message is not None:
                    if message.error():
                        raise KafkaException(message.error())
                    return
            raise AssertionError("neither a record nor a refusal")
        finally:
            consumer.close()

    return attempt


def asks(what: Callable[[AdminClient], Any]) -> Callable[[Options], None]:
    def attempt(options: Options) -> None:
        client = AdminClient({**options, "socket.timeout.ms": 8000})
        answer = what(client)
        for future in answer.values() if isinstance(answer, dict) else [answer]:
            found = future.result(WITHIN_S)
            for partition in getattr(found, "topic_partitions", []):
                if partition.error is not None:
                    raise KafkaException(partition.error)

    return attempt


def in_the_ledgers_name(options: Options) -> None:
    Producer({**options, "transactional.id": "ledger-s0"}).init_transactions(WITHIN_S)


def offsets_of(group: str) -> list[ConsumerGroupTopicPartitions]:
    return [ConsumerGroupTopicPartitions(group, [Place(f"alerts.v1.{THEIRS}", 0, 0)])]


def new_setting(kind: Any, name: str, setting: str) -> list[Any]:
    entry = admin.ConfigEntry(setting, "1000", incremental_operation=admin.AlterConfigOpType.SET)
    return [admin.ConfigResource(kind, name, incremental_configs=[entry])]


EVERYTHING = admin.AclBinding(
    admin.ResourceType.TOPIC, "alerts.v1.", admin.ResourcePatternType.PREFIXED, f"User:{MINE}", "*",
    admin.AclOperation.READ, admin.AclPermissionType.ALLOW,
)  # fmt: skip
EVERY_RIGHT = admin.AclBindingFilter(
    admin.ResourceType.ANY, None, admin.ResourcePatternType.ANY, None, None, admin.AclOperation.ANY,
    admin.AclPermissionType.ANY,
)  # fmt: skip
ATTEMPTS: dict[str, tuple[Callable[[Options], None], int]] = {
    "writes another's concerns": (writes(f"concerns.v1.{THEIRS}"), TOPIC),
    "writes another's acts": (writes("actions.v1.DUTY-DESK"), TOPIC),
    "writes its own alerts": (writes(f"alerts.v1.{MINE}"), TOPIC),
    "writes its own receipts": (writes(f"receipts.v1.{MINE}"), TOPIC),
    "writes parts": (writes("parts.v1"), TOPIC),
    "writes decisions": (writes("decisions.v1"), TOPIC),
    "writes progress": (writes("progress.v1"), TOPIC),
    "writes a worker's state": (writes("broker-intake-seen-changelog"), TOPIC),
    "reads another's alerts": (reads(f"alerts.v1.{THEIRS}"), TOPIC),
    "reads another's receipts": (reads(f"receipts.v1.{THEIRS}"), TOPIC),
    "reads another's concerns": (reads(f"concerns.v1.{THEIRS}"), TOPIC),
    "reads its own concerns back": (reads(f"concerns.v1.{MINE}"), TOPIC),
    "reads what waits at the desk": (reads("held.v1"), TOPIC),
    "reads all decisions": (reads("decisions.v1"), TOPIC),
    "reads Kafka's own topic of groups": (reads("__consumer_offsets"), TOPIC),
    "joins another's group": (
        reads(f"alerts.v1.{MINE}", f"{THEIRS}.alerts"),
        GROUP,
    ),
    "joins intake's group": (reads(f"alerts.v1.{MINE}", "broker-intake"), GROUP),
    "joins a group with no prefix": (
        reads(f"alerts.v1.{MINE}", SURNAME),
        GROUP,
    ),
    "sets another's group back": (
        asks(lambda at: at.alter_consumer_group_offsets(offsets_of(f"{THEIRS}.alerts"))),
        GROUP,
    ),
    "removes another's group": (
        asks(lambda at: at.delete_consumer_groups([f"{THEIRS}.alerts"])),
        GROUP,
    ),
    "removes its own group": (asks(lambda at: at.delete_consumer_groups([f"{MINE}.x"])), GROUP),
    "makes a topic": (asks(lambda at: at.create_topics([admin.NewTopic("mine.v1", 1, 1)])), TOPIC),
    "makes a topic by writing to it": (writes("mine.v1"), TOPIC),
    "removes its own topic": (asks(lambda at: at.delete_topics([f"concerns.v1.{MINE}"])), TOPIC),
    "removes another's topic": (asks(lambda at: at.delete_topics([f"alerts.v1.{THEIRS}"])), TOPIC),
    "removes records": (
        asks(lambda at: at.delete_records([Place(f"alerts.v1.{MINE}", 0, 1)])),
        TOPIC,
    ),
    "changes how long its concerns are kept": (
        asks(
            lambda at: at.incremental_alter_configs(
                new_setting(admin.ConfigResource.Type.TOPIC, f"concerns.v1.{MINE}", "retention.ms")
            )
        ),
        TOPIC,
    ),
    "changes Kafka itself": (
        asks(
            lambda at: at.incremental_alter_configs(
                new_setting(admin.ConfigResource.Type.BROKER, "1", "log.retention.ms")
            )
        ),
        CLUSTER,
    ),
    "reads Kafka's settings": (
        asks(
            lambda at: at.describe_configs(
                [admin.ConfigResource(admin.ConfigResource.Type.BROKER, "1")]
            )
        ),
        CLUSTER,
    ),
    "gives itself a right": (asks(lambda at: at.create_acls([EVERYTHING])), CLUSTER),
    "takes everybody's rights away": (asks(lambda at: at.delete_acls([EVERY_RIGHT])), CLUSTER),
    "writes in the ledger's name": (in_the_ledgers_name, TRANSACTION),
}


@pytest.mark.parametrize("what", ATTEMPTS)
def test_whatever_is_not_its_own_is_refused(hostile: Hostile, what: str) -> None:
    """Each attempt of an organisation with a good certificate ends with Kafka's refusal of the right."""
    attempt, expected = ATTEMPTS[what]
    with pytest.raises(KafkaException) as refused:
        attempt(hostile.options(MINE))

    assert refused.value.args[0].code() == expected, refused.value


def test_what_is_its_own_works_with_that_client(hostile: Hostile) -> None:
    """It writes concerns and acts, and reads what was sent to it, in a group of its own."""
    for topic in (f"concerns.v1.{MINE}", f"actions.v1.{MINE}"):
        writes(topic)(hostile.options(MINE))
    asyncio.run(sent_by_the_operator(hostile.settings, f"alerts.v1.{MINE}"))

    reads(f"alerts.v1.{MINE}", f"{MINE}.alerts")(hostile.options(MINE))


async def sent_by_the_operator(settings: Settings, topic: str) -> None:
    async with AIOKafkaProducer(
        bootstrap_servers=settings.kafka_bootstrap, **security_of_operator(settings)
    ) as producer:
        await producer.send_and_wait(topic, b"an alert")


def test_others_topics_and_groups_are_not_even_listed(hostile: Hostile) -> None:
    """Metadata shows an organisation its own five topics; asked by name, another's is unknown."""
    asker = AdminClient(hostile.options(MINE))
    listed = set(asker.list_topics(timeout=WITHIN_S).topics)
    named = asker.list_topics(f"alerts.v1.{THEIRS}", timeout=WITHIN_S).topics
    rights = asker.describe_acls(EVERY_RIGHT).result(WITHIN_S)
    groups = asker.list_consumer_groups().result(WITHIN_S)

    assert listed == {
        f"{kind}.v1.{MINE}" for kind in ("concerns", "actions", "alerts", "receipts", "withdrawn")
    }
    refused = named[f"alerts.v1.{THEIRS}"].error
    assert refused is not None
    assert refused.code() == TOPIC
    assert rights == []
    assert all(one.group_id.startswith(f"{MINE}.") for one in groups.valid)


async def test_our_own_client_is_refused_alike(hostile: Hostile) -> None:
    """The same with aiokafka and an organisation's certificate: another's topic and group."""
    used = {
        "bootstrap_servers": hostile.settings.kafka_bootstrap,
        **security_of_organisation(hostile.settings, MINE),
    }
    async with AIOKafkaProducer(**used) as producer:
        with pytest.raises(TopicAuthorizationFailedError):
            await producer.send_and_wait(f"concerns.v1.{THEIRS}", b"forged")
    async with AIOKafkaConsumer(**used) as consumer:
        consumer.assign([TopicPartition(f"alerts.v1.{THEIRS}", 0)])
        with pytest.raises(TimeoutError):  # it is told of no such topic, and waits
            await asyncio.wait_for(consumer.getone(), 2)
    member = AIOKafkaConsumer(f"alerts.v1.{MINE}", group_id=f"{THEIRS}.alerts", **used)
    with pytest.raises(GroupAuthorizationFailedError):
        await asyncio.wait_for(member.start(), WITHIN_S)
    await member.stop()


# ------------------------------------------------------------------------------------ who gets in


def reaches(options: Options) -> bool:
    """Whether Kafka answers a client at all."""
    try:
        AdminClient(options).list_topics(timeout=1.5)
    except KafkaException:
        return False
    return True


def test_without_a_certificate_that_counts_nobody_gets_in(hostile: Hostile, tmp_path: Path) -> None:
    """None, one of another authority of the same name, one that ran out: no connection."""
    good = hostile.options(MINE)
    make_certificates(tmp_path, [MINE])
    foreign = pair_of(tmp_path, MINE, process=False)
    long_ago = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=400)
    rotate_certificates(hostile.settings.keys_dir, [(LATE, False)], revoke=False, now=long_ago)
    none = {name: value for name, value in good.items() if "certificate" not in name}
    none.pop("ssl.key.location")
    of_another_authority = {
        **good,
        "ssl.certificate.location": str(foreign.certificate),
        "ssl.key.location": str(foreign.key),
    }

    assert reaches(good)
    assert not reaches(none)
    assert not reaches(of_another_authority)
    assert not reaches(hostile.options(LATE))
    assert not reaches({**none, "security.protocol": "plaintext"})
    with pytest.raises(KeysError, match=r"expired on .*broker keys make"):
        security_of_organisation(hostile.settings, LATE)


def test_a_certificate_that_was_taken_back_is_refused_and_its_successor_works(
    hostile: Hostile,
) -> None:
    """The list of the authority is read by Kafka: a stolen key opens nothing any more."""
    stolen = hostile.settings.data_dir / "stolen"
    with_it = hostile.options(
        ROBBED,
        **{
            "ssl.certificate.location": str(stolen / "kafka.pem"),
            "ssl.key.location": str(stolen / "kafka.key"),
        },
    )
    revoked = [one.owner for one in held_certificates(hostile.settings.keys_dir) if one.revoked]

    assert not reaches(with_it)
    assert reaches(hostile.options(ROBBED))
    assert revoked == []  # what is held now is good


def test_the_controller_answers_nobody_but_kafka_itself(hostile: Hostile) -> None:
    """An organisation's certificate, Kafka's own for clients, or none: the handshake fails."""
    written = (hostile.kafka.data_dir / "server.properties").read_text()
    (port,) = re.findall(r"CONTROLLER://127\.0\.0\.1:(\d+)", written)[:1]
    keys = hostile.settings.keys_dir
    controller = pair_of(keys, "controller", process=True)
    for pair in (None, pair_of(keys, MINE, process=False), pair_of(keys, "broker", process=True)):
        context = ssl.create_default_context(cafile=str(controller.certificate))
        if pair is not None:
            context.load_cert_chain(pair.certificate, pair.key)
        assert not keeps_open(int(port), context)
    itself = ssl.create_default_context(cafile=str(controller.certificate))
    itself.load_cert_chain(controller.certificate, controller.key)

    assert keeps_open(int(port), itself)
    assert not keeps_open(int(port), None)


def keeps_open(port: int, context: ssl.SSLContext | None) -> bool:
    """Whether the listener answers a request for its versions (Kafka's ApiVersions, version 0)."""
    request = b"\x00\x12\x00\x00" + b"\x0a\x0b\x0c\x0d" + b"\xff\xff"
    with socket.create_connection(("127.0.0.1", port), timeout=5) as plain:
        try:
            channel = context.wrap_socket(plain, server_hostname="127.0.0.1") if context else plain
            channel.sendall(len(request).to_bytes(4, "big") + request)
            return channel.recv(8)[4:] == request[4:8]
        except (OSError, ssl.SSLError):
            return False


def test_a_flood_is_slowed_down(hostile: Hostile) -> None:
    """More than the quota allows: Kafka tells the client to wait, and takes all of it in the end."""
    file = load_topics()
    narrow = Quotas(producer_byte_rate=20_000, consumer_byte_rate=20_000, request_percentage=50)
    access = file.access.model_copy(update={"quotas": narrow})
    waits: list[float] = []
    failed: list[Any] = []
    told = {"throttle_cb": lambda event: waits.append(event.throttle_time), "linger.ms": 0}
    producer = Producer(hostile.options(MINE, **told))
    try:
        changed = asyncio.run(
            set_up(hostile.settings, file=file.model_copy(update={"access": access}))
        )
        for _ in range(3):
            producer.produce(
                f"concerns.v1.{MINE}",
                bytes(100_000),
                on_delivery=lambda error, _: failed.append(error),
            )
            producer.flush(30)
            producer.poll(0.5)
    finally:
        asyncio.run(set_up(hostile.settings))

    assert changed.quotas_set == len(ORGANISATIONS)
    assert failed == [None] * 3
    assert max(waits, default=0) > 0


def test_a_record_that_is_too_large_is_refused_by_kafka(hostile: Hostile) -> None:
    """Above the topic's limit nothing is kept, whatever the client thinks of it."""
    options = hostile.options(MINE, **{"message.max.bytes": 30_000_000})
    failed: list[Any] = []
    producer = Producer(options)
    producer.produce(
        f"actions.v1.{MINE}", bytes(2_000_000), on_delivery=lambda error, _: failed.append(error)
    )
    producer.flush(30)

    assert [one.code() for one in failed] == [KafkaError.MSG_SIZE_TOO_LARGE]


# ------------------------------------------------------------------ what operators see, and change


def test_refusals_are_logged_and_counted_without_the_names_that_were_asked_for(
    hostile: Hostile, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By principal, operation and kind; a name that a client made up is in no log of ours."""
    with pytest.raises(KafkaException):
        reads(f"alerts.v1.{MINE}", SURNAME)(hostile.options(MINE))
    with pytest.raises(KafkaException):
        reads(f"alerts.v1.{THEIRS}")(hostile.options(MINE))
    assert not reaches({**hostile.options(MINE), "security.protocol": "plaintext"})
    monkeypatch.setenv("BROKER_DATA_DIR", str(hostile.settings.data_dir))
    code = run(["keys", "denials", "--json"])
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    log = denials_log(hostile.settings.data_dir)
    text = log.read_text(encoding="utf-8")
    counted = {(one.principal, one.operation, one.resource) for one in read_denials(log)}

    assert code == 0
    assert {(row["principal"], row["operation"], row["resource"]) for row in rows} == counted
    assert (MINE, "describe", "topic") in counted
    assert {what for who, what, kind in counted if who == MINE and kind == "group"}
    assert ("unknown", "connect", "cluster") in counted
    assert f"Topic:LITERAL:alerts.v1.{THEIRS} for" in text
    assert "(withheld)" in text
    assert SURNAME not in text
    assert SURNAME not in (hostile.kafka.data_dir / "kafka.log").read_text()
    assert not [who for who, *_ in counted if who.startswith("process-")]


def test_who_is_no_longer_connected_has_no_rights_any_more(hostile: Hostile) -> None:
    """At the next start its rights are gone, at once and on open connections; the others' stay."""
    left = tuple(code for code in ORGANISATIONS if code != THEIRS)
    writes(f"concerns.v1.{THEIRS}")(hostile.options(THEIRS))
    try:
        asyncio.run(set_up(hostile.settings, left))
        with pytest.raises(KafkaException) as refused:
            writes(f"concerns.v1.{THEIRS}")(hostile.options(THEIRS))
        writes(f"concerns.v1.{MINE}")(hostile.options(MINE))
    finally:
        asyncio.run(set_up(hostile.settings))

    assert refused.value.args[0].code() == TOPIC
    assert AdminClient(hostile.options(THEIRS)).list_topics(timeout=WITHIN_S).topics
