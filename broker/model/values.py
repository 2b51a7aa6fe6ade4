"""The values that pass between the steps of the flow. Immutable; no behaviour but what is derived.

Times are timezone-aware UTC datetimes and come from Kafka's LogAppendTime; no step asks a clock.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import msgspec

from broker.model.statement import Statement
from broker.model.types import ConcernEvent, PartKind, Subject


class SourcePosition(msgspec.Struct, frozen=True, order=True):
    """Where a record was read: the source of its leaf and of the order of state entries."""

    topic: str
    partition: int
    offset: int


class Rejection(msgspec.Struct, frozen=True):
    """Why a record was not accepted: a reason code and words for the publisher."""

    reason: str
    explanation: str
    event_id: str | None = None


class PartInput(msgspec.Struct, frozen=True):
    """One part with its opened event, as decide receives it."""

    part_id: str
    part_key: str
    kind: PartKind
    event: ConcernEvent
    subject: Subject | None
    received_at: datetime.datetime
    order: int
    """Position in the one ordered stream that intake wrote: entries below it are this part's past."""
    part_count: int
    receipt_set_id: str
    flags: tuple[str, ...] = ()
    round: int = 0
    encoded: bytes = b""
    """The event's Avro bytes as they were sealed, so that nobody encodes them again."""
    only_told: bool = False
    """For the part of a correction: it reaches those in `told`, and for others a person decides."""
    told: tuple[str, ...] = ()
    act_set_id: str | None = None
    """For a later round: the intake record of the act that made it."""
    act: bytes = b""
    """For a later round: that act, in Avro."""
    statement: Statement | None = None
    """The signed statement that it is of; None for an unsigned one."""


class Observation(msgspec.Struct, frozen=True, array_like=True):
    """What one record contributes to a claim. It has no provenance and no publisher by design.

    `origin` is the origin's component (records that go back to one first observation share it).
    `letter` is the 3x5x2 assessment A to E where directness is `not_stated`, else None: no letter
    counts beside a stated directness. `doubted` is True only for source evaluation 3 or assessment E
    with a written reason and a reviewer. `dependent_on` names origins that this one may not be
    independent of, with a discount of 0 to 1000 per mille.
    """

    origin: str
    origin_unknown: bool
    directness: str
    specificity: str
    letter: str | None
    doubted: bool
    observed_at: datetime.datetime
    dependent_on: tuple[tuple[str, int], ...] = ()


class Claim(msgspec.Struct, frozen=True):
    """What is weighed: this part's own observation and those that bear on the same claim."""

    observations: tuple[Observation, ...]
    """The part's own first."""
    as_of: datetime.datetime


class Weight(msgspec.Struct, frozen=True):
    """How much consideration a claim deserves. Never a risk score of a child.

    `value` is 0 to 1000 (an integer, so that it prints the same everywhere); `explanation` says in
    plain English, one sentence each, what was counted.
    """

    value: int
    band: str
    explanation: tuple[str, ...]
    independent_origins: int
    computed_letter: str | None = None
    """B where two or more independent origins allow it, else None (domain section 3, rule 3)."""


class EarlierConcern(msgspec.Struct, frozen=True):
    """An earlier published concern about the same child, place or group.

    What an organisation said first; whatever it said since makes it no more concerned.
    """

    event_id: str
    organisation: str
    """Organisation code of its publisher."""


class Linked(msgspec.Struct, frozen=True):
    """A part with what the broker already knew before it."""

    part: PartInput
    claim: Claim
    agencies_seen: int
    """How many distinct publishers have reported the part's own origin, itself included."""
    earlier: tuple[EarlierConcern, ...]
    flags: tuple[str, ...] = ()
    requesters: tuple[str, ...] = ()
    """For an answer: who asked its publisher about this child, and said why."""
    other_categories: tuple[tuple[str, str], ...] = ()
    """Scheme and code of categories that others stated of this child and harm, unlike its own."""


class StateEntry(msgspec.Struct, frozen=True, array_like=True):
    """What one part leaves behind for later ones with the same key. No content, no names.

    `order` is the position of the part that made it: facts for a part are the entries below its own.
    """

    order: int
    event_id: str
    publisher: str
    ids: tuple[str, ...]
    """Event id, origin id, then derived-from ids and the id of what it corrects: entries that share
    one go back to one origin, unless the record was made from several origins."""
    harms: tuple[str, ...]
    window: tuple[datetime.datetime, datetime.datetime]
    """Time of the occurrence, for telling whether two records are about one claim."""
    observation: Observation
    """As seen alone; `origin` is recomputed when it is read back."""
    retracted: bool = False
    """Taken back, or itself a retraction: it never counts."""
    asked_of: str | None = None
    """For an information request: whom it asks. Asking is no concern: it counts for no claim and
    makes nobody concerned."""
    necessity_stated: bool = False
    """For an information request: it says why this child is asked about."""
    category: tuple[str, str] | None = None
    """Scheme and code of the category that it states: compared with what others state, never
    computed."""

    @property
    def statement(self) -> tuple[str, str]:
        """Whose statement it is: an event id is its publisher's own, so both together are one."""
        return self.publisher, self.event_id


