"""The simulation: thousands of interleavings of the three processes, and it finds what is broken."""

from __future__ import annotations

import itertools
import time
from pathlib import Path
from typing import Any

from broker.ledger import ShardStore
from broker.shell import ledger_worker
from broker.shell.turns import Window
from tests.chaos import simulation
from tests.chaos.memory_kafka import MemoryProducer, Step
from tests.chaos.simulation import Simulated, simulate

SECONDS = 5.0
SEED = 20261124


def some_rounds(folder: Path, count: int) -> Simulated:
    return simulate(folder, itertools.count(SEED), lambda rounds: rounds < count)


def test_no_interleaving_loses_doubles_or_reorders_anything(tmp_path: Path) -> None:
    """Kills and zombies between any two calls of a Kafka client: all is accounted for."""
    end = time.monotonic() + SECONDS
    ran = simulate(tmp_path, itertools.count(SEED), lambda _rounds: time.monotonic() < end)
    assert not ran.found, ran.found
    assert ran.rounds > 0
    assert ran.crashes
    assert ran.stood


def test_a_writer_that_forgets_what_it_sent_is_found(tmp_path: Path, monkeypatch: Any) -> None:
    """The simulation can fail: without the progress mark, what was sent is sent again."""

    async def nothing_sent(*_: object) -> int:
        return 0

    monkeypatch.setattr(ledger_worker.ShardWriter, "_progress", nothing_sent)
    (found,) = some_rounds(tmp_path, 60).found
    assert "times" in found
    assert f"seed {SEED}" in found


def test_a_writer_that_sends_before_it_publishes_is_found(tmp_path: Path, monkeypatch: Any) -> None:
    """Nothing leaves before outsiders can read that it was recorded."""
    monkeypatch.setattr(ShardStore, "publish_tiles", lambda *_, **__: None)
    (found,) = some_rounds(tmp_path, 60).found
    assert "ledger cannot be read" in found


def test_a_worker_that_acknowledges_before_it_sends_is_found(
    tmp_path: Path, monkeypatch: Any
) -> None:
    """The simulation can fail: what was acknowledged and not sent is missing after a crash."""
    real = MemoryProducer.send

    async def lazy(self: Any, topic: str, value: Any, **more: Any) -> Any:
        if topic == "parts.v1" and self._kafka.now % 0.007 < 0.001:
            return Step()
        return await real(self, topic, value, **more)

    monkeypatch.setattr(MemoryProducer, "send", lazy)
    (found,) = some_rounds(tmp_path, 60).found
    assert "is nowhere on parts.v1" in found


def test_an_intake_without_a_bound_is_found(tmp_path: Path, monkeypatch: Any) -> None:
    """The simulation can fail: what is taken in at once lies before what comes later."""
    monkeypatch.setattr(simulation, "FLOOD_SHARE", 1)
    monkeypatch.setattr(Window, "has_room", True)
    (found,) = some_rounds(tmp_path, 60).found
    assert "lie in the inner queues" in found


def test_the_same_seed_gives_the_same_interleaving(tmp_path: Path) -> None:
    """What fails can be had again: same kills, same zombies, same number of rounds."""
    first, second = (some_rounds(tmp_path / name, 20) for name in ("first", "second"))
    assert (first.rounds, first.crashes) == (second.rounds, second.crashes)
    assert first.crashes
