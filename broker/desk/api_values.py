"""What the HTTP door takes and gives, as values; /openapi.json is made of them."""

from __future__ import annotations

import base64
import datetime
from typing import Any

import msgspec

from broker.client.opening import OpenedAlert, OpenedReceipt
from broker.desk.listed import Listed, Status
from broker.desk.outbox import Queued
from broker.model.types import ActionKind, Alert

ANSWERS = (
    ActionKind.ACKNOWLEDGE,
    ActionKind.CONSIDER,
    ActionKind.ACT,
    ActionKind.NO_FURTHER_ACTION,
)


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """What went wrong (RFC 9457)."""

    status: int
    title: str
    detail: str
    type: str = "about:blank"
    reason: str | None = None
    """Reason code, as in a receipt."""


class Kept(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of one statement that was sent in: kept for publishing, or why not."""

    statement_id: str | None
    kept: bool
    repeated: bool = False
    """It was kept before: nothing new is published."""
    location: str | None = None
    problem: Problem | None = None


class ReceiptView(msgspec.Struct, frozen=True):
    """A receipt whose proof held."""

    receipt_id: str
    outcome: str
    reason: str | None
    explanation: str | None
    parts: int
    flags: list[str]
    received_at: datetime.datetime
    log_origin: str
    log_index: int
    answer: str | None
    """For `answered`: what the recipient did."""
    answered_by: str | None
    """As a class of organisation."""


class StatementView(msgspec.Struct, frozen=True):
    """How far a statement has come."""

    statement_id: str
    kind: str
    state: str
    reason: str | None
    queued_at: datetime.datetime
    receipts: list[ReceiptView]


class AlertView(msgspec.Struct, frozen=True, omit_defaults=True):
    """An alert whose proof held; of a withdrawn one the content is not shown."""

    alert_id: str
    status: str
    recipient: str
    received_at: datetime.datetime
    acknowledge_by: datetime.datetime
    severity: str
    mode: str
    event_id: str
    child: str
    """Pseudonym of the child, place or group for this organisation."""
    reminds_of: str | None = None
    withdrawn: str | None = None
    """Reason code of the withdrawal."""
    released: dict[str, Any] | None = None
    proved: dict[str, str] | None = None
    """Field -> how its value was proved: signed, committed, derived_by_broker or unproved."""
    capacity: list[str] = []
    obligations: list[str] = []
    reasons: list[str] = []
    weight_band: str | None = None
    weight_explanation: list[str] = []
    """How the weight of the statement came about. It says nothing of the child."""
    marking: str | None = None


class Entry(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that came, with its number: ask for what came after it the next time."""

    number: int
    kind: str
    alert: AlertView | None = None
    receipt: ReceiptView | None = None
    statement_id: str | None = None


class Feed(msgspec.Struct, frozen=True):
    """What came after the number that was named."""

    entries: list[Entry]
    last: int
    """Name this the next time."""


class ProofView(msgspec.Struct, frozen=True):
    """All that is needed to check, without this desk, that an alert was recorded before it was sent."""

    alert_id: str
    leaf: str
    """The entry of the organisation's own log, as text."""
    origin: str
    index: int
    size: int
    hashes: list[str]
    """Inclusion proof (RFC 6962), hashes in hex."""
    checkpoint: str
    """Signed note (C2SP) of the log at that size."""
    sealed_sha256: str
    """What the leaf commits to."""
    record: str
    """The record as Kafka has it, in base64."""


class Answer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An answer to an alert."""

    action_id: str
    """UUID, chosen by you: sent twice it counts once."""
    kind: ActionKind
    actor: str
    """Staff reference of the person who answers; not a name."""
    reason: str | None = None
    plan: str | None = None
    originator_may_know: bool = True


def receipt_view(receipt: OpenedReceipt) -> ReceiptView:
    """A receipt as it is given out."""
    content, fate = receipt.content, receipt.content.fate
    return ReceiptView(
        receipt_id=receipt.receipt_id,
        outcome=content.outcome.value,
        reason=content.reason,
        explanation=content.explanation,
        parts=content.parts,
        flags=list(content.flags),
        received_at=content.received_at,
        log_origin=receipt.position.origin,
        log_index=receipt.position.index,
        answer=fate.answer if fate else None,
        answered_by=fate.by if fate else None,
    )


def statement_view(queued: Queued, receipts: list[OpenedReceipt]) -> StatementView:
    """A statement with its receipts."""
    return StatementView(
        statement_id=queued.statement_id,
        kind=queued.kind,
        state=queued.state.value,
        reason=queued.reason or None,
        queued_at=queued.queued_at,
        receipts=[receipt_view(one) for one in receipts],
    )


def alert_view(listed: Listed, opened: OpenedAlert | None, withdrawn: str | None) -> AlertView:
    """An alert as it is given out; `opened` is left out for one that no longer stands."""
    view = AlertView(
        alert_id=listed.alert_id,
        status=listed.status.value,
        recipient=listed.recipient,
        received_at=listed.received_at,
        acknowledge_by=listed.acknowledge_by,
        severity=listed.severity,
        mode=listed.mode,
        event_id=listed.event_id,
        child=listed.part,
        reminds_of=listed.reminds_of,
        withdrawn=withdrawn,
    )
    if opened is None or listed.status is Status.WITHDRAWN:
        return view
    content = opened.content
    return msgspec.structs.replace(
        view,
        released=opened.released,
        proved=opened.proved,
        capacity=list(content.capacity),
        obligations=list(content.obligations),
        reasons=list(content.reasons),
        weight_band=content.weight_band,
        weight_explanation=list(content.weight_explanation),
        marking=content.marking,
    )


def proof_view(record: bytes, alert: Alert, sealed_sha256: str) -> ProofView:
    """The proof that came with an alert."""
    proof = alert.proof
    return ProofView(
        alert_id=alert.alert_id,
        leaf=alert.leaf.decode(),
        origin=proof.origin,
        index=proof.index,
        size=proof.size,
        hashes=[one.hex() for one in proof.hashes],
        checkpoint=proof.checkpoint,
        sealed_sha256=sealed_sha256,
        record=base64.b64encode(record).decode(),
    )
