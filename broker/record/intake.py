"""Intake's records: every Kafka record that was read gets one leaf and its sender one receipt."""

from __future__ import annotations

import datetime
import hashlib
from typing import Any

import msgspec

from broker.model.canonical import canonical_json, digest_text
from broker.model.codec import encode
from broker.model.sealer import Sealer
from broker.model.types import (
    Action,
    ActionKind,
    Channel,
    ConcernEvent,
    DecisionSet,
    IntakeOutcome,
    ReceiptContent,
    SealedDelivery,
    SetKind,
    Sidecar,
)
from broker.model.values import Rejection, SourcePosition
from broker.record.leaves import leaf, leaf_hash, milliseconds, sealed_delivery, source_of

_ID_HEX = 32
ANSWERS = frozenset(
    {
        ActionKind.ACKNOWLEDGE,
        ActionKind.CONSIDER,
        ActionKind.ACT,
        ActionKind.NO_FURTHER_ACTION,
    }
)
"""What a recipient can say to an alert."""


class SignedAs(msgspec.Struct, frozen=True):
    """What stands behind a signed event."""

    root: bytes
    """What the publisher signed: by it an auditor compares an alert that does not name the signer."""
    keys: str = ""
    """Hash of the publisher's signing keys as they were in force: by them the sender was judged."""


def intake_set_id(source: SourcePosition) -> str:
    """Set id of an intake record: hash of topic, partition and offset."""
    return digest_text("intake", source.topic, str(source.partition), str(source.offset))


def accepted_record(
    source: SourcePosition,
    event: ConcernEvent,
    parts: tuple[str, ...],
    envelope_hash: str,
    receipt: ReceiptContent,
    sealer: Sealer,
    signed: SignedAs | None = None,
) -> DecisionSet:
    """The leaf of an accepted event, with the ids of its parts, and the publisher's receipt.

    `signed` is None for an unsigned event.
    """
    set_id = intake_set_id(source)
    delivery = _receipt(sealer, event.publisher, source, set_id, receipt)
    own = leaf(
        "accepted",
        set_id,
        source=source_of(source),
        received_at=milliseconds(receipt.received_at),
        publisher=event.publisher,
        event_id=event.event_id,
        version=event.version,
        parts=list(parts),
        flags=list(receipt.flags),
        envelope_hash=envelope_hash,
        commitment_root=signed.root.hex() if signed else None,
        **({"signing_keys": signed.keys} if signed and signed.keys else {}),
        receipt=leaf_hash(delivery.leaf),
    )
    return _intake_set(set_id, own, delivery)


def duplicate_record(
    source: SourcePosition,
    owner: str,
    event_id: str,
    first_set_id: str,
    first_receipt: ReceiptContent,
    received_at: datetime.datetime,
    sealer: Sealer,
) -> DecisionSet:
    """Same id and same bytes: a leaf that names the first record, and the first receipt again."""
    set_id = intake_set_id(source)
    delivery = _receipt(sealer, owner, source, set_id, _as_duplicate(first_receipt))
    own = leaf(
        "duplicate",
        set_id,
        source=source_of(source),
        received_at=milliseconds(received_at),
        publisher=owner,
        event_id=event_id,
        first_set_id=first_set_id,
        receipt=leaf_hash(delivery.leaf),
    )
    return _intake_set(set_id, own, delivery)


def rejected_record(
    source: SourcePosition,
    owner: str,
    rejection: Rejection,
    envelope_hash: str,
    received_at: datetime.datetime,
    sealer: Sealer,
) -> DecisionSet:
    """The leaf of a refused record and a receipt that says what was wrong and what to do."""
    set_id = intake_set_id(source)
    content = ReceiptContent(
        outcome=IntakeOutcome.REJECTED,
        event_id=rejection.event_id,
        reason=rejection.reason,
        explanation=rejection.explanation,
        received_at=received_at,
    )
    delivery = _receipt(sealer, owner, source, set_id, content)
    own = leaf(
        "rejected",
        set_id,
        source=source_of(source),
        received_at=milliseconds(received_at),
        publisher=owner,
        reason=rejection.reason,
        envelope_hash=envelope_hash,
        receipt=leaf_hash(delivery.leaf),
    )
    return _intake_set(set_id, own, delivery)


