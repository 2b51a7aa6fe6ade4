"""The quick readers and writers do what fastavro does, byte for byte and value for value."""

from __future__ import annotations

import io

import fastavro
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.model import types
from broker.model.avro_code import compiled
from broker.model.codec import decode, encode, from_builtins, to_builtins
from broker.model.schemas import parsed_schemas
from tests.builders import concern, random_body

NOUNS = sorted(parsed_schemas())
HEADER = 10


def slowly_written(value: msgspec.Struct) -> bytes:
    stream = io.BytesIO()
    schema = parsed_schemas()[type(value).__name__]
    fastavro.schemaless_writer(stream, schema, to_builtins(value))
    return stream.getvalue()


def slowly_read(body: bytes, noun: str) -> tuple[msgspec.Struct, int]:
    stream = io.BytesIO(body)
    plain = fastavro.schemaless_reader(stream, parsed_schemas()[noun], None)
    return from_builtins(plain, getattr(types, noun)), stream.tell()


@pytest.mark.parametrize("noun", NOUNS)
def test_every_noun_is_read_and_written_as_fastavro_does(noun: str) -> None:
    """The same bytes for a value, and the same value for bytes, of random values of every noun."""
    read, _ = compiled(parsed_schemas()[noun])
    for _ in range(40):
        body = random_body(parsed_schemas()[noun])
        value, end = slowly_read(body, noun)

        assert read(body, 0) == (value, end)
        assert encode(value)[HEADER:] == slowly_written(value) == body


@given(st.data())
def test_damaged_bytes_are_never_read_as_something_else(data: st.DataObject) -> None:
    """What the quick reader takes of a damaged record, fastavro takes as the same value."""
    good = bytearray(encode(concern())[HEADER:])
    for _ in range(data.draw(st.integers(1, 3))):
        good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    bad = bytes(good)
    read, _ = compiled(parsed_schemas()["ConcernEvent"])
    try:
        found = read(bad, 0)
    except Exception:  # noqa: BLE001 -- left to fastavro
        return
    if found[1] <= len(bad):
        assert found == slowly_read(bad, "ConcernEvent")


def test_numbers_of_every_length_are_the_same() -> None:
    """Zigzag numbers at each border of a byte, of both signs, come back and are written alike."""
    edges = [
        sign * ((1 << bits) + step) for bits in range(62) for sign in (1, -1) for step in (-1, 0, 1)
    ]
    for number in edges:
        value = types.Progress(shard="s0", epoch=number, sequence=-number)
        assert encode(value)[HEADER:] == slowly_written(value)
        assert decode(encode(value), types.Progress) == value


def test_records_that_are_shared_are_encoded_once_and_alike() -> None:
    """With pieces kept from one alert to the next the bytes are those without."""
    field = types.ReleasedField(field="harms", value='["weapon_threat"]', transform="as_stated")
    same = types.ReleasedField(field="harms", value='["weapon_threat"]', transform="as_stated")
    pieces: dict[int, tuple[object, bytes]] = {}
    for released in ((field,), (same,), (field, same, field)):
        content = msgspec.structs.replace(alert(), released=released)
        assert encode(content, pieces) == encode(content)
    assert [value for value, _ in pieces.values()] == [field, same]


def alert() -> types.AlertContent:
    body = random_body(parsed_schemas()["AlertContent"])
    found, _ = slowly_read(body, "AlertContent")
    assert isinstance(found, types.AlertContent)
    return found
