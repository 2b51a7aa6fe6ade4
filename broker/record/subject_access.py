"""A request for what is held about a person: one fixed acknowledgement, and a sealed request for the desk.

Nothing that the asker gets, and nothing in the log, says whether anything is held: the leaf names no
identifier and no token, the receipt's words are fixed, and the desk's copy has one size.
"""

from __future__ import annotations

import datetime

import msgspec

from broker.model.canonical import canonical_json, digest_text
from broker.model.codec import encode
from broker.model.sealer import Sealer
from broker.model.types import (
    Action,
    AlertContent,
    Channel,
    DecisionSet,
    Mode,
    ReceiptContent,
    ReleasedField,
    SealedDelivery,
    Severity,
)
from broker.model.values import SourcePosition
from broker.record.intake import action_record, intake_set_id
from broker.record.leaves import sealed_delivery

ACKNOWLEDGEMENT = (
    "The request was received and is with the controller, who answers it in the time that the law "
    "sets. Everyone who asks is told this, whether or not anything is held."
)
ANSWER_WITHIN = datetime.timedelta(days=30)
"""A month (UK GDPR Article 12(3)), at its shortest but for February."""
REQUEST_FIELD = "subject_access_request"
MAX_ASKED = 4
MAX_REASON = 1200
"""Bytes of a reason in JSON."""
REQUEST_BYTES = MAX_REASON + 900
"""The desk's copy of every request is filled to this: what its ids and tokens can take at most, and more."""


class AccessRequest(msgspec.Struct, frozen=True):
    """What the controller reads: who asks for whom. The identifiers themselves are not passed on."""

    action_id: str
    organisation: str
    """Where the request was received."""
    actor: str
    reason: str
    """In the asker's words."""
    tokens: tuple[str, ...]
    """Of each identifier: the token it leads to, known or not."""
    received_at: int
    """UTC milliseconds since 1970."""


def subject_access_record(
    source: SourcePosition,
    action: Action,
    tokens: tuple[str, ...],
    envelope_hash: str,
    receipt: ReceiptContent,
    sealer: Sealer,
    desk: str,
) -> DecisionSet:
    """The leaf without identifiers or words, the acknowledgement, and the desk's sealed request."""
    set_id = intake_set_id(source)
    request = AccessRequest(
        action_id=action.action_id,
        organisation=action.organisation,
        actor=action.actor,
        reason=action.reason or "",
        tokens=tokens,
        received_at=round(receipt.received_at.timestamp() * 1000),
    )
    queued = _queued(request, receipt.received_at, set_id, sealer, desk)
    return action_record(
        source,
        # What is kept for the auditors survives erasure: it must not say who was asked about.
        msgspec.structs.replace(action, asked_about=(), reason=None),
        envelope_hash,
        msgspec.structs.replace(receipt, explanation=ACKNOWLEDGEMENT),
        sealer,
        queued,
    )


def _queued(
    request: AccessRequest,
    at: datetime.datetime,
    set_id: str,
    sealer: Sealer,
    desk: str,
) -> SealedDelivery:
    """An alert for the duty desk alone; it is always there, and always of one size."""
    content = AlertContent(
        alert_id=digest_text(Channel.ALERT.value, set_id, desk),
        event_id=request.action_id,
        part=set_id,
        recipient=desk,
        capacity=("controller",),
        mode=Mode.CONTENT,
        released=(
            ReleasedField(field=REQUEST_FIELD, value=filled(request), transform="as_stated"),
        ),
        weight_band="not_released",
        severity=Severity.ROUTINE.value,
        acknowledge_by=at + ANSWER_WITHIN,
        decided_at=at,
        policy_bundle="",
        marking="OFFICIAL-SENSITIVE",
    )
    return sealed_delivery(sealer, Channel.ALERT, desk, set_id, desk, encode(content))


def filled(request: AccessRequest) -> str:
    """The request in JSON of exactly REQUEST_BYTES."""
    plain = msgspec.to_builtins(request)
    bare = len(canonical_json(plain | {"filler": ""}))
    return canonical_json(plain | {"filler": "." * (REQUEST_BYTES - bare)}).decode()
