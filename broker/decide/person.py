"""What a person decides: a review, or a release on vital interests by two people.

A person can take away what made a part wait, and can choose fields where no agreement speaks. Nobody
can take away a prohibition: the source's identity, those who must not be told, clinical detail
outside health, and what the law forbids to this kind of recipient stay where they are.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from broker.decide.bundle import PolicyBundle
from broker.decide.decision import ENGLAND, EXISTENCE, decide
from broker.decide.facts import PartFacts
from broker.decide.handling import UNKNOWN_HANDLING
from broker.decide.rules import AS_STATED, AUDIENCE_TEXT, NO_AGREEMENT
from broker.model.fields import AUDIENCE_OF_KIND, GROUPS
from broker.model.reference import Reference
from broker.model.values import Candidate, Decision, FieldRuling, Outcome

CONTENT = "CONTENT"
NEXUS_FOR_LAW = "found_in"
"""Stands in for a nexus when only the prohibitions are asked about."""
VITAL_FIELDS = frozenset(
    {
        "given_name",
        "family_name",
        "date_of_birth",
        "address",
        *GROUPS["harm"],
        "when",
        "place",
        "safety_plan",
    }
)
"""What saving a life needs, and no more: who, where, what is feared, and the plan."""


def cleared(facts: PartFacts) -> PartFacts:
    """The facts without what made the part wait for a person."""
    return msgspec.structs.replace(
        facts,
        handling="P" if facts.handling == UNKNOWN_HANDLING else facts.handling,
        conditions=(),
        grading_unlabelled=False,
        adult=False,
        missing_for_placement=(),
    )


def permitted_by_person(
    facts: PartFacts,
    candidate: Candidate,
    bundle: PolicyBundle,
    reference: Reference,
    fields: Iterable[str],
    act: str,
) -> Decision:
    """After a review that permits: what law and agreements give once nothing waits any more.

    Where they give nothing, the `fields` that the person chose, as far as no prohibition stands
    against them; without any choice only that a concern is held. `act` is named in the reasons.
    """
    clear = cleared(facts)
    found = decide(clear, candidate, bundle, reference)
    if found.outcome is Outcome.PERMIT:
        return msgspec.structs.replace(found, reasons=(*found.reasons, act))
    if found.outcome is Outcome.DENY and not set(fields):
        return msgspec.structs.replace(found, reasons=(*found.reasons, act))
    chosen = _chosen(clear, candidate, bundle, reference, set(fields), act)
    released = chosen or (FieldRuling(EXISTENCE.lower(), AS_STATED, act),)
    mode = CONTENT if chosen else EXISTENCE
    found = _permit(facts, candidate, released, mode, act)
    return found if chosen else msgspec.structs.replace(found, contact=bundle.desk)


def permitted_for_life(
    facts: PartFacts,
    candidate: Candidate,
    bundle: PolicyBundle,
    reference: Reference,
    act: str,
) -> Decision:
    """Break-glass: the fields of `VITAL_FIELDS` that no prohibition keeps, agreement or not."""
    released = _chosen(cleared(facts), candidate, bundle, reference, VITAL_FIELDS, act)
    if not released:
        withheld = tuple((field, "unsafe_to_tell") for field in facts.present)
        reasons = ("unsafe_to_tell", act)
        return Decision(candidate, Outcome.DENY, None, (), withheld, reasons, ())
    permit = _permit(facts, candidate, released, CONTENT, act)
    obligations = (*permit.obligations, "look_back_due")
    return msgspec.structs.replace(
        permit, reasons=("vital_interests", act), obligations=obligations
    )


def waits_for_second_person(facts: PartFacts, candidate: Candidate, act: str) -> Decision:
    """The first of two people has asked: nothing is shown yet."""
    reason = "second_person_needed"
    withheld = tuple((field, reason) for field in (*facts.present, *facts.equality))
    return Decision(candidate, Outcome.REVIEW, CONTENT, (), withheld, (reason, act), ())


def refused_by_person(facts: PartFacts, candidate: Candidate, act: str) -> Decision:
    """A review that refuses: nothing is shown, and it no longer waits."""
    reason = "refused_by_person"
    withheld = tuple((field, reason) for field in (*facts.present, *facts.equality))
    return Decision(candidate, Outcome.DENY, None, (), withheld, (reason, act), ())


def _chosen(
    facts: PartFacts,
    candidate: Candidate,
    bundle: PolicyBundle,
    reference: Reference,
    fields: Iterable[str],
    act: str,
) -> tuple[FieldRuling, ...]:
    """The chosen fields that the event holds and no prohibition keeps, in the catalogue's order."""
    recipient = facts.recipient(candidate, reference)
    if recipient.unsafe:
        return ()
    asked = msgspec.structs.replace(
        recipient,
        country=ENGLAND,
        capacity=tuple(sorted({*recipient.capacity, NEXUS_FOR_LAW})),
    )
    ruling = bundle.ruling(bundle.circumstances(facts, asked, ()), None)
    wanted = set(fields)
    released = []
    for field in facts.present:
        ruled = ruling.fields[field]
        stands_against = isinstance(ruled, str) and ruled != NO_AGREEMENT
        if field not in wanted or stands_against or not _has_words(field, facts, candidate):
            continue
        shown = AUDIENCE_TEXT if field == "text" else _form(ruled)
        released.append(FieldRuling(field, shown, act))
    return tuple(released)


def _form(ruled: FieldRuling | str) -> str:
    return ruled.transform if isinstance(ruled, FieldRuling) else AS_STATED


def _has_words(field: str, facts: PartFacts, candidate: Candidate) -> bool:
    return field != "text" or AUDIENCE_OF_KIND.get(candidate.kind) in facts.audiences


def _permit(
    facts: PartFacts,
    candidate: Candidate,
    released: tuple[FieldRuling, ...],
    mode: str,
    act: str,
) -> Decision:
    names = {one.field for one in released}
    withheld = tuple((field, "not_chosen") for field in facts.present if field not in names)
    equality = tuple((field, "equality_audit_only") for field in facts.equality)
    stated = {
        "onward_prohibited": True,
        "parents_not_safe_to_tell": facts.parents_unsafe,
        "ask_before_telling_family": facts.family_unsafe and not facts.parents_unsafe,
        "child_not_safe_to_tell": facts.child_unsafe,
    }
    return Decision(
        candidate=candidate,
        outcome=Outcome.PERMIT,
        mode=mode,
        released=released,
        withheld=(*withheld, *equality),
        reasons=(act,),
        obligations=tuple(name for name, holds in stated.items() if holds),
    )
