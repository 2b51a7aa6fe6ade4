"""Answers as people read them again: before they send them, and afterwards."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Mapping

import msgspec

from broker.decide.free_text import NAMES_SOURCE, Reading
from broker.desk.tell_answers import printable
from broker.desk.tell_asking import Asking, Page, Question, one_of
from broker.desk.telling import Telling
from broker.model.types import ConcernEvent, PartKind, Subject
from broker.model.values import PartInput

OPTIONAL = " (optional)"
NO_WORDS = (
    "You wrote nothing that others may read. They are told that there is a concern, and of what kind, "
    "but not in words what it is."
)
NAMED = (
    "What you wrote {audience} names the person who told you. "
    "It would wait until somebody has looked at it."
)


class Row(msgspec.Struct, frozen=True):
    """A question and its answer in words."""

    question: str
    answer: str


class Shown(msgspec.Struct, frozen=True):
    """One page, answered."""

    slug: str
    title: str
    rows: tuple[Row, ...]


def shown(telling: Telling, asking: Asking) -> tuple[Shown, ...]:
    """Every page with what was answered; what was left empty is left out."""
    return tuple(_page(page, telling) for page in telling.pages(asking))


def warnings(event: ConcernEvent) -> tuple[str, ...]:
    """What is sound and may not be what was meant, in words."""
    if not event.audience_texts:
        return (NO_WORDS,)
    found = []
    for text in event.audience_texts:
        released = (("text", text.text, "audience_text"),)
        if any(one.names(released) == NAMES_SOURCE for one in _readings(event)):
            audience = text.audience.value.replace("_", " ").replace("voluntary", "charities")
            found.append(NAMED.format(audience=f"for {audience}"))
    return tuple(found)


def _readings(event: ConcernEvent) -> list[Reading]:
    """The words are read as the broker reads them before they leave, part by part."""
    return [Reading(_part(event, one)) for one in (event.subjects or (None,))]


def _part(event: ConcernEvent, subject: Subject | None) -> PartInput:
    return PartInput(
        part_id="",
        part_key="",
        kind=PartKind.SUBJECT if subject else PartKind.PLACE,
        event=event,
        subject=subject,
        received_at=event.reported_at,
        order=0,
        part_count=1,
        receipt_set_id="",
    )


def _page(page: Page, telling: Telling) -> Shown:
    given = telling.answers.get(page.slug, {})
    rows = [
        Row(one.label.removesuffix(OPTIONAL), answer)
        for one in page.questions
        if (one.under is None or one_of(given, one.under[0]) == one.under[1])
        and (answer := _answer(one, given))
    ]
    kind, _, slot = page.slug.partition("-")
    if kind == "child" and not any(
        one_of(given, name) for name in ("nhs_number", "upn", "own_reference")
    ):
        rows.append(Row("Reference made for this child", telling.made_references.get(slot, "")))
    return Shown(page.slug, page.title, tuple(rows))


def _answer(question: Question, given: Mapping[str, tuple[str, ...]]) -> str:
    grouped = (one for _, choices in question.groups for one in choices)
    texts = {one.code: one.text for one in (*question.choices, *grouped)}
    if question.kind == "date":
        return _day([one_of(given, name) for name in question.fields])
    if texts:
        return "\n".join(
            texts[code] for code in given.get(question.name, ()) if texts.get(code) and code
        )
    values = given.get(question.name, ())
    return printable(values[0]) if values else ""


def _day(parts: list[str]) -> str:
    """A day as people say it; what is no day as it was typed."""
    with contextlib.suppress(ValueError):
        day, month, year = (int(part) for part in parts)
        found = datetime.date(year, month, day)
        return f"{found:%A} {found.day} {found:%B %Y}"
    return " ".join(filter(None, parts))
