"""What a benchmark measured: a median with its spread, of several runs taken in turn.

A ratio is made of two figures of the same run, so what else the machine does meets both. A key that was
not measured is absent, never a guess.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec


class Measured(msgspec.Struct, frozen=True):
    """One key of the table."""

    median: float
    min: float
    max: float
    runs: int


def measured(values: Sequence[float]) -> Measured:
    """The median of `values`, at least one, with the least and the most of them."""
    return Measured(statistics.median(values), min(values), max(values), len(values))


def seconds(work: Callable[[], Any]) -> float:
    """How long one call takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def ratios(one: Callable[[], float], other: Callable[[], float], runs: int) -> list[float]:
    """`one` over `other`, each measured in each run; who goes first changes from run to run.

    Each runs once before, which does not count: what is remembered or compiled is so for both.
    """
    one()
    other()
    found = []
    for number in range(runs):
        if number % 2:
            first = one()
            found.append(first / other())
        else:
            second = other()
            found.append(one() / second)
    return found
