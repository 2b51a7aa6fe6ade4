"""Who is told nothing of an event cannot tell whether it was ever published.

A run with the event and a run without it, all else equal: records, their order, sizes and time buckets,
indexes and sizes of the own log, ids, receipts and every answer are the same bytes.
"""

from __future__ import annotations

import datetime
import tempfile
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from broker.examples.scenarios import load_scenarios
from broker.model import types as t
from broker.reference import load_connected
from broker.shell.keys import DESK
from broker.shell.settings import Settings
from tests.noninterference.world import (
    Happening,
    Statement,
    World,
    about_someone_else,
    play,
    seen_by,
    spaced,
)

CONNECTED = load_connected(Settings().organisations_dir / "connected.yaml")
EVENTS = [event for scenario in load_scenarios() for event in scenario.events]
ABOUT_CHILDREN = [
    one
    for one in EVENTS
    if one.subjects
    and one.answers is None
    and one.event_type not in {t.EventType.RETRACTION, t.EventType.CORRECTION}
]
START = max(one.reported_at for one in EVENTS) + datetime.timedelta(minutes=1)
TRAFFIC = spaced([about_someone_else(one, f"t{n}") for n, one in enumerate(ABOUT_CHILDREN)], START)


def played(happenings: list[Happening]) -> World:
    """The run, in a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        return play(happenings, Path(folder), START)


def told(world: World, base: World) -> set[str]:
    """Who got more in `world` than in `base`."""
    return {
        one
        for one in CONNECTED
        if len(seen_by(world, one).messages) != len(seen_by(base, one).messages)
    }


@pytest.fixture(scope="module")
def base() -> World:
    """Traffic without the event."""
    return played(TRAFFIC)


@settings(max_examples=25)
@given(
    event=st.sampled_from(ABOUT_CHILDREN),
    after=st.integers(0, len(TRAFFIC)),
    beside=st.booleans(),
)
def test_nobody_who_is_told_nothing_sees_a_difference(
    base: World, event: t.ConcernEvent, after: int, beside: bool
) -> None:
    """Any event about a child, anywhere in the traffic, even in one batch with what others are sent."""
    secret = about_someone_else(event, "secret")
    shift = datetime.timedelta(seconds=after, milliseconds=1 if beside else 500)
    world = played([*TRAFFIC, Happening(START + shift, secret)])
    reached = told(world, base) - {secret.publisher}
    assume(reached)  # one that waits for a person, say, is another test
    informed = {*reached, secret.publisher}
    uninformed = [one for one in CONNECTED if one not in informed]
    assert uninformed
    for one in uninformed:
        assert seen_by(world, one) == seen_by(base, one), one


def test_the_harness_sees_a_leak_of_one_message(base: World) -> None:
    """Those who are told do see a difference: the comparison is not blind."""
    secret = about_someone_else(ABOUT_CHILDREN[0], "secret")
    world = played([*TRAFFIC, Happening(START, secret)])

    for one in told(world, base):
        assert seen_by(world, one) != seen_by(base, one)


def test_one_with_no_traffic_at_all_sees_nothing(base: World) -> None:
    """No topic record, no file of a log, not even an empty one, with the event as without it."""
    secret = about_someone_else(ABOUT_CHILDREN[0], "secret")
    world = played([*TRAFFIC, Happening(START, secret)])
    silent = [one for one in CONNECTED if one not in base.reached and one not in world.reached]

    assert silent
    for one in silent:
        assert seen_by(world, one).messages == seen_by(base, one).messages == ()
        assert seen_by(world, one).files == seen_by(base, one).files == ()


def asking(organisation: str, event: t.ConcernEvent) -> list[Statement]:
    """Everything that an organisation can ask: what is held of the event's child, and acts upon it."""
    common: dict[str, Any] = {"organisation": organisation, "actor": "staff-1", "acted_at": START}
    return [
        t.Action(
            action_id="a1",
            kind=t.ActionKind.SUBJECT_ACCESS,
            asked_about=event.subjects[0].identifiers,
            reason="asked in writing",
            **common,
        ),
        t.Action(action_id="a2", kind=t.ActionKind.ACKNOWLEDGE, alert_id="0" * 64, **common),
        t.Action(
            action_id="a3",
            kind=t.ActionKind.REVIEW,
            event_publisher="NOBODY-1",
            event_id="no-such-event",
            verdict="permit",
            reason="curious",
            **common,
        ),
    ]


@pytest.mark.parametrize("event", ABOUT_CHILDREN[:6], ids=lambda one: one.event_id[:8])
def test_no_question_is_answered_otherwise(event: t.ConcernEvent) -> None:
    """Who asks about a child, acknowledges, or tries to act gets the same receipts, of the same size."""
    secret = about_someone_else(event, "secret")
    world = played([Happening(START, secret)])
    asker = next(one for one in CONNECTED if one not in {*world.reached, secret.publisher, DESK})
    later = START + datetime.timedelta(minutes=5)
    questions = spaced(asking(asker, secret), later)

    with_event = seen_by(played([Happening(START, secret), *questions]), asker)
    without = seen_by(played(questions), asker)

    assert with_event.messages
    assert with_event == without


def test_an_act_on_anothers_event_says_the_same_as_on_none() -> None:
    """Whether an event id of another publisher exists cannot be found out by trying to act on it."""
    secret = about_someone_else(ABOUT_CHILDREN[0], "secret")
    asker = next(one for one in CONNECTED if one.startswith("SCH-") and one != secret.publisher)
    act = t.Action(
        action_id="a1",
        kind=t.ActionKind.REVIEW,
        organisation=asker,
        actor="staff-1",
        acted_at=START,
        event_publisher=secret.publisher,
        event_id=secret.event_id,
        verdict="refuse",
        reason="curious",
    )
    later = Happening(START + datetime.timedelta(minutes=5), act)
    at_no_event = msgspec.structs.replace(act, event_id="never-was")
    missed = Happening(later.at, at_no_event)

    hit = seen_by(played([Happening(START, secret), later]), asker)
    miss = seen_by(played([Happening(START, secret), missed]), asker)

    assert hit.sizes == miss.sizes
    receipts = [_opened(one.messages[-1][-1], asker) for one in (hit, miss)]
    assert receipts[0] == receipts[1]


def _opened(value: bytes, organisation: str) -> tuple[Any, ...]:
    """Outcome, reason and words of a receipt."""
    from broker.model.codec import decode
    from broker.model.sealer import sealed_for
    from broker.model.sealing import unpad, unseal
    from tests.oracle import SECRET

    receipt = decode(value, t.Receipt)
    plain = unpad(unseal(SECRET, receipt.sealed, sealed_for(organisation, receipt.set_id)))
    content = decode(plain, t.ReceiptContent)
    return content.outcome, content.reason, content.explanation
