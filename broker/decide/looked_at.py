"""What law and agreements could look at for one decision, as reports may hold it: no name, no code.

Built from the same facts as the decision itself, so who compares decisions compares by what decided
them. Organisations appear by kind only; agreements by their id. Never provenance, ethnicity or sex:
`PartFacts` has none of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from broker.decide.bundle import PolicyBundle
from broker.decide.decision import ADJACENT_ONLY
from broker.decide.facts import PartFacts
from broker.model.reference import Reference
from broker.model.values import Candidate, LookedAt


def looked_at_of_part(facts: PartFacts) -> Mapping[str, Any]:
    """The facts of a part that are the same for every candidate; make it once and pass it on."""
    publisher = facts.publisher
    return {
        "event_type": facts.event_type,
        "part": facts.part,
        "publisher_kind": publisher.kind if publisher else "unknown",
        "publisher_country": publisher.country if publisher else "unknown",
        "handling": facts.handling,
        "conditions": list(facts.conditions),
        "placed_away": facts.placed_away,
        "cross_border": facts.cross_border,
        "family_unsafe": facts.family_unsafe,
        "parents_unsafe": facts.parents_unsafe,
        "child_unsafe": facts.child_unsafe,
        "source_identifiable": facts.source_identifiable,
        "grading_unlabelled": facts.grading_unlabelled,
        "adult": facts.adult,
        "at_a_distance": facts.at_a_distance,
        "emergency_placement": facts.emergency_placement,
        "missing_for_placement": list(facts.missing_for_placement),
        "audiences": sorted(facts.audiences),
        "present": list(facts.present),
        "necessity_stated": facts.necessity_stated,
        "is_answer": facts.is_answer,
        "regime": facts.regime,
        "depersonalised": facts.depersonalised,
        "category_notes": list(facts.category_notes),
    }


def looked_at(
    of_part: Mapping[str, Any],
    facts: PartFacts,
    candidate: Candidate,
    bundle: PolicyBundle,
    reference: Reference,
) -> LookedAt:
    """What could matter for this candidate. Of one that is only adjacent no law was asked."""
    mine: dict[str, Any] = {"kind": candidate.kind, "country": candidate.country}
    if candidate.capacity == ADJACENT_ONLY:
        return LookedAt(of_part, mine)
    publisher = facts.publisher.code if facts.publisher else ""
    profile = bundle.profile(publisher, candidate.organisation, facts.on, reference)
    speaking = bundle.speaking(profile, candidate.kind, facts.event_type)
    recipient = facts.recipient(candidate, reference)
    ids = tuple(one.id for one in speaking)
    mine |= {
        "unsafe": recipient.unsafe,
        "serves_placement": recipient.serves_placement,
        "agreements": sorted(ids),
        "lapsed": profile.lapsed,
        "overdue": sorted(one.id for one in speaking if facts.on > one.review_by),
        "gateways": list(bundle.open_gateways(facts, recipient)),
    }
    return LookedAt(of_part, mine)
