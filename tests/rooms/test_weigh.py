"""Weigh: the table, the numbers in force, and what they make of plain cases."""

from __future__ import annotations

import datetime
from decimal import ROUND_HALF_UP, Decimal, localcontext
from typing import Any

import msgspec
import pytest

from broker.model.canonical import canonical_json
from broker.model.values import Claim, Observation, Weight
from broker.weigh import DEFAULT_PARAMETERS, WeightParameters, weigh
from broker.weigh.explanation import UNKNOWN
from broker.weigh.odds import STEP, TABLE, value_of
from tests.builders import NOW


def seen(origin: str = "a", days: int = 0, **changes: object) -> Observation:
    """Seen at first hand, specific, so many days ago."""
    base = Observation(
        origin=origin,
        origin_unknown=False,
        directness="direct",
        specificity="specific",
        letter=None,
        doubted=False,
        observed_at=NOW - datetime.timedelta(days=days),
    )
    return msgspec.structs.replace(base, **changes)


def told(origin: str = "a", **changes: Any) -> Observation:
    return seen(origin, directness="indirect", **changes)


def weight_of(*observations: Observation) -> Weight:
    return weigh(Claim(observations, NOW), DEFAULT_PARAMETERS)


def test_the_table_is_the_logistic_curve_to_the_nearest_integer() -> None:
    """Every entry derived again to fifty digits; it ends where the curve reaches 1000."""
    with localcontext() as context:
        context.prec = 50
        derived = [
            int((1000 / (1 + (Decimal(-n) / 100).exp())).to_integral_value(rounding=ROUND_HALF_UP))
            for n in range(len(TABLE) + 1)
        ]

    assert tuple(derived[:-1]) == TABLE
    assert derived[-3:] == [999, 1000, 1000]


