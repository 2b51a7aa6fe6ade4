"""Verify: each refusal has its reason and says what to do; a mistyped number does not stop a warning."""

import datetime

import msgspec
import pytest

from broker.model import types as t
from broker.model.values import Rejection
from broker.verify import check_action, check_event
from tests.builders import (
    GOOD_NHS,
    GOOD_UPN,
    NOW,
    SANDWELL,
    WOLVERHAMPTON,
    concern,
    small_reference,
    subject,
)

REFERENCE = small_reference()
SEED = bytes(32)


def checked(event: t.ConcernEvent) -> tuple[t.ConcernEvent, tuple[str, ...]] | Rejection:
    """The event checked as an unsigned one, received now."""
    return check_event(event, None, SEED, NOW, REFERENCE)


def refusal(event: t.ConcernEvent) -> Rejection:
    """The refusal of an event that must be refused."""
    outcome = checked(event)
    assert isinstance(outcome, Rejection)
    return outcome


def accepted(event: t.ConcernEvent) -> tuple[t.ConcernEvent, tuple[str, ...]]:
    """The outcome of an event that must be accepted."""
    outcome = checked(event)
    assert not isinstance(outcome, Rejection), outcome
    return outcome


def with_identifier(scheme: str, value: str) -> t.ConcernEvent:
    """An event whose child has just this identifier."""
    one = t.Identifier(scheme=t.IdentifierScheme(scheme), value=value)
    return concern(subjects=(subject(identifiers=(one,)),))


def test_a_sound_event_is_accepted_and_marked_unsigned() -> None:
    """Without an envelope the event goes on, and every record says that nobody signed it."""
    assert accepted(concern()) == (concern(), ("unsigned",))


@pytest.mark.parametrize(
    ("scheme", "value", "sound"),
    [
        ("nhs_number", GOOD_NHS, True),
        ("nhs_number", "943 476 5919", True),
        ("nhs_number", "9434765918", False),
        ("nhs_number", "not a number", False),
        ("upn", GOOD_UPN, True),
        ("upn", "A801200005001", False),
        ("upn", "", False),
        ("local", "anything", True),
        ("local", "  ", False),
    ],
)
def test_a_failed_check_digit_sets_the_identifier_aside_and_flags_the_event(
    scheme: str, value: str, *, sound: bool
) -> None:
    """The event goes on without the identifier; it is never refused for it."""
    event, flags = accepted(with_identifier(scheme, value))

    assert bool(event.subjects[0].identifiers) == sound
    assert ("check_digit_failed" in flags) == (not sound)


@pytest.mark.parametrize("year_of_authority", [801, 942, 838])
def test_a_upn_of_a_new_authority_is_sound_if_its_letter_is(year_of_authority: int) -> None:
    """Authorities are made and merged; only form and check letter are judged."""
    letters = "ABCDEFGHJKLMNPQRTUVWXYZ"
    digits = f"{year_of_authority}200005001"
    total = sum(int(digit) * weight for digit, weight in zip(digits, range(2, 14), strict=True))
    event, flags = accepted(with_identifier("upn", letters[total % 23] + digits))

    assert event.subjects[0].identifiers
    assert flags == ("unsigned",)


def test_an_event_about_nothing_is_refused() -> None:
    """No child, no place, no group: nothing could be decided."""
    assert refusal(concern(subjects=())).reason == "no_subject_and_no_place"


def test_an_unknown_gss_code_is_refused_by_name_of_the_field() -> None:
    """The message says where the code stands, and not what it says of the child."""
    place = t.Place(precision=t.PlacePrecision.LA, la_gss="E08999999")

    found = refusal(concern(place=place))

    assert found.reason == "invalid_gss_code"
    assert found.explanation.startswith("place.la_gss")


@pytest.mark.parametrize(
    ("own", "others", "reason"),
    [
        (WOLVERHAMPTON, (SANDWELL,), None),
        (WOLVERHAMPTON, ("E08000999",), None),
        (WOLVERHAMPTON, (WOLVERHAMPTON,), "areas_do_not_adjoin"),
        (None, (SANDWELL,), "areas_do_not_adjoin"),
        (WOLVERHAMPTON, (SANDWELL,) * 6, "areas_do_not_adjoin"),
        (WOLVERHAMPTON, ("E08999999",), "invalid_gss_code"),
    ],
)
def test_a_place_on_a_border_names_only_areas_that_adjoin(
    own: str | None, others: tuple[str, ...], reason: str | None
) -> None:
    """Whoever names an area makes it concerned: nobody can name the whole country."""
    place = t.Place(precision=t.PlacePrecision.STREET, la_gss=own, also_gss=others)
    outcome = checked(concern(place=place))

    if reason is None:
        assert not isinstance(outcome, Rejection)
        event, _ = outcome
        assert event.place is not None
        assert event.place.also_gss == (SANDWELL,)
    else:
        assert isinstance(outcome, Rejection)
        assert outcome.reason == reason
        assert outcome.explanation.startswith("place.also_gss: ")


