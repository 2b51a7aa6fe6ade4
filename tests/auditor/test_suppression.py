"""What is hidden stays hidden: held against an attacker who solves for it by trying every table."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from broker.auditor.suppression import (
    SMALL,
    WIDER,
    Sum,
    hidden_cells,
    hidden_upwards,
    possible,
    sums_of_table,
)

TOTAL = "total"


def with_totals(inner: list[list[int]]) -> tuple[dict, tuple[Sum, ...]]:
    """A table as cells, with its totals."""
    rows = tuple(f"r{n}" for n in range(len(inner)))
    columns = tuple(f"c{n}" for n in range(len(inner[0])))
    counts: dict = {
        (row, column): inner[r][c]
        for (r, row), (c, column) in product(enumerate(rows), enumerate(columns))
    }
    counts |= {(row, TOTAL): sum(counts[row, one] for one in columns) for row in rows}
    counts |= {(TOTAL, one): sum(counts[row, one] for row in rows) for one in (*columns, TOTAL)}
    return counts, sums_of_table(rows, columns)


tables = st.tuples(st.integers(1, 4), st.integers(1, 4)).flatmap(
    lambda size: st.lists(
        st.lists(
            st.one_of(st.integers(0, 8), st.integers(0, 60)), min_size=size[1], max_size=size[1]
        ),
        min_size=size[0],
        max_size=size[0],
    )
)


def tables_that_fit(
    counts: dict, hidden: frozenset, sums: tuple[Sum, ...], most: int
) -> list[dict]:
    """Every table up to `most` in a cell that agrees with what is published: no solver, only trying."""
    inner = [cell for cell in counts if TOTAL not in cell]
    lines = []
    for row in dict.fromkeys(row for row, _ in inner):
        cells = [cell for cell in inner if cell[0] == row]
        choices = [range(most + 1) if cell in hidden else (counts[cell],) for cell in cells]
        lines.append(
            [
                dict(zip(cells, values, strict=True))
                for values in product(*choices)
                if (row, TOTAL) in hidden or sum(values) == counts[row, TOTAL]
            ]
        )
    fitting = []
    for chosen in product(*lines):
        table = {cell: count for line in chosen for cell, count in line.items()}
        for one in sorted(sums, key=lambda one: one.total == (TOTAL, TOTAL)):
            if all(part in table for part in one.parts):
                table[one.total] = sum(table[part] for part in one.parts)
        if all(table[cell] == counts[cell] for cell in counts if cell not in hidden):
            fitting.append(table)
    return fitting


@settings(max_examples=60, deadline=None)
@given(tables)
def test_no_small_count_is_shown_and_none_can_be_narrowed(inner: list[list[int]]) -> None:
    """Every small cell is hidden, may be as low as 1, and no hidden cell has five values or fewer."""
    counts, sums = with_totals(inner)
    hidden = hidden_cells(counts, sums)

    assert {cell for cell, count in counts.items() if count in SMALL} <= hidden
    for cell in hidden:
        low, high = possible(cell, hidden, counts, sums)
        assert high is None or high - low >= WIDER
        assert counts[cell] not in SMALL or low <= 1


@settings(max_examples=40, deadline=None)
@given(tables)
def test_without_a_solver_totals_go_and_nothing_can_be_narrowed_either(
    inner: list[list[int]],
) -> None:
    """The cheap rule held against the solver: every hidden cell could be anything up to no limit."""
    counts, sums = with_totals(inner)
    hidden = hidden_upwards(counts, sums)

    assert {cell for cell, count in counts.items() if count in SMALL} <= hidden
    assert all(possible(cell, hidden, counts, sums)[1] is None for cell in hidden)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.lists(st.integers(0, 9), min_size=2, max_size=2), min_size=2, max_size=2))
def test_trying_every_table_finds_no_more_than_the_solver_says(inner: list[list[int]]) -> None:
    """The intervals do not rest on the solver alone: brute force meets the same lowest and highest."""
    counts, sums = with_totals(inner)
    hidden = hidden_cells(counts, sums)
    rows_hidden = hidden & {(row, TOTAL) for row in ("r0", "r1", TOTAL)}
    assume(hidden and not rows_hidden)
    fitting = tables_that_fit(counts, hidden, sums, 18)

    for cell in hidden:
        met = {table[cell] for table in fitting}
        assert possible(cell, hidden, counts, sums) == (min(met), max(met))


@given(tables)
@settings(max_examples=30, deadline=None)
def test_where_no_count_is_small_nothing_is_hidden(inner: list[list[int]]) -> None:
    """Hiding costs the reader; a table without small counts is published whole."""
    large = [[0 if count == 0 else count + 6 for count in row] for row in inner]

    assert hidden_cells(*with_totals(large)) == frozenset()


def test_a_total_does_not_give_back_what_is_hidden() -> None:
    """3 of 43 with 40 beside it: without a second hidden cell, 43 - 40 would tell."""
    counts, sums = with_totals([[3, 40, 50], [60, 70, 80], [90, 95, 99]])
    hidden = hidden_cells(counts, sums)

    assert ("r0", "c0") in hidden
    assert len(hidden) == 4
    assert hidden.isdisjoint(one.total for one in sums_of_table(("r0", "r1", "r2"), ("c0",)))


def test_two_hidden_cells_that_only_share_a_small_sum_are_not_enough() -> None:
    """1 + 1 of 2 that is known would narrow both to 0 to 2: something else goes as well."""
    counts: dict = {"all": 30, "a": 2, "a1": 1, "a2": 1, "b": 28}
    sums = (Sum("all", ("a", "b")), Sum("a", ("a1", "a2")))
    hidden = hidden_cells(counts, sums)

    assert hidden >= {"a", "a1", "a2", "b"}
    low, high = possible("a1", hidden, counts, sums)
    assert (low, high) == (0, 30)


@pytest.mark.parametrize(
    ("counts", "sums", "said"),
    [
        ({"a": -1}, (), "not negative"),
        ({"a": 3, "b": 2}, (Sum("a", ("b",)),), "not the sum"),
        ({"a": 3}, (Sum("a", ("b",)),), "no cell"),
    ],
)
def test_a_table_that_is_none_is_refused(counts: dict, sums: tuple[Sum, ...], said: str) -> None:
    """A sum that does not hold would make every promise void."""
    with pytest.raises(ValueError, match=said):
        hidden_cells(counts, sums)


def test_a_hidden_total_is_not_given_back_by_another_sum() -> None:
    """40 told is 5 whole and 35 in part, and 15 acknowledged and 25 not: 15 + 25 - 35 would tell."""
    counts: dict = {"told": 40, "whole": 5, "part": 35, "acknowledged": 15, "not": 25}
    sums = (Sum("told", ("whole", "part")), Sum("told", ("acknowledged", "not")))
    hidden = hidden_upwards(counts, sums)

    assert hidden == {"whole", "told", "acknowledged"}
    assert possible("whole", hidden, counts, sums) == (0, None)
