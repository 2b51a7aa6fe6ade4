"""What the law may look at, drawn from a part and from one candidate. Pure; once a part.

Here is the border that the design draws: provenance, ethnicity, sex, names, tokens and the weight
are not taken over, so nothing behind this file can decide by them.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator

import msgspec

from broker.decide.corrections import corrected_type
from broker.decide.grounds import PART3, UK_GDPR
from broker.decide.handling import handling_of
from broker.model.fields import SUSPECT_ROLES, WELFARE_ROLES
from broker.model.reference import AREA_KINDS, Organisation, Reference, areas_of
from broker.model.types import (
    Answer,
    ConcernEvent,
    EventType,
    NexusKind,
    PartKind,
    PlaceKind,
    PlacePrecision,
    Subject,
)
from broker.model.values import Candidate, Linked

ADULT_AT = 18
CATEGORY_NOTES = ("single_indicator", "categories_differ")
POLICE = "police"
SCHEMES = frozenset({"3x5x2", "5x5x5", "ungraded"})
"""Gradings whose letters can be read; any other waits for a person (domain section 2)."""


class Recipient(msgspec.Struct, frozen=True):
    """What the law may know of a candidate."""

    role: str
    kind: str
    country: str
    capacity: tuple[str, ...]
    unsafe: bool
    """On the publisher's list of those who must not be told."""
    serves_placement: bool


class PartFacts(msgspec.Struct, frozen=True):
    """What the law may know of a part: the same for every candidate."""

    on: datetime.date
    event_type: str
    part: str
    publisher: Organisation | None
    handling: str
    conditions: tuple[str, ...]
    withheld_from: frozenset[str]
    placement_areas: frozenset[str]
    placed_away: bool
    cross_border: bool
    family_unsafe: bool
    """Not known to be safe that the family learns of it; unknown is never read as safe."""
    parents_unsafe: bool
    """Stated not to be safe."""
    child_unsafe: bool
    source_identifiable: bool
    grading_unlabelled: bool
    adult: bool
    at_a_distance: bool
    """A placement outside the area of those who place, and not beside it (reg 11(5))."""
    emergency_placement: bool
    missing_for_placement: tuple[str, ...]
    """What a placement at a distance lacks: `care_plan_missing`, `at_a_distance` (no approval)."""
    audiences: frozenset[str]
    present: tuple[str, ...]
    """Fields of the catalogue that the event holds for this part, in the catalogue's order."""
    equality: tuple[str, ...]
    """Equality fields that it holds; nobody receives them."""
    necessity_stated: bool
    """Of a request: it says why this child is asked about. Of an answer: the request did."""
    is_answer: bool
    regime: str = UK_GDPR
    """`part3` where police hold it for law enforcement (DPA 2018 Part 3), else `uk_gdpr`."""
    depersonalised: bool = False
    """A place and no person: what Crime and Disorder Act 1998 s.17A is about."""
    category_notes: tuple[str, ...] = ()
    """How the stated category is to be read: it rests on one indicator, or others state another."""

    @property
    def addressed_to(self) -> str | None:
        """The capacity that a request or an answer is for; None for every other statement."""
        if self.event_type == EventType.INFORMATION_REQUEST:
            return "asked"
        return "requester" if self.is_answer else None

    def recipient(self, candidate: Candidate, reference: Reference) -> Recipient:
        """The candidate as the law may see it."""
        organisation = reference.organisations.get(candidate.organisation)
        areas = organisation.areas if organisation else ()
        return Recipient(
            role=candidate.role,
            kind=candidate.kind,
            country=candidate.country,
            capacity=candidate.capacity,
            unsafe=candidate.organisation in self.withheld_from,
            serves_placement=not self.placement_areas.isdisjoint(areas),
        )


def part_facts(linked: Linked, reference: Reference) -> PartFacts:
    """The facts of one part, as of the day it was received."""
    part = linked.part
    event, subject, on = part.event, part.subject, part.received_at.date()
    homes = _organisations(subject, NexusKind.HOME, on, reference)
    placed_in = _organisations(subject, NexusKind.PLACED_IN, on, reference)
    touched = placed_in | _organisations(subject, NexusKind.FOUND_IN, on, reference)
    touched |= {reference.current_code(one) for one in areas_of(event.place)}
    told = subject.safe_to_tell if subject else None
    code, conditions = handling_of(event)
    publisher = reference.organisation(event.publisher, on)
    distant = _at_a_distance(event, subject, homes, placed_in, on, reference)
    return PartFacts(
        on=on,
        event_type=corrected_type(part),
        part=part.kind.value,
        publisher=publisher,
        handling=code,
        conditions=conditions,
        withheld_from=frozenset(subject.placement.withhold_from)
        if subject and subject.placement
        else frozenset(),
        placement_areas=placed_in,
        placed_away=bool(placed_in - homes),
        cross_border=bool(homes) and bool(touched - homes),
        family_unsafe=part.kind is PartKind.SUBJECT
        and (told is None or told.parents_or_carers is not Answer.YES),
        parents_unsafe=told is not None and told.parents_or_carers is Answer.NO,
        child_unsafe=told is not None and told.child is Answer.NO,
        source_identifiable=event.source_identifiable,
        grading_unlabelled=event.grading is not None and event.grading.scheme not in SCHEMES,
        adult=_is_adult(subject, on),
        at_a_distance=distant,
        emergency_placement=bool(subject and subject.placement and subject.placement.emergency),
        missing_for_placement=_missing_for_placement(subject) if distant else (),
        audiences=frozenset(one.audience.value for one in event.audience_texts),
        present=tuple(present_fields(linked)),
        equality=tuple(_equality_fields(subject)),
        necessity_stated=_necessity_stated(linked),
        is_answer=event.answers is not None,
        category_notes=tuple(one for one in CATEGORY_NOTES if one in linked.flags),
        regime=_regime(event, publisher),
        depersonalised=_depersonalised(event, part.kind),
    )


