"""The heart: what is known weighs, not who said it; an echo is no second witness."""

from __future__ import annotations

import datetime
import enum
import typing

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from broker.link import entry_of, link
from broker.model import types as t
from broker.model.values import Claim, Linked, Observation, PartInput, StateEntry, Weight
from broker.weigh import DEFAULT_PARAMETERS, WeightParameters, weigh
from tests.builders import concern
from tests.laws.histories import (
    GRADINGS,
    KNOWN,
    SPECIFIC,
    claims,
    histories,
    observations,
    parameters,
    part_of,
)

FRESH = st.just("origin-of-its-own")
STANDING = observations(FRESH, unknown=st.just(False)).map(
    lambda one: msgspec.structs.replace(one, dependent_on=())
)
"""An origin that nobody reported and that states no dependence."""
STATED = KNOWN[:3]
History = tuple[PartInput, tuple[StateEntry, ...]]
WHO = {
    *(word for one in t.Provenance for word in one.value.split("_")),
    *("mother", "father", "officer", "agency", "authority", "school", "source", "risk"),
} - {"other"}


def outcome(linked: Linked) -> tuple[Claim, Weight, int, object, tuple[str, ...]]:
    """All that link and weigh give, but for the event itself that they hand on."""
    weight = weigh(linked.claim, DEFAULT_PARAMETERS)
    return linked.claim, weight, linked.agencies_seen, linked.earlier, linked.flags


def with_own(claim: Claim, **changes: object) -> Claim:
    """The claim with the part's own observation changed."""
    first, *others = claim.observations
    return Claim((msgspec.structs.replace(first, **changes), *others), claim.as_of)


def and_also(claim: Claim, *more: Observation) -> Claim:
    return Claim((*claim.observations, *more), claim.as_of)


def types_within(kind: object) -> set[object]:
    """Every type that a value of `kind` can hold, down to the last field."""
    found: set[object] = set()
    waiting = [kind]
    while waiting:
        one = waiting.pop()
        if one in found:
            continue
        found.add(one)
        waiting.extend(typing.get_args(one))
        if isinstance(one, type) and issubclass(one, msgspec.Struct):
            waiting.extend(typing.get_type_hints(one).values())
    return found


def test_the_weigher_cannot_be_told_who_said_it() -> None:
    """No field of what weigh takes can hold a provenance, a publisher, a person or a grading."""
    seen = types_within(Claim) | types_within(WeightParameters)
    structs = {one for one in seen if isinstance(one, type) and issubclass(one, msgspec.Struct)}
    names = {name for one in structs for name in one.__struct_fields__}

    assert structs == {Claim, Observation, WeightParameters}
    assert not [one for one in seen if isinstance(one, type) and issubclass(one, enum.Enum)]
    assert not names & set(t.ConcernEvent.__struct_fields__) - {
        "origin_unknown",
        "directness",
        "specificity",
        "observed_at",
    }
    assert typing.get_type_hints(weigh) == {
        "claim": Claim,
        "parameters": WeightParameters,
        "return": Weight,
    }


@given(histories(), *[st.sampled_from(list(t.Provenance))] * 2)
def test_the_same_content_from_somebody_else_weighs_the_same(
    history: History, one: t.Provenance, other: t.Provenance
) -> None:
    """Another voice, agency and person: the same claim, weight, words, flags and earlier concerns."""
    part, past = history

    def said_by(provenance: t.Provenance, **changes: object) -> object:
        event = msgspec.structs.replace(part.event, provenance=provenance, **changes)
        return outcome(link(msgspec.structs.replace(part, event=event), past))

    source = t.Source(name="Example Person", relationship="neighbour")
    assert said_by(one, publisher="PUBLISHER-ONE") == said_by(
        other, publisher="PUBLISHER-OTHER", source=source, source_identifiable=True
    )