def test_values_rise_from_0_to_1000_and_mirror_each_other() -> None:
    """Over all log-odds, far beyond the table at both ends."""
    values = [value_of(log_odds) for log_odds in range(-9000, 9001, STEP)]

    assert values == sorted(values)
    assert (values[0], values[len(values) // 2], values[-1]) == (0, 500, 1000)
    assert [1000 - one for one in reversed(values)] == values
    assert value_of(-(10**9)) == 0
    assert value_of(10**9) == 1000


def test_the_parameters_hold_no_float_and_have_canonical_bytes() -> None:
    """Every record names them by the hash of these bytes: a change here is a new policy."""
    assert canonical_json(DEFAULT_PARAMETERS) == (
        b'{"considerable":600,"direct":2600,"doubted":300,"general":500,"indirect":1300,'
        b'"not_known":800,"older":400,"partial":800,"recency":[[7,1000],[28,900],[91,750],'
        b'[365,550]],"some":350,"specific":1000,"start":-1500,"strong":850}'
    )


@pytest.mark.parametrize(
    ("observations", "value", "band"),
    [
        ((seen(),), 750, "considerable"),
        ((told(),), 450, "some"),
        ((seen(directness="not_known"),), 332, "slight"),
        ((seen(specificity="partial"),), 641, "considerable"),
        ((seen(specificity="general"),), 450, "some"),
        ((seen(days=30),), 611, "considerable"),
        ((seen(days=400),), 387, "some"),
        ((told("a"), told("b")), 750, "considerable"),
        ((seen("a"), told("b")), 917, "strong"),
        ((seen("a"), seen("b")), 976, "strong"),
        ((seen("a"), told("a"), told("a")), 750, "considerable"),
        ((seen(doubted=True),), 327, "slight"),
    ],
)
def test_plain_cases_weigh_as_the_record_of_the_decision_says(
    observations: tuple[Observation, ...], value: int, band: str
) -> None:
    """The cases of docs/adr/0005-weight.md; two told of it apart weigh as much as one who saw it."""
    weight = weight_of(*observations)

    assert (weight.value, weight.band) == (value, band)


@pytest.mark.parametrize(
    ("letter", "like"),
    [("A", "direct"), ("B", "indirect"), ("C", "indirect"), ("D", "not_known"), ("E", "not_known")],
)
def test_a_letter_stands_in_where_directness_is_not_stated(letter: str, like: str) -> None:
    """A counts as seen, B and C as told, D as not known; E says nothing of how it is known."""
    graded = weight_of(seen(directness="not_stated", letter=letter))

    assert graded.value == weight_of(seen(directness=like)).value
    assert any("grading" in sentence for sentence in graded.explanation) is (letter != "E")


def test_two_parents_of_one_household_count_in_part_if_each_saw_it() -> None:
    """Half of the second is added; whichever of them states it, and if both do."""
    mother, father = seen("m"), seen("f")
    apart, alone = weight_of(mother, father), weight_of(mother)
    on_father = msgspec.structs.replace(mother, dependent_on=(("f", 500),))
    on_mother = msgspec.structs.replace(father, dependent_on=(("m", 500),))
    tied = [
        weight_of(on_father, father),
        weight_of(mother, on_mother),
        weight_of(on_father, on_mother),
    ]

    assert {one.value for one in tied} == {917}
    assert alone.value < 917 < apart.value
    assert {one.independent_origins for one in tied} == {2}
    assert all(any("independent of each" in s for s in one.explanation) for one in tied)


def test_a_parent_who_was_told_by_the_other_is_no_second_witness() -> None:
    """Of one household both count only if each observed it; else only the one who did."""
    mother = seen("m", dependent_on=(("f", 500),))
    for father in (told("f"), told("f", dependent_on=(("m", 500),))):
        weight = weight_of(mother, father)

        assert weight.value == weight_of(seen("m")).value
        assert weight.independent_origins == 1


def test_a_stated_dependence_on_somebody_who_never_reported_costs_nothing() -> None:
    """A mother who says that the father knows too weighs, beside a teacher, as if she had not."""
    mother, teacher = seen("m"), seen("t")
    candid = msgspec.structs.replace(mother, dependent_on=(("f", 500),))

    assert weight_of(candid).value == weight_of(mother).value
    assert weight_of(candid, teacher).value == weight_of(mother, teacher).value


def test_not_known_how_dependent_adds_nothing() -> None:
    """Discount 1000 per mille: the more of both, and one origin."""
    unsure = told("b", dependent_on=(("a", 1000),))

    assert weight_of(seen("a"), unsure).value == weight_of(seen("a")).value
    assert weight_of(seen("a"), unsure).independent_origins == 1


def test_who_may_depend_on_two_others_takes_neither_of_them_away() -> None:
    """Two who were told of it apart stay two origins, whatever a third states about them."""
    third = seen("c", dependent_on=(("a", 500), ("b", 500)))
    weight = weight_of(told("a"), told("b"), third)

    assert weight.independent_origins == 2
    assert weight.value >= weight_of(told("a"), told("b")).value


def test_b_is_worked_out_for_second_hand_knowledge_of_two_origins_only() -> None:
    """Not for one origin, not for who saw it, not for how it is not known."""
    assert weight_of(told("a"), told("b")).computed_letter == "B"
    assert weight_of(told("a"), told("a")).computed_letter is None
    assert weight_of(seen("a"), told("b")).computed_letter is None
    assert weight_of(seen("a", directness="not_known"), told("b")).computed_letter is None
    graded = seen("a", directness="not_stated", letter="C")
    assert weight_of(graded, told("b")).computed_letter == "B"


def test_the_explanation_reads_as_plain_sentences() -> None:
    """What a duty social worker reads, whole."""
    doubted = told("b", doubted=True, days=3)
    unknown = told("c", origin_unknown=True)

    assert weight_of(told("a", days=2), doubted, unknown).explanation == (
        "It is known at second hand: somebody else told the observer.",
        "It is specific: it says who, when and where.",
        "It was observed no more than 7 days before it was received.",
        "It rests on 2 independent first observations, which add up.",
        "Second-hand knowledge is corroborated here: worked out as assessment B.",
        UNKNOWN,
        "A record is doubted, with a written reason and a reviewer, and counts for less.",
    )


def test_old_knowledge_says_so_and_still_counts() -> None:
    """Beyond the last step of recency there is a floor, not nothing."""
    old = weight_of(seen(days=4000, specificity="not_stated"))

    assert old.value > weigh(Claim((), NOW), DEFAULT_PARAMETERS).value
    assert "more than 365 days" in " ".join(old.explanation)
    assert "was not stated, so it counts as general" in " ".join(old.explanation)


def test_a_claim_without_observations_counts_nothing() -> None:
    """It does not happen in the flow; it is no error either."""
    empty = weigh(Claim((), NOW), DEFAULT_PARAMETERS)

    assert (empty.value, empty.independent_origins, empty.band) == (182, 0, "slight")
    assert empty.explanation == ("No observation was counted.",)


@pytest.mark.parametrize(
    "changes",
    [
        {"indirect": 2601},
        {"not_known": -1},
        {"specific": 1001},
        {"general": 900},
        {"recency": ((7, 900), (28, 1000))},
        {"recency": ((28, 1000), (7, 900))},
        {"older": 551},
        {"doubted": 1001},
        {"some": 601},
    ],
)
def test_numbers_under_which_better_knowledge_weighs_less_are_refused(
    changes: dict[str, object],
) -> None:
    """The laws hold because no other parameters can be made."""
    with pytest.raises(ValueError, match="weight parameters: "):
        WeightParameters(**changes)  # type: ignore[arg-type]
