"""How the review desk says things: clocks, reasons and fields in words."""

from __future__ import annotations

import datetime
from functools import cache
from pathlib import Path

from broker.client.desk import HeldPart
from broker.desk.running import RunningDesk
from broker.model.fields import GROUPS
from broker.reference import ReasonCode, load_reason_codes

NEVER_CHOSEN = frozenset({"source_identity"})
"""Groups that nobody can choose: who the source is stays with the publisher."""
GROUP_WORDS = {
    "identity": "Who the child is",
    "address": "Where the child lives",
    "harm": "What happened or is feared",
    "role_suspect": "Part in an offence",
    "time_place": "When and where",
    "clinical": "Clinical detail",
    "safety_plan": "Safety plan",
    "placement": "Placement",
    "assessment": "Assessment, strengths and the child's voice",
    "source_class": "What kind of source",
    "third_party": "Other people",
}
MINUTE_S, HOUR_S, DAY_S = 60, 3_600, 86_400
MINUTES_OF_HOUR = 60


def due_words(due: datetime.datetime, now: datetime.datetime) -> str:
    """`due in 25 minutes`, `overdue by 2 hours`."""
    seconds = (due - now).total_seconds()
    how_long = span_words(abs(seconds))
    return f"overdue by {how_long}" if seconds < 0 else f"due in {how_long}"


def span_words(seconds: float) -> str:
    """So long, as people say it: `3 days`, `5 hours`, `1 hour 40 minutes`, `less than a minute`."""
    minutes = int(seconds // MINUTE_S)
    if seconds >= 2 * DAY_S:
        return f"{int(seconds // DAY_S)} days"
    if seconds >= 2 * HOUR_S:
        return f"{int(seconds // HOUR_S)} hours"
    if minutes >= MINUTES_OF_HOUR:
        rest = minutes - MINUTES_OF_HOUR
        return f"1 hour {_counted(rest, 'minute')}" if rest else "1 hour"
    return _counted(minutes, "minute") if minutes else "less than a minute"


def _counted(count: int, unit: str) -> str:
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"


def name_of(desk: RunningDesk, code: str) -> str:
    """The organisation's name, or its code where the register has it no more."""
    found = desk.reference.organisations.get(code)
    return found.name if found else code


def recipient_words(desk: RunningDesk, recipient: str) -> str:
    """`Walsall (E08000030), csc`."""
    code, _, role = recipient.partition(":")
    return f"{name_of(desk, code)} ({code}), {role}" if role else f"{name_of(desk, code)} ({code})"


def reason_words(desk: RunningDesk, code: str) -> tuple[str, str]:
    """What a reason code means, and what to do about it."""
    found = reason_codes(desk.settings.codesets_dir).get(code)
    return (found.meaning, found.what_to_do) if found else (code.replace("_", " "), "")


@cache
def reason_codes(codesets_dir: Path) -> dict[str, ReasonCode]:
    """All of them; read once."""
    return dict(load_reason_codes(codesets_dir))


def field_choices() -> list[tuple[str, list[tuple[str, str]]]]:
    """Fields that a reviewer can name, by group in words: (group, [(field, words)])."""
    return [
        (GROUP_WORDS[group], [(field, field.replace("_", " ")) for field in fields])
        for group, fields in GROUPS.items()
        if group not in NEVER_CHOSEN
    ]


def title_of(held: HeldPart) -> str:
    """What it is, in a few words without anybody's name: `Concern, immediate`."""
    event = held.event
    text = f"{event.event_type.value}, {event.severity.value}".replace("_", " ")
    return f"{text[:1].upper()}{text[1:]}"
