"""What the form by which somebody tells us something is made of: questions, pages, and who asks."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping

import msgspec

from broker.desk.tell_words import Choice
from broker.model.reference import AREA_KINDS, AUTHORITY, Organisation, Reference

Answers = Mapping[str, Mapping[str, tuple[str, ...]]]
"""Page -> field -> what was typed or chosen, as it came."""
NOT_KNOWN = "not_known"
LINE, LONG = 200, 5000
"""Characters of a line and of a longer text."""
MOST_CHILDREN = 20
GRADES = frozenset({"police"})
"""Kinds of organisation that may grade what they tell; no other is asked to."""


class Question(msgspec.Struct, frozen=True):
    """One question. `kind`: text, long, radios, checkboxes, select, date or time."""

    name: str
    kind: str
    label: str
    hint: str = ""
    choices: tuple[Choice, ...] = ()
    groups: tuple[tuple[str, tuple[Choice, ...]], ...] = ()
    """For a select: (heading, choices)."""
    under: tuple[str, str] | None = None
    """Asked only with this answer to a question by radios before it: (its name, its code)."""
    needed: bool = False
    missing: str = ""
    """What to say where an answer is needed and there is none."""
    rows: int = 5
    width: str = ""
    """Width class of GOV.UK for a short answer."""

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the inputs that it is answered in."""
        if self.kind == "date":
            return tuple(f"{self.name}-{part}" for part in ("day", "month", "year"))
        return (self.name,)


class Page(msgspec.Struct, frozen=True):
    """One page of the form."""

    slug: str
    title: str
    questions: tuple[Question, ...]
    lead: str = ""

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of all its inputs."""
        return tuple(name for one in self.questions for name in one.fields)


class Asking(msgspec.Struct, frozen=True):
    """Who asks, on which day: what the questions depend on besides the answers."""

    organisation: Organisation
    reference: Reference
    today: datetime.date
    areas: tuple[tuple[str, tuple[Choice, ...]], ...]
    """Authorities to choose from, grouped: those near first."""
    schools: tuple[Choice, ...]

    @classmethod
    def of(cls, organisation: str, reference: Reference, today: datetime.date) -> Asking:
        """For the organisation of that code; it must be in the register."""
        found = reference.organisations[organisation]
        near = _areas(found, reference, today)
        return cls(found, reference, today, near, _schools(reference, today))

    @property
    def may_grade(self) -> bool:
        """Whether a grade is asked for at all."""
        return self.organisation.kind in GRADES


def one_of(given: Mapping[str, tuple[str, ...]], name: str) -> str:
    """The single answer to `name`, without blanks around it; empty where there is none."""
    values = given.get(name, ())
    return values[0].strip() if values else ""


def _areas(
    organisation: Organisation, reference: Reference, today: datetime.date
) -> tuple[tuple[str, tuple[Choice, ...]], ...]:
    """Authorities in force, those near first: one's own, their neighbours, then all others."""
    found = sorted(
        (
            one
            for one in reference.organisations.values()
            if one.kind in AREA_KINDS and one.in_force(today)
        ),
        key=lambda one: one.name,
    )
    own = set(organisation.areas)
    near = {code for area in own for code in reference.neighbours(area, today)} - own
    far = [one for one in found if one.code not in own | near]
    return (
        ("Your area", _named(found, own)),
        ("Next to it", _named(found, near)),
        ("Elsewhere in England", _choices(one for one in far if one.kind == AUTHORITY)),
        ("Wales and Scotland", _choices(one for one in far if one.kind != AUTHORITY)),
    )


def _schools(reference: Reference, today: datetime.date) -> tuple[Choice, ...]:
    """Schools of the register, in force, by name."""
    found = (one for one in reference.organisations.values() if one.kind == "school")
    return _choices(sorted((one for one in found if one.in_force(today)), key=lambda one: one.name))


def _named(found: list[Organisation], codes: set[str]) -> tuple[Choice, ...]:
    return _choices(one for one in found if one.code in codes)


def _choices(found: Iterable[Organisation]) -> tuple[Choice, ...]:
    return tuple(Choice(one.code, one.name) for one in found)
