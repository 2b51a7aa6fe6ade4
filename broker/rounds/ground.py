"""What an act on a part stands on, and what it did: shared by every kind of act."""

from __future__ import annotations

import datetime

import msgspec

from broker.decide import PartFacts, PolicyBundle
from broker.locate import candidates
from broker.model.reference import Reference
from broker.model.types import Action, Fate
from broker.model.values import Candidate, Decision, Linked, PartState

VITAL = ("vital_interests",)


class Acted(msgspec.Struct, frozen=True):
    """What an act did: decisions to record, alerts to withdraw, and the state after it."""

    state: PartState
    round: int
    decisions: tuple[Decision, ...]
    withdrawn: tuple[str, ...] = ()
    """Ids of alerts that it takes back."""
    ended: tuple[str, ...] = ()
    """Recipients for whom it ends the waiting without a decision of their own."""
    reason: str = ""
    """Reason code of what it takes back or ends."""
    flags: tuple[str, ...] = ()
    fate: Fate | None = None
    """Of an answer: what its publisher is told, if the one decision permits it."""


class Ground(msgspec.Struct, frozen=True):
    """What an act stands on."""

    action: Action
    at: datetime.datetime
    state: PartState
    round: int
    linked: Linked
    facts: PartFacts
    bundle: PolicyBundle
    reference: Reference

    @property
    def name(self) -> str:
        """By this a reason names the act."""
        return f"{self.action.kind.value}/{self.action.action_id}"

    def candidate(self, recipient: str) -> Candidate | None:
        """The candidate of that name; an organisation without a nexus as itself, if it exists."""
        for one in candidates(self.linked, self.reference):
            if one.recipient == recipient:
                return one
        code, _, role = recipient.partition(":")
        found = self.reference.organisation(code, self.at.date())
        if found is None:
            return None
        door = role if role in found.roles else found.roles[0]
        return Candidate(found.code, door, VITAL, found.kind, found.country)


def nothing(ground: Ground, why: str) -> Acted:
    """The act fits nothing that stands: on record, without effect."""
    return Acted(ground.state, ground.round, (), flags=(why,))
