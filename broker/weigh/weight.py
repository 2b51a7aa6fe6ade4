"""The weight of a claim: its evidence on the scale of log-odds, as a value, a band and sentences."""

from __future__ import annotations

from broker.model.values import Claim, Weight
from broker.weigh.corroboration import Sum, total
from broker.weigh.evidence import known_as
from broker.weigh.explanation import explained
from broker.weigh.odds import value_of
from broker.weigh.parameters import WeightParameters

CORROBORATED = "B"
ENOUGH_ORIGINS = 2


def weigh(claim: Claim, parameters: WeightParameters) -> Weight:
    """The weight of `claim`, 0 to 1000; the same for the same observations in any sequence."""
    found = total(claim, parameters)
    value = value_of(parameters.start + found.evidence)
    letter = _computed_letter(claim, found)
    return Weight(
        value=value,
        band=_band(value, parameters),
        explanation=explained(claim, found, letter, parameters),
        independent_origins=found.independent,
        computed_letter=letter,
    )


def _computed_letter(claim: Claim, found: Sum) -> str | None:
    """B, known indirectly but corroborated: for second-hand knowledge of two independent origins."""
    if found.independent < ENOUGH_ORIGINS:
        return None
    return CORROBORATED if known_as(claim.observations[0]) == "indirect" else None


def _band(value: int, parameters: WeightParameters) -> str:
    if value >= parameters.strong:
        return "strong"
    if value >= parameters.considerable:
        return "considerable"
    return "some" if value >= parameters.some else "slight"
