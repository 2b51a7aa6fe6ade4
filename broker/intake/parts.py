"""The records that intake writes for decide: parts to decide, and joins to carry out."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping, Sequence

import msgspec

from broker.intake.identity import AliasEntry, Resolution, identifier_token, resolve
from broker.intake.split import PartKey, part_id, part_keys, subject_name
from broker.model.sealing import seal
from broker.model.statement import SealedPart, Statement, pack
from broker.model.types import ConcernEvent, Part, PartKind, PartStep
from broker.model.values import SourcePosition

GONE = ""
"""Stands where the token of an erased subject stood."""


class SeenPart(msgspec.Struct, frozen=True, array_like=True):
    """One part of an accepted event, by which later acts find it."""

    part_id: str
    part_key: str
    kind: PartKind
    subject_ref: str | None
    """Which child of the event, by `subject_name`."""


class SeenEntry(msgspec.Struct, frozen=True):
    """What intake remembers of an accepted record, so that reading it again gives the same bytes."""

    digest: str
    """SHA-256 of the signed content: tells a duplicate from a reused id."""
    source: SourcePosition
    set_id: str
    received_at: datetime.datetime
    resolutions: tuple[Resolution, ...]
    flags: tuple[str, ...]
    version: int = 1
    parts: tuple[SeenPart, ...] = ()

    @property
    def standing(self) -> tuple[SeenPart, ...]:
        """The parts whose subject was not erased."""
        return tuple(one for one in self.parts if one.part_key != GONE)


def position_of(received_at: datetime.datetime, source: SourcePosition) -> str:
    """Sortable position of a record over all topics: time first, then topic, partition, offset."""
    moment = round(received_at.timestamp() * 1000)
    return f"{moment:015d}/{source.topic}/{source.partition:05d}/{source.offset:015d}"


def identity_tokens(event: ConcernEvent, linkage_key: bytes) -> tuple[tuple[str, ...], ...]:
    """For each subject the tokens of its identifiers; one empty tuple for a place or a group."""
    if not event.subjects:
        return ((),)
    return tuple(
        tuple(identifier_token(linkage_key, one) for one in subject.identifiers)
        for subject in event.subjects
    )


def resolve_event(
    keys: Sequence[PartKey],
    tokens: Sequence[tuple[str, ...]],
    aliases: Mapping[str, AliasEntry],
    position: str,
) -> tuple[Resolution, ...]:
    """One resolution for each part of an event, in part order; later subjects see earlier ones' rows.

    `keys` are its `part_keys`, `tokens` its `identity_tokens`.

    No two parts get one token: a subject whose numbers were already used by another subject of the
    same event stands alone.
    """
    known = dict(aliases)
    found: list[Resolution] = []
    for key, stated in zip(keys, tokens, strict=True):
        resolution = resolve(stated, key.key, known, position)
        if any(resolution.token == earlier.token for earlier in found):
            # The event says two children where the numbers say one: neither may swallow the other.
            resolution = resolve((), key.key, known, position)
        known.update(resolution.entries)
        found.append(resolution)
    return tuple(found)


def seen_parts(
    event: ConcernEvent, keys: Sequence[PartKey], resolutions: Sequence[Resolution]
) -> tuple[SeenPart, ...]:
    """The parts of an event under the tokens to which its subjects were resolved."""
    return tuple(
        SeenPart(
            part_id=part_id(event.publisher, event.event_id, event.version, resolution.token),
            part_key=resolution.token,
            kind=key.kind,
            subject_ref=None
            if key.subject_index is None
            else subject_name(event.publisher, event.subjects[key.subject_index].subject_ref),
        )
        for key, resolution in zip(keys, resolutions, strict=True)
    )


Statements = Callable[[int | None], Statement | None]
"""The signed statement of the part about a subject, by its place in the event; None if unsigned."""


def parts_of(
    event: ConcernEvent,
    encoded: bytes,
    seen: SeenEntry,
    parts_key: bytes,
    statement: Statements = lambda _index: None,
) -> tuple[tuple[Part, ...], tuple[Part, ...]]:
    """(parts to decide, moves to carry out first) of an accepted event; `encoded` is its Avro."""
    keys = part_keys(event)
    decide_parts: list[Part] = []
    moves: list[Part] = []
    known = seen.parts or seen_parts(event, keys, seen.resolutions)
    for key, resolution, own in zip(keys, seen.resolutions, known, strict=True):
        if resolution.token == GONE:
            continue  # read again after its subject was erased: it had been sent before
        part = Part(
            part_id=own.part_id,
            event_id=event.event_id,
            version=event.version,
            publisher=event.publisher,
            kind=key.kind,
            part_key=resolution.token,
            subject_ref=own.subject_ref,
            part_count=len(keys),
            received_at=seen.received_at,
            source_topic=seen.source.topic,
            source_partition=seen.source.partition,
            source_offset=seen.source.offset,
            receipt_set_id=seen.set_id,
            flags=seen.flags,
            sealed=seal(
                parts_key,
                pack(SealedPart(encoded, statement(key.subject_index))),
                part_binding(own.part_id),
            ),
        )
        decide_parts.append(part)
        moves.extend(_move(part, younger) for younger in resolution.joined)
    return tuple(decide_parts), tuple(moves)


def part_binding(identity: str) -> bytes:
    """Associated data under which a part's event and statement are sealed."""
    return b"part\n" + identity.encode()


def _move(part: Part, younger: str) -> Part:
    """Asks decide to hand the state of `younger` over to the part's own, older token."""
    return msgspec.structs.replace(
        part,
        kind=PartKind.SUBJECT,
        part_key=younger,
        subject_ref=None,
        step=PartStep.MOVE,
        other_key=part.part_key,
        sealed=b"",
    )
