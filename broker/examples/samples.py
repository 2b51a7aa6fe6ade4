"""One statement of every kind, read from `statements/`, and the same made new for today.

Every child, place and address in them is invented. A statement as it lies there never changes;
`fresh_example` gives it ids, a child and times of its own, so that it can be published again.
"""

from __future__ import annotations

import datetime
import uuid
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from broker.model.codec import from_json
from broker.model.types import (
    Action,
    ConcernEvent,
    EventType,
    Identifier,
    IdentifierScheme,
    Subject,
    TimeInterval,
)

STATEMENTS = Path(__file__).parent / "statements"
ACTION = "action"
KINDS: tuple[str, ...] = (*(kind.value for kind in EventType), ACTION)
"""What there is an example of: every event type, and a human act."""
WEEK = datetime.timedelta(weeks=1)
NOTICE = datetime.timedelta(days=1)
"""A window that was ahead of the report is at least so far ahead of a fresh one."""


class UnknownExampleError(ValueError):
    """There is no example of that name; the message lists those that there are."""


def example(kind: str) -> ConcernEvent | Action:
    """The example of an event type or of `action`; hyphens do for underscores.

    Always the same. Raises UnknownExampleError.
    """
    return _read(_name_of(kind))


def fresh_example(kind: str, now: datetime.datetime) -> ConcernEvent | Action:
    """The example with new ids, another invented child, and times as if it were reported `now`.

    Dates and times keep their distance to the report, and a window that lay ahead of it keeps its
    weekday and hour and lies at least a day ahead of `now`. National numbers are left out, since
    two fresh examples are not about one child. Raises UnknownExampleError.
    """
    given = _read(_name_of(kind))
    now = now.replace(microsecond=0)
    if isinstance(given, Action):
        return msgspec.structs.replace(given, action_id=str(uuid.uuid4()), acted_at=now)
    shifted: ConcernEvent = _moved(given, now - given.reported_at)
    when = given.when
    if when is not None and when.start > given.reported_at:
        shifted = msgspec.structs.replace(shifted, when=_ahead(when, now + NOTICE))
    return msgspec.structs.replace(
        shifted,
        event_id=str(uuid.uuid4()),
        origin_id=str(uuid.uuid4()),
        subjects=tuple(_another_child(subject) for subject in shifted.subjects),
    )


def to_line(statement: ConcernEvent | Action) -> str:
    """The statement as one line of JSON without its line end; empty fields are left out."""
    return msgspec.json.encode(_filled(statement)).decode()


def _name_of(kind: str) -> str:
    name = kind.strip().lower().replace("-", "_")
    if name not in KINDS:
        listed = ", ".join(one.replace("_", "-") for one in KINDS)
        raise UnknownExampleError(f"there is no example of {kind!r}: take one of {listed}")
    return name


@cache
def _read(name: str) -> ConcernEvent | Action:
    data = (STATEMENTS / f"{name}.json").read_bytes()
    return from_json(data, Action) if name == ACTION else from_json(data, ConcernEvent)


def _moved(value: Any, by: datetime.timedelta) -> Any:
    """`value` with every date and time in it moved; dates by whole days."""
    if isinstance(value, datetime.datetime):
        return value + by
    if isinstance(value, datetime.date):
        return value + datetime.timedelta(days=by.days)
    if isinstance(value, tuple):
        return tuple(_moved(one, by) for one in value)
    if isinstance(value, msgspec.Struct):
        changes = {name: _moved(getattr(value, name), by) for name in value.__struct_fields__}
        return msgspec.structs.replace(value, **changes)
    return value


def _ahead(window: TimeInterval, earliest: datetime.datetime) -> TimeInterval:
    """The window moved by whole weeks to the first that does not start before `earliest`."""
    weeks = -((window.start - earliest) // WEEK)
    by = weeks * WEEK
    return TimeInterval(start=window.start + by, end=window.end and window.end + by)


def _another_child(subject: Subject) -> Subject:
    """The subject under a new local identifier, and no other."""
    local = tuple(
        Identifier(scheme=one.scheme, value=f"case-{uuid.uuid4()}", system=one.system)
        for one in subject.identifiers
        if one.scheme is IdentifierScheme.LOCAL
    )
    return msgspec.structs.replace(subject, identifiers=local)


def _filled(value: Any) -> Any:
    """`value` as JSON-ready builtins without what is absent or empty."""
    if isinstance(value, msgspec.Struct):
        pairs = ((name, getattr(value, name)) for name in value.__struct_fields__)
        return {name: _filled(one) for name, one in pairs if one is not None and one != ()}
    if isinstance(value, tuple):
        return [_filled(one) for one in value]
    return msgspec.to_builtins(value)
