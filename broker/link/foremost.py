"""The first few, or the last few, entries of each organisation, so that the foremost is found at once.

`FEW` are kept: a later part of the stream, or one that is decided again, may not count the foremost. Where
none of the few counts and there are more, whoever asks looks through everything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from broker.link.rows import Gathered
from broker.link.zones import micros
from broker.model.types import HarmKind
from broker.model.values import StateEntry

FEW = 4
FIRST_SAID = "/p"
LAST_STATED = "/c"
"""Rows: of all that was said; and, with a harm behind it, of the categories stated of that harm."""

Place = tuple[int, str, int]
"""When it was observed in microseconds since 1970, the event's id, and the number of the entry."""


class Few(msgspec.Struct, array_like=True):
    """The foremost entries of one organisation, in their sequence."""

    places: list[Place] = []
    more: bool = False
    """Whether there are others, all of them behind these."""


_decoder = msgspec.msgpack.Decoder(dict[str, Few])


class Foremost:
    """The rows of one history."""

    def __init__(self, rows: Gathered) -> None:
        """Over `rows`."""
        self._rows = rows

    def of(self, name: str) -> dict[str, Few]:
        """By organisation."""
        row = self._rows.get(name)
        return {} if row is None else _decoder.decode(row)

    def add(self, entries: list[tuple[int, StateEntry]]) -> None:
        """Adds entries with their numbers, each in the rows that it is of."""
        found: dict[str, dict[str, Few]] = {}
        for number, entry in entries:
            for name in _rows_of(entry):
                few = found.setdefault(name, self.of(name)).setdefault(entry.publisher, Few())
                _add(few, _place(number, entry), last=name != FIRST_SAID)
        self._write(found)

    def remove(
        self,
        number: int,
        entry: StateEntry,
        others: Callable[[], Iterator[tuple[int, StateEntry]]],
    ) -> None:
        """Takes an entry out; `others` are all entries that stand, to find those that come next."""
        found = {name: self.of(name) for name in _rows_of(entry)}
        for name, by_organisation in found.items():
            few = by_organisation.get(entry.publisher)
            if few is None:
                continue
            few.places = [one for one in few.places if one[2] != number]
            if not few.places and few.more:
                few.more = False
                for other, held in others():
                    if held.publisher == entry.publisher and name in _rows_of(held):
                        _add(few, _place(other, held), last=name != FIRST_SAID)
            if not few.places:
                del by_organisation[entry.publisher]
        self._write(found)

    def _write(self, found: dict[str, dict[str, Few]]) -> None:
        for name, by_organisation in found.items():
            if by_organisation:
                self._rows.put(name, msgspec.msgpack.encode(by_organisation))
            else:
                self._rows.drop(name)

    def drop(self) -> None:
        """Removes all rows."""
        for name in (FIRST_SAID, *(LAST_STATED + harm.value for harm in HarmKind)):
            self._rows.drop(name)


def _rows_of(entry: StateEntry) -> tuple[str, ...]:
    """A question is no concern, and what was taken back was never said."""
    if entry.retracted or entry.asked_of is not None:
        return ()
    if entry.category is None:
        return (FIRST_SAID,)
    return FIRST_SAID, *(LAST_STATED + harm for harm in dict.fromkeys(entry.harms))


def _place(number: int, entry: StateEntry) -> Place:
    return micros(entry.observation.observed_at), entry.event_id, number


def _add(few: Few, place: Place, *, last: bool) -> None:
    """Adds a place where it belongs; only among the first `FEW`."""
    few.places = [one for one in few.places if one[2] != place[2]]
    few.places.append(place)
    few.places.sort(reverse=last)
    if few.more and few.places[-1] is place:
        few.places.pop()  # it may lie behind others that are not kept
    if len(few.places) > FEW:
        few.places.pop()
        few.more = True
