"""HPKE (RFC 9180) opened by a key in memory, or by one that never leaves its token.

A token gives the shared secret of X25519 and no more; the rest of HPKE's base mode for DHKEM(X25519,
HKDF-SHA256), HKDF-SHA256 and AES-256-GCM is computed here. A key in memory takes the library's way.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

HPKE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
PUBLIC_BYTES = 32
KEM_SUITE = b"KEM" + (0x0020).to_bytes(2, "big")
SUITE = b"HPKE" + b"".join(one.to_bytes(2, "big") for one in (0x0020, 0x0001, 0x0002))
LABEL = b"HPKE-v1"
HASH_BYTES, KEY_BYTES, NONCE_BYTES = 32, 32, 12


class Opener(Protocol):
    """An X25519 key. `X25519PrivateKey` is one."""

    def public_key(self) -> X25519PublicKey:
        """Its public half."""
        ...

    def exchange(self, peer_public_key: X25519PublicKey) -> bytes:
        """The shared secret with a public key, 32 bytes."""
        ...


def open_sealed(sealed: bytes, key: Opener, info: bytes) -> bytes:
    """The content that was sealed to `key` with `info`. Raises InvalidTag or ValueError."""
    if isinstance(key, X25519PrivateKey):
        return HPKE.decrypt(sealed, key, info)
    encapsulated = sealed[:PUBLIC_BYTES]
    shared = key.exchange(X25519PublicKey.from_public_bytes(encapsulated))
    context = encapsulated + key.public_key().public_bytes_raw()
    extracted = _extract(KEM_SUITE, b"", b"eae_prk", shared)
    secret = _expand(KEM_SUITE, extracted, b"shared_secret", context, HASH_BYTES)
    schedule = (
        b"\x00"
        + _extract(SUITE, b"", b"psk_id_hash", b"")
        + _extract(SUITE, b"", b"info_hash", info)
    )
    extracted = _extract(SUITE, secret, b"secret", b"")
    content_key = _expand(SUITE, extracted, b"key", schedule, KEY_BYTES)
    nonce = _expand(SUITE, extracted, b"base_nonce", schedule, NONCE_BYTES)
    return AESGCM(content_key).decrypt(nonce, sealed[PUBLIC_BYTES:], b"")


def _extract(suite: bytes, salt: bytes, label: bytes, material: bytes) -> bytes:
    labelled = LABEL + suite + label + material
    return hmac.digest(salt or bytes(HASH_BYTES), labelled, "sha256")


def _expand(suite: bytes, key: bytes, label: bytes, info: bytes, length: int) -> bytes:
    """HKDF-Expand for at most one block of SHA-256."""
    labelled = length.to_bytes(2, "big") + LABEL + suite + label + info
    return hmac.new(key, labelled + b"\x01", hashlib.sha256).digest()[:length]
