"""Ratios, intervals and strata against books, published analyses and statsmodels' own results."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from statsmodels.stats.contingency_tables import StratifiedTable, Table2x2

from broker.auditor.parity.measures import Sample
from broker.auditor.parity.rates import corrected_level, relative_rate, z_of
from broker.auditor.parity.strata import Stratum, adjusted
from broker.auditor.parity.verdict import Verdict, of_interval, overall, together
from tests.auditor.parity.drawn import POLICY

Z = z_of(0.95)
BERKELEY = {
    "A": ((512, 825), (89, 108)),
    "B": ((353, 560), (17, 25)),
    "C": ((120, 325), (202, 593)),
    "D": ((138, 417), (131, 375)),
    "E": ((53, 191), (94, 393)),
    "F": ((22, 373), (24, 341)),
}
"""Bickel, Hammel and O'Connell 1975: department -> (admitted, applied) of men, of women."""
COUNTS = st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


def sample(reached: int, at_risk: int) -> Sample:
    """One line a statement."""
    clusters = ((1, 1),) * reached + ((0, 1),) * (at_risk - reached)
    return Sample(reached, at_risk, clusters)


def several(reached: int, at_risk: int, lines: int) -> Sample:
    """The same, each statement told to so many recipients who all do the same."""
    one = sample(reached, at_risk)
    clusters = tuple((a * lines, n * lines) for a, n in one.clusters)
    return Sample(reached * lines, at_risk * lines, clusters)


def test_the_physicians_health_study() -> None:
    """Agresti, Categorical Data Analysis: 189 of 11,034 against 104 of 11,037 is 1.82 (1.43 to 2.31)."""
    found = relative_rate(sample(189, 11034), sample(104, 11037), Z)

    assert found is not None
    assert [round(x, 2) for x in (found.ratio, found.low, found.high)] == [1.82, 1.43, 2.31]


def test_an_index_worked_out_by_hand() -> None:
    """30 of 100 against 60 of 120: 0.3 / 0.5 = 0.6; SE = sqrt(1/30 - 1/100 + 1/60 - 1/120) = 0.178."""
    found = relative_rate(sample(30, 100), sample(60, 120), 1.96)

    assert found is not None
    assert found.ratio == pytest.approx(0.6)
    assert found.se == pytest.approx(math.sqrt(0.0316667), rel=1e-5)
    assert (found.low, found.high) == pytest.approx((0.42334, 0.85038), rel=1e-4)


def test_nobody_missing_is_not_certainty() -> None:
    """One of one against one of one: 1.5/2 over 1.5/2, SE = sqrt(2 (1/1.5 - 1/2)) = 0.577."""
    found = relative_rate(sample(1, 1), sample(1, 1), 1.96)

    assert found is not None
    assert found.ratio == 1
    assert found.se == pytest.approx(math.sqrt(1 / 3))
    assert found.low < 0.33


@given(COUNTS, COUNTS)
def test_the_interval_is_that_of_statsmodels(one: tuple[int, int], other: tuple[int, int]) -> None:
    """Where no cell is nought and each statement has one line, Table2x2 says the same."""
    (a, n), (c, m) = one, other
    assume(0 not in {a, n - a, c, m - c})
    theirs = Table2x2(np.array([[a, n - a], [c, m - c]]))
    found = relative_rate(sample(*one), sample(*other), Z)

    assert found is not None
    assert found.ratio == pytest.approx(theirs.riskratio)
    assert (found.low, found.high) == pytest.approx(theirs.riskratio_confint(0.05), rel=1e-6)


@given(COUNTS, COUNTS)
def test_swapped_sides_give_the_inverse(one: tuple[int, int], other: tuple[int, int]) -> None:
    """Ratio and interval turn over, and the verdict stays but for the band's own ends."""
    there, back = (
        relative_rate(sample(*x), sample(*y), Z) for x, y in ((one, other), (other, one))
    )

    assert there is not None
    assert back is not None
    assert back.ratio == pytest.approx(1 / there.ratio)
    assert (back.low, back.high) == pytest.approx((1 / there.high, 1 / there.low))


@given(COUNTS, COUNTS, st.integers(2, 9))
def test_many_recipients_of_one_statement_are_one_observation(
    one: tuple[int, int], other: tuple[int, int], lines: int
) -> None:
    """Each statement told to nine who all do alike: no narrower interval than with one."""
    (a, n), (c, m) = one, other
    assume(0 not in {a, n - a, c, m - c})
    single = relative_rate(sample(*one), sample(*other), Z)
    many = relative_rate(several(*one, lines), several(*other, lines), Z)

    assert single is not None
    assert many is not None
    assert (many.low, many.high) == pytest.approx((single.low, single.high))
    assert many.widened == pytest.approx(lines)


