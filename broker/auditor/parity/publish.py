"""What may be published of the figures: no number of 1 to 5, and nothing that would give one away.

All counts of the report are one table: each is the sum of those that reached the next stage and those
that did not, a group is the sum of its classes, and everybody is the sum of the groups and again of
each equality grouping. `broker.auditor.suppression` says which cells to hide. A ratio, an interval, a
median, a plotted point and a verdict stand only where every count that they are made of does.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping

import msgspec

from broker.auditor.parity.figures import Comparison, Count, Figures, first_gap, judged
from broker.auditor.parity.measures import (
    ALL,
    DIMENSIONS,
    EQUALITY,
    GROUP,
    MEASURES,
    NAMED,
    PROVENANCE,
    Key,
)
from broker.auditor.parity.policy import ParityPolicy
from broker.auditor.parity.verdict import Verdict, overall
from broker.auditor.suppression import Sum, hidden_cells

Cell = tuple[str, Key]
"""Name of a count, and whose."""
WAITING = "waiting"
MORE_PARTS = "more parts"
"""Parts beyond the first of each statement."""


class Table(msgspec.Struct, frozen=True):
    """All counts of a report, and which of them are sums of others."""

    counts: Mapping[Hashable, int]
    sums: tuple[Sum, ...]


def table_of(counts: Iterable[Count], policy: ParityPolicy) -> Table:
    """The counts as cells; keys that nobody has are left out, what nobody reached is nought."""
    found = {(one.measure, one.key): one for one in counts}
    cells: dict[Hashable, int] = {}
    sums: list[Sum] = []
    keys = sorted({key for _, key in found})
    for key in keys:
        measures = EQUALITY if key.partition(":")[0] in DIMENSIONS else MEASURES
        for measure in measures:
            one = found.get((measure.name, key))
            reached, at_risk = (one.reached or 0, one.at_risk or 0) if one else (0, 0)
            cells[measure.name, key] = reached
            cells[measure.missed, key] = at_risk - reached
            cells[measure.of, key] = at_risk
            sums.append(Sum((measure.of, key), ((measure.name, key), (measure.missed, key))))
        waiting = cells["eligible", key] - cells["disclosed", key] - cells["refused", key]
        cells[WAITING, key] = waiting
        three = (("disclosed", key), ("refused", key), (WAITING, key))
        sums.append(Sum(("eligible", key), three))
        if measures is MEASURES:
            cells[MORE_PARTS, key] = cells["parts", key] - cells["graded", key]
            sums.append(Sum(("parts", key), (("graded", key), (MORE_PARTS, key))))
    sums += _totals(cells, keys, policy)
    return Table(cells, tuple(sums))


def _totals(cells: dict[Hashable, int], keys: Iterable[Key], policy: ParityPolicy) -> list[Sum]:
    """Groups as sums of classes, everybody as the sum of groups and of each equality grouping."""
    by_column: dict[str, list[Key]] = {}
    for key in keys:
        by_column.setdefault(key.partition(":")[0], []).append(key)
    classes = by_column.get(PROVENANCE, [])
    sums: list[Sum] = []
    for name in _names(cells, by_column.get(GROUP, [])):
        for group in by_column[GROUP]:
            members = [one for one in classes if f"{GROUP}:{policy.group_of(one[11:])}" == group]
            sums.append(Sum((name, group), tuple((name, one) for one in members)))
        groups = tuple((name, one) for one in by_column[GROUP])
        cells[name, ALL] = sum(cells[one] for one in groups)
        sums.append(Sum((name, ALL), groups))
    for column in DIMENSIONS:
        sums += (
            Sum((name, ALL), tuple((name, one) for one in by_column[column]))
            for name in _names(cells, by_column.get(column, []))
        )
    return sums


def _names(cells: Mapping[Hashable, int], keys: list[Key]) -> list[str]:
    return sorted(cell[0] for cell in cells if isinstance(cell, tuple) and keys[:1] == [cell[1]])


def published(figures: Figures, policy: ParityPolicy) -> Figures:
    """The figures with everything left out that may not be published."""
    table = table_of(figures.counts, policy)
    hidden = hidden_cells(table.counts, table.sums)

    def stands(measure: str, keys: Iterable[Key]) -> bool:
        one = NAMED[measure]
        names = (one.name, one.missed, one.of)
        return not any((name, key) in hidden for name in names for key in keys)

    counts = tuple(
        msgspec.structs.replace(
            one,
            reached=None if (one.measure, one.key) in hidden else one.reached,
            at_risk=None if (NAMED[one.measure].of, one.key) in hidden else one.at_risk,
        )
        for one in figures.counts
    )
    comparisons = tuple(
        _fit(one) if stands(one.measure, one.rests_on) else _without_numbers(one)
        for one in figures.comparisons
    )
    waited = tuple(
        one.published()
        if stands("considered", (one.key,)) and stands("acknowledged", (one.key,))
        else one.suppressed()
        for one in figures.waited
    )
    heads = judged(comparisons, f"{GROUP}:{policy.headline}")
    pair = {f"{GROUP}:{policy.headline}", f"{GROUP}:{policy.reference}"}
    compared = all(not one.hidden for one in waited if one.key in pair)
    return msgspec.structs.replace(
        figures,
        counts=counts,
        comparisons=comparisons,
        waited=waited,
        wait_differs=figures.wait_differs if compared else None,
        overall=overall(one.verdict for one in heads),
        overall_corrected=overall(one.verdict_corrected for one in heads),
        first_gap=first_gap(heads),
    )


def _fit(one: Comparison) -> Comparison:
    """Without how many statements lie in shared strata, which is a count as well."""
    if one.adjusted is None:
        return one
    equal = msgspec.structs.replace(
        one.adjusted, statements=None, shared=round(one.adjusted.shared, 1)
    )
    return msgspec.structs.replace(one, adjusted=equal)


def _without_numbers(one: Comparison) -> Comparison:
    silent = Verdict.INSUFFICIENT
    return Comparison(
        measure=one.measure,
        key=one.key,
        against=one.against,
        ratio=None,
        corrected=None,
        adjusted=None,
        as_counted=silent,
        equal_content=silent,
        verdict=silent,
        verdict_corrected=silent,
        hidden=True,
    )
