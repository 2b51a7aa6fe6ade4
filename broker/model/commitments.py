"""Salted field commitments: what the publisher signs so that single fields can be shown later.

Every value that redaction can ever show (broker.model.projections) is hashed with a salt of its own:

    commitment   = SHA-256(salt | path | "=" | canonical JSON)         salt: 16 bytes
    event root   = SHA-256(domain | commitments in the order of their names)
    subject leaf = SHA-256(0x00 | commitments in the order of their names)
    node         = SHA-256(0x01 | left | right)                        ten levels, 1,024 slots
    root         = SHA-256(domain | event root | root of subjects)

Salts, the slots of children and what stands in the empty slots come from one seed that the publisher draws
and seals to intake. A recipient sees every commitment of the statement and of its one child, and salts
of what it was released: from these it learns neither another field nor how many children there are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from broker.model.canonical import canonical_json
from broker.model.projections import EVENT_NAMES, SUBJECT_NAMES, event_values, subject_values
from broker.model.types import Action, ConcernEvent

SEED_BYTES = 32
SALT_BYTES = 16
HASH_BYTES = 32
DEPTH = 10
SLOTS = 1 << DEPTH
"""More than five times as many as an event may have children, so that drawing a free one is quick."""
_EVENT = b"safeguarding-broker/event-root/v2\n"
_ROOT = b"safeguarding-broker/root/v2\n"
_ACTION = b"safeguarding-broker/commitments/v1\n"
_LEAF, _NODE = b"\x00", b"\x01"
_EVENT_PATHS = tuple(b"event/" + name.encode() + b"=" for name in EVENT_NAMES)
_SUBJECT_PATHS = tuple(b"subject/" + name.encode() + b"=" for name in SUBJECT_NAMES)
_PATHS = dict(zip(EVENT_NAMES, _EVENT_PATHS, strict=True)) | dict(
    zip(SUBJECT_NAMES, _SUBJECT_PATHS, strict=True)
)
_sha256 = hashlib.sha256


class SubjectProof(msgspec.Struct, frozen=True, array_like=True):
    """How one child's commitments hang on the root. For a place or a group: only `path` is filled."""

    commitments: bytes
    """32 bytes for each of SUBJECT_NAMES; empty for a part that is about no child."""
    slot: int
    path: bytes
    """Sibling hashes from the child up, 32 bytes for each level; without a child, the subjects' root."""


class Committed(msgspec.Struct, frozen=True):
    """The commitments of a whole statement."""

    root: bytes
    event: bytes
    """32 bytes for each of EVENT_NAMES."""
    subjects: tuple[SubjectProof, ...]
    """In the order of the event's subjects; one without commitments where it has none."""


def commit(event: ConcernEvent, seed: bytes) -> Committed:
    """Commits to everything that can be shown of `event`. Raises ValueError for too many subjects."""
    if len(event.subjects) > SLOTS:
        raise ValueError(
            f"a statement about more than {SLOTS} children cannot be committed to: publish several"
        )
    of_event = _commitments(_EVENT_PATHS, event_values(event), event_salts(seed))
    of_subjects = [
        _commitments(_SUBJECT_PATHS, subject_values(event, one), subject_salts(seed, index))
        for index, one in enumerate(event.subjects)
    ]
    placed = dict(zip(_slots(seed, len(of_subjects)), of_subjects, strict=True))
    levels = _tree(seed, {slot: _sha256(_LEAF + one).digest() for slot, one in placed.items()})
    subjects_root = levels[DEPTH][0]
    proofs = tuple(SubjectProof(one, slot, _path(levels, slot)) for slot, one in placed.items())
    return Committed(
        root=_root(of_event, subjects_root),
        event=of_event,
        subjects=proofs or (SubjectProof(b"", 0, subjects_root),),
    )


def commitment_root(statement: ConcernEvent | Action, seed: bytes) -> bytes:
    """What the envelope signs, 32 bytes: of an event its tree, of an act all its fields one by one."""
    if isinstance(statement, ConcernEvent):
        return commit(statement, seed).root
    state = _sha256(_ACTION)
    for name in sorted(statement.__struct_fields__):
        path = name.encode()
        salt = _sha256(seed + path).digest()[:SALT_BYTES]
        value = canonical_json(getattr(statement, name))
        state.update(_sha256(salt + path + b"=" + value).digest())
    return state.digest()


def event_salts(seed: bytes) -> tuple[bytes, ...]:
    """Salts of a statement's own values, in the order of EVENT_NAMES."""
    return _salts(seed + b"/event", len(EVENT_NAMES))


