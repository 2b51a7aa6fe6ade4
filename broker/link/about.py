"""Which earlier entries the link of a part rests on: the rest of a long history changes nothing.

They are those that bear on the same claim; all that shares ids with the part, with these, or with
what these may depend on, and so on; of each organisation the first thing that it said; of each that
states a category of a shared harm, the last; and whatever asked the question that the part answers.
Law: linked with them alone a part is linked as with its whole past.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from broker.link.entries import entry_of, one_each, place_of
from broker.model.values import PartInput, StateEntry

NEAR = datetime.timedelta(days=7)
"""How far apart two time windows may lie and still be about one claim. A week: people remember
"last weekend", and a threat for Saturday is heard of in the days before it."""
EARLIEST = datetime.datetime.min.replace(tzinfo=datetime.UTC)
LATEST = datetime.datetime.max.replace(tzinfo=datetime.UTC)

Window = tuple[datetime.datetime, datetime.datetime]
Counts = Callable[[StateEntry], bool]
"""Whether an entry is of the past that is asked about."""


class History(Protocol):
    """The entries of one key, as they are asked for. One entry for each statement, ever the same object."""

    def near(self, harms: Sequence[str], window: Window) -> Iterable[StateEntry]:
        """At least those that share one of `harms` and touch `window`."""

    def mentioning(self, one: str) -> Sequence[StateEntry]:
        """Those that have the id among theirs."""

    def first_said(self, counts: Counts) -> Iterable[StateEntry]:
        """Of each organisation the first that counts, by time of observation."""

    def last_stated(self, harms: Sequence[str], counts: Counts) -> Iterable[StateEntry]:
        """Of each organisation and harm the last that counts and states a category."""


def about(part: PartInput, history: History) -> tuple[StateEntry, ...]:
    """What the part is to be linked with: standing entries below its own place, in order of place."""
    own = entry_of(part)

    def stands(entry: StateEntry) -> bool:
        return entry.order < own.order and not entry.retracted and entry.statement != own.statement

    def counts(entry: StateEntry) -> bool:
        return entry.asked_of is None and stands(entry)

    harms, window = frozenset(own.harms), widened(own.window)
    claim = [
        entry
        for entry in history.near(own.harms, window)
        if bears_on(entry, harms, window) and counts(entry)
    ]
    chosen = {entry.statement: entry for entry in claim}
    _follow(chosen, (own, *claim), history, counts)
    for entry in history.first_said(counts):
        chosen.setdefault(entry.statement, entry)
    if own.category is not None:
        for entry in history.last_stated(own.harms, counts):
            chosen.setdefault(entry.statement, entry)
    if part.event.answers is not None:
        for entry in history.mentioning(part.event.answers):
            if asks(entry, part) and stands(entry):
                chosen.setdefault(entry.statement, entry)
    return tuple(sorted(chosen.values(), key=place_of))


def _follow(
    chosen: dict[tuple[str, str], StateEntry],
    asked: Iterable[StateEntry],
    history: History,
    counts: Counts,
) -> None:
    """Adds what shares an id with `asked`, or with what they may depend on, and what shares with that."""
    wanted = [
        one
        for entry in asked
        for one in (*entry.ids, *(other for other, _ in entry.observation.dependent_on))
    ]
    seen: set[str] = set()
    looked_at = {id(entry) for entry in chosen.values()}
    while wanted:
        one = wanted.pop()
        if one in seen:
            continue
        seen.add(one)
        for entry in history.mentioning(one):
            if id(entry) not in looked_at:
                looked_at.add(id(entry))
                if counts(entry):
                    chosen[entry.statement] = entry
                    wanted.extend(entry.ids)


def widened(window: Window) -> Window:
    """The window with `NEAR` on either side, kept within what a datetime can hold."""
    start, end = window
    opens = start - NEAR if start - EARLIEST > NEAR else EARLIEST
    closes = end + NEAR if LATEST - end > NEAR else LATEST
    return opens, closes


def bears_on(entry: StateEntry, harms: frozenset[str], window: Window) -> bool:
    """Whether the entry shares a harm and touches the window."""
    opens, closes = window
    start, end = entry.window
    return start <= closes and opens <= end and not harms.isdisjoint(entry.harms)


def asks(entry: StateEntry, part: PartInput) -> bool:
    """Whether the entry is the question, put to the part's publisher with a reason, that it answers."""
    event = part.event
    return (
        entry.event_id == event.answers
        and entry.asked_of == event.publisher
        and entry.necessity_stated
    )


def said_at(entry: StateEntry) -> tuple[datetime.datetime, str, str]:
    """By this the entries of a past follow each other: by time of observation."""
    return entry.observation.observed_at, *entry.statement


class Listed:
    """A history of which all entries are at hand."""

    def __init__(self, entries: Iterable[StateEntry]) -> None:
        """In any sequence, and repeated or not."""
        self._entries = tuple(one_each(entries))
        self._by_id: dict[str, list[StateEntry]] | None = None

    def near(self, harms: Sequence[str], window: Window) -> Iterable[StateEntry]:
        """All: who asks looks at them anyway."""
        return self._entries if harms and window else ()

    def mentioning(self, one: str) -> Sequence[StateEntry]:
        """Those that have the id among theirs."""
        if self._by_id is None:
            self._by_id = {}
            for entry in self._entries:
                for held in entry.ids:
                    self._by_id.setdefault(held, []).append(entry)
        return self._by_id.get(one, ())

    def first_said(self, counts: Counts) -> Iterable[StateEntry]:
        """Of each organisation the first that counts, by time of observation."""
        first: dict[str, StateEntry] = {}
        for entry in self._entries:
            if counts(entry):
                known = first.setdefault(entry.publisher, entry)
                if said_at(entry) < said_at(known):
                    first[entry.publisher] = entry
        return first.values()

    def last_stated(self, harms: Sequence[str], counts: Counts) -> Iterable[StateEntry]:
        """Of each organisation and harm the last that counts and states a category."""
        last: dict[tuple[str, str], StateEntry] = {}
        for entry in self._entries:
            if entry.category is None or not counts(entry):
                continue
            for harm in set(harms).intersection(entry.harms):
                known = last.setdefault((entry.publisher, harm), entry)
                if said_at(entry) > said_at(known):
                    last[entry.publisher, harm] = entry
        return last.values()
