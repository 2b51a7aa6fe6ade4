"""What intake passes on of a publisher's signed envelope, so that decide can prove what it shows.

It lies sealed in the part and in the sealed facts, beside the event, and goes nowhere else: with the seed
every salt could be computed.
"""

from __future__ import annotations

import hashlib

import msgspec

from broker.model.codec import MARKER, CodecError
from broker.model.commitments import Committed, SubjectProof, event_salts, subject_salts
from broker.model.projections import EVENT_NAMES, SUBJECT_NAMES
from broker.model.types import Envelope


class Statement(msgspec.Struct, frozen=True, array_like=True):
    """The signed statement that a part is of, and how the part's commitments hang on its root."""

    key_id: str
    epoch: str
    body_hash: bytes
    """SHA-256 of the sealed body, which the signature covers."""
    signature: bytes
    root: bytes
    seed: bytes
    event: bytes
    """Commitments to the statement's own values."""
    subject: SubjectProof
    index: int | None
    """The child's place in the event; None for a place or a group."""
    stated: bytes = b""
    """The event as published, in Avro, where verification brought area codes up to date; else empty."""

    def __repr__(self) -> str:
        """Nothing of the seed."""
        return "Statement(...)"

    def salts(self) -> dict[str, bytes]:
        """Salt of every projection that the part can show, by its name."""
        salts = dict(zip(EVENT_NAMES, event_salts(self.seed), strict=True))
        if self.index is not None:
            salts |= zip(SUBJECT_NAMES, subject_salts(self.seed, self.index), strict=True)
        return salts


class SealedPart(msgspec.Struct, frozen=True, array_like=True):
    """What a part seals for decide: the event, and the statement that it is of where it was signed."""

    event: bytes
    statement: Statement | None = None


_part = msgspec.msgpack.Decoder(SealedPart)
_encoder = msgspec.msgpack.Encoder()


def statement_of(
    envelope: Envelope, committed: Committed, seed: bytes, index: int | None, stated: bytes
) -> Statement:
    """The statement of the part about subject `index`; `stated` is given where it was amended."""
    return Statement(
        key_id=envelope.key_id,
        epoch=envelope.epoch,
        body_hash=hashlib.sha256(envelope.sealed_body).digest(),
        signature=envelope.signature,
        root=committed.root,
        seed=seed,
        event=committed.event,
        subject=committed.subjects[index or 0],
        index=index,
        stated=stated,
    )


def pack(part: SealedPart) -> bytes:
    """Bytes to be sealed; the same input gives the same bytes."""
    return _encoder.encode(part)


def unpack(plain: bytes) -> SealedPart:
    """What `pack` packed, or a bare event as an earlier release sealed it. Raises CodecError."""
    if plain[: len(MARKER)] == MARKER:
        return SealedPart(plain)
    try:
        return _part.decode(plain)
    except msgspec.DecodeError:
        raise CodecError("not_valid", "the sealed part cannot be read") from None
