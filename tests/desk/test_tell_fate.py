"""What became of a statement, in words: what the receipts say, and no more."""

from __future__ import annotations

import datetime

import pytest

from broker.client.opening import OpenedReceipt
from broker.client.ownlog import LogPosition
from broker.desk.outbox import Queued, State
from broker.desk.tell_fate import PLAN, still_open, story
from broker.model.types import Fate, IntakeOutcome, ReceiptContent
from broker.reference import load_reason_codes
from broker.shell.settings import Settings
from tests.builders import NOW, concern

REASONS = load_reason_codes(Settings().codesets_dir)


def queued(state: State = State.ACCEPTED) -> Queued:
    event = concern()
    return Queued(1, event.event_id, "concern", "", "tells-1", event, state, NOW, "")


def receipt(outcome: IntakeOutcome, **content: object) -> OpenedReceipt:
    later = NOW + datetime.timedelta(seconds=1)
    stated = ReceiptContent(outcome=outcome, received_at=later, **content)  # type: ignore[arg-type]
    return OpenedReceipt("r", "s", stated, LogPosition("o", 0, 1, b"", ""))


def told(state: State, *receipts: OpenedReceipt) -> list[str]:
    return [one.title for one in story(queued(state), receipts, REASONS)]


def test_each_step_is_said_when_it_is_known() -> None:
    """Kept here, sent, taken in: until then the page goes on asking."""
    assert told(State.WAITING) == ["Kept"]
    assert told(State.SENT) == ["Kept", "Sent"]
    assert told(State.ACCEPTED, receipt(IntakeOutcome.ACCEPTED, parts=1))[-1] == "Taken in"
    assert [still_open(queued(one)) for one in State] == [True, True, False, False, False]


def test_what_was_not_taken_in_says_why_and_what_to_do() -> None:
    """The receipt's own explanation, and the remedy of its reason."""
    refused = receipt(IntakeOutcome.REJECTED, reason="id_reused", explanation="this id was used")
    last = story(queued(State.REJECTED), [refused], REASONS)[-1]
    assert (last.title, last.text) == ("Not taken in", "this id was used")
    assert last.what_to_do == REASONS["id_reused"].what_to_do
    bare = story(queued(State.REJECTED), [receipt(IntakeOutcome.REJECTED)], REASONS)[-1]
    assert bare.text
    assert bare.what_to_do


def test_what_verification_noted_is_said_in_words() -> None:
    """A number that was set aside is named as such, with what to do; `unsigned` says nothing to people."""
    flags = ("unsigned", "check_digit_failed")
    taken = receipt(IntakeOutcome.ACCEPTED, parts=2, flags=flags)
    last = story(queued(), [taken], REASONS)[-1]
    assert REASONS["check_digit_failed"].meaning in last.text
    assert last.what_to_do == REASONS["check_digit_failed"].what_to_do
    assert "once for each child" in last.text


@pytest.mark.parametrize("by", ["authority", "police", "school", "advocate", "something new"])
@pytest.mark.parametrize("answer", ["acknowledge", "consider", "act", "no_further_action", "new"])
def test_an_answer_is_told_by_class_of_organisation(by: str, answer: str) -> None:
    """Who answered is a kind of organisation and no name; that it went into a plan is said."""
    for informed in (False, True):
        fate = Fate(answer=answer, by=by, answered_at=NOW, plan_informed=informed)
        last = story(queued(), [receipt(IntakeOutcome.ANSWERED, fate=fate)], REASONS)[-1]
        assert last.title == "Answered"
        assert (PLAN in last.text) is informed
        assert last.text.count("has") >= 1
