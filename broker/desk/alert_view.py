"""What the page of one alert says. Pure: an opened alert and the words of the codes, nothing else.

What endangers comes first: whether it is safe that the family learns of it. What is not in the alert is
said without saying whether there is any. The weight is that of a statement; no number is given to a child.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from broker.client.opening import OpenedAlert
from broker.client.proving import COMMITTED
from broker.desk.alert_fields import (
    CHILD,
    ORIGINS,
    PLAN,
    POINTER,
    SAYINGS,
    TELLING,
    TIME_PLACE,
    VOICE,
    WHAT,
    WHO,
    Names,
    where,
    window,
)
from broker.desk.alert_words import BANDS, EVENTS, MARKS, SEVERITY, WHY_US, desk_of, said
from broker.desk.pages import words
from broker.model.projections import DERIVED, GENERALISED
from broker.model.types import Mode
from broker.reference import ReasonCode

Codes = Mapping[str, ReasonCode]
DANGERS = (
    "child_not_safe_to_tell",
    "parents_not_safe_to_tell",
    "ask_before_telling_family",
)
"""Obligations that stand before everything else: who must not learn of it."""
NOT_SAID = (
    "The alert does not say whether it is safe that the child or the family learns of this. Do not read "
    "that as yes: ask whoever published it, or your lead, first."
)
BOTH_AT_ONCE = (
    "This child is said to have been harmed and to have harmed, at once. Neither cancels the other: a "
    "child who is suspected of something is a child to be kept safe all the same."
)
AT_A_GLANCE = 120
"""So many characters of what was said fit a line of a list."""
TAKEN_BACK: Mapping[str, str] = {"retracted": "withdrawn"}
"""Reason of a withdrawal -> the code whose words fit who was shown the alert."""
GENERALISED_WHY: Mapping[str, str] = {
    "provenance": "source_class_generalised",
    "place": "place_precision_generalised",
    "when": "time_generalised",
}
ABSENT: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("who the child is", ("given_name", "family_name", "date_of_birth")),
    ("where the child lives", ("address",)),
    ("what was said, in words for you", ("text",)),
    ("when and where", ("when", "place", "group")),
    ("the part that the child is said to have played", ("roles_welfare", "roles_suspect")),
    ("injury and clinical detail", ("injury", "clinical_detail")),
    ("a safety plan", ("safety_plan",)),
    ("a placement", ("placement_notice", "placement_plan")),
    ("what the child says", ("child_voice",)),
    ("the child's strengths", ("protective_factors",)),
    ("a category that an agency stated", ("stated_category",)),
    ("links with other young people", ("peer_links",)),
    ("who published it", ("publisher",)),
    ("what sort of person said it", ("provenance",)),
    ("a grading", ("grading",)),
)
"""What an alert may hold, as groups that are named where nothing of them is in it."""
OF_ANYTHING = frozenset({"text", "when", "publisher", "provenance", "grading"})
"""First field of each group that an alert about a place or a group of people can hold as well."""
EITHER_WAY = (
    "Nothing of these is in the alert. Either nobody stated it, or no rule and no agreement lets you see "
    "it. The alert does not say which: that alone would tell something."
)
PUBLISHER_WITHHELD = (
    "No rule lets you see its name, which could show who the person is that said it."
)
PSEUDONYM = "You have a reference for this child that is yours alone; nobody can join it to theirs."
ASK_DESK = "Ask the broker's duty desk if you need it to keep a child safe."
OF_THE_STATEMENT = (
    "It weighs how well founded the statement is: how it is known, how specific it is, how old, and how "
    "many saw it for themselves. It says nothing of the child: no child is scored, ranked or predicted "
    "here. It is the same whoever spoke."
)


class Caution(msgspec.Struct, frozen=True):
    """Something to observe: what holds, and what to do."""

    code: str
    says: str
    do: str


class Fact(msgspec.Struct, frozen=True):
    """One released field in words."""

    field: str
    label: str
    lines: tuple[str, ...]
    mark: str
    """How it was proved, in a word or two."""


class NotShown(msgspec.Struct, frozen=True):
    """Something that is shown less closely or to nobody, and why."""

    what: str
    why: str
    do: str


class AlertView(msgspec.Struct, frozen=True):
    """A whole page of one alert."""

    title: str
    severity: str
    marking: str
    desk: str
    """Which desk of the organisation it is for."""
    is_pointer: bool
    """It says only that there is something."""
    dangers: tuple[Caution, ...]
    telling: tuple[str, ...]
    """Whether it is safe to tell; never empty where content about a child is shown."""
    duties: tuple[Caution, ...]
    pointer: tuple[Fact, ...]
    what: tuple[Fact, ...]
    time_place: tuple[Fact, ...]
    child: tuple[Fact, ...]
    both_at_once: str
    voice: tuple[Fact, ...]
    plan: tuple[Fact, ...]
    why_us: tuple[str, ...]
    who: tuple[Fact, ...]
    origins: tuple[str, ...]
    weight: str
    weight_explained: tuple[str, ...]
    weight_is_of: str
    not_shown: tuple[NotShown, ...]
    absent: tuple[str, ...]
    """What the alert says nothing of, whether or not there is any."""
    absent_why: str
    permitted_by: tuple[str, ...]
    marks: tuple[tuple[str, str], ...]
    """How its fields were proved: mark, and what it says."""


def view_of(alert: OpenedAlert, codes: Codes, names: Names) -> AlertView:
    """The page of one alert that stands. `codes`: the reasons in words; `names`: the organisations'."""
    content, released = alert.content, alert.released
    is_pointer = content.mode is Mode.EXISTENCE
    facts = facts_of(alert, names)
    cautions = [_caution(one, codes) for one in content.obligations]
    return AlertView(
        title=title_of(alert),
        severity=said(SEVERITY, content.severity),
        marking=content.marking,
        desk=desk_of(content.recipient),
        is_pointer=is_pointer,
        dangers=tuple(one for one in cautions if one.code in DANGERS),
        telling=_telling(alert, facts),
        duties=tuple(one for one in cautions if one.code not in DANGERS),
        pointer=facts.get(POINTER, ()),
        what=facts.get(WHAT, ()),
        time_place=facts.get(TIME_PLACE, ()),
        child=facts.get(CHILD, ()),
        both_at_once=_both_at_once(released),
        voice=facts.get(VOICE, ()),
        plan=facts.get(PLAN, ()),
        why_us=tuple(said(WHY_US, one) for one in content.capacity),
        who=facts.get(WHO, ()),
        origins=tuple(line for one in facts.get(ORIGINS, ()) for line in one.lines),
        weight="" if is_pointer else said(BANDS, content.weight_band),
        weight_explained=() if is_pointer else content.weight_explanation,
        weight_is_of=OF_THE_STATEMENT,
        not_shown=_not_shown(alert, codes),
        absent=() if is_pointer else _absent(alert),
        absent_why=EITHER_WAY,
        permitted_by=content.reasons,
        marks=tuple(MARKS[one] for one in MARKS if one in alert.proved.values()),
    )


