"""One candidate, one decision: outcome, mode, what is released, what is withheld and why.

The order of the questions is the order of this file: prohibitions that need no Cedar, what waits
for a person, then law and agreements field by field, then what the part itself takes away again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from broker.decide.bundle import PolicyBundle, Settled, Withheld
from broker.decide.cedar import POLICY_ERROR
from broker.decide.facts import POLICE, PartFacts, Recipient
from broker.decide.grounds import PART3
from broker.decide.handling import UNKNOWN_HANDLING
from broker.decide.law import Agreement, Condition
from broker.decide.rules import Ruling
from broker.model.fields import AUDIENCE_OF_KIND, GROUPS
from broker.model.reference import Reference
from broker.model.types import EventType
from broker.model.values import Candidate, Decision, FieldRuling, Outcome

CONTENT, EXISTENCE = "CONTENT", "EXISTENCE"
ENGLAND = "England"
ADJACENT_ONLY = ("adjacent",)
ORIGINATOR = "originator"
NO_NECESSITY, NOT_ASKED_FOR = "no_necessity", "not_asked_for"
NEEDS_PERSON_TYPES = frozenset({"correction", "retraction"})
IDENTITY = frozenset(GROUPS["identity"])
PLACED_IN = "placed_in"
PLACEMENT = EventType.PLACEMENT_OUT_OF_AREA.value


def decide(
    facts: PartFacts, candidate: Candidate, bundle: PolicyBundle, reference: Reference
) -> Decision:
    """What one candidate may have of the part, and why. Never raises for what a part may hold."""
    if candidate.capacity == ADJACENT_ONLY:
        return _refused(facts, candidate, Outcome.DENY, ("no_nexus",))
    returned = _returned(facts)
    if ORIGINATOR in candidate.capacity:
        return _refused(facts, candidate, Outcome.DENY, (returned or "own_statement",))
    if returned == NO_NECESSITY:
        return _refused(facts, candidate, Outcome.DENY, (NO_NECESSITY,))
    recipient = facts.recipient(candidate, reference)
    if recipient.unsafe:
        return _refused(facts, candidate, Outcome.DENY, ("unsafe_to_tell",))
    waits = tuple(_waits_for_person(facts, candidate, bundle))
    if waits:
        return _refused(facts, candidate, Outcome.REVIEW, waits)
    return _by_law(facts, candidate, recipient, bundle, reference)


def _returned(facts: PartFacts) -> str | None:
    """Why the publisher is told that this part did not go where it was addressed; None if it did.

    A request without a stated necessity is refused to everyone. An answer that nobody asked for, or
    not with a reason, has no requester; what a duty requires is told all the same.
    """
    if facts.addressed_to is None or facts.necessity_stated:
        return None
    return NOT_ASKED_FOR if facts.is_answer else NO_NECESSITY


def _waits_for_person(
    facts: PartFacts, candidate: Candidate, bundle: PolicyBundle
) -> Iterable[str]:
    """Reason codes for which nothing is shown to anyone before a person has looked."""
    publisher = facts.publisher
    if candidate.country != ENGLAND or (publisher is not None and publisher.country != ENGLAND):
        yield "outside_england"
    if facts.handling == UNKNOWN_HANDLING:
        yield "handling_unknown"
    if any(one not in bundle.conditions for one in facts.conditions):
        yield "condition_unknown"
    if facts.grading_unlabelled:
        yield "grading_unlabelled"
    if facts.event_type in NEEDS_PERSON_TYPES:
        yield "correction_needs_person"
    if facts.adult:
        yield "subject_over_18"
    yield from facts.missing_for_placement
    for one in bundle.conditions_for(facts, candidate.kind):
        if one.duties_wait and one.needs_person:
            yield one.needs_person


def _by_law(
    facts: PartFacts,
    candidate: Candidate,
    recipient: Recipient,
    bundle: PolicyBundle,
    reference: Reference,
) -> Decision:
    publisher = facts.publisher.code if facts.publisher else ""
    profile = bundle.profile(publisher, candidate.organisation, facts.on, reference)
    speaking = bundle.speaking(profile, recipient.kind, facts.event_type)
    circumstances = bundle.circumstances(facts, recipient, tuple(one.id for one in speaking))
    conditions = bundle.conditions_for(facts, recipient.kind)
    asked = next((one.needs_person for one in conditions if one.needs_person), None)
    key = (circumstances, profile.lapsed, facts.present, facts.audiences, facts.equality, asked)
    settled = bundle.settled.get(key)
    if settled is None:
        ruling = bundle.ruling(circumstances, profile.lapsed)
        settled = _settle(facts, recipient, ruling, asked, circumstances.agreements, bundle)
        bundle.keep_settled(key, settled)
    if settled.ruling.error:
        return _refused(facts, candidate, Outcome.DENY, (POLICY_ERROR,))
    if settled.released:
        obligations = (
            *_obligations(facts, candidate, speaking, conditions),
            *_on_category(facts, settled.released),
        )
        return Decision(
            candidate=candidate,
            outcome=Outcome.PERMIT,
            mode=CONTENT,
            released=settled.released,
            withheld=settled.withheld,
            reasons=settled.clauses,
            obligations=obligations,
            gateways=settled.gateways,
        )
    return _nothing_released(facts, candidate, settled, asked, bundle)


def _settle(
    facts: PartFacts,
    recipient: Recipient,
    ruling: Ruling,
    asked: str | None,
    agreements: tuple[str, ...],
    bundle: PolicyBundle,
) -> Settled:
    """What of the event's fields is released and what is withheld, with the clauses for it."""
    if ruling.error:
        return Settled(ruling, agreements, (), (), (), (), ())
    released, withheld = _split(facts, recipient, ruling, asked)
    everything = (*withheld, *_equality(facts))
    clauses = _clauses(released, ruling)
    gateways = tuple(sorted({bundle.permits[name].gateway for name in clauses}))
    reasons = _by_frequency(withheld)
    return Settled(ruling, agreements, released, everything, clauses, gateways, reasons)


