"""What it says: consistency with the envelope, check digits, codes and age.

A failed check digit sets the identifier aside and flags the event, which goes on: a mistyped number
must not keep a warning from those who need it. Late is normal and never a reason to refuse.
"""

from __future__ import annotations

import datetime
import re

import msgspec

from broker.model.commitments import commitment_root
from broker.model.identifiers import is_sound
from broker.model.reference import Reference, areas_of
from broker.model.types import (
    Action,
    ConcernEvent,
    Envelope,
    EventType,
    NexusFact,
    Subject,
)
from broker.model.values import Rejection
from broker.verify.corrections import check_correction
from broker.verify.places import check_place
from broker.verify.requests import check_request

UNKNOWN_ORGANISATION = "unknown_organisation"
"""A refusal where nothing else says whom it concerns; else a flag, and the connection is set aside."""
CHECK_DIGIT_FAILED = "check_digit_failed"
MAX_AHEAD = datetime.timedelta(minutes=15)
"""How far a report may claim to be ahead of Kafka's clock before it is refused."""
MAX_ID_LENGTH = 128
SOUND_ID = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._:/-]{{0,{MAX_ID_LENGTH - 1}}}")
MAX_SUBJECTS = 200
"""Subjects, or derived-from ids, of one event."""
COUNTRY_PREFIXES = ("E", "W", "S")
GSS_LENGTH = 9


def check_event(
    event: ConcernEvent,
    envelope: Envelope | None,
    root: bytes,
    received_at: datetime.datetime,
    reference: Reference,
) -> tuple[ConcernEvent, tuple[str, ...]] | Rejection:
    """The event with bad identifiers set aside, and flags; or why it is refused.

    `envelope` is None for an unsigned event (`broker decide`), which is flagged so; `root` is what the
    content commits to, computed anew.
    """
    refusal = (
        (envelope and _matches_envelope(event, envelope))
        or _within_bounds(event)
        or (envelope and _commits(event, envelope, root))
        or _has_matter(event)
        or check_correction(event)
        or check_request(event, reference)
        or _known_codes(event, reference)
        or check_place(event, received_at.date(), reference)
        or _not_ahead(event.reported_at, received_at, event.event_id)
    )
    if refusal:
        return refusal
    kept, failed = _with_sound_identifiers(event)
    known = _with_known_nexus(kept, reference)
    flags = ["unsigned"] if envelope is None else []
    if failed:
        flags.append(CHECK_DIGIT_FAILED)
    if known is not kept:
        flags.append(UNKNOWN_ORGANISATION)
    return _with_current_codes(known, reference), tuple(flags)


NEED_REASON = frozenset(
    {
        *("review", "release", "withdraw", "look_back", "erase", "consult"),
        *("consider", "no_further_action"),
    }
)
"""Acts that somebody may have to account for in words."""


def check_action(
    action: Action, envelope: Envelope | None, seed: bytes, received_at: datetime.datetime
) -> Rejection | None:
    """None if the act belongs to its envelope, names what it acts on, and gives a reason if needed."""
    if envelope is not None:
        if (action.action_id, action.organisation) != (envelope.event_id, envelope.publisher):
            return _mismatch(action.action_id)
        if commitment_root(action, seed) != envelope.commitment_root:
            return _uncommitted(action.action_id)
    optional = (
        *(action.alert_id, action.event_id, action.part_id, action.event_publisher),
        *(action.recipient, action.confirms, action.verdict, action.subject, *action.fields),
        action.plan,
    )
    named = (action.action_id, action.actor, *(one for one in optional if one is not None))
    if not _are_sound(*named) or len(action.fields) > MAX_SUBJECTS:
        return _unsound()
    if not (action.alert_id or action.event_id or action.subject or _asks(action)):
        return Rejection(
            "action_without_object",
            "the action names neither an alert nor an event: say what it acts on",
            action.action_id,
        )
    if action.kind.value in NEED_REASON and not (action.reason or "").strip():
        return Rejection(
            "action_without_reason",
            f"a {action.kind.value} needs a written reason: add it",
            action.action_id,
        )
    return _not_ahead(action.acted_at, received_at, action.action_id)


def _asks(action: Action) -> bool:
    """A request for what is held about a person, or a look at it that names the request."""
    return bool(action.asked_about) or (action.kind.value == "consult" and bool(action.confirms))


def _matches_envelope(event: ConcernEvent, envelope: Envelope) -> Rejection | None:
    if (event.event_id, event.publisher) != (envelope.event_id, envelope.publisher):
        return _mismatch(envelope.event_id)
    return None


def _commits(event: ConcernEvent, envelope: Envelope, root: bytes) -> Rejection | None:
    return None if root == envelope.commitment_root else _uncommitted(event.event_id)


def _mismatch(statement_id: str) -> Rejection:
    return Rejection(
        "envelope_mismatch",
        "publisher or id inside differ from those on the envelope: they must be the same",
        statement_id,
    )


def _uncommitted(statement_id: str) -> Rejection:
    return Rejection(
        "commitment_mismatch",
        "the signed commitment does not fit the content: compute it over the final content",
        statement_id,
    )


def _are_sound(*ids: str) -> bool:
    """Ids are read by people, at terminals and in spreadsheets: nothing in them may act there."""
    return all(SOUND_ID.fullmatch(one) for one in ids)


def _unsound() -> Rejection:
    return Rejection(
        "not_valid",
        f"an id or a reference is empty, longer than {MAX_ID_LENGTH} characters, or holds other than "
        "letters, digits and . _ : / -: use UUIDs",
    )


