"""What one observation counts for by itself: how it is known, how specific and how old it is."""

from __future__ import annotations

import datetime

from broker.model.values import Observation
from broker.weigh.parameters import WHOLE, WeightParameters

KNOWN_BY_LETTER = {"A": "direct", "B": "indirect", "C": "indirect", "D": "not_known"}
"""A stated B counts as C: corroboration is counted from origins, not taken on anyone's word."""


def known_as(observation: Observation) -> str:
    """`direct`, `indirect` or `not_known`; a letter says so only where directness is not stated."""
    if observation.directness != "not_stated":
        return observation.directness
    return KNOWN_BY_LETTER.get(observation.letter or "", "not_known")


def days_old(observation: Observation, as_of: datetime.datetime) -> int:
    """Whole days since it was observed; negative for a date that lies ahead, which counts as now."""
    return (as_of - observation.observed_at).days


def evidence_of(
    observation: Observation, as_of: datetime.datetime, parameters: WeightParameters
) -> int:
    """Evidence of one observation, in thousandths of log-odds; never negative."""
    how = known_as(observation)
    if how == "direct":
        evidence = parameters.direct
    else:
        evidence = parameters.indirect if how == "indirect" else parameters.not_known
    share = _specificity(observation, parameters) * _recency(observation, as_of, parameters)
    if observation.doubted:
        return evidence * share * parameters.doubted // WHOLE**3
    return evidence * share // WHOLE**2


def _specificity(observation: Observation, parameters: WeightParameters) -> int:
    if observation.specificity == "specific":
        return parameters.specific
    return parameters.partial if observation.specificity == "partial" else parameters.general


def _recency(
    observation: Observation, as_of: datetime.datetime, parameters: WeightParameters
) -> int:
    days = days_old(observation, as_of)
    for limit, share in parameters.recency:
        if days <= limit:
            return share
    return parameters.older
