"""A part with what was known before it: the claim, the echoes, and who reported earlier."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from broker.link.about import asks, bears_on, said_at, widened
from broker.link.entries import entry_of, one_each
from broker.link.grading import is_unlabelled
from broker.link.origins import Origins, origins_of
from broker.model.types import ConcernEvent
from broker.model.values import (
    Claim,
    EarlierConcern,
    Linked,
    Observation,
    PartInput,
    StateEntry,
)

WHOLE = 1000
"""Discount per mille of a record against what it was made from: it adds nothing to that."""
ORIGIN_UNKNOWN = "origin_unknown"
ORIGIN_ECHO = "origin_echo"
GRADING_UNLABELLED = "grading_unlabelled"
SINGLE_INDICATOR = "single_indicator"
CATEGORIES_DIFFER = "categories_differ"


def link(part: PartInput, past: Sequence[StateEntry]) -> Linked:
    """The part with its claim, from the entries of `past` that lie below its own order.

    An entry of the same event is the part itself and never its own past. Retracted entries never
    count. The same entries in another sequence, or several times, give the same result.
    """
    own = entry_of(part)
    standing = _before(own, past)
    before = [entry for entry in standing if entry.asked_of is None]
    origins = origins_of((own, *before))
    own_origin, names = origins.names[0], origins.names[1:]
    echoes = [
        entry.publisher for entry, name in zip(before, names, strict=True) if name == own_origin
    ]
    others = _other_categories(own, before)
    return Linked(
        part=part,
        claim=_claim(part, own, before, origins),
        agencies_seen=len({own.publisher, *echoes}),
        earlier=_earlier(before),
        flags=_flags(
            part,
            is_echo=bool(echoes) or _is_made_from(names, origins),
            is_at_odds=bool(others),
        ),
        other_categories=others,
        requesters=_requesters(part, standing),
    )


def _before(own: StateEntry, past: Sequence[StateEntry]) -> list[StateEntry]:
    """What counts as past, one entry for each event, by time of observation."""
    order, statement = own.order, own.statement
    below = (entry for entry in past if entry.order < order and entry.statement != statement)
    standing = [entry for entry in one_each(below) if not entry.retracted]
    standing.sort(key=said_at)
    return standing


def _claim(
    part: PartInput, own: StateEntry, before: Sequence[StateEntry], origins: Origins
) -> Claim:
    """The part's own observation first, then those that share a harm and lie near in time."""
    harms = frozenset(own.harms)
    window = widened(own.window)
    observations = [_placed(own.observation, 0, origins)]
    observations.extend(
        _placed(entry.observation, position, origins)
        for position, entry in enumerate(before, start=1)
        if bears_on(entry, harms, window)
    )
    return Claim(observations=tuple(observations), as_of=part.received_at)


def _placed(observation: Observation, position: int, origins: Origins) -> Observation:
    """The observation under the name of its origin, with what that may depend on likewise."""
    name = origins.names[position]
    made_from = origins.made_from.get(position, ())
    if not observation.dependent_on and not made_from:
        if observation.origin == name:
            return observation
        return msgspec.structs.replace(observation, origin=name)
    ties: dict[str, int] = {}
    for other, rho in (*observation.dependent_on, *((one, WHOLE) for one in made_from)):
        ties[origins.named(other)] = max(rho, ties.get(origins.named(other), 0))
    ties.pop(name, None)
    return msgspec.structs.replace(
        observation, origin=name, dependent_on=tuple(sorted(ties.items()))
    )


def _earlier(before: Iterable[StateEntry]) -> tuple[EarlierConcern, ...]:
    """By time of observation: the first that each organisation said; who else it was does not matter."""
    first: dict[str, str] = {}
    for entry in before:
        first.setdefault(entry.publisher, entry.event_id)
    return tuple(EarlierConcern(event_id, code) for code, event_id in first.items())


def _requesters(part: PartInput, standing: Sequence[StateEntry]) -> tuple[str, ...]:
    """Whom an answer answers about this child: one that asked its publisher, and said why.

    An event id is its publisher's own. Where two organisations used that id, nobody can say which of
    them was meant, so neither is.
    """
    if part.event.answers is None:
        return ()
    asked = {entry.publisher for entry in standing if asks(entry, part)}
    return tuple(asked) if len(asked) == 1 else ()


def _other_categories(own: StateEntry, before: Sequence[StateEntry]) -> tuple[tuple[str, str], ...]:
    """What others last stated of a harm that this states too, where it differs; sorted, each once.

    Only codes of one scheme can differ. An agency that has changed its own mind is not at odds with
    anyone. Which of them is right is for people: nothing here computes a category.
    """
    if own.category is None:
        return ()
    last: dict[str, tuple[str, str]] = {}
    for entry in before:
        if entry.category is not None and not set(own.harms).isdisjoint(entry.harms):
            last[entry.publisher] = entry.category
    last.pop(own.publisher, None)
    scheme = own.category[0]
    return tuple(sorted({one for one in last.values() if one[0] == scheme and one != own.category}))


def _flags(part: PartInput, *, is_echo: bool, is_at_odds: bool) -> tuple[str, ...]:
    """The part's flags and what linking adds, each once."""
    found = (
        (ORIGIN_UNKNOWN, part.event.origin_unknown),
        (ORIGIN_ECHO, is_echo),
        (GRADING_UNLABELLED, is_unlabelled(part.event.grading)),
        (SINGLE_INDICATOR, _rests_on_one_indicator(part.event)),
        (CATEGORIES_DIFFER, is_at_odds),
    )
    return tuple(dict.fromkeys((*part.flags, *(flag for flag, holds in found if holds))))


def _is_made_from(names: Sequence[str], origins: Origins) -> bool:
    """Whether the part's record, the first, was made from an origin of the past."""
    return not {origins.named(one) for one in origins.made_from.get(0, ())}.isdisjoint(names)


def _rests_on_one_indicator(event: ConcernEvent) -> bool:
    return event.stated_category is not None and len(set(event.stated_category.indicators)) == 1
