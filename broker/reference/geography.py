"""Authorities, replaced codes, borders and police areas from `schemas/codesets/`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from pydantic import Field

from broker.model.canonical import canonical_json, digest
from broker.model.reference import Border
from broker.reference.files import DatedRow, Placed, R, read_rows

GssCode = Annotated[str, Field(pattern=r"^[EWS][0-9]{8}$")]
Name = Annotated[str, Field(min_length=2)]


class AuthorityRow(DatedRow):
    """A row of `authorities.csv`; the days are those of the code."""

    gss_code: GssCode
    name: Name
    la_type: Name
    region_code: GssCode
    region_name: Name
    dfe_la_code: Annotated[str, Field(pattern=r"^[0-9]{3}$")]


class ReplacedRow(DatedRow):
    """A row of `replaced_codes.csv`."""

    gss_code: GssCode
    name: Name
    successor: GssCode


class BorderRow(DatedRow):
    """A row of `borders.csv`: an unordered pair, the smaller code first."""

    gss_a: GssCode
    name_a: Name
    country_a: Literal["England", "Wales", "Scotland"]
    gss_b: GssCode
    name_b: Name
    country_b: Literal["England", "Wales", "Scotland"]
    border_type: Literal["land", "water"]
    land_border_m: Annotated[str, Field(pattern=r"^[0-9]*$")]
    water_gap_m: Annotated[str, Field(pattern=r"^[0-9]*$")]


class PoliceAreaRow(DatedRow):
    """A row of `police_areas.csv`."""

    police_force_area_code: GssCode
    police_force_area: Name
    gss_code: GssCode
    local_authority: Name


class Geography(msgspec.Struct, frozen=True):
    """The four tables, as read and checked each for itself."""

    authorities: tuple[Placed[AuthorityRow], ...]
    replaced: tuple[Placed[ReplacedRow], ...]
    borders: tuple[Placed[BorderRow], ...]
    police_areas: tuple[Placed[PoliceAreaRow], ...]

    def content_hash(self) -> str:
        """SHA-256 in hex over what the rows say; line ends and order of rows do not matter."""
        return digest(
            *(b"authorities", rows_bytes(self.authorities)),
            *(b"borders", rows_bytes(self.borders)),
            *(b"police_areas", rows_bytes(self.police_areas)),
            *(b"replaced", rows_bytes(self.replaced)),
        )


def rows_bytes(rows: Iterable[Placed[R]]) -> bytes:
    """Canonical bytes of a table, its rows in the order of their own bytes."""
    return canonical_json(
        sorted(canonical_json(p.row.model_dump(mode="json")).decode() for p in rows)
    )


def load_geography(codesets_dir: Path) -> Geography:
    """Reads and checks the four tables. Raises ReferenceDataError."""
    geography = Geography(
        authorities=read_rows(codesets_dir / "authorities.csv", AuthorityRow),
        replaced=read_rows(codesets_dir / "replaced_codes.csv", ReplacedRow),
        borders=read_rows(codesets_dir / "borders.csv", BorderRow),
        police_areas=read_rows(codesets_dir / "police_areas.csv", PoliceAreaRow),
    )
    known = _authority_codes(geography)
    _check_replaced(geography, known)
    _check_borders(geography.borders)
    _check_police_areas(geography, known)
    return geography


def _authority_codes(geography: Geography) -> frozenset[str]:
    seen: set[str] = set()
    for placed in geography.authorities:
        if placed.row.gss_code in seen:
            raise placed.error(f"{placed.row.gss_code} occurs twice: one row for one code")
        seen.add(placed.row.gss_code)
    return frozenset(seen)


def _check_replaced(geography: Geography, known: frozenset[str]) -> None:
    for placed in geography.replaced:
        if placed.row.gss_code in known:
            raise placed.error("a replaced code must not be in authorities.csv as well")
        if placed.row.successor not in known:
            raise placed.error(f"successor {placed.row.successor} is not in authorities.csv")


def _check_borders(borders: tuple[Placed[BorderRow], ...]) -> None:
    seen: dict[tuple[str, str], list[BorderRow]] = defaultdict(list)
    for placed in borders:
        row = placed.row
        if row.gss_a >= row.gss_b:
            raise placed.error("gss_a must be smaller than gss_b: exchange the two sides")
        if any(row.overlaps(other) for other in seen[row.gss_a, row.gss_b]):
            raise placed.error("the same pair holds twice on one day: close the earlier row")
        if bool(row.land_border_m) != (row.border_type == "land"):
            raise placed.error("land_border_m must be given for land, and only for land")
        seen[row.gss_a, row.gss_b].append(row)


def _check_police_areas(geography: Geography, known: frozenset[str]) -> None:
    seen: dict[str, list[PoliceAreaRow]] = defaultdict(list)
    for placed in geography.police_areas:
        row = placed.row
        if row.gss_code not in known:
            raise placed.error(f"{row.gss_code} is not in authorities.csv")
        if any(row.overlaps(other) for other in seen[row.gss_code]):
            raise placed.error("the authority has two forces on one day: close the earlier row")
        seen[row.gss_code].append(row)
    without = [p for p in geography.authorities if p.row.gss_code not in seen]
    if without:
        raise without[0].error("no police area: add its row to police_areas.csv")


def borders_both_ways(rows: Iterable[Placed[BorderRow]]) -> Mapping[str, tuple[Border, ...]]:
    """Authority -> its borders, from both sides of each pair, sorted by neighbour."""
    found: dict[str, list[Border]] = defaultdict(list)
    for placed in rows:
        row = placed.row
        for here, there in ((row.gss_a, row.gss_b), (row.gss_b, row.gss_a)):
            found[here].append(Border(there, row.first_day, row.valid_to))
    return {
        code: tuple(sorted(borders, key=lambda border: (border.neighbour, border.valid_from)))
        for code, borders in found.items()
    }
