"""How each field that an alert can hold is said on a page: where, under what name, in which words.

Every field that can leave the broker has an entry (a test holds it to that). Values come from an opened
alert alone, so nothing that was not released can be said.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from broker.desk.alert_words import (
    ANSWERS,
    EVENTS,
    KNOWN_3X5X2,
    KNOWN_TO,
    PLACES,
    PROVENANCE,
    ROLES,
    SEVERITY_SAID,
    SOURCE_3X5X2,
    said,
)
from broker.desk.pages import LONDON, day, when, words
from broker.model.fields import FIELD_GROUP

Names = Mapping[str, str]
"""Organisation code -> its name."""
Lines = tuple[str, ...]
Said = Callable[[Any, Names], Lines]

WHAT, TIME_PLACE, CHILD, VOICE, PLAN, WHO, TELLING, ORIGINS, POINTER = (
    "what",
    "time_place",
    "child",
    "voice",
    "plan",
    "who",
    "telling",
    "origins",
    "pointer",
)
"""Where a field stands on the page."""
AREAS_STATED = "areas_as_stated"


class Saying(msgspec.Struct, frozen=True):
    """How one field is said."""

    section: str
    label: str
    say: Said


def window(value: Mapping[str, Any]) -> str:
    """`2pm to 3pm` of a day, or the day alone where that is all that was released."""
    if "date" in value:
        midday = datetime.datetime.fromisoformat(value["date"]).replace(hour=12, tzinfo=LONDON)
        return f"{day(midday)} (the time of day is not shown)"
    start = datetime.datetime.fromisoformat(value["start"])
    if not value.get("end"):
        return when(start)
    end = datetime.datetime.fromisoformat(value["end"])
    if start.astimezone(LONDON).date() == end.astimezone(LONDON).date():
        return f"{when(start)} to {when(end).rpartition(', ')[2]}"
    return f"{when(start)} to {when(end)}"


def where(value: Mapping[str, Any], names: Names) -> str:
    """The place in a few words: its description, else its area."""
    return str(value.get("description") or _areas(value, names) or said(PLACES, value["kind"]))


def _areas(value: Mapping[str, Any], names: Names) -> str:
    codes = [value.get("la_gss"), *value.get("also_gss", [])]
    return " and ".join(names.get(one, one) for one in codes if one)


def _place(value: Mapping[str, Any], names: Names) -> Lines:
    lines = [value["description"]] if value.get("description") else []
    areas = _areas(value, names)
    lines += [f"In {areas}"] if areas else []
    lines += [
        f"{title} {value[name]}"
        for name, title in (("lsoa", "Small area"), ("msoa", "Area"), ("uprn", "Property number"))
        if value.get(name)
    ]
    if value["kind"] != "other":
        lines.append(f"What sort of place: {said(PLACES, value['kind'])}")
    lines.append(f"Known to: {said(KNOWN_TO, value['precision'])}")
    before = _areas(value.get(AREAS_STATED, {}), {})
    lines += [f"Stated under the older area code {before}"] if before else []
    return tuple(lines)


def _identifiers(value: Sequence[Mapping[str, Any]], _: Names) -> Lines:
    titles = {
        "nhs_number": "NHS number",
        "upn": "Unique pupil number",
        "pairwise": "Your reference",
    }
    return tuple(
        f"{titles.get(one['scheme'], 'Number in ' + one.get('system', 'another system'))}: {one['value']}"
        for one in value
    )


def _roles(value: Sequence[Mapping[str, Any]], _: Names) -> Lines:
    lines = []
    for one in value:
        basis = f" (it rests on: {one['basis']})" if one.get("basis") else ""
        lines.append(f"{said(ROLES, one['role'])[:1].upper()}{said(ROLES, one['role'])[1:]}{basis}")
    return tuple(lines)


def _links(value: Sequence[Mapping[str, Any]], _: Names) -> Lines:
    return tuple(
        f"{one['from_ref']} and {one['to_ref']}: {one['relationship']} (it rests on: {one['basis']}"
        + (f", seen on {_date(one['seen_on'])})" if one.get("seen_on") else ")")
        for one in value
    )


def _voice(value: Mapping[str, Any], _: Names) -> Lines:
    lines = [f"“{value['words']}”"]
    lines += [f"How it was heard: {value['how_obtained']}"] if value.get("how_obtained") else []
    wish = value.get("wish_on_sharing")
    return (*lines, f"What the child wishes about sharing: {wish}") if wish else tuple(lines)


def _safe_to_tell(value: Mapping[str, Any], _: Names) -> Lines:
    lines = [
        f"{who}: {said(ANSWERS, value.get(name, 'not_known'))}"
        for name, who in (("child", "The child"), ("parents_or_carers", "Parents or carers"))
    ]
    return (*lines, f"Why: {value['reason']}") if value.get("reason") else tuple(lines)


def _grading(value: Mapping[str, Any], _: Names) -> Lines:
    lines = [f"As received: {value['original']}"] if value.get("original") else []
    scheme = value["scheme"]
    if scheme == "ungraded":
        return (*lines, "Nobody graded it.")
    lines.append(f"Scheme {scheme}; it grades the information, never the child")
    source, known = value.get("source_evaluation"), value.get("information_assessment")
    is_current = scheme == "3x5x2"
    if source:
        lines.append(f"Source: {said(SOURCE_3X5X2 if is_current else {}, source)}")
    if known:
        lines.append(f"Information: {said(KNOWN_3X5X2 if is_current else {}, known)}")
    handling = value.get("handling")
    return (*lines, f"Handling: {handling}") if handling else tuple(lines)


def _category(value: Mapping[str, Any], _: Names) -> Lines:
    lines = [f"{value['code']} of {words(value['scheme'])}, as the agency states it"]
    return (*lines, *(f"It rests on: {one}" for one in value.get("indicators", ())))


def _others_state(value: Sequence[Mapping[str, Any]], _: Names) -> Lines:
    return tuple(f"{one['code']} of {words(one['scheme'])}" for one in value)


def _notice(value: Mapping[str, Any], _: Names) -> Lines:
    lines = [f"Begins or began on {_date(value['started_on'])}"] if value.get("started_on") else []
    return (
        *lines,
        "Made in an emergency" if value.get("emergency") else "Not made in an emergency",
    )


def _placement(value: Mapping[str, Any], _: Names) -> Lines:
    titles = {
        "assessment_of_needs": "What the child needs",
        "reasons": "Why this placement",
        "care_plan": "Care plan",
    }
    lines = [f"{title}: {value[name]}" for name, title in titles.items() if value.get(name)]
    approved = "approved it" if value.get("dcs_approved") else "is not said to have approved it"
    return (*lines, f"The director of children's services {approved}")


def _request(value: Mapping[str, Any], names: Names) -> Lines:
    asks = names.get(value["requested_by"], value["requested_by"])
    wanted = ", ".join(label_of(one) for one in value.get("wanted", ()))
    lines = (f"{asks} asks", f"What for: {value['purpose']}")
    return (*lines, f"Asked for: {wanted}", f"Request {value['request_id']}")


def _group(value: Mapping[str, Any], _: Names) -> Lines:
    return tuple(one for one in (value.get("description"), f"Group {value['group_ref']}") if one)


def _text(value: Any, _: Names) -> Lines:
    return (str(value),)


def _listed(value: Sequence[Any], _: Names) -> Lines:
    return tuple(str(one) for one in value)


def _birth(value: str, _: Names) -> Lines:
    return (_date(value),)


def _date(value: str) -> str:
    one = datetime.date.fromisoformat(value)
    return f"{one.day} {one:%B %Y}"


SAYINGS: Mapping[str, Saying] = {
    "existence": Saying(POINTER, "What you are told", _text),
    "request": Saying(WHAT, "The request", _request),
    "necessity": Saying(WHAT, "Why about this child", _text),
    "answers": Saying(WHAT, "Answers request", _text),
    "text": Saying(WHAT, "What was said", _text),
    "event_type": Saying(WHAT, "Kind", lambda value, _: (said(EVENTS, value),)),
    "harms": Saying(WHAT, "Harm", lambda value, _: tuple(words(one).capitalize() for one in value)),
    "severity": Saying(WHAT, "How soon", lambda value, _: (said(SEVERITY_SAID, value),)),
    "injury": Saying(WHAT, "Injury", _text),
    "clinical_detail": Saying(WHAT, "Clinical detail", _text),
    "stated_category": Saying(WHAT, "Category", _category),
    "others_state": Saying(WHAT, "Other agencies state", _others_state),
    "when": Saying(TIME_PLACE, "When", lambda value, _: (window(value),)),
    "place": Saying(TIME_PLACE, "Where", _place),
    "group": Saying(TIME_PLACE, "Group", _group),
    "given_name": Saying(CHILD, "Given name", _text),
    "family_name": Saying(CHILD, "Family name", _text),
    "date_of_birth": Saying(CHILD, "Born", _birth),
    "identifiers": Saying(CHILD, "Numbers", _identifiers),
    "address": Saying(CHILD, "Address", _text),
    "roles_welfare": Saying(CHILD, "In what happened", _roles),
    "roles_suspect": Saying(CHILD, "Also said", _roles),
    "peer_links": Saying(CHILD, "Links", _links),
    "child_voice": Saying(VOICE, "The child says", _voice),
    "protective_factors": Saying(VOICE, "Strengths", _listed),
    "safety_plan": Saying(PLAN, "Safety plan", _text),
    "placement_notice": Saying(PLAN, "Placement", _notice),
    "placement_plan": Saying(PLAN, "Plan of the placement", _placement),
    "provenance": Saying(
        WHO, "First said by", lambda value, _: (said(PROVENANCE, value).capitalize(),)
    ),
    "publisher": Saying(WHO, "Published by", lambda value, names: (names.get(value, value),)),
    "source_reference": Saying(WHO, "Reference of the source", _text),
    "grading": Saying(WHO, "Grading as received", _grading),
    "safe_to_tell": Saying(TELLING, "Is it safe to tell?", _safe_to_tell),
    "corroboration": Saying(ORIGINS, "Origins", lambda value, _: (str(value["in_words"]),)),
}
"""Field -> how it is said, in the order in which fields stand in their section."""


def label_of(field: str) -> str:
    """What a field is called in a sentence."""
    known = SAYINGS.get(field)
    if known is not None:
        return known.label.lower()
    return words(field) if field in FIELD_GROUP else "something else"
