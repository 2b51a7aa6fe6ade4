"""How often what happens where and when, over all authorities: counts that can be published.

Pure. Of incidents told about places (Crime and Disorder Act 1998, s.17A: depersonalised; nothing from
parts about children). Numbers 1 to 5 are suppressed, as the Department for Education does; and a total
stands only where every number under it does, so nothing that is hidden can be worked out from what is
shown: each hidden number can be any of 1 to 5.
"""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Iterable, Mapping

import msgspec

SUPPRESSED = range(1, 6)
BASIS = "Crime and Disorder Act 1998, section 17A: depersonalised; purpose: safety of places"
BANDS: tuple[tuple[int, str], ...] = (
    (6, "00:00-06:00"),
    (9, "06:00-09:00"),
    (15, "09:00-15:00"),
    (18, "15:00-18:00"),
    (22, "18:00-22:00"),
    (24, "22:00-24:00"),
)
"""Hour before which a band ends, and its name: before, during and after school, evening, night."""
NOT_KNOWN = "not known"
WINDOWS: tuple[str, ...] = (
    *(f"{day} {name}" for day in ("Mon-Fri", "Sat-Sun") for _, name in BANDS),
    NOT_KNOWN,
)
LONGEST = datetime.timedelta(hours=6)
"""An interval longer than this says on which day or in which month, and not at what time."""
SATURDAY = 5


class Occurrence(msgspec.Struct, frozen=True):
    """One report of an incident at a place, as the sealed rows have it."""

    origin: str
    """Reports of one observation share it, and count once."""
    place: str | None
    """Small area, or the place's name; None where nobody knows which place."""
    key: str
    """What the broker takes for one place."""
    areas: tuple[str, ...]
    kind: str
    harms: tuple[str, ...]
    start: int | None
    """UTC milliseconds since 1970."""
    end: int | None


class PlaceRow(msgspec.Struct, frozen=True):
    """One place and one harm. A number that is None is suppressed, and is one of 1 to 5."""

    place: str
    areas: tuple[str, ...]
    kind: str
    harm: str
    counts: Mapping[str, int | None]
    """Window -> incidents; windows in which nothing happened are left out."""
    total: int | None
    """None as soon as one of the counts is."""


class PlaceCounts(msgspec.Struct, frozen=True):
    """What may be published."""

    basis: str
    rows: tuple[PlaceRow, ...]
    without_place: int | None
    """Incidents of which nobody knows at which place: in no row. None is one of 1 to 5."""


def place_counts(occurrences: Iterable[Occurrence]) -> PlaceCounts:
    """Incidents by place, harm and window, each origin once a place, small numbers suppressed.

    An incident with two harms is in two rows; there is no total over rows, so that these cannot be
    played off against each other. In order of place and harm; the order of reports changes nothing.
    """
    first: dict[tuple[str, str], Occurrence] = {}
    for one in sorted(occurrences, key=_place_in_order):
        first.setdefault((one.key if one.place else "", one.origin), one)
    nowhere = sum(1 for one in first.values() if one.place is None)
    found: dict[tuple[str, str], Counter[str]] = {}
    named: dict[str, Occurrence] = {}
    for one in first.values():
        if one.place is not None:
            named.setdefault(one.key, one)
            for harm in one.harms:
                found.setdefault((one.key, harm), Counter())[window_of(one)] += 1
    rows = [_row(named[key], harm, counted) for (key, harm), counted in found.items()]
    rows.sort(key=lambda row: (row.areas, row.place, row.kind, row.harm))
    return PlaceCounts(BASIS, tuple(rows), shown(nowhere))


def shown(count: int) -> int | None:
    """The number, or None for 1 to 5."""
    return None if count in SUPPRESSED else count


def window_of(one: Occurrence) -> str:
    """Working days or weekend, and band of the clock in England, by when it began."""
    if one.start is None or one.end is None:
        return NOT_KNOWN
    if one.end - one.start > LONGEST / datetime.timedelta(milliseconds=1):
        return NOT_KNOWN
    began = clock_in_england(datetime.datetime.fromtimestamp(one.start / 1000, datetime.UTC))
    band = next(name for before, name in BANDS if began.hour < before)
    return f"{'Sat-Sun' if began.weekday() >= SATURDAY else 'Mon-Fri'} {band}"


def clock_in_england(moment: datetime.datetime) -> datetime.datetime:
    """UTC, and an hour more from the last Sunday of March to that of October, at 01:00 UTC."""
    summer = _last_sunday(moment.year, 3) <= moment < _last_sunday(moment.year, 10)
    return moment + datetime.timedelta(hours=1) if summer else moment


def _last_sunday(year: int, month: int) -> datetime.datetime:
    last = datetime.datetime(year, month, 31, 1, tzinfo=datetime.UTC)
    return last - datetime.timedelta(days=(last.weekday() + 1) % 7)


def _row(one: Occurrence, harm: str, counted: Counter[str]) -> PlaceRow:
    counts = {window: shown(counted[window]) for window in WINDOWS if counted[window]}
    total = None if None in counts.values() else counted.total()
    return PlaceRow(one.place or "", one.areas, one.kind, harm, counts, total)


def _place_in_order(one: Occurrence) -> tuple[str, str, int, int, tuple[str, ...], str]:
    """A fixed order, so that of two reports of one incident the same one speaks."""
    return (one.key, one.origin, one.start or 0, one.end or 0, one.harms, one.place or "")
