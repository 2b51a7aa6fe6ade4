"""Equal content against equal content: Mantel-Haenszel over strata that say nothing of who spoke.

The pooled ratio of rates is statsmodels' (StratifiedTable); its interval is Greenland and Robins'
(1985), which with one stratum is that of the relative rate index. Strata in which one side is absent
say nothing of the other and are left out; how much of the data they held is reported.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import sqrt
from typing import Any

import msgspec

from broker.auditor.parity.measures import Sample
from broker.auditor.parity.rates import HALF, Ratio, interval

Stratum = tuple[object, ...]
Table = tuple[float, float, float, float]
"""Reached and not, of the one; reached and not, of the other."""


class Adjusted(msgspec.Struct, frozen=True):
    """What is left of a gap when equal content is compared with equal content."""

    ratio: Ratio
    strata: int
    """Strata in which both sides occur."""
    shared: float
    """Share of all units that lie in these."""
    statements: tuple[int, int] | None
    """Statements of either side that lie in these; None where it is not to be published."""
    p: float | None
    """Cochran-Mantel-Haenszel test of no association within strata; None where it cannot be made."""


def adjusted(
    one: Mapping[Stratum, Sample],
    other: Mapping[Stratum, Sample],
    z: float,
    widened: float = 1.0,
) -> Adjusted | None:
    """The pooled ratio over strata that both sides have; None where there is none.

    `widened`: by how much the variance is larger over statements than over lines.
    """
    shared = sorted((s for s in one if s in other), key=repr)
    tables = [_table(one[s], other[s]) for s in shared]
    if not tables:
        return None
    with_halves = _with_halves(tables)
    ratio = _pooled(with_halves)
    se = sqrt(variance_of_log(with_halves) * widened)
    low, high = interval(ratio, se, z)
    whole = sum(sample.at_risk for side in (one, other) for sample in side.values())
    return Adjusted(
        ratio=Ratio(ratio, low, high, se, widened),
        strata=len(tables),
        shared=sum(map(sum, tables)) / whole,
        statements=(
            sum(one[s].statements for s in shared),
            sum(other[s].statements for s in shared),
        ),
        p=_test(tables),
    )


def variance_of_log(tables: Iterable[Table]) -> float:
    """Greenland and Robins' variance of the logarithm of the pooled ratio of rates."""
    above = first = second = 0.0
    for a, b, c, d in tables:
        n1, n0, n = a + b, c + d, a + b + c + d
        above += ((a + c) * n1 * n0 - a * c * n) / n**2
        first += a * n0 / n
        second += c * n1 / n
    return above / (first * second)


def _table(one: Sample, other: Sample) -> Table:
    return (
        float(one.reached),
        float(one.at_risk - one.reached),
        float(other.reached),
        float(other.at_risk - other.reached),
    )


def _with_halves(tables: list[Table]) -> list[Table]:
    """Where a cell of all strata together is nought: 0.5 in each, shared out by the size of strata."""
    if all(sum(column) for column in zip(*tables, strict=True)):
        return tables
    whole = sum(map(sum, tables))
    return [
        tuple(cell + HALF * sum(table) / whole for cell in table)  # type: ignore[misc]
        for table in tables
    ]


def _stratified(tables: Iterable[Table]) -> Any:
    import numpy as np  # noqa: PLC0415 -- only reports need it
    from statsmodels.stats.contingency_tables import StratifiedTable  # noqa: PLC0415

    return StratifiedTable([np.array([[a, b], [c, d]]) for a, b, c, d in tables])


def _pooled(tables: Iterable[Table]) -> float:
    return float(_stratified(tables).riskratio_pooled)


def _test(tables: list[Table]) -> float | None:
    informative = [
        table for table in tables if table[0] + table[2] and table[1] + table[3] and sum(table) > 1
    ]
    if not informative:
        return None
    return float(_stratified(informative).test_null_odds(correction=True).pvalue)
