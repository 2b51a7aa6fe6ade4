"""Leaves and sealed deliveries: shapes shared by every kind of record.

A leaf is canonical JSON with ids, outcomes, reason codes and hashes, never content. `v` is the
version of the leaf format. A delivery has a leaf in the recipient's own log, which commits to the
sealed bytes; the auditors' leaf commits to that leaf.
"""

from __future__ import annotations

import datetime
import hashlib
from typing import Any

import msgspec

from broker.model.canonical import canonical_json, digest_text
from broker.model.sealer import Sealer
from broker.model.types import Channel, SealedDelivery
from broker.model.values import SourcePosition

FORMAT = 1
LEAF_PREFIX = b"\x00"
_encoder = msgspec.json.Encoder()


class _DeliveryLeaf(msgspec.Struct, frozen=True, kw_only=True):
    """A recipient's own leaf, its fields in the order of their names."""

    content_hash: str
    kind: str
    message_id: str
    recipient: str
    set_id: str
    v: int


def leaf(kind: str, set_id: str, **fields: Any) -> bytes:
    """One leaf as canonical JSON."""
    return canonical_json({"kind": kind, "v": FORMAT, "set_id": set_id, **fields})


def encoded_leaf(fields: msgspec.Struct) -> bytes:
    """One leaf of which the fields are declared in the order of their names, as canonical JSON."""
    return _encoder.encode(fields)


def leaf_hash(data: bytes) -> str:
    """RFC 6962 leaf hash in hex: how one log's leaf commits to another's."""
    return hashlib.sha256(LEAF_PREFIX + data).hexdigest()


def milliseconds(moment: datetime.datetime) -> int:
    """UTC milliseconds since 1970, as Kafka counts."""
    return round(moment.timestamp() * 1000)


def source_of(position: SourcePosition) -> dict[str, Any]:
    """The Kafka position of the record that a leaf accounts for."""
    return {
        "topic": position.topic,
        "partition": position.partition,
        "offset": position.offset,
    }


def message_id(channel: Channel, set_id: str, addressee: str) -> str:
    """By which an alert, a receipt or another message is known."""
    return digest_text(channel, set_id, addressee)


def sealed_delivery(
    sealer: Sealer,
    channel: Channel,
    organisation: str,
    set_id: str,
    addressee: str,
    content: bytes,
    made_id: str = "",
) -> SealedDelivery:
    """Sealed content for one organisation and the leaf of its own log.

    `made_id` is its `message_id`, where that was made before.

    An organisation that is not connected is served through the `manual` channel: the duty desk
    opens it and passes it on by telephone, so that nobody is left out for want of a connection.
    """
    key, sealed = sealer.seal_for(organisation, content, set_id)
    own_id = made_id or message_id(channel, set_id, addressee)
    own_leaf = encoded_leaf(
        _DeliveryLeaf(
            content_hash=hashlib.sha256(sealed).hexdigest(),
            kind=channel,
            message_id=own_id,
            recipient=addressee,
            set_id=set_id,
            v=FORMAT,
        )
    )
    reached = channel if sealer.connected(organisation) else Channel.MANUAL
    return SealedDelivery(
        recipient=organisation,
        channel=reached,
        message_id=own_id,
        leaf=own_leaf,
        key_id=key.key_id,
        wrapped_key=key.wrapped,
        sealed=sealed,
    )
