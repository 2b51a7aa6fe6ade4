"""The Avro schemas: where they lie, their order, and their parsed and fingerprinted forms.

`schemas/*.avsc` is the single source of truth for every noun. `schemas/released/<n>/` holds frozen
copies: a record written under any of them can be read by today's code (tests/model hold this).
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import fastavro
from fastavro.schema import fingerprint, to_parsing_canonical_form

SCHEMAS_DIR = Path(__file__).resolve().parents[2] / "schemas"
# Each file is complete in itself; where two define the same type they define it alike.
ORDER = (
    "concern_event",
    "envelope",
    "sealed_body",
    "action",
    "part",
    "decision_set",
    "alert",
    "receipt",
    "receipt_content",
    "alert_content",
    "withdrawal",
    "held",
    "progress",
)


def load_raw_schemas(directory: Path) -> list[dict[str, Any]]:
    """The schema files of `directory` as JSON values, in dependency order; absent ones are left out."""
    paths = [directory / f"{name}.avsc" for name in ORDER]
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths if path.exists()]


@cache
def parsed_schemas(directory: Path = SCHEMAS_DIR) -> dict[str, Any]:
    """Parsed schemas by noun (`ConcernEvent`, ...), each complete in itself."""
    return {str(raw["name"]): fastavro.parse_schema(raw) for raw in load_raw_schemas(directory)}


def fingerprint_of(schema: Any) -> bytes:
    """Eight bytes: the CRC-64-AVRO fingerprint as single-object encoding carries it (little-endian)."""
    return bytes.fromhex(fingerprint(to_parsing_canonical_form(schema), "CRC-64-AVRO"))
