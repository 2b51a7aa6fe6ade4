"""Record: what happened becomes leaves and sealed deliveries, in one set that is kept whole or not at all."""

from broker.record.certificate import (
    Certified,
    Counted,
    StoreDate,
    certificate_record,
    certificate_set_id,
    key_of_nothing,
    stores_of,
)
from broker.record.clocks import HELD_FOR, LOOK_BACK_WITHIN, acknowledge_by, review_by
from broker.record.decisions import (
    Decided,
    PolicyHashes,
    decision_record,
    decision_set_id,
)
from broker.record.held import HeldContent, WaitingFor, held_binding, held_record
from broker.record.intake import (
    ANSWERS,
    SignedAs,
    accepted_record,
    action_record,
    duplicate_record,
    intake_set_id,
    joined_token,
    link_record,
    rejected_record,
)
from broker.record.subject_tag import subject_tag
from broker.record.withdrawals import Ending, ending_record

__all__ = [
    "ANSWERS",
    "HELD_FOR",
    "LOOK_BACK_WITHIN",
    "Certified",
    "Counted",
    "Decided",
    "Ending",
    "HeldContent",
    "PolicyHashes",
    "SignedAs",
    "StoreDate",
    "WaitingFor",
    "accepted_record",
    "acknowledge_by",
    "action_record",
    "certificate_record",
    "certificate_set_id",
    "decision_record",
    "decision_set_id",
    "duplicate_record",
    "ending_record",
    "held_binding",
    "held_record",
    "intake_set_id",
    "joined_token",
    "key_of_nothing",
    "link_record",
    "rejected_record",
    "review_by",
    "stores_of",
    "subject_tag",
]
