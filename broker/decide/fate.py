"""What a publisher may learn of what came of its statement: a disclosure, decided by law like any other.

The law is asked about the publisher in its capacity `originator`. What is told is the kind of the
organisation that answered, so it is told only where the publisher's own statement made that one
concerned: else it would show what another agency said.
"""

from __future__ import annotations

from broker.decide.bundle import PolicyBundle
from broker.decide.cedar import FATE, POLICY_ERROR
from broker.decide.facts import PartFacts
from broker.decide.rules import AS_STATED, NO_AGREEMENT
from broker.model.reference import Reference
from broker.model.values import Candidate, Decision, FieldRuling, Outcome

FATE_MODE = "FATE"
"""Mode of a decision by which a publisher is told what came of it: a receipt, never an alert."""
OF_OTHERS = frozenset({"earlier_concern", "adjacent", "vital_interests", "originator"})
"""Reasons to be concerned that rest on more than the publisher's own statement, or on none."""


def decide_fate(
    facts: PartFacts,
    publisher: Candidate,
    recipient: Candidate | None,
    bundle: PolicyBundle,
    reference: Reference,
) -> Decision:
    """Whether the publisher learns that `recipient` answered; None: nobody that its statement names."""
    seen = facts.recipient(publisher, reference)
    verdict = bundle.fate(bundle.circumstances(facts, seen, ()))
    if verdict.error:
        return _refused(publisher, POLICY_ERROR)
    if not verdict.allowed:
        return _refused(publisher, verdict.prohibition or NO_AGREEMENT)
    if recipient is None or set(recipient.capacity) <= OF_OTHERS:
        return _refused(publisher, "fate_through_others")
    clause = verdict.permits[0]
    return Decision(
        candidate=publisher,
        outcome=Outcome.PERMIT,
        mode=FATE_MODE,
        released=(FieldRuling(FATE, AS_STATED, clause),),
        withheld=(),
        reasons=(clause,),
        obligations=(),
        gateways=(bundle.permits[clause].gateway,),
    )


def _refused(publisher: Candidate, reason: str) -> Decision:
    return Decision(publisher, Outcome.DENY, None, (), ((FATE, reason),), (reason,), ())
