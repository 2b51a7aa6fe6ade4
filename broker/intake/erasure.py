"""Erasing one subject: what intake knows of it, and the records by which decide is told. Pure.

A subject may have had several tokens before they were found to be one child's. Every one of them is
erased, each on the partition where its state lies.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from broker.intake.identity import AliasEntry, Resolution, root_of
from broker.intake.later import Occasion
from broker.intake.parts import GONE, SeenEntry
from broker.model.canonical import digest_text
from broker.model.sealing import seal, unseal
from broker.model.types import Action, Part, PartKind, PartStep

_ID_HEX = 32


class KnownPart(msgspec.Struct, frozen=True, array_like=True):
    """One part about a subject, by which decide finds its state and its entries."""

    part_id: str
    part_key: str
    kind: PartKind
    publisher: str
    event_id: str


class KnownSubject(msgspec.Struct, frozen=True):
    """Everything by which intake knows one subject, place or group."""

    root: str
    """The oldest of its tokens, to which the others were joined."""
    tokens: tuple[str, ...]
    """Tokens to erase, in the order in which a crash between two of them harms nothing."""
    parts: tuple[KnownPart, ...]


class ToErase(msgspec.Struct, frozen=True):
    """What decide is told: why, and what it holds of the key."""

    why: str
    part_ids: tuple[str, ...]
    statements: tuple[tuple[str, str], ...]
    """(publisher, event id) of every part of the key."""


def known_subject(
    token: str, rows: Mapping[str, AliasEntry], seen: Iterable[tuple[str, SeenEntry]]
) -> KnownSubject | None:
    """What is known under a token, or under any token that was joined with it; None for nothing.

    `rows`: all alias rows. `seen`: (publisher/event id, entry) of everything that was accepted.
    """
    if token == GONE:
        return None
    tokens = family_of(token, rows)
    members = set(tokens)
    parts: dict[str, KnownPart] = {}
    for key, entry in seen:
        for one in entry.parts:
            if one.part_key in members:
                publisher, _, event_id = key.rpartition("/")
                parts.setdefault(
                    one.part_id,
                    KnownPart(
                        one.part_id, one.part_key, one.kind, publisher.rpartition("/")[2], event_id
                    ),
                )
    if not parts and token not in rows:
        return None
    return KnownSubject(
        root_of(token, rows), tokens, tuple(sorted(parts.values(), key=lambda one: one.part_id))
    )


def family_of(token: str, rows: Mapping[str, AliasEntry]) -> tuple[str, ...]:
    """The token and all that were joined with it.

    Those on the way from it to the oldest come last, itself at the very end: whoever is interrupted
    while removing their rows in this order finds the rest by the same token again.
    """
    root = root_of(token, rows)
    members, grew = {token, root}, True
    while grew:
        found = {
            one
            for name, row in rows.items()
            if name in members or row.canonical in members
            for one in (name, row.canonical)
        }
        grew = not found <= members
        members |= found
    way = [token]
    while way[-1] != root:
        way.append(rows[way[-1]].canonical)
    return (*sorted(members - set(way)), *reversed(way))


def erase_parts(
    action: Action, known: KnownSubject, occasion: Occasion, parts_key: bytes
) -> tuple[Part, ...]:
    """One record for each token of the subject, to the partition where its state lies."""
    return tuple(_erase_part(action, token, known, occasion, parts_key) for token in known.tokens)


def _erase_part(
    action: Action,
    token: str,
    known: KnownSubject,
    occasion: Occasion,
    parts_key: bytes,
) -> Part:
    own = [one for one in known.parts if one.part_key == token]
    identity = digest_text("erase", occasion.set_id, token)[:_ID_HEX]
    content = ToErase(
        why=action.verdict or "",
        part_ids=tuple(one.part_id for one in own),
        statements=tuple((one.publisher, one.event_id) for one in own),
    )
    return Part(
        part_id=identity,
        event_id=action.action_id,
        version=1,
        publisher=action.organisation,
        kind=own[0].kind if own else PartKind.SUBJECT,
        part_key=token,
        other_key=None if token == known.root else known.root,
        part_count=1,
        received_at=occasion.received_at,
        source_topic=occasion.source.topic,
        source_partition=occasion.source.partition,
        source_offset=occasion.source.offset,
        receipt_set_id=occasion.set_id,
        act_set_id=occasion.set_id,
        step=PartStep.ERASE,
        sealed=sealed_erasure(identity, content, parts_key),
    )


def sealed_erasure(identity: str, content: ToErase, parts_key: bytes) -> bytes:
    """What decide is told, sealed for the record of that id."""
    return seal(parts_key, msgspec.msgpack.encode(content), _binding(identity))


def opened_erasure(part: Part, parts_key: bytes) -> ToErase:
    """What intake told. Raises SealError."""
    packed = unseal(parts_key, part.sealed, _binding(part.part_id))
    return msgspec.msgpack.decode(packed, type=ToErase)


def without(entry: SeenEntry, tokens: Iterable[str]) -> SeenEntry:
    """The entry of an accepted statement with these tokens gone; that it was accepted stays known.

    Ids of parts stay (the leaves hold them): what is read again after a crash gives the same leaf,
    and no part is sent a second time.
    """
    gone = frozenset(tokens)
    if not any(one.token in gone for one in entry.resolutions):
        return entry
    resolutions = tuple(
        Resolution(token=GONE, entries=()) if one.token in gone else one
        for one in entry.resolutions
    )
    parts = tuple(
        msgspec.structs.replace(one, part_key=GONE, subject_ref=None)
        if one.part_key in gone
        else one
        for one in entry.parts
    )
    return msgspec.structs.replace(entry, resolutions=resolutions, parts=parts)


def _binding(identity: str) -> bytes:
    """Associated data under which decide is told what to erase."""
    return b"erase\n" + identity.encode()
