"""The messages that recipients and publishers read: sealed content with proof of recording."""

from __future__ import annotations

import msgspec

from broker.model.codec import encode
from broker.model.types import Alert, Channel, LogProof, Receipt, SealedDelivery

MANUAL_TOPIC = "manual.v1"
TOPIC_OF_CHANNEL: dict[Channel, str] = {
    Channel.ALERT: "alerts.v1",
    Channel.RECEIPT: "receipts.v1",
    Channel.WITHDRAWAL: "withdrawn.v1",
}


class DeliveryBody(msgspec.Struct, frozen=True):
    """What the ledger keeps of a delivery until it is rendered: sealed, and opaque to it."""

    set_id: str
    channel: Channel
    message_id: str
    key_id: str
    wrapped_key: bytes
    sealed: bytes


def body_of(set_id: str, delivery: SealedDelivery) -> bytes:
    """The body of one sealed delivery, as the ledger stores it."""
    return msgspec.msgpack.encode(
        DeliveryBody(
            set_id=set_id,
            channel=delivery.channel,
            message_id=delivery.message_id,
            key_id=delivery.key_id,
            wrapped_key=delivery.wrapped_key,
            sealed=delivery.sealed,
        )
    )


def topic_of(channel: Channel, organisation: str) -> str:
    """The topic of one channel of one organisation; the duty desk's for `manual`."""
    if channel is Channel.MANUAL:
        return MANUAL_TOPIC
    return f"{TOPIC_OF_CHANNEL[channel]}.{organisation}"


def message_of(
    organisation: str, leaf: bytes, body: bytes, proof: LogProof
) -> tuple[str, bytes, bytes]:
    """(topic, key, value) of the message. The key is the message id: it says nothing of a person."""
    held = msgspec.msgpack.decode(body, type=DeliveryBody)
    value: Alert | Receipt
    if held.channel is Channel.RECEIPT:
        value = Receipt(
            receipt_id=held.message_id,
            set_id=held.set_id,
            recipient=organisation,
            key_id=held.key_id,
            wrapped_key=held.wrapped_key,
            sealed=held.sealed,
            leaf=leaf,
            proof=proof,
        )
    else:
        value = Alert(
            alert_id=held.message_id,
            set_id=held.set_id,
            recipient=organisation,
            key_id=held.key_id,
            wrapped_key=held.wrapped_key,
            sealed=held.sealed,
            leaf=leaf,
            proof=proof,
        )
    return topic_of(held.channel, organisation), held.message_id.encode(), encode(value)
