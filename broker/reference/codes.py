"""Reason codes and the map of small areas to authorities."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import msgspec
from pydantic import Field

from broker.reference.files import ReferenceDataError, Row, read_rows

REASON_CODES = "reason_codes.csv"
AUTHORITY_COLUMNS = ("gss_code", "utla_gss_code")
"""How the authority's column may be called in a map of small areas."""


class ReasonCode(msgspec.Struct, frozen=True):
    """Why something was rejected, withheld, held or sent on, in words for people."""

    code: str
    step: str
    """The step of the flow that gives it, or `import`."""
    meaning: str
    what_to_do: str


class _ReasonRow(Row):
    code: Annotated[str, Field(pattern=r"^[a-z0-9_]+$")]
    step: Annotated[str, Field(pattern=r"^[a-z]+$")]
    meaning: Annotated[str, Field(min_length=10)]
    what_to_do: Annotated[str, Field(min_length=5)]


def load_reason_codes(codesets_dir: Path) -> Mapping[str, ReasonCode]:
    """Code -> reason. Raises ReferenceDataError for a code that occurs twice or out of order."""
    found: dict[str, ReasonCode] = {}
    last = ""
    for placed in read_rows(codesets_dir / REASON_CODES, _ReasonRow):
        row = placed.row
        if row.code <= last:
            raise placed.error(
                f"{row.code}: rows must be sorted by code, and each code occurs once"
            )
        last = row.code
        found[row.code] = ReasonCode(row.code, row.step, row.meaning, row.what_to_do)
    return found


def load_lsoa_map(path: Path) -> Mapping[str, str]:
    """LSOA code -> GSS code of its authority, from a CSV file with columns for both.

    The columns are `lsoa_code` and `gss_code` (or `utla_gss_code`); others are left alone. Old
    codes of both kinds may stand in it. Raises ReferenceDataError.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ReferenceDataError(path, None, f"it cannot be read ({error})") from None
    reader = csv.DictReader(lines)
    columns = reader.fieldnames or ()
    authority = next((name for name in AUTHORITY_COLUMNS if name in columns), None)
    if authority is None or "lsoa_code" not in columns:
        what = f"the first line must name lsoa_code and one of {', '.join(AUTHORITY_COLUMNS)}"
        raise ReferenceDataError(path, 1, what)
    found: dict[str, str] = {}
    for row in reader:
        code, area = row["lsoa_code"], row[authority]
        if not code or not area:
            raise ReferenceDataError(path, reader.line_num, "the LSOA or its authority is missing")
        if found.setdefault(code, area) != area:
            what = f"{code} lies in two authorities: keep one row"
            raise ReferenceDataError(path, reader.line_num, what)
    return found