@given(histories(), st.sampled_from(STATED))
def test_an_officers_1a_is_worth_no_more_than_a_missing_grade(
    history: History, directness: str
) -> None:
    """Where directness is stated, 1A replaced by no grading at all changes nothing."""
    part, past = history
    best = t.Grading(scheme="3x5x2", source_evaluation="1", information_assessment="A")

    def graded(grading: t.Grading | None) -> object:
        event = msgspec.structs.replace(
            part.event, grading=grading, directness=t.Directness(directness)
        )
        return outcome(link(msgspec.structs.replace(part, event=event), past))

    assert graded(best) == graded(t.Grading(scheme="ungraded")) == graded(None)


@given(histories(), st.sampled_from(["A", "B", "C", "D", "E", None]))
def test_source_evaluation_1_and_2_and_none_are_the_same(
    history: History, letter: str | None
) -> None:
    """An agency's standing opinion of its sources does not count, for them or against them."""
    part, past = history

    def evaluated(evaluation: str | None) -> object:
        grading = t.Grading(
            scheme="3x5x2", source_evaluation=evaluation, information_assessment=letter
        )
        event = msgspec.structs.replace(part.event, grading=grading)
        return outcome(link(msgspec.structs.replace(part, event=event), past))

    assert evaluated("1") == evaluated("2") == evaluated(None)


@given(histories(), GRADINGS)
def test_a_doubt_that_nobody_answers_for_lowers_nothing(
    history: History, grading: t.Grading
) -> None:
    """Without a written reason and a reviewer, 3 weighs like 2 and E like no assessment."""
    part, past = history

    def value(given_grading: t.Grading) -> tuple[int, str]:
        event = msgspec.structs.replace(part.event, grading=given_grading)
        weight = weigh(
            link(msgspec.structs.replace(part, event=event), past).claim, DEFAULT_PARAMETERS
        )
        return weight.value, weight.band

    for missing in ("doubt_reason", "doubt_reviewer"):
        unanswered = msgspec.structs.replace(grading, **{missing: None})
        undoubting = {
            "3x5x2": {"3": "2", "E": None},
            "5x5x5": {"D": "E", "5": None},
        }.get(grading.scheme, {})
        neutral = msgspec.structs.replace(
            unanswered,
            source_evaluation=undoubting.get(
                grading.source_evaluation or "", grading.source_evaluation
            ),
            information_assessment=undoubting.get(
                grading.information_assessment or "", grading.information_assessment
            ),
        )
        assert value(unanswered) == value(neutral)


@given(claims(), parameters())
def test_a_doubt_only_ever_lowers(claim: Claim, numbers: WeightParameters) -> None:
    """And never below nothing: a doubted record takes nothing from the others."""
    doubted = weigh(with_own(claim, doubted=True), numbers)
    others = Claim(claim.observations[1:], claim.as_of)

    assert doubted.value <= weigh(with_own(claim, doubted=False), numbers).value
    if all(not one.dependent_on for one in claim.observations):
        assert doubted.value >= weigh(others, numbers).value


@given(claims(), parameters(), st.data())
def test_repeats_and_sequence_change_nothing(
    claim: Claim, numbers: WeightParameters, data: st.DataObject
) -> None:
    """The other observations in any sequence, and each any number of times: the same weight."""
    own, *others = claim.observations
    repeated = others + data.draw(st.lists(st.sampled_from(claim.observations), max_size=5))
    again = Claim((own, *data.draw(st.permutations(repeated))), claim.as_of)

    assert weigh(again, numbers) == weigh(claim, numbers)


@given(claims(), STANDING, parameters())
def test_a_further_independent_origin_never_lowers(
    claim: Claim, further: Observation, numbers: WeightParameters
) -> None:
    """Neither the value nor the number of origins, whatever is known already."""
    before, after = weigh(claim, numbers), weigh(and_also(claim, further), numbers)

    assert after.value >= before.value
    assert after.independent_origins >= before.independent_origins


