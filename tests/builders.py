"""Small true values for tests: an event, a part, reference data. Invented people only."""

from __future__ import annotations

import datetime
import io
from typing import Any

import fastavro
import fastavro.utils
import msgspec

from broker.model import types as t
from broker.model.reference import Border, Organisation, Reference

NOW = datetime.datetime(2026, 11, 23, 10, 0, tzinfo=datetime.UTC)
WOLVERHAMPTON = "E08000031"
SANDWELL = "E08000028"
POLICE = "E23000014"
ADVOCATE = "ADV-TEST"
GOOD_NHS = "9434765919"
GOOD_UPN = "B801200005001"
LONG_AGO = datetime.date(2000, 1, 1)


def subject(**changes: Any) -> t.Subject:
    """An invented child with an NHS number that is valid and made up."""
    base = t.Subject(
        subject_ref="child-1",
        identifiers=(t.Identifier(scheme=t.IdentifierScheme.NHS_NUMBER, value=GOOD_NHS),),
        given_name="Test",
        family_name="Example",
        nexus=(t.NexusFact(kind=t.NexusKind.HOME, organisation=WOLVERHAMPTON),),
    )
    return msgspec.structs.replace(base, **changes)


def concern(**changes: Any) -> t.ConcernEvent:
    """A valid event about one invented child, published by an invented advocate."""
    base = t.ConcernEvent(
        event_id="5f0e7f6e-0000-4000-8000-000000000001",
        event_type=t.EventType.CONCERN,
        publisher=ADVOCATE,
        observed_at=NOW,
        reported_at=NOW,
        subjects=(subject(),),
        harms=(t.HarmKind.WEAPON_THREAT,),
        handling=t.Handling(code="P"),
        provenance=t.Provenance.PARENT,
        directness=t.Directness.DIRECT,
        specificity=t.Specificity.SPECIFIC,
        origin_id="origin-1",
    )
    return msgspec.structs.replace(base, **changes)


def organisation(code: str, kind: str, *areas: str) -> Organisation:
    """A register row, in force since 2000."""
    return Organisation(
        code=code,
        name=f"Test {kind}",
        kind=kind,
        country="England",
        areas=areas,
        roles=("csc", "mash") if kind == "authority" else (kind,),
        valid_from=LONG_AGO,
        valid_to=None,
    )


def small_reference() -> Reference:
    """Two neighbouring authorities, their force, an advocate, and one code that was replaced."""
    rows = [
        organisation(WOLVERHAMPTON, "authority", WOLVERHAMPTON),
        organisation(SANDWELL, "authority", SANDWELL),
        organisation(POLICE, "police", WOLVERHAMPTON, SANDWELL),
        organisation(ADVOCATE, "advocate", WOLVERHAMPTON),
    ]
    return Reference(
        organisations={row.code: row for row in rows},
        borders={
            WOLVERHAMPTON: (Border(SANDWELL, LONG_AGO, None),),
            SANDWELL: (Border(WOLVERHAMPTON, LONG_AGO, None),),
        },
        served_by={WOLVERHAMPTON: (POLICE,), SANDWELL: (POLICE,)},
        successors={"E08000999": SANDWELL},
        geography_hash="g",
        register_hash="r",
    )


def random_body(schema: Any) -> bytes:
    """The Avro body of a random datum of `schema`, with dates and times between 1970 and 2096."""
    stream = io.BytesIO()
    fastavro.schemaless_writer(
        stream, schema, _in_range(schema, fastavro.utils.generate_one(schema), {})
    )
    return stream.getvalue()


def _in_range(schema: Any, plain: Any, named: dict[str, Any]) -> Any:
    """`plain` with every logical date and time brought into range."""
    if isinstance(schema, str) and schema in named:
        schema = named[schema]
    if isinstance(schema, list):
        branches = [branch for branch in schema if branch != "null"]
        return None if plain is None else _in_range(branches[0], plain, named)
    if not isinstance(schema, dict):
        return plain
    if "name" in schema:
        named[schema["name"]] = schema
    if "logicalType" in schema:
        return abs(plain) % (40_000 if schema["logicalType"] == "date" else 4_000_000_000_000)
    if schema["type"] == "array":
        return [_in_range(schema["items"], one, named) for one in plain]
    if schema["type"] == "record":
        return {
            field["name"]: _in_range(field["type"], plain[field["name"]], named)
            for field in schema["fields"]
        }
    return plain
