"""Which runs of entries may bear on a claim: what harms and what stretch of time each of them spans.

Sixteen spans of runs lie in a row, sixteen spans of such rows in a row above it, and so on. Runs are
written in the order of the stream, so those of one time lie together and few rows are read.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator

import msgspec

from broker.link.about import Window
from broker.link.rows import Gathered
from broker.model.values import StateEntry

WIDE = 16
"""Spans in a row."""
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
MICROSECOND = datetime.timedelta(microseconds=1)


class Span(msgspec.Struct, frozen=True, array_like=True):
    """The earliest start and the latest end, in microseconds since 1970, and all harms."""

    start: int
    end: int
    harms: tuple[str, ...]


_decoder = msgspec.msgpack.Decoder(list[Span])


def micros(moment: datetime.datetime) -> int:
    """Microseconds since 1970."""
    return (moment - EPOCH) // MICROSECOND


def span_of(entries: Iterable[StateEntry]) -> Span | None:
    """The span of the entries that may be of a claim; None where none may."""
    return _together(
        Span(micros(entry.window[0]), micros(entry.window[1]), tuple(sorted(set(entry.harms))))
        for entry in entries
        if entry.harms and not entry.retracted
    )


class Zones:
    """The spans of the runs of one history."""

    def __init__(self, rows: Gathered) -> None:
        """Rows are named by level and place."""
        self._rows = rows

    def widen(self, run: int, span: Span | None) -> None:
        """Adds the run, or widens what it is said to span. Runs are added in order."""
        level, place = 1, run
        found = span or Span(0, -1, ())
        while True:
            place, at = divmod(place, WIDE)
            spans = self._row(level, place)
            if at and not spans:  # the first row of a new level: what lies below it so far
                spans = [_all(self._row(level - 1, 0))]
            if at < len(spans):
                found = _all((spans[at], found))
                spans[at] = found
            else:
                spans.append(found)
            self._rows.put(f"/z{level}.{place}", msgspec.msgpack.encode(spans))
            if place == 0:
                return
            found = _all(spans)
            level += 1

    def touching(self, runs: int, harms: frozenset[str], window: Window) -> Iterator[int]:
        """Of so many runs those that span some time of the window and one of the harms."""
        if not runs or not harms:
            return
        top = 1
        while runs > WIDE**top:
            top += 1
        opens, closes = micros(window[0]), micros(window[1])
        wanted = [(top, 0)]
        while wanted:
            level, place = wanted.pop()
            for at, span in enumerate(self._row(level, place)):
                if span.start <= closes and opens <= span.end and not harms.isdisjoint(span.harms):
                    below = place * WIDE + at
                    if level > 1:
                        wanted.append((level - 1, below))
                    elif below < runs:
                        yield below

    def drop(self, runs: int) -> None:
        """Removes all rows of so many runs."""
        level, count = 1, runs
        while count:
            rows = -(-count // WIDE)
            for place in range(rows):
                self._rows.drop(f"/z{level}.{place}")
            count = rows if rows > 1 else 0
            level += 1

    def _row(self, level: int, place: int) -> list[Span]:
        row = self._rows.get(f"/z{level}.{place}")
        return [] if row is None else _decoder.decode(row)


def _all(spans: Iterable[Span]) -> Span:
    return _together(one for one in spans if one.start <= one.end) or Span(0, -1, ())


def _together(spans: Iterable[Span]) -> Span | None:
    start: int | None = None
    end: int | None = None
    harms: set[str] = set()
    for one in spans:
        start = one.start if start is None else min(start, one.start)
        end = one.end if end is None else max(end, one.end)
        harms.update(one.harms)
    if start is None or end is None:
        return None
    return Span(start, end, tuple(sorted(harms)))
