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
    part_keys,
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

SAME_NUMBER_TWICE = "same_number_twice"
"""Flag: two children of one event share a number, so the later one stands alone."""


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


class Opened(msgspec.Struct, frozen=True):
    """A statement with what came around it: signed and sealed, or (envelope None) from a file."""

    statement: ConcernEvent | Action
    encoded: bytes
    """The statement's own Avro bytes."""
    envelope: Envelope | None = None
    seed: bytes = bytes(32)


def open_record(record: RawRecord, reception: Reception) -> Opened | Rejection:
    """The statement of a record whose sender is who it says; or why not."""
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
        statement: ConcernEvent | Action = (
            decode(body.payload, Action) if record.is_action else decode(body.payload, ConcernEvent)
        )
        return Opened(statement, body.payload, envelope, body.seed)
    except CodecError as error:
        return Rejection(error.reason, str(error), envelope.event_id)


def take(record: RawRecord, opened: Opened, view: IntakeView, reception: Reception) -> IntakeResult:
    """An opened statement: new, a duplicate, refused, or read again after a crash (same bytes then)."""
    if isinstance(opened.statement, Action):
        return _take_action(record, opened.statement, opened, view, reception)
    return _take_event(record, opened.statement, opened, view, reception)


def _take_event(
    record: RawRecord,
    event: ConcernEvent,
    opened: Opened,
    view: IntakeView,
    reception: Reception,
) -> IntakeResult:
    checked = check_event(
        event, opened.envelope, opened.seed, record.received_at, reception.reference
    )
    if isinstance(checked, Rejection):
        return rejected(record, checked, reception)
    sound, flags = checked
    content = digest(opened.encoded)
    key = f"{event.publisher}/{event.event_id}"
    known = view.seen(key)
    if known is not None and known.source != record.source:
        return _repeated(record, event.event_id, content, known, reception)
    seen = known or _first_seen(record, sound, flags, content, view, reception)
    encoded = opened.encoded if sound is event else encode(sound)
    return _accepted(record, sound, encoded, seen, reception)


def _take_action(
    record: RawRecord,
    action: Action,
    opened: Opened,
    view: IntakeView,
    reception: Reception,
) -> IntakeResult:
    """A human act: recorded with its leaf, once."""
    refusal = check_action(action, opened.envelope, opened.seed, record.received_at)
    if refusal is not None:
        return rejected(record, refusal, reception)
    content = digest(opened.encoded)
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
    resolutions = resolve_event(event, reception.linkage_key, known, position)
    if any(
        stated and resolution.token == key.key
        for key, stated, resolution in zip(part_keys(event), tokens, resolutions, strict=True)
    ):
        flags = (*flags, SAME_NUMBER_TWICE)
    return SeenEntry(
        digest=content,
        source=record.source,
        set_id=intake_set_id(record.source),
        received_at=record.received_at,
        resolutions=resolutions,
        flags=flags,
    )


def _accepted(
    record: RawRecord, event: ConcernEvent, encoded: bytes, seen: SeenEntry, reception: Reception
) -> IntakeResult:
    parts, moves = parts_of(event, encoded, seen, reception.parts_key)
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
        seen=(f"{event.publisher}/{event.event_id}", seen),
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
