"""Retraction and correction: they reach exactly those who were told, in every part, at any moment."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.examples.scenarios import load_scenarios
from broker.model import types as t
from tests.rounds.story import SCHOOL, SW, TOLD, WARNING, WMP, WV, Story, act, later

RETRACTION_ID = "61000000-0000-4000-8000-000000000001"
CORRECTION_ID = "61000000-0000-4000-8000-000000000002"


def retraction(of: t.ConcernEvent = WARNING) -> t.ConcernEvent:
    """Takes a statement back; it names no child: whom it was about is known."""
    return msgspec.structs.replace(
        of,
        event_id=RETRACTION_ID,
        event_type=t.EventType.RETRACTION,
        subjects=(),
        place=None,
        summary=None,
        audience_texts=(),
        source=None,
        relates_to=of.event_id,
        reason="The message was about somebody else.",
    )


def place(**changes: object) -> t.Place:
    """The place of the warning, changed."""
    assert WARNING.place is not None
    return msgspec.structs.replace(WARNING.place, **changes)


def correction(**changes: object) -> t.ConcernEvent:
    """The same statement with another place in it."""
    given = {
        "event_id": CORRECTION_ID,
        "event_type": t.EventType.CORRECTION,
        "relates_to": WARNING.event_id,
        "reason": "The place was misread.",
    }
    return msgspec.structs.replace(WARNING, **(given | changes))


def test_a_retraction_reaches_exactly_those_who_were_told() -> None:
    """A withdrawal for each alert that stood, for nobody else, and no new alert."""
    story = Story()
    story.tell(WARNING)
    alerts = {one.alert_id: one.recipient for one in story.alerts}
    story.tell(retraction(), later(hours=2))

    assert {one.alert_id: one.recipient for one in story.withdrawals} == alerts
    assert len(story.withdrawals) == len(alerts) == len(TOLD)
    assert set(story.told()) == TOLD
    assert len(story.told()) == len(TOLD)
    assert {one["recipient"] for one in story.decisions(1)} == TOLD
    assert {one["outcome"] for one in story.decisions(1)} == {"DENY"}
    assert story.closing(1)["flags"] == ["retracted"]
    assert all(one["due"] for one in story.decisions(1))


def test_a_retraction_before_its_original_tells_nobody() -> None:
    """The original is accounted for, every candidate of it, and nobody is told."""
    story = Story()
    story.tell(retraction())
    story.tell(WARNING, later(minutes=5))

    assert not story.alerts
    assert not story.withdrawals
    assert {one["outcome"] for one in story.decisions(0)} == {"DENY"}
    assert {tuple(one["reasons"]) for one in story.decisions(0)} == {("retracted",)}
    assert "retracted" in story.closing(0)["flags"]


def test_a_late_duplicate_does_not_revive_what_was_taken_back() -> None:
    """The same statement again is a duplicate and nothing else."""
    story = Story()
    story.tell(WARNING)
    story.tell(retraction(), later(hours=1))
    again = story.tell(WARNING, later(hours=2))

    assert again.duplicate
    assert set(story.told()) == TOLD
    assert len(story.withdrawals) == len(TOLD)


def test_what_was_taken_back_weighs_nothing_for_others() -> None:
    """S4's youth worker alone is one origin again, once the grandmother's report is withdrawn."""
    events = load_scenarios()[3].publications
    story = Story()
    for publication in events[:4]:
        story.tell(publication.event, publication.at)
    first = events[0].event
    taken = msgspec.structs.replace(retraction(first), event_id=RETRACTION_ID)
    for number, publication in enumerate(events[:4]):
        back = msgspec.structs.replace(
            retraction(publication.event), event_id=f"{RETRACTION_ID[:-1]}{number}"
        )
        story.tell(back, events[3].at)
    last = story.tell(events[4].event, events[4].at)

    assert taken.relates_to == first.event_id
    assert last.parts[0].weight.independent_origins == 1
    assert last.parts[0].linked.earlier == ()


def test_a_second_retraction_withdraws_nothing_twice() -> None:
    """Every alert is withdrawn once; the second round is on record as empty."""
    story = Story()
    story.tell(WARNING)
    story.tell(retraction(), later(hours=1))
    story.tell(
        msgspec.structs.replace(retraction(), event_id="61000000-0000-4000-8000-000000000009"),
        later(hours=2),
    )

    assert len(story.withdrawals) == len(TOLD)
    assert story.closing(2)["count"] == 0


def test_a_correction_reaches_those_who_were_told_with_the_corrected_words() -> None:
    """The old alert is withdrawn as corrected, the new one goes to the same recipients only."""
    elsewhere = place(description="Bridge Street car park (invented)")
    story = Story()
    story.tell(WARNING)
    story.tell(correction(place=elsewhere), later(hours=1))
    corrected = [one for one in story.alerts if one.event_id == CORRECTION_ID]

    assert {one.reason for one in story.withdrawals} == {"corrected"}
    assert {one.recipient for one in story.withdrawals} == TOLD
    assert {one.recipient for one in corrected} == TOLD
    (sandwell,) = [one for one in corrected if one.recipient == SW]
    assert any("Bridge Street" in one.value for one in sandwell.released)


def test_a_correction_to_another_place_waits_for_a_person_there() -> None:
    """Walsall was never told: nothing goes to anyone who never had it without a person's word."""
    elsewhere = place(la_gss="E08000030")
    story = Story()
    story.tell(WARNING)
    story.tell(correction(place=elsewhere), later(hours=1))
    decided = {one["recipient"]: one for one in story.decisions(0, CORRECTION_ID)}

    assert decided["E08000030:mash"]["outcome"] == "REVIEW"
    assert decided["E08000030:mash"]["reasons"] == ["correction_needs_person"]
    assert "E08000030:mash" not in story.told()
    assert SW in {one.recipient for one in story.withdrawals}
    assert {one.recipient for one in story.alerts if one.event_id == CORRECTION_ID} == {
        WV,
        WMP,
        SCHOOL,
    }


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"relates_to": None}, "correction_without_object"),
        ({"relates_to": RETRACTION_ID}, "correction_without_object"),
        ({"reason": "  "}, "correction_without_reason"),
    ],
)
def test_a_retraction_says_what_it_takes_back_and_why(
    changes: dict[str, object], reason: str
) -> None:
    """Without its object or its reason it is refused, with the remedy."""
    outcome = Story().tell(msgspec.structs.replace(retraction(), **changes))

    assert outcome.rejection is not None
    assert outcome.rejection.reason == reason


