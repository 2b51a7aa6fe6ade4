"""YAML files of `policies/`, and the line on which a value stands.

The lines are looked up only when something is wrong: the second, slower reading costs nothing as
long as the files are good.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from broker.policies.errors import PolicyFileError
from broker.policies.plain_yaml import NotPlainError, read_plain

Place = tuple[str | int, ...]
"""Keys and positions from the top of a file to a value."""
_SHOWN = 5
"""Complaints that one error names."""


class Strict(BaseModel):
    """A row of a policy file: a key that nobody knows is an error, not a rule that does nothing."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


def read_text(path: Path) -> str:
    """The text of a file. Raises PolicyFileError."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise PolicyFileError(path, "", "the file is missing: restore it") from None
    except (OSError, UnicodeDecodeError) as error:
        raise PolicyFileError(path, "", f"cannot be read ({type(error).__name__})") from None


def read_yaml(path: Path) -> Any:
    """The value in a YAML file. Raises PolicyFileError with the line."""
    text = read_text(path)
    try:
        return _value_of(text)
    except RecursionError:
        raise PolicyFileError(path, "", "is nested too deeply to be read") from None
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else None
        problem = getattr(error, "problem", None) or type(error).__name__
        where = f"line {line}" if line else ""
        raise PolicyFileError(path, where, f"cannot be read as YAML ({problem})", line) from None
    except ValueError as error:
        # A date that no calendar has, or a number that is none: YAML's own reader trips over them.
        raise PolicyFileError(path, "", f"holds a value that is none ({error})") from None


def _value_of(text: str) -> Any:
    """By the quick reader where that is certain, else by the full one."""
    try:
        return read_plain(text)
    except NotPlainError:
        return YAML(typ="safe").load(text)


def validated(path: Path, kind: type[Any]) -> Any:
    """The file as a value of that kind. Raises PolicyFileError with line and key."""
    raw = read_yaml(path)
    try:
        return kind.model_validate(raw)
    except ValidationError as error:
        raise complaint(path, error, raw) from None


def complaint(path: Path, error: ValidationError, raw: Any) -> PolicyFileError:
    """Pydantic's first complaints as one error, on the line of the first."""
    problems = error.errors(include_url=False)[:_SHOWN]
    places = [_place_of(problem, raw) for problem in problems]
    said = [
        f"{_named(place, raw)}: {_words(problem)}"
        for place, problem in zip(places, problems, strict=True)
    ]
    return PolicyFileError(path, "", "; ".join(said), line_of(path, places[0]))


def line_of(path: Path, place: Place) -> int | None:
    """The line (from 1) on which the value stands, or the nearest one around it that exists."""
    try:
        node = YAML().compose(path.read_text(encoding="utf-8"))
    except (OSError, YAMLError):
        return None
    line = None if node is None else node.start_mark.line
    for step in place:
        found = _step_into(node, step)
        if found is None:
            break
        line, node = found
    return None if line is None else line + 1


def _step_into(node: Node | None, step: str | int) -> tuple[int, Node] | None:
    if isinstance(node, MappingNode):
        for key, value in node.value:
            if key.value == str(step):
                return key.start_mark.line, value
    if isinstance(node, SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step].start_mark.line, node.value[step]
    return None


def _place_of(problem: Any, raw: Any) -> Place:
    """Where it is; a rule over the whole file says so at the start of its words: `key.id: …`."""
    place: Place = tuple(problem["loc"])
    if place:
        return place
    key, _, rest = _bare(problem["msg"]).partition(":")[0].partition(".")
    if not isinstance(raw, dict) or key not in raw:
        return ()
    return (key, *_position(raw[key], rest)) if rest else (key,)


def _position(rows: Any, name: str) -> Place:
    if isinstance(rows, Sequence):
        for number, row in enumerate(rows):
            if isinstance(row, dict) and row.get("id") == name:
                return (number,)
    return ()


def _words(problem: Any) -> str:
    words = _bare(problem["msg"])
    return words if problem["loc"] else words.partition(": ")[2] or words


def _bare(message: str) -> str:
    return message.removeprefix("Value error, ")


def _named(place: Place, raw: Any) -> str:
    """The place in words: rows by their id where they have one."""
    words, value = [], raw
    for step in place:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            value = None
        name = value.get("id") if isinstance(step, int) and isinstance(value, dict) else None
        words.append(str(name if name is not None else step))
    return ".".join(words) or "file"
