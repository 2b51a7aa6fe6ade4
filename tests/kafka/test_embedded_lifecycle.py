"""The embedded Kafka starts, keeps what it was given, and never outlives the broker."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from broker.shell.embedded import EmbeddedKafka, EmbeddedKafkaError
from broker.shell.topics import ensure_topics

pytestmark = pytest.mark.kafka

ORG = "Test-Org"
TOPIC = f"concerns.v1.{ORG}"
GONE_WITHIN_S = 15.0

# What a program around the embedded Kafka does: starts it, says so, and then ends in some way.
PROGRAM = """
import os, sys, time
from pathlib import Path
from broker.shell.embedded import EmbeddedKafka
folder, way = Path(sys.argv[1]), sys.argv[2]
kafka = EmbeddedKafka(folder, quiet=True)
if way == "during start":
    print("starting", flush=True)
with kafka:
    guard = kafka._guard.pid
    print(kafka.pid, guard, kafka.bootstrap.rpartition(":")[2], flush=True)
    if way == "exception":
        raise RuntimeError("on purpose")
    if way == "exit":
        os._exit(3)
    if way == "forked":
        child = os.fork()
        if child == 0:
            time.sleep(60)  # holds every pipe of its parent open
            os._exit(0)
        print(child, flush=True)
    time.sleep(60)
"""


async def put(bootstrap: str, value: bytes) -> None:
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, max_request_size=12_000_000) as sender:
        await sender.send_and_wait(TOPIC, value)


async def first_two(bootstrap: str) -> list[tuple[bytes | None, int]]:
    consumer = AIOKafkaConsumer(
        TOPIC,
        bootstrap_servers=bootstrap,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=12_000_000,
    )
    async with consumer:
        records = [await asyncio.wait_for(consumer.getone(), 20) for _ in range(2)]
        return [(record.value, record.timestamp_type) for record in records]


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a Kafka has run, so that the tests need not format one each."""
    folder = tmp_path_factory.mktemp("used")
    with EmbeddedKafka(folder):
        pass
    return folder


def run_program(folder: Path, way: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(folder), way],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).resolve().parents[2],
    )


def said(process: subprocess.Popen[str]) -> tuple[int, int, int]:
    """Java's number, the guard's and the port, as the program printed them."""
    assert process.stdout is not None
    java, guard, port = process.stdout.readline().split()
    return int(java), int(guard), int(port)


def assert_nothing_is_left(java: int, guard: int, port: int) -> None:
    deadline = time.monotonic() + GONE_WITHIN_S
    while time.monotonic() < deadline and (psutil.pid_exists(java) or psutil.pid_exists(guard)):
        time.sleep(0.05)
    assert not psutil.pid_exists(java)
    assert not psutil.pid_exists(guard)
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


async def test_what_was_written_is_there_after_a_stop_and_after_a_kill(tmp_path: Path) -> None:
    """Records survive an orderly stop and a `kill -9`, at the same address; 10 MB arrives whole."""
    kafka = EmbeddedKafka(tmp_path)
    large = b"x" * 10_000_000
    with kafka:
        address = kafka.bootstrap
        await ensure_topics(address, [ORG])
        await put(address, b"first")
    assert not kafka.alive()
    with kafka:
        assert kafka.bootstrap == address
        await put(address, large)
        kafka.kill()
        assert not kafka.alive()
        kafka.start()
        records = await first_two(address)
    assert [value for value, _ in records] == [b"first", large]
    assert {kind for _, kind in records} == {1}, "the time must be Kafka's (LogAppendTime)"


def test_a_warm_start_needs_no_network_and_is_quick(
    used: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the jars in the cache, Kafka is up within 10 s (about 1.5 s alone) and offline."""
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    begun = time.monotonic()
    with EmbeddedKafka(used) as kafka:
        took = time.monotonic() - begun
        assert kafka.alive()
        assert psutil.Process(kafka.pid).is_running()
    assert took < 10


@pytest.mark.parametrize(
    ("way", "number"),
    [
        ("SIGKILL", signal.SIGKILL),
        ("SIGINT", signal.SIGINT),
        ("SIGTERM", signal.SIGTERM),
        ("exception", None),
        ("exit", None),
    ],
)
def test_no_kafka_outlives_its_program(used: Path, way: str, number: int | None) -> None:
    """However the program ends, Java, its guard and the open port go with it."""
    process = run_program(used, way)
    try:
        java, guard, port = said(process)
        if number is not None:
            time.sleep(0.2)
            os.kill(process.pid, number)
        assert process.wait(GONE_WITHIN_S) != 0
        assert_nothing_is_left(java, guard, port)
    finally:
        process.kill()
        process.communicate()


def test_a_fork_that_lives_on_does_not_keep_kafka(used: Path) -> None:
    """A killed program's forked child holds the pipe open; Kafka ends all the same."""
    process = run_program(used, "forked")
    java, guard, port = said(process)
    assert process.stdout is not None
    fork = psutil.Process(int(process.stdout.readline()))
    try:
        process.kill()
        process.wait()
        assert_nothing_is_left(java, guard, port)
        assert fork.is_running()
    finally:
        fork.kill()
        process.communicate()


def test_ctrl_c_while_kafka_starts_leaves_nothing(used: Path) -> None:
    """An interrupt before Kafka is up ends what was begun."""
    process = run_program(used, "during start")
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "starting\n"
        whole = psutil.Process(process.pid)
        deadline = time.monotonic() + 10
        while not (begun := whole.children(recursive=True)) and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(0.3)
        begun = whole.children(recursive=True)
        assert begun
        process.send_signal(signal.SIGINT)
        assert process.wait(GONE_WITHIN_S) != 0
        _, alive = psutil.wait_procs(begun, timeout=GONE_WITHIN_S)
        assert not alive
    finally:
        process.kill()
        process.communicate()


@pytest.mark.skipif(sys.platform != "linux", reason="the parent-death signal is Linux's own")
def test_a_killed_guard_takes_kafka_along(used: Path) -> None:
    """The process between is no weak point: without it Java ends too, and `alive` says so."""
    with EmbeddedKafka(used) as kafka:
        assert kafka._guard is not None
        java = kafka.pid
        os.kill(kafka._guard.pid, signal.SIGKILL)
        gone, alive = psutil.wait_procs([psutil.Process(java)], timeout=GONE_WITHIN_S)
        assert gone
        assert not alive
        assert not kafka.alive()


def test_a_port_in_use_is_named(used: Path) -> None:
    """A port that another program holds is an error with its number."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(EmbeddedKafkaError, match=f"Port {port} on 127.0.0.1 is in use"):
            EmbeddedKafka(used, port=port).start()


def test_too_little_room_is_an_error_before_kafka_meets_it(tmp_path: Path) -> None:
    """A full disk is said with the room there is and the room needed."""
    kafka = EmbeddedKafka(tmp_path, min_free_mb=10**12)
    with pytest.raises(EmbeddedKafkaError, match="is full"):
        kafka.start()


def test_two_kafkas_never_share_a_folder(used: Path) -> None:
    """The second Kafka on one folder is refused in words, and the first goes on."""
    with EmbeddedKafka(used) as first:
        with pytest.raises(EmbeddedKafkaError, match="Another Kafka is running on"):
            EmbeddedKafka(used).start()
        assert first.alive()


def test_a_wrong_property_is_shown_in_kafkas_own_words(used: Path) -> None:
    """What Kafka refuses reaches the person who asked for it."""
    kafka = EmbeddedKafka(used, properties={"log.message.timestamp.type": "Yesterday"})
    with pytest.raises(EmbeddedKafkaError, match="Yesterday"):
        kafka.start()
