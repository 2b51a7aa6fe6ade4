"""What reports may count of a place: where, when and what, of a statement that names no person.

Kept in the rows beside the log, sealed to the auditors; nothing in it comes from a part about a child,
from a home or from an address (Crime and Disorder Act 1998, s.17A: depersonalised).
"""

from __future__ import annotations

from typing import Any

from broker.model.canonical import digest_text
from broker.model.reference import areas_of
from broker.model.types import EventType, PartKind, PlaceKind, PlacePrecision
from broker.model.values import Linked
from broker.record.leaves import milliseconds

OCCURRENCES = frozenset({EventType.INCIDENT, EventType.THREAT_TO_LIFE})
"""What happened once at one time. A context concern may sum up what others have told already."""


def occurrence_of(linked: Linked) -> dict[str, Any] | None:
    """The occurrence of a part about a place; None for any other part or statement.

    `origin` tells reports of one observation apart from another's and says nothing else.
    """
    part, event = linked.part, linked.part.event
    place = event.place
    if part.kind is not PartKind.PLACE or place is None or event.event_type not in OCCURRENCES:
        return None
    if place.kind is PlaceKind.HOME or place.precision is PlacePrecision.ADDRESS:
        return None
    areas = sorted(areas_of(place))
    when = event.when
    return {
        "origin": digest_text("occurrence", linked.claim.observations[0].origin),
        "place": place.lsoa or place.msoa or (place.description if areas else None),
        "key": part.part_key,
        "areas": areas,
        "kind": place.kind.value,
        "harms": sorted(one.value for one in event.harms),
        "start": milliseconds(when.start) if when else None,
        "end": milliseconds(when.end or when.start) if when else None,
    }