def present_fields(linked: Linked) -> Iterator[str]:
    """Fields of the catalogue that the event holds for this part."""
    event, subject = linked.part.event, linked.part.subject
    if subject is not None:
        yield from _fields_of_subject(subject)
    yield from ("event_type", "harms", "severity", "corroboration", "provenance")
    yield from ("source_reference", "publisher")
    optional = {
        "text": event.audience_texts,
        "when": event.when,
        "place": event.place,
        "group": event.group,
        "stated_category": event.stated_category,
        "others_state": event.stated_category and linked.other_categories,
        "source": event.source,
        "summary": event.summary,
        "grading": event.grading,
        "peer_links": _own_links(event, subject),
        "request": event.request,
        "answers": event.answers,
    }
    yield from (name for name, value in optional.items() if value)


def _fields_of_subject(subject: Subject) -> Iterator[str]:
    roles = {one.role.value for one in subject.roles}
    optional = {
        "given_name": subject.given_name,
        "family_name": subject.family_name,
        "date_of_birth": subject.date_of_birth,
        "identifiers": subject.identifiers,
        "address": subject.address,
        "injury": subject.injury,
        "roles_welfare": roles & WELFARE_ROLES,
        "safe_to_tell": subject.safe_to_tell,
        "roles_suspect": roles & SUSPECT_ROLES,
        "clinical_detail": subject.clinical_detail,
        "safety_plan": subject.safety_plan,
        "placement_notice": subject.placement,
        "placement_plan": subject.placement,
        "protective_factors": subject.protective_factors,
        "child_voice": subject.child_voice,
        "necessity": subject.necessity,
    }
    return (name for name, value in optional.items() if value)


def _own_links(event: ConcernEvent, subject: Subject | None) -> bool:
    """Whether a link of the event is one of this child's."""
    if subject is None:
        return False
    return any(subject.subject_ref in (one.from_ref, one.to_ref) for one in event.peer_links)


def _equality_fields(subject: Subject | None) -> Iterator[str]:
    if subject is not None and subject.ethnicity is not None:
        yield "ethnicity"
    if subject is not None and subject.sex != "U":
        yield "sex"


def _necessity_stated(linked: Linked) -> bool:
    """Why this child: in the request itself, or in the one that an answer answers."""
    event, subject = linked.part.event, linked.part.subject
    if event.event_type is EventType.INFORMATION_REQUEST:
        return bool(subject and (subject.necessity or "").strip())
    return event.answers is not None and bool(linked.requesters)


def _regime(event: ConcernEvent, publisher: Organisation | None) -> str:
    """Only a competent authority can hold something under Part 3 (DPA 2018 s.30)."""
    police = publisher is not None and publisher.kind == POLICE
    stated = event.lawful_basis is not None and event.lawful_basis.regime == PART3
    return PART3 if police and stated else UK_GDPR


def _depersonalised(event: ConcernEvent, part: PartKind) -> bool:
    """About a place that is nobody's home, with nobody in it and a source whom it does not show."""
    place = event.place
    return (
        part is PartKind.PLACE
        and place is not None
        and place.kind is not PlaceKind.HOME
        and place.precision is not PlacePrecision.ADDRESS
        and not event.subjects
        and not event.source_identifiable
    )


def _organisations(
    subject: Subject | None, kind: NexusKind, on: datetime.date, reference: Reference
) -> frozenset[str]:
    """Codes of the areas that facts of this kind name on that day."""
    if subject is None:
        return frozenset()
    return frozenset(
        code
        for fact in subject.nexus
        if fact.kind is kind
        and (fact.valid_from is None or fact.valid_from <= on)
        and (fact.valid_to is None or on <= fact.valid_to)
        and (code := reference.current_code(fact.organisation)) in reference.organisations
        and reference.organisations[code].kind in AREA_KINDS
    )


def _at_a_distance(
    event: ConcernEvent,
    subject: Subject | None,
    homes: frozenset[str],
    placed_in: frozenset[str],
    on: datetime.date,
    reference: Reference,
) -> bool:
    """Care Planning Regulations 2010, reg 11(5): outside the area, and not in an adjoining one."""
    if event.event_type is not EventType.PLACEMENT_OUT_OF_AREA:
        return False
    placing = _organisations(subject, NexusKind.PLACED_BY, on, reference) or homes
    near = placing.union(*(reference.neighbours(code, on) for code in placing))
    return bool(placing) and bool(placed_in - near)


def _missing_for_placement(subject: Subject | None) -> tuple[str, ...]:
    placement = subject.placement if subject else None
    missing = []
    if placement is None or not (placement.care_plan or "").strip():
        missing.append("care_plan_missing")
    if placement is None or not placement.dcs_approved:
        missing.append("at_a_distance")
    return tuple(missing)


def _is_adult(subject: Subject | None, on: datetime.date) -> bool:
    """Eighteen or over on that day, where the date of birth is known. Unknown is never read as adult."""
    born = subject.date_of_birth if subject else None
    if born is None:
        return False
    return (on.year - born.year, (on.month, on.day)) >= (ADULT_AT, (born.month, born.day))
