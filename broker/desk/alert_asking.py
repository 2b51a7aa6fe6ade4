"""Asking for more: a request for information to whoever published an alert, where that can be known.

Pure. A request must name the child as its publisher can find it and say why; without a number that both
know, or where the publisher is withheld, the broker's duty desk passes the question on by telephone.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

import msgspec

from broker.client.opening import OpenedAlert
from broker.desk.answers import MOST_WORDS, AnsweredError, Written
from broker.model.fields import AUDIENCE_OF_KIND
from broker.model.reference import Organisation
from broker.model.types import (
    AudienceText,
    ConcernEvent,
    Directness,
    EventType,
    Handling,
    Identifier,
    IdentifierScheme,
    InformationRequest,
    Provenance,
    Severity,
    Specificity,
    Subject,
)

NUMBERS = frozenset(one.value for one in IdentifierScheme)
CAN_ASK: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "safety": ("What is done to keep the child safe", ("safety_plan",)),
    "voice": ("What the child says, and strengths", ("child_voice", "protective_factors")),
    "links": ("Whom the child spends time with", ("peer_links",)),
    "what": ("More of what happened", ("text", "harms", "injury")),
    "where": ("When and where", ("when", "place")),
    "address": ("Where the child lives", ("address",)),
    "telling": ("Whether it is safe to tell the family", ("safe_to_tell",)),
}
"""What can be asked for -> its words, and the fields that are wanted."""
VOICES: Mapping[str, Provenance] = {
    "authority": Provenance.SOCIAL_CARE,
    "council": Provenance.SOCIAL_CARE,
    "police": Provenance.POLICE,
    "icb": Provenance.HEALTH,
    "health_provider": Provenance.HEALTH,
    "school": Provenance.EDUCATION,
    "charity": Provenance.CHARITY,
    "advocate": Provenance.CHARITY,
}


def whom_to_ask(
    alert: OpenedAlert, organisations: Mapping[str, Organisation]
) -> Organisation | None:
    """Who published the alert, if that and a number of the child were released; else nobody."""
    publisher = organisations.get(str(alert.released.get("publisher", "")))
    return publisher if publisher is not None and _numbers(alert) else None


def errors_in_request(written: Written) -> dict[str, str]:
    """Field -> what to do about it; empty where the request can be sent."""
    found = {}
    for name, value, empty in (
        ("purpose", written.purpose, "Say what you need it for"),
        ("necessity", written.necessity, "Say why you must ask about this child"),
    ):
        if not value:
            found[name] = empty
        elif len(value) > MOST_WORDS:
            found[name] = f"Say it in {MOST_WORDS:,} characters or fewer"
    if not set(written.wanted) & set(CAN_ASK):
        found["wanted"] = "Choose what you ask for"
    if written.severity not in [one.value for one in Severity]:
        found["severity"] = "Choose how soon you need it"
    return found


def request_of(
    alert: OpenedAlert,
    asked: Organisation,
    asking: Organisation,
    event_id: str,
    written: Written,
    at: datetime.datetime,
) -> ConcernEvent:
    """The request that a form says, to be signed by the organisation that asks. Raises AnsweredError."""
    errors = errors_in_request(written)
    if errors:
        raise AnsweredError(errors)
    audience = AUDIENCE_OF_KIND.get(asked.kind)
    text = f"{written.purpose}\n{written.necessity}"
    return ConcernEvent(
        event_id=event_id,
        event_type=EventType.INFORMATION_REQUEST,
        publisher=asking.code,
        observed_at=at,
        reported_at=at,
        subjects=(_subject(alert, written.necessity),),
        summary=text,
        audience_texts=(AudienceText(audience=audience, text=text),) if audience else (),
        severity=Severity(written.severity),
        handling=Handling(code="P"),
        provenance=VOICES.get(asking.kind, Provenance.OTHER_STATUTORY),
        directness=Directness.DIRECT,
        specificity=Specificity.SPECIFIC,
        origin_id=event_id,
        request=InformationRequest(
            asked_of=asked.code,
            purpose=written.purpose,
            wanted=tuple(
                dict.fromkeys(
                    field for one in written.wanted if one in CAN_ASK for field in CAN_ASK[one][1]
                )
            ),
        ),
    )


def _subject(alert: OpenedAlert, necessity: str) -> Subject:
    """The child as the alert names it, and no more."""
    released = alert.released
    born = released.get("date_of_birth")
    return Subject(
        subject_ref="child-1",
        identifiers=tuple(msgspec.convert(one, Identifier) for one in _numbers(alert)),
        given_name=released.get("given_name"),
        family_name=released.get("family_name"),
        date_of_birth=datetime.date.fromisoformat(born) if born else None,
        necessity=necessity,
    )


def _numbers(alert: OpenedAlert) -> list[dict[str, Any]]:
    return [one for one in alert.released.get("identifiers", ()) if one["scheme"] in NUMBERS]
