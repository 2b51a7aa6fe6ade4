"""An opened act that erases a subject: the duty desk's alone, recorded without the subject's token."""

from __future__ import annotations

import msgspec

from broker.intake import Occasion, erase_parts
from broker.model.reference import DESK
from broker.model.types import Action
from broker.model.values import Rejection
from broker.reception.values import (
    IntakeResult,
    IntakeView,
    Opened,
    RawRecord,
    Reception,
    receipt_content,
    rejected,
    seen_act,
)
from broker.record import action_record


def take_erasure(
    record: RawRecord, action: Action, opened: Opened, view: IntakeView, reception: Reception
) -> IntakeResult:
    """Recorded once and sent on to every partition that holds something of the subject.

    Read again after a crash it sends on whatever is left: what is gone had been sent before.
    """
    refusal = _may_erase(record, action, reception)
    if refusal is not None:
        return rejected(record, refusal, reception)
    seen = seen_act(record, action, opened, view, reception)
    if isinstance(seen, IntakeResult):
        return seen
    known = view.subject(action.subject or "")
    if known is None and not seen.again:
        return rejected(record, _unknown(action), reception)
    recorded = action_record(
        record.source,
        # What is kept for the auditors survives erasure: it must not say who was erased.
        msgspec.structs.replace(action, subject=None),
        record.envelope_hash,
        receipt_content(action.action_id, seen.entry),
        reception.sealer,
    )
    occasion = Occasion(record.source, record.received_at, seen.entry.set_id)
    return IntakeResult(
        sets=(recorded,),
        parts=erase_parts(action, known, occasion, reception.parts_key) if known else (),
        seen=(seen.key, seen.entry),
        erased=known.tokens if known else (),
    )


def _may_erase(record: RawRecord, action: Action, reception: Reception) -> Rejection | None:
    actor = reception.reference.organisation(action.organisation, record.received_at.date())
    if actor is not None and actor.kind == DESK:
        return None
    return Rejection(
        "not_allowed_to_act",
        "an erase is for the broker's duty desk: ask it, and say on whose request",
        action.action_id,
    )


def _unknown(action: Action) -> Rejection:
    return Rejection(
        "unknown_subject",
        "nothing is held under that token: take it from the retention list, or it was erased already",
        action.action_id,
    )
