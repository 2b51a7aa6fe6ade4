"""Record: what happened becomes leaves and sealed deliveries, in one set that is kept whole or not at all."""

from broker.record.clocks import HELD_FOR, LOOK_BACK_WITHIN, acknowledge_by, review_by
from broker.record.decisions import (
    Decided,
    PolicyHashes,
    decision_record,
    decision_set_id,
)
from broker.record.held import HeldContent, WaitingFor, held_binding, held_record
from broker.record.intake import (
    accepted_record,
    action_record,
    duplicate_record,
    intake_set_id,
    link_record,
    rejected_record,
)
from broker.record.subject_tag import subject_tag
from broker.record.withdrawals import Ending, ending_record

__all__ = [
    "HELD_FOR",
    "LOOK_BACK_WITHIN",
    "Decided",
    "Ending",
    "HeldContent",
    "PolicyHashes",
    "WaitingFor",
    "accepted_record",
    "acknowledge_by",
    "action_record",
    "decision_record",
    "decision_set_id",
    "duplicate_record",
    "ending_record",
    "held_binding",
    "held_record",
    "intake_set_id",
    "link_record",
    "rejected_record",
    "review_by",
    "subject_tag",
]
