"""Categories are agencies' statements: compared, flagged, shown; never computed and never raised."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from broker.flow import DecidedPart
from broker.link import entry_of, link
from broker.model import types as t
from broker.model.values import Linked, PartInput, SourcePosition
from tests.builders import NOW, concern, subject
from tests.oracle import offline_flow

ROOT = Path(__file__).resolve().parents[2]
EXPLOITED = t.HarmKind.CHILD_CRIMINAL_EXPLOITATION
HOME, THEIRS = "E08000031", "SCH-DY-001"


def stated(code: str, *indicators: str, scheme: str = "cin_factors") -> t.StatedCategory:
    """A category that an agency states."""
    return t.StatedCategory(scheme=scheme, code=code, indicators=indicators)


def event(number: int, category: t.StatedCategory | None, **changes: Any) -> t.ConcernEvent:
    """A statement about the one invented child, with a category or none."""
    return concern(
        event_id=f"event-{number}",
        origin_id=f"origin-{number}",
        stated_category=category,
        **({"harms": (EXPLOITED,)} | changes),
    )


def linked(one: t.ConcernEvent, *before: t.ConcernEvent) -> Linked:
    """That statement with what was stated before it."""

    def part(given_: t.ConcernEvent, order: int) -> PartInput:
        child = given_.subjects[0]
        return PartInput("part", "key", t.PartKind.SUBJECT, given_, child, NOW, order, 1, "receipt")

    return link(part(one, 100), tuple(entry_of(part(e, n)) for n, e in enumerate(before)))


def test_another_category_of_the_same_harm_is_flagged_and_kept() -> None:
    """Same scheme, same harm, another agency's last word, another code."""
    own = event(9, stated("24A", "debts", "phones"))
    theirs = event(1, stated("13A"), publisher=THEIRS)
    changed_mind = event(2, stated("24A"), publisher=THEIRS)

    assert linked(own, theirs).other_categories == (("cin_factors", "13A"),)
    assert "categories_differ" in linked(own, theirs).flags
    assert linked(own, theirs, changed_mind).other_categories == ()
    assert linked(own, event(3, stated("13A"))).other_categories == ()  # its own earlier word
    assert linked(own, msgspec.structs.replace(theirs, harms=())).other_categories == ()
    local = event(4, stated("13A", scheme="local"), publisher=THEIRS)
    assert linked(own, local).other_categories == ()
    assert linked(event(9, None), theirs).other_categories == ()
    retraction = event(
        5, stated("13A"), publisher=THEIRS, event_type=t.EventType.RETRACTION, relates_to="event-1"
    )
    assert linked(own, retraction).other_categories == ()


@given(st.permutations(range(5)), st.lists(st.sampled_from(["13A", "24A", "10A"]), min_size=5))
def test_the_sequence_in_which_the_past_is_read_changes_nothing(
    order: list[int], codes: list[str]
) -> None:
    """Each agency's last word by time, however the entries are handed in."""
    past = [
        event(n, stated(codes[n]), publisher=f"P{n}", observed_at=NOW.replace(minute=n))
        for n in range(5)
    ]
    parts = [
        PartInput("p", "k", t.PartKind.SUBJECT, one, subject(), NOW, n, 1, "r")
        for n, one in enumerate(past)
    ]
    entries = [entry_of(one) for one in parts]
    own = PartInput(
        "p", "k", t.PartKind.SUBJECT, event(9, stated("24A")), subject(), NOW, 9, 1, "r"
    )

    shuffled = link(own, [entries[n] for n in order])
    assert shuffled.other_categories == link(own, entries).other_categories
    assert {code for _, code in shuffled.other_categories} == set(codes[:5]) - {"24A"}


def decided(*events: t.ConcernEvent) -> DecidedPart:
    """The last of these, after the others, through the whole flow."""
    flow = offline_flow()
    outcomes = [
        flow.submit(one, NOW, SourcePosition(f"concerns.v1.{one.publisher}", 0, n))
        for n, one in enumerate(events)
    ]
    (part,) = outcomes[-1].parts
    return part


def test_those_who_may_see_the_category_see_both_and_how_to_read_it() -> None:
    """The home authority: both codes and two notes. The force sees neither category nor note."""
    theirs = event(1, stated("13A", "seen with older boys", "new shoes"), publisher=THEIRS)
    part = decided(theirs, event(9, stated("24A", "a rumour"), publisher="E08000030"))
    shown = {one.decision.candidate.recipient: one for one in part.decided}
    home, police = shown[f"{HOME}:csc"], shown["E23000014:police"]
    seen = {field: (value, transform) for field, value, transform in home.released}
    category, how = seen["stated_category"]

    assert (category["code"], how) == ("24A", "as_stated")
    assert seen["others_state"] == (
        [{"scheme": "cin_factors", "code": "13A"}],
        "derived_by_broker",
    )
    assert THEIRS not in json.dumps([category, seen["others_state"]])
    assert {"single_indicator", "categories_differ"} <= set(home.decision.obligations)
    assert {"stated_category", "others_state"} <= dict(police.decision.withheld).keys()
    assert not {"single_indicator", "categories_differ"} & set(police.decision.obligations)


@given(st.sampled_from([None, "24A", "13A", "freelancing-v1"]), st.integers(0, 3))
def test_a_category_raises_nothing(code: str | None, indicators: int) -> None:
    """Weight, candidates, outcomes and fields but its own are as without it: it is only shown."""
    category = None if code is None else stated(code, *(f"sign {n}" for n in range(indicators)))
    plain = decided(event(9, None, publisher="E08000030"))
    with_it = decided(event(9, category, publisher="E08000030"))

    assert plain.weight == with_it.weight
    for one, other in zip(plain.decided, with_it.decided, strict=True):
        assert one.decision.candidate == other.decision.candidate
        assert one.decision.outcome == other.decision.outcome
        fields = [ruling.field for ruling in other.decision.released]
        assert [r.field for r in one.decision.released] == [
            field for field in fields if field != "stated_category"
        ]


def test_nothing_in_the_broker_makes_a_category() -> None:
    """No code builds a StatedCategory: what is shown is what an agency wrote."""
    makers = [
        path
        for path in (ROOT / "broker").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and getattr(node.func, "attr", getattr(node.func, "id", "")) == "StatedCategory"
    ]

    assert makers == []
