"""Answers by whom an alert was sent to, in any order; publishers learn what law permits."""

from __future__ import annotations

import datetime
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.model import types as t
from broker.model.sealing import SealError, unseal
from broker.record.fate import in_words
from broker.rounds import DueBook
from tests.oracle import SECRET
from tests.rounds.story import DESK, SW, WARNING, WMP, WV, Story, act, later
from tests.rounds.test_retraction import retraction

ADVOCATE = WARNING.publisher
KINDS = ("acknowledge", "consider", "act", "no_further_action")
UNSAFE = msgspec.structs.replace(
    WARNING,
    subjects=(
        msgspec.structs.replace(
            WARNING.subjects[0], safe_to_tell=t.SafeToTell(parents_or_carers=t.Answer.NOT_KNOWN)
        ),
    ),
)


def told(event: t.ConcernEvent = WARNING) -> Story:
    """The warning, with its alerts."""
    story = Story()
    story.tell(event)
    return story


def reasons(story: Story, round_: int = 1) -> list[str]:
    """Why the publisher is not told in that round."""
    (leaf,) = story.decisions(round_)
    return [reason for field, reason in leaf["withheld"] if field == "fate"]


def due(story: Story, at: datetime.datetime) -> list[t.Action]:
    """What the clock owes by then."""
    book = DueBook(DESK)
    for leaf in story.leaves:
        book.take(leaf)
    return list(book.due(at))


def test_sandwell_acts_with_a_plan_and_the_mother_can_be_told() -> None:
    """S1: the advocate's receipt says that a children's services authority acted, and names nobody."""
    story = told()
    story.tell(story.answer(SW, "act", plan="CP-2026-118"), later(hours=1))

    ((who, fate),) = story.fates()
    assert who == ADVOCATE
    assert (fate.answer, fate.by, fate.plan_informed) == ("act", "authority", True)
    assert in_words(fate) == (
        "A children's services authority that was told of this has acted on it, "
        "and it went into a plan or an assessment."
    )
    sent = story.receipts[-1][1]
    said = msgspec.json.encode(sent).decode()
    assert sent.event_id == WARNING.event_id
    for secret in (SW.split(":")[0], "Sandwell", "CP-2026-118", "Read with"):
        assert secret not in said
    (leaf,) = story.decisions(1)
    assert (leaf["outcome"], leaf["mode"], leaf["released"]) == ("PERMIT", "FATE", ["fate"])
    assert leaf["capacity"] == ["originator"]


@pytest.mark.parametrize("kind", KINDS)
def test_only_the_one_that_was_sent_an_alert_can_answer_it(kind: str) -> None:
    """Another organisation, another alert, a changed code or none: refused, with a receipt, and no round."""
    story = told()
    good = story.answer(SW, kind)
    changed = bytes([good.reply[0] ^ 1]) + good.reply[1:]
    for wrong, reason in (
        ({"organisation": "E08000030"}, "reply_code_wrong"),
        ({"organisation": DESK}, "reply_code_wrong"),
        ({"alert_id": story.alert(WV).alert_id}, "reply_code_wrong"),
        ({"reply": changed}, "reply_code_wrong"),
        ({"reply": b""}, "reply_code_missing"),
        ({"alert_id": None, "event_id": WARNING.event_id}, "reply_code_missing"),
    ):
        outcome = story.tell(msgspec.structs.replace(good, **wrong), later(hours=1))
        assert outcome.rejection is not None
        assert outcome.rejection.reason == reason
        assert not outcome.parts
    assert not story.fates()
    assert not story.decisions(1)


def test_the_reply_code_says_nothing_to_its_holder_and_is_of_one_size() -> None:
    """Every alert has its own; none opens with the keys of recipients; all are equally long."""
    story = told()
    codes = [one.reply for one in story.alerts]

    assert len(set(codes)) == len(codes) > 1
    assert len({len(one) for one in codes}) == 1
    for one in story.alerts:
        with pytest.raises(SealError):
            unseal(SECRET, one.reply, b"reply\n" + one.alert_id.encode())


