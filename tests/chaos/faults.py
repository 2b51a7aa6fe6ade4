"""What each kind of fault does. Events flow before it, while it holds and, where it ends, after."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

from broker.model.codec import encode
from tests.chaos.plan import Fault
from tests.chaos.plant import Plant
from tests.chaos.traffic import Traffic

SLOW_MS = 250
DIES_WITHIN_S = 6.0
ZOMBIE_ENDS_WITHIN_S = 20.0
READY_WITHIN_S = 20.0


class FaultError(Exception):
    """Something that must happen under a fault and did not."""


class NotPossibleError(Exception):
    """A fault that this machine cannot do; the text says what is wanting."""


def inject(plant: Plant, traffic: Traffic, fault: Fault) -> None:
    """Does one fault and takes it away again. Raises FaultError, or NotPossibleError."""
    traffic.flow()
    time.sleep(fault.after_s)
    DOES[fault.kind](plant, traffic, fault)
    traffic.flow(2)


def hold(traffic: Traffic, fault: Fault) -> None:
    """The time for which a fault lasts, with events in it."""
    traffic.flow(2)
    time.sleep(fault.hold_s / 2)
    traffic.flow(1)
    time.sleep(fault.hold_s / 2)


def kill(plant: Plant, traffic: Traffic, fault: Fault) -> None:
    """`kill -9` of a process, and started again."""
    plant.kill(fault.target)
    traffic.flow(2)
    plant.start_worker(fault.target)


def kill_kafka(plant: Plant, traffic: Traffic, fault: Fault) -> None:
    """`kill -9` of Kafka while everything writes to it."""
    plant.kafka.kill()
    traffic.flow(2)
    plant.start_kafka()


def crash_point(plant: Plant, traffic: Traffic, fault: Fault) -> None:
    """A process that dies at a point of its own code."""
    plant.kill(fault.target)
    plant.start_worker(fault.target, fault.detail)
    for _ in range(4):
        traffic.flow(2)
        if plant.died(fault.target, DIES_WITHIN_S):
            break
    else:
        plant.kill(fault.target)
    plant.start_worker(fault.target)


def pause(plant: Plant, traffic: Traffic, fault: Fault) -> None:
    """SIGSTOP for longer than a session lasts, then SIGCONT."""
    plant.signal(fault.target, signal.SIGSTOP)
    hold(traffic, fault)
    plant.signal(fault.target, signal.SIGCONT)


def full_disk(plant: Plant, traffic: Traffic, fault: Fault) -> None:
    """No room on the disk of the ledger, of the workers' state, or of Kafka."""
    concerned = {"ledger": ("ledger",), "state": ("intake", "decide"), "kafka": ("kafka",)}
    names = concerned[fault.target]

    def pids() -> list[int]:
        return [pid for name in names if (pid := plant.pid(name)) is not None]

    folder = plant.data_dir / fault.target
    plant.disks.fill(folder, pids())
    try:
        hold(traffic, fault)
    finally:
        plant.disks.free(folder, pids())


def slow_disk(plant: Plant, traffic: Traffic, fault: Fault) -> None:
    """Every sync of a process takes a quarter of a second more; without a compiler it runs in jerks."""
    if plant.library is None:
        deadline = time.monotonic() + fault.hold_s
        traffic.flow(2)
        while time.monotonic() < deadline:
            plant.signal(fault.target, signal.SIGSTOP)
            time.sleep(0.2)
            plant.signal(fault.target, signal.SIGCONT)
            time.sleep(0.02)
        return
    plant.kill(fault.target)
    plant.start_worker(fault.target, more=plant.slow(SLOW_MS))
    time.sleep(1.5)
    hold(traffic, fault)
    plant.kill(fault.target)
    plant.start_worker(fault.target)


def torn_write(plant: Plant, traffic: Traffic, fault: Fault) -> None:
    """The writer is killed and the end of what it wrote is cut off, zeroed or made nonsense of."""
    chance = random.Random(fault.draw)
    plant.kill("ledger")
    for shard in sorted((plant.data_dir / "ledger").glob("s[0-9]*")):
        _TEARS[fault.target](shard, chance)
    traffic.flow(2)
    plant.start_worker("ledger")


