"""Intake: bytes to an opened envelope, an event to its parts, identifiers to one subject token."""

from broker.intake.erasure import (
    KnownPart,
    KnownSubject,
    ToErase,
    erase_parts,
    known_subject,
    opened_erasure,
    sealed_erasure,
    without,
)
from broker.intake.identity import AliasEntry, Resolution, identifier_token, older_of, resolve
from broker.intake.later import (
    ENTRY_ONLY,
    Occasion,
    act_binding,
    act_parts,
    correction_binding,
    paired,
    retract_parts,
)
from broker.intake.open import MAX_RECORD_BYTES, read_envelope
from broker.intake.parts import (
    SeenEntry,
    SeenPart,
    identity_tokens,
    part_binding,
    parts_of,
    position_of,
    resolve_event,
    seen_parts,
)
from broker.intake.split import PartKey, part_id, part_keys, subject_name

__all__ = [
    "ENTRY_ONLY",
    "MAX_RECORD_BYTES",
    "AliasEntry",
    "KnownPart",
    "KnownSubject",
    "Occasion",
    "PartKey",
    "Resolution",
    "SeenEntry",
    "SeenPart",
    "ToErase",
    "act_binding",
    "act_parts",
    "correction_binding",
    "erase_parts",
    "identifier_token",
    "identity_tokens",
    "known_subject",
    "older_of",
    "opened_erasure",
    "paired",
    "part_binding",
    "part_id",
    "part_keys",
    "parts_of",
    "position_of",
    "read_envelope",
    "resolve",
    "resolve_event",
    "retract_parts",
    "sealed_erasure",
    "seen_parts",
    "subject_name",
    "without",
]
