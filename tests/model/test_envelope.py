"""The envelope: only its publisher can have made it, only intake can open it, nothing can be moved."""

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from broker.model.codec import CodecError, decode, encode
from broker.model.envelope import (
    IntakeEpoch,
    SigningIdentity,
    open_body,
    seal_statement,
    signature_holds,
)
from broker.model.types import ConcernEvent, Envelope
from tests.builders import ADVOCATE, concern

KEY = Ed25519PrivateKey.generate()
EPOCH_KEY = X25519PrivateKey.generate()
SEED = bytes(range(32))


def envelope(event: ConcernEvent) -> Envelope:
    """The event, signed and sealed."""
    identity = SigningIdentity(ADVOCATE, "key-1", KEY)
    epoch = IntakeEpoch("epoch-1", EPOCH_KEY.public_key())
    return decode(seal_statement(event, identity, epoch, SEED), Envelope)


def test_what_was_sealed_is_what_is_opened() -> None:
    """Intake gets the event, byte for byte, and the seed of its commitments."""
    event = concern()

    body = open_body(envelope(event), {"epoch-1": EPOCH_KEY})

    assert decode(body.payload, ConcernEvent) == event
    assert body.seed == SEED


def test_nothing_of_the_event_is_readable_in_the_envelope() -> None:
    """Names and identifiers do not occur in the bytes that lie on the topic."""
    raw = encode(envelope(concern()))

    assert b"Example" not in raw
    assert b"9434765919" not in raw


@pytest.mark.parametrize("field", ["publisher", "key_id", "epoch", "event_id"])
def test_every_text_field_is_signed(field: str) -> None:
    """Changing any of them breaks the signature."""
    changed = msgspec.structs.replace(envelope(concern()), **{field: "other"})

    assert not signature_holds(changed, KEY.public_key())


@pytest.mark.parametrize("field", ["commitment_root", "sealed_body"])
def test_root_and_body_are_signed(field: str) -> None:
    """So are the commitments and the sealed body."""
    sound = envelope(concern())
    changed = msgspec.structs.replace(sound, **{field: getattr(sound, field)[:-1] + b"\x00\x01"})

    assert signature_holds(sound, KEY.public_key())
    assert not signature_holds(changed, KEY.public_key())


def test_a_body_cannot_be_moved_to_another_publisher() -> None:
    """The seal is bound to publisher and id: a thief's envelope does not open."""
    moved = msgspec.structs.replace(envelope(concern()), publisher="THIEF")

    with pytest.raises(CodecError) as caught:
        open_body(moved, {"epoch-1": EPOCH_KEY})
    assert caught.value.reason == "cannot_open"


def test_without_the_epoch_key_nothing_opens() -> None:
    """Destroying an epoch's key erases what was sealed to it; the error says what to do."""
    with pytest.raises(CodecError, match="fetch the current epoch key"):
        open_body(envelope(concern()), {})
