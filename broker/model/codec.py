"""Bytes to values and back: Avro single-object encoding, Confluent framing, and JSON lines.

Single-object encoding (Avro specification): two marker bytes, eight bytes of schema fingerprint,
then the body. Confluent framing (a zero byte, a four-byte schema id, the body) is read when a
registry's id map is given. Nothing here trusts its input: every failure is a `CodecError` whose
`reason` is a code from `schemas/codesets/reason_codes.csv` and whose text a person can act on.
"""

from __future__ import annotations

import datetime
import io
from collections.abc import Mapping
from functools import cache
from typing import Any, TypeVar

import fastavro
import msgspec

from broker.model.bounds import (
    MAX_ITEMS,
    SCAN_ABOVE_BYTES,
    NotReadableError,
    TooManyItemsError,
    Walk,
    check_items,
    walker,
)
from broker.model.schemas import SCHEMAS_DIR, fingerprint_of, parsed_schemas

MARKER = b"\xc3\x01"
HEADER_BYTES = 10
CONFLUENT_MAGIC = b"\x00"
CONFLUENT_HEADER_BYTES = 5
ValueT = TypeVar("ValueT", bound=msgspec.Struct)


class CodecError(ValueError):
    """Bytes that cannot be read: `reason` is the code, the message says what to do."""

    def __init__(self, reason: str, message: str) -> None:
        """`reason` is a code of the reason code set; `message` is for people."""
        super().__init__(message)
        self.reason = reason


@cache
def _known_writers() -> dict[bytes, tuple[str, Any]]:
    """Schemas that bytes may be written in: today's and every released one, by fingerprint."""
    known: dict[bytes, tuple[str, Any]] = {}
    released = sorted((SCHEMAS_DIR / "released").glob("*/"))
    # Today's last and as the readers have it, so that what was written by it needs no resolution.
    for schemas in [*map(parsed_schemas, released), parsed_schemas()]:
        for name, schema in schemas.items():
            known[fingerprint_of(schema)] = (name, schema)
    return known


@cache
def _header(name: str) -> bytes:
    return MARKER + fingerprint_of(parsed_schemas()[name])


def encode(value: msgspec.Struct) -> bytes:
    """`value` in Avro single-object encoding under today's schema of its type."""
    name = type(value).__name__
    plain: dict[str, Any] = to_builtins(value)
    for field, record in _optional_records(name):
        if plain[field] is not None:
            # Told which branch of the union it is, fastavro need not try it on both.
            plain[field] = (record, plain[field])
    stream = io.BytesIO()
    stream.write(_header(name))
    fastavro.schemaless_writer(stream, parsed_schemas()[name], plain)
    return stream.getvalue()


@cache
def _optional_records(name: str) -> tuple[tuple[str, str], ...]:
    """Fields of a noun that are a record or null, each with the full name of the record."""
    return tuple(
        (field["name"], branch["name"])
        for field in parsed_schemas()[name]["fields"]
        if isinstance(field["type"], list)
        for branch in field["type"]
        if isinstance(branch, dict) and branch["type"] == "record"
    )


def decode(
    data: bytes, kind: type[ValueT], *, registry: Mapping[int, bytes] | None = None
) -> ValueT:
    """The value of type `kind` in `data`, written under today's or any released schema.

    `registry` maps Confluent schema ids to fingerprints; without one that framing is refused.
    Raises CodecError with reason `not_avro`, `unknown_schema`, `truncated` or `too_large`.
    """
    name, writer, body_at = _writer_of(data, registry)
    if name != kind.__name__:
        raise CodecError(
            "unknown_schema",
            f"the record is a {name} where a {kind.__name__} is expected: "
            "publish it to the topic of its kind",
        )
    if len(data) > SCAN_ABOVE_BYTES:
        _check_bounds(data, name, writer, body_at)
    stream = io.BytesIO(data)
    stream.seek(body_at)
    reader = parsed_schemas()[name]
    try:
        plain = fastavro.schemaless_reader(stream, writer, None if writer is reader else reader)
    except Exception as error:  # noqa: BLE001 -- hostile bytes: fastavro raises whatever the damage leads to
        raise CodecError(
            "truncated",
            f"the Avro body of the {name} cannot be read ({type(error).__name__}): "
            "it is cut short or damaged; encode it again and resend",
        ) from None
    if stream.tell() != len(data):
        raise CodecError(
            "truncated",
            f"{len(data) - stream.tell()} bytes follow the {name}: send one record a message",
        )
    return from_builtins(plain, kind)


@cache
def _walk_of(fingerprint: bytes) -> Walk:
    return walker(_known_writers()[fingerprint][1])


def _check_bounds(data: bytes, name: str, writer: Any, body_at: int) -> None:
    """A large record is refused before anything is made of it if it would become too much."""
    try:
        check_items(_walk_of(fingerprint_of(writer)), data, body_at)
    except TooManyItemsError:
        raise CodecError(
            "too_large",
            f"the {name} holds more than {MAX_ITEMS:,} list entries: send it in several records",
        ) from None
    except NotReadableError:
        raise CodecError(
            "truncated",
            f"the Avro body of the {name} cannot be read: it is cut short or damaged; "
            "encode it again and resend",
        ) from None


def _writer_of(data: bytes, registry: Mapping[int, bytes] | None) -> tuple[str, Any, int]:
    """Noun, writer's schema and offset of the body."""
    if data[:2] == MARKER and len(data) >= HEADER_BYTES:
        found = _known_writers().get(data[2:HEADER_BYTES])
        body_at = HEADER_BYTES
    elif (
        data[:1] == CONFLUENT_MAGIC and len(data) >= CONFLUENT_HEADER_BYTES and registry is not None
    ):
        schema_id = int.from_bytes(data[1:CONFLUENT_HEADER_BYTES], "big")
        found = _known_writers().get(registry.get(schema_id, b""))
        body_at = CONFLUENT_HEADER_BYTES
    else:
        raise CodecError(
            "not_avro",
            "the record does not start with the Avro single-object marker C3 01: "
            "encode it with broker.client.Publisher or `broker publish`",
        )
    if found is None:
        raise CodecError(
            "unknown_schema",
            "the record was written under a schema that this broker does not know: "
            "use a released schema (`broker schema list`)",
        )
    return found[0], found[1], body_at


def to_builtins(value: msgspec.Struct) -> dict[str, Any]:
    """`value` as plain dicts and lists; dates, times and bytes stay themselves, for fastavro."""
    plain: dict[str, Any] = msgspec.to_builtins(
        value, builtin_types=(datetime.datetime, datetime.date, bytes)
    )
    return plain


def from_builtins(plain: Any, kind: type[ValueT]) -> ValueT:
    """The value of `kind` in plain dicts; raises CodecError `not_valid` naming the field."""
    try:
        return msgspec.convert(plain, kind)
    except msgspec.ValidationError as error:
        raise CodecError("not_valid", f"the {kind.__name__} is not valid: {error}") from None


def from_json(data: bytes | str, kind: type[ValueT]) -> ValueT:
    """The value of `kind` in one JSON text; raises CodecError `not_valid` naming the field."""
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.ValidationError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CodecError("not_valid", f"the {kind.__name__} is not valid JSON: {error}") from None


def to_json_value(value: msgspec.Struct) -> dict[str, Any]:
    """`value` as JSON-ready builtins: ISO 8601 times, base64 bytes."""
    plain: dict[str, Any] = msgspec.to_builtins(value)
    return plain
