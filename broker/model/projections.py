"""Everything that a recipient can ever be shown of a statement and that is the publisher's own word.

One name for each value, as stated and in each milder form: the publisher commits to all of them, redaction
takes its values from here and from nowhere else, and a recipient's client looks here for what a released
field can be. The names are a fixed list and what is absent is null, so that a list of commitments is
always equally long and says nothing. What mixes in what the broker knows is not here: it is DERIVED.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import msgspec

from broker.model.fields import AUDIENCE_OF_KIND, SUSPECT_ROLES, WELFARE_ROLES
from broker.model.identifiers import is_sound
from broker.model.types import (
    Audience,
    ConcernEvent,
    Identifier,
    IdentifierScheme,
    Placement,
    Provenance,
    Subject,
)

AS_STATED, GENERALISED, PSEUDONYMISED, AUDIENCE_TEXT, DERIVED = (
    "as_stated",
    "generalised",
    "pseudonymised",
    "audience_text",
    "derived_by_broker",
)
"""What an alert says was done to a field."""
DERIVED_FIELDS = frozenset({"corroboration", "existence", "source_reference", "others_state"})
"""Made by the broker: not a statement of the publisher, and never shown as one."""
PAIRWISE = "pairwise"
"""Scheme of the pseudonym that the broker makes for one recipient, in place of a child's numbers."""
AREAS_STATED = "areas_as_stated"
"""In a place whose area codes the broker brought up to date: the codes that the publisher wrote."""
SEE_LOCAL_IDS = frozenset({"authority", "police", "icb", "health_provider"})
"""Kinds that see numbers of other agencies' systems: a custody or police number tells a school too much."""
FAMILY_OR_COMMUNITY = frozenset(
    {
        Provenance.PARENT,
        Provenance.CARER,
        Provenance.FAMILY_MEMBER,
        Provenance.CHILD,
        Provenance.COMMUNITY_MEMBER,
        Provenance.ANONYMOUS_PUBLIC,
    }
)


def plain(value: msgspec.Struct | None) -> dict[str, Any] | None:
    """JSON-ready, without what is not stated; None for None."""
    if value is None:
        return None
    whole: dict[str, Any] = msgspec.to_builtins(value)
    return {name: one for name, one in whole.items() if one is not None and one != []}


def _when_generalised(event: ConcernEvent) -> dict[str, str] | None:
    return None if event.when is None else {"date": event.when.start.date().isoformat()}


def _place_generalised(event: ConcernEvent) -> dict[str, Any] | None:
    place = event.place
    if place is None:
        return None
    areas = {"la_gss": place.la_gss, "also_gss": list(place.also_gss)}
    return {"precision": "la", "kind": place.kind.value} | {
        name: one for name, one in areas.items() if one
    }


def _provenance_generalised(event: ConcernEvent) -> str:
    """So broad that it points to nobody (domain section 9)."""
    return "family_or_community" if event.provenance in FAMILY_OR_COMMUNITY else "professional"


def _grading(event: ConcernEvent) -> dict[str, Any] | None:
    """As received; the free text in which a doubt is argued may point to the source and stays."""
    stated = plain(event.grading)
    if stated is None:
        return None
    return {name: one for name, one in stated.items() if not name.startswith("doubt_")}


def _request(event: ConcernEvent) -> dict[str, Any] | None:
    """Who asks, what for and for which fields. The one that asks is named: it is no source."""
    if event.request is None:
        return None
    return {
        "requested_by": event.publisher,
        "request_id": event.event_id,
        "purpose": event.request.purpose,
        "wanted": list(event.request.wanted),
    }


def _text(audience: Audience) -> Callable[[ConcernEvent], str | None]:
    """Only the words that the publisher made fit for this audience."""
    return lambda event: next(
        (one.text for one in event.audience_texts if one.audience is audience), None
    )


EVENT_PROJECTIONS: Mapping[str, Callable[[ConcernEvent], Any]] = {
    "answers": lambda event: event.answers,
    "event_type": lambda event: event.event_type.value,
    "grading": _grading,
    "group": lambda event: plain(event.group),
    "harms": lambda event: [one.value for one in event.harms],
    "place": lambda event: plain(event.place),
    "place/generalised": _place_generalised,
    "provenance": lambda event: event.provenance.value,
    "provenance/generalised": _provenance_generalised,
    "publisher": lambda event: event.publisher,
    "request": _request,
    "severity": lambda event: event.severity.value,
    "stated_category": lambda event: plain(event.stated_category),
    **{f"text/{one.value}": _text(one) for one in sorted(Audience)},
    "when": lambda event: plain(event.when),
    "when/generalised": _when_generalised,
    # Committed to and never shown: with it the root holds the statement to its last word.
    "whole": lambda event: event,
}
"""Name -> what it is, of a whole statement. In the order of the names."""


def _identifiers(subject: Subject) -> list[dict[str, Any] | None]:
    return [plain(one) for one in subject.identifiers if is_sound(one)]


def _numbers(subject: Subject) -> list[dict[str, Any] | None]:
    """Without numbers of other agencies' systems, for all but SEE_LOCAL_IDS."""
    return [plain(one) for one in subject.identifiers if _is_number(one) and is_sound(one)]


def _is_number(identifier: Identifier) -> bool:
    return identifier.scheme is not IdentifierScheme.LOCAL


def _roles(wanted: frozenset[str]) -> Callable[[Subject], list[dict[str, Any] | None]]:
    return lambda subject: [plain(one) for one in subject.roles if one.role.value in wanted]