def _nothing_released(
    facts: PartFacts,
    candidate: Candidate,
    settled: Settled,
    asked: str | None,
    bundle: PolicyBundle,
) -> Decision:
    """No field may be shown: existence, a person, or a refusal."""
    reasons, everything, existence = settled.reasons, settled.withheld, settled.ruling.existence
    if facts.addressed_to is not None and facts.addressed_to not in candidate.capacity:
        returned = (_returned(facts) or "request_not_for_you",)
        return Decision(candidate, Outcome.DENY, None, (), everything, returned, ())
    if asked is not None and asked in reasons:
        return Decision(candidate, Outcome.REVIEW, CONTENT, (), everything, (asked,), ())
    if settled.agreements:
        return Decision(candidate, Outcome.DENY, None, (), everything, reasons, ())
    if existence is not None and asked is not None:
        # That a concern is held is told by a power, so it waits for the publisher's word as well.
        return Decision(candidate, Outcome.REVIEW, EXISTENCE, (), everything, (asked,), ())
    if existence is not None:
        pointer = (existence,)
        why = (existence.clause, *reasons[:1])
        onward = ("onward_prohibited",)
        return Decision(
            candidate=candidate,
            outcome=Outcome.PERMIT,
            mode=EXISTENCE,
            released=pointer,
            withheld=everything,
            reasons=why,
            obligations=onward,
            gateways=(bundle.permits[existence.clause].gateway,),
            contact=bundle.desk,
        )
    return Decision(candidate, Outcome.REVIEW, CONTENT, (), everything, reasons, ())


def _split(
    facts: PartFacts, recipient: Recipient, ruling: Ruling, asked: str | None
) -> tuple[tuple[FieldRuling, ...], Withheld]:
    """Released and withheld fields of those that the event holds."""
    released: list[FieldRuling] = []
    withheld: list[tuple[str, str]] = []
    for field in facts.present:
        ruled = ruling.fields[field]
        if isinstance(ruled, str):
            withheld.append((field, ruled))
        elif field == "text" and AUDIENCE_OF_KIND.get(recipient.kind) not in facts.audiences:
            withheld.append((field, "no_text_for_audience"))
        elif asked is not None and field not in ruling.duties:
            withheld.append((field, asked))
        else:
            released.append(ruled)
    if released and all(one.field in IDENTITY for one in released):
        # A name alone tells that there is something and nothing that helps: not a disclosure to make.
        withheld.extend((one.field, "nothing_to_show") for one in released)
        released.clear()
    return tuple(released), tuple(withheld)


def _obligations(
    facts: PartFacts,
    candidate: Candidate,
    speaking: Sequence[Agreement],
    conditions: Iterable[Condition],
) -> Iterable[str]:
    """What the recipient must observe, each a reason code, once, in a fixed order."""
    asked = {one.obligation for one in conditions}
    placed = facts.event_type == PLACEMENT and PLACED_IN in candidate.capacity
    stated = {
        "onward_prohibited": not speaking or not all(one.onward_allowed for one in speaking),
        "consult_originator": any(one.consult_originator for one in speaking),
        "parents_not_safe_to_tell": facts.parents_unsafe,
        "ask_before_telling_family": facts.family_unsafe and not facts.parents_unsafe,
        "child_not_safe_to_tell": facts.child_unsafe,
        "at_a_distance": facts.at_a_distance,
        "notice_within_five_working_days": placed and facts.emergency_placement,
        "notice_before_placement": placed and not facts.emergency_placement,
        "further_use_by_law_only": facts.regime == PART3 and candidate.kind != POLICE,
        "agreement_review_overdue": any(facts.on > one.review_by for one in speaking),
    }
    return (name for name, holds in stated.items() if holds or name in asked)


def _on_category(facts: PartFacts, released: Iterable[FieldRuling]) -> tuple[str, ...]:
    """How a stated category is to be read, for those who may see it and nobody else."""
    seen = any(one.field == "stated_category" for one in released)
    return facts.category_notes if seen else ()


def _clauses(released: Iterable[FieldRuling], ruling: Ruling) -> tuple[str, ...]:
    """The clauses that permit, duties first."""
    clauses = {one.clause: one.field in ruling.duties for one in released}
    clauses |= {name: True for one in released for name in ruling.cited.get(one.field, ())}
    return tuple(sorted(clauses, key=lambda clause: (not clauses[clause], clause)))


def _by_frequency(withheld: Withheld) -> tuple[str, ...]:
    """Distinct reasons, the most frequent first."""
    counted = Counter(reason for _, reason in withheld)
    return tuple(sorted(counted, key=lambda reason: (-counted[reason], reason)))


def _equality(facts: PartFacts) -> Withheld:
    return tuple((field, "equality_audit_only") for field in facts.equality)


def _refused(
    facts: PartFacts, candidate: Candidate, outcome: Outcome, reasons: tuple[str, ...]
) -> Decision:
    """Nothing is shown, for a reason that holds for the whole part."""
    reason = reasons[0]
    withheld = tuple([(field, reason) for field in (*facts.present, *facts.equality)])
    mode = CONTENT if outcome is Outcome.REVIEW else None
    return Decision(candidate, outcome, mode, (), withheld, reasons, ())
