"""What is held about a person, for the controller who answers a request: with what may be exempt. Pure.

Each record names what kinds of things it holds, who was told and when. Of third parties it says how many
there are, and nothing else; no words of a statement are here, since they may name anybody: a person reads
them at the source. Exemptions are candidates for that person to judge, each with its provision and why
it may apply (Data Protection Act 2018, Schedules 2 and 3); none is decided here.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence

import msgspec

from broker.auditor.who_knew import REFUSED, Knew
from broker.model.types import Answer, ConcernEvent, HarmKind, Provenance, Severity, Subject

ABUSE = frozenset(
    {
        HarmKind.CHILD_SEXUAL_EXPLOITATION,
        HarmKind.CHILD_CRIMINAL_EXPLOITATION,
        HarmKind.PHYSICAL_ABUSE,
        HarmKind.EMOTIONAL_ABUSE,
        HarmKind.NEGLECT,
        HarmKind.DOMESTIC_ABUSE,
    }
)
CRIME = frozenset(
    {
        HarmKind.SERIOUS_VIOLENCE,
        HarmKind.WEAPON_THREAT,
        HarmKind.WEAPON_CARRYING,
        HarmKind.CHILD_CRIMINAL_EXPLOITATION,
        HarmKind.TRAFFICKING,
        HarmKind.ROBBERY,
        HarmKind.DRUG_SUPPLY,
    }
)
PERSONS = frozenset(
    {
        Provenance.PARENT,
        Provenance.CARER,
        Provenance.FAMILY_MEMBER,
        Provenance.CHILD,
        Provenance.COMMUNITY_MEMBER,
        Provenance.ANONYMOUS_PUBLIC,
    }
)
"""Sources that are private persons: who said it is itself data of a third party."""
NOT_LISTED = frozenset({"subjects", "event_id", "version", "publisher", "origin_id", "source"})
"""What is said elsewhere in a record, or of somebody else."""


class Exemption(msgspec.Struct, frozen=True):
    """An exemption that may apply: for a person to judge."""

    name: str
    provision: str
    why: str


class Told(msgspec.Struct, frozen=True):
    """Who was told of it, when, and what they answered."""

    recipient: str
    standing: str
    at: datetime.datetime
    acknowledged_at: datetime.datetime | None
    fields: tuple[str, ...]


class HeldRecord(msgspec.Struct, frozen=True):
    """One part of one event that is about the person."""

    event_id: str
    publisher: str
    part_id: str
    opened: bool
    """Whether its sealed facts could be read; else only what the log says is here."""
    event_type: str | None
    observed_at: datetime.datetime | None
    reported_at: datetime.datetime | None
    holds: tuple[str, ...]
    """Names of the fields that are filled, of the event and of the person in it."""
    third_parties: int
    """Other persons in the event. Nothing of them is here."""
    told: tuple[Told, ...]
    not_told: int
    exempt: tuple[Exemption, ...]


def held_record(
    decisions: Sequence[Knew], event: ConcernEvent | None, ref: str | None
) -> HeldRecord:
    """The record of one part from its decisions, and its event where that could be opened.

    `ref` names the person in the event; None for a place or a group.
    """
    first = decisions[0]
    subject = _subject(event, ref)
    others = 0 if event is None else sum(one.subject_ref != ref for one in event.subjects)
    return HeldRecord(
        event_id=first.event_id,
        publisher=first.publisher,
        part_id=first.part_id,
        opened=event is not None,
        event_type=event.event_type.value if event else None,
        observed_at=event.observed_at if event else None,
        reported_at=event.reported_at if event else None,
        holds=tuple(_holds(event, subject)),
        third_parties=others,
        told=tuple(
            Told(one.recipient, one.standing, one.decided_at, one.acknowledged_at, one.released)
            for one in decisions
            if one.message_id is not None
        ),
        not_told=sum(one.standing == REFUSED for one in decisions),
        exempt=tuple(_exempt(event, subject, others)),
    )


def _subject(event: ConcernEvent | None, ref: str | None) -> Subject | None:
    if event is None:
        return None
    return next((one for one in event.subjects if one.subject_ref == ref), None)


def _holds(event: ConcernEvent | None, subject: Subject | None) -> Iterator[str]:
    for held in (event, subject):
        if held is None:
            continue
        for name in held.__struct_fields__:
            if name not in NOT_LISTED and getattr(held, name) not in (None, (), ""):
                yield name


def _exempt(
    event: ConcernEvent | None, subject: Subject | None, others: int
) -> Iterator[Exemption]:
    if event is None:
        yield Exemption("not opened", "", "its facts cannot be read here: look at the source first")
        return
    yield from _third_parties(event, others)
    yield from _harm(event, subject)
    if abuse := sorted(one.value for one in ABUSE.intersection(event.harms)):
        yield Exemption(
            "child abuse data",
            "DPA 2018, Schedule 3, paragraph 21",
            f"{', '.join(abuse)}: withheld from who speaks for the child, where telling is not in the "
            "child's best interests",
        )
    crime = sorted(one.value for one in CRIME.intersection(event.harms))
    if crime or event.provenance is Provenance.POLICE:
        yield Exemption(
            "crime and taxation",
            "DPA 2018, Schedule 2, paragraph 2",
            f"{', '.join(crime) or 'police information'}: where telling would be likely to prejudice the "
            "prevention or detection of crime; ask the force, and mind that saying so may tell",
        )


def _third_parties(event: ConcernEvent, others: int) -> Iterator[Exemption]:
    why = []
    if others:
        why.append(f"{others} other persons are in it")
    if event.provenance in PERSONS or event.source is not None:
        why.append("a private person may be its source, and can be known by what was said")
    if event.summary or event.audience_texts or event.peer_links:
        why.append("its words or links may name others")
    if why:
        yield Exemption("rights of others", "DPA 2018, Schedule 2, paragraph 16", "; ".join(why))


def _harm(event: ConcernEvent, subject: Subject | None) -> Iterator[Exemption]:
    safe = subject.safe_to_tell if subject else None
    unsafe = [
        who
        for who, answer in (
            ("the child", safe.child if safe else None),
            ("parents or carers", safe.parents_or_carers if safe else None),
        )
        if answer is Answer.NO
    ]
    if unsafe or event.severity is Severity.IMMEDIATE:
        said = f"stated as unsafe to tell: {', '.join(unsafe)}" if unsafe else "an immediate threat"
        yield Exemption(
            "serious harm",
            "DPA 2018, Schedule 3, Parts 2 and 3",
            f"{said}: where telling would be likely to cause serious harm to anybody's health",
        )
    if subject is not None and subject.child_voice is not None:
        yield Exemption(
            "expectations and wishes",
            "DPA 2018, Schedule 3",
            "the child said something, perhaps in the expectation that it is not passed on",
        )
