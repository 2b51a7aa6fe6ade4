"""Released fields to the values that a recipient sees.

There is one builder for each field that can ever leave, and none for the source's identity or the
publisher's own words: a clause that released those would stop here with an error, and tell nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from broker.model.canonical import digest_text
from broker.model.fields import AUDIENCE_OF_KIND, CAN_BE_SHOWN, SUSPECT_ROLES, WELFARE_ROLES
from broker.model.types import (
    ConcernEvent,
    IdentifierScheme,
    Place,
    Provenance,
    Subject,
    TimeInterval,
)
from broker.model.values import Decision, FieldRuling, Linked, Weight

REFERENCE_HEX = 24
AS_STATED, DERIVED, GENERALISED, PSEUDONYMISED = (
    "as_stated",
    "derived_by_broker",
    "generalised",
    "pseudonymised",
)
SHOWN_AS = {"generalise": GENERALISED, "pseudonymise": PSEUDONYMISED}
"""Transform of a ruling -> what the alert says was done."""
AS_IT_STANDS = frozenset({AS_STATED, "audience_text"})
DERIVED_FIELDS = frozenset({"corroboration", "existence", "source_reference"})
"""Made by the broker: not a statement of the publisher."""
SEE_LOCAL_IDS = frozenset({"authority", "police", "icb", "health_provider"})
"""Kinds that see numbers of other agencies' systems: a custody or police number tells a school too much."""
DUTY_DESK = "the broker's duty desk"
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


class Showing(msgspec.Struct, frozen=True):
    """What a builder may look at."""

    linked: Linked
    weight: Weight
    pseudonym: str
    kind: str
    """Kind of the recipient: which audience's words it gets."""
    transform: str
    contact: str = ""
    """Whom the recipient of a pointer calls."""

    @property
    def event(self) -> ConcernEvent:
        """The event."""
        return self.linked.part.event

    @property
    def subject(self) -> Subject:
        """The child; a builder that needs one is asked only for a part about one."""
        subject = self.linked.part.subject
        if subject is None:
            raise ValueError("a field about a child was released for a part that is not about one")
        return subject


def release(
    linked: Linked, decision: Decision, weight: Weight, pseudonym: str
) -> tuple[tuple[str, Any, str], ...]:
    """(field, value, transform) of every released field, in the decision's order.

    `pseudonym` is the recipient's own for this child, place or group. Raises ValueError for a field
    that has no builder (the source's identity, the publisher's own words, anything unknown).
    """
    shown = []
    for ruling in decision.released:
        build = BUILDERS.get(ruling.field)
        if build is None:
            raise ValueError(
                f"field {ruling.field!r} can never leave: mend the clause that permits it"
            )
        _check_form(ruling)
        kind = decision.candidate.kind
        value = build(Showing(linked, weight, pseudonym, kind, ruling.transform, decision.contact))
        shown.append((ruling.field, value, _shown_as(ruling.field, ruling.transform)))
    return tuple(shown)


def _check_form(ruling: FieldRuling) -> None:
    """A field without a milder form must not go out as stated where a milder one was asked for."""
    if ruling.transform in AS_IT_STANDS:
        return
    if ruling.transform not in CAN_BE_SHOWN.get(ruling.field, frozenset()):
        raise ValueError(
            f"field {ruling.field!r} cannot be shown as {ruling.transform!r}: mend the clause"
        )


def _shown_as(field: str, transform: str) -> str:
    if field in DERIVED_FIELDS:
        return DERIVED
    if field == "peer_links":
        return PSEUDONYMISED
    return SHOWN_AS.get(transform, transform)


def _text(showing: Showing) -> str:
    """Only the words that the publisher made fit for this audience."""
    audience = AUDIENCE_OF_KIND[showing.kind]
    return next(one.text for one in showing.event.audience_texts if one.audience is audience)


def _identifiers(showing: Showing) -> list[dict[str, str | None]]:
    if showing.transform == "pseudonymise":
        return [{"scheme": "pairwise", "value": showing.pseudonym}]
    stated = showing.subject.identifiers
    if showing.kind not in SEE_LOCAL_IDS:
        stated = tuple(one for one in stated if one.scheme is not IdentifierScheme.LOCAL)
    return [_plain(one) for one in stated]


def _roles(showing: Showing, wanted: frozenset[str]) -> list[dict[str, Any]]:
    return [_plain(one) for one in showing.subject.roles if one.role.value in wanted]


def _when(showing: Showing) -> dict[str, Any]:
    when: TimeInterval | None = showing.event.when
    if when is None:
        raise ValueError("a time was released that the event does not hold")
    if showing.transform == "generalise":
        return {"date": when.start.date().isoformat()}
    return _plain(when)


def _place(showing: Showing) -> dict[str, Any]:
    place: Place | None = showing.event.place
    if place is None:
        raise ValueError("a place was released that the event does not hold")
    if showing.transform == "generalise":
        areas = {"la_gss": place.la_gss, "also_gss": list(place.also_gss)}
        return {"precision": "la", "kind": place.kind.value} | {
            name: one for name, one in areas.items() if one
        }
    return _plain(place)


def _corroboration(showing: Showing) -> dict[str, Any]:
    """One origin counts once, however many agencies passed it on (scenario S4)."""
    origins, agencies = showing.weight.independent_origins, showing.linked.agencies_seen
    first = "one origin" if origins == 1 else f"{origins} independent origins"
    seen = "one agency" if agencies == 1 else f"{agencies} agencies"
    return {
        "independent_origins": origins,
        "agencies_seen": agencies,
        "in_words": f"{first}, seen by {seen}",
        "computed_assessment": showing.weight.computed_letter,
    }