def _wal_cut(shard: Path, chance: random.Random) -> None:
    """A commit that was on its way: half a frame behind what was synced."""
    with (shard / "store.db-wal").open("ab") as wal:
        wal.write(chance.randbytes(chance.randint(1, 8192)))


def _wal_zeroed(shard: Path, chance: random.Random) -> None:
    """Space that was given to a commit and never filled."""
    with (shard / "store.db-wal").open("ab") as wal:
        wal.write(bytes(chance.randint(1, 40_000)))


def _wal_garbage(shard: Path, chance: random.Random) -> None:
    """A frame's header and page of an earlier turn of the log behind the newest."""
    path = shard / "store.db-wal"
    data = path.read_bytes()
    at = chance.randrange(len(data)) if data else 0
    with path.open("ab") as wal:
        wal.write(data[at : at + 8216])


def _wal_lost(shard: Path, chance: random.Random) -> None:
    """A disk that lied: commits that it said it had are gone. Beyond what a store can promise alone."""
    path = shard / "store.db-wal"
    size = path.stat().st_size if path.exists() else 0
    if size:
        os.truncate(path, max(0, size - chance.randint(1, 60_000)))


def _checkpoint(shard: Path, chance: random.Random) -> None:
    """Checkpoints cut short or zeroed."""
    notes = [shard / "checkpoint", *sorted(shard.glob("recipients/*/checkpoint"))]
    for path in chance.sample(notes, min(3, len(notes))):
        data = path.read_bytes()
        keep = chance.randrange(len(data)) if data else 0
        path.write_bytes(data[:keep] + (bytes(len(data) - keep) if chance.random() < 0.5 else b""))


def _power_cut(shard: Path, chance: random.Random) -> None:
    """Files of every kind torn, as after a power cut: the machine has then been started anew."""
    files = [
        one
        for one in sorted(shard.rglob("*"))
        if one.is_file() and not one.name.startswith("store")
    ]
    for path in chance.sample(files, min(8, len(files))):
        size = path.stat().st_size
        keep = chance.randrange(size) if size else 0
        if chance.random() < 0.3:
            path.unlink()
        elif chance.random() < 0.5:
            os.truncate(path, keep)
        else:
            path.write_bytes(path.read_bytes()[:keep] + bytes(size - keep))
    with contextlib.closing(sqlite3.connect(shard / "store.db")) as store, store:
        store.execute("UPDATE writer SET boot = 'before the power cut'")


_TEARS: dict[str, Callable[[Path, random.Random], None]] = {
    "wal_cut": _wal_cut,
    "wal_zeroed": _wal_zeroed,
    "wal_garbage": _wal_garbage,
    "wal_lost": _wal_lost,
    "checkpoint": _checkpoint,
    "power_cut": _power_cut,
}


def broken_socket(plant: Plant, traffic: Traffic, fault: Fault) -> None:
    """Connections between all clients and Kafka that break, crawl or say half of it."""
    proxy = plant.proxy
    if fault.target == "reset":
        for _ in range(4):
            traffic.flow(1)
            proxy.reset()
            time.sleep(fault.hold_s / 4)
        return
    proxy.delay_s = random.Random(fault.draw).uniform(0.05, 0.4)
    proxy.mode = fault.target
    if fault.target in {"refuse", "halve"}:
        proxy.reset()
    try:
        hold(traffic, fault)
    finally:
        proxy.mode = "pass"
    if fault.target == "mute":
        proxy.reset()  # what was swallowed would never come: as when a peer has gone without a word


