"""Histories for the laws of link and weigh: events about one invented child, and claims at large."""

from __future__ import annotations

import datetime
from typing import Any

import msgspec
from hypothesis import strategies as st

from broker.link import entry_of
from broker.model import types as t
from broker.model.values import Claim, Observation, PartInput, StateEntry
from broker.weigh import WeightParameters
from tests.builders import NOW, concern

ORIGINS = [f"origin-{letter}" for letter in "abcdef"]
EVENTS = [f"event-{number}" for number in range(10)]
PUBLISHERS = [f"PUBLISHER-{number}" for number in range(5)]
HARMS = [t.HarmKind.WEAPON_THREAT, t.HarmKind.WEAPON_CARRYING, t.HarmKind.MISSING]
KNOWN = ["direct", "indirect", "not_known", "not_stated"]
SPECIFIC = ["specific", "partial", "general", "not_stated"]
MOMENTS = st.integers(-500, 40).map(lambda days: NOW + datetime.timedelta(days=days))
LATER = 1000
"""An order above that of every past entry of a history."""


def part_of(event: t.ConcernEvent, order: int = LATER, **changes: Any) -> PartInput:
    """The part of an event about its first subject, received at `NOW` unless said otherwise."""
    subject = event.subjects[0] if event.subjects else None
    part = PartInput("part", "key", t.PartKind.SUBJECT, event, subject, NOW, order, 1, "receipt")
    return msgspec.structs.replace(part, **changes)


def past_of(*events: t.ConcernEvent) -> tuple[StateEntry, ...]:
    """What the parts of these events leave behind, in this order."""
    return tuple(entry_of(part_of(event, order)) for order, event in enumerate(events))


GRADINGS = st.builds(
    t.Grading,
    scheme=st.sampled_from(["3x5x2", "5x5x5", "ungraded", "home-made"]),
    source_evaluation=st.sampled_from([None, "1", "2", "3", "A", "D", "E"]),
    information_assessment=st.sampled_from([None, *"ABCDE12345"]),
    doubt_reason=st.sampled_from([None, " ", "seen elsewhere at that time"]),
    doubt_reviewer=st.sampled_from([None, "reviewer-1"]),
)
DEPENDENCES = st.builds(
    t.Dependence,
    origin_id=st.sampled_from(ORIGINS),
    basis=st.sampled_from(list(t.DependenceBasis)),
)


def events(event_ids: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    """Events with ids from small pools, so that echoes, summaries and dependences are common."""
    named = st.sampled_from([*ORIGINS, *EVENTS])
    return st.builds(
        concern,
        event_id=event_ids,
        publisher=st.sampled_from(PUBLISHERS),
        origin_id=st.sampled_from(ORIGINS),
        origin_unknown=st.integers(0, 5).map(lambda number: number == 0),
        derived_from=st.lists(named, max_size=3, unique=True).map(tuple),
        dependence=st.lists(DEPENDENCES, max_size=2).map(tuple),
        observed_at=st.integers(-12, 0).map(lambda days: NOW + datetime.timedelta(days=days)),
        harms=st.lists(st.sampled_from(HARMS), max_size=2, unique=True).map(tuple),
        directness=st.sampled_from(list(t.Directness)),
        specificity=st.sampled_from(list(t.Specificity)),
        grading=st.none() | GRADINGS,
        provenance=st.sampled_from(list(t.Provenance)),
    )


@st.composite
def histories(draw: st.DrawFn) -> tuple[PartInput, tuple[StateEntry, ...]]:
    """A part and a past with distinct events, in order."""
    ids = draw(st.lists(st.sampled_from(EVENTS), min_size=1, max_size=8, unique=True))
    drawn = [draw(events(st.just(one))) for one in ids]
    return part_of(drawn[-1]), past_of(*drawn[:-1])


def observations(
    origins: st.SearchStrategy[str] | None = None, unknown: st.SearchStrategy[bool] | None = None
) -> st.SearchStrategy[Observation]:
    """Observations of any kind: of any or the given origins, tied or not, doubted or not."""
    named = st.sampled_from(ORIGINS)
    return st.builds(
        Observation,
        origin=named if origins is None else origins,
        origin_unknown=st.booleans() if unknown is None else unknown,
        directness=st.sampled_from(KNOWN),
        specificity=st.sampled_from(SPECIFIC),
        letter=st.sampled_from([None, *"ABCDE"]),
        doubted=st.booleans(),
        observed_at=MOMENTS,
        dependent_on=st.lists(st.tuples(named, st.integers(0, 1000)), max_size=2).map(tuple),
    )


def claims() -> st.SearchStrategy[Claim]:
    """A claim of one to seven observations."""
    return st.lists(observations(), min_size=1, max_size=7).map(
        lambda found: Claim(tuple(found), NOW)
    )


@st.composite
def parameters(draw: st.DrawFn) -> WeightParameters:
    """Any parameters that `WeightParameters` takes."""

    def falling(count: int, most: int) -> list[int]:
        numbers = st.lists(st.integers(0, most), min_size=count, max_size=count)
        return sorted(draw(numbers), reverse=True)

    direct, indirect, not_known = falling(3, 5000)
    specific, partial, general = falling(3, 1000)
    *shares, older = falling(4, 1000)
    days = sorted(draw(st.lists(st.integers(0, 700), min_size=3, max_size=3)))
    strong, considerable, some = falling(3, 1000)
    return WeightParameters(
        start=draw(st.integers(-6000, 3000)),
        direct=direct,
        indirect=indirect,
        not_known=not_known,
        specific=specific,
        partial=partial,
        general=general,
        recency=tuple(zip(days, shares, strict=True)),
        older=older,
        doubted=draw(st.integers(0, 1000)),
        strong=strong,
        considerable=considerable,
        some=some,
    )