class WithdrawnView(msgspec.Struct, frozen=True):
    """What is said of an alert that no longer stands: why and since when, and nothing of its content."""

    says: str
    do: str
    since: datetime.datetime
    is_erased: bool
    """Nothing of it is left here either, and so it cannot be answered."""


def withdrawn_view(reason: str, since: datetime.datetime, codes: Codes) -> WithdrawnView:
    """From the withdrawal alone: the alert itself is not opened."""
    caution = _caution(TAKEN_BACK.get(reason, reason), codes)
    return WithdrawnView(caution.says, caution.do, since, reason == "erased")


def facts_of(alert: OpenedAlert, names: Names) -> dict[str, tuple[Fact, ...]]:
    """Section -> its fields in words, in the order of SAYINGS; what is empty is left out."""
    found: dict[str, tuple[Fact, ...]] = {}
    for field, saying in SAYINGS.items():
        value = alert.released.get(field)
        if value is None or value == []:
            continue
        fact = Fact(field, saying.label, saying.say(value, names), MARKS[alert.proved[field]][0])
        found[saying.section] = (*found.get(saying.section, ()), fact)
    return found


def title_of(alert: OpenedAlert) -> str:
    """What an alert is about, in a line that fits a list."""
    content, released = alert.content, alert.released
    if content.reminds_of is not None:
        return "Reminder: nobody acknowledged an alert in time"
    if content.mode is Mode.EXISTENCE:
        return "Another organisation holds a concern"
    if "answers" in released:
        return "Answer to your request for information"
    kind = said(EVENTS, released["event_type"]) if "event_type" in released else ""
    harms = ", ".join(words(one) for one in released.get("harms", ()))
    if not kind and not harms:
        return "Safety plan for a child" if "safety_plan" in released else "Notice about a child"
    return ": ".join(one for one in (kind, harms) if one) if kind else harms.capitalize()


