"""Who was told what, who was not, why and when: from the published leaves alone.

Pure. Leaves hold ids, codes and times, and no person's identity, so no answer can hold one. A child's
token is in no leaf either: the id of a part stands for it here. "Told" means that an alert was
recorded for sending; the broker sends nothing that was not recorded before.
"""

from __future__ import annotations

import datetime
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from broker.auditor.recorded import (
    Recorded,
    RecordedDecision,
    RecordedIntake,
    RecordedPart,
    RecordedWeight,
)

ANSWERS = frozenset({"acknowledge", "consider", "act", "no_further_action"})
FATE_MODE = "FATE"
"""Mode of the leaf by which a publisher learns what an organisation did with its statement."""
MANUAL = "manual"
"""Channel of an organisation without a connection: who passed an alert on answers for it."""
TOLD, WITHDRAWN, FATE, NOTICE, WAITS, SETTLED, REFUSED = (
    "told",
    "told and later withdrawn",
    "told what came of it",
    "told that it is withdrawn",
    "waits for a person",
    "waited and was decided later",
    "not told",
)
STANDINGS = (TOLD, WITHDRAWN, FATE, NOTICE, WAITS, SETTLED, REFUSED)
"""What can have come of one decision; each has exactly one."""


class Question(msgspec.Struct, frozen=True):
    """What is asked; what is None does not narrow it."""

    event_id: str | None = None
    part_id: str | None = None
    recipient: str | None = None
    """Organisation, or organisation and role: `SCH-WV-001` or `SCH-WV-001:school`."""
    agreement: str | None = None
    """Agreement, or agreement and clause: decisions whose clauses or reasons name it."""
    outcome: str | None = None
    """`PERMIT`, `DENY` or `REVIEW`."""
    set_ids: frozenset[str] | None = None
    """Only these decision sets: those of one subject, once somebody with its key has found them."""
    since: datetime.datetime | None = None
    """Decided then or later."""
    until: datetime.datetime | None = None
    """Decided before then."""


class Answer(msgspec.Struct, frozen=True):
    """What an organisation said that it did with an alert or a withdrawal."""

    kind: str
    organisation: str
    at: datetime.datetime
    plan: bool = False
    """Whether it went into a plan or an assessment."""


class Withdrawn(msgspec.Struct, frozen=True):
    """When and why an alert was taken back, and in which round."""

    at: datetime.datetime
    round: int
    reasons: tuple[str, ...]


class Knew(msgspec.Struct, frozen=True):
    """One decision for one recipient, and what came of it as the ledger stands."""

    publisher: str
    event_id: str
    version: int
    part_id: str
    round: int
    decided_at: datetime.datetime
    recipient: str
    organisation: str
    role: str
    capacity: tuple[str, ...]
    outcome: str
    mode: str | None
    standing: str
    """One of STANDINGS."""
    reasons: tuple[str, ...]
    clauses: tuple[str, ...]
    released: tuple[str, ...]
    withheld: tuple[tuple[str, str], ...]
    """(field, reason)."""
    obligations: tuple[str, ...]
    weight: RecordedWeight
    channel: str | None
    message_id: str | None
    due: datetime.datetime | None
    """When it must be acknowledged, or a person must have looked."""
    acknowledged_at: datetime.datetime | None
    """First answer of the recipient's own organisation."""
    answers: tuple[Answer, ...]
    """Every answer, of whomever."""
    withdrawn: Withdrawn | None
    flags: tuple[str, ...]
    policy_bundle: str
    log: str
    entry: int
    """Index of its leaf in that log."""


Identity = tuple[str, str, int, str]
_Round = tuple[RecordedPart, RecordedDecision]


def who_knew(recorded: Recorded, asked: Question) -> tuple[Knew, ...]:
    """Every decision that the question is about, by time, event, part, round and place in the set.

    The range picks decisions; what came of them later is told as the ledger stands.
    """
    answers = _answers(recorded.intake)
    rounds = _rounds(recorded.parts)
    found = [
        _knew(part, one, answers, rounds[_identity(part), one.recipient])
        for part in recorded.parts
        if _of_part(part, asked)
        for one in part.decisions
        if _of_decision(one, asked)
    ]
    return tuple(sorted(found, key=in_order))


def standings(found: Iterable[Knew]) -> Mapping[str, int]:
    """How many of each standing, in the order of STANDINGS: they add up to the decisions found."""
    counted = Counter(one.standing for one in found)
    return {name: counted[name] for name in STANDINGS if counted[name]}


def _of_part(part: RecordedPart, asked: Question) -> bool:
    closing = part.closing
    decided_at = moment(closing.decided_at)
    return (
        asked.event_id in (None, closing.event_id)
        and asked.part_id in (None, closing.part_id)
        and (asked.set_ids is None or closing.set_id in asked.set_ids)
        and (asked.since is None or decided_at >= asked.since)
        and (asked.until is None or decided_at < asked.until)
    )