@given(claims(), st.sampled_from("abcdef"), STANDING, parameters())
def test_not_even_one_that_others_are_said_to_depend_on(
    claim: Claim, letter: str, further: Observation, numbers: WeightParameters
) -> None:
    """When the origin that others named turns up at last, nothing is lost by it."""
    name = f"origin-{letter}"
    others = tuple(one for one in claim.observations if one.origin != name)
    before = weigh(Claim(others, claim.as_of), numbers)
    after = weigh(
        Claim((*others, msgspec.structs.replace(further, origin=name)), claim.as_of), numbers
    )

    assert after.value >= before.value
    assert after.independent_origins >= before.independent_origins


@given(claims(), st.lists(observations(), max_size=5), parameters())
def test_no_record_takes_away_what_a_standing_origin_adds(
    claim: Claim, others: list[Observation], numbers: WeightParameters
) -> None:
    """Whatever other origins state about it: who stands alone is not diluted."""
    standing = tuple(
        msgspec.structs.replace(one, origin_unknown=False, dependent_on=(), origin=f"own-{number}")
        for number, one in enumerate(claim.observations)
    )
    names = [one.origin for one in standing]
    tied = tuple(
        msgspec.structs.replace(
            one,
            dependent_on=tuple(
                (names[number % len(names)], rho)
                for number, (_, rho) in enumerate(one.dependent_on)
            ),
        )
        for one in others
    )
    before = weigh(Claim(standing, claim.as_of), numbers)
    after = weigh(Claim((*standing, *tied), claim.as_of), numbers)

    assert after.value >= before.value
    assert after.independent_origins >= before.independent_origins


@given(claims(), st.data(), parameters())
def test_an_echo_never_changes_the_weight(
    claim: Claim, data: st.DataObject, numbers: WeightParameters
) -> None:
    """The same or less of an origin, heard once more: value, band, words and count stay."""
    heard = data.draw(st.sampled_from(claim.observations))
    later = st.timedeltas(datetime.timedelta(0), datetime.timedelta(days=90))
    directness = heard.directness
    if directness != "not_stated":
        directness = data.draw(st.sampled_from(STATED[STATED.index(directness) :]))
    echo = msgspec.structs.replace(
        heard,
        directness=directness,
        specificity=data.draw(st.sampled_from(SPECIFIC[SPECIFIC.index(heard.specificity) :])),
        observed_at=heard.observed_at - data.draw(later),
        dependent_on=data.draw(st.sampled_from([heard.dependent_on, ()])),
    )

    assert weigh(and_also(claim, echo), numbers) == weigh(claim, numbers)


@given(claims(), observations(unknown=st.just(True)), parameters())
def test_a_record_of_unknown_origin_adds_nothing_to_others(
    claim: Claim, unknown: Observation, numbers: WeightParameters
) -> None:
    """With it the claim is worth the more of both, and rests on no more origins."""
    apart = weigh(Claim((unknown,), claim.as_of), numbers)
    before, after = weigh(claim, numbers), weigh(and_also(claim, unknown), numbers)

    assert after.value == max(before.value, apart.value)
    assert after.independent_origins == before.independent_origins


@given(claims(), parameters())
def test_what_is_known_at_first_hand_weighs_no_less(
    claim: Claim, numbers: WeightParameters
) -> None:
    """Direct is worth no less than indirect, that no less than not known; not stated is not known."""
    by_directness = [
        weigh(with_own(claim, directness=one, letter=None), numbers).value for one in KNOWN
    ]

    assert by_directness == sorted(by_directness, reverse=True)
    assert by_directness[KNOWN.index("not_known")] == by_directness[KNOWN.index("not_stated")]


@given(claims(), parameters())
def test_what_is_specific_weighs_no_less(claim: Claim, numbers: WeightParameters) -> None:
    """Specific, partial, general; not stated counts as general."""
    by_specificity = [weigh(with_own(claim, specificity=one), numbers).value for one in SPECIFIC]

    assert by_specificity == sorted(by_specificity, reverse=True)
    assert by_specificity[-1] == by_specificity[-2]