def _provenance(showing: Showing) -> str:
    """The class as stated, or so broad that it points to nobody (domain section 9)."""
    stated = showing.event.provenance
    if showing.transform == AS_STATED:
        return stated.value
    return "family_or_community" if stated in FAMILY_OR_COMMUNITY else "professional"


def _grading(showing: Showing) -> dict[str, Any]:
    """As received; the free text in which a doubt is argued may point to the source and stays."""
    grading = showing.event.grading
    if grading is None:
        raise ValueError("a grading was released that the event does not hold")
    plain = _plain(grading)
    return {name: plain[name] for name in plain if not name.startswith("doubt_")}


def _source_reference(showing: Showing) -> str:
    """By this the originator finds who said it, and nobody else can."""
    event = showing.event
    return digest_text("source-reference", event.event_id, event.origin_id)[:REFERENCE_HEX]


def _placement_notice(showing: Showing) -> dict[str, Any]:
    placement = showing.subject.placement
    plain = _plain(placement) if placement else {}
    return {name: plain[name] for name in ("started_on", "emergency") if name in plain}


def _placement_plan(showing: Showing) -> dict[str, Any]:
    """Reg 13(4): assessment of needs, reasons, care plan. Who must not be told is not for telling."""
    placement = showing.subject.placement
    plain = _plain(placement) if placement else {}
    names = ("assessment_of_needs", "reasons", "care_plan", "dcs_approved")
    return {name: plain[name] for name in names if name in plain}


def _peer_links(showing: Showing) -> list[dict[str, Any]]:
    """Links of this child; the other young people are numbered, never named."""
    own = showing.subject.subject_ref
    links = [one for one in showing.event.peer_links if own in (one.from_ref, one.to_ref)]
    others = sorted({ref for one in links for ref in (one.from_ref, one.to_ref)} - {own})
    names = {own: "this child"} | {ref: f"young person {n}" for n, ref in enumerate(others, 1)}
    return [
        _plain(one) | {"from_ref": names[one.from_ref], "to_ref": names[one.to_ref]}
        for one in links
    ]


def _request(showing: Showing) -> dict[str, Any]:
    """Who asks, what for and for which fields. The one that asks is named: it is no source."""
    request = showing.event.request
    if request is None:
        raise ValueError("a request was released that the event does not hold")
    return {
        "requested_by": showing.event.publisher,
        "request_id": showing.event.event_id,
        "purpose": request.purpose,
        "wanted": list(request.wanted),
    }


def _stated_category(showing: Showing) -> dict[str, Any]:
    """As the agency states it, beside what others stated of the same harm, whoever they are."""
    stated = showing.event.stated_category
    if stated is None:
        raise ValueError("a category was released that the event does not hold")
    others = [{"scheme": scheme, "code": code} for scheme, code in showing.linked.other_categories]
    return _plain(stated) | ({"others_state": others} if others else {})


def _existence(showing: Showing) -> str:
    """The same words whoever the originator is: nothing in them points to it."""
    desk = showing.contact or DUTY_DESK
    return (
        f"Another organisation holds a concern. Contact {desk}, and name this alert: "
        "the desk asks the organisation whether more can be shared."
    )


def _plain(value: msgspec.Struct) -> dict[str, Any]:
    """JSON-ready, without what is not stated."""
    plain: dict[str, Any] = msgspec.to_builtins(value)
    return {name: one for name, one in plain.items() if one is not None and one != []}


def _of_subject(name: str) -> Callable[[Showing], Any]:
    return lambda showing: msgspec.to_builtins(getattr(showing.subject, name))


def _of_event(name: str) -> Callable[[Showing], Any]:
    return lambda showing: msgspec.to_builtins(getattr(showing.event, name))


BUILDERS: Mapping[str, Callable[[Showing], Any]] = {
    "given_name": _of_subject("given_name"),
    "family_name": _of_subject("family_name"),
    "date_of_birth": _of_subject("date_of_birth"),
    "identifiers": _identifiers,
    "address": _of_subject("address"),
    "event_type": _of_event("event_type"),
    "harms": _of_event("harms"),
    "text": _text,
    "severity": _of_event("severity"),
    "injury": _of_subject("injury"),
    "roles_welfare": lambda showing: _roles(showing, WELFARE_ROLES),
    "corroboration": _corroboration,
    "safe_to_tell": lambda showing: _plain(showing.subject.safe_to_tell),  # type: ignore[arg-type]
    "roles_suspect": lambda showing: _roles(showing, SUSPECT_ROLES),
    "when": _when,
    "place": _place,
    "group": lambda showing: _plain(showing.event.group),  # type: ignore[arg-type]
    "clinical_detail": _of_subject("clinical_detail"),
    "safety_plan": _of_subject("safety_plan"),
    "placement_notice": _placement_notice,
    "placement_plan": _placement_plan,
    "stated_category": _stated_category,
    "protective_factors": _of_subject("protective_factors"),
    "child_voice": lambda showing: _plain(showing.subject.child_voice),  # type: ignore[arg-type]
    "provenance": _provenance,
    "grading": _grading,
    "source_reference": _source_reference,
    "peer_links": _peer_links,
    "request": _request,
    "necessity": _of_subject("necessity"),
    "answers": _of_event("answers"),
    "existence": _existence,
}
"""Field -> what a recipient sees of it. `source` and `summary` are not here, and must never be."""
