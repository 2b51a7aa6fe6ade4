"""Salted field commitments: what the publisher signs so that single fields can be shown later.

Each field of an event is hashed with a salt of its own, and the root is the hash over all those
hashes. A subject's fields are committed one by one, since they are what redaction decides. The
salts come from one seed, so the envelope stays small and a field cannot be guessed from its hash.
"""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from broker.model.canonical import canonical_json

SEED_BYTES = 32
SALT_BYTES = 16


def paths(event: msgspec.Struct) -> list[tuple[str, Any]]:
    """(path, value) of every committed field, sorted by path; subjects are expanded by field."""
    found: list[tuple[str, Any]] = []
    for name in event.__struct_fields__:
        value = getattr(event, name)
        if name == "subjects":
            for index, subject in enumerate(value):
                found.extend(
                    (f"subjects.{index}.{field}", getattr(subject, field))
                    for field in subject.__struct_fields__
                )
        else:
            found.append((name, value))
    return sorted(found, key=lambda pair: pair[0])


def field_commitment(seed: bytes, path: str, value: Any) -> bytes:
    """SHA-256 of salt, path and canonical value; the salt is derived from `seed` and `path`."""
    name = path.encode()
    salt = hashlib.sha256(seed + name).digest()[:SALT_BYTES]
    return hashlib.sha256(salt + name + b"=" + canonical_json(value)).digest()


def commitment_root(event: msgspec.Struct, seed: bytes) -> bytes:
    """SHA-256 over all field commitments in path order: 32 bytes."""
    state = hashlib.sha256(b"safeguarding-broker/commitments/v1\n")
    for path, value in paths(event):
        state.update(field_commitment(seed, path, value))
    return state.digest()
