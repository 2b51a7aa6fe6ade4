"""The scenarios as data (`tests/scenarios/*.yaml`): what agencies publish and who must be told.

Fixed as they stand in the files, for tests; or fresh, for a running broker: moved to now, with new
ids and new made-up numbers, so that a scenario can be played again on the same state.
"""

from __future__ import annotations

import datetime
import hashlib
import re
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from ruamel.yaml import YAML
from stdnum.gb import nhs

from broker.model.types import ConcernEvent

SCENARIOS_DIR = Path(__file__).resolve().parents[2] / "tests" / "scenarios"
TEST_RANGE = "999"
"""NHS numbers that begin so are never issued: made-up children get these."""
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
NHS_NUMBER = re.compile(r"[0-9]{10}")
NUMBERED = re.compile(r"\{n(\+[0-9]+)?\}")
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


class ScenarioError(ValueError):
    """A scenario file that cannot be read; names the file and what is wrong."""


class Told(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What must hold of one alert."""

    mode: str
    has: tuple[str, ...] = ()
    hasnt: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    """If not empty: exactly these fields."""
    values: dict[str, Any] = {}
    cites: tuple[str, ...] = ()
    obliged: tuple[str, ...] = ()


class Origins(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How often the claim counts, and how many agencies have passed it on."""

    independent: int
    agencies: int


class Expectation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What must become of one event, or of some of its parts.

    `told` is complete for each of them: nobody else may be told.
    """

    event: str
    told: dict[str, Told]
    subjects: tuple[str, ...] = ()
    """subject_refs of the parts that this is about; empty: all parts of the event."""
    returned: str | None = None
    """Reason code of the receipt by which the publisher learns that each of these was refused."""
    not_told: dict[str, str] = {}
    """Recipient -> reason code that must be among those given."""
    withheld: dict[str, dict[str, str]] = {}
    acknowledge_before: datetime.datetime | None = None
    origins: Origins | None = None


class Publication(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One event and when Kafka received it."""

    at: datetime.datetime
    event: ConcernEvent


class Scenario(msgspec.Struct, frozen=True):
    """One scenario."""

    code: str
    title: str
    story: str
    publications: tuple[Publication, ...]
    expect: tuple[Expectation, ...]
    never_in_any_alert: tuple[str, ...]

    @property
    def events(self) -> tuple[ConcernEvent, ...]:
        """The events, in the order in which they are published."""
        return tuple(one.event for one in self.publications)

    @property
    def told(self) -> tuple[tuple[str, str], ...]:
        """(event id, recipient) of every alert that must arrive, once a part, and no other."""
        return tuple(
            (one.event, recipient)
            for one in self.expect
            for recipient in one.told
            for _ in self.parts_of(one)
        )

    def parts_of(self, expectation: Expectation) -> tuple[str, ...]:
        """subject_refs of the parts that it is about; one empty text for a place or a group."""
        event = next(one for one in self.events if one.event_id == expectation.event)
        every = tuple(subject.subject_ref for subject in event.subjects) or ("",)
        return expectation.subjects or every


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    code: str
    title: str
    story: str
    events: tuple[Publication, ...]
    expect: tuple[Expectation, ...]
    never_in_any_alert: tuple[str, ...] = ()


def load_scenarios(directory: Path = SCENARIOS_DIR) -> tuple[Scenario, ...]:
    """All scenarios of the folder, as they stand there. Raises ScenarioError."""
    paths = sorted(directory.glob("S*.yaml"))
    if not paths:
        raise ScenarioError(f"{directory}: no scenario here: restore the folder")
    return tuple(_scenario(path, _read(path)) for path in paths)


def fresh_scenarios(
    now: datetime.datetime, run: str, directory: Path = SCENARIOS_DIR
) -> tuple[Scenario, ...]:
    """The scenarios as if their last event came in `now`; ids and numbers are made from `run`."""
    return tuple(
        _scenario(path, _moved(_read(path), now, run)) for path in sorted(directory.glob("S*.yaml"))
    )


def _read(path: Path) -> Any:
    return _written_out(YAML(typ="safe").load(path.read_text(encoding="utf-8")))


def _written_out(value: Any) -> Any:
    """`value` with each `{for_each: [first, last], make: ...}` of a list written out.

    In the texts of what is made `{n}` is the number, `{n+6}` one further on, both of two digits, and
    `{nhs}` a made-up NHS number that belongs to it.
    """
    if isinstance(value, Mapping):
        return {name: _written_out(one) for name, one in value.items()}
    if not isinstance(value, list):
        return value
    found: list[Any] = []
    for one in value:
        if isinstance(one, Mapping) and one.keys() == {"for_each", "make"}:
            first, last = one["for_each"]
            found.extend(_numbered(one["make"], number) for number in range(first, last + 1))
        else:
            found.append(_written_out(one))
    return found


def _numbered(value: Any, number: int) -> Any:
    if isinstance(value, Mapping):
        return {name: _numbered(one, number) for name, one in value.items()}
    if isinstance(value, list):
        return [_numbered(one, number) for one in value]
    if not isinstance(value, str):
        return value
    text = NUMBERED.sub(lambda found: f"{number + int(found[1] or 0):02d}", value)
    return text.replace("{nhs}", _made_up_number(f"numbered/{number}"))


def _scenario(path: Path, raw: Any) -> Scenario:
    try:
        found = msgspec.convert(raw, _File)
    except msgspec.ValidationError as error:
        raise ScenarioError(f"{path}: {error}") from None
    return Scenario(
        code=found.code,
        title=found.title,
        story=found.story,
        publications=found.events,
        expect=found.expect,
        never_in_any_alert=found.never_in_any_alert,
    )


def _moved(raw: Any, now: datetime.datetime, run: str) -> Any:
    last = max(datetime.datetime.fromisoformat(one["at"]) for one in raw["events"])
    return _renewed(raw, now.replace(microsecond=0) - last, uuid.uuid5(uuid.NAMESPACE_OID, run))


def _renewed(value: Any, by: datetime.timedelta, run: uuid.UUID) -> Any:
    """`value` with every moment moved, every id and every NHS number replaced, each by its own."""
    if isinstance(value, Mapping):
        return {_renewed(k, by, run): _renewed(one, by, run) for k, one in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_renewed(one, by, run) for one in value]
    if not isinstance(value, str):
        return value
    if MOMENT.fullmatch(value):
        return (datetime.datetime.fromisoformat(value) + by).isoformat().replace("+00:00", "Z")
    if UUID.fullmatch(value):
        return str(uuid.uuid5(run, value))
    if NHS_NUMBER.fullmatch(value):
        return _made_up_number(f"{run}/{value}")
    return value


def _made_up_number(seed: str) -> str:
    """A valid NHS number of the range that is never issued."""
    start = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:4], "big") % 1_000_000
    for middle in range(start, start + 100):
        stem = f"{TEST_RANGE}{middle % 1_000_000:06d}"
        for digit in range(10):
            if nhs.is_valid(f"{stem}{digit}"):
                return f"{stem}{digit}"
    raise ScenarioError("no made-up number was found: report this")
