"""Erasure on request: every part ends, every recipient told is told of it, and nothing of it is known."""

from __future__ import annotations

import json

import msgspec
import pytest

from broker.intake import AliasEntry
from broker.intake.erasure import family_of
from broker.model import types as t
from broker.model.sealing import unseal
from broker.model.values import PartState
from broker.rounds import ERASED, RETENTION_ENDED, erase
from tests.oracle import SECRET, _policy, offline_flow
from tests.rounds.story import TOLD, WARNING, Story, act, later

AGAIN = "61000000-0000-4000-8000-0000000000e1"
JOINING = "61000000-0000-4000-8000-0000000000e2"


def erasure(token: str, **changes: object) -> t.Action:
    """The duty desk's act on one token."""
    about = {"event_publisher": None, "event_id": None, "subject": token}
    return act("erase", **(about | changes))


def token_of(story: Story, event: t.ConcernEvent = WARNING) -> str:
    """Under which token the event's child is known."""
    (part,) = story.flow._seen[f"{event.publisher}/{event.event_id}"].parts
    return part.part_key


def certificates(story: Story) -> list[dict[str, object]]:
    return [one for one in story.leaves if one["kind"] == "certificate"]


def told_and_erased() -> tuple[Story, str]:
    story = Story()
    story.tell(WARNING)
    token = token_of(story)
    story.tell(erasure(token), later(days=1))
    return story, token


def test_everybody_who_was_told_is_told_of_the_erasure() -> None:
    """One withdrawal for each alert that stood, with the reason, and none for anybody else."""
    story, _ = told_and_erased()

    assert {one.alert_id for one in story.withdrawals} == {one.alert_id for one in story.alerts}
    assert {one.reason for one in story.withdrawals} == {ERASED}
    assert {one.recipient for one in story.withdrawals} == TOLD
    assert story.closing(1)["flags"] == [ERASED]


def test_the_certificate_counts_what_the_rounds_did_and_names_nobody() -> None:
    """As many parts and recipients as the leaves hold; no leaf of the story holds the token."""
    story, token = told_and_erased()
    (certificate,) = certificates(story)

    assert (certificate["parts"], certificate["told"], certificate["ended"]) == (1, len(TOLD), 0)
    assert token not in json.dumps(story.leaves)


def test_nothing_of_the_subject_is_left_in_the_state() -> None:
    """Neither its tokens nor any token of its identifiers; that the event was accepted is known."""
    story, token = told_and_erased()
    flow = story.flow
    kept = msgspec.msgpack.encode((flow._seen, flow._aliases, flow._entries, flow._states))

    assert token.encode() not in kept
    assert not flow._aliases
    assert story.tell(WARNING, later(days=2)).duplicate


def test_what_waited_ends_unseen() -> None:
    """A part that waits for a person is closed for everyone who waited."""
    story = Story()
    story.tell(msgspec.structs.replace(WARNING, handling=t.Handling(code="Z")))
    waited = [one for one in story.decisions(0) if one["outcome"] == "REVIEW"]
    story.tell(erasure(token_of(story)), later(days=1))
    (certificate,) = certificates(story)

    assert waited
    assert certificate["ended"] == len(waited)
    assert {one["outcome"] for one in story.decisions(1)} == {"DENY"}


def test_a_later_act_on_an_erased_part_changes_nothing() -> None:
    """It is recorded as an act, and makes no round."""
    story, _ = told_and_erased()
    story.tell(act("review", verdict="permit"), later(days=2))

    assert not story.decisions(2)
    assert story.leaves[-1]["kind"] == "action"


def test_whoever_is_heard_of_again_begins_anew() -> None:
    """The new statement is decided with nothing behind it, as the first was."""
    story, _ = told_and_erased()
    again = msgspec.structs.replace(WARNING, event_id=AGAIN, origin_id=AGAIN)
    story.tell(again, later(days=2))
    first, second = story.decisions(0), story.decisions(0, AGAIN)

    assert [one["outcome"] for one in first] == [one["outcome"] for one in second]
    assert {one["weight"]["value"] for one in first} == {one["weight"]["value"] for one in second}


