"""The border-flow map: lines between authorities, as wide as what was told, over a picture of England."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

import msgspec

from broker.auditor.borders_published import EVERYWHERE, TOLD_ALL, Line
from broker.model.reference import AUTHORITY

FILE = Path(__file__).parent / "england.json"
WIDEST, THINNEST = 6.0, 1.0
"""Of a line, in hundredths of the map's width."""
BEND = 0.12
"""How far a line bows to its left, of its length: so both directions can be seen."""
MARGIN = 0.35
SMALLEST = 130.0
LETTER = 1.7
"""Width of a letter in hundredths of the map's width."""


class Drawn(msgspec.Struct, frozen=True):
    """One line of the map."""

    path: str
    width: float
    hidden: bool
    """The number is not shown, so the width says nothing."""
    words: str


class Dot(msgspec.Struct, frozen=True):
    """One authority that told or was told."""

    x: float
    y: float
    name: str
    is_named: bool
    """Whether there is room for its name."""


class BorderMap(msgspec.Struct, frozen=True):
    """What is drawn, in the units of the picture."""

    box: tuple[float, float, float, float]
    whole: tuple[float, float]
    unit: float
    """A hundredth of the shown width: sizes of dots and letters."""
    lines: tuple[Drawn, ...]
    dots: tuple[Dot, ...]
    not_drawn: int
    """Flows that have no place: from or to who serves several authorities."""


def between_authorities(lines: Iterable[Line]) -> list[Line]:
    """Lines between two authorities on which something was told, or may have been where it is hidden."""
    return [
        one
        for one in lines
        if one.kind == AUTHORITY
        and EVERYWHERE not in (one.origin, one.to)
        and one.origin != one.to
        and one.counts[TOLD_ALL] != 0
    ]


def map_of(lines: Sequence[Line], *, whole: bool) -> BorderMap:
    """The map of such lines; of all England, or as near as fits all of them."""
    places, size = _england()
    drawn = [one for one in lines if one.origin.code in places and one.to.code in places]
    ends = {one: places[one.code] for line in drawn for one in (line.origin, line.to)}
    box = (0.0, 0.0, *size) if whole or not ends else _around(ends.values())
    unit = box[2] / 100
    most = max((one.counts[TOLD_ALL] or 0 for one in drawn), default=0)
    return BorderMap(
        box=box,
        whole=size,
        unit=unit,
        lines=tuple(_line(one, places, unit, most) for one in drawn),
        dots=tuple(_dots({one.name: at for one, at in sorted(ends.items())}, unit)),
        not_drawn=len(lines) - len(drawn),
    )


def _dots(places: Mapping[str, tuple[float, float]], unit: float) -> Iterator[Dot]:
    """Each with its name, but for those whose name would lie on another's."""
    taken: list[tuple[float, float, float]] = []
    for name, (x, y) in places.items():
        right = x + len(name) * LETTER * unit
        is_named = all(
            abs(y - other_y) > LETTER * 2 * unit or right < left or x > end
            for left, end, other_y in taken
        )
        if is_named:
            taken.append((x, right, y))
        yield Dot(x, y, name, is_named)


def _line(one: Line, places: Mapping[str, tuple[float, float]], unit: float, most: int) -> Drawn:
    (x, y), (to_x, to_y) = places[one.origin.code], places[one.to.code]
    bend_x = (x + to_x) / 2 + (to_y - y) * BEND
    bend_y = (y + to_y) / 2 - (to_x - x) * BEND
    count = one.counts[TOLD_ALL]
    share = math.sqrt(count / most) if count and most else 0.0
    said = "a hidden number of alerts" if count is None else f"{count} alerts"
    return Drawn(
        path=f"M{x:.1f} {y:.1f}Q{bend_x:.1f} {bend_y:.1f} {to_x:.1f} {to_y:.1f}",
        width=round(unit * 0.4 * (THINNEST + (WIDEST - THINNEST) * share), 2),
        hidden=count is None,
        words=f"{one.origin.name} told {one.to.name}: {said}",
    )


def _around(points: Iterable[tuple[float, float]]) -> tuple[float, float, float, float]:
    """A square around all points, with a margin."""
    found = list(points)
    left, right = min(x for x, _ in found), max(x for x, _ in found)
    top, bottom = min(y for _, y in found), max(y for _, y in found)
    side = max(right - left, bottom - top, SMALLEST) * (1 + MARGIN)
    return (
        round((left + right - side) / 2, 1),
        round((top + bottom - side) / 2, 1),
        round(side, 1),
        round(side, 1),
    )


@cache
def _england() -> tuple[dict[str, tuple[float, float]], tuple[float, float]]:
    """Code -> where its dot lies, and the size of the picture."""
    known = json.loads(FILE.read_text("utf-8"))
    return {code: (x, y) for code, (x, y) in known["dots"].items()}, (
        float(known["width"]),
        float(known["height"]),
    )