def _of_decision(one: RecordedDecision, asked: Question) -> bool:
    recipient = asked.recipient in (None, one.organisation, one.recipient)
    outcome = asked.outcome in (None, one.outcome)
    return recipient and outcome and (asked.agreement is None or _names(one, asked.agreement))


def _names(one: RecordedDecision, agreement: str) -> bool:
    """True if a clause of that agreement shows something, or is a reason for what was decided."""
    named = (*one.clauses, *one.reasons, *(reason for _, reason in one.withheld))
    return any(name == agreement or name.startswith(f"{agreement}/") for name in named)


def _identity(part: RecordedPart) -> Identity:
    return (*part.statement, part.closing.part_id)


def _rounds(parts: Iterable[RecordedPart]) -> Mapping[tuple[Identity, str], Sequence[_Round]]:
    """All that was decided on one part for one recipient, round by round."""
    rounds: defaultdict[tuple[Identity, str], list[_Round]] = defaultdict(list)
    for part in sorted(parts, key=lambda one: one.closing.round):
        for one in part.decisions:
            rounds[_identity(part), one.recipient].append((part, one))
    return rounds


def _answers(intake: Iterable[RecordedIntake]) -> Mapping[str, Sequence[RecordedIntake]]:
    """Message id -> its answers, first one first."""
    answers: defaultdict[str, list[RecordedIntake]] = defaultdict(list)
    for one in sorted(intake, key=lambda one: one.received_at):
        if one.kind == "action" and one.action in ANSWERS and one.alert_id:
            answers[one.alert_id].append(one)
    return answers


def _knew(
    part: RecordedPart,
    one: RecordedDecision,
    answers: Mapping[str, Sequence[RecordedIntake]],
    rounds: Sequence[_Round],
) -> Knew:
    closing = part.closing
    later = [other for other in rounds if other[0].closing.round > closing.round]
    withdrawn = _withdrawn(later) if _told(one) else None
    given = tuple(
        Answer(answer.action or "", answer.publisher, moment(answer.received_at), bool(answer.plan))
        for answer in answers.get(one.message_id or "", ())
    )
    own = (answer.at for answer in given if _speaks_for(answer, one))
    return Knew(
        publisher=closing.publisher,
        event_id=closing.event_id,
        version=closing.version,
        part_id=closing.part_id,
        round=closing.round,
        decided_at=moment(closing.decided_at),
        recipient=one.recipient,
        organisation=one.organisation,
        role=one.role,
        capacity=one.capacity,
        outcome=one.outcome,
        mode=one.mode,
        standing=_standing(one, withdrawn, settled=bool(later)),
        reasons=one.reasons,
        clauses=one.clauses,
        released=one.released,
        withheld=one.withheld,
        obligations=one.obligations,
        weight=one.weight,
        channel=one.channel,
        message_id=one.message_id,
        due=None if one.due is None else moment(one.due),
        acknowledged_at=next(own, None),
        answers=given,
        withdrawn=withdrawn,
        flags=closing.flags,
        policy_bundle=closing.policy_bundle,
        log=part.shard,
        entry=part.first + one.n,
    )


def _told(one: RecordedDecision) -> bool:
    return one.outcome == "PERMIT" and one.message_id is not None


def _takes_back(one: RecordedDecision) -> bool:
    """A refusal that is sent is a withdrawal of what was sent before."""
    return one.outcome == "DENY" and one.message_id is not None


def _withdrawn(later: Iterable[_Round]) -> Withdrawn | None:
    """The first later round that takes it back."""
    for part, one in later:
        if _takes_back(one):
            closing = part.closing
            return Withdrawn(moment(closing.decided_at), closing.round, one.reasons)
    return None


def _speaks_for(answer: Answer, one: RecordedDecision) -> bool:
    return answer.organisation == one.organisation or one.channel == MANUAL


def _standing(one: RecordedDecision, withdrawn: Withdrawn | None, *, settled: bool) -> str:
    if _told(one):
        return TOLD if withdrawn is None else WITHDRAWN
    if _takes_back(one):
        return NOTICE
    if one.mode == FATE_MODE:
        return FATE
    if one.outcome == "REVIEW":
        return SETTLED if settled else WAITS
    return REFUSED


def in_order(one: Knew) -> tuple[datetime.datetime, str, str, str, int, str, int]:
    """By time, event, part, round and place: no two decisions of a ledger are equal in it."""
    return (
        one.decided_at,
        one.publisher,
        one.event_id,
        one.part_id,
        one.round,
        one.log,
        one.entry,
    )


def moment(milliseconds: int) -> datetime.datetime:
    """UTC, of milliseconds since 1970."""
    return datetime.datetime.fromtimestamp(milliseconds / 1000, datetime.UTC)
