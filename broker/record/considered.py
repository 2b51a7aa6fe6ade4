"""What could matter for a decision, as the rows beside the log hold it: equal facts, equal outcome.

So that an auditor can say from the ledger alone whether authorities were treated alike. No identifier
and no code of an organisation; never provenance, ethnicity or sex, which may not matter.
"""

from __future__ import annotations

import datetime
import itertools
from collections.abc import Mapping
from typing import Any

from broker.model.values import Candidate, Linked, LookedAt, Observation
from broker.record.leaves import milliseconds


def considered(linked: Linked, looked_at: LookedAt | None) -> dict[str, Any] | None:
    """Of the part, the same for all its candidates. None in a round that a person made."""
    if looked_at is None:
        return None
    part, event = linked.part, linked.part.event
    stated = event.stated_category
    ahead = event.when is not None and event.when.start > part.received_at
    return {
        **looked_at.part,
        "harms": sorted(one.value for one in event.harms),
        "stated_category": [stated.scheme, stated.code] if stated else None,
        "only_told": part.only_told,
        "window_in": milliseconds(event.when.start) - milliseconds(part.received_at)
        if event.when is not None and ahead
        else None,
        "observations": _observations(linked),
    }


def of_candidate(
    linked: Linked, candidate: Candidate, looked_at: LookedAt | None
) -> dict[str, Any] | None:
    """Of one candidate, besides its role and capacity. None where a person decided."""
    if looked_at is None:
        return None
    told = {one.partition(":")[0] for one in linked.part.told}
    return {**looked_at.recipient, "told_before": candidate.organisation in told}


def _observations(linked: Linked) -> list[dict[str, Any]]:
    """What was weighed, the part's own first; origins by number, so that none can be told apart."""
    seen = linked.claim.observations
    names = dict(zip(dict.fromkeys(one.origin for one in seen), itertools.count()))
    return [_observation(one, names, linked.claim.as_of) for one in seen]


def _observation(
    one: Observation, names: Mapping[str, int], as_of: datetime.datetime
) -> dict[str, Any]:
    return {
        "origin": names[one.origin],
        "origin_unknown": one.origin_unknown,
        "directness": one.directness,
        "specificity": one.specificity,
        "letter": one.letter,
        "doubted": one.doubted,
        "days_old": (as_of - one.observed_at).days,
        "depends_on": sorted(
            [names[origin], rho] for origin, rho in one.dependent_on if origin in names
        ),
    }