def subject_salts(seed: bytes, index: int) -> tuple[bytes, ...]:
    """Salts of one child's values, in the order of SUBJECT_NAMES; `index` is its place in the event."""
    return _salts(seed + b"/subject/" + index.to_bytes(4, "big"), len(SUBJECT_NAMES))


def commitment(name: str, salt: bytes, value: bytes) -> bytes:
    """The commitment to the canonical JSON `value` of the projection `name`."""
    return _sha256(salt + _PATHS[name] + value).digest()


def committed(name: str, event: bytes, subject: bytes) -> bytes:
    """What stands for the projection `name` among these commitments; empty where nothing does."""
    names, whole = (EVENT_NAMES, event) if name in EVENT_NAMES else (SUBJECT_NAMES, subject)
    at = names.index(name) * HASH_BYTES
    return whole[at : at + HASH_BYTES]


def root_from(event: bytes, subject: SubjectProof) -> bytes | None:
    """The root that these commitments lead to; None where one of them has not the length it must have."""
    if len(event) != HASH_BYTES * len(EVENT_NAMES):
        return None
    if not subject.commitments:
        shaped = len(subject.path) == HASH_BYTES and subject.slot == 0
        return _root(event, subject.path) if shaped else None
    if (
        len(subject.commitments) != HASH_BYTES * len(SUBJECT_NAMES)
        or len(subject.path) != HASH_BYTES * DEPTH
        or not 0 <= subject.slot < SLOTS
    ):
        return None
    node = _sha256(_LEAF + subject.commitments).digest()
    for level in range(DEPTH):
        sibling = subject.path[level * HASH_BYTES : (level + 1) * HASH_BYTES]
        left = not subject.slot >> level & 1
        node = _node(node, sibling) if left else _node(sibling, node)
    return _root(event, node)


def _commitments(paths: Sequence[bytes], values: Iterable[Any], salts: Sequence[bytes]) -> bytes:
    encoded, digest = canonical_json, _sha256
    return b"".join(
        [
            digest(salt + path + encoded(value)).digest()
            for path, value, salt in zip(paths, values, salts, strict=True)
        ]
    )


def _salts(seed: bytes, count: int) -> tuple[bytes, ...]:
    """One extendable output cut into pieces: a piece says nothing of the others or of the seed."""
    whole = hashlib.shake_256(seed).digest(SALT_BYTES * count)
    return tuple([whole[at : at + SALT_BYTES] for at in range(0, len(whole), SALT_BYTES)])


def _slots(seed: bytes, count: int) -> list[int]:
    """`count` different slots, each as likely as any other."""
    drawn: dict[int, None] = {}
    number = 0
    while len(drawn) < count:
        block = _sha256(seed + b"/slots/" + number.to_bytes(4, "big")).digest()
        for at in range(0, HASH_BYTES, 2):
            if len(drawn) < count:
                drawn[int.from_bytes(block[at : at + 2], "big") % SLOTS] = None
        number += 1
    return list(drawn)


def _tree(seed: bytes, leaves: dict[int, bytes]) -> list[dict[int, bytes]]:
    """Occupied nodes and their siblings, level by level; an empty sub-tree is drawn, not computed."""
    levels = [leaves]
    for level in range(DEPTH):
        below = levels[level]
        above: dict[int, bytes] = {}
        for index in list(below):
            parent = index >> 1
            if parent not in above:
                left, right = 2 * parent, 2 * parent + 1
                for one in (left, right):
                    if one not in below:
                        below[one] = _empty(seed, level, one)
                above[parent] = _node(below[left], below[right])
        levels.append(above)
    if not leaves:
        levels[DEPTH][0] = _empty(seed, DEPTH, 0)
    return levels


def _empty(seed: bytes, level: int, index: int) -> bytes:
    """What stands for an empty sub-tree: without the seed nobody tells it from children."""
    return _sha256(seed + b"/empty/" + bytes((level,)) + index.to_bytes(2, "big")).digest()


def _path(levels: Sequence[dict[int, bytes]], slot: int) -> bytes:
    return b"".join(levels[level][(slot >> level) ^ 1] for level in range(DEPTH))


def _node(left: bytes, right: bytes) -> bytes:
    return _sha256(_NODE + left + right).digest()


def _root(event: bytes, subjects_root: bytes) -> bytes:
    return _sha256(_ROOT + _sha256(_EVENT + event).digest() + subjects_root).digest()
