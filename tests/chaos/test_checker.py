"""The checker: a stranger to the broker's code, and it finds every kind of fault that it looks for."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from broker.shell.keys import make_keys
from tests.chaos import checker, own_kafka, own_log
from tests.chaos.checker import Checker, Findings
from tests.chaos.memory_kafka import MemoryKafka
from tests.chaos.simulation import ORGANISATIONS, InMemory, MemoryReader, World

SCHEMAS = Path(__file__).resolve().parents[2] / "schemas"
OWN = {"tests.chaos.own_kafka", "tests.chaos.own_log"}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A small broker in memory after some records, at rest."""
    make_keys(tmp_path / "keys", ORGANISATIONS)
    with InMemory() as in_memory:
        in_memory.kafka = MemoryKafka()
        made = World(tmp_path / "world", tmp_path / "keys", 5, in_memory.kafka)
        for _ in range(12):
            assert not made.round(check=True)
        yield made
        made.close()


def looked_at(world: World) -> Findings:
    """What a checker says that has never seen this broker before."""
    fresh = Checker(MemoryReader(world.kafka), world.folder, SCHEMAS)
    return fresh.check(world.script.journal)


def log_of(world: World, kind: str) -> list:
    """The records of a topic of this kind that has some."""
    return next(
        log for place, log in world.kafka.logs.items() if place.topic.startswith(kind) and log
    )


def sent_twice(world: World) -> None:
    alerts = log_of(world, "alerts")
    world.kafka.append(alerts[0].topic, alerts[0].key, alerts[0].value)


def alert_lost(world: World) -> None:
    log_of(world, "alerts")[0].value = None


def receipt_lost(world: World) -> None:
    # Of one publisher all: what came of a statement is a receipt too, and not every one must be.
    for one in log_of(world, "receipts.v1.ADV"):
        one.value = None


def to_another(world: World) -> None:
    alerts = log_of(world, "alerts.v1.E08000031")
    world.kafka.append("alerts.v1.E08000028", alerts[0].key, alerts[0].value)


def order_turned(world: World) -> None:
    logs = (log for place, log in world.kafka.logs.items() if place.topic.startswith("alerts"))
    alerts = max(logs, key=len)
    values = [(one.key, one.value) for one in alerts]
    for one, (key, value) in zip(alerts, reversed(values), strict=True):
        one.key, one.value = key, value


def altered(world: World) -> None:
    alerts = log_of(world, "alerts")
    alerts[0].value = alerts[0].value[:40] + b"\x00" + alerts[0].value[41:]


def published_and_unread(world: World) -> None:
    world.kafka.append("concerns.v1.ADV-WM-001", None, b"nobody took this in")


def checkpoint_put_back(world: World) -> None:
    path = world.folder / "ledger" / "s0" / "checkpoint"
    path.write_text(path.read_text().replace("\n", "\n1", 1))


def tile_zeroed(world: World) -> None:
    path = next((world.folder / "ledger" / "s0" / "tile" / "0").rglob("*"))
    path = path if path.is_file() else next(path.iterdir())
    path.write_bytes(bytes(path.stat().st_size))


def entry_changed(world: World) -> None:
    path = next(
        one
        for one in (world.folder / "ledger" / "s1" / "tile" / "entries").rglob("*")
        if one.is_file()
    )
    data = path.read_bytes()
    path.write_bytes(data.replace(b"DENY", b"DENI"))


FAULTS: dict[Callable[[World], None], str] = {
    sent_twice: "is there 2 times",
    alert_lost: "was not sent",
    receipt_lost: "has no receipt yet",
    to_another: "is for E08000031",
    order_turned: "came after a later one",
    altered: "was not recorded|is no message|does not open",
    published_and_unread: "has no leaf yet",
    checkpoint_put_back: "no signature of its key that holds",
    tile_zeroed: "is not what the entries hash to",
    entry_changed: "have not the root",
}


def test_a_broker_at_rest_is_sound(world: World) -> None:
    """Nothing is found where nothing is wrong, and the checker saw messages at all."""
    seen = Checker(MemoryReader(world.kafka), world.folder, SCHEMAS)
    assert not seen.check(world.script.journal)
    assert seen.counts["messages"] > 10
    assert seen.counts["accepted"] > 2


@pytest.mark.parametrize("fault", FAULTS, ids=lambda one: one.__name__)
def test_each_fault_is_found(world: World, fault: Callable[[World], None]) -> None:
    """Each thing that must hold is broken once, and the checker says so."""
    fault(world)
    found = looked_at(world)
    every = "; ".join([*found.wrong, *found.unrecorded, *found.missing])
    assert any(one in every for one in FAULTS[fault].split("|")), every


def test_a_ledger_that_shrank_is_found_by_who_saw_it_before(world: World) -> None:
    """The same checker, asked again, misses what it saw."""
    seen = Checker(MemoryReader(world.kafka), world.folder, SCHEMAS)
    assert not seen.check(world.script.journal)
    seen._seen["broker.example/s0"] = (10_000, b"")
    assert "had 10000 entries" in str(seen.check(world.script.journal))


@pytest.mark.parametrize("module", [checker, own_kafka, own_log], ids=lambda one: one.__name__)
def test_the_checker_imports_nothing_of_the_broker(module) -> None:
    """No module of the checker reaches the broker's code, directly or through another of the tests."""
    tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
    names = {
        name
        for node in ast.walk(tree)
        for name in (
            [one.name for one in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    ours = {one for one in names if one.split(".")[0] in {"broker", "tests"}}
    assert ours <= OWN
