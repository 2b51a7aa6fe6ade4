"""The heart of the mission, over the whole flow: whose voice it is changes nothing but its own field.

Same content from a mother, an officer, a nurse or a neighbour: same weight, same candidates, same
order, same clocks, same fields. What may differ is the projection of the source's class, and that
only where it may be shown at all.
"""

from __future__ import annotations

import datetime
import json
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.examples.scenarios import load_scenarios
from broker.flow import DecidedPart
from broker.model import types as t
from broker.model.codec import decode
from broker.model.sealer import sealed_for
from broker.model.sealing import unpad, unseal
from broker.model.types import AlertContent, Channel
from broker.model.values import SourcePosition
from tests.oracle import SECRET, offline_flow

EVENTS = [
    msgspec.structs.replace(one, subjects=one.subjects[:1])
    for scenario in load_scenarios()
    for one in scenario.events
]
"""Of an event about several children the part about the first: each part is decided by itself."""
ABOUT_A_CHILD = [one for one in EVENTS if one.subjects]
CLASS_FIELD = "provenance"
BROAD = {"family_or_community", "professional"}


def played(event: t.ConcernEvent) -> tuple[DecidedPart, list[AlertContent]]:
    """The decided part and its opened alerts."""
    source = SourcePosition(f"concerns.v1.{event.publisher}", 0, 0)
    outcome = offline_flow().submit(event, event.reported_at, source)
    (part,) = outcome.parts
    alerts = [
        decode(
            unpad(unseal(SECRET, delivery.sealed, sealed_for(delivery.recipient, one.set_id))),
            AlertContent,
        )
        for one in outcome.sets
        for delivery in one.deliveries
        if delivery.channel in (Channel.ALERT, Channel.MANUAL)
    ]
    return part, alerts


def without_class(alert: AlertContent) -> dict[str, Any]:
    """Everything that a recipient sees but the class of the source."""
    plain: dict[str, Any] = msgspec.to_builtins(alert)
    plain["released"] = [one for one in plain["released"] if one["field"] != CLASS_FIELD]
    return plain


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(EVENTS), st.sampled_from(t.Provenance), st.sampled_from(t.Provenance))
def test_whose_voice_it_is_changes_only_the_class_that_is_shown(
    event: t.ConcernEvent, one: t.Provenance, other: t.Provenance
) -> None:
    """Swap the provenance of any scenario's event: decisions, order, clocks and alerts stay."""
    first, first_alerts = played(msgspec.structs.replace(event, provenance=one))
    second, second_alerts = played(msgspec.structs.replace(event, provenance=other))

    assert first.weight == second.weight
    assert [d.decision for d in first.decided] == [d.decision for d in second.decided]
    assert [without_class(a) for a in first_alerts] == [without_class(a) for a in second_alerts]


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(EVENTS), st.sampled_from(t.Provenance))
def test_beyond_the_home_authority_the_class_points_to_nobody(
    event: t.ConcernEvent, provenance: t.Provenance
) -> None:
    """Other authorities and forces see a broad class; schools see none (domain section 9)."""
    _, alerts = played(msgspec.structs.replace(event, provenance=provenance))

    for alert in alerts:
        shown = [json.loads(f.value) for f in alert.released if f.field == CLASS_FIELD]
        if "home" not in alert.capacity or alert.recipient.endswith(":police"):
            assert set(shown) <= BROAD
        if alert.recipient.endswith(":school"):
            assert not shown


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(EVENTS),
    st.sampled_from(["1", "2", None]),
    st.sampled_from(["1", "2", None]),
)
def test_an_officers_habitual_grade_buys_nothing(
    event: t.ConcernEvent, one: str | None, other: str | None
) -> None:
    """Evaluation 1, 2 and no grade at all: the same weight, recipients, clocks and order."""

    def graded(evaluation: str | None) -> t.ConcernEvent:
        if evaluation is None:
            return msgspec.structs.replace(event, grading=None)
        grading = t.Grading(
            scheme="3x5x2", source_evaluation=evaluation, information_assessment="A", handling="P"
        )
        return msgspec.structs.replace(event, grading=grading)

    def outline(evaluation: str | None) -> Any:
        part, alerts = played(graded(evaluation))
        told = [
            (
                d.decision.candidate,
                d.decision.outcome,
                [ruling for ruling in d.decision.released if ruling.field != "grading"],
            )
            for d in part.decided
        ]
        return part.weight, told, [(a.recipient, a.acknowledge_by, a.severity) for a in alerts]

    assert outline(one) == outline(other)


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from(ABOUT_A_CHILD),
    st.sampled_from(["WBRI", "BCRB", "APKN"]),
    st.sampled_from("FMU"),
)
def test_ethnicity_and_sex_reach_no_decision_and_no_alert(
    event: t.ConcernEvent, code: str, sex: str
) -> None:
    """They are held for equality audit only: not a factor, not a field."""
    (child,) = event.subjects
    changed = msgspec.structs.replace(child, ethnicity=t.Ethnicity(code=code), sex=sex)
    plain = msgspec.structs.replace(child, ethnicity=None, sex="U")
    first, first_alerts = played(msgspec.structs.replace(event, subjects=(changed,)))
    second, second_alerts = played(msgspec.structs.replace(event, subjects=(plain,)))

    assert first.weight == second.weight
    assert first_alerts == second_alerts
    assert [d.decision.outcome for d in first.decided] == [
        d.decision.outcome for d in second.decided
    ]


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(EVENTS),
    st.sampled_from(["C", "X", "", "p"]),
    st.lists(st.sampled_from(["consult_originator", "no_onward_sharing", "burn"]), max_size=2),
)
def test_what_is_not_understood_shows_nothing_to_anyone(
    event: t.ConcernEvent, code: str, conditions: list[str]
) -> None:
    """An unknown code or condition withholds all; nobody is told before a person has looked."""
    handling = t.Handling(code=code, conditions=tuple(conditions))
    part, alerts = played(msgspec.structs.replace(event, handling=handling))

    if code not in {"P", "C"} or "burn" in conditions:
        assert not alerts
        assert all(d.decision.outcome != "PERMIT" for d in part.decided)


def test_deciding_twice_gives_the_same_bytes() -> None:
    """The same event at the same moment, in two flows: every leaf and every sealed byte alike."""
    for event in EVENTS:
        source = SourcePosition(f"concerns.v1.{event.publisher}", 0, 0)
        at = event.reported_at + datetime.timedelta(minutes=1)
        one = offline_flow().submit(event, at, source).sets
        other = offline_flow().submit(event, at, source).sets

        assert one == other
