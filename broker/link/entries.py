"""What a part leaves behind for later ones, and how two such histories become one."""

from __future__ import annotations

import datetime
from collections.abc import Iterable

import msgspec

from broker.link.grading import is_doubted, letter_of
from broker.model.types import ConcernEvent, DependenceBasis, EventType
from broker.model.values import Observation, PartInput, StateEntry

NO_WITNESS = frozenset(
    {EventType.RETRACTION, EventType.PROTECTIVE_FACTOR, EventType.INFORMATION_REQUEST}
)
"""Statements that are no observation of the harm they mention: one takes it back, one tells of a
strength, one asks."""
RHO: dict[DependenceBasis, int] = {
    DependenceBasis.SHARED_HOUSEHOLD: 500,
    DependenceBasis.SHARED_BRIEFING: 500,
    DependenceBasis.NOT_KNOWN: 1000,
}
"""Discount per mille for a stated dependence; unknown is 1000, which adds nothing."""


def entry_of(part: PartInput) -> StateEntry:
    """The state entry of a part: ids, harms, times and how it is known; no content, no names.

    A correction shares an id with what it corrects, so it is no second witness. A retraction's own
    entry is marked retracted: it never counts. What it takes back stands until a person confirms.
    """
    event = part.event
    return StateEntry(
        order=part.order,
        event_id=event.event_id,
        publisher=event.publisher,
        ids=_ids(event),
        harms=() if event.event_type in NO_WITNESS else tuple(one.value for one in event.harms),
        window=_window(event),
        observation=_observation(event),
        retracted=event.event_type is EventType.RETRACTION,
        asked_of=_asked_of(event),
        category=_category(event),
        necessity_stated=bool(part.subject and (part.subject.necessity or "").strip()),
    )


def join(older: tuple[StateEntry, ...], moved: tuple[StateEntry, ...]) -> tuple[StateEntry, ...]:
    """The entries of both, one for each event, in order of place in the stream.

    Where both hold an event the earlier place is kept, and it is retracted if either says so. So
    joining again, or in another sequence, changes nothing.
    """
    return tuple(sorted(one_each((*older, *moved)), key=place_of))


def one_each(entries: Iterable[StateEntry]) -> Iterable[StateEntry]:
    """One entry for each event, whatever the sequence and however often each is there."""
    kept: dict[tuple[str, str], StateEntry] = {}
    for entry in entries:
        known = kept.setdefault(entry.statement, entry)
        if known is not entry and known != entry:
            kept[entry.statement] = merged(known, entry)
    return kept.values()


def retracted(entries: tuple[StateEntry, ...], mark: StateEntry) -> tuple[StateEntry, ...]:
    """The entries with that of the mark's statement retracted; with the mark where there is none."""
    if all(entry.statement != mark.statement for entry in entries):
        return (*entries, mark)
    return tuple(
        msgspec.structs.replace(entry, retracted=True)
        if entry.statement == mark.statement
        else entry
        for entry in entries
    )


def merged(one: StateEntry, other: StateEntry) -> StateEntry:
    """Two entries of one statement as one: that of the earlier place, retracted if either is."""
    first = min(one, other, key=lambda entry: (place_of(entry), entry.publisher, entry.ids))
    return msgspec.structs.replace(first, retracted=one.retracted or other.retracted)


def place_of(entry: StateEntry) -> tuple[int, str, str]:
    """By this entries follow each other in the stream."""
    return entry.order, *entry.statement


def _category(event: ConcernEvent) -> tuple[str, str] | None:
    stated = event.stated_category
    return None if stated is None else (stated.scheme, stated.code)


def _asked_of(event: ConcernEvent) -> str | None:
    """Whom a request asks; None for a statement. A request that names nobody asks nobody."""
    if event.event_type is not EventType.INFORMATION_REQUEST:
        return None
    return event.request.asked_of if event.request else ""


def _ids(event: ConcernEvent) -> tuple[str, ...]:
    corrected = () if event.relates_to is None else (event.relates_to,)
    stated = (event.event_id, event.origin_id, *event.derived_from, *corrected)
    return tuple(dict.fromkeys(stated))


def _window(event: ConcernEvent) -> tuple[datetime.datetime, datetime.datetime]:
    """When it happened or is expected; for an event that does not say so, when it was observed."""
    if event.when is None:
        return event.observed_at, event.observed_at
    end = event.when.end or event.when.start
    return min(event.when.start, end), max(event.when.start, end)


def _observation(event: ConcernEvent) -> Observation:
    ties: dict[str, int] = {}
    for one in event.dependence:
        ties[one.origin_id] = max(RHO[one.basis], ties.get(one.origin_id, 0))
    return Observation(
        origin=event.origin_id,
        origin_unknown=event.origin_unknown,
        directness=event.directness.value,
        specificity=event.specificity.value,
        letter=letter_of(event.grading, event.directness),
        doubted=is_doubted(event.grading),
        observed_at=event.observed_at,
        dependent_on=tuple(sorted(ties.items())),
    )
