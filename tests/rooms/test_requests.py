"""Requests and answers through verify and link: whom they ask, who is answered, and what they never do."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.link import entry_of, link
from broker.model import types as t
from broker.model.values import PartInput, Rejection, StateEntry
from broker.verify import check_event
from tests.builders import NOW, POLICE, WOLVERHAMPTON, concern, small_reference, subject

REFERENCE = small_reference()
WANTED = "Named in a threat for this weekend."


def request(
    asked_of: str = WOLVERHAMPTON,
    purpose: str = "To keep him safe.",
    wanted: tuple[str, ...] = ("peer_links",),
    necessity: str | None = WANTED,
    **changes: Any,
) -> t.ConcernEvent:
    """A force asks an authority about one invented child."""
    stated: dict[str, Any] = {
        "event_id": "request-1",
        "origin_id": "request-1",
        "event_type": t.EventType.INFORMATION_REQUEST,
        "publisher": POLICE,
        "subjects": (subject(necessity=necessity),),
        "request": t.InformationRequest(asked_of=asked_of, purpose=purpose, wanted=wanted),
    }
    return concern(**(stated | changes))


def refusal(event: t.ConcernEvent) -> Rejection:
    """The refusal of an event that must be refused."""
    outcome = check_event(event, None, bytes(32), NOW, REFERENCE)
    assert isinstance(outcome, Rejection)
    return outcome


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (request(request=None), "request_unclear"),
        (request(purpose=" "), "request_unclear"),
        (request(asked_of=POLICE), "request_unclear"),
        (request(wanted=("thoughts",)), "request_unclear"),
        (request(answers="another-request"), "request_unclear"),
        (request(event_type=t.EventType.CONCERN), "request_unclear"),
        (request(asked_of="E08009999"), "unknown_organisation"),
        (
            request(subjects=(), place=t.Place(precision=t.PlacePrecision.UNKNOWN)),
            "request_without_subject",
        ),
    ],
)
def test_a_request_says_whom_it_asks_what_for_and_about_whom(
    event: t.ConcernEvent, reason: str
) -> None:
    """Else it is refused with a reason and a sentence that says what to mend."""
    found = refusal(event)

    assert found.reason == reason
    assert ": " in found.explanation


def test_a_request_without_a_necessity_is_accepted_and_an_old_code_is_replaced() -> None:
    """Whether it is necessary is for the law, part by part; an authority is asked by its code in force."""
    outcome = check_event(
        request(asked_of="E08000999", necessity=None), None, bytes(32), NOW, REFERENCE
    )

    assert not isinstance(outcome, Rejection)
    event, _ = outcome
    assert event.request is not None
    assert event.request.asked_of == REFERENCE.current_code("E08000999")


def part_of(event: t.ConcernEvent, order: int = 100) -> PartInput:
    """The part about the event's one child."""
    (child,) = event.subjects
    return PartInput("part", "key", t.PartKind.SUBJECT, event, child, NOW, order, 1, "receipt")


def past_of(*events: t.ConcernEvent) -> tuple[StateEntry, ...]:
    """What they left behind."""
    return tuple(entry_of(part_of(event, order)) for order, event in enumerate(events))


def answer(answers: str | None = "request-1", publisher: str = WOLVERHAMPTON) -> t.ConcernEvent:
    """The authority's answer."""
    return concern(event_id="answer-1", origin_id="answer-1", publisher=publisher, answers=answers)


def test_an_answer_is_for_the_one_that_asked_and_said_why() -> None:
    """By the request's id, put to the organisation that answers, before the answer."""
    before = past_of(request())

    assert link(part_of(answer()), before).requesters == (POLICE,)
    assert link(part_of(answer(answers=None)), before).requesters == ()
    assert link(part_of(answer(answers="request-2")), before).requesters == ()
    assert link(part_of(answer(publisher="E08000028")), before).requesters == ()
    assert link(part_of(answer(), order=0), before).requesters == ()
    assert link(part_of(answer()), past_of(request(necessity=None))).requesters == ()


def test_an_id_that_two_organisations_used_answers_neither() -> None:
    """An event id is its publisher's own: whoever copies one must not be answered in another's place."""
    before = past_of(request(), request(publisher="E08000028"))

    assert link(part_of(answer()), before).requesters == ()


@given(st.lists(st.booleans(), min_size=1, max_size=5))
def test_to_ask_is_no_concern(stated: list[bool]) -> None:
    """However often somebody asks, it corroborates nothing and makes nobody concerned with the child."""
    asked = [
        request(event_id=f"r{n}", origin_id=f"r{n}", necessity=WANTED if one else None)
        for n, one in enumerate(stated)
    ]
    plain, after = link(part_of(concern()), ()), link(part_of(concern()), past_of(*asked))

    assert after == plain
