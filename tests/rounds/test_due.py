"""The clock, from the leaves alone: what is overdue escalates once, and nothing is ever shown by it."""

from __future__ import annotations

import datetime
from collections.abc import Mapping

import msgspec

from broker.model import types as t
from broker.rounds import DueBook, Standing
from tests.rounds.story import DESK, SW, TOLD, WARNING, Story, act, later

UNREADABLE = msgspec.structs.replace(WARNING, handling=t.Handling(code="Z"))


def due(story: Story, at: datetime.datetime) -> list[t.Action]:
    """What the clock owes by then, from every leaf so far."""
    book = DueBook(DESK)
    for leaf in story.leaves:
        book.take(leaf)
    return list(book.due(at))


def test_what_nobody_reviewed_in_time_escalates_and_after_the_last_day_ends() -> None:
    """Two hours for a matter of the same day; fourteen days at the most."""
    story = Story()
    story.tell(UNREADABLE)
    waiting = {one["recipient"] for one in story.decisions(0) if one["outcome"] == "REVIEW"}

    assert not due(story, later(minutes=90))
    assert {one.recipient for one in due(story, later(hours=3))} == waiting
    assert {one.kind for one in due(story, later(hours=3))} == {t.ActionKind.ESCALATE}
    assert {one.kind for one in due(story, later(days=15))} == {t.ActionKind.EXPIRE}


def test_what_was_reviewed_is_not_overdue() -> None:
    """A review resets the clock to that of the alert that it permitted."""
    story = Story()
    story.tell(UNREADABLE)
    story.tell(act("review", verdict="refuse"), later(minutes=30))

    assert not due(story, later(days=20))


def test_an_alert_that_is_not_acknowledged_escalates_and_an_answer_stops_it() -> None:
    """Each recipient for itself; an acknowledgement is about one alert."""
    story = Story()
    story.tell(WARNING)
    story.tell(story.answer(SW, "acknowledge"), later(hours=1))
    late = due(story, later(days=4))

    assert {one.recipient for one in late} == TOLD - {SW}
    assert {one.reason for one in late} == {"not_acknowledged"}


def test_a_strangers_answer_does_not_silence_the_clock() -> None:
    """Who knows an alert's id and did not receive it cannot acknowledge it for the recipient."""
    story = Story()
    story.tell(WARNING)
    refused = story.tell(story.answer(SW, "acknowledge", organisation="E08000030"), later(hours=1))

    assert refused.rejection is not None

    assert SW in {one.recipient for one in due(story, later(days=4))}


def test_a_withdrawal_must_be_acknowledged_too() -> None:
    """The alert that it takes back no longer must; the withdrawal is due within four hours."""
    story = Story()
    story.tell(WARNING)
    back = msgspec.structs.replace(
        WARNING,
        event_id="62000000-0000-4000-8000-000000000001",
        event_type=t.EventType.RETRACTION,
        relates_to=WARNING.event_id,
        reason="It was about somebody else.",
    )
    story.tell(back, later(hours=1))
    late = due(story, later(hours=6))

    assert {one.recipient for one in late} == TOLD
    assert all(one.kind is t.ActionKind.ESCALATE for one in late)


def test_what_was_escalated_does_not_escalate_again_and_its_id_is_always_the_same() -> None:
    """Carried out, it is done; computed anew from the same log, it is the same act."""
    story = Story()
    story.tell(UNREADABLE)
    first, again = due(story, later(hours=3)), due(story, later(hours=3))
    for one in first:
        story.tell(one, later(hours=3))

    assert [one.action_id for one in first] == [one.action_id for one in again]
    assert not due(story, later(hours=4))
    assert set(story.told()) == {f"{DESK}:desk"}


def test_a_release_that_nobody_looked_back_on_is_taken_back_by_the_clock() -> None:
    """Three days after it was confirmed; looked back on, it is left alone."""
    for verdict in (None, "justified"):
        story = Story()
        story.tell(WARNING)
        first = act("release", recipient="E08000030:csc")
        story.tell(first, later(minutes=1))
        second = act("release", recipient="E08000030:csc", confirms=first.action_id, actor="desk-2")
        story.tell(second, later(minutes=2))
        if verdict:
            looked = act("look_back", verdict=verdict, confirms=first.action_id)
            story.tell(looked, later(hours=2))
        expiring = [one for one in due(story, later(hours=80)) if one.kind is t.ActionKind.EXPIRE]
        assert [one.confirms for one in expiring] == ([] if verdict else [first.action_id])
        for one in expiring:
            story.tell(one, later(hours=80))
        assert [one.reason for one in story.withdrawals] == (
            [] if verdict else ["break_glass_expired"]
        )


def test_what_is_open_is_counted_by_kind_whether_or_not_the_clock_has_acted() -> None:
    """For who watches: it waits until somebody answers, and is overdue since its own moment."""
    story = Story()
    story.tell(WARNING)
    story.tell(story.answer(SW, "acknowledge"), later(hours=1))
    moments = (later(hours=1), later(days=4))
    before = [standing(story, at)["acknowledgement"] for at in moments]
    for one in due(story, later(days=4)):
        story.tell(one, later(days=4))
    after = standing(story, later(days=5))["acknowledgement"]

    assert [(one.waiting, one.overdue) for one in before] == [
        (len(TOLD) - 1, n) for n in (0, len(TOLD) - 1)
    ]
    assert before[0].longest == datetime.timedelta()
    assert after.overdue >= len(TOLD) - 1
    assert after.longest == before[1].longest + datetime.timedelta(days=1)
    assert standing(story, later(days=4))["review"].waiting == 0


def standing(story: Story, at: datetime.datetime) -> Mapping[str, Standing]:
    """What is open by then, from every leaf so far."""
    book = DueBook(DESK)
    for leaf in story.leaves:
        book.take(leaf)
    return book.standing(at)