def test_berkeley_admits_fewer_women_and_no_department_does() -> None:
    """Crude 1.47 for men; within departments p is 0.23 (R's mantelhaen.test), and no gap remains."""
    men = {name: sample(*one) for name, (one, _) in BERKELEY.items()}
    women = {name: sample(*other) for name, (_, other) in BERKELEY.items()}
    crude = relative_rate(sample(1198, 2691), sample(557, 1835), Z)
    equal = adjusted({(k,): v for k, v in men.items()}, {(k,): v for k, v in women.items()}, Z)

    assert crude is not None
    assert equal is not None
    assert crude.ratio == pytest.approx(1.4666, abs=1e-4)
    assert equal.p == pytest.approx(0.2323, abs=1e-4)
    above = sum(a * m / (n + m) for (a, n), (_, m) in BERKELEY.values())
    below = sum(c * n / (n + m) for (_, n), (c, m) in BERKELEY.values())
    assert equal.ratio.ratio == pytest.approx(above / below)
    assert equal.ratio.low < 1 < equal.ratio.high
    first = of_interval(crude, (2691, 1835), POLICY)
    second = of_interval(equal.ratio, (2691, 1835), POLICY)
    assert (first, second) == (Verdict.BREACH, Verdict.PASS)
    assert together(first, second, same_side=False) is Verdict.INSUFFICIENT


def test_the_published_odds_ratio_of_berkeley() -> None:
    """The tables are the published ones: common odds ratio 0.9047 (0.7719 to 1.0603)."""
    tables = [np.array([[a, n - a], [c, m - c]]) for (a, n), (c, m) in BERKELEY.values()]
    found = StratifiedTable(tables)

    assert found.oddsratio_pooled == pytest.approx(0.9047, abs=1e-4)
    assert found.oddsratio_pooled_confint() == pytest.approx((0.7719, 1.0603), abs=1e-3)


@given(COUNTS, COUNTS)
def test_one_stratum_is_no_stratum(one: tuple[int, int], other: tuple[int, int]) -> None:
    """With a single stratum the adjusted ratio and interval are those of the index."""
    plain = relative_rate(sample(*one), sample(*other), Z)
    equal = adjusted({("x",): sample(*one)}, {("x",): sample(*other)}, Z)

    assert plain is not None
    assert equal is not None
    assert (equal.ratio.ratio, equal.ratio.low, equal.ratio.high) == pytest.approx(
        (plain.ratio, plain.low, plain.high)
    )


def test_strata_without_both_sides_say_nothing() -> None:
    """What only one side said is left out, and how much that was is told."""
    one: dict[Stratum, Sample] = {("a",): sample(5, 50), ("b",): sample(50, 50)}
    other: dict[Stratum, Sample] = {("a",): sample(5, 50)}
    found = adjusted(one, other, Z)

    assert found is not None
    assert found.ratio.ratio == pytest.approx(1)
    assert (found.strata, round(found.shared, 3)) == (1, 0.667)
    assert adjusted({("b",): sample(1, 2)}, other, Z) is None


@given(COUNTS, COUNTS, st.integers(2, 20))
def test_fewer_data_decide_no_more(
    one: tuple[int, int], other: tuple[int, int], times: int
) -> None:
    """A part of the data in the same proportions gives no verdict that all of them do not give."""
    (a, n), (c, m) = one, other
    some = relative_rate(sample(a, n), sample(c, m), Z)
    every = relative_rate(sample(a * times, n * times), sample(c * times, m * times), Z)
    assume(0 not in {a, n - a, c, m - c})
    few = of_interval(some, (n, m), POLICY)

    assert few in {Verdict.INSUFFICIENT, of_interval(every, (n * times, m * times), POLICY)}


@given(st.integers(1, POLICY.least_statements - 1), st.integers(0, 500))
def test_too_few_statements_are_never_a_verdict(few: int, many: int) -> None:
    """Whatever the rates: below the policy's least number of statements nothing is decided."""
    for reached in (0, few):
        found = relative_rate(several(reached, few, 50), sample(many, 2 * many + 1), Z)
        assert of_interval(found, (few, 2 * many + 1), POLICY) is Verdict.INSUFFICIENT


@given(st.lists(st.sampled_from(Verdict), max_size=6))
def test_the_whole_passes_only_if_every_stage_does(found: list[Verdict]) -> None:
    """One breach is a breach, a pass needs all, and a stage that nobody reached is no pass."""
    whole = overall(found, stages=6)

    assert (whole is Verdict.BREACH) == (Verdict.BREACH in found)
    assert (whole is Verdict.PASS) == (found == [Verdict.PASS] * 6)


def test_equal_content_has_the_last_word() -> None:
    """It can show a breach that the raw rates hide, and take back one that they feign."""
    breach, ok, open_ = Verdict.BREACH, Verdict.PASS, Verdict.INSUFFICIENT
    found = {
        (one, other): together(one, other, same_side=True) for one in Verdict for other in Verdict
    }
    assert [pair for pair, said in found.items() if said is ok] == [(ok, ok)]
    assert {pair for pair, said in found.items() if said is breach} == {
        (breach, breach), (ok, breach), (open_, breach),
    }  # fmt: skip
    assert together(breach, breach, same_side=False) is open_


def test_intervals_that_hold_together_are_wider() -> None:
    """Bonferroni: for one comparison nothing changes; 2.807 for ten at 0.95."""
    assert z_of(corrected_level(0.95, 1)) == pytest.approx(1.959964, abs=1e-6)
    assert z_of(corrected_level(0.95, 10)) == pytest.approx(2.807034, abs=1e-6)