def test_all_tokens_of_a_child_are_erased_together() -> None:
    """A child known by two numbers, joined later: by whichever token it is asked for."""
    (subject, *_) = WARNING.subjects
    other = t.Identifier(scheme=t.IdentifierScheme.LOCAL, value="case-7", system="here")
    for which in (0, 1):
        story = Story()
        story.tell(WARNING)
        second = msgspec.structs.replace(
            WARNING,
            event_id=AGAIN,
            origin_id=AGAIN,
            subjects=(msgspec.structs.replace(subject, identifiers=(other,)),),
        )
        story.tell(second)
        tokens = token_of(story), token_of(story, second)
        both = (*subject.identifiers, other)
        joining = msgspec.structs.replace(
            WARNING,
            event_id=JOINING,
            origin_id=JOINING,
            subjects=(msgspec.structs.replace(subject, identifiers=both),),
        )
        story.tell(joining)
        story.tell(erasure(tokens[which]), later(days=1))
        (one, two) = certificates(story)

        assert (one["parts"], two["parts"]) in {(2, 1), (1, 2)}
        assert len(story.withdrawals) == len(story.alerts)
        kept = msgspec.msgpack.encode((story.flow._seen, story.flow._aliases, story.flow._entries))
        assert not any(token.encode() in kept for token in tokens)


def test_rows_are_removed_so_that_an_interrupted_removal_finds_the_rest() -> None:
    """From whatever row the removal stopped at, the same token leads to all that are left."""
    rows = {
        "c": AliasEntry("b", "1"),
        "b": AliasEntry("a", "1"),
        "a": AliasEntry("a", "1"),
        "d": AliasEntry("a", "1"),
        "x": AliasEntry("x", "1"),
    }
    order = family_of("c", rows)
    assert set(order) == {"a", "b", "c", "d"}
    for done in range(len(order)):
        left = {name: row for name, row in rows.items() if name not in order[:done]}
        assert set(family_of("c", left)) & set(left) == set(order) & set(left)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"organisation": WARNING.publisher}, "not_allowed_to_act"),
        ({"reason": " "}, "action_without_reason"),
        ({"subject": "nobody"}, "unknown_subject"),
        ({"subject": None}, "action_without_object"),
    ],
)
def test_an_erasure_that_may_not_be_is_refused(changes: dict[str, object], reason: str) -> None:
    """Only the duty desk erases, with a reason, and what is known."""
    story = Story()
    story.tell(WARNING)
    outcome = story.tell(erasure(token_of(story), **changes))

    assert outcome.rejection is not None
    assert outcome.rejection.reason == reason
    assert not story.withdrawals


def test_when_time_has_run_out_recipients_keep_their_own_records() -> None:
    """No withdrawal unless the policy says so; the part is closed all the same."""
    story = Story()
    story.tell(WARNING)
    (state,) = story.flow._states.values()
    assert isinstance(state, PartState)
    sealer, hashes = offline_flow()._reception.sealer, _policy().hashes
    for tell in (False, True):
        made = erase(
            state,
            "act",
            later(days=40),
            reason=RETENTION_ENDED,
            tell=tell,
            hashes=hashes,
            sealer=sealer,
        )
        assert made.told == len(made.recorded.deliveries) == tell * len(TOLD)
        assert json.loads(made.recorded.leaves[-1])["flags"] == [ERASED, RETENTION_ENDED]


def test_the_last_round_is_made_again_to_the_byte() -> None:
    """Without the subject's key, from ids alone, and whatever acts came before it."""
    story = Story()
    story.tell(WARNING)
    (state,) = story.flow._states.values()
    sealer, hashes = offline_flow()._reception.sealer, _policy().hashes
    once, twice = (
        erase(
            state, "a", later(days=1), reason=ERASED, tell=True, hashes=hashes, sealer=sealer
        ).recorded
        for _ in range(2)
    )
    assert once == twice


def test_who_is_erased_is_in_no_row() -> None:
    """What the auditors' key opens of the act says why and by whom, and not of whom."""
    story = Story()
    story.tell(WARNING)
    token = token_of(story)
    outcome = story.tell(erasure(token))
    (recorded, *_) = outcome.sets
    (rows,) = [one.content for one in recorded.sidecars if one.name == "rows"]
    opened = unseal(SECRET, rows, b"rows\n" + recorded.set_id.encode())

    assert b"as the procedure asks" in opened
    assert token.encode() not in opened
