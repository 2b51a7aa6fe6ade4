"""The records that intake writes for decide about parts that were decided before: acts, retractions.

They go to the key under which the part was decided, so they come after it on its partition. Where that
token has since been joined to an older one, a retraction goes there too: the entry may have moved.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence

import msgspec

from broker.intake.identity import AliasEntry, root_of
from broker.intake.parts import SeenEntry, SeenPart
from broker.model.codec import encode
from broker.model.sealing import seal
from broker.model.types import Action, Part, PartStep
from broker.model.values import SourcePosition

ENTRY_ONLY = "entry_only"
"""Flag of a retraction that reaches only what other statements are weighed by, not the part itself."""


class Occasion(msgspec.Struct, frozen=True):
    """The record that brings an act or a retraction."""

    source: SourcePosition
    received_at: datetime.datetime
    set_id: str
    """Set id of its intake leaf: by this the round names what made it."""


def act_parts(
    action: Action, encoded: bytes, seen: SeenEntry, occasion: Occasion, parts_key: bytes
) -> tuple[Part, ...]:
    """One record for each part that the act is about: the part it names, or all of its event."""
    return tuple(
        msgspec.structs.replace(
            _later(one, action.event_publisher or "", action.event_id or "", seen, occasion),
            step=PartStep.ACT,
            sealed=seal(parts_key, encoded, act_binding(one.part_id, occasion.set_id)),
        )
        for one in seen.standing
        if action.part_id in (None, one.part_id)
    )


def retract_parts(
    publisher: str,
    event_id: str,
    seen: SeenEntry,
    occasion: Occasion,
    aliases: Mapping[str, AliasEntry],
    corrections: Mapping[str, Part],
    parts_key: bytes,
) -> tuple[Part, ...]:
    """One record for each part of the statement that is taken back.

    `corrections`: part id of the original -> the part that corrects it, which decide sends on with
    the names of those who were told.
    """
    found: list[Part] = []
    for one in seen.standing:
        taken = msgspec.structs.replace(
            _later(one, publisher, event_id, seen, occasion), step=PartStep.RETRACT
        )
        correcting = corrections.get(one.part_id)
        if correcting is not None:
            binding = correction_binding(one.part_id, occasion.set_id)
            taken = msgspec.structs.replace(
                taken,
                other_key=correcting.part_key,
                sealed=seal(parts_key, encode(correcting), binding),
            )
        found.append(taken)
        root = root_of(one.part_key, aliases)
        if root != one.part_key:
            found.append(
                msgspec.structs.replace(
                    taken, part_key=root, other_key=None, sealed=b"", flags=(ENTRY_ONLY,)
                )
            )
    return tuple(found)


def paired(seen: SeenEntry, parts: Sequence[Part]) -> dict[str, Part]:
    """Part id of the original -> its correction: the same child by the event's own reference."""
    own = {(part.kind, part.subject_ref): part for part in parts}
    return {
        one.part_id: own[one.kind, one.subject_ref]
        for one in seen.standing
        if (one.kind, one.subject_ref) in own
    }


def act_binding(part_id: str, set_id: str) -> bytes:
    """Associated data under which an act is sealed for decide."""
    return b"act\n" + part_id.encode() + b"\n" + set_id.encode()


def correction_binding(part_id: str, set_id: str) -> bytes:
    """Associated data under which a correcting part is sealed for decide."""
    return b"correction\n" + part_id.encode() + b"\n" + set_id.encode()


def _later(
    one: SeenPart, publisher: str, event_id: str, seen: SeenEntry, occasion: Occasion
) -> Part:
    return Part(
        part_id=one.part_id,
        event_id=event_id,
        version=seen.version,
        publisher=publisher,
        kind=one.kind,
        part_key=one.part_key,
        subject_ref=one.subject_ref,
        part_count=len(seen.parts),
        received_at=occasion.received_at,
        source_topic=occasion.source.topic,
        source_partition=occasion.source.partition,
        source_offset=occasion.source.offset,
        receipt_set_id=seen.set_id,
        act_set_id=occasion.set_id,
        sealed=b"",
    )
