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
from collections.abc import Iterable, Iterator, Sequence, Set
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
POSTCODE = re.compile(r"\b([a-z]{1,2}[0-9][0-9a-z]?) ?([0-9][a-z]{2})\b")
DIGIT, NOT_ALPHANUMERIC = re.compile("[0-9]"), re.compile("[^0-9a-z]+")
NOT_ADDRESS = re.compile(r"[^0-9a-z@.+_-]+")


class _Words:
    """Words that are about to leave, in the forms in which they are looked through, each made once."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.folded = _folded(text)

    @cached_property
    def plain(self) -> str:
        return f" {_plain_of(self.folded)} "

    @cached_property
    def run_together(self) -> str:
        """Letters and digits alone; empty where a telephone number cannot be in it."""
        if len(DIGIT.findall(self.folded)) < SHORTEST_NUMBER:
            return ""
        return NOT_ALPHANUMERIC.sub("", self.folded)

    @cached_property
    def capitalised(self) -> set[str]:
        return _capitalised(self.text)

    @cached_property
    def postcodes(self) -> set[str]:
        return _postcodes(self.text)


class _Kept(msgspec.Struct, frozen=True):
    """What must not be in the words: whole phrases in any case, and names with their capital."""

    phrases: frozenset[str]
    names: frozenset[str]
    numbers: frozenset[str]
    postcodes: frozenset[str]

    def within(self, words: _Words) -> bool:
        """True if any of it is in `words`."""
        if any(f" {one} " in words.plain for one in self.phrases):
            return True
        if self.names and not self.names.isdisjoint(words.capitalised):
            return True
        if self.postcodes and not self.postcodes.isdisjoint(words.postcodes):
            return True
        return bool(self.numbers) and any(one in words.run_together for one in self.numbers)


class Suspects(msgspec.Struct, frozen=True):
    """Of one part, pieces without which nothing that it keeps back can be in a text: a quick first look."""

    always: frozenset[str]
    """Of the source and of other children."""
    own: tuple[tuple[str, frozenset[str]], ...]
    """(field, pieces) of this child, looked for where that field is withheld."""
    numbers: frozenset[str]
    found: dict[tuple[str, tuple[str, ...]], str | None] = msgspec.field(default_factory=dict)
    """Reason code for words beside what is shown of the child: recipients often get the same."""
    kept: dict[tuple[str, ...], tuple[_Kept, tuple[_Kept, ...]]] = msgspec.field(
        default_factory=dict
    )
    """What is kept back, of the source and of people, where that is shown of the child."""

    def may_be_in(self, words: _Words, shown: Set[str]) -> bool:
        """False only if none of it is there."""
        folded = words.folded
        if any(one in folded for one in self.always):
            return True
        withheld = (pieces for field, pieces in self.own if field not in shown)
        if any(one in folded for pieces in withheld for one in pieces):
            return True
        return bool(self.numbers) and any(one in words.run_together for one in self.numbers)


def suspects(part: PartInput) -> Suspects:
    """What to look for in every text of the part."""
    source, always, numbers = part.event.source, set[str](), set[str]()
    own: tuple[tuple[str, frozenset[str]], ...] = ()
    if source is not None:
        always.update(_pieces(source.name), _contact_pieces(source.contact))
        numbers.update(_numbers(source.contact or ""))
    for one in part.event.subjects:
        numbers.update(_numbers(one.address or ""))
        if part.subject is None or one.subject_ref != part.subject.subject_ref:
            always.update(_pieces(_full_name(one)), _contact_pieces(one.address))
            continue
        names = ((name, frozenset(_pieces(getattr(one, name)))) for name in OWN_NAMES)
        own = (*names, ("address", frozenset(_contact_pieces(one.address))))
    return Suspects(frozenset(always), own, frozenset(numbers))


def within_words(
    part: PartInput,
    facts: PartFacts,
    decision: Decision,
    released: Released,
    suspected: Suspects,
) -> Decision:
    """The decision, or REVIEW where the words that it would release name someone it keeps back."""
    words = " \n ".join(_strings([value for field, value, _ in released if field not in NOT_WORDS]))
    if not words:
        return decision
    shown = {field: value for field, value, _ in released if field in OF_CHILD}
    known = (*shown, *_strings(shown.values()))
    reason = suspected.found.get((words, known), UNREAD)
    if reason is UNREAD:
        reason = suspected.found[words, known] = _named(words, part, shown, known, suspected)
    return decision if reason is None else instead(facts, decision, Outcome.REVIEW, reason)


def _named(
    words: str,
    part: PartInput,
    shown: dict[str, Any],
    known: tuple[str, ...],
    suspected: Suspects,
) -> str | None:
    """The reason code for whom the words name; None for nobody who is kept back."""
    read = _Words(words)
    if not suspected.may_be_in(read, shown.keys()):
        return None
    if known not in suspected.kept:
        suspected.kept[known] = (_source(part, shown), tuple(_people(part, shown)))
    source, people = suspected.kept[known]
    if source.within(read):
        return NAMES_SOURCE
    if any(kept.within(read) for kept in people):
        return NAMES_PERSON
    return None


def _source(part: PartInput, shown: dict[str, Any]) -> _Kept:
    """The source's name and contact, but for what this recipient is shown of the child anyway."""
    source = part.event.source
    if source is None:
        return _kept((), (), shown)
    return _kept((source.name,), (source.contact,), shown)