@given(claims(), st.timedeltas(datetime.timedelta(0), datetime.timedelta(days=900)), parameters())
def test_what_was_observed_later_weighs_no_less(
    claim: Claim, later: datetime.timedelta, numbers: WeightParameters
) -> None:
    """Recency counts from the observation; a date that lies ahead counts as now."""
    own = claim.observations[0]
    fresher = with_own(claim, observed_at=own.observed_at + later)
    now = with_own(claim, observed_at=max(own.observed_at, claim.as_of))
    ahead = with_own(claim, observed_at=claim.as_of + later)

    assert weigh(fresher, numbers).value >= weigh(claim, numbers).value
    assert weigh(now, numbers).value == weigh(ahead, numbers).value


@given(claims(), parameters(), st.sampled_from(STATED))
def test_a_letter_counts_only_where_directness_is_not_stated(
    claim: Claim, numbers: WeightParameters, directness: str
) -> None:
    """Beside a stated directness every letter is the same as none, in value and in words."""
    found = {
        weigh(with_own(claim, directness=directness, letter=letter), numbers)
        for letter in (None, *"ABCDE")
    }

    assert len(found) == 1


@given(claims(), parameters())
def test_a_stated_b_is_worth_a_c(claim: Claim, numbers: WeightParameters) -> None:
    """Corroboration is counted from origins and taken on nobody's word."""
    by_letter = [
        weigh(with_own(claim, directness="not_stated", letter=letter), numbers) for letter in "BC"
    ]

    assert by_letter[0] == by_letter[1]


@given(claims(), parameters())
def test_a_weight_is_an_integer_of_0_to_1000_with_a_band_and_its_reasons(
    claim: Claim, numbers: WeightParameters
) -> None:
    """The scale, its bands in order, at least one origin, and B only for two."""
    weight = weigh(claim, numbers)
    at_least = {
        "strong": numbers.strong,
        "considerable": numbers.considerable,
        "some": numbers.some,
        "slight": 0,
    }

    assert type(weight.value) is int
    assert 0 <= weight.value <= 1000
    assert weight.band == next(band for band, least in at_least.items() if weight.value >= least)
    assert weight.independent_origins >= 1
    assert weight.computed_letter is None or weight.independent_origins >= 2
    assert len(set(weight.explanation)) == len(weight.explanation) >= 4


@given(claims(), parameters())
def test_the_words_name_no_person_class_or_agency(claim: Claim, numbers: WeightParameters) -> None:
    """Plain sentences of a fixed stock: no id, no date, no word for who said it, none of risk."""
    for sentence in weigh(claim, numbers).explanation:
        words = set(sentence.lower().replace(",", " ").replace(".", " ").split())
        assert sentence[0].isupper()
        assert sentence.endswith(".")
        assert not words & WHO
        assert "origin-" not in sentence


def test_a_mothers_sighting_outweighs_an_officers_hearsay() -> None:
    """She saw the knife and nobody graded her; he was told of it and graded himself 1."""
    knife = concern(grading=None, provenance=t.Provenance.PARENT)
    hearsay = concern(
        provenance=t.Provenance.POLICE,
        directness=t.Directness.INDIRECT,
        grading=t.Grading(scheme="3x5x2", source_evaluation="1", information_assessment="A"),
    )
    same = concern(provenance=t.Provenance.POLICE, grading=hearsay.grading)
    weights = [
        weigh(link(part_of(event), ()).claim, DEFAULT_PARAMETERS)
        for event in (knife, same, hearsay)
    ]

    assert weights[0] == weights[1]
    assert weights[0].value > weights[2].value


@given(histories())
def test_the_state_holds_no_voice_either(
    history: History,
) -> None:
    """What a part leaves behind is the same whoever spoke, so the past cannot tell them apart."""
    part, _ = history
    entries = {
        entry_of(
            msgspec.structs.replace(
                part, event=msgspec.structs.replace(part.event, provenance=provenance)
            )
        )
        for provenance in t.Provenance
    }

    assert len(entries) == 1