def test_nobody_takes_back_what_another_published() -> None:
    """Event ids are the publisher's own: another's retraction of the same id finds nothing."""
    story = Story()
    story.tell(WARNING)
    foreign = msgspec.structs.replace(retraction(), publisher="E08000031")
    story.tell(foreign, later(hours=1))

    assert not story.withdrawals


@settings(max_examples=40, deadline=None)
@given(st.permutations(["warning", "retraction", "warning again", "review"]))
def test_whatever_the_order_nobody_is_left_with_an_alert_that_was_taken_back(
    order: list[str],
) -> None:
    """Once the retraction is in, every alert of the statement is withdrawn or was never sent."""
    statements: dict[str, t.ConcernEvent | t.Action] = {
        "warning": WARNING,
        "warning again": WARNING,
        "retraction": retraction(),
        "review": act("review", verdict="permit"),
    }
    story = Story()
    for minute, name in enumerate(order):
        story.tell(statements[name], later(minutes=minute))
    withdrawn = {one.alert_id for one in story.withdrawals}

    assert {one.alert_id for one in story.alerts} == withdrawn
    assert len(story.withdrawals) == len(withdrawn)


def test_the_rounds_of_a_part_are_numbered_without_gaps() -> None:
    """Round 0, 1, 2 ...: each closes once, none is edited."""
    story = Story()
    story.tell(WARNING)
    for minute in range(1, 4):
        story.tell(act("review", verdict="refuse"), later(minutes=minute))
    rounds = [one["round"] for one in story.leaves if one["kind"] == "closing"]

    assert rounds == [0, 1, 2, 3]