def _placement(*names: str) -> Callable[[Subject], dict[str, Any]]:
    def shown(subject: Subject) -> dict[str, Any]:
        placement: Placement | None = subject.placement
        stated = plain(placement) or {}
        return {name: stated[name] for name in names if name in stated}

    return shown


SUBJECT_PROJECTIONS: Mapping[str, Callable[[Subject], Any]] = {
    "address": lambda subject: subject.address,
    "child_voice": lambda subject: plain(subject.child_voice),
    "clinical_detail": lambda subject: subject.clinical_detail,
    "date_of_birth": lambda subject: msgspec.to_builtins(subject.date_of_birth),
    "family_name": lambda subject: subject.family_name,
    "given_name": lambda subject: subject.given_name,
    "identifiers": _identifiers,
    "identifiers/numbers": _numbers,
    "injury": lambda subject: subject.injury,
    "necessity": lambda subject: subject.necessity,
    # The notice of a placement (reg 13(2)), and its plan (reg 13(4)): assessment of needs, reasons,
    # care plan. Who must not be told is in neither.
    "placement_notice": _placement("started_on", "emergency"),
    "placement_plan": _placement("assessment_of_needs", "reasons", "care_plan", "dcs_approved"),
    "protective_factors": lambda subject: list(subject.protective_factors),
    "roles_suspect": _roles(SUSPECT_ROLES),
    "roles_welfare": _roles(WELFARE_ROLES),
    "safe_to_tell": lambda subject: plain(subject.safe_to_tell),
    "safety_plan": lambda subject: subject.safety_plan,
}
"""Name -> what it is, of one child. `peer_links` is beside them: it needs the statement too."""


def peer_links(event: ConcernEvent, subject: Subject) -> list[dict[str, Any]]:
    """Links of this child; the other young people are numbered, never named."""
    if not event.peer_links:
        return []
    own = subject.subject_ref
    links = [one for one in event.peer_links if own in (one.from_ref, one.to_ref)]
    others = sorted({ref for one in links for ref in (one.from_ref, one.to_ref)} - {own})
    names = {own: "this child"} | {ref: f"young person {n}" for n, ref in enumerate(others, 1)}
    return [
        (plain(one) or {}) | {"from_ref": names[one.from_ref], "to_ref": names[one.to_ref]}
        for one in links
    ]


EVENT_NAMES: tuple[str, ...] = tuple(EVENT_PROJECTIONS)
SUBJECT_NAMES: tuple[str, ...] = tuple(sorted({*SUBJECT_PROJECTIONS, "peer_links"}))
NEVER_SHOWN = "whole"
CAN_LEAVE: frozenset[str] = DERIVED_FIELDS | {
    name.partition("/")[0] for name in (*EVENT_NAMES, *SUBJECT_NAMES) if name != NEVER_SHOWN
}
"""Fields of which anything can be shown. `source` and `summary` are not here, and must never be."""


def event_values(event: ConcernEvent) -> tuple[Any, ...]:
    """The statement's own values, in the order of EVENT_NAMES."""
    return tuple([build(event) for build in EVENT_PROJECTIONS.values()])


def subject_values(event: ConcernEvent, subject: Subject) -> tuple[Any, ...]:
    """The child's values, in the order of SUBJECT_NAMES."""
    values = {name: build(subject) for name, build in SUBJECT_PROJECTIONS.items()}
    values["peer_links"] = peer_links(event, subject)
    return tuple([values[name] for name in SUBJECT_NAMES])


def projection(name: str, event: ConcernEvent, subject: Subject | None) -> Any:
    """One value by its name. Raises ValueError for a child's where the part is not about one."""
    if name in EVENT_PROJECTIONS:
        return EVENT_PROJECTIONS[name](event)
    if subject is None:
        raise ValueError("a field about a child was released for a part that is not about one")
    if name == "peer_links":
        return peer_links(event, subject)
    return SUBJECT_PROJECTIONS[name](subject)


@cache
def name_for(field: str, transform: str, kind: str) -> str | None:
    """The projection that a recipient of `kind` gets of a field that a clause releases by `transform`.

    `transform` is a clause's: `as_stated`, `generalise`, `pseudonymise` or `audience_text`. None for
    what the broker makes itself. A name that is no projection is of a field that can never leave.
    """
    if field in DERIVED_FIELDS or (field == "identifiers" and transform == "pseudonymise"):
        return None
    if field == "text":
        return f"text/{AUDIENCE_OF_KIND[kind].value}"
    if field == "identifiers" and kind not in SEE_LOCAL_IDS:
        return "identifiers/numbers"
    return f"{field}/generalised" if transform == "generalise" else field


def names_of(field: str, transform: str) -> tuple[str, ...]:
    """The projections that a released field can be; none where no such thing can be shown."""
    if transform == AUDIENCE_TEXT and field == "text":
        return tuple(f"text/{one.value}" for one in sorted(Audience))
    if transform == GENERALISED:
        names: tuple[str, ...] = (f"{field}/generalised",)
    elif transform == PSEUDONYMISED and field == "peer_links":
        names = (field,)
    elif transform == AS_STATED and field not in ("peer_links", NEVER_SHOWN):
        names = (field, f"{field}/numbers")
    else:
        names = ()
    return tuple(one for one in names if one in EVENT_PROJECTIONS or one in SUBJECT_NAMES)
