"""Reference data as a value: organisations, borders and areas, each dated.

Pure look-ups. Loading from `schemas/codesets/` and `policies/organisations/` is done outside the
pure core (broker.reference). A date is always asked for: borders and organisations change.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping

import msgspec

from broker.model.types import Place

AUTHORITY = "authority"
"""Kind of an English children's-services authority."""
COUNCIL = "council"
"""Kind of a Welsh or Scottish council."""
DESK = "desk"
"""Kind of the broker's own duty desk: it serves no area, and nothing makes it a candidate."""
AREA_KINDS = frozenset({AUTHORITY, COUNCIL})
"""Kinds of organisation that are an area: a place can lie in them and a child can live there."""


class Organisation(msgspec.Struct, frozen=True):
    """One organisation of the register. A successor is a new row and inherits no rights."""

    code: str
    """GSS code for authorities and forces, else a register code of letters, digits and hyphens."""
    name: str
    kind: str
    """`authority`, `police`, `icb`, `school`, `charity`, `advocate`, `health_provider`, `council`."""
    country: str
    areas: tuple[str, ...]
    """GSS codes of the upper-tier authorities that it serves or lies in."""
    roles: tuple[str, ...]
    """Its front doors, such as (`csc`, `mash`)."""
    valid_from: datetime.date
    valid_to: datetime.date | None
    place_kinds: tuple[str, ...] = ()
    """For organisations concerned with a kind of place anywhere (British Transport Police: transport)."""
    contact: str = ""
    """Published contact of its duty desk, for an EXISTENCE pointer."""
    invented: bool = False

    def in_force(self, on: datetime.date) -> bool:
        """True if the organisation exists on that day."""
        return self.valid_from <= on and (self.valid_to is None or on <= self.valid_to)


class Border(msgspec.Struct, frozen=True):
    """One side of a border: the neighbour and the days on which it holds."""

    neighbour: str
    valid_from: datetime.date
    valid_to: datetime.date | None


class Reference(msgspec.Struct, frozen=True):
    """All reference data that the flow reads, with the hash by which the record names it."""

    organisations: Mapping[str, Organisation]
    borders: Mapping[str, tuple[Border, ...]]
    """Authority -> its borders; symmetric."""
    served_by: Mapping[str, tuple[str, ...]]
    """Authority -> codes of the forces and integrated care boards that cover it."""
    successors: Mapping[str, str]
    """Old GSS code -> the code in force: accepted on input, never emitted."""
    geography_hash: str
    register_hash: str
    by_place_kind: Mapping[str, tuple[str, ...]] = msgspec.field(default_factory=dict)
    """Place kind -> codes of organisations that such places concern, wherever they have areas."""
    service_dates: Mapping[tuple[str, str], tuple[datetime.date, datetime.date | None]] = (
        msgspec.field(default_factory=dict)
    )
    """(authority, force) -> first and last day, for pairs of `served_by` that began or end."""

    contacts: Mapping[str, tuple[str, ...]] = msgspec.field(default_factory=dict)
    """Organisation code, or kind, -> roles that are told in turn of an alert nobody acknowledged."""

    def next_contact(self, organisation: Organisation, role: str) -> str | None:
        """The role that is told after `role`; None after the last. A front door comes before them all."""
        listed = self.contacts.get(organisation.code, self.contacts.get(organisation.kind, ()))
        following = listed[listed.index(role) + 1 :] if role in listed else listed
        return following[0] if following else None

    def current_code(self, code: str) -> str:
        """The code in force for `code` (an old GSS code is replaced by its successor)."""
        return self.successors.get(code, code)

    def organisation(self, code: str, on: datetime.date) -> Organisation | None:
        """The organisation with that code (old codes accepted) if it is in force on that day."""
        found = self.organisations.get(self.current_code(code))
        return found if found is not None and found.in_force(on) else None

    def serving(self, authority: str, on: datetime.date) -> tuple[Organisation, ...]:
        """Forces and integrated care boards in force that cover `authority` on that day."""
        current = self.current_code(authority)
        return tuple(
            found
            for code in self.served_by.get(current, ())
            if (found := self.organisation(code, on)) is not None
            and self._serves(current, code, on)
        )

    def concerned_with(
        self, place_kind: str, authority: str | None, on: datetime.date
    ) -> tuple[Organisation, ...]:
        """Organisations in force that places of this kind concern, whichever force covers the area.

        One without areas is concerned everywhere; one with areas only in those.
        """
        return tuple(
            found
            for code in self.by_place_kind.get(place_kind, ())
            if (found := self.organisation(code, on)) is not None
            and (not found.areas or authority in found.areas)
        )

    def _serves(self, authority: str, code: str, on: datetime.date) -> bool:
        dates = self.service_dates.get((authority, code))
        return dates is None or (dates[0] <= on and (dates[1] is None or on <= dates[1]))

    def neighbours(self, authority: str, on: datetime.date) -> frozenset[str]:
        """Authorities that border `authority` on that day, in any country."""
        return frozenset(
            border.neighbour
            for border in self.borders.get(self.current_code(authority), ())
            if border.valid_from <= on and (border.valid_to is None or on <= border.valid_to)
        )


def areas_of(place: Place | None) -> tuple[str, ...]:
    """The areas that a place lies in, as stated, each once; a place on a border lies in several."""
    if place is None:
        return ()
    stated = (place.la_gss, *place.also_gss)
    return tuple(dict.fromkeys(one for one in stated if one is not None))
