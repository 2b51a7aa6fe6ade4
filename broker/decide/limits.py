"""What a retraction or a correction limits, whatever law and agreements would give.

A statement that was taken back before it was decided is told to nobody. A correction reaches those
who were told what it corrects; for anyone else a person decides.
"""

from __future__ import annotations

from broker.decide.facts import PartFacts
from broker.model.values import Decision, Outcome, PartInput

RETRACTED = "retracted"
NEEDS_PERSON = "correction_needs_person"


def within_limits(part: PartInput, facts: PartFacts, decision: Decision) -> Decision:
    """The decision as far as a retraction or a correction lets it stand."""
    if RETRACTED in part.flags:
        return instead(facts, decision, Outcome.DENY, RETRACTED)
    if not part.only_told or decision.outcome is not Outcome.PERMIT:
        return decision
    told = {recipient.partition(":")[0] for recipient in part.told}
    if decision.candidate.organisation in told:
        return decision
    return instead(facts, decision, Outcome.REVIEW, NEEDS_PERSON)


def instead(facts: PartFacts, decision: Decision, outcome: Outcome, reason: str) -> Decision:
    """The same candidate with nothing shown, for `reason`: refused, or waiting for a person."""
    withheld = tuple((field, reason) for field in (*facts.present, *facts.equality))
    mode = "CONTENT" if outcome is Outcome.REVIEW else None
    return Decision(decision.candidate, outcome, mode, (), withheld, (reason,), ())
