"""Avro single-object encoding: what is written can be read, and hostile bytes only ever raise CodecError."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from broker.model import types
from broker.model.codec import MARKER, CodecError, decode, encode
from broker.model.schemas import SCHEMAS_DIR, fingerprint_of, parsed_schemas
from tests.builders import concern, random_body

NOUNS = sorted(parsed_schemas())


@pytest.mark.parametrize("noun", NOUNS)
def test_every_noun_comes_back_as_it_was_written(noun: str) -> None:
    """Encoding then decoding is the identity for random values of every noun."""
    schema = parsed_schemas()[noun]
    for _ in range(20):
        data = MARKER + fingerprint_of(schema) + random_body(schema)
        value = decode(data, getattr(types, noun))

        assert encode(value) == data


def test_the_fingerprint_is_the_one_of_the_avro_specification() -> None:
    """CRC-64-AVRO of `"null"` is 63dd24e7cc258f8a (Apache Avro's own test data), sent little-endian."""
    assert int.from_bytes(fingerprint_of("null"), "little") == 0x63DD24E7CC258F8A


@given(st.binary(max_size=400))
@example(b"")
@example(MARKER)
@example(MARKER + bytes(8))
def test_no_bytes_can_do_more_than_raise_a_codec_error(data: bytes) -> None:
    """Random bytes are refused with a reason; nothing else is ever raised."""
    with pytest.raises(CodecError) as caught:
        decode(data, types.Envelope)

    assert caught.value.reason in {"not_avro", "unknown_schema", "truncated"}


@given(st.data())
def test_a_damaged_record_is_refused_or_read_but_never_crashes(data: st.DataObject) -> None:
    """Cutting, flipping or adding bytes of a true record raises CodecError or gives a value."""
    good = bytearray(encode(concern()))
    at = data.draw(st.integers(0, len(good) - 1))
    damage = data.draw(st.sampled_from(["cut", "flip", "insert"]))
    if damage == "cut":
        bad = bytes(good[:at])
    elif damage == "flip":
        good[at] ^= 1 << data.draw(st.integers(0, 7))
        bad = bytes(good)
    else:
        bad = bytes(good[:at]) + data.draw(st.binary(min_size=1, max_size=20)) + bytes(good[at:])
    reason = None
    try:
        decode(bad, types.ConcernEvent)
    except CodecError as error:
        reason = error.reason
    assert reason in {None, "not_avro", "unknown_schema", "truncated", "not_valid"}


def test_bytes_after_the_record_are_refused() -> None:
    """One message holds one record: a second one hidden behind it does not slip in."""
    with pytest.raises(CodecError, match="one record a message"):
        decode(encode(concern()) + b"\x00", types.ConcernEvent)


def test_a_noun_on_the_wrong_topic_is_refused() -> None:
    """An event where an envelope is expected names both kinds."""
    with pytest.raises(CodecError, match="ConcernEvent where a Envelope"):
        decode(encode(concern()), types.Envelope)


def test_confluent_framing_is_read_only_where_a_registry_is_set() -> None:
    """Zero byte, four-byte id, body: accepted with the id map, refused without."""
    value = concern()
    fingerprint = fingerprint_of(parsed_schemas()["ConcernEvent"])
    framed = b"\x00" + (7).to_bytes(4, "big") + encode(value)[10:]

    assert decode(framed, types.ConcernEvent, registry={7: fingerprint}) == value
    with pytest.raises(CodecError) as unset:
        decode(framed, types.ConcernEvent)
    with pytest.raises(CodecError) as unknown:
        decode(framed, types.ConcernEvent, registry={8: fingerprint})
    assert (unset.value.reason, unknown.value.reason) == ("not_avro", "unknown_schema")


def test_the_schemas_lie_where_the_readme_says() -> None:
    """The single source of truth is the top-level folder `schemas/`."""
    assert (SCHEMAS_DIR / "concern_event.avsc").is_file()
