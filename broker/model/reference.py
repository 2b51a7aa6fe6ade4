"""Reference data as a value: organisations, borders and areas, each dated.

Pure look-ups. Loading from `schemas/codesets/` and `policies/organisations/` is done outside the
pure core (broker.reference). A date is always asked for: borders and organisations change.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping

import msgspec


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

    def current_code(self, code: str) -> str:
        """The code in force for `code` (an old GSS code is replaced by its successor)."""
        return self.successors.get(code, code)

    def organisation(self, code: str, on: datetime.date) -> Organisation | None:
        """The organisation with that code (old codes accepted) if it is in force on that day."""
        found = self.organisations.get(self.current_code(code))
        return found if found is not None and found.in_force(on) else None

    def neighbours(self, authority: str, on: datetime.date) -> frozenset[str]:
        """Authorities that border `authority` on that day, in any country."""
        return frozenset(
            border.neighbour
            for border in self.borders.get(self.current_code(authority), ())
            if border.valid_from <= on and (border.valid_to is None or on <= border.valid_to)
        )
