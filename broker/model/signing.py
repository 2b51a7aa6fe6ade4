"""What signs: a key in memory, or one that never leaves its token."""

from __future__ import annotations

from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


class Signer(Protocol):
    """An Ed25519 signing key. `Ed25519PrivateKey` is one."""

    def public_key(self) -> Ed25519PublicKey:
        """Its public half."""
        ...

    def sign(self, data: bytes, /) -> bytes:
        """The signature, 64 bytes."""
        ...
