"""Link: what a part is linked with, by example; scenario S4; gradings; what leaves state behind."""

from __future__ import annotations

import datetime

import msgspec
import pytest

from broker.link import NEAR, entry_of, link
from broker.model import types as t
from broker.model.values import EarlierConcern, Linked, StateEntry, Weight
from broker.weigh import DEFAULT_PARAMETERS, weigh
from tests.builders import NOW, SANDWELL, WOLVERHAMPTON, concern
from tests.laws.histories import part_of, past_of

FORCE = "E23000014"
SCHOOL = "SCH-SW-TEST"
DAY = datetime.timedelta(days=1)
MOMENT = datetime.timedelta(milliseconds=1)


def told(event_id: str, publisher: str, **changes: object) -> t.ConcernEvent:
    """One record of what a grandmother was told: at second hand, about weapons, this week."""
    base = concern(
        event_id=event_id,
        publisher=publisher,
        origin_id="grandmothers-report",
        directness=t.Directness.INDIRECT,
        observed_at=NOW - 2 * DAY,
    )
    return msgspec.structs.replace(base, **changes)


POLICE_GRADE = t.Grading(scheme="3x5x2", source_evaluation="2", information_assessment="C")
ECHOES = (
    told("report", "ADV-TEST", provenance=t.Provenance.FAMILY_MEMBER),
    told("school-log", SCHOOL, provenance=t.Provenance.EDUCATION),
    told(
        "intelligence",
        FORCE,
        provenance=t.Provenance.POLICE,
        directness=t.Directness.NOT_STATED,
        grading=POLICE_GRADE,
        origin_id="grandmothers-report",
        derived_from=("school-log",),
    ),
    told(
        "youth-justice-note",
        WOLVERHAMPTON,
        provenance=t.Provenance.YOUTH_JUSTICE,
        origin_id="note-of-our-own",
        derived_from=("intelligence",),
    ),
)
SIGHTING = concern(
    event_id="sighting",
    publisher=SANDWELL,
    origin_id="youth-workers-sighting",
    provenance=t.Provenance.SOCIAL_CARE,
    observed_at=NOW - DAY,
)


def one_after_the_other(*events: t.ConcernEvent) -> list[Linked]:
    """Each event linked with those before it."""
    return [
        link(part_of(event, order), past_of(*events[:order])) for order, event in enumerate(events)
    ]


def weight_of(linked: Linked) -> Weight:
    return weigh(linked.claim, DEFAULT_PARAMETERS)


def test_s4_one_report_through_four_agencies_is_one_origin() -> None:
    """Grandmother, school, police 2C, youth justice: four records, one origin, no more weight."""
    linked = one_after_the_other(*ECHOES)
    weights = [weight_of(one) for one in linked]

    assert [one.agencies_seen for one in linked] == [1, 2, 3, 4]
    assert {one.independent_origins for one in weights} == {1}
    assert {one.computed_letter for one in weights} == {None}
    assert {one.value for one in weights} == {weights[0].value}
    assert ["origin_echo" in one.flags for one in linked] == [False, True, True, True]
    assert linked[2].part.event.grading == POLICE_GRADE
    assert any(
        "one independent first observation" in sentence for sentence in weights[3].explanation
    )


def test_s4_a_sighting_of_its_own_makes_two_origins_and_allows_b() -> None:
    """A youth worker saw it: two origins; second-hand knowledge of it now counts as corroborated."""
    sighting, note = one_after_the_other(
        *ECHOES, SIGHTING, told("later-note", "YJS-TEST", observed_at=NOW - DAY)
    )[-2:]
    alone = weight_of(link(part_of(SIGHTING), ()))

    assert (sighting.agencies_seen, note.agencies_seen) == (1, 5)
    assert weight_of(sighting).independent_origins == weight_of(note).independent_origins == 2
    assert weight_of(note).computed_letter == "B"
    assert weight_of(sighting).computed_letter is None, "she saw it herself: A, and no B"
    assert weight_of(sighting).value == weight_of(note).value > alone.value
    assert "origin_echo" not in sighting.flags


def test_s4_replayed_gives_the_same() -> None:
    """Every part again, with all that came later already in state."""
    events = (*ECHOES, SIGHTING)
    everything = past_of(*events)

    assert [
        link(part_of(event, order), everything) for order, event in enumerate(events)
    ] == one_after_the_other(*events)


def test_s4_names_each_earlier_voice_once() -> None:
    """Who published before is named with its first record; a repeat of its own is no further concern."""
    again = told("school-log-again", SCHOOL, observed_at=NOW - DAY)
    linked = one_after_the_other(*ECHOES[:2], again, SIGHTING)[-1]

    assert linked.earlier == (
        EarlierConcern("report", "ADV-TEST"),
        EarlierConcern("school-log", SCHOOL),
    )