def action_record(
    source: SourcePosition,
    action: Action,
    envelope_hash: str,
    receipt: ReceiptContent,
    sealer: Sealer,
    queued: SealedDelivery | None = None,
) -> DecisionSet:
    """The leaf of a human act; what reports need besides is sealed to the auditors.

    Of an answer its words are not there: they lie with the round that it makes, sealed to the subject,
    where erasure reaches them.

    `queued` is what the act puts into the duty desk's queue, if anything.
    """
    set_id = intake_set_id(source)
    delivery = _receipt(sealer, action.organisation, source, set_id, receipt)
    # Identifiers must not outlive erasure, and these rows do.
    answer = _of_answer(action) if action.kind in ANSWERS else None
    held = (
        encode(msgspec.structs.replace(action, asked_about=()))
        if answer is None
        else canonical_json(_answer_rows(action, sealer))
    )
    rows = sealer.seal_rows(held, set_id)
    own = leaf(
        "action",
        set_id,
        source=source_of(source),
        received_at=milliseconds(receipt.received_at),
        publisher=action.organisation,
        action_id=action.action_id,
        action=action.kind.value,
        alert_id=action.alert_id,
        event_id=action.event_id,
        part_id=action.part_id,
        event_publisher=action.event_publisher,
        recipient=action.recipient,
        verdict=action.verdict,
        confirms=action.confirms,
        envelope_hash=envelope_hash,
        rows_hash=hashlib.sha256(rows).hexdigest(),
        receipt=leaf_hash(delivery.leaf),
        **({} if queued is None else {"queued": leaf_hash(queued.leaf), "desk": queued.recipient}),
        **(answer or {}),
    )
    return DecisionSet(
        set_id=set_id,
        kind=SetKind.ACTION,
        leaves=(own,),
        deliveries=(delivery,) if queued is None else (delivery, queued),
        sidecars=(Sidecar(name="rows", content=rows),),
    )


def _of_answer(action: Action) -> dict[str, Any]:
    """What the leaf of an answer says of it besides: never a word of it."""
    return {"plan": bool(action.plan), "originator_may_know": action.originator_may_know}


def _answer_rows(action: Action, sealer: Sealer) -> dict[str, Any]:
    """Categories and times of an answer, and a digest by which equal reasons can be counted."""
    reason = (action.reason or "").strip()
    return {
        "action": action.kind.value,
        "acted_at": milliseconds(action.acted_at),
        "reason_digest": sealer.digest_of_words(action.organisation, reason) if reason else None,
        "plan": bool(action.plan),
    }


def link_record(source: SourcePosition, event_id: str, younger: str, older: str) -> DecisionSet:
    """A join: the state of `younger` moves to `older` because one event stated both."""
    set_id = digest_text("link", intake_set_id(source), younger, older)
    own = leaf(
        "link",
        set_id,
        event_id=event_id,
        moved_from=joined_token(younger),
        moved_to=joined_token(older),
    )
    return DecisionSet(set_id=set_id, kind=SetKind.LINK, leaves=(own,))


def joined_token(token: str) -> str:
    """How a `link` leaf names a token: by a hash, since a leaf outlives the erasure of its subject."""
    return digest_text("joined", token)[:_ID_HEX]


def _receipt(
    sealer: Sealer, owner: str, source: SourcePosition, set_id: str, content: ReceiptContent
) -> SealedDelivery:
    """Says which record it answers, so that the sender finds even one that could not be read."""
    placed = msgspec.structs.replace(
        content, source_topic=source.topic, source_offset=source.offset
    )
    return sealed_delivery(sealer, Channel.RECEIPT, owner, set_id, owner, encode(placed))


def _as_duplicate(first: ReceiptContent) -> ReceiptContent:
    """The first receipt again, marked as a repeat; its time, parts and flags are the first's."""
    return ReceiptContent(
        outcome=IntakeOutcome.DUPLICATE,
        event_id=first.event_id,
        parts=first.parts,
        flags=first.flags,
        received_at=first.received_at,
    )


def _intake_set(set_id: str, own: bytes, delivery: SealedDelivery) -> DecisionSet:
    return DecisionSet(set_id=set_id, kind=SetKind.INTAKE, leaves=(own,), deliveries=(delivery,))
