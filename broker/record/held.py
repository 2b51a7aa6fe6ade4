"""What waits for a person, as the duty desk sees it: sealed to the desk, in compacted `held.v1`.

The record is replaced as candidates are resolved and removed (an empty record) when none waits. It is
work for a person, not a disclosure: the queue shows the desk what the publisher said, so that it can
decide; nothing of it reaches a recipient but through a recorded round.
"""

from __future__ import annotations

import datetime

import msgspec

from broker.model.codec import encode
from broker.model.sealer import Sealer
from broker.model.sealing import pad, seal
from broker.model.types import Held
from broker.model.values import PartInput, PartState
from broker.record.clocks import HELD_FOR, review_by


class WaitingFor(msgspec.Struct, frozen=True):
    """One candidate for whom a person must decide."""

    recipient: str
    reasons: tuple[str, ...]


class HeldContent(msgspec.Struct, frozen=True):
    """What the desk reads: whose statement, about which part, who waits and why, until when."""

    publisher: str
    event_id: str
    part_id: str
    subject_ref: str | None
    event: bytes
    """The event in Avro."""
    waiting: tuple[WaitingFor, ...]
    received_at: datetime.datetime
    due: datetime.datetime
    expires_at: datetime.datetime


def held_record(state: PartState, part: PartInput, sealer: Sealer) -> bytes | None:
    """The record for `held.v1` after a round; None where nothing waits, so that it is removed."""
    waiting = tuple(
        WaitingFor(one.recipient, one.reasons) for one in state.waiting if one.resolved is None
    )
    if not waiting:
        return None
    round_ = len(state.acts)
    expires_at = part.received_at + HELD_FOR
    content = HeldContent(
        publisher=state.publisher,
        event_id=state.event_id,
        part_id=state.part_id,
        subject_ref=part.subject.subject_ref if part.subject else None,
        event=part.encoded or encode(part.event),
        waiting=waiting,
        received_at=part.received_at,
        due=review_by(part.event.severity, part.event.when, part.received_at),
        expires_at=expires_at,
    )
    packed = pad(msgspec.msgpack.encode(content))
    return encode(
        Held(
            part_id=state.part_id,
            round=round_,
            expires_at=expires_at.replace(microsecond=0),
            sealed=seal(sealer.desk.key, packed, held_binding(state.part_id, round_)),
            key_id=sealer.desk.key_id,
            wrapped_key=sealer.desk.wrapped,
        )
    )


def held_binding(part_id: str, round_: int) -> bytes:
    """Associated data of what is sealed for the desk."""
    return b"held\n" + part_id.encode() + b"\n" + str(round_).encode()
