"""Intake's half of the flow: one Kafka record in, exactly one intake leaf and one receipt out.

Pure. Composed of the rooms intake, verify and record; `broker.flow` names the order.
"""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Callable, Mapping

import msgspec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from broker.intake import (
    MAX_RECORD_BYTES,
    AliasEntry,
    SeenEntry,
    identity_tokens,
    parts_of,
    position_of,
    read_envelope,
    resolve_event,
)
from broker.model.canonical import digest
from broker.model.codec import CodecError, decode, encode
from broker.model.envelope import open_body
from broker.model.reference import Reference
from broker.model.sealer import Sealer
from broker.model.types import (
    Action,
    ConcernEvent,
    DecisionSet,
    Envelope,
    IntakeOutcome,
    Part,
    ReceiptContent,
)
from broker.model.values import Rejection, SourcePosition
from broker.record import (
    accepted_record,
    action_record,
    duplicate_record,
    intake_set_id,
    link_record,
    rejected_record,
)
from broker.verify import PublisherKeys, check_action, check_event, check_sender


class RawRecord(msgspec.Struct, frozen=True):
    """One Kafka record as read: `owner` is the organisation whose topic it lay on."""

    source: SourcePosition
    owner: str
    received_at: datetime.datetime
    data: bytes | None
    is_action: bool = False

    @property
    def envelope_hash(self) -> str:
        """SHA-256 of the bytes as they lay on the topic."""
        return hashlib.sha256(self.data or b"").hexdigest()


class Reception(msgspec.Struct, frozen=True):
    """What intake needs besides the record: registered keys, its own keys, and reference data."""

    publisher_keys: PublisherKeys
    epoch_keys: Mapping[str, X25519PrivateKey]
    linkage_key: bytes
    parts_key: bytes
    reference: Reference
    sealer: Sealer
    registry: Mapping[int, bytes] | None = None
    max_bytes: int = MAX_RECORD_BYTES


class IntakeView(msgspec.Struct, frozen=True):
    """Look-ups into intake's state: what was accepted before, and the alias rows of tokens."""

    seen: Callable[[str], SeenEntry | None]
    aliases: Callable[[tuple[str, ...]], Mapping[str, AliasEntry]]


class IntakeResult(msgspec.Struct, frozen=True):
    """What became of one record: sets for the ledger, parts for decide, rows for intake's state."""

    sets: tuple[DecisionSet, ...]
    parts: tuple[Part, ...] = ()
    seen: tuple[str, SeenEntry] | None = None
    aliases: tuple[tuple[str, AliasEntry], ...] = ()
    rejection: Rejection | None = None
    duplicate: bool = False


def open_record(
    record: RawRecord, reception: Reception
) -> tuple[Envelope, bytes, ConcernEvent | Action] | Rejection:
    """(envelope, seed, statement) of a record whose sender is who it says; or why not."""
    envelope = read_envelope(
        record.data, max_bytes=reception.max_bytes, registry=reception.registry
    )
    if isinstance(envelope, Rejection):
        return envelope
    refusal = check_sender(envelope, record.owner, reception.publisher_keys)
    if refusal is not None:
        return refusal
    try:
        body = open_body(envelope, reception.epoch_keys)
        if record.is_action:
            return envelope, body.seed, decode(body.payload, Action)
        return envelope, body.seed, decode(body.payload, ConcernEvent)
    except CodecError as error:
        return Rejection(error.reason, str(error), envelope.event_id)


def take_event(
    record: RawRecord,
    event: ConcernEvent,
    envelope: Envelope | None,
    seed: bytes,
    view: IntakeView,
    reception: Reception,
) -> IntakeResult:
    """An opened event: new, a duplicate, refused, or read again after a crash (same bytes then)."""
    checked = check_event(event, envelope, seed, record.received_at, reception.reference)
    if isinstance(checked, Rejection):
        return rejected(record, checked, reception)
    sound, flags = checked
    content = _content_digest(event)
    key = f"{event.publisher}/{event.event_id}"
    known = view.seen(key)
    if known is not None and known.source != record.source:
        return _repeated(record, event.event_id, content, known, reception)
    seen = known or _first_seen(record, sound, flags, content, view, reception)
    return _accepted(record, sound, seen, key, reception)


