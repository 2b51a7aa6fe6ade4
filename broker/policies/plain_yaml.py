"""A quick reader for the plain part of YAML that policy files are written in.

The full reader takes some 6 ms for an agreement, and 2,000 agreements must load in seconds. This one
knows block mappings and lists, flow lists and mappings, and plain, quoted, whole-number, date and
truth values. Where it is not certain it raises `NotPlainError`, and the full reader is asked. Law: what it
returns is what the full reader would return.
"""

from __future__ import annotations

import datetime
import re
from typing import Any

Line = tuple[int, str]
"""Indentation and what stands there, without comment."""

_KEY = re.compile(r"([A-Za-z_][A-Za-z0-9_-]*):(?: +(?=\S)|$)")
_ITEM = re.compile(r"- (?=\S)")
_WHOLE = re.compile(r"(?:0|[1-9][0-9]{0,15})\Z")
_DATE = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})\Z")
_WORDS = re.compile(r"(?:[0-9]{1,4} )?[A-Za-z][^\t\r\n]*\Z")
_IN_FLOW = re.compile(r"[^\[\]{},]+")
_LIST = re.compile(r"\[([^\[\]{}\"']+)\]")
"""A list of plain values and nothing else: most of what an agreement holds."""
_TRUTH = {"true": True, "false": False}
_DOUBTFUL = frozenset({"yes", "no", "on", "off", "y", "n", "null", "true", "false", "nan", "inf"})


class NotPlainError(ValueError):
    """The text holds something that only the full reader knows how to read."""


def read_plain(text: str) -> Any:
    """The value of a plain text. Raises NotPlainError."""
    lines = [line for raw in text.split("\n") if (line := _line(raw)) is not None]
    if not lines:
        raise NotPlainError
    reader = _Reader(lines)
    try:
        value = reader.block(lines[0][0])
    except RecursionError:
        raise NotPlainError from None
    if reader.at != len(lines):
        raise NotPlainError
    return value


def _line(raw: str) -> Line | None:
    """One line, or None if nothing stands on it."""
    bare = raw.lstrip(" ")
    if not bare or bare[0] == "#":
        return None
    if not bare.isprintable() or bare[0] == "%" or bare.startswith(("---", "...")):
        raise NotPlainError
    indent = len(raw) - len(bare)
    if " #" in bare:
        if '"' in bare or "'" in bare:
            raise NotPlainError
        bare = bare.partition(" #")[0]
    return indent, bare.rstrip(" ")