def test_what_needs_a_reason_is_refused_without_one_and_only_an_act_names_a_plan() -> None:
    """To consider and to take no further action are for people to account for."""
    story = told()
    for kind in ("consider", "no_further_action"):
        outcome = story.tell(story.answer(SW, kind, reason=" "), later(hours=1))
        assert outcome.rejection is not None
        assert outcome.rejection.reason == "action_without_reason"
    outcome = story.tell(story.answer(SW, "consider", plan="CP-1"), later(hours=1))
    assert outcome.rejection is not None
    assert outcome.rejection.reason == "plan_without_act"
    assert (
        story.tell(story.answer(SW, "acknowledge", reason=None), later(hours=1)).rejection is None
    )


@settings(max_examples=15, deadline=None)
@given(st.lists(st.sampled_from(KINDS), min_size=1, max_size=5))
def test_answers_in_any_order_are_all_recorded_and_each_kind_is_told_once(kinds: list[str]) -> None:
    """The order of answers loses none; what was told is not told again."""
    story = told()
    for number, kind in enumerate(kinds):
        story.tell(story.answer(SW, kind), later(hours=1, minutes=number))

    recorded = [one["action"] for one in story.leaves if one["kind"] == "action"]
    assert recorded == kinds
    assert [fate.answer for _, fate in story.fates()] == list(dict.fromkeys(kinds))
    closings = [one for one in story.leaves if one["kind"] == "closing" and one["round"]]
    assert [one["flags"] for one in closings] == [["answered"]] * len(kinds)


def test_the_same_act_again_is_a_duplicate() -> None:
    """A client that is not sure may publish it again: one round, one telling."""
    story = told()
    once = story.answer(SW, "act")
    story.tell(once, later(hours=1))
    again = story.tell(once, later(hours=2))

    assert again.duplicate
    assert len(story.fates()) == 1


def test_two_organisations_answers_with_one_id_are_two() -> None:
    """Ids of acts are their organisation's own."""
    story = told()
    for recipient in (SW, WV):
        story.tell(story.answer(recipient, "act", action_id="one"), later(hours=1))

    assert [story.closing(n)["round"] for n in (1, 2)] == [1, 2]


@pytest.mark.parametrize(
    ("event", "changes", "reason"),
    [
        (WARNING, {"originator_may_know": False}, "originator_not_to_know"),
        (UNSAFE, {}, "unsafe_to_tell"),
        (
            msgspec.structs.replace(
                WARNING, handling=t.Handling(code="C", conditions=("consult_originator",))
            ),
            {"originator_may_know": False},
            "originator_not_to_know",
        ),
    ],
)
def test_what_is_refused_leaves_nothing_for_the_publisher_to_see(
    event: t.ConcernEvent, changes: dict[str, Any], reason: str
) -> None:
    """Refused by the recipient or by law: a DENY with its reason, and not one message to the publisher."""
    story = told(event)
    before = [who for who, _ in story.receipts].count(ADVOCATE)
    for kind in KINDS:
        outcome = story.tell(story.answer(WV, kind, **changes), later(hours=1))
        assert {one.recipient for made in outcome.sets for one in made.deliveries} == {
            WV.split(":")[0]
        }

    assert [who for who, _ in story.receipts].count(ADVOCATE) == before
    for round_ in range(1, len(KINDS) + 1):
        assert reasons(story, round_) == [reason]
        assert [one["outcome"] for one in story.decisions(round_)] == ["DENY"]


def test_who_is_concerned_through_more_than_the_publishers_words_is_not_told_of() -> None:
    """Two people showed it to Walsall, which the statement does not concern: not for the advocate to know."""
    story = told()
    first = act("release", recipient="E08000030:csc")
    story.tell(first, later(minutes=1))
    second = act("release", recipient="E08000030:csc", confirms=first.action_id, actor="desk-2")
    story.tell(second, later(minutes=2))
    story.tell(story.answer("E08000030:csc", "act"), later(hours=1))

    assert reasons(story, 3) == ["fate_through_others"]
    assert not story.fates()


