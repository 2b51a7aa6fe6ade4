"""Who says it: topic owner, register, key and signature."""

from __future__ import annotations

import datetime
from collections.abc import Mapping

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from broker.model.canonical import canonical_json, digest
from broker.model.envelope import signature_holds
from broker.model.key_terms import ALWAYS, KeyTerm, Standing
from broker.model.reference import Reference
from broker.model.types import Envelope
from broker.model.values import Rejection

PublisherKeys = Mapping[tuple[str, str], Ed25519PublicKey]
"""(organisation code, key id) -> public signing key."""
KeyTerms = Mapping[tuple[str, str], KeyTerm]
"""(organisation code, key id) -> when that key may be used; a key that is not named always may."""

_REFUSED = {
    Standing.REVOKED: Rejection(
        "key_revoked",
        "the key that signed this was revoked before Kafka took the record: sign it with a key that "
        "is in force, and publish it again; what it signed before stands",
    ),
    Standing.ENDED: Rejection(
        "key_not_in_force",
        "the key that signed this had ended when Kafka took the record: sign it with a key that is "
        "in force, and publish it again",
    ),
    Standing.NOT_YET: Rejection(
        "key_not_in_force",
        "the key that signed this was not in force yet when Kafka took the record: sign it with a "
        "key that is in force, or publish it again once this one is",
    ),
}


def check_sender(
    envelope: Envelope,
    topic_owner: str,
    keys: PublisherKeys,
    terms: KeyTerms | None = None,
    at: datetime.datetime | None = None,
) -> Rejection | None:
    """None if the topic's owner signed the envelope with a registered key that was in force `at` then."""
    key = keys.get((envelope.publisher, envelope.key_id))
    if key is None and not any(organisation == envelope.publisher for organisation, _ in keys):
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
    term = (terms or {}).get((envelope.publisher, envelope.key_id), ALWAYS)
    return None if at is None else _REFUSED.get(term.standing(at))


def keys_digest(publisher: str, keys: PublisherKeys, terms: KeyTerms, at: datetime.datetime) -> str:
    """Hash of the ids and public halves of a publisher's keys in force then; sorted by id.

    What is registered later changes nothing of it, so that it is the same when a record is read again.
    """
    in_force = [
        [key_id, key.public_bytes_raw().hex()]
        for (organisation, key_id), key in keys.items()
        if organisation == publisher and terms.get((publisher, key_id), ALWAYS).in_force(at)
    ]
    return digest(canonical_json(sorted(in_force)))


def check_existence(owner: str, at: datetime.datetime, reference: Reference) -> Rejection | None:
    """None if the owner of the topic is in the register and exists on that day.

    By its own code: a successor is another organisation, and an old code is nobody's.
    """
    organisation = reference.organisations.get(owner)
    if organisation is not None and organisation.in_force(at.date()):
        return None
    return Rejection(
        "organisation_closed",
        "the register has no such organisation on the day on which Kafka took the record: it closed, "
        "or it does not exist yet; a successor publishes under its own code and with its own key",
    )
