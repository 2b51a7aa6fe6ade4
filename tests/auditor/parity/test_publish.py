"""What is hidden cannot be worked out from what is published: by solving, not by looking."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.auditor.parity.figures import Figures, figures
from broker.auditor.parity.measures import (
    ALL,
    DIMENSIONS,
    EQUALITY,
    GROUP,
    MEASURES,
    NAMED,
    PROVENANCE,
)
from broker.auditor.parity.publish import Table, hidden_counts, published, table_of, with_totals
from broker.auditor.suppression import SMALL, possible
from tests.auditor.parity.drawn import POLICY, random_evidence


def everything(found: Figures) -> Table:
    """All counts of the report with every sum that holds between them."""
    keys = sorted({one.key for one in found.counts})

    def of(column: str) -> list[str]:
        return [key for key in keys if key.startswith(f"{column}:")]

    main = table_of(found.counts, [*of(GROUP), *of(PROVENANCE)], MEASURES)
    members: dict[str, list[str]] = {group: [] for group in of(GROUP)}
    for key in of(PROVENANCE):
        members[f"{GROUP}:{POLICY.group_of(key.partition(':')[2])}"].append(key)
    whole = with_totals(main, {**members, ALL: of(GROUP)})
    counts, sums = dict(whole.counts), list(whole.sums)
    for column in DIMENSIONS:
        part = with_totals(table_of(found.counts, of(column), EQUALITY), {ALL: of(column)})
        counts.update(part.counts)
        sums += part.sums
    return Table(counts, tuple(sums))


@settings(max_examples=6, deadline=None)
@given(st.integers(5, 150), st.integers(0, 10_000), st.sampled_from([0.5, 0.9, 0.99]))
def test_no_small_count_can_be_worked_out(statements: int, seed: int, answered: float) -> None:
    """Of every hidden small number at least two values fit all that is published, with every sum."""
    found = figures(random_evidence(statements, seed, answered=answered), POLICY)
    table, hidden = everything(found), hidden_counts(found.counts, POLICY)
    small = [cell for cell, count in table.counts.items() if count in SMALL and cell[1] != ALL]
    assert set(small) <= hidden
    unknown = hidden | {cell for cell in table.counts if cell[1] == ALL}
    for cell in small[:: max(1, len(small) // 12)]:
        low, high = possible(cell, unknown, dict(table.counts.items()), table.sums)
        assert high is None or low < high, cell


@settings(max_examples=5, deadline=None)
@given(st.integers(5, 300), st.integers(0, 10_000))
def test_nothing_is_shown_that_rests_on_what_is_hidden(statements: int, seed: int) -> None:
    """No rate, interval, median, curve or verdict of a hidden count, and no number of 1 to 5."""
    found = figures(random_evidence(statements, seed), POLICY)
    hidden, shown = hidden_counts(found.counts, POLICY), published(found, POLICY)

    assert not [one for one in shown.counts if one.reached in SMALL or one.at_risk in SMALL]
    for one in shown.comparisons:
        measure = NAMED[one.measure]
        names = (measure.name, measure.missed, measure.of)
        rests = any((name, key) in hidden for name in names for key in one.rests_on)
        assert one.hidden or not rests
        if one.hidden:
            assert (one.ratio, one.corrected, one.adjusted) == (None, None, None)
    for wait in shown.waited:
        assert not wait.curve
        if wait.hidden or ("considered", wait.key) in hidden:
            assert (wait.median, wait.low, wait.high, wait.considered) == (None,) * 4


@pytest.mark.parametrize("statements", [600])
def test_enough_is_left_to_read(statements: int) -> None:
    """Suppression does not swallow the report: with some hundred statements the headline stands."""
    shown = published(figures(random_evidence(statements, seed=3), POLICY), POLICY)

    assert not [one.measure for one in shown.headlines if one.hidden]
    assert shown.overall == figures(random_evidence(statements, seed=3), POLICY).overall


def test_the_published_version_never_says_more() -> None:
    """A pass or breach of the published version is one of the auditor's as well."""
    for seed in range(5):
        whole = figures(random_evidence(80, seed), POLICY)
        shown = published(whole, POLICY)
        for one, all_ in zip(shown.comparisons, whole.comparisons, strict=True):
            assert one.verdict in {"insufficient", all_.verdict}
