"""Review and break-glass: a person decides, two in an emergency, and every step is a round on record."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from broker.examples.scenarios import load_scenarios
from broker.model import types as t
from tests.rounds.story import DESK, SW, TOLD, WARNING, WMP, WV, Story, act, later

CONSULT = msgspec.structs.replace(
    WARNING, handling=t.Handling(code="C", conditions=("consult_originator",))
)
UNREADABLE = msgspec.structs.replace(WARNING, handling=t.Handling(code="Z"))
WALES = "W06000023:csc"
ABROAD = msgspec.structs.replace(
    WARNING,
    subjects=(
        msgspec.structs.replace(
            WARNING.subjects[0],
            nexus=(t.NexusFact(kind=t.NexusKind.HOME, organisation="W06000023"),),
        ),
    ),
)


def outcomes(leaves: list[dict[str, Any]]) -> dict[str, str]:
    return {one["recipient"]: one["outcome"] for one in leaves}


def test_what_no_duty_requires_waits_for_the_originator_and_is_shown_after_a_permit() -> None:
    """Sandwell and the force wait; the home authority has the duty's minimum at once."""
    story = Story()
    story.tell(CONSULT)
    first = outcomes(story.decisions(0))
    story.tell(act("review", verdict="permit", recipient=SW), later(minutes=30))

    assert (first[SW], first[WMP], first[WV]) == ("REVIEW", "REVIEW", "PERMIT")
    assert outcomes(story.decisions(1)) == {SW: "PERMIT"}
    assert story.told().count(SW) == 1
    assert WMP not in story.told()
    (alert,) = [one for one in story.alerts if one.recipient == SW]
    assert any(one.field == "text" for one in alert.released)
    assert any(reason.startswith("review/") for reason in alert.reasons)


def test_the_publisher_may_answer_for_its_own_statement_and_nobody_else_may() -> None:
    """The originator is consulted: its own review counts. A neighbour's is refused."""
    story = Story()
    story.tell(CONSULT)
    own = act("review", verdict="permit", organisation=WARNING.publisher, actor="advocate-3")
    foreign = act("review", verdict="permit", organisation="E08000030", actor="walsall-1")
    refused = story.tell(foreign, later(minutes=5))
    story.tell(own, later(minutes=10))

    assert refused.rejection is not None
    assert refused.rejection.reason == "not_allowed_to_act"
    assert {SW, WMP} <= set(story.told())


def test_nobody_approves_its_own_placement() -> None:
    """The placing authority cannot clear the missing care plan; the duty desk can."""
    placement = load_scenarios()[1].events[1]
    about = {"event_publisher": placement.publisher, "event_id": placement.event_id}
    own = act("review", verdict="permit", organisation=placement.publisher, actor="wv-1", **about)
    story = Story()
    story.tell(placement)
    story.tell(own, later(minutes=5))
    waited = story.closing(1, placement.event_id)["flags"]
    story.tell(act("review", verdict="permit", **about), later(minutes=6))

    assert waited == ["nothing_waits"]
    assert "E06000051:csc" in story.told()


def test_a_refusal_ends_the_waiting_and_shows_nothing() -> None:
    """Every one that waited is refused with the act's name; a later permit finds nothing."""
    story = Story()
    story.tell(UNREADABLE)
    story.tell(act("review", verdict="refuse"), later(minutes=5))
    story.tell(act("review", verdict="permit"), later(minutes=6))

    assert set(outcomes(story.decisions(0)).values()) <= {"REVIEW", "DENY"}
    assert set(outcomes(story.decisions(1)).values()) == {"DENY"}
    assert story.closing(2)["flags"] == ["nothing_waits"]
    assert not story.alerts


def test_a_permit_clears_what_could_not_be_read_and_law_and_agreements_decide() -> None:
    """The reviewer learned what the code means: then the same are told as if it had been plain."""
    story = Story()
    story.tell(UNREADABLE)
    story.tell(act("review", verdict="permit"), later(minutes=5))

    assert set(story.told()) == TOLD


def test_a_person_cannot_release_what_is_prohibited() -> None:
    """The source and the publisher's own words stay, whatever fields the reviewer names."""
    story = Story()
    story.tell(ABROAD)
    chosen = ("source", "summary", "given_name", "text", "when", "provenance")
    story.tell(act("review", verdict="permit", recipient=WALES, fields=chosen), later(minutes=5))
    (alert,) = [one for one in story.alerts if one.recipient == WALES]

    assert {one.field for one in alert.released} == {"given_name", "text", "when"}


def test_a_permit_without_chosen_fields_outside_england_shows_only_that_a_concern_is_held() -> None:
    """Other law applies there: without a choice of fields the pointer is all."""
    story = Story()
    story.tell(ABROAD)
    story.tell(act("review", verdict="permit", recipient=WALES), later(minutes=5))
    (alert,) = [one for one in story.alerts if one.recipient == WALES]

    assert alert.mode == "EXISTENCE"
    assert [one.field for one in alert.released] == ["existence"]


