"""The receipt by which a publisher learns what came of its statement, as far as it was decided."""

from __future__ import annotations

from broker.model.codec import encode
from broker.model.sealer import Sealer
from broker.model.types import Channel, Fate, IntakeOutcome, ReceiptContent, SealedDelivery
from broker.model.values import Decision, Linked
from broker.record.leaves import sealed_delivery

SAID = {
    "acknowledge": "has acknowledged it",
    "consider": "has considered it",
    "act": "has acted on it",
    "no_further_action": "has considered it and takes no further action",
}
"""Kind of answer -> words for the publisher, who may have to say them to a parent."""
KIND_IN_WORDS = {
    "authority": "a children's services authority",
    "council": "a council",
    "police": "a police force",
    "icb": "an integrated care board",
    "health_provider": "a health provider",
    "school": "a school",
    "charity": "a charity",
    "advocate": "an advocacy organisation",
}


def fate_receipt(
    linked: Linked, decision: Decision, fate: Fate, sealer: Sealer, set_id: str
) -> SealedDelivery:
    """The receipt: who answered by kind of organisation, when, and whether it informed a plan."""
    organisation = decision.candidate.organisation
    content = ReceiptContent(
        outcome=IntakeOutcome.ANSWERED,
        event_id=linked.part.event.event_id,
        explanation=in_words(fate),
        received_at=linked.part.received_at,
        fate=fate,
    )
    return sealed_delivery(
        sealer, Channel.RECEIPT, organisation, set_id, organisation, encode(content)
    )


def in_words(fate: Fate) -> str:
    """One sentence that can be read out to the one who spoke first."""
    who = KIND_IN_WORDS.get(fate.by, "an organisation")
    plan = ", and it went into a plan or an assessment" if fate.plan_informed else ""
    return f"{who[0].upper()}{who[1:]} that was told of this {SAID[fate.answer]}{plan}."