class _Reader:
    """Walks over the lines once."""

    def __init__(self, lines: list[Line]) -> None:
        self._lines = lines
        self.at = 0

    def block(self, indent: int) -> Any:
        """The mapping or list that begins here, at this indentation."""
        if self._lines[self.at][0] != indent:
            raise NotPlainError
        if _ITEM.match(self._lines[self.at][1]):
            return self._list(indent)
        return self._mapping(indent)

    def _list(self, indent: int) -> list[Any]:
        items: list[Any] = []
        while self._here(indent) and (dash := _ITEM.match(self._lines[self.at][1])):
            rest = self._lines[self.at][1][dash.end() :]
            if _KEY.match(rest):
                self._lines[self.at] = (indent + 2, rest)
                items.append(self._mapping(indent + 2))
            else:
                items.append(self._value(rest, indent))
        return items

    def _mapping(self, indent: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while self._here(indent):
            key = _KEY.match(self._lines[self.at][1])
            if key is None or key[1] in found or key[1].lower() in _DOUBTFUL:
                raise NotPlainError
            rest = self._lines[self.at][1][key.end() :]
            found[key[1]] = self._value(rest, indent) if rest else self._below(indent)
        return found

    def _here(self, indent: int) -> bool:
        """Whether the next line belongs to the block of this indentation."""
        if self.at == len(self._lines):
            return False
        there, content = self._lines[self.at]
        if there > indent:
            raise NotPlainError
        return there == indent and (not content.startswith("-") or bool(_ITEM.match(content)))

    def _below(self, indent: int) -> Any:
        """What stands under a key; nothing is not certain to be meant."""
        self.at += 1
        if self.at == len(self._lines) or self._lines[self.at][0] <= indent:
            raise NotPlainError
        return self.block(self._lines[self.at][0])

    def _value(self, rest: str, indent: int) -> Any:
        """A value that begins on this line: a flow may run over the following ones."""
        self.at += 1
        if rest[0] not in "[{":
            return _scalar(rest)
        while True:
            flow = _Flow(rest)
            value = flow.value()
            if flow.at == len(rest):
                return value
            if flow.at < len(rest) or self.at == len(self._lines):
                raise NotPlainError
            there, more = self._lines[self.at]
            if there <= indent or (rest[-1] not in ",[{" and more[0] not in "]}"):
                # A comment or an empty line could have ended the value that the line ends with.
                raise NotPlainError
            rest = f"{rest} {more}"
            self.at += 1


class _Flow:
    """A list in [] or a mapping in {}, on one line. `at` is beyond its end where it goes on below."""

    def __init__(self, text: str) -> None:
        self._text = text
        self.at = 0

    def value(self) -> Any:
        """The value that begins here."""
        opening = self._next()
        if opening == "[":
            words = _LIST.match(self._text, self.at)
            if words:
                self.at = words.end()
                return [_scalar(one.strip(" ")) for one in words[1].split(",")]
            return self._listed()
        if opening == "{":
            return self._mapped()
        if opening in {'"', "'"}:
            return self._quoted(opening)
        plain = _IN_FLOW.match(self._text, self.at)
        if plain is None:
            if self.at < len(self._text):
                raise NotPlainError
            return None
        self.at = plain.end()
        return _scalar(plain[0].rstrip(" "))

    def _next(self) -> str:
        while self.at < len(self._text) and self._text[self.at] == " ":
            self.at += 1
        return self._text[self.at] if self.at < len(self._text) else ""

    def _quoted(self, mark: str) -> Any:
        end = self._text.find(mark, self.at + 1)
        if end < 0:
            raise NotPlainError
        quoted = self._text[self.at : end + 1]
        self.at = end + 1
        if self._text[self.at : self.at + 1] not in {"", " ", ",", "]", "}"}:
            raise NotPlainError
        return _scalar(quoted)

    def _listed(self) -> list[Any]:
        self.at += 1
        items: list[Any] = []
        while self._next() not in {"]", ""}:
            items.append(self.value())
            self._separated("]")
        self._closed()
        return items

    def _mapped(self) -> dict[str, Any]:
        self.at += 1
        found: dict[str, Any] = {}
        while self._next() not in {"}", ""}:
            key = _KEY.match(self._text, self.at)
            if key is None or key[1] in found or key[1].lower() in _DOUBTFUL:
                raise NotPlainError
            self.at = key.end()
            found[key[1]] = self.value()
            self._separated("}")
        self._closed()
        return found

    def _separated(self, closing: str) -> None:
        """Over the comma after an item; the line may end after it, and only after it."""
        following = self._next()
        if following == ",":
            self.at += 1
            if self._next() in {",", closing}:
                raise NotPlainError
        elif following not in {closing, ""}:
            raise NotPlainError

    def _closed(self) -> None:
        self.at += 1


def _scalar(text: str) -> Any:
    """A value of one line. Raises NotPlainError for all that is not certain."""
    if text in _TRUTH:
        return _TRUTH[text]
    if text[:1] in {'"', "'"}:
        inner = text[1:-1]
        if len(text) < 2 or text[-1] != text[0] or text[0] in inner or "\\" in inner:
            raise NotPlainError
        return inner
    if ": " in text or " #" in text or text.endswith(":"):
        raise NotPlainError
    if _WHOLE.match(text):
        return int(text)
    day = _DATE.match(text)
    if day:
        try:
            return datetime.date(int(day[1]), int(day[2]), int(day[3]))
        except ValueError:
            raise NotPlainError from None
    if _WORDS.match(text) and text.lower() not in _DOUBTFUL:
        return text
    raise NotPlainError
