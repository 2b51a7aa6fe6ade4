"""The organisation register from `policies/organisations/*.csv`, checked against the geography."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from broker.model.reference import AREA_KINDS, AUTHORITY, DESK, Organisation
from broker.model.types import PlaceKind
from broker.reference.files import DatedRow, Placed, ReferenceDataError, read_rows
from broker.reference.geography import Geography

Words = Annotated[tuple[str, ...], BeforeValidator(lambda cell: tuple(str(cell).split()))]
"""Codes or words separated by spaces."""
POLICE = "police"
SERVING_KINDS = frozenset({POLICE, "icb"})
"""Kinds that cover areas: candidates because of where something is, not because they are named."""


class OrganisationRow(DatedRow):
    """A row of the register; the days are those of the organisation."""

    code: Annotated[str, Field(pattern=r"^[A-Z0-9][A-Z0-9-]{1,39}$")]
    name: Annotated[str, Field(min_length=2)]
    kind: Literal[
        "authority",
        "police",
        "icb",
        "school",
        "charity",
        "advocate",
        "health_provider",
        "council",
        "desk",
    ]
    country: Literal["England", "Wales", "Scotland"]
    areas: Words
    roles: Annotated[Words, Field(min_length=1)]
    place_kinds: Annotated[tuple[PlaceKind, ...], BeforeValidator(lambda cell: str(cell).split())]
    contact: Annotated[str, Field(min_length=3)]
    invented: Literal["true", "false"]

    def as_organisation(self) -> Organisation:
        """The row as the flow knows it."""
        return Organisation(
            code=self.code,
            name=self.name,
            kind=self.kind,
            country=self.country,
            areas=self.areas,
            roles=self.roles,
            valid_from=self.first_day,
            valid_to=self.valid_to,
            place_kinds=tuple(kind.value for kind in self.place_kinds),
            contact=self.contact,
            invented=self.invented == "true",
        )


Register = Mapping[str, Placed[OrganisationRow]]


def load_register(organisations_dir: Path) -> Register:
    """Code -> row over all CSV files of the folder. Raises ReferenceDataError."""
    files = sorted(organisations_dir.glob("*.csv"))
    if not files:
        raise ReferenceDataError(organisations_dir, None, "no CSV file here: restore the register")
    register: dict[str, Placed[OrganisationRow]] = {}
    for placed in (row for path in files for row in read_rows(path, OrganisationRow)):
        first = register.setdefault(placed.row.code, placed)
        if first is not placed:
            where = f"{first.path.name}:{first.line}"
            raise placed.error(
                f"{placed.row.code} is already at {where}: a successor needs a new code"
            )
    for placed in register.values():
        _check_areas(placed, register)
    return register


def _check_areas(placed: Placed[OrganisationRow], register: Register) -> None:
    row = placed.row
    for code in row.areas:
        if code not in register or register[code].row.kind not in AREA_KINDS:
            raise placed.error(f"areas: {code} is no authority or council of the register")
    if not row.areas and not row.place_kinds and row.kind != DESK:
        raise placed.error("areas: name at least one, or a kind of place in place_kinds")
    if row.kind in AREA_KINDS and row.areas != (row.code,):
        raise placed.error("areas: an authority or a council is its own and only area")


def check_against_geography(register: Register, geography: Geography) -> None:
    """Every authority, border and police area exists on both sides. Raises ReferenceDataError."""
    _check_authorities(register, geography)
    _check_borders(register, geography)
    _check_police_areas(register, geography)


def _check_authorities(register: Register, geography: Geography) -> None:
    named = {placed.row.gss_code for placed in geography.authorities}
    for authority in geography.authorities:
        code = authority.row.gss_code
        if code not in register or register[code].row.kind != AUTHORITY:
            raise authority.error(f"{code} is not an authority of the register: add its row there")
    for placed in register.values():
        if placed.row.kind == AUTHORITY and placed.row.code not in named:
            raise placed.error(f"{placed.row.code} is not in authorities.csv: add its row there")
    for replaced in geography.replaced:
        if replaced.row.gss_code in register:
            raise replaced.error("a replaced code must not be in the register: use its successor")


def _check_borders(register: Register, geography: Geography) -> None:
    for border in geography.borders:
        row = border.row
        for code, country in ((row.gss_a, row.country_a), (row.gss_b, row.country_b)):
            if code not in register or register[code].row.kind not in AREA_KINDS:
                raise border.error(f"{code} is no authority or council of the register")
            if register[code].row.country != country:
                raise border.error(f"{code} lies in {register[code].row.country} by the register")


def _check_police_areas(register: Register, geography: Geography) -> None:
    covered: dict[str, set[str]] = {}
    for area in geography.police_areas:
        code = area.row.police_force_area_code
        if code not in register or register[code].row.kind != POLICE:
            raise area.error(f"{code} is no police force of the register: add its row there")
        covered.setdefault(code, set()).add(area.row.gss_code)
    for placed in register.values():
        row = placed.row
        if row.kind == POLICE and not row.place_kinds and set(row.areas) != covered.get(row.code):
            differ = sorted(set(row.areas) ^ covered.get(row.code, set()))
            raise placed.error(f"areas differ from police_areas.csv in {', '.join(differ)}")