def clock(plant: Plant, traffic: Traffic, fault: Fault) -> None:
    """The wall clock of one process jumps while it runs, and jumps back."""
    if plant.library is None:
        raise NotPossibleError("there is no C compiler (cc) for the library that moves clocks")
    if fault.target != "kafka":
        plant.kill(fault.target)
        plant.start_worker(fault.target, more=plant.preload(fault.target))
        time.sleep(2)
    # Kafka's clock is the flow's: what it says of who must be told may then differ from the oracle's.
    traffic.certain = fault.target != "kafka"
    plant.set_clock(fault.target, int(fault.detail))
    hold(traffic, fault)
    traffic.confirm()
    plant.set_clock(fault.target, 0)
    traffic.certain = True
    if fault.target != "kafka":
        plant.kill(fault.target)
        plant.start_worker(fault.target)


def rebalance(plant: Plant, traffic: Traffic, fault: Fault) -> None:
    """A second worker joins; then it leaves, is killed, or takes over from the first."""
    name, second = fault.target, f"second-{fault.target}"
    plant.start_worker(name, second=True)
    time.sleep(1.5)
    hold(traffic, fault)
    if fault.detail == "takes over":
        plant.kill(name)
        hold(traffic, fault)
        plant.start_worker(name)
        time.sleep(1)
    if fault.detail == "is killed":
        plant.kill(second)
    else:
        plant.ask_to_end(second)
    plant.forget_second(name)


def zombie(plant: Plant, traffic: Traffic, fault: Fault) -> None:
    """A ledger writer that was thought dead comes back when another has taken its place."""
    plant.signal("ledger", signal.SIGSTOP)
    undead = plant.set_aside("ledger")
    log = plant.folder / "logs" / "ledger.log"
    before = log.stat().st_size
    plant.start_worker("ledger")
    hold(traffic, fault)
    deadline = time.monotonic() + READY_WITHIN_S
    while log.read_bytes()[before:].count(b"shard_ready") < 2 and time.monotonic() < deadline:
        time.sleep(0.1)
    undead.send_signal(signal.SIGCONT)
    deadline = time.monotonic() + ZOMBIE_ENDS_WITHIN_S
    while undead.poll() is None and time.monotonic() < deadline:
        traffic.flow(1)
        time.sleep(0.5)
    if undead.poll() is None:
        raise FaultError("the zombie writer did not end when another had taken its shards")


def duplicate(plant: Plant, traffic: Traffic, fault: Fault) -> None:
    """What was published is published again, to the byte."""
    traffic.repeat(5)


def reorder(plant: Plant, traffic: Traffic, fault: Fault) -> None:
    """Retractions come before what they retract, and everything comes again in any order."""
    traffic.reorder(2)


def poison(plant: Plant, traffic: Traffic, fault: Fault) -> None:
    """What is no statement of its publisher, on the topics where statements lie."""
    chance = random.Random(fault.draw)
    for _ in range(2):
        child = traffic.another_child()
        event, topic = child.concern(), f"concerns.v1.{child.publisher}"
        other = next(one for one in ("ADV-WM-001", "CHA-WM-001") if one != child.publisher)
        whole = traffic.sealed(event)
        made: dict[str, bytes | None] = {
            "noise": chance.randbytes(chance.randint(1, 3000)),
            "half": whole[: chance.randrange(1, len(whole))],
            "empty": b"",
            "null": None,
            "wrong_key": traffic.sealed(event, other),
            "stranger": encode(event),
            "wrong_topic": whole,
            "altered": _altered(whole, chance),
            "act": whole,
        }
        if fault.target == "wrong_topic":
            topic = f"concerns.v1.{other}"
        if fault.target == "act":
            topic = f"actions.v1.{child.publisher}"
        key = chance.randbytes(9) if chance.random() < 0.5 else None
        traffic.send(topic, made[fault.target], key)


def _altered(data: bytes, chance: random.Random) -> bytes:
    changed = bytearray(data)
    changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


DOES: dict[str, Callable[[Plant, Traffic, Fault], None]] = {
    "kill": kill,
    "kill_kafka": kill_kafka,
    "crash_point": crash_point,
    "pause": pause,
    "full_disk": full_disk,
    "slow_disk": slow_disk,
    "torn_write": torn_write,
    "socket": broken_socket,
    "clock": clock,
    "rebalance": rebalance,
    "zombie": zombie,
    "duplicate": duplicate,
    "reorder": reorder,
    "poison": poison,
}
