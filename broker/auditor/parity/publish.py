"""What may be published of the figures: no number of 1 to 5, and nothing that would give one away.

- Groups: each count is the sum of those that reached the next stage and those that did not;
  `broker.auditor.suppression` says which cells to hide. Where a first denominator would give a small
  remainder away, that denominator is the one that is left out, so that the stages after it stand.
- Classes: a count stands only where that of every class of the group does, and the group's. Otherwise
  only the sum stands, and so for what has it as denominator.
- Equality groups are another partition of the same people: shown only where the groups already give
  their total; a total that would have to be hidden for them hides their whole table instead.

A ratio, an interval, a median, a plotted point and a verdict stand only where every count that they
are made of does.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence

import msgspec

from broker.auditor.parity.figures import Comparison, Count, Figures, first_gap, judged
from broker.auditor.parity.measures import (
    ALL,
    CHAIN,
    DIMENSIONS,
    EQUALITY,
    GROUP,
    MEASURES,
    NAMED,
    PROVENANCE,
    RECEIVED,
    Key,
    Measure,
)
from broker.auditor.parity.policy import ParityPolicy
from broker.auditor.parity.verdict import Verdict, overall
from broker.auditor.suppression import SMALL, Sum, hidden_cells

Cell = tuple[str, Key]
"""Name of a count, and whose."""
WAITING = "waiting"
MORE_PARTS = "more parts"
"""Parts beyond the first of each statement."""
BLOCKS = (("disclosed", "refused"), ("withheld",))
"""Equality measures that share a denominator."""
FIRST = frozenset({"accepted", "parts", "eligible", "fields", "told statements", "reviewed"})
"""Denominators that are no stage themselves."""


class Table(msgspec.Struct, frozen=True):
    """Counts, and which of them are sums of others."""

    counts: Mapping[Cell, int]
    sums: tuple[Sum, ...]


def table_of(counts: Iterable[Count], keys: Sequence[Key], measures: Sequence[Measure]) -> Table:
    """The counts of these keys as cells; what nobody reached is nought."""
    found = {(one.measure, one.key): one for one in counts}
    cells: dict[Cell, int] = {}
    sums: list[Sum] = []
    for key in keys:
        for measure in measures:
            one = found.get((measure.name, key))
            reached, at_risk = (one.reached or 0, one.at_risk or 0) if one else (0, 0)
            cells[measure.name, key] = reached
            cells[measure.missed, key] = at_risk - reached
            cells[measure.of, key] = at_risk
            sums.append(Sum((measure.of, key), ((measure.name, key), (measure.missed, key))))
        if ("refused", key) in cells:
            reached = cells["disclosed", key] + cells["refused", key]
            cells[WAITING, key] = cells["eligible", key] - reached
            three = (("disclosed", key), ("refused", key), (WAITING, key))
            sums.append(Sum(("eligible", key), three))
        if ("parts", key) in cells:
            cells[MORE_PARTS, key] = cells["parts", key] - cells["graded", key]
            sums.append(Sum(("parts", key), (("graded", key), (MORE_PARTS, key))))
    return Table(cells, tuple(sums))


def with_totals(table: Table, members: Mapping[Key, Sequence[Key]]) -> Table:
    """With the sums of each total over its members; a total that has no cell yet gets one."""
    cells, sums = dict(table.counts), list(table.sums)
    names = dict.fromkeys(name for name, _ in cells)
    for total, parts in members.items():
        for name in names:
            summed = tuple((name, one) for one in parts if (name, one) in cells)
            if summed:
                cells.setdefault((name, total), sum(cells[one] for one in summed))
                sums.append(Sum((name, total), summed))
    return Table(cells, tuple(sums))


def hidden_counts(counts: Sequence[Count], policy: ParityPolicy) -> frozenset[Cell]:
    """Every cell that must not be shown."""
    keys = sorted({one.key for one in counts})
    by_column = {
        column: [key for key in keys if key.startswith(f"{column}:")]
        for column in (GROUP, PROVENANCE, *DIMENSIONS)
    }
    groups = by_column[GROUP]
    hidden = _of_groups(table_of(counts, groups, MEASURES), groups)
    for group in groups:
        classes = [
            key
            for key in by_column[PROVENANCE]
            if policy.group_of(key.partition(":")[2]) == group.partition(":")[2]
        ]
        hidden |= _of_classes(table_of(counts, classes, MEASURES).counts, classes, group, hidden)
    for column in DIMENSIONS:
        for names in BLOCKS:
            block = [NAMED[name] for name in names]
            hidden |= _of_equality(counts, by_column[column], groups, block, hidden)
    return frozenset(hidden)


def _of_groups(table: Table, keys: Iterable[Key]) -> set[Cell]:
    """First denominators that would give a small remainder away, and what hides the rest."""
    dropped: set[Cell] = set()
    for key in keys:
        for measure in MEASURES:
            cells = ((measure.of, key), (measure.missed, key))
            if measure.of in FIRST and any(table.counts[one] in SMALL for one in cells):
                dropped.add((measure.of, key))
        for measure in MEASURES:
            if (measure.of, key) in dropped:
                dropped.add((measure.missed, key))
        if ("parts", key) in dropped:
            dropped.add((MORE_PARTS, key))
        if ("eligible", key) in dropped:
            dropped.add((WAITING, key))
    left = {cell: count for cell, count in table.counts.items() if cell not in dropped}
    sums = [one for one in table.sums if all(cell in left for cell in one.cells)]
    return dropped | _hidden(left, sums)


def _of_classes(
    cells: Mapping[Cell, int], classes: Sequence[Key], group: Key, hidden: Iterable[Cell]
) -> set[Cell]:
    """All classes of a group or none of them, count by count."""
    small = {name for name, key in cells if key in classes and cells[name, key] in SMALL}
    shut = {name for name, key in hidden if key == group} | (small & FIRST) | {MORE_PARTS}
    if MORE_PARTS in small:
        shut.add("parts")
    if WAITING in small:
        shut |= {"refused", NAMED["refused"].missed}
    for measure in (RECEIVED, *MEASURES):
        if measure.of in FIRST and measure.missed in small and measure.name not in small:
            shut |= {measure.of, measure.missed}
    for measure in (RECEIVED, *MEASURES):
        shut |= _shut_with(measure, small, shut)
    return {(name, key) for name in shut for key in classes}


def _shut_with(measure: Measure, small: set[str], shut: set[str]) -> set[str]:
    """What of a measure has to go, where some counts are small and some are shut already."""
    triple = {measure.of, measure.name, measure.missed}
    found = {measure.missed} if measure.of in shut else set[str]()
    later = measure.of not in FIRST
    if measure.name in small or (later and triple & (small | shut)):
        found |= {measure.name, measure.missed}
    if found or triple & shut:
        found |= {measure.missed, WAITING}
    return found


def _of_equality(
    counts: Sequence[Count],
    keys: list[Key],
    groups: list[Key],
    block: list[Measure],
    hidden: Iterable[Cell],
) -> set[Cell]:
    """Of one equality grouping; the total is known from the groups, so it cannot be hidden here."""
    table = with_totals(table_of(counts, keys, block), {ALL: keys})
    known = {name for name, _ in table.counts}
    shut = set(hidden)
    if any((name, group) in shut for name in known for group in groups):
        return set(table.counts)
    found = _hidden(table.counts, table.sums)
    return set(table.counts) if any((name, ALL) in found for name in known) else found


def _hidden(counts: Mapping[Cell, int], sums: Sequence[Sum]) -> set[Cell]:
    cells: dict[Hashable, int] = dict(counts.items())
    hidden = hidden_cells(cells, sums)
    return {cell for cell in counts if cell in hidden}


def published(figures: Figures, policy: ParityPolicy) -> Figures:
    """The figures with everything left out that may not be published."""
    hidden = hidden_counts(figures.counts, policy)

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
        overall=overall((one.verdict for one in heads), len(CHAIN)),
        overall_corrected=overall((one.verdict_corrected for one in heads), len(CHAIN)),
        first_gap=first_gap(heads),
        listed=None,
        decided=None,
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


__all__ = ["ALL", "EQUALITY", "Table", "hidden_counts", "published", "table_of", "with_totals"]
