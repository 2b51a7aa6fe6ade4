"""Puts geography and register together into one `Reference`, with the hashes that name them."""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from broker.model.canonical import canonical_json, digest
from broker.model.reference import Reference
from broker.reference.contacts import load_contacts
from broker.reference.files import ReferenceDataError
from broker.reference.geography import Geography, borders_both_ways, load_geography, rows_bytes
from broker.reference.register import (
    SERVING_KINDS,
    Register,
    check_against_geography,
    load_register,
)


def load_reference(codesets_dir: Path, organisations_dir: Path) -> Reference:
    """Reference data and register as one checked value; load once and keep it.

    `geography_hash` and `register_hash` are SHA-256 in hex over what the rows say. Raises
    ReferenceDataError with file and line.
    """
    geography = load_geography(codesets_dir)
    register = load_register(organisations_dir)
    contacts = load_contacts(organisations_dir, register)
    check_against_geography(register, geography)
    return Reference(
        organisations={code: placed.row.as_organisation() for code, placed in register.items()},
        borders=borders_both_ways(geography.borders),
        served_by=_served_by(register),
        successors={placed.row.gss_code: placed.row.successor for placed in geography.replaced},
        geography_hash=geography.content_hash(),
        register_hash=digest(
            b"register",
            rows_bytes(register.values()),
            canonical_json(contacts) if contacts else b"",
        ),
        by_place_kind=_by_place_kind(register),
        contacts=contacts,
        service_dates=_service_dates(geography),
    )


def _served_by(register: Register) -> Mapping[str, tuple[str, ...]]:
    """Authority -> forces and boards whose row names it as an area, sorted.

    An organisation with kinds of place of its own (British Transport Police) does not cover areas.
    """
    found: dict[str, list[str]] = defaultdict(list)
    for code, placed in sorted(register.items()):
        if placed.row.kind in SERVING_KINDS and not placed.row.place_kinds:
            for area in placed.row.areas:
                found[area].append(code)
    return {area: tuple(codes) for area, codes in found.items()}


def _by_place_kind(register: Register) -> Mapping[str, tuple[str, ...]]:
    found: dict[str, list[str]] = defaultdict(list)
    for code, placed in sorted(register.items()):
        for kind in placed.row.place_kinds:
            found[kind.value].append(code)
    return {kind: tuple(codes) for kind, codes in found.items()}


def _service_dates(
    geography: Geography,
) -> Mapping[tuple[str, str], tuple[datetime.date, datetime.date | None]]:
    return {
        (row.gss_code, row.police_force_area_code): (row.first_day, row.valid_to)
        for row in (placed.row for placed in geography.police_areas)
        if row.valid_from is not None or row.valid_to is not None
    }


class _Connected(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    connected: tuple[str, ...]


def load_connected(path: Path, on: datetime.date | None = None) -> tuple[str, ...]:
    """Codes of the organisations that have topics and keys, in the order of the file.

    `on`: only those that exist on that day; who closed, or has not begun, has no rights then. Each
    must be in the register beside the file. Raises ReferenceDataError.
    """
    try:
        codes = _Connected.model_validate(YAML(typ="safe").load(path)).connected
    except FileNotFoundError:
        raise ReferenceDataError(path, None, "the file is missing: restore it") from None
    except (YAMLError, ValueError, RecursionError) as error:
        what = f"it must hold one list `connected` of organisation codes ({error})"
        raise ReferenceDataError(path, None, what) from None
    register = load_register(path.parent)
    for position, code in enumerate(codes):
        if code not in register:
            raise ReferenceDataError(path, None, f"{code} is not in the register: add or remove it")
        if code in codes[:position]:
            raise ReferenceDataError(path, None, f"{code} is listed twice: remove one")
    if on is None:
        return codes
    return tuple(code for code in codes if register[code].row.as_organisation().in_force(on))