def test_an_act_on_an_unknown_event_or_part_is_refused() -> None:
    """The message says what to name; nothing is recorded as if it had happened."""
    story = Story()
    story.tell(CONSULT)
    for bad in ({"event_id": "nowhere"}, {"part_id": "nothing"}, {"event_publisher": "E08000031"}):
        outcome = story.tell(act("review", verdict="permit", **bad), later(minutes=1))
        assert outcome.rejection is not None
        assert outcome.rejection.reason == "unknown_event"


def test_the_clock_never_releases() -> None:
    """Overdue escalates to the desk; after the last day the waiting ends, unseen."""
    story = Story()
    story.tell(UNREADABLE)
    story.tell(act("escalate", reason="overdue"), later(hours=3))
    story.tell(act("expire"), later(days=15))
    story.tell(act("review", verdict="permit"), later(days=16))

    assert story.told() == [f"{DESK}:desk"]
    assert {one["reasons"][0] for one in story.decisions(2)} == {"held_expired"}
    assert story.closing(3)["count"] == 0


def test_the_clocks_acts_are_the_desks_alone() -> None:
    """A publisher cannot make its own statement expire or escalate."""
    story = Story()
    story.tell(UNREADABLE)
    outcome = story.tell(
        act("expire", organisation=WARNING.publisher, actor="advocate-3"), later(days=15)
    )

    assert outcome.rejection is not None
    assert outcome.rejection.reason == "not_allowed_to_act"


NEIGHBOUR = "E08000030:csc"


def ask(**changes: Any) -> t.Action:
    """The first of two people asks to tell Walsall, which has no nexus, to save a life."""
    return act("release", recipient=NEIGHBOUR, **changes)


def confirm(first: t.Action, **changes: Any) -> t.Action:
    """The second person."""
    given: dict[str, Any] = {"actor": "desk-2", "recipient": NEIGHBOUR, "confirms": first.action_id}
    return act("release", **(given | changes))


def test_two_people_release_what_saves_a_life_and_one_does_not() -> None:
    """Nothing is shown by the first; the second of the same organisation opens the minimum."""
    story = Story()
    story.tell(WARNING)
    first = ask()
    story.tell(first, later(minutes=1))
    after_one = list(story.told())
    story.tell(confirm(first), later(minutes=5))
    (alert,) = [one for one in story.alerts if one.recipient == NEIGHBOUR]
    shown = {one.field for one in alert.released}

    assert NEIGHBOUR not in after_one
    assert outcomes(story.decisions(1)) == {NEIGHBOUR: "REVIEW"}
    assert {"given_name", "address", "text", "when", "place"} <= shown
    assert not shown & {"source", "summary", "provenance", "identifiers", "child_voice"}
    assert alert.reasons[0] == "vital_interests"
    assert "look_back_due" in alert.obligations


@pytest.mark.parametrize(
    ("changes", "minutes", "flag"),
    [
        ({"actor": "desk-1"}, 5, "second_person_needed"),
        ({"organisation": WARNING.publisher}, 5, "second_person_needed"),
        ({"recipient": SW}, 5, "nothing_to_confirm"),
        ({"confirms": "another"}, 5, "nothing_to_confirm"),
        ({}, 62, "break_glass_lapsed"),
    ],
)
def test_a_confirmation_that_does_not_fit_shows_nothing(
    changes: dict[str, Any], minutes: int, flag: str
) -> None:
    """The same person, another organisation, another recipient, too late: on record, without effect."""
    story = Story()
    story.tell(WARNING)
    first = ask()
    story.tell(first, later(minutes=1))
    story.tell(confirm(first, **changes), later(minutes=minutes))

    assert NEIGHBOUR not in story.told()
    assert story.closing(2)["flags"] == [flag]


def test_a_release_is_looked_back_on_or_taken_back() -> None:
    """Justified: it stands. Not justified, or forgotten for three days: it is withdrawn."""
    for verdict, expected in (("justified", 0), ("not_justified", 1), (None, 1)):
        story = Story()
        story.tell(WARNING)
        first = ask()
        story.tell(first, later(minutes=1))
        story.tell(confirm(first), later(minutes=2))
        if verdict is None:
            story.tell(act("expire", confirms=first.action_id), later(hours=80))
        else:
            looked = act("look_back", verdict=verdict, confirms=first.action_id)
            story.tell(looked, later(hours=20))
        assert [one.recipient for one in story.withdrawals] == [NEIGHBOUR] * expected


def test_a_release_cannot_tell_one_who_must_not_be_told() -> None:
    """Vital interests do not open the door to the person the child is kept safe from."""
    child = msgspec.structs.replace(
        WARNING.subjects[0], placement=t.Placement(withhold_from=("E08000030",))
    )
    event = msgspec.structs.replace(WARNING, subjects=(child,))
    story = Story()
    story.tell(event)
    first = ask()
    story.tell(first, later(minutes=1))
    story.tell(confirm(first), later(minutes=2))

    assert NEIGHBOUR not in story.told()
    assert outcomes(story.decisions(2)) == {NEIGHBOUR: "DENY"}