def test_an_unknown_organisation_is_refused() -> None:
    """A school that the register does not have cannot be told anything."""
    nexus = (t.NexusFact(kind=t.NexusKind.SCHOOLED_IN, organisation="SCH-NOWHERE"),)

    assert refusal(concern(subjects=(subject(nexus=nexus),))).reason == "unknown_organisation"


def test_an_unknown_organisation_beside_a_known_one_is_set_aside_and_named() -> None:
    """A mistyped school does not stop a warning from reaching the child's authority."""
    home = t.NexusFact(kind=t.NexusKind.HOME, organisation=WOLVERHAMPTON)
    typo = t.NexusFact(kind=t.NexusKind.SCHOOLED_IN, organisation="SCH-NOWHERE")

    event, flags = accepted(concern(subjects=(subject(nexus=(home, typo)),)))

    assert event.subjects[0].nexus == (home,)
    assert "unknown_organisation" in flags


def test_an_old_gss_code_is_accepted_and_replaced() -> None:
    """Geography changes: the code in force goes out."""
    nexus = (t.NexusFact(kind=t.NexusKind.HOME, organisation="E08000999"),)
    place = t.Place(precision=t.PlacePrecision.LA, la_gss="E08000999")

    event, _ = accepted(concern(subjects=(subject(nexus=nexus),), place=place))

    assert event.subjects[0].nexus[0].organisation == "E08000028"
    assert event.place is not None
    assert event.place.la_gss == "E08000028"


def test_late_is_normal() -> None:
    """A report of three years ago is as welcome as one of today."""
    old = NOW - datetime.timedelta(days=1100)

    accepted(concern(observed_at=old, reported_at=old))


def test_a_report_from_the_future_is_refused() -> None:
    """Age is measured against Kafka's LogAppendTime; a quarter of an hour is forgiven."""
    soon, later = NOW + datetime.timedelta(minutes=14), NOW + datetime.timedelta(minutes=16)

    accepted(concern(reported_at=soon))
    assert refusal(concern(reported_at=later)).reason == "from_the_future"


def action(**changes: object) -> t.Action:
    """An acknowledgement of an alert."""
    base = t.Action(
        action_id="act-1",
        kind=t.ActionKind.ACKNOWLEDGE,
        organisation="E08000031",
        actor="staff-7",
        alert_id="alert-1",
        acted_at=NOW,
    )
    return msgspec.structs.replace(base, **changes)


def test_an_action_must_name_what_it_acts_on_and_a_withdrawal_its_reason() -> None:
    """Acts that change something need words that can be read back."""
    nothing = check_action(action(alert_id=None), None, SEED, NOW)
    wordless = check_action(action(kind=t.ActionKind.WITHDRAW), None, SEED, NOW)

    assert check_action(action(), None, SEED, NOW) is None
    assert nothing is not None
    assert nothing.reason == "action_without_object"
    assert wordless is not None
    assert wordless.reason == "action_without_reason"


@pytest.mark.parametrize("bad", [concern(subjects=()), with_identifier("nhs_number", "9434765918")])
def test_no_refusal_repeats_what_the_event_says_of_a_person(bad: t.ConcernEvent) -> None:
    """Errors are for people and hold nothing personal."""
    outcome = checked(bad)
    text = outcome.explanation if isinstance(outcome, Rejection) else " ".join(outcome[1])

    assert "Example" not in text
    assert "9434765918" not in text


@pytest.mark.parametrize("bad", ["", "=1+1", "a\x1b[31m", "a b", "x" * 129, "\n", "é"])
def test_an_id_that_could_act_where_it_is_read_is_refused(bad: str) -> None:
    """Ids stand in logs, terminals and spreadsheets; a leaf has no room for a long one."""
    for changed in (
        concern(event_id=bad),
        concern(origin_id=bad),
        concern(relates_to=bad),
        concern(derived_from=(bad,)),
        concern(subjects=(subject(subject_ref=bad),)),
    ):
        assert refusal(changed).reason == "not_valid"
    for acted in (
        action(action_id=bad),
        action(part_id=bad),
        action(recipient=bad),
        action(verdict=bad),
        action(fields=(bad,)),
    ):
        found = check_action(acted, None, SEED, NOW)
        assert found is not None
        assert found.reason == "not_valid"
