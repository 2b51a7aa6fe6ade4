"""Checks each released field against what its publisher signed, without seeing the rest.

value → commitment → root → signature. A field is `signed` where all of it held; `committed` where it leads to
the root and this recipient may not know whose signature stands under it; `derived_by_broker` where the
broker made it and says so; `unproved` where the alert carries no proof at all, as one recorded before
there were any or about a statement that nobody signed. Whatever claims to be more than it is, is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from broker.model.canonical import canonical_json
from broker.model.commitments import SALT_BYTES, SubjectProof, commitment, committed, root_from
from broker.model.envelope import Signed, is_signed
from broker.model.projections import AREAS_STATED, DERIVED, DERIVED_FIELDS, PAIRWISE, names_of
from broker.model.types import AlertContent, Mode, ReleasedField, StatementProof

SIGNED, COMMITTED, DERIVED_BY_BROKER, UNPROVED = "signed", "committed", DERIVED, "unproved"
PUBLISHER = "publisher"
AREAS = ("la_gss", "also_gss")
PLACE_NAMES = ("place", "place/generalised")
PublisherKeys = Mapping[tuple[str, str], Ed25519PublicKey]
"""(organisation code, key id) -> public signing key, of the register that the agency holds."""


class StatementError(ValueError):
    """A field that is not what it claims to be; the text names it and holds nothing of its value."""


def proved_fields(content: AlertContent, keys: PublisherKeys) -> dict[str, str]:
    """Field -> how it was proved, for every released field. Raises StatementError."""
    names = [one.field for one in content.released]
    if len(names) != len(set(names)):
        raise StatementError("a field is there twice")
    proof = content.statement
    if content.mode is Mode.EXISTENCE and proof is not None:
        raise StatementError("a pointer that says only that there is something carries a statement")
    how = UNPROVED if proof is None else _checked(proof, content, keys)
    found = {one.field: _proved(one, content, how) for one in content.released}
    if content.mode is Mode.EXISTENCE and set(found.values()) - {DERIVED_BY_BROKER}:
        raise StatementError("a pointer that says only that there is something shows something")
    return found


def _checked(proof: StatementProof, content: AlertContent, keys: PublisherKeys) -> str:
    """The commitments lead to the root, and the root is signed where the signer is named."""
    if root_from(proof.event_commitments, _subject(proof)) != proof.root:
        raise StatementError("its commitments do not lead to the root that it names")
    stated = next((one.value for one in content.released if one.field == PUBLISHER), None)
    named = None if proof.publisher is None else canonical_json(proof.publisher).decode()
    if stated != named:
        raise StatementError("its publisher is named in the field or in the proof, and not in both")
    if proof.publisher is None:
        return COMMITTED
    key = keys.get((proof.publisher, proof.key_id))
    if key is None:
        raise StatementError(
            "the directory in the key folder has no such key of its publisher: fetch the directory "
            "anew, and if it still has none"
        )
    signed = Signed(
        publisher=proof.publisher,
        key_id=proof.key_id,
        epoch=proof.epoch,
        event_id=content.event_id,
        commitment_root=proof.root,
        body_hash=proof.body_hash,
    )
    if not is_signed(signed, proof.signature, key):
        raise StatementError("its publisher did not sign that root for that event")
    return SIGNED


def _proved(one: ReleasedField, content: AlertContent, how: str) -> str:
    """How one field was proved; `how` is how far the proof of the whole statement goes."""
    if one.transform == DERIVED:
        if not _may_be_derived(one, content):
            raise StatementError(f"{one.field} claims to be the broker's and is the publisher's")
        return DERIVED_BY_BROKER
    if one.field in DERIVED_FIELDS:
        if content.statement is None and not one.salt:
            return UNPROVED
        raise StatementError(f"{one.field} claims to be the publisher's and is the broker's")
    if content.statement is None:
        return UNPROVED
    if not _leads(names_of(one.field, one.transform), one.salt, one.value, content.statement):
        raise StatementError(f"{one.field} is not what its publisher committed to")
    return how


def _may_be_derived(one: ReleasedField, content: AlertContent) -> bool:
    """Only what the broker can make, and no publisher's field under another flag."""
    if one.field in DERIVED_FIELDS:
        return not one.salt
    if one.field == "identifiers":
        pairwise = [{"scheme": PAIRWISE, "value": content.part}]
        return not one.salt and one.value == canonical_json(pairwise).decode()
    return one.field == "place" and _is_same_place(one, content.statement)


def _is_same_place(one: ReleasedField, proof: StatementProof | None) -> bool:
    """A place whose area codes the broker brought up to date: with the stated ones it must prove."""
    shown = msgspec.json.decode(one.value)
    areas = shown.pop(AREAS_STATED, None) if isinstance(shown, dict) else None
    if proof is None or not isinstance(areas, dict) or not areas.keys() <= set(AREAS):
        return False
    if _shape(areas) != _shape({name: shown[name] for name in AREAS if name in shown}):
        return False
    return _leads(PLACE_NAMES, one.salt, canonical_json(shown | areas).decode(), proof)


def _shape(areas: Mapping[str, Any]) -> dict[str, int]:
    """How many areas under which name: a code may take another's place, and none may come or go."""
    return {name: len(one) if isinstance(one, list) else 1 for name, one in areas.items()}


def _leads(names: tuple[str, ...], salt: bytes, value: str, proof: StatementProof) -> bool:
    """Whether the value under one of these names is what stands among the commitments."""
    if len(salt) != SALT_BYTES:
        return False
    return any(
        commitment(name, salt, value.encode())
        == committed(name, proof.event_commitments, proof.subject_commitments)
        for name in names
    )


def _subject(proof: StatementProof) -> SubjectProof:
    return SubjectProof(proof.subject_commitments, proof.position, proof.path)