def where_when(alert: OpenedAlert, names: Names) -> str:
    """Roughly where and when, in a line; empty where neither was released."""
    place, time = alert.released.get("place"), alert.released.get("when")
    parts = [where(place, names) if place else "", window(time) if time else ""]
    return ", ".join(one for one in parts if one)


def said_of(alert: OpenedAlert) -> str:
    """The words for this audience, cut at a word where they are long; empty where none were released."""
    text = " ".join(str(alert.released.get("text", "")).split())
    return text if len(text) <= AT_A_GLANCE else text[:AT_A_GLANCE].rpartition(" ")[0] + " …"


def who_of(alert: OpenedAlert) -> str:
    """The child's name as far as it was released, else the reference by which the organisation knows it."""
    released = alert.released
    name = " ".join(str(released[one]) for one in ("given_name", "family_name") if one in released)
    return name or f"reference {alert.content.part[:8]}"


def _telling(alert: OpenedAlert, facts: Mapping[str, Sequence[Fact]]) -> tuple[str, ...]:
    stated = facts.get(TELLING, ())
    if stated:
        return stated[0].lines
    speaks = alert.content.mode is Mode.CONTENT and is_about_child(alert)
    return (NOT_SAID,) if speaks else ()


def is_about_child(alert: OpenedAlert) -> bool:
    """Whether it is about a child and not about a place or a group, as far as the alert shows."""
    statement = alert.content.statement
    return statement is None or bool(statement.subject_commitments)


def _both_at_once(released: Mapping[str, Any]) -> str:
    harmed = {one["role"] for one in released.get("roles_welfare", ())} & {"victim", "exploited"}
    return BOTH_AT_ONCE if harmed and released.get("roles_suspect") else ""


def _caution(code: str, codes: Codes) -> Caution:
    known = codes.get(code)
    if known is None:
        return Caution(code, f"{words(code).capitalize()}.", "Ask the broker's duty desk.")
    return Caution(code, known.meaning, known.what_to_do)


def _not_shown(alert: OpenedAlert, codes: Codes) -> tuple[NotShown, ...]:
    """What holds for every alert, or can be read from the form of what was released."""
    if alert.content.mode is Mode.EXISTENCE:
        return (_why("Everything but that there is something", "existence_only", codes),)
    found = [
        _why(SAYINGS[one.field].label, GENERALISED_WHY[one.field], codes)
        for one in alert.content.released
        if one.transform == GENERALISED and one.field in GENERALISED_WHY
    ]
    if COMMITTED in alert.proved.values():
        found.append(NotShown("Which organisation published it", PUBLISHER_WITHHELD, ASK_DESK))
    if any(
        one.field == "identifiers" and one.transform == DERIVED for one in alert.content.released
    ):
        found.append(NotShown("The child's numbers", PSEUDONYM, ASK_DESK))
    found.append(_why("Who the person is that said it", "source_identity_protected", codes))
    found.append(_why("Ethnicity and sex", "equality_audit_only", codes))
    return tuple(found)


def _why(what: str, code: str, codes: Codes) -> NotShown:
    caution = _caution(code, codes)
    return NotShown(what, caution.says, caution.do.removeprefix("Nothing.").strip())


def _absent(alert: OpenedAlert) -> tuple[str, ...]:
    """Groups of which nothing is in the alert; who published it is said elsewhere where it is known why."""
    named = ("publisher",) if COMMITTED in alert.proved.values() else ()
    return tuple(
        title
        for title, fields in ABSENT
        if fields != named
        and (is_about_child(alert) or fields[0] in OF_ANYTHING)
        and not any(alert.released.get(one) for one in fields)
    )
