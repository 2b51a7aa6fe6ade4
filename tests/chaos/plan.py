"""Which faults come when: a pure function of a seed, so that a run can be had again."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Sequence

POINTS_OF = {
    "intake": ("received", "state_flushed", "parts_sent", "sets_sent", "acknowledged"),
    "decide": ("received", "decided", "state_flushed", "sent", "acknowledged"),
    "ledger": (
        "epoch_taken",
        "received",
        "before_commit",
        "committed",
        "cosigned",
        "tiles_published",
        "transaction_begun",
        "outbox_sent",
        "transaction_committed",
        "pruned",
    ),
}
"""Where a process can be told to die. A test holds these to the broker's own list."""
WORKERS = ("intake", "decide", "ledger")
SOCKETS = ("reset", "delay", "halve", "stall", "refuse", "mute")
TEARS = ("wal_cut", "wal_zeroed", "wal_garbage", "wal_lost", "checkpoint", "power_cut")
POISONS = (
    "noise",
    "half",
    "empty",
    "null",
    "wrong_key",
    "stranger",
    "wrong_topic",
    "altered",
    "act",
)
TARGETS: dict[str, tuple[str, ...]] = {
    "kill": WORKERS,
    "kill_kafka": ("kafka",),
    "crash_point": WORKERS,
    "pause": (*WORKERS, "kafka"),
    "full_disk": ("ledger", "state", "kafka"),
    "slow_disk": WORKERS,
    "torn_write": TEARS,
    "socket": SOCKETS,
    "clock": (*WORKERS, "kafka"),
    "rebalance": ("intake", "decide"),
    "zombie": ("ledger",),
    "duplicate": ("concerns",),
    "reorder": ("concerns",),
    "poison": POISONS,
}
WEIGHTS = {"kill": 3, "crash_point": 3, "pause": 2, "torn_write": 3, "socket": 3, "poison": 2}
"""How often a kind comes, where not once."""
QUICK = (
    ("kill", "decide"),
    ("crash_point", "ledger"),
    ("pause", "intake"),
    ("torn_write", "wal_zeroed"),
    ("torn_write", "power_cut"),
    ("socket", "halve"),
    ("zombie", "ledger"),
    ("rebalance", "decide"),
    ("full_disk", "ledger"),
    ("poison", "half"),
    ("duplicate", "concerns"),
    ("kill_kafka", "kafka"),
)
"""What a dozen of them is made of."""


@dataclasses.dataclass(frozen=True)
class Fault:
    """One fault: what is done to whom, when after events began to flow, and for how long."""

    number: int
    kind: str
    target: str
    after_s: float
    hold_s: float
    detail: str
    draw: int
    """Seeds what the fault itself draws: what is torn where, which bytes poison has."""

    def __str__(self) -> str:
        more = f" {self.detail}" if self.detail else ""
        return (
            f"{self.kind} {self.target}{more} after {self.after_s:.2f} s, for {self.hold_s:.1f} s"
        )


def plan(seed: int, count: int, kinds: Sequence[str] = ()) -> tuple[Fault, ...]:
    """The faults of a seed. Each kind comes before any comes again by chance; `kinds` chooses some."""
    chance = random.Random(seed)
    chosen = list(kinds or TARGETS)
    first = chance.sample(chosen, len(chosen))
    weights = [WEIGHTS.get(one, 1) for one in chosen]
    turns = {kind: chance.sample(targets, len(targets)) for kind, targets in TARGETS.items()}
    faults = []
    for number in range(1, count + 1):
        kind = first[number - 1] if number <= len(first) else chance.choices(chosen, weights)[0]
        target, *others = turns[kind]
        turns[kind] = [*others, target]
        faults.append(_fault(chance, number, kind, target))
    return tuple(faults)


def quick_plan(seed: int, count: int) -> tuple[Fault, ...]:
    """The bounded plan of `make test`: a dozen kinds in an order of the seed."""
    chance = random.Random(seed)
    order = chance.sample(QUICK, len(QUICK))[:count]
    return tuple(
        dataclasses.replace(_fault(chance, number, kind, target), hold_s=1.7)
        for number, (kind, target) in enumerate(order, 1)
    )


def _fault(chance: random.Random, number: int, kind: str, target: str) -> Fault:
    detail = ""
    if kind == "crash_point":
        detail = f"{target}.{chance.choice(POINTS_OF[target])}:{chance.randint(1, 2)}"
    if kind == "clock":
        detail = chance.choice(("+3600", "-3600", "+86400", "-86400", "+5", "-5"))
    if kind == "rebalance":
        detail = chance.choice(("leaves", "is killed", "takes over"))
    return Fault(
        number,
        kind,
        target,
        after_s=round(chance.uniform(0.0, 1.0), 2),
        hold_s=round(chance.uniform(1.8, 3.5), 1),
        detail=detail,
        draw=chance.getrandbits(32),
    )
