"""An event to its parts: one for each subject, else one for its place, else one for its group."""

from __future__ import annotations

import msgspec

from broker.model.canonical import digest_text
from broker.model.reference import areas_of
from broker.model.types import ConcernEvent, PartKind, Place

ID_HEX = 32


class PartKey(msgspec.Struct, frozen=True):
    """What one part is keyed by, before a subject's identifiers are resolved."""

    kind: PartKind
    subject_index: int | None
    key: str
    """For a place or a group its key; for a subject the fallback token."""


def part_keys(event: ConcernEvent) -> tuple[PartKey, ...]:
    """The parts of `event`, in order; empty only for an event that verify refuses."""
    if event.subjects:
        return tuple(
            PartKey(
                kind=PartKind.SUBJECT,
                subject_index=index,
                key=digest_text("subject", event.publisher, event.event_id, subject.subject_ref)[
                    :ID_HEX
                ],
            )
            for index, subject in enumerate(event.subjects)
        )
    if event.place is not None:
        return (
            PartKey(kind=PartKind.PLACE, subject_index=None, key=_place_key(event, event.place)),
        )
    if event.group is not None:
        key = digest_text("group", event.publisher, event.group.group_ref)[:ID_HEX]
        return (PartKey(kind=PartKind.GROUP, subject_index=None, key=key),)
    return ()


def subject_name(publisher: str, subject_ref: str) -> str:
    """How parts and intake's state name a subject of an event: by a hash of the publisher's own name.

    A reference should say nothing of the person and people write names all the same. It is equal for
    equal references of one publisher, so that a correction finds the child that it is about.
    """
    return digest_text("subject_ref", publisher, subject_ref)[:ID_HEX]


def part_id(publisher: str, event_id: str, version: int, key: str) -> str:
    """Identity of a part: hash of who said it, event id, version and part key."""
    return digest_text("part", publisher, event_id, str(version), key)[:ID_HEX]


def _place_key(event: ConcernEvent, place: Place) -> str:
    """What is one place: its small area and kind, or what it is called within its authority.

    Small areas are coarse on purpose, so that two agencies that word a place differently mean the
    same one. A whole authority, or nowhere known, is no place: such a part stands alone, since two
    incidents somewhere in a county say nothing about each other.
    """
    small = place.lsoa or place.msoa
    if small is not None:
        return digest_text("place", small, place.kind.value)[:ID_HEX]
    name = " ".join((place.description or "").casefold().split())
    areas = sorted(areas_of(place))
    if areas and name:
        # Either side of a border names its own area first: both mean one place.
        return digest_text("place", *areas, place.kind.value, name)[:ID_HEX]
    return digest_text("place", "of", event.publisher, event.event_id)[:ID_HEX]
