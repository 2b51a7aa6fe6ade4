"""Sealing with data keys: deterministic, padded, bound to what it belongs to.

AES-256-GCM-SIV (RFC 8452) with a nonce derived from the associated data: sealing the same content
for the same recipient and set gives the same bytes, so a decision made again after a crash is
byte-identical, and a nonce that meets two contents by mistake costs no confidentiality.
"""

from __future__ import annotations

import hashlib
from functools import cached_property

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV

PAD_BYTES = 1024
NONCE_BYTES = 12
KEY_BYTES = 32


class DataKey(msgspec.Struct, frozen=True, dict=True):
    """A recipient's data key of one epoch, with the HPKE-wrapped copy that travels along."""

    key_id: str
    key: bytes
    wrapped: bytes

    @cached_property
    def cipher(self) -> AESGCMSIV:
        """What seals with it; kept as long as the key itself."""
        return AESGCMSIV(self.key)


class SealError(ValueError):
    """Sealed bytes that do not open under this key and associated data."""


def pad(content: bytes) -> bytes:
    """Content with its length, filled to a multiple of 1,024 bytes: size says little about fields."""
    framed = len(content).to_bytes(4, "big") + content
    return framed + bytes(-len(framed) % PAD_BYTES)


def unpad(padded: bytes) -> bytes:
    """The content that `pad` framed."""
    length = int.from_bytes(padded[:4], "big")
    if length > len(padded) - 4:
        raise SealError("the padding does not fit its content: the record is damaged")
    return padded[4 : 4 + length]


def seal(key: bytes, content: bytes, bound_to: bytes) -> bytes:
    """Sealed `content`, bound to `bound_to`; deterministic."""
    return seal_by(AESGCMSIV(key), content, bound_to)


def seal_by(cipher: AESGCMSIV, content: bytes, bound_to: bytes) -> bytes:
    """The same by a cipher that is made once of a key that seals often."""
    return cipher.encrypt(_nonce(bound_to), content, bound_to)


def unseal(key: bytes, sealed: bytes, bound_to: bytes) -> bytes:
    """The content; raises SealError where key or binding differ."""
    try:
        return AESGCMSIV(key).decrypt(_nonce(bound_to), sealed, bound_to)
    except InvalidTag:
        raise SealError(
            "the sealed content does not open: it is for another key, recipient or record"
        ) from None


def _nonce(bound_to: bytes) -> bytes:
    return hashlib.sha256(b"nonce\n" + bound_to).digest()[:NONCE_BYTES]