@pytest.mark.parametrize(
    ("apart", "bears"),
    [(NEAR, True), (NEAR + MOMENT, False), (-NEAR, True), (-NEAR - MOMENT, False)],
)
def test_windows_that_lie_a_week_apart_are_near(apart: datetime.timedelta, bears: bool) -> None:
    """Up to seven days before or after, to the millisecond; observed_at stands in for no window."""
    threat = t.TimeInterval(start=NOW, end=NOW)
    event = concern(when=threat, observed_at=NOW - 300 * DAY)
    other = concern(event_id="other", origin_id="other", observed_at=NOW + apart)

    assert (len(link(part_of(event), past_of(other)).claim.observations) == 2) is bears


def test_windows_that_overlap_bear_however_long_they_are() -> None:
    """A whole term and one afternoon in it; a window whose end was put first is read all the same."""
    term = t.TimeInterval(start=NOW + 40 * DAY, end=NOW - 40 * DAY)
    afternoon = t.TimeInterval(start=NOW - 20 * DAY)
    event = concern(when=term)
    other = concern(event_id="other", origin_id="other", when=afternoon)

    assert len(link(part_of(event), past_of(other)).claim.observations) == 2


@pytest.mark.parametrize("year", [1, 9999])
def test_a_date_at_the_end_of_the_calendar_is_no_error(year: int) -> None:
    """A mistyped year must not stop a part: linking never fails on what verify lets through."""
    far = datetime.datetime(year, 1 if year == 1 else 12, 1, tzinfo=datetime.UTC)
    event = concern(when=t.TimeInterval(start=far), observed_at=far)

    assert weight_of(link(part_of(event), past_of(concern(event_id="other")))).value > 0


def test_no_harm_in_common_means_not_one_claim() -> None:
    """An event that states no harm is corroborated by nothing, and corroborates nothing."""
    silent = concern(event_id="silent", origin_id="silent", harms=())

    assert len(link(part_of(silent), past_of(concern())).claim.observations) == 1
    assert len(link(part_of(concern()), past_of(silent)).claim.observations) == 1


def test_an_unknown_origin_is_flagged_and_adds_nothing() -> None:
    """What nobody can trace is shown as such and is no second witness."""
    rumour = concern(event_id="rumour", origin_id="unknown", origin_unknown=True)
    linked = link(part_of(rumour), past_of(concern()))

    assert linked.flags == ("origin_unknown",)
    assert weight_of(linked).independent_origins == 1
    assert weight_of(linked).value == weight_of(link(part_of(concern()), ())).value


def test_a_filler_for_an_unknown_origin_does_not_make_two_witnesses_one() -> None:
    """Two agencies write `unknown` where they do not know: what they made theirs from stays apart."""
    first = concern(event_id="one", origin_id="origin-one")
    second = concern(event_id="two", origin_id="origin-two")
    fillers = [
        concern(
            event_id=f"made-from-{source}",
            origin_id="unknown",
            origin_unknown=True,
            derived_from=(source,),
        )
        for source in ("one", "two")
    ]
    linked = link(part_of(first), past_of(second, *fillers))

    assert weight_of(linked).independent_origins == 2


def test_flags_say_what_a_reader_must_know() -> None:
    """The part's own flags first, each once; an unlabelled grading and a single indicator."""
    event = concern(
        grading=t.Grading(scheme="local scale", information_assessment="A"),
        stated_category=t.StatedCategory(
            scheme="cin_factors", code="24A", indicators=("new phone", "new phone")
        ),
    )
    part = part_of(event, flags=("unsigned", "grading_unlabelled"))

    assert link(part, ()).flags == ("unsigned", "grading_unlabelled", "single_indicator")


@pytest.mark.parametrize("indicators", [(), ("new phone", "missing at night")])
def test_two_indicators_or_none_are_not_flagged_as_one(indicators: tuple[str, ...]) -> None:
    """None stated is not one."""
    category = t.StatedCategory(scheme="cin_factors", code="24A", indicators=indicators)

    assert link(part_of(concern(stated_category=category)), ()).flags == ()


@pytest.mark.parametrize(
    ("scheme", "assessment", "letter"),
    [
        ("3x5x2", "A", "A"),
        ("3x5x2", " c ", "C"),
        ("3x5x2", "E", "E"),
        ("3x5x2", "1", None),
        ("3x5x2", None, None),
        ("5x5x5", "1", "A"),
        ("5x5x5", "2", "A"),
        ("5x5x5", "3", "B"),
        ("5x5x5", "4", "D"),
        ("5x5x5", "5", "E"),
        ("5x5x5", "A", None),
        ("ungraded", "A", None),
        ("A1", "A", None),
    ],
)
def test_letters_are_read_in_their_own_scheme_only(
    scheme: str, assessment: str | None, letter: str | None
) -> None:
    """3x5x2 as it is, 5x5x5 by the safe map; where the scheme is not said there is no letter."""
    grading = t.Grading(scheme=scheme, information_assessment=assessment)
    entry = entry_of(part_of(concern(grading=grading, directness=t.Directness.NOT_STATED)))
    stated = entry_of(part_of(concern(grading=grading, directness=t.Directness.INDIRECT)))

    assert entry.observation.letter == letter
    assert stated.observation.letter is None


