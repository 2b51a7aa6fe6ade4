"""Nothing is dropped in silence: every candidate that should be there has one leaf, and the counts close.

The expected candidates come from the naive locate over the raw files, the rest is counted from the
leaves as an auditor reads them; neither asks broker.locate or broker.decide.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.model import types as t
from broker.model.types import ConcernEvent
from broker.model.values import Claim, Linked, PartInput, SourcePosition
from broker.offline import Outcome
from tests.builders import NOW, concern, subject
from tests.oracle import offline_flow
from tests.rooms.test_locate_naive import (
    AUTHORITIES,
    OTHERS,
    facts,
    naive,
    places,
    renewed,
    requests,
)

ASKS = t.EventType.INFORMATION_REQUEST
TAKES_BACK = {t.EventType.CORRECTION, t.EventType.RETRACTION}
"""Statements that take another one back: they have laws of their own (tests/rounds)."""


@st.composite
def events(draw: st.DrawFn) -> ConcernEvent:
    """An event about up to three children, or about a place, anywhere in England."""
    children = tuple(
        subject(
            subject_ref=f"child-{number}",
            identifiers=(
                t.Identifier(scheme=t.IdentifierScheme.LOCAL, value=f"c{number}", system="t"),
            ),
            nexus=tuple(draw(st.lists(facts, max_size=4))),
            necessity=draw(st.sampled_from([None, " ", "Named in a threat for this weekend."])),
        )
        for number in range(draw(st.integers(0, 3)))
    )
    publisher = draw(st.sampled_from(AUTHORITIES) | st.sampled_from(OTHERS))
    asked = draw(requests.filter(lambda one: renewed(one.asked_of) != publisher))
    kinds = [one for one in t.EventType if one not in TAKES_BACK and (children or one is not ASKS)]
    kind = draw(st.sampled_from(kinds))
    return concern(
        event_id=str(draw(st.uuids())),
        publisher=publisher,
        event_type=kind,
        request=asked if kind is ASKS else None,
        answers=draw(st.sampled_from([None, None, "a-request"])) if kind is not ASKS else None,
        subjects=children,
        place=draw(st.none() | places) if children else draw(places),
        handling=t.Handling(code=draw(st.sampled_from(["P", "P", "C", "?"]))),
        provenance=draw(st.sampled_from(t.Provenance)),
    )


def leaves_of(outcome: Outcome) -> list[dict[str, Any]]:
    return [json.loads(leaf) for one in outcome.sets for leaf in one.leaves]


def expected_candidates(event: ConcernEvent) -> list[list[tuple[str, str, tuple[str, ...]]]]:
    """For each part the candidates that a person with the files and a pencil would find."""
    parts = event.subjects or (None,)
    kind = t.PartKind.SUBJECT if event.subjects else t.PartKind.PLACE
    return [
        naive(
            Linked(PartInput("p", "k", kind, event, child, NOW, 1, 1, "r"), Claim((), NOW), 1, ())
        )
        for child in parts
    ]


@settings(max_examples=120, deadline=None)
@given(events())
def test_every_candidate_of_every_part_has_one_leaf_and_the_counts_close(
    event: ConcernEvent,
) -> None:
    """Accepted names the parts; each part closes once; the closing counts its decision leaves."""
    outcome = offline_flow().submit(
        event, NOW, SourcePosition(f"concerns.v1.{event.publisher}", 0, 0)
    )
    leaves = leaves_of(outcome)
    (accepted,) = [one for one in leaves if one["kind"] == "accepted"]
    closings = [one for one in leaves if one["kind"] == "closing"]
    expected = expected_candidates(event)

    assert [one["part_id"] for one in closings] == accepted["parts"]
    assert len(closings) == len(expected)
    for closing, candidates in zip(closings, expected, strict=True):
        mine = [
            one
            for one in leaves
            if one["kind"] == "decision" and one["set_id"] == closing["set_id"]
        ]
        outcomes = Counter(one["outcome"] for one in mine)
        assert [
            (one["organisation"], one["role"], tuple(one["capacity"])) for one in mine
        ] == candidates
        assert [one["n"] for one in mine] == list(range(closing["count"]))
        assert (outcomes["PERMIT"], outcomes["DENY"], outcomes["REVIEW"]) == (
            closing["permit"],
            closing["deny"],
            closing["review"],
        )


@settings(max_examples=60, deadline=None)
@given(events())
def test_every_permit_has_its_alert_and_nothing_else_has_one(event: ConcernEvent) -> None:
    """One alert for each PERMIT leaf, committed to by it; none for a refusal.

    The one receipt beside them tells the publisher of a request or an answer that it was refused.
    """
    outcome = offline_flow().submit(
        event, NOW, SourcePosition(f"concerns.v1.{event.publisher}", 0, 0)
    )
    for one in outcome.sets:
        if one.kind is not t.SetKind.DECISION:
            continue
        leaves = [json.loads(leaf) for leaf in one.leaves]
        told = [leaf for leaf in leaves if leaf.get("outcome") == "PERMIT"]
        returned = [leaf for leaf in leaves if "receipt" in leaf]
        assert len(told) + len(returned) == len(one.deliveries)
        assert all("originator" in leaf["capacity"] for leaf in returned)
        assert all(leaf["reasons"] in (["no_necessity"], ["not_asked_for"]) for leaf in returned)
        assert all(leaf["recipient_leaf"] for leaf in told)
        refused = [leaf for leaf in leaves if leaf.get("outcome") in ("DENY", "REVIEW")]
        assert all(leaf["recipient_leaf"] is None and not leaf["released"] for leaf in refused)


@settings(max_examples=60, deadline=None)
@given(events())
def test_every_field_that_the_event_holds_is_released_or_withheld_with_a_reason(
    event: ConcernEvent,
) -> None:
    """For every candidate: no field is both, none is neither, and every withheld one has a reason."""
    outcome = offline_flow().submit(
        event, NOW, SourcePosition(f"concerns.v1.{event.publisher}", 0, 0)
    )
    for part in outcome.parts:
        held: set[str] | None = None
        for one in part.decided:
            released = {ruling.field for ruling in one.decision.released} - {"existence"}
            withheld = [field for field, _ in one.decision.withheld]
            assert len(withheld) == len(set(withheld))
            assert not released & set(withheld)
            assert all(reason for _, reason in one.decision.withheld)
            assert held is None or held == released | set(withheld)
            held = released | set(withheld)


def test_two_children_given_one_number_are_two_parts_that_both_close() -> None:
    """An event that says two children where the number says one loses neither of them."""
    one, other = subject(subject_ref="child-1"), subject(subject_ref="child-2")
    event = msgspec.structs.replace(concern(), publisher=AUTHORITIES[0], subjects=(one, other))
    outcome = offline_flow().submit(event, NOW, SourcePosition("concerns.v1.x", 0, 0))
    leaves = leaves_of(outcome)

    assert len({leaf["part_id"] for leaf in leaves if leaf["kind"] == "closing"}) == 2
    assert len({one.set_id for one in outcome.sets}) == len(outcome.sets) == 3
    assert "same_number_twice" in leaves[0]["flags"]
