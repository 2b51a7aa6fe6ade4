"""Record: what happened becomes leaves and sealed deliveries, in one set that is kept whole or not at all."""

from broker.record.clocks import acknowledge_by
from broker.record.decisions import Decided, PolicyHashes, decision_record, decision_set_id
from broker.record.intake import (
    accepted_record,
    action_record,
    duplicate_record,
    intake_set_id,
    link_record,
    rejected_record,
)

__all__ = [
    "Decided",
    "PolicyHashes",
    "accepted_record",
    "acknowledge_by",
    "action_record",
    "decision_record",
    "decision_set_id",
    "duplicate_record",
    "intake_set_id",
    "link_record",
    "rejected_record",
]
