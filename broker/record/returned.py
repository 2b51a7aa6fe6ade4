"""What a publisher is told of a part that did not go where it was addressed, and how to ask again.

A request is granted for some children and refused for others. The one that asked learns for each of
those why, with the same proof as every receipt. The words name the child as the request itself does
(its `subject_ref`), so that they say nothing that the publisher did not write.
"""

from __future__ import annotations

from broker.model.codec import encode
from broker.model.sealer import Sealer
from broker.model.types import Channel, IntakeOutcome, ReceiptContent, SealedDelivery
from broker.model.values import Decision, Linked
from broker.record.leaves import sealed_delivery

ORIGINATOR = "originator"
EXPLANATIONS = {
    "no_necessity": (
        "the request does not say why this child is asked about, so for this child it was put to "
        "nobody. To ask again, publish a new request with an id of its own that names the child and "
        "says under `necessity` what stated risk or pending decision makes it necessary"
    ),
    "not_asked_for": (
        "nobody asked you about this child under that request, or no reason was given, so for this "
        "child the answer reached nobody that asked. What must be known of the child all the same, "
        "publish as a statement of its own"
    ),
}
"""Reason code -> what it means for the publisher, and what to do."""


def returned_receipt(
    linked: Linked, decision: Decision, sealer: Sealer, set_id: str
) -> SealedDelivery | None:
    """The receipt of a refused part for its publisher; None where nothing is to be told."""
    part = linked.part
    if part.round or ORIGINATOR not in decision.candidate.capacity:
        return None
    reason = next((one for one in decision.reasons if one in EXPLANATIONS), None)
    if reason is None:
        return None
    child = part.subject.subject_ref if part.subject else part.kind.value
    content = ReceiptContent(
        outcome=IntakeOutcome.REFUSED,
        event_id=part.event.event_id,
        reason=reason,
        explanation=f"{child}: {EXPLANATIONS[reason]}.",
        received_at=part.received_at,
    )
    organisation = decision.candidate.organisation
    return sealed_delivery(
        sealer, Channel.RECEIPT, organisation, set_id, organisation, encode(content)
    )