def _within_bounds(event: ConcernEvent) -> Rejection | None:
    """Ids go into leaves and subjects into parts, so both have bounds; each subject is named once."""
    references = [subject.subject_ref for subject in event.subjects]
    optional = (event.relates_to, event.answers)
    ids = (event.event_id, event.origin_id, *references, *event.derived_from)
    if not _are_sound(*ids, *(one for one in optional if one is not None)):
        return _unsound()
    if len(references) != len(set(references)):
        return Rejection(
            "not_valid",
            "two subjects have the same subject_ref: give each child of the event its own",
            event.event_id,
        )
    if len(references) > MAX_SUBJECTS or len(event.derived_from) > MAX_SUBJECTS:
        return Rejection(
            "not_valid",
            f"more than {MAX_SUBJECTS} subjects or sources: publish several events",
            event.event_id,
        )
    return None


def _has_matter(event: ConcernEvent) -> Rejection | None:
    if event.subjects or event.place is not None or event.group is not None:
        return None
    if event.event_type is EventType.RETRACTION:
        return None  # it takes back a whole statement: whom that was about is known
    return Rejection(
        "no_subject_and_no_place",
        "the event names no child, no place and no group: say what it is about",
        event.event_id,
    )


def _known_codes(event: ConcernEvent, reference: Reference) -> Rejection | None:
    stated = [
        ("place.la_gss" if event.place and one == event.place.la_gss else "place.also_gss", one)
        for one in areas_of(event.place)
    ]
    for index, subject in enumerate(event.subjects):
        nexus = [
            (f"subjects[{index}].nexus[{position}].organisation", fact.organisation)
            for position, fact in enumerate(subject.nexus)
        ]
        # One code that nobody knows stops a warning only where no other says whom it concerns.
        if not stated and not any(_is_known(code, reference) for _, code in nexus):
            stated.extend(nexus)
    for where, code in stated:
        if _is_known(code, reference):
            continue
        if _looks_like_gss(code):
            return Rejection(
                "invalid_gss_code",
                f"{where}: no authority or force has that code: look it up in "
                "schemas/codesets/authorities.csv",
                event.event_id,
            )
        return Rejection(
            UNKNOWN_ORGANISATION,
            f"{where}: the register has no organisation with that code: "
            "use a code of policies/organisations/",
            event.event_id,
        )
    return None


def _is_known(code: str, reference: Reference) -> bool:
    return reference.current_code(code) in reference.organisations


def _with_known_nexus(event: ConcernEvent, reference: Reference) -> ConcernEvent:
    """The event without connections to organisations that the register does not have."""
    if all(
        _is_known(fact.organisation, reference)
        for subject in event.subjects
        for fact in subject.nexus
    ):
        return event
    subjects = tuple(
        msgspec.structs.replace(
            one,
            nexus=tuple(fact for fact in one.nexus if _is_known(fact.organisation, reference)),
        )
        for one in event.subjects
    )
    return msgspec.structs.replace(event, subjects=subjects)


def _looks_like_gss(code: str) -> bool:
    return len(code) == GSS_LENGTH and code[0] in COUNTRY_PREFIXES and code[1:].isdigit()


def _not_ahead(
    stated: datetime.datetime, received_at: datetime.datetime, statement_id: str
) -> Rejection | None:
    if stated <= received_at + MAX_AHEAD:
        return None
    return Rejection(
        "from_the_future",
        "the report is dated after it was received: check the sending system's clock and time zone",
        statement_id,
    )


def _with_sound_identifiers(event: ConcernEvent) -> tuple[ConcernEvent, bool]:
    """The event without identifiers whose check digit fails, and whether any did."""
    subjects = tuple(
        msgspec.structs.replace(
            subject, identifiers=tuple(one for one in subject.identifiers if is_sound(one))
        )
        for subject in event.subjects
    )
    failed = any(
        len(kept.identifiers) != len(stated.identifiers)
        for kept, stated in zip(subjects, event.subjects, strict=True)
    )
    return (msgspec.structs.replace(event, subjects=subjects) if failed else event), failed


def _with_current_codes(event: ConcernEvent, reference: Reference) -> ConcernEvent:
    """Old GSS codes are accepted and replaced: what goes out names the code in force."""
    place = event.place
    if place is not None and any(one in reference.successors for one in areas_of(place)):
        place = msgspec.structs.replace(
            place,
            la_gss=place.la_gss and reference.current_code(place.la_gss),
            also_gss=tuple(reference.current_code(one) for one in place.also_gss),
        )
    if event.request is not None and event.request.asked_of in reference.successors:
        asked = reference.current_code(event.request.asked_of)
        event = msgspec.structs.replace(
            event, request=msgspec.structs.replace(event.request, asked_of=asked)
        )
    if place is event.place and not any(
        fact.organisation in reference.successors
        for subject in event.subjects
        for fact in subject.nexus
    ):
        return event
    subjects = tuple(_current_subject(subject, reference) for subject in event.subjects)
    return msgspec.structs.replace(event, place=place, subjects=subjects)


def _current_subject(subject: Subject, reference: Reference) -> Subject:
    nexus: tuple[NexusFact, ...] = tuple(
        msgspec.structs.replace(fact, organisation=reference.current_code(fact.organisation))
        for fact in subject.nexus
    )
    return msgspec.structs.replace(subject, nexus=nexus)
