"""The border matrix as it may be published: small counts hidden, and what would give them back.

Pure. Every count and every sum that is shown (of rows, columns and kinds of outcome) goes into one call
of `suppression.hidden_upwards`, so what is hidden cannot be solved for. A median over fewer than six
flows is hidden too, and so is one whose number of flows is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence

import msgspec

from broker.auditor.borders import TOLD, Area, Cell, Fate
from broker.auditor.suppression import SMALL, Sum, hidden_upwards

ALL, TOLD_ALL, ACKNOWLEDGED, WAITING = "all", "told", "acknowledged", "not_acknowledged"
MEASURES = (*(one.value for one in Fate), TOLD_ALL, ACKNOWLEDGED, WAITING, ALL)
EVERYWHERE = Area("all", "all areas", is_authority=False)
Key = tuple[Area, Area, str]
"""From, to, and the kind of recipient."""


class Line(msgspec.Struct, frozen=True):
    """One row of a table: from one area to another, or a total. A number that is None is hidden."""

    origin: Area
    to: Area
    kind: str
    adjoins: bool
    counts: Mapping[str, int | None]
    """Measure -> number, for all of MEASURES."""
    to_decision_s: float | None
    to_acknowledgement_s: float | None


def lines(cells: Sequence[Cell], *, authorised: bool) -> tuple[Line, ...]:
    """The table with its totals; everything is shown to the authorised reader."""
    counts, sums = table_of(cells)
    hidden = frozenset[Hashable]() if authorised else hidden_upwards(counts, sums)
    medians = {(one.origin, one.to, one.kind): one for one in cells}
    found = []
    for key in _keys(cells):
        shown = {name: None if (*key, name) in hidden else counts[*key, name] for name in MEASURES}
        found.append(_line(key, shown, medians.get(key), authorised=authorised))
    return tuple(found)


def _line(
    key: Key, shown: Mapping[str, int | None], cell: Cell | None, *, authorised: bool
) -> Line:
    decision = acknowledgement = None
    if cell is not None:
        decided = None if shown[ALL] is None else cell.concerned
        decision = cell.to_decision_s if _enough(decided, authorised=authorised) else None
        answered = shown[ACKNOWLEDGED]
        if _enough(answered, authorised=authorised):
            acknowledgement = cell.to_acknowledgement_s
    adjoins = cell is not None and cell.adjoins
    return Line(*key, adjoins, shown, decision, acknowledgement)


def _enough(count: int | None, *, authorised: bool) -> bool:
    return authorised or (count is not None and count > SMALL[-1])


def table_of(cells: Sequence[Cell]) -> tuple[dict[Hashable, int], tuple[Sum, ...]]:
    """Every number of the table with its totals, and every sum that holds between them."""
    counts: dict[Hashable, int] = {}
    members: defaultdict[Key, list[Key]] = defaultdict(list)
    for one in cells:
        key = (one.origin, one.to, one.kind)
        for name, count in _measures(one):
            counts[*key, name] = count
    for key in _keys(cells)[: len(cells)]:
        for total in _totals(key, kinds=_several_kinds(cells)):
            members[total].append(key)
    for total, parts in members.items():
        for name in MEASURES:
            counts[*total, name] = sum(counts[*key, name] for key in parts)
    sums = [
        Sum((*total, name), tuple((*key, name) for key in parts))
        for total, parts in members.items()
        for name in MEASURES
    ]
    sums += _sums_over_totals(members)
    for key in _keys(cells):
        sums += _sums_within(key)
    return counts, tuple(sums)


def _keys(cells: Sequence[Cell]) -> list[Key]:
    """Rows of the table, then its totals."""
    own = [(one.origin, one.to, one.kind) for one in cells]
    kinds = _several_kinds(cells)
    return list(
        dict.fromkeys((*own, *(total for key in own for total in _totals(key, kinds=kinds))))
    )


def _several_kinds(cells: Sequence[Cell]) -> bool:
    return len({one.kind for one in cells}) > 1


def _measures(cell: Cell) -> Iterator[tuple[str, int]]:
    yield from cell.counts.items()
    yield TOLD_ALL, sum(cell.counts[one] for one in TOLD)
    yield ACKNOWLEDGED, cell.acknowledged
    yield WAITING, sum(cell.counts[one] for one in TOLD) - cell.acknowledged
    yield ALL, cell.total


def _totals(key: Key, *, kinds: bool) -> Iterator[Key]:
    """The totals that a row counts in: of all from one area, of all to one, of a kind, of everything."""
    origin, to, kind = key
    yield origin, EVERYWHERE, ALL
    yield EVERYWHERE, to, ALL
    if kinds:
        yield EVERYWHERE, EVERYWHERE, kind
    yield EVERYWHERE, EVERYWHERE, ALL


def _sums_over_totals(members: Mapping[Key, Sequence[Key]]) -> Iterator[Sum]:
    """Totals of totals: the rows', the columns' and the kinds' each make the whole."""
    whole = (EVERYWHERE, EVERYWHERE, ALL)
    groups = (
        [key for key in members if key[0] != EVERYWHERE],
        [key for key in members if key[1] != EVERYWHERE],
        [key for key in members if key[2] != ALL],
    )
    for group in groups:
        for name in MEASURES:
            if group:
                yield Sum((*whole, name), tuple((*key, name) for key in group))


def _sums_within(key: Key) -> Iterator[Sum]:
    yield Sum((*key, TOLD_ALL), tuple((*key, one.value) for one in TOLD))
    yield Sum((*key, TOLD_ALL), ((*key, ACKNOWLEDGED), (*key, WAITING)))
    rest = (one.value for one in Fate if one not in TOLD)
    yield Sum((*key, ALL), ((*key, TOLD_ALL), *((*key, name) for name in rest)))