def test_an_answer_after_a_withdrawal_is_recorded_and_flagged() -> None:
    """The publisher took it back: it learns no more; the answer stops the clock of the withdrawal."""
    story = told()
    story.tell(retraction(), later(hours=1))
    story.tell(story.answer(SW, "acknowledge"), later(hours=2))

    assert story.closing(2)["flags"] == ["answered", "answered_after_withdrawal"]
    assert not story.fates()
    assert SW not in {one.recipient for one in due(story, later(hours=8))}
    assert WV in {one.recipient for one in due(story, later(hours=8))}


def test_no_word_of_an_answer_lies_where_erasure_does_not_reach() -> None:
    """The leaf and the auditors' rows hold categories and a digest; equal reasons have equal digests."""
    story, digests = told(), []
    for reason in ("No role for us.", "no  ROLE for us.", "The school knows him."):
        outcome = story.tell(story.answer(SW, "no_further_action", reason=reason), later(hours=1))
        (recorded,) = [one for one in outcome.sets if one.kind is t.SetKind.ACTION]
        rows = unseal(SECRET, recorded.sidecars[0].content, b"rows\n" + recorded.set_id.encode())
        digests.append(json.loads(rows)["reason_digest"])
        assert b"role" not in rows.lower()
        assert b"role for us" not in recorded.leaves[0].lower()
        leaf = json.loads(recorded.leaves[0])
        assert leaf["recipient"] == SW
        assert (leaf["event_publisher"], leaf["event_id"]) == (ADVOCATE, WARNING.event_id)

    assert digests[0] == digests[1] != digests[2]


def test_the_next_contact_is_told_then_the_one_after_then_the_desk() -> None:
    """Sandwell's three contacts in the register's order, each with a clock; then the duty desk."""
    story, at, chain = told(), later(days=4), []
    for step in range(4):
        owed = [one for one in due(story, at) if (one.recipient or "").startswith(SW.split(":")[0])]
        assert [one.action_id for one in owed] == [
            one.action_id
            for one in due(story, at)
            if (one.recipient or "").startswith(SW.split(":")[0])
        ]
        for one in owed:
            story.tell(one, at)
        chain.append(story.alerts[-1].recipient)
        assert (story.alerts[-1].reminds_of == story.alert(SW).alert_id) == (step < 3)
        at += datetime.timedelta(days=4)

    assert chain == [
        "E08000028:emergency_duty_team",
        "E08000028:mash_manager",
        "E08000028:head_of_service",
        "DUTY-DESK:desk",
    ]
    assert not [one for one in due(story, at) if (one.recipient or "").startswith(SW.split(":")[0])]


@pytest.mark.parametrize("which", [SW, "E08000028:emergency_duty_team"])
def test_an_answer_to_the_alert_or_to_its_reminder_ends_the_chain(which: str) -> None:
    """Whoever of the organisation answers: nobody else of it is called."""
    story = told()
    for one in due(story, later(days=4)):
        if one.recipient == SW:
            story.tell(one, later(days=4))
    story.tell(story.answer(which, "acknowledge"), later(days=4, hours=1))
    late = due(story, later(days=20))

    assert not [one for one in late if (one.recipient or "").startswith("E08000028")]
    assert [fate.answer for _, fate in story.fates()] == ["acknowledge"]


def test_an_escalation_that_comes_after_the_answer_reminds_nobody() -> None:
    """The clock had published it before it saw the answer."""
    story = told()
    (late,) = [one for one in due(story, later(days=4)) if one.recipient == SW]
    story.tell(story.answer(SW, "acknowledge"), later(days=4))
    story.tell(late, later(days=4, minutes=1))

    assert story.closing(2)["flags"] == ["answered_meanwhile"]
    assert not [one for one in story.alerts if one.reminds_of]


def test_a_reminder_shows_nothing_of_the_statement() -> None:
    """It points to the alert and carries no field of it."""
    story = told()
    for one in due(story, later(days=4)):
        story.tell(one, later(days=4))
    reminders = [one for one in story.alerts if one.reminds_of]

    assert {one.recipient.partition(":")[0] for one in reminders} >= {"E08000028", "E23000014"}
    for reminder in reminders:
        assert reminder.mode is t.Mode.EXISTENCE
        assert [field.field for field in reminder.released] == ["existence"]
        assert reminder.weight_band == "not_released"
    assert WMP in story.told()
    assert act("escalate").alert_id is None
