"""Released fields to the values that a recipient sees.

What is the publisher's own word comes from broker.model.projections and from nowhere else, so that it
can be proved against what the publisher signed. What the broker makes itself has a builder here and is
marked. The source's identity and the publisher's own words have neither: a clause that released those
would stop here with an error, and tell nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from broker.model.canonical import digest_text
from broker.model.codec import decode
from broker.model.fields import CAN_BE_SHOWN
from broker.model.projections import (
    AREAS_STATED,
    AS_STATED,
    AUDIENCE_TEXT,
    CAN_LEAVE,
    DERIVED,
    GENERALISED,
    PAIRWISE,
    PSEUDONYMISED,
    name_for,
    projection,
)
from broker.model.types import ConcernEvent
from broker.model.values import Decision, FieldRuling, Linked, Weight

REFERENCE_HEX = 24
AS_IT_STANDS = frozenset({AS_STATED, AUDIENCE_TEXT})
AREAS = ("la_gss", "also_gss")
DUTY_DESK = "the broker's duty desk"


Seen = dict[tuple[str, str], tuple[str, Any, str]]
"""(projection, transform) -> what everyone is shown of one part who gets that."""


class Showing(msgspec.Struct, frozen=True):
    """What a builder may look at."""

    linked: Linked
    weight: Weight
    pseudonym: str
    contact: str = ""
    """Whom the recipient of a pointer calls."""
    reminds_of: str | None = None
    """Of a reminder: the alert that nobody acknowledged."""
    seen: Seen = msgspec.field(default_factory=dict)
    """What was shown of this part to others."""


def release(
    linked: Linked, decision: Decision, weight: Weight, pseudonym: str, seen: Seen | None = None
) -> tuple[tuple[str, Any, str], ...]:
    """(field, value, transform) of every released field, in the decision's order.

    `pseudonym` is the recipient's own for this child, place or group. Raises ValueError for a field
    that can never leave (the source's identity, the publisher's own words, anything unknown), for a
    form that it does not have, and for one that the statement does not hold. `seen` is one dict for all
    recipients of a part: what is the same for several of them is made once.
    """
    showing = Showing(
        linked,
        weight,
        pseudonym,
        decision.contact,
        decision.reminds_of,
        {} if seen is None else seen,
    )
    return tuple([_shown(ruling, showing, decision.candidate.kind) for ruling in decision.released])


def _shown(ruling: FieldRuling, showing: Showing, kind: str) -> tuple[str, Any, str]:
    field = ruling.field
    if field not in CAN_LEAVE:
        raise ValueError(f"field {field!r} can never leave: mend the clause that permits it")
    name = name_for(field, ruling.transform, kind)
    if name is None:
        _check_form(ruling)
        return field, DERIVATIONS[field](showing), DERIVED
    found = showing.seen.get((name, ruling.transform))
    if found is None:
        _check_form(ruling)
        found = showing.seen[name, ruling.transform] = _stated(
            field, name, _shown_as(ruling), showing
        )
    return found


def _check_form(ruling: FieldRuling) -> None:
    """A field without a milder form must not go out as stated where a milder one was asked for."""
    if ruling.transform in AS_IT_STANDS:
        return
    if ruling.transform not in CAN_BE_SHOWN.get(ruling.field, frozenset()):
        raise ValueError(
            f"field {ruling.field!r} cannot be shown as {ruling.transform!r}: mend the clause"
        )


def _shown_as(ruling: FieldRuling) -> str:
    if ruling.field == "text":
        return AUDIENCE_TEXT
    if ruling.field == "peer_links":
        return PSEUDONYMISED
    return GENERALISED if ruling.transform == "generalise" else AS_STATED


def _stated(field: str, name: str, shown_as: str, showing: Showing) -> tuple[str, Any, str]:
    """The publisher's value; where the broker brought area codes up to date, with those it wrote."""
    part = showing.linked.part
    value = projection(name, part.event, part.subject)
    if value is None:
        raise ValueError(f"field {field!r} was released, and the statement does not hold it")
    if part.statement is None or not part.statement.stated or field != "place":
        return field, value, shown_as
    before = projection(name, decode(part.statement.stated, ConcernEvent), part.subject)
    if before == value:
        return field, value, shown_as
    areas = {one: before[one] for one in AREAS if one in before}
    return field, value | {AREAS_STATED: areas}, DERIVED


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


def _source_reference(showing: Showing) -> str:
    """By this the originator finds who said it, and nobody else can."""
    event = showing.linked.part.event
    return digest_text("source-reference", event.event_id, event.origin_id)[:REFERENCE_HEX]


def _others_state(showing: Showing) -> list[dict[str, str]]:
    """What others stated of the same harm, whoever they are: beside the category, never in it."""
    return [{"scheme": scheme, "code": code} for scheme, code in showing.linked.other_categories]


def _existence(showing: Showing) -> str:
    """The same words whoever the originator is: nothing in them points to it."""
    desk = showing.contact or DUTY_DESK
    if showing.reminds_of is not None:
        return (
            f"Nobody in your organisation acknowledged alert {showing.reminds_of} in time. Open it, and "
            f"acknowledge it or this reminder; where you cannot, contact {desk}."
        )
    return (
        f"Another organisation holds a concern. Contact {desk}, and name this alert: "
        "the desk asks the organisation whether more can be shared."
    )


DERIVATIONS: Mapping[str, Callable[[Showing], Any]] = {
    "corroboration": _corroboration,
    "existence": _existence,
    "identifiers": lambda showing: [{"scheme": PAIRWISE, "value": showing.pseudonym}],
    "others_state": _others_state,
    "source_reference": _source_reference,
}
"""Field -> what the broker makes of it. Of `identifiers` only the pseudonym in place of them."""