def take_action(
    record: RawRecord,
    action: Action,
    envelope: Envelope | None,
    seed: bytes,
    view: IntakeView,
    reception: Reception,
) -> IntakeResult:
    """A human act: recorded with its leaf, once."""
    refusal = check_action(action, envelope, seed, record.received_at)
    if refusal is not None:
        return rejected(record, refusal, reception)
    content = _content_digest(action)
    key = f"{action.organisation}/{action.action_id}"
    known = view.seen(key)
    if known is not None and known.source != record.source:
        return _repeated(record, action.action_id, content, known, reception)
    seen = known or SeenEntry(
        digest=content,
        source=record.source,
        set_id=intake_set_id(record.source),
        received_at=record.received_at,
        resolutions=(),
        flags=(),
    )
    recorded = action_record(
        record.source,
        action,
        record.envelope_hash,
        _receipt_content(action.action_id, seen),
        reception.sealer,
    )
    return IntakeResult(sets=(recorded,), seen=(key, seen))


def rejected(record: RawRecord, rejection: Rejection, reception: Reception) -> IntakeResult:
    """A refused record: its leaf and a receipt with the reason, to the owner of the topic."""
    refused = rejected_record(
        record.source,
        record.owner,
        rejection,
        record.envelope_hash,
        record.received_at,
        reception.sealer,
    )
    return IntakeResult(sets=(refused,), rejection=rejection)


def _first_seen(
    record: RawRecord,
    event: ConcernEvent,
    flags: tuple[str, ...],
    content: str,
    view: IntakeView,
    reception: Reception,
) -> SeenEntry:
    tokens = identity_tokens(event, reception.linkage_key)
    known = view.aliases(tuple(token for stated in tokens for token in stated))
    position = position_of(record.received_at, record.source)
    return SeenEntry(
        digest=content,
        source=record.source,
        set_id=intake_set_id(record.source),
        received_at=record.received_at,
        resolutions=resolve_event(event, reception.linkage_key, known, position),
        flags=flags,
    )


def _accepted(
    record: RawRecord, event: ConcernEvent, seen: SeenEntry, key: str, reception: Reception
) -> IntakeResult:
    parts, moves = parts_of(event, seen, reception.parts_key)
    accepted = accepted_record(
        record.source,
        event,
        tuple(part.part_id for part in parts),
        record.envelope_hash,
        _receipt_content(event.event_id, seen, len(parts)),
        reception.sealer,
    )
    joins = tuple(
        link_record(record.source, event.event_id, move.part_key, move.other_key or "")
        for move in moves
    )
    return IntakeResult(
        sets=(accepted, *joins),
        parts=(*moves, *parts),
        seen=(key, seen),
        aliases=tuple(row for resolution in seen.resolutions for row in resolution.entries),
    )


def _repeated(
    record: RawRecord, statement_id: str, content: str, known: SeenEntry, reception: Reception
) -> IntakeResult:
    """Same id again: a duplicate if the content is the same, else refused."""
    if known.digest != content:
        reused = Rejection(
            "id_reused",
            "this id was accepted before with other content: give a new statement a new id, "
            "or send a correction",
            statement_id,
        )
        return rejected(record, reused, reception)
    repeat = duplicate_record(
        record.source,
        record.owner,
        statement_id,
        known.set_id,
        _receipt_content(statement_id, known, len(known.resolutions)),
        record.received_at,
        reception.sealer,
    )
    return IntakeResult(sets=(repeat,), duplicate=True)


def _receipt_content(statement_id: str, seen: SeenEntry, parts: int = 0) -> ReceiptContent:
    return ReceiptContent(
        outcome=IntakeOutcome.ACCEPTED,
        event_id=statement_id,
        parts=parts,
        flags=seen.flags,
        received_at=seen.received_at,
    )


def _content_digest(statement: ConcernEvent | Action) -> str:
    """What "same bytes" means: the statement itself, not the seal, which differs each time."""
    return digest(encode(statement))