def _people(part: PartInput, shown: dict[str, Any]) -> Iterator[_Kept]:
    """The event's other children, and of this child what is withheld here."""
    for one in part.event.subjects:
        if part.subject is not None and one.subject_ref == part.subject.subject_ref:
            yield _own(one, shown)
        else:
            yield _kept((_full_name(one),), (one.address,), shown)


def _own(subject: Subject, shown: dict[str, Any]) -> _Kept:
    names = [getattr(subject, name) for name in OWN_NAMES if name not in shown]
    return _kept(names, () if "address" in shown else (subject.address,), shown)


def _kept(
    names: Iterable[str | None], contacts: Iterable[str | None], shown: dict[str, Any]
) -> _Kept:
    """What to look for. A surname that the child shares, or an address that is shown, gives nothing away."""
    seen = " ".join(_strings([shown.get(name) for name in OF_CHILD]))
    known, known_lines = set(_plain(seen).split()), _plain(seen)
    stated = [_plain(one) for one in names if one]
    written = [one for one in contacts if one]
    lines = [line for one in written for line in _lines(one)]
    tokens = {token for one in stated for token in one.split()}
    return _Kept(
        phrases=frozenset(
            [one for one in stated if one and not set(one.split()) <= known]
            + [one for one in lines if len(one) >= SHORTEST_LINE and one not in known_lines]
        ),
        names=frozenset(token for token in tokens - known if len(token) >= SHORTEST_NAME),
        numbers=frozenset(number for one in written for number in _numbers(one)),
        postcodes=frozenset(code for one in written for code in _postcodes(one))
        - frozenset(_postcodes(seen)),
    )


def _lines(contact: str) -> Iterator[str]:
    """The lines of an address that say whose it is, and mail: not the bare name of a town."""
    first, *others = re.split(r"[,;\n]", contact)
    yield _plain(contact)
    yield _plain(first)
    yield from (_plain(one) for one in others if re.search(r"[0-9@]", one))


def _pieces(name: str | None) -> Iterator[str]:
    """Words of a name; of a name of short words only, the longest of them."""
    words = _plain(name or "").split()
    yield from (one for one in words if len(one) >= SHORTEST_NAME)
    if words:
        yield max(words, key=len)


def _contact_pieces(contact: str | None) -> Iterator[str]:
    """The longest word of each line that is looked for, and the outward half of each postcode."""
    if not contact:
        return
    for line in _lines(contact):
        if len(line) >= SHORTEST_LINE:
            yield max(line.split(), key=len)
    yield from (first for first, _ in POSTCODE.findall(_folded(contact)))


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
    return " ".join(NOT_ADDRESS.sub(" ", folded).replace("-", " ").split()).strip(".")


def _unaccented(text: str) -> str:
    if text.isascii():
        return text
    parts = unicodedata.normalize("NFKD", text)
    return "".join(letter for letter in parts if not unicodedata.combining(letter))


def _capitalised(text: str) -> set[str]:
    """Words that begin with a capital, as `_plain` writes them: how a name stands in a sentence."""
    cleaned = _unaccented(text).replace("'", "").replace("\u2019", "")
    return {one.casefold() for one in re.findall(r"[^\W\d_]+", cleaned) if one[0].isupper()}


def _postcodes(text: str) -> set[str]:
    return {first + last for first, last in POSTCODE.findall(_unaccented(text).casefold())}


def _numbers(text: str) -> Iterator[str]:
    """Telephone numbers as digits from the area code on."""
    for found in re.findall(r"\+?[0-9][0-9 ().-]{7,}[0-9]", text):
        digits = re.sub(r"[^0-9]", "", found)
        number = re.sub(r"^(0044|44|0)0?", "", digits)
        if len(number) >= SHORTEST_NUMBER:
            yield number
