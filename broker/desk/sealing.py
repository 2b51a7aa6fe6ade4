"""The key under which a desk keeps personal data at rest: in a file of its own, never in the database."""

from __future__ import annotations

import hmac
from pathlib import Path

from broker.model.sealing import seal, unseal
from broker.shell.key_files import alone, make_secret, read_secret


class AtRest:
    """Seals what a desk keeps. Each value is bound to where it lies, so that none can be moved."""

    def __init__(self, key: bytes) -> None:
        """`key` has 32 bytes."""
        self._key = key

    @classmethod
    def of(cls, keys_dir: Path, organisation: str) -> AtRest:
        """With the key of the organisation's desk, made where there is none. Raises KeysError."""
        folder = keys_dir / "desk"
        with alone(folder):
            make_secret(folder / f"{organisation}.key")
        return cls(read_secret(folder / f"{organisation}.key"))

    def seal(self, value: bytes, place: str) -> bytes:
        """`value`, readable only with the key and as what lies at `place`."""
        return seal(self._key, value, place.encode())

    def secret_for(self, purpose: str) -> str:
        """A secret of its own for one purpose, the same after each start."""
        return hmac.digest(self._key, f"for {purpose}".encode(), "sha256").hex()

    def open(self, sealed: bytes, place: str) -> bytes:
        """What was sealed at `place`. Raises SealError where it was not."""
        return unseal(self._key, sealed, place.encode())
