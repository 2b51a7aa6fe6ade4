"""What was typed, read as what it means: texts, days, times, choices; what cannot be read, in words."""

from __future__ import annotations

import datetime
import re
import unicodedata
from collections.abc import Mapping
from zoneinfo import ZoneInfo

import msgspec

from broker.desk.tell_asking import LINE, LONG, Page, Question, one_of

LONDON = ZoneInfo("Europe/London")
TIME = re.compile(r"(\d{1,2})(?:[:.h ]?(\d{2}))?\s*(am|pm)?", re.IGNORECASE)
OLDEST = 1900
NOON = 12
MOST_LINES = 20


class Problem(msgspec.Struct, frozen=True):
    """Something that must be put right before it can be sent."""

    page: str
    field: str
    """Name of the input that it is about; empty for the page as a whole."""
    text: str


class Given(msgspec.Struct, frozen=True):
    """The answers of one page, and the problems found while reading them."""

    page: Page
    answers: Mapping[str, tuple[str, ...]]
    problems: list[Problem]

    def one(self, name: str) -> str:
        """A single answer; empty where there is none."""
        return one_of(self.answers, name)

    def text(self, name: str) -> str | None:
        """A text without what cannot be printed; None where it is empty."""
        values = self.answers.get(name, ())
        return printable(values[0]) or None if values else None

    def lines(self, name: str) -> tuple[str, ...]:
        """The lines of a text that say something, each once."""
        found = (line.strip() for line in (self.text(name) or "").split("\n"))
        return tuple(dict.fromkeys(line for line in found if line))

    def chosen(self, name: str) -> str:
        """The choice to a question, if it is one of those that were offered; else empty."""
        given = self.one(name)
        return given if given in self._codes(name) else ""

    def all_chosen(self, name: str) -> tuple[str, ...]:
        """Every choice to a question with several, in the order in which they are offered."""
        given = set(self.answers.get(name, ()))
        return tuple(code for code in self._codes(name) if code in given)

    def day(self, name: str) -> datetime.date | None:
        """A day; None where it is left empty or, with a problem noted, where there is no such day."""
        parts = [self.one(f"{name}-{part}") for part in ("day", "month", "year")]
        if not any(parts):
            return None
        try:
            day, month, year = (int(part) for part in parts if part.isascii())
            if OLDEST <= year <= self._last_year():
                return datetime.date(year, month, day)
        except ValueError:
            pass
        self.problem(f"{name}-day", "Enter a day that there is, such as 27 3 2026")
        return None

    def time(self, name: str) -> datetime.time | None:
        """A time of day, such as `2pm`, `2.30 pm` or `14:30`; None where it is left empty."""
        given = self.one(name)
        if not given:
            return None
        found = TIME.fullmatch(given) if given.isascii() else None
        if found is not None:
            hour, minute = int(found[1]), int(found[2] or 0)
            half = (found[3] or "").lower()
            if not half or 1 <= hour <= NOON:
                hour = hour % NOON + (NOON if half == "pm" else 0) if half else hour
                if hour <= 23 and minute <= 59:
                    return datetime.time(hour, minute)
        self.problem(name, "Enter a time such as 2pm or 14:30")
        return None

    def problem(self, field: str, text: str) -> None:
        """Notes a problem; one of each field is enough."""
        if not any(
            (one.page, one.field) == (self.page.slug, field) and field for one in self.problems
        ):
            self.problems.append(Problem(self.page.slug, field, text))

    def check(self) -> None:
        """Notes what is missing and what is too long, question by question."""
        for question in self.page.questions:
            asked = question.under is None or self.chosen(question.under[0]) == question.under[1]
            needed = question.needed or (question.under is not None and bool(question.missing))
            if asked and needed and not self._is_answered(question):
                self.problem(question.fields[0], question.missing)
            limit = LONG if question.kind == "long" else LINE
            longest = max((len(one) for one in self.answers.get(question.name, ())), default=0)
            if question.kind in {"text", "long", "time"} and longest > limit:
                self.problem(
                    question.name,
                    f"{question.label.removesuffix(' (optional)')}: shorten it to {limit:,} characters",
                )

    def _is_answered(self, question: Question) -> bool:
        if question.kind in {"radios", "select"}:
            return bool(self.chosen(question.name))
        if question.kind == "checkboxes":
            return bool(self.all_chosen(question.name))
        if question.kind == "date":
            return any(self.one(name) for name in question.fields)
        return self.text(question.name) is not None

    def _codes(self, name: str) -> tuple[str, ...]:
        for question in self.page.questions:
            if question.name == name:
                grouped = (one for _, choices in question.groups for one in choices)
                return tuple(one.code for one in (*question.choices, *grouped))
        return ()

    @staticmethod
    def _last_year() -> int:
        return datetime.MAXYEAR // 4


def moment(day: datetime.date, time: datetime.time | None) -> datetime.datetime:
    """A day and a time as they are meant in England, in UTC; midnight where no time is given."""
    local = datetime.datetime.combine(day, time or datetime.time(), tzinfo=LONDON)
    return local.astimezone(datetime.UTC)


def printable(text: str) -> str:
    """The text with line ends of one kind and without characters that print nothing or are no text."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    kept = (one for one in lines if one == "\n" or unicodedata.category(one) not in {"Cc", "Cs"})
    return "".join(kept).strip()