@pytest.mark.parametrize(
    ("scheme", "evaluation", "assessment", "doubted"),
    [
        ("3x5x2", "3", "C", True),
        ("3x5x2", "2", "E", True),
        ("3x5x2", "2", "D", False),
        ("3x5x2", "1", None, False),
        ("5x5x5", "D", "4", True),
        ("5x5x5", "B", "5", True),
        ("5x5x5", "E", "4", False),
        ("5x5x5", "3", "E", False),
        ("ungraded", "3", "E", False),
    ],
)
def test_only_3_or_e_is_a_doubt_and_only_in_writing(
    scheme: str, evaluation: str, assessment: str | None, doubted: bool
) -> None:
    """Untested is neutral; a doubt needs a reason and somebody who has looked at it."""
    grading = t.Grading(
        scheme=scheme,
        source_evaluation=evaluation,
        information_assessment=assessment,
        doubt_reason="was elsewhere at that time",
        doubt_reviewer="reviewer-1",
    )

    def is_doubted(given: t.Grading) -> bool:
        return entry_of(part_of(concern(grading=given))).observation.doubted

    assert is_doubted(grading) is doubted
    assert not is_doubted(msgspec.structs.replace(grading, doubt_reason=" "))
    assert not is_doubted(msgspec.structs.replace(grading, doubt_reviewer=None))


def test_a_correction_is_no_second_witness_to_what_it_corrects() -> None:
    """Even under an origin id of its own it goes back to the record that it corrects."""
    correction = concern(
        event_id="correction",
        event_type=t.EventType.CORRECTION,
        origin_id="another",
        relates_to=concern().event_id,
    )
    linked = link(part_of(correction), past_of(concern()))

    assert weight_of(linked).independent_origins == 1
    assert linked.agencies_seen == 1


def test_a_retraction_is_no_witness_and_what_it_takes_back_stands_until_confirmed() -> None:
    """Its entry never counts; a person confirms it before the other's stops counting."""
    retraction = concern(
        event_id="retraction",
        event_type=t.EventType.RETRACTION,
        origin_id="another",
        relates_to=concern().event_id,
    )
    witness = concern(event_id="witness", origin_id="witness")
    linked = link(part_of(witness), past_of(concern(), retraction))

    assert entry_of(part_of(retraction)).retracted
    assert weight_of(linked).independent_origins == 2
    assert [one.event_id for one in linked.earlier] == [concern().event_id]


def test_a_strength_is_no_witness_of_the_harm() -> None:
    """A protective factor that names the harm does not corroborate it; it is an earlier concern."""
    strength = concern(
        event_id="strength", origin_id="strength", event_type=t.EventType.PROTECTIVE_FACTOR
    )
    linked = link(part_of(concern()), past_of(strength))

    assert len(linked.claim.observations) == 1
    assert len(linked.earlier) == 1


def test_a_stated_dependence_is_read_under_the_name_of_its_origin() -> None:
    """It may name any id of that origin; the discount is the highest of what is stated."""
    father = concern(event_id="father", origin_id="origin-f", derived_from=("a-first-note",))
    mother = concern(
        event_id="mother",
        origin_id="origin-m",
        dependence=(
            t.Dependence(origin_id="father", basis=t.DependenceBasis.SHARED_HOUSEHOLD),
            t.Dependence(origin_id="a-first-note", basis=t.DependenceBasis.NOT_KNOWN),
            t.Dependence(origin_id="mother", basis=t.DependenceBasis.NOT_KNOWN),
        ),
    )
    own, other = link(part_of(mother), past_of(father)).claim.observations

    assert own.dependent_on == (("origin-f", 1000),)
    assert (other.origin, other.dependent_on) == ("origin-f", ())


def test_what_stays_behind_has_no_content_and_survives_storage() -> None:
    """Ids, harms, times and how it is known: no name, no words, and MessagePack gives it back."""
    event = concern(summary="Example words", source=t.Source(name="Example Person"))
    entry = entry_of(part_of(event))
    stored = msgspec.msgpack.encode(entry)

    assert msgspec.msgpack.decode(stored, type=StateEntry) == entry
    for word in (b"Example", b"9434765919", b"parent"):
        assert word not in stored
