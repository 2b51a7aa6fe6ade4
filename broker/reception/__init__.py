"""Intake's half of the flow: one Kafka record in, exactly one intake leaf and one receipt out.

Pure. Composed of the rooms intake, verify and record; `broker.flow` names the order.
"""

from __future__ import annotations

from broker.intake import read_envelope
from broker.model.codec import CodecError, decode
from broker.model.envelope import open_body
from broker.model.types import Action, ConcernEvent
from broker.model.values import Rejection
from broker.reception.acts import take_action
from broker.reception.events import take_event
from broker.reception.values import IntakeResult, IntakeView, Opened, RawRecord, Reception, rejected
from broker.verify import check_existence, check_sender

__all__ = [
    "IntakeResult",
    "IntakeView",
    "Opened",
    "RawRecord",
    "Reception",
    "open_record",
    "rejected",
    "take",
]


def open_record(record: RawRecord, reception: Reception) -> Opened | Rejection:
    """The statement of a record whose sender is who it says; or why not."""
    envelope = read_envelope(
        record.data, max_bytes=reception.max_bytes, registry=reception.registry
    )
    if isinstance(envelope, Rejection):
        return envelope
    refusal = check_sender(
        envelope, record.owner, reception.publisher_keys, reception.key_terms, record.received_at
    ) or check_existence(record.owner, record.received_at, reception.reference)
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
        return take_action(record, opened.statement, opened, view, reception)
    return take_event(record, opened.statement, opened, view, reception)
