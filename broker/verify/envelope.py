"""Who says it: topic owner, register, key and signature."""

from __future__ import annotations

from collections.abc import Mapping

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from broker.model.envelope import signature_holds
from broker.model.types import Envelope
from broker.model.values import Rejection

PublisherKeys = Mapping[tuple[str, str], Ed25519PublicKey]
"""(organisation code, key id) -> public signing key."""


def check_sender(envelope: Envelope, topic_owner: str, keys: PublisherKeys) -> Rejection | None:
    """None if the topic's owner signed the envelope with a registered key."""
    if not any(organisation == envelope.publisher for organisation, _ in keys):
        return Rejection(
            "unknown_publisher",
            "the publisher has no key in the register: "
            "ask the broker's operator to register the organisation",
        )
    if envelope.publisher != topic_owner:
        return Rejection(
            "not_topic_owner",
            f"the record lies on the topic of {topic_owner} and is signed for another organisation: "
            "publish to your own topic",
        )
    key = keys.get((envelope.publisher, envelope.key_id))
    if key is None:
        return Rejection(
            "bad_signature",
            "the key id is not registered for this publisher: sign with a registered key",
        )
    if not signature_holds(envelope, key):
        return Rejection(
            "bad_signature",
            "the signature does not fit the record: it was changed after signing, "
            "or signed with another key",
        )
    return None
