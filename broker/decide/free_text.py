"""Words that are about to leave and name someone who must not be named.

A publisher writes an audience's text by hand, and a name slips in: the source who asked not to be
named, another child of the same event, an address that this recipient may not have. Whatever is
released in words is read once more beside what the same event keeps back; what names someone waits
for a person instead of leaving (golden rule 5). A word that is in the text for another reason can
stop it too: a person looks sooner than a family is hurt.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any

import msgspec

from broker.decide.facts import PartFacts
from broker.decide.limits import instead
from broker.model.types import Subject
from broker.model.values import Decision, Outcome, PartInput

UNREAD = "unread"
NAMES_SOURCE, NAMES_PERSON = "text_names_source", "text_names_withheld_person"
Released = Sequence[tuple[str, Any, str]]
"""(field, value, transform) as redaction built them."""

NOT_WORDS = frozenset(
    {
        "given_name", "family_name", "date_of_birth", "identifiers", "address", "when", "place",
        "group", "event_type", "harms", "severity", "corroboration", "existence", "provenance",
        "grading", "source_reference", "publisher",
    }
)  # fmt: skip
"""Fields of codes, dates and names of their own, which are decided as such. All others are read."""
OWN_NAMES = ("given_name", "family_name")
OF_CHILD = (*OWN_NAMES, "address")
"""What of this child is looked for in words, unless the recipient is shown it."""
SHORTEST_NAME = 3
"""A part of a name with fewer letters is looked for only within the whole name."""
SHORTEST_NUMBER = 9
"""Digits, without the leading zero or +44, from which on they are taken for a telephone number."""
SHORTEST_LINE = 6
"""Characters of an address or another contact from which on it is looked for."""
LINE_END, TELLING = re.compile(r"[,;\n]"), re.compile("[0-9@]")
NUMBER, NOT_DIGIT = re.compile(r"\+?[0-9][0-9 ().-]{7,}[0-9]"), re.compile("[^0-9]")
TRUNK = re.compile("^(0044|44|0)0?")
POSTCODE = re.compile(r"\b([a-z]{1,2}[0-9][0-9a-z]?) ?([0-9][a-z]{2})\b")


class _Letters(dict[int, str | None]):
    """A table for `str.translate`: letters that match stay as they are, all others become `other`.

    Without one they are left out.
    """

    def __init__(self, matching: str, other: str | None = None) -> None:
        self._stays = re.compile(matching).fullmatch
        self._other = other
        super().__init__({code: self[code] for code in range(128)})

    def __missing__(self, code: int) -> str | None:
        letter = chr(code)
        return letter if self._stays(letter) else self._other


OF_ADDRESS = _Letters(r"[0-9a-z@.+_]", " ")
OF_WORDS = _Letters(r"[^\W\d_]", " ")
RUN_TOGETHER = _Letters(r"[0-9a-z]")


class _Words:
    """Words that are about to leave, in the forms in which they are looked through, each made once."""

    def __init__(self, text: str) -> None:
        folded = _folded(text)
        self.plain = f" {_plain_of(folded)} "
        self.run_together = folded.translate(RUN_TOGETHER)
        """Letters and digits alone."""
        self.capitalised = _capitalised(text)
        self._text = text

    @cached_property
    def postcodes(self) -> set[str]:
        return _postcodes(self._text)


class _Kept(msgspec.Struct, frozen=True):
    """What must not be in the words: whole phrases in any case, and names with their capital."""

    phrases: frozenset[str]
    """With a space on either side."""
    names: frozenset[str]
    numbers: frozenset[str]
    postcodes: frozenset[str]

    def within(self, words: _Words) -> bool:
        """True if any of it is in `words`."""
        return (
            any(map(words.plain.__contains__, self.phrases))
            or not self.names.isdisjoint(words.capitalised)
            or any(map(words.run_together.__contains__, self.numbers))
            or bool(self.postcodes and not self.postcodes.isdisjoint(words.postcodes))
        )


class Reading:
    """The words of one part, read once for all recipients that get the same of it."""

    def __init__(self, part: PartInput) -> None:
        event, own = part.event, part.subject
        self._source = _stated((event.source.name,), event.source.contact) if event.source else None
        self._others = [
            _stated((_full_name(one),), one.address)
            for one in event.subjects
            if own is None or one.subject_ref != own.subject_ref
        ]
        self._names = {} if own is None else _names_of(own)
        self._address = _stated((), None if own is None else own.address)
        self._named: dict[tuple[str, tuple[str, ...]], str | None] = {}
        self._kept: dict[tuple[str, ...], tuple[list[_Kept], list[_Kept]]] = {}

    def names(self, released: Released) -> str | None:
        """The reason code for whom the released words name that this recipient may not know, or None."""
        if not released:
            return None
        stated = [value for field, value, _ in released if field not in NOT_WORDS]
        words = " \n ".join(_strings(stated))
        if not words:
            return None
        shown = {field: value for field, value, _ in released if field in OF_CHILD}
        known = (*shown, *_strings(shown.values()))
        reason = self._named.get((words, known), UNREAD)
        if reason is UNREAD:
            reason = self._named[words, known] = self._read(words, shown, known)
        return reason

    def _read(self, text: str, shown: dict[str, Any], known: tuple[str, ...]) -> str | None:
        if known not in self._kept:
            self._kept[known] = self._kept_where(shown)
        source, people = self._kept[known]
        words = _Words(text)
        if any(kept.within(words) for kept in source):
            return NAMES_SOURCE
        return NAMES_PERSON if any(kept.within(words) for kept in people) else None

    def _kept_where(self, shown: dict[str, Any]) -> tuple[list[_Kept], list[_Kept]]:
        """What is kept back of the source, and of people, where that is shown of this child."""
        seen = _Seen(" ".join(_strings([shown.get(name) for name in OF_CHILD])))
        source = [] if self._source is None else [_kept(self._source, seen)]
        people = [_kept(one, seen) for one in (*self._others, self._own_where(shown))]
        return source, people

    def _own_where(self, shown: dict[str, Any]) -> _Stated:
        """What of this child itself is not shown."""
        names = tuple(plain for name, plain in self._names.items() if name not in shown)
        if "address" in shown:
            return _Stated(names, (), frozenset(), frozenset())
        return msgspec.structs.replace(self._address, names=names)


def within_words(
    facts: PartFacts, decision: Decision, released: Released, reading: Reading
) -> Decision:
    """The decision, or REVIEW where the words that it would release name someone it keeps back."""
    reason = reading.names(released)
    return decision if reason is None else instead(facts, decision, Outcome.REVIEW, reason)


class _Stated(msgspec.Struct, frozen=True):
    """Names and a contact as the event states them, in the form in which they are looked for."""

    names: tuple[str, ...]
    lines: tuple[str, ...]
    numbers: frozenset[str]
    postcodes: frozenset[str]


def _stated(names: Iterable[str | None], contact: str | None) -> _Stated:
    return _Stated(
        names=tuple(_plain(one) for one in names if one),
        lines=tuple(one for one in _lines(contact) if len(one) >= SHORTEST_LINE) if contact else (),
        numbers=frozenset(_numbers(contact)) if contact else frozenset(),
        postcodes=frozenset(_postcodes(contact)) if contact else frozenset(),
    )


class _Seen:
    """What the recipient is shown of the child, in the forms in which it is compared."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.plain = _plain(text)
        self.tokens = set(self.plain.split())


