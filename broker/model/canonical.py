"""Canonical bytes: one value, one byte string.

Leaves, commitments and hashes are made over these bytes, so they must never depend on key order,
white space or platform. Floats are refused: two platforms may print one float differently.
"""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

_encoder = msgspec.json.Encoder(order="sorted")


def canonical_json(value: Any) -> bytes:
    """UTF-8 JSON with sorted keys and no spaces. `value` holds no floats."""
    return _encoder.encode(value)


def digest(*pieces: bytes) -> str:
    """SHA-256 in hex over the pieces, each preceded by its length so that none can run into the next."""
    framed: list[bytes] = []
    for piece in pieces:
        framed += (len(piece).to_bytes(8, "big"), piece)
    return hashlib.sha256(b"".join(framed)).hexdigest()


def digest_text(*pieces: str) -> str:
    """`digest` over the UTF-8 bytes of each text."""
    framed: list[bytes] = []
    for piece in pieces:
        plain = piece.encode()
        framed += (len(plain).to_bytes(8, "big"), plain)
    return hashlib.sha256(b"".join(framed)).hexdigest()
