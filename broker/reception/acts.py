"""An opened human act: recorded once, and sent on to the part that it changes."""

from __future__ import annotations

from broker.intake import (
    Occasion,
    SeenEntry,
    act_parts,
)
from broker.model.codec import encode
from broker.model.reference import DESK
from broker.model.types import (
    Action,
    ActionKind,
    Part,
)
from broker.model.values import Rejection
from broker.reception.answering import routed_answer
from broker.reception.asking import take_subject_access
from broker.reception.erasing import take_erasure
from broker.reception.values import (
    HUMAN,
    STEERING,
    IntakeResult,
    IntakeView,
    Opened,
    RawRecord,
    Reception,
    receipt_content,
    rejected,
    seen_act,
)
from broker.record import (
    ANSWERS,
    action_record,
)
from broker.verify import check_action


def take_action(
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
    if action.kind is ActionKind.ERASE:
        return take_erasure(record, action, opened, view, reception)
    if action.kind is ActionKind.SUBJECT_ACCESS:
        return take_subject_access(record, action, opened, view, reception)
    routed = routed_answer(action, record, reception)
    if isinstance(routed, Rejection):
        return rejected(record, routed, reception)
    refusal = _may_act(record, action, view, reception)
    if refusal is not None:
        return rejected(record, refusal, reception)
    seen = seen_act(record, action, opened, view, reception)
    if isinstance(seen, IntakeResult):
        return seen
    recorded = action_record(
        record.source,
        routed,
        record.envelope_hash,
        receipt_content(action.action_id, seen.entry),
        reception.sealer,
    )
    return IntakeResult(
        sets=(recorded,),
        parts=_act_parts(record, routed, seen.entry, view, reception),
        seen=(seen.key, seen.entry),
    )


def _act_parts(
    record: RawRecord,
    action: Action,
    seen: SeenEntry,
    view: IntakeView,
    reception: Reception,
) -> tuple[Part, ...]:
    """What decide must do because of an act; nothing for one that is only recorded."""
    if action.kind not in STEERING | ANSWERS:
        return ()
    acted_on = view.seen(f"{action.event_publisher}/{action.event_id}")
    if acted_on is None:
        return ()
    occasion = Occasion(record.source, record.received_at, seen.set_id)
    return act_parts(action, encode(action), acted_on, occasion, reception.parts_key)


def _may_act(
    record: RawRecord, action: Action, view: IntakeView, reception: Reception
) -> Rejection | None:
    """None if what the act is about is known and the organisation may act on it.

    Reviews, releases and look backs are for the broker's duty desk and for the publisher; the clock's
    acts are the desk's alone (policies/README.md).
    """
    if action.kind not in STEERING:
        return None
    # Who may not act learns the same whether or not the event exists.
    actor = reception.reference.organisation(action.organisation, record.received_at.date())
    is_desk = actor is not None and actor.kind == DESK
    if not is_desk and not (action.kind in HUMAN and action.organisation == action.event_publisher):
        return Rejection(
            "not_allowed_to_act",
            f"a {action.kind.value} is for the broker's duty desk"
            + (" or the publisher" if action.kind in HUMAN else "")
            + ": ask them",
            action.action_id,
        )
    acted_on = view.seen(f"{action.event_publisher}/{action.event_id}")
    if acted_on is None or action.part_id not in (
        None,
        *(one.part_id for one in acted_on.parts),
    ):
        return Rejection(
            "unknown_event",
            "no accepted event of that publisher has that id, or it has no such part: "
            "name event_publisher, event_id and part_id as the queue shows them",
            action.action_id,
        )
    return None
