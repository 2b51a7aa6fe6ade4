"""Candidates of a part by nexus, as of the day it was received.

A nexus is a fact that links an organisation to this child or this place: who lives, is found, is
placed or is schooled where, who is responsible, where harm happens, who reported it before. To be
a neighbour is only a hint; such a candidate has the capacity `adjacent` and nothing else. Who said
it, how it is graded and how urgent it is are not read here: they change nobody's nexus. No scoring.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable

import msgspec

from broker.model.reference import AREA_KINDS, AUTHORITY, Organisation, Reference, areas_of
from broker.model.types import NexusFact, PartKind
from broker.model.values import Candidate, Linked

ADJACENT = "adjacent"
EARLIER_CONCERN = "earlier_concern"
HARM_PLACE = "harm_place"
ORIGINATOR = "originator"
ASKED = "asked"
REQUESTER = "requester"
PERSON = frozenset(
    {
        "home",
        "found_in",
        "placed_by",
        "placed_in",
        "responsible",
        "associate_home",
        EARLIER_CONCERN,
    }
)
"""Capacities in which an authority is concerned with a person: its children's social care."""
HEALTH = frozenset({"home", "found_in", "placed_in"})
"""Where a child is, by day or night: the integrated care board of that area is concerned."""
POLICE_KIND = "police"
CHILDRENS_SOCIAL_CARE = "csc"
HUB = "mash"
PARTNERSHIP = "csp"

Capacities = dict[str, set[str]]


def candidates(linked: Linked, reference: Reference) -> tuple[Candidate, ...]:
    """Everyone to be evaluated for the part, sorted: one candidate an organisation.

    For a place also its community safety partnerships, another front door of their authorities.
    Capacities are sorted nexus kinds. Old GSS codes are accepted and the code in force is given.
    An organisation that is not in force on the day is no candidate.
    """
    on = linked.part.received_at.date()
    stated = _stated(linked, reference, on)
    capacities: Capacities = {code: set(kinds) for code, kinds in stated.items()}
    neighbours: set[str] = set()
    for code, kinds in stated.items():
        area = reference.organisation(code, on)
        if area is None or area.kind not in AREA_KINDS:
            continue
        _add_serving(capacities, kinds, reference.serving(code, on))
        neighbours |= reference.neighbours(code, on)
    _add_by_place_kind(capacities, linked, reference, on)
    _add_speakers(capacities, linked, reference)
    for code in neighbours.difference(capacities):
        capacities[code] = {ADJACENT}
    doors = PERSON if linked.part.kind is PartKind.SUBJECT else PERSON - {EARLIER_CONCERN}
    found = tuple(_in_force(capacities, doors, reference, on))
    if linked.part.kind is PartKind.PLACE:
        found = (*found, *_partnerships(found, reference))
    return tuple(sorted(found))


def _stated(linked: Linked, reference: Reference, on: datetime.date) -> Capacities:
    """Code in force -> capacities, from the subject's own facts of the day and the place of harm."""
    part = linked.part
    found: Capacities = {}
    if part.subject is not None:
        for fact in part.subject.nexus:
            if _holds(fact, on):
                code = reference.current_code(fact.organisation)
                found.setdefault(code, set()).add(fact.kind.value)
    for area in areas_of(part.event.place):
        found.setdefault(reference.current_code(area), set()).add(HARM_PLACE)
    return found


def _holds(fact: NexusFact, on: datetime.date) -> bool:
    """Whether the fact covers the day; an absent end is open."""
    return (fact.valid_from is None or fact.valid_from <= on) and (
        fact.valid_to is None or on <= fact.valid_to
    )


def _add_serving(capacities: Capacities, kinds: set[str], serving: Iterable[Organisation]) -> None:
    """The force shares every capacity of an area that it covers; the care board those of `HEALTH`."""
    for organisation in serving:
        shared = kinds if organisation.kind == POLICE_KIND else kinds & HEALTH
        if shared:
            capacities.setdefault(organisation.code, set()).update(shared)


def _add_by_place_kind(
    capacities: Capacities, linked: Linked, reference: Reference, on: datetime.date
) -> None:
    """A station concerns British Transport Police wherever it is, even where no area is known."""
    place = linked.part.event.place
    if place is None:
        return
    areas: tuple[str | None, ...] = tuple(map(reference.current_code, areas_of(place)))
    for area in areas or (None,):
        for organisation in reference.concerned_with(place.kind.value, area, on):
            capacities.setdefault(organisation.code, set()).add(HARM_PLACE)


def _add_speakers(capacities: Capacities, linked: Linked, reference: Reference) -> None:
    """Who published this, who published earlier concerns, who is asked, and who is answered.

    These are theirs alone: neither the force of that area nor its neighbours share them, since
    `originator` opens what belongs to the originator only, and a question is put to one.
    """
    for earlier in linked.earlier:
        code = reference.current_code(earlier.organisation)
        capacities.setdefault(code, set()).add(EARLIER_CONCERN)
    event = linked.part.event
    if event.request is not None:
        asked = reference.current_code(event.request.asked_of)
        capacities.setdefault(asked, set()).add(ASKED)
    for code in linked.requesters:
        capacities.setdefault(reference.current_code(code), set()).add(REQUESTER)
    publisher = reference.current_code(event.publisher)
    capacities.setdefault(publisher, set()).add(ORIGINATOR)


def _in_force(
    capacities: Capacities, doors: frozenset[str], reference: Reference, on: datetime.date
) -> Iterable[Candidate]:
    for code, kinds in capacities.items():
        organisation = reference.organisation(code, on)
        if organisation is not None:
            yield Candidate(
                organisation=organisation.code,
                role=_role(organisation, kinds, doors),
                capacity=tuple(sorted(kinds)),
                kind=organisation.kind,
                country=organisation.country,
            )


def _partnerships(found: Iterable[Candidate], reference: Reference) -> Iterable[Candidate]:
    """The partnerships of the areas in which a place lies: they are told of places, never of persons."""
    for one in found:
        roles = reference.organisations[one.organisation].roles
        if one.kind == AUTHORITY and HARM_PLACE in one.capacity and PARTNERSHIP in roles:
            yield msgspec.structs.replace(one, role=PARTNERSHIP, capacity=(HARM_PLACE,))


def _role(organisation: Organisation, kinds: set[str], doors: frozenset[str]) -> str:
    """The front door: for a person children's social care, for a place or a report the hub.

    `doors` are the capacities that open social care: to have reported a place before is none. A
    council without a hub, and every other kind of organisation, has its first role as the door.
    """
    if organisation.kind not in AREA_KINDS:
        return organisation.roles[0]
    concerned = CHILDRENS_SOCIAL_CARE if kinds & doors or ADJACENT in kinds else HUB
    return concerned if concerned in organisation.roles else organisation.roles[0]
