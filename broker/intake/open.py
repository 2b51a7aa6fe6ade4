"""The first step: bytes from Kafka to an envelope, or a rejection that says what to do."""

from __future__ import annotations

from collections.abc import Mapping

from broker.model.codec import CodecError, decode
from broker.model.types import Envelope
from broker.model.values import Rejection

MAX_RECORD_BYTES = 1_000_000
"""A concern with all its texts takes a few thousand bytes; more is a mistake or an attack."""


def read_envelope(
    data: bytes | None,
    *,
    max_bytes: int = MAX_RECORD_BYTES,
    registry: Mapping[int, bytes] | None = None,
) -> Envelope | Rejection:
    """The envelope in one Kafka record. `registry` maps Confluent schema ids to fingerprints."""
    if not data:
        return Rejection(
            "not_avro", "the record has no value: publish an envelope, not a tombstone"
        )
    if len(data) > max_bytes:
        return Rejection(
            "too_large",
            f"the record has {len(data):,} bytes where {max_bytes:,} are allowed: "
            "send a reference to large material, not the material",
        )
    try:
        return decode(data, Envelope, registry=registry)
    except CodecError as error:
        return Rejection(error.reason, str(error))
