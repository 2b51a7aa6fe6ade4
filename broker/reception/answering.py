"""An answer to an alert, as intake takes it: its reply code opens, so it names part, recipient and alert.

Nothing is looked up. A code that nobody here made, or that was made for another alert or another
organisation, is refused: nobody can answer what it was not sent.
"""

from __future__ import annotations

import msgspec

from broker.model.reference import DESK
from broker.model.reply import ReplyTo, opened_reply
from broker.model.types import Action, ActionKind
from broker.model.values import Rejection
from broker.reception.values import RawRecord, Reception
from broker.record import ANSWERS


def routed_answer(action: Action, record: RawRecord, reception: Reception) -> Action | Rejection:
    """The answer with what its reply code says it is about; any other act as it is."""
    if action.kind not in ANSWERS:
        return action
    if not action.alert_id or not action.reply:
        return Rejection(
            "reply_code_missing",
            "an answer names the alert that it answers and quotes the reply code that came with it: "
            "take both from the opened alert",
            action.action_id,
        )
    found = opened_reply(action.reply, action.alert_id, reception.sealer)
    if found is None or not _may_answer(action, found, record, reception):
        return Rejection(
            "reply_code_wrong",
            "the reply code is not that of this alert, or the alert was sent to another organisation: "
            "answer with the alert id and the reply code of the alert that you opened",
            action.action_id,
        )
    if action.plan and action.kind is not ActionKind.ACT:
        return Rejection(
            "plan_without_act",
            "only an `act` names the plan or the assessment that it went into: leave `plan` out",
            action.action_id,
        )
    return msgspec.structs.replace(
        action,
        event_publisher=found.publisher,
        event_id=found.event_id,
        part_id=found.part_id,
        recipient=found.recipient,
        reply=b"",
    )


def _may_answer(action: Action, found: ReplyTo, record: RawRecord, reception: Reception) -> bool:
    """Its own organisation, or the duty desk for one that it serves by hand."""
    if action.organisation == found.organisation:
        return True
    actor = reception.reference.organisation(action.organisation, record.received_at.date())
    is_desk = actor is not None and actor.kind == DESK
    return is_desk and not reception.sealer.connected(found.organisation)
