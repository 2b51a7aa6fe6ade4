"""Intake: bytes to an opened envelope, an event to its parts, identifiers to one subject token."""

from broker.intake.identity import AliasEntry, Resolution, identifier_token, older_of, resolve
from broker.intake.open import MAX_RECORD_BYTES, read_envelope
from broker.intake.parts import (
    SeenEntry,
    identity_tokens,
    part_binding,
    parts_of,
    position_of,
    resolve_event,
)
from broker.intake.split import PartKey, part_id, part_keys

__all__ = [
    "MAX_RECORD_BYTES",
    "AliasEntry",
    "PartKey",
    "Resolution",
    "SeenEntry",
    "identifier_token",
    "identity_tokens",
    "older_of",
    "part_binding",
    "part_id",
    "part_keys",
    "parts_of",
    "position_of",
    "read_envelope",
    "resolve",
    "resolve_event",
]
