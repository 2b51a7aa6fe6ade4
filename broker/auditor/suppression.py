"""Which cells of a table of counts to hide before it is published, so that none can be worked back.

Pure, for any report: `hidden_cells(counts, sums)`, or for large tables `hidden_upwards`. A count of 1
to 5 is never published, as the Department for Education does; and others are hidden with it until
whoever knows the published cells, every sum, and that counts are whole and not negative, can narrow no
hidden cell: each may still be one of more than five values. `hidden_cells` sees to it as well that a
small one may be as low as 1. A total is a cell like any other: give it as one, with the sum that it
stands for. What lies over several tables belongs in one call.

Not covered: who knows this very method, or one of the counted facts themselves.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence

import msgspec
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array

SMALL = range(1, 6)
"""What is never published."""
WIDER = len(SMALL)
"""Highest less lowest possible value of a hidden cell: at least this, so more values than SMALL has."""

MANY = 150
"""Cells that hang together above which only tables that were met show that a cell is wide."""
FEW, NEAR, TURNS, MIX = 12, 12, 24, 2654435761
"""From how many cells on it pays to meet tables for all at once, how far from the true one, how often."""


class Sum(msgspec.Struct, frozen=True):
    """That one cell is the sum of others."""

    total: Hashable
    parts: tuple[Hashable, ...]

    @property
    def cells(self) -> tuple[Hashable, ...]:
        """All of them."""
        return (self.total, *self.parts)


def hidden_cells(counts: Mapping[Hashable, int], sums: Sequence[Sum]) -> frozenset[Hashable]:
    """The cells to hide; none where no count is small. The order of the table decides ties only.

    Raises ValueError for a negative count, and for a sum that does not hold or names no cell.
    """
    _check(counts, sums)
    hidden = {cell for cell, count in counts.items() if count in SMALL}
    # A table that fits what is published fits all the more when less is: what was met stays met.
    met = _Met(counts)
    while True:
        _never_alone(hidden, counts, sums)
        narrow = _narrow(hidden, sums, met)
        if not narrow:
            return frozenset(hidden)
        for cell in narrow:
            partner = _partner(_related(cell, hidden, sums), hidden, counts, sums)
            if partner is not None:
                hidden.add(partner)


def hidden_upwards(counts: Mapping[Hashable, int], sums: Sequence[Sum]) -> frozenset[Hashable]:
    """The same promise without a solver, for tables of thousands of cells: it costs totals instead.

    A total stands only where every number under it does; and where a total is hidden, so is enough
    in each sum that it is of. Then any hidden cell could be larger without end, and all that is
    published would be the same. Raises ValueError as `hidden_cells` does.
    """
    _check(counts, sums)
    hidden = {cell for cell, count in counts.items() if count in SMALL}
    before = -1
    while len(hidden) != before:
        before = len(hidden)
        for one in sums:
            if not hidden.isdisjoint(one.parts):
                hidden.add(one.total)
            if one.total in hidden:
                hidden.update(_enough_under(one, hidden, counts))
    return frozenset(hidden)


def _enough_under(
    one: Sum, hidden: set[Hashable], counts: Mapping[Hashable, int]
) -> Iterator[Hashable]:
    """Parts to hide under a hidden total, the smallest first, so that it could be less by 5 too."""
    covered = sum(counts[part] for part in one.parts if part in hidden)
    left = [part for part in one.parts if part not in hidden and counts[part]]
    for part in sorted(left, key=lambda part: counts[part]):
        if covered >= WIDER:
            return
        covered += counts[part]
        yield part


def sums_of_table(
    rows: Sequence[Hashable], columns: Sequence[Hashable], total: Hashable = "total"
) -> tuple[Sum, ...]:
    """The sums of a table with totals, whose cells are (row, column): its rows', its columns'."""
    return (
        *(Sum((row, total), tuple((row, one) for one in columns)) for row in (*rows, total)),
        *(Sum((total, one), tuple((row, one) for row in rows)) for one in (*columns, total)),
    )


def possible(
    cell: Hashable, hidden: Iterable[Hashable], counts: Mapping[Hashable, int], sums: Sequence[Sum]
) -> tuple[int, int | None]:
    """Lowest and highest value that the published cells leave for a hidden one; None: no highest."""
    for cells, used in _together(set(hidden), sums):
        if cell in cells:
            solver = _Solver(cells, used, set(hidden), _Met(counts))
            low, high = solver.extreme(cell, 1), solver.extreme(cell, -1)
            return (0 if low is None else low[cell]), (None if high is None else high[cell])
    return 0, None


def _check(counts: Mapping[Hashable, int], sums: Sequence[Sum]) -> None:
    for cell, count in counts.items():
        if count < 0:
            raise ValueError(f"the count of {cell!r} is {count}: counts are not negative")
    for one in sums:
        missing = [cell for cell in one.cells if cell not in counts]
        if missing:
            raise ValueError(f"the sum {one.total!r} names {missing[0]!r}, which is no cell")
        if counts[one.total] != sum(counts[part] for part in one.parts):
            raise ValueError(f"{one.total!r} is not the sum of its parts")


def _never_alone(
    hidden: set[Hashable], counts: Mapping[Hashable, int], sums: Sequence[Sum]
) -> None:
    """Adds to `hidden` until no sum has a single hidden cell, which the others would give away."""
    found = True
    while found:
        found = False
        for one in sums:
            if sum(cell in hidden for cell in one.cells) == 1:
                partner = _partner(one.cells, hidden, counts, sums)
                if partner is not None:
                    hidden.add(partner)
                    found = True


def _partner(
    cells: Iterable[Hashable],
    hidden: set[Hashable],
    counts: Mapping[Hashable, int],
    sums: Sequence[Sum],
) -> Hashable | None:
    """What costs the reader least: no total where a part does, no nought, then the smallest."""
    totals = {one.total for one in sums}
    left = [cell for cell in cells if cell not in hidden]
    return min(
        left, key=lambda cell: (cell in totals, counts[cell] == 0, counts[cell]), default=None
    )


def _related(cell: Hashable, hidden: set[Hashable], sums: Sequence[Sum]) -> Iterator[Hashable]:
    """Cells that share a sum with it; where all of those are hidden, with what hangs together with it."""
    near = [one for one in dict.fromkeys(_sharing({cell}, sums)) if one not in hidden]
    if near:
        return iter(near)
    wide = next((cells for cells, _ in _together(hidden, sums) if cell in cells), {cell})
    return _sharing(set(wide), sums)


def _sharing(cells: set[Hashable], sums: Sequence[Sum]) -> Iterator[Hashable]:
    for one in sums:
        if not cells.isdisjoint(one.cells):
            yield from one.cells


def _narrow(hidden: set[Hashable], sums: Sequence[Sum], met: _Met) -> list[Hashable]:
    """Hidden cells about which too much can be worked out."""
    found: list[Hashable] = []
    for cells, used in _together(hidden, sums):
        solver = _Solver(cells, used, hidden, met)
        solver.shake()
        # Of many cells each is not asked about by itself: a few more are hidden than must be.
        each = len(cells) <= MANY
        found += [
            cell for cell in cells if not met.wide(cell) and not (each and solver.is_wide(cell))
        ]
    return found


def _together(
    hidden: set[Hashable], sums: Sequence[Sum]
) -> Iterator[tuple[tuple[Hashable, ...], tuple[Sum, ...]]]:
    """Hidden cells that hang together by sums, with these sums; a cell of no sum is left out."""
    of_cell: dict[Hashable, list[int]] = {}
    for number, one in enumerate(sums):
        for cell in one.cells:
            if cell in hidden:
                of_cell.setdefault(cell, []).append(number)
    seen: set[Hashable] = set()
    for start in of_cell:
        if start in seen:
            continue
        seen.add(start)
        cells, numbers = [start], set[int]()
        for cell in cells:
            for number in of_cell[cell]:
                if number not in numbers:
                    numbers.add(number)
                    new = [one for one in sums[number].cells if one in hidden and one not in seen]
                    seen.update(new)
                    cells.extend(dict.fromkeys(new))
        yield tuple(cells), tuple(sums[number] for number in sorted(numbers))


class _Met:
    """Lowest and highest value of each cell in any table that was met and fits what is published."""

    def __init__(self, counts: Mapping[Hashable, int]) -> None:
        self.counts = counts
        self.beyond = 1 + 10 * (sum(counts.values()) + WIDER)
        """More than any cell can be that a published sum limits."""
        self._lowest = dict(counts)
        self._highest = dict(counts)

    def take(self, table: Mapping[Hashable, int]) -> None:
        """One more table."""
        for cell, count in table.items():
            self._lowest[cell] = min(self._lowest[cell], count)
            self._highest[cell] = max(self._highest[cell], count)

    def low_enough(self, cell: Hashable) -> bool:
        """Whether a small cell may be as low as any small one; of another nothing is asked."""
        return self.counts[cell] not in SMALL or self._lowest[cell] <= SMALL[0]

    def wide(self, cell: Hashable) -> bool:
        """Whether the cell may be enough."""
        return self.low_enough(cell) and self._highest[cell] - self._lowest[cell] >= WIDER


class _Solver:
    """What the published cells leave open, for hidden cells that hang together."""

    def __init__(
        self,
        cells: tuple[Hashable, ...],
        sums: tuple[Sum, ...],
        hidden: set[Hashable],
        met: _Met,
    ) -> None:
        self._cells = cells
        self._met = met
        self._place = {cell: number for number, cell in enumerate(cells)}
        values: list[int] = []
        rows: list[int] = []
        columns: list[int] = []
        known: list[int] = []
        for row, one in enumerate(sums):
            signed = [(one.total, -1), *((part, 1) for part in one.parts)]
            shown = (sign * met.counts[cell] for cell, sign in signed if cell not in hidden)
            known.append(-sum(shown))
            for cell, sign in signed:
                if cell in hidden:
                    values.append(sign)
                    rows.append(row)
                    columns.append(self._place[cell])
        matrix = csr_array((values, (rows, columns)), shape=(len(sums), len(cells)))
        self._constraint = LinearConstraint(matrix, known, known)

    def shake(self) -> None:
        """Meets a few tables near the true one, each far from it for many cells at a time."""
        if len(self._cells) < FEW:
            return
        near = [self._met.counts[cell] for cell in self._cells]
        box = Bounds([max(0, count - NEAR) for count in near], [count + NEAR for count in near])
        for turn in range(TURNS):
            cost = [
                0.0 if self._met.wide(cell) else float(_sign(number, turn))
                for number, cell in enumerate(self._cells)
            ]
            if not any(cost):
                return
            self._solve(cost, box)

    def is_wide(self, cell: Hashable) -> bool:
        """Whether enough values are possible. Tables met on the way speak for other cells too."""
        if self._met.wide(cell):
            return True
        self.extreme(cell, 1)
        if not self._met.low_enough(cell):
            return False
        return self._met.wide(cell) or self.extreme(cell, -1) is None or self._met.wide(cell)

    def extreme(self, cell: Hashable, sign: int) -> dict[Hashable, int] | None:
        """A table with the lowest (1) or highest (-1) value of the cell; None: there is no highest."""
        cost = [0.0] * len(self._cells)
        cost[self._place[cell]] = float(sign)
        table = self._solve(cost, Bounds(0, self._met.beyond))
        return None if sign < 0 and table[cell] * 2 > self._met.beyond else table

    def _solve(self, cost: Sequence[float], bounds: Bounds) -> dict[Hashable, int]:
        whole = [1] * len(self._cells)
        found = milp(cost, constraints=[self._constraint], integrality=whole, bounds=bounds)
        if not found.success:
            raise ValueError(f"no table fits what is published: {found.message}")
        table = {one: round(float(found.x[number])) for one, number in self._place.items()}
        self._met.take(table)
        return table


def _sign(number: int, turn: int) -> int:
    """Plus or minus one: any two cells are pushed apart in some turns and together in others."""
    return 1 if (number * MIX >> (turn // 2)) % 2 == turn % 2 else -1
