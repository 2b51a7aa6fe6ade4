"""The weight in words: one plain sentence for each thing that was counted.

The words are fixed and say nothing of who spoke, which agency it was, or what it is about.
"""

from __future__ import annotations

from broker.model.values import Claim, Observation
from broker.weigh.corroboration import Sum
from broker.weigh.evidence import KNOWN_BY_LETTER, days_old, known_as
from broker.weigh.parameters import WeightParameters

KNOWN = {
    "direct": "It is known at first hand: the observer saw or heard it.",
    "indirect": "It is known at second hand: somebody else told the observer.",
    "not_known": "It is not known whether the observer saw or heard it or was told.",
}
BY_LETTER = "How it is known was taken from the grading, since nothing else says so."
SPECIFIC = {
    "specific": "It is specific: it says who, when and where.",
    "partial": "It is partly specific: it says two of who, when and where.",
    "general": "It is general: it does not say who, when and where.",
}
SPECIFICITY_NOT_STATED = "How specific it is was not stated, so it counts as general."
DOUBTED = "A record is doubted, with a written reason and a reviewer, and counts for less."
ONE_ORIGIN = "It rests on one independent first observation, however often it was passed on."
DISCOUNTED = "Some observations may not be independent of each other, so they count only in part."
UNKNOWN = (
    "For some record it is not known who first observed it, so it adds nothing to what others say."
)
CORROBORATED = "Second-hand knowledge is corroborated here: worked out as assessment B."
NOTHING = "No observation was counted."


def explained(
    claim: Claim, found: Sum, letter: str | None, parameters: WeightParameters
) -> tuple[str, ...]:
    """Sentences for a duty social worker, in fixed order: how known, how specific, how old, origins."""
    most = found.strongest
    if most is None:
        return (NOTHING,)
    sentences = [KNOWN[known_as(most)]]
    if most.directness == "not_stated" and most.letter in KNOWN_BY_LETTER:
        sentences.append(BY_LETTER)
    sentences.append(SPECIFIC.get(most.specificity, SPECIFICITY_NOT_STATED))
    sentences.append(_age(most, claim, parameters))
    sentences.append(_origins(found.independent))
    optional = (
        (CORROBORATED, letter is not None),
        (DISCOUNTED, found.discounted),
        (UNKNOWN, any(one.origin_unknown for one in claim.observations)),
        (DOUBTED, any(one.doubted for one in claim.observations)),
    )
    return (*sentences, *(sentence for sentence, holds in optional if holds))


def _age(most: Observation, claim: Claim, parameters: WeightParameters) -> str:
    days = days_old(most, claim.as_of)
    limit = next((limit for limit, _ in parameters.recency if days <= limit), None)
    if limit is not None:
        return f"It was observed no more than {limit} days before it was received."
    beyond = parameters.recency[-1][0] if parameters.recency else 0
    return f"It was observed more than {beyond} days before it was received; that still counts."


def _origins(independent: int) -> str:
    if independent == 1:
        return ONE_ORIGIN
    return f"It rests on {independent} independent first observations, which add up."
