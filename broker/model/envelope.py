"""The envelope: signed by the publisher, sealed to intake, silent about people.

Layout and words are those of design.md from the first version: {publisher, key id, epoch, event id,
field-commitment root, sealed body, signature}. The signature covers all of the rest, domain
separated, so no part can be moved into another envelope; the sealed body is signed by its hash, so
that a recipient who never sees it can check the signature all the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import msgspec
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

from broker.model.codec import CodecError, decode, encode
from broker.model.commitments import commitment_root
from broker.model.opening import HPKE, Opener, open_sealed
from broker.model.signing import Signer
from broker.model.types import Action, ConcernEvent, Envelope, SealedBody

DOMAIN = b"safeguarding-broker/envelope/v2\n"


class SigningIdentity(msgspec.Struct, frozen=True):
    """A publisher's signing key with the id under which the register knows it."""

    organisation: str
    key_id: str
    key: Signer


class IntakeEpoch(msgspec.Struct, frozen=True):
    """Intake's public key of one epoch; its private half is destroyed when the epoch is erased."""

    name: str
    public_key: X25519PublicKey


class Signed(msgspec.Struct, frozen=True):
    """Everything that a publisher's signature covers."""

    publisher: str
    key_id: str
    epoch: str
    event_id: str
    commitment_root: bytes
    body_hash: bytes
    """SHA-256 of the sealed body."""


def signed_of(envelope: Envelope) -> Signed:
    """What the envelope's signature covers."""
    return Signed(
        publisher=envelope.publisher,
        key_id=envelope.key_id,
        epoch=envelope.epoch,
        event_id=envelope.event_id,
        commitment_root=envelope.commitment_root,
        body_hash=hashlib.sha256(envelope.sealed_body).digest(),
    )


def signing_input(signed: Signed) -> bytes:
    """The bytes that are signed: every field, each with its length."""
    pieces = (
        signed.publisher.encode(),
        signed.key_id.encode(),
        signed.epoch.encode(),
        signed.event_id.encode(),
        signed.commitment_root,
        signed.body_hash,
    )
    return DOMAIN + b"".join(len(piece).to_bytes(4, "big") + piece for piece in pieces)


def is_signed(signed: Signed, signature: bytes, public_key: Ed25519PublicKey) -> bool:
    """True if the key signed exactly this."""
    try:
        public_key.verify(signature, signing_input(signed))
    except InvalidSignature:
        return False
    return True


def seal_statement(
    statement: ConcernEvent | Action, identity: SigningIdentity, epoch: IntakeEpoch, seed: bytes
) -> bytes:
    """An encoded, signed envelope around an event or an action. `seed` is 32 fresh random bytes."""
    statement_id = (
        statement.event_id if isinstance(statement, ConcernEvent) else statement.action_id
    )
    body = encode(SealedBody(seed=seed, payload=encode(statement)))
    unsigned = Envelope(
        publisher=identity.organisation,
        key_id=identity.key_id,
        epoch=epoch.name,
        event_id=statement_id,
        commitment_root=commitment_root(statement, seed),
        sealed_body=HPKE.encrypt(
            body, epoch.public_key, _info(identity.organisation, statement_id)
        ),
        signature=b"",
    )
    signature = identity.key.sign(signing_input(signed_of(unsigned)))
    return encode(msgspec.structs.replace(unsigned, signature=signature))


def signature_holds(envelope: Envelope, public_key: Ed25519PublicKey) -> bool:
    """True if the publisher's key signed exactly this envelope."""
    return is_signed(signed_of(envelope), envelope.signature, public_key)


def open_body(envelope: Envelope, epoch_keys: Mapping[str, Opener]) -> SealedBody:
    """The sealed body; raises CodecError `cannot_open` where the key is gone or the seal is broken."""
    key = epoch_keys.get(envelope.epoch)
    if key is None:
        raise CodecError(
            "cannot_open",
            f"the body is sealed to epoch {envelope.epoch!r}, whose key is not held: "
            "fetch the current epoch key and publish again",
        )
    info = _info(envelope.publisher, envelope.event_id)
    try:
        plain = open_sealed(envelope.sealed_body, key, info)
    except (InvalidTag, ValueError):
        raise CodecError(
            "cannot_open", "the sealed body does not open: seal it again to the current epoch key"
        ) from None
    return decode(plain, SealedBody)


def _info(publisher: str, statement_id: str) -> bytes:
    """HPKE info: binds the sealed body to its publisher and id."""
    return b"safeguarding-broker/body/v1\n" + publisher.encode() + b"\n" + statement_id.encode()