def _kept(stated: _Stated, seen: _Seen) -> _Kept:
    """What to look for. A surname that the child shares, or an address that is shown, gives nothing away."""
    tokens = {token for one in stated.names for token in one.split()}
    return _Kept(
        phrases=frozenset(
            [f" {one} " for one in stated.names if one and not set(one.split()) <= seen.tokens]
            + [f" {one} " for one in stated.lines if one not in seen.plain]
        ),
        names=frozenset(token for token in tokens - seen.tokens if len(token) >= SHORTEST_NAME),
        numbers=stated.numbers,
        postcodes=stated.postcodes and stated.postcodes - _postcodes(seen.text),
    )


def _lines(contact: str) -> Iterator[str]:
    """The lines of an address that say whose it is, and mail: not the bare name of a town."""
    first, *others = LINE_END.split(contact)
    yield _plain(contact)
    yield _plain(first)
    yield from (_plain(one) for one in others if TELLING.search(one))


def _names_of(subject: Subject) -> dict[str, str]:
    """Its names by field, as they are looked for."""
    stated = ((name, getattr(subject, name)) for name in OWN_NAMES)
    return {name: _plain(value) for name, value in stated if value}


def _full_name(subject: Subject) -> str:
    return " ".join(name for name in (subject.given_name, subject.family_name) if name)


def _strings(values: Iterable[Any]) -> list[str]:
    """Every string in a value, however deep."""
    found: list[str] = []
    for value in values:
        if isinstance(value, str):
            found.append(value)
        elif isinstance(value, dict):
            found += _strings(value.values())
        elif isinstance(value, (list, tuple)):
            found += _strings(value)
    return found


def _folded(text: str) -> str:
    """Small letters without accents and apostrophes."""
    return _unaccented(text).casefold().replace("'", "").replace("\u2019", "")


def _plain(text: str) -> str:
    """Small letters without accents, apostrophes and punctuation, single spaces between words."""
    return _plain_of(_folded(text))


def _plain_of(folded: str) -> str:
    return " ".join(folded.translate(OF_ADDRESS).split()).strip(".")


def _unaccented(text: str) -> str:
    if text.isascii():
        return text
    parts = unicodedata.normalize("NFKD", text)
    return "".join(letter for letter in parts if not unicodedata.combining(letter))


def _capitalised(text: str) -> set[str]:
    """Words that begin with a capital, as `_plain` writes them: how a name stands in a sentence."""
    cleaned = _unaccented(text).replace("'", "").replace("\u2019", "")
    return {one.casefold() for one in cleaned.translate(OF_WORDS).split() if one[0].isupper()}


def _postcodes(text: str) -> set[str]:
    return {first + last for first, last in POSTCODE.findall(_unaccented(text).casefold())}


def _numbers(text: str) -> Iterator[str]:
    """Telephone numbers as digits from the area code on."""
    for found in NUMBER.findall(text):
        number = TRUNK.sub("", NOT_DIGIT.sub("", found))
        if len(number) >= SHORTEST_NUMBER:
            yield number
