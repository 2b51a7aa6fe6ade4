"""What intake's half of the flow takes and gives: records, keys, look-ups, results, refusals."""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Callable, Mapping

import msgspec

from broker.intake import (
    MAX_RECORD_BYTES,
    AliasEntry,
    KnownSubject,
    SeenEntry,
)
from broker.model.canonical import digest
from broker.model.opening import Opener
from broker.model.reference import Reference
from broker.model.sealer import Sealer
from broker.model.types import (
    Action,
    ActionKind,
    ConcernEvent,
    DecisionSet,
    Envelope,
    IntakeOutcome,
    Part,
    ReceiptContent,
)
from broker.model.values import Rejection, SourcePosition
from broker.record import (
    duplicate_record,
    intake_set_id,
    rejected_record,
)
from broker.verify import KeyTerms, PublisherKeys

HUMAN = frozenset({ActionKind.REVIEW, ActionKind.RELEASE, ActionKind.LOOK_BACK})
STEERING = HUMAN | {ActionKind.ESCALATE, ActionKind.EXPIRE}
"""Acts of the desk and of publishers that make a new round of a part; answers to alerts do as well."""


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
    epoch_keys: Mapping[str, Opener]
    linkage_key: bytes
    parts_key: bytes
    reference: Reference
    sealer: Sealer
    registry: Mapping[int, bytes] | None = None
    max_bytes: int = MAX_RECORD_BYTES
    key_terms: KeyTerms = {}
    """When each publisher's key may be used; one that is not named always may."""


class IntakeView(msgspec.Struct, frozen=True):
    """Look-ups into intake's state: what was accepted before, and the alias rows of tokens."""

    seen: Callable[[str], SeenEntry | None]
    aliases: Callable[[tuple[str, ...]], Mapping[str, AliasEntry]]
    subject: Callable[[str], KnownSubject | None] = lambda _token: None
    """Everything known under a token. Slow: it looks through all that was accepted."""


class IntakeResult(msgspec.Struct, frozen=True):
    """What became of one record: sets for the ledger, parts for decide, rows for intake's state."""

    sets: tuple[DecisionSet, ...]
    parts: tuple[Part, ...] = ()
    seen: tuple[str, SeenEntry] | None = None
    mark: tuple[str, SeenEntry] | None = None
    """A statement that was taken back before it came."""
    aliases: tuple[tuple[str, AliasEntry], ...] = ()
    rejection: Rejection | None = None
    duplicate: bool = False
    erased: tuple[str, ...] = ()
    """Tokens of which intake forgets everything once the rest has been sent, in this order."""


class Opened(msgspec.Struct, frozen=True):
    """A statement with what came around it: signed and sealed, or (envelope None) from a file."""

    statement: ConcernEvent | Action
    encoded: bytes
    """The statement's own Avro bytes."""
    envelope: Envelope | None = None
    seed: bytes = bytes(32)


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


def repeated(
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
        receipt_content(statement_id, known, len(known.resolutions)),
        record.received_at,
        reception.sealer,
    )
    return IntakeResult(sets=(repeat,), duplicate=True)


def receipt_content(statement_id: str, seen: SeenEntry, parts: int = 0) -> ReceiptContent:
    """The receipt of an accepted statement, the same however often it is made."""
    return ReceiptContent(
        outcome=IntakeOutcome.ACCEPTED,
        event_id=statement_id,
        parts=parts,
        flags=seen.flags,
        received_at=seen.received_at,
    )


class SeenAct(msgspec.Struct, frozen=True):
    """An act as intake remembers it: under which key, and whether this very record was read before."""

    key: str
    entry: SeenEntry
    again: bool


def seen_act(
    record: RawRecord, action: Action, opened: Opened, view: IntakeView, reception: Reception
) -> SeenAct | IntakeResult:
    """The act, about nobody and without flags yet; or what becomes of one whose id another record used."""
    content = digest(opened.encoded)
    key = f"{action.organisation}/{action.action_id}"
    known = view.seen(key)
    if known is not None and known.source != record.source:
        return repeated(record, action.action_id, content, known, reception)
    entry = known or SeenEntry(
        digest=content,
        source=record.source,
        set_id=intake_set_id(record.source),
        received_at=record.received_at,
        resolutions=(),
        flags=(),
    )
    return SeenAct(key, entry, known is not None)
