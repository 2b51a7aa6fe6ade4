"""Places on a border: the other areas must adjoin the one in which the place lies.

Whoever names an area as the place of harm makes its authority and its force concerned. So a place
may name what it opens onto, and not the whole country.
"""

from __future__ import annotations

import datetime

from broker.model.reference import Reference
from broker.model.types import ConcernEvent
from broker.model.values import Rejection

MOST_OTHERS = 5
"""Five authorities meet nowhere in England beside a sixth."""


def check_place(event: ConcernEvent, on: datetime.date, reference: Reference) -> Rejection | None:
    """None if the place names no other area, or only areas that adjoin its own on that day."""
    place = event.place
    if place is None or not place.also_gss:
        return None
    if place.la_gss is None:
        return _wrong(event, "say in place.la_gss in which authority the place lies")
    if len(place.also_gss) > MOST_OTHERS:
        return _wrong(event, f"a place lies beside {MOST_OTHERS} others at most: name only those")
    near = reference.neighbours(place.la_gss, on)
    apart = next((one for one in place.also_gss if reference.current_code(one) not in near), None)
    if apart is not None:
        return _wrong(event, f"{apart} does not adjoin {place.la_gss}: name only those that do")
    return None


def _wrong(event: ConcernEvent, what: str) -> Rejection:
    return Rejection("areas_do_not_adjoin", f"place.also_gss: {what}", event.event_id)