class Candidate(msgspec.Struct, frozen=True, order=True):
    """A recipient evaluated for one part: organisation, role, and why it may be concerned."""

    organisation: str
    role: str
    capacity: tuple[str, ...]
    """Sorted nexus kinds; (`adjacent`,) alone is only a hint."""
    kind: str
    """Organisation kind from the register, such as `authority`, `police`, `icb`, `school`."""
    country: str

    @property
    def recipient(self) -> str:
        """`<organisation code>:<role>`."""
        return f"{self.organisation}:{self.role}"


class Outcome(StrEnum):
    """What was decided for one candidate."""

    PERMIT = "PERMIT"
    DENY = "DENY"
    REVIEW = "REVIEW"


class FieldRuling(msgspec.Struct, frozen=True):
    """A released field: how it may be shown, and the clause that permits it."""

    field: str
    transform: str
    """`as_stated`, `generalise`, `pseudonymise` or `audience_text`."""
    clause: str


class Decision(msgspec.Struct, frozen=True):
    """What one candidate may have of one part, and why. Every candidate gets one."""

    candidate: Candidate
    outcome: Outcome
    mode: str | None
    """`CONTENT` or `EXISTENCE` for a PERMIT; what is asked for in a REVIEW; None for a DENY."""
    released: tuple[FieldRuling, ...]
    withheld: tuple[tuple[str, str], ...]
    """(field, reason code), only for fields of the catalogue that the event holds."""
    reasons: tuple[str, ...]
    obligations: tuple[str, ...]
    gateways: tuple[str, ...] = ()
    """Statutory gateways that it rests on, sorted; none for a refusal or where a person chose."""
    contact: str = ""
    """Of a pointer: whom its recipient calls, the broker's duty desk and never the originator."""
    reminds_of: str | None = None
    """Of a reminder to the next contact: the alert that nobody acknowledged."""


class LookedAt(msgspec.Struct, frozen=True):
    """What law and agreements could look at for one decision, for reports: no names, no codes."""

    part: Mapping[str, Any]
    """The same for every candidate of the part."""
    recipient: Mapping[str, Any]


class Told(msgspec.Struct, frozen=True, array_like=True):
    """A recipient that was told of a part: by which alert, in which round, and when it was taken back."""

    recipient: str
    organisation: str
    alert_id: str
    round: int
    withdrawn: int | None = None
    """The round that withdrew the alert."""
    reminds_of: str | None = None
    """Of a reminder: the alert that nobody acknowledged, itself never a reminder."""


class Waiting(msgspec.Struct, frozen=True, array_like=True):
    """A candidate about which a person must decide."""

    recipient: str
    reasons: tuple[str, ...]
    round: int
    resolved: int | None = None
    """The round in which a person, a retraction or the clock ended it."""


class Answered(msgspec.Struct, frozen=True, array_like=True):
    """A recipient's answer to an alert: what kind, in which round, and whether its publisher was told."""

    alert_id: str
    """The alert itself, also where a reminder of it was answered."""
    organisation: str
    kind: str
    round: int
    told: bool = False


class BreakGlass(msgspec.Struct, frozen=True, array_like=True):
    """A release on vital interests: asked by one person, confirmed by another, looked back on."""

    action_id: str
    actor: str
    organisation: str
    recipient: str
    asked_at: datetime.datetime
    round: int
    confirmed: int | None = None
    looked_back: int | None = None


class PartState(msgspec.Struct, frozen=True, array_like=True):
    """What decide keeps of a part between its rounds: ids and outcomes, no content.

    Every entry carries the round that made it and the round that ended it. So an act that is read
    again after a crash finds what stood before it, and gives the same bytes.
    """

    part_id: str
    part_key: str
    publisher: str
    event_id: str
    version: int
    order: int
    """Offset of the part's own record on its partition of parts.v1."""
    receipt_set_id: str
    event_type: str
    acts: tuple[str, ...] = ()
    """Ids of the acts that made rounds 1, 2, ... in that order."""
    told: tuple[Told, ...] = ()
    waiting: tuple[Waiting, ...] = ()
    releases: tuple[BreakGlass, ...] = ()
    retracted: int | None = None
    """The round in which the publisher took the statement back."""
    answers: tuple[Answered, ...] = ()
