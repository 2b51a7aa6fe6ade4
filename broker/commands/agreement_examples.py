"""The cases in an agreement's `examples.yaml`: what its parties read to know what it means, run.

Each is a bundled example with some fields changed, one recipient, and what must be decided for it.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from broker.examples import UnknownExampleError, example
from broker.model.codec import CodecError, from_builtins, to_json_value
from broker.model.types import ConcernEvent
from broker.model.values import Decision, SourcePosition
from broker.offline import OfflineFlow
from broker.policies import PolicyFileError

FILE = "examples.yaml"


class Wanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an example expects; what it leaves out is not asked."""

    outcome: str
    mode: str | None = None
    released: list[str] | None = None
    reasons: list[str] = []
    withheld: dict[str, str] = {}
    obligations: list[str] = []


class Case(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One example."""

    name: str
    example: str
    recipient: str
    expect: Wanted
    at: datetime.datetime | None = None
    change: dict[str, Any] = {}


class Ran(msgspec.Struct, frozen=True):
    """One example that was run."""

    path: Path
    line: int | None
    name: str
    differences: tuple[str, ...]
    """What was decided otherwise than the example says, one sentence each; none if it holds."""


def cases_of(path: Path) -> tuple[tuple[Case, int | None], ...]:
    """The examples of one file with their lines. Raises PolicyFileError."""
    try:
        raw = YAML(typ="rt").load(path.read_text(encoding="utf-8"))
        plain = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
        cases = msgspec.convert(plain, list[Case])
    except (OSError, ValueError, YAMLError, RecursionError) as error:
        raise PolicyFileError(path, "", f"cannot be read as examples ({error})") from None
    return tuple((case, raw.lc.item(number)[0] + 1) for number, case in enumerate(cases))


def run_examples(policies_dir: Path, new_flow: Callable[[], OfflineFlow]) -> Iterator[Ran]:
    """Every example of every agreement, each in a flow of its own. Raises PolicyFileError."""
    for agreement in sorted((policies_dir / "agreements").glob("*/agreement.yaml")):
        path = agreement.parent / FILE
        if path.is_file():
            for case, line in cases_of(path):
                yield Ran(path, line, case.name, differences(case, new_flow()))


def differences(case: Case, flow: OfflineFlow) -> tuple[str, ...]:
    """What is decided otherwise than the example says, in words; none if it holds."""
    try:
        decision = _decided(case, flow)
    except (UnknownExampleError, CodecError, LookupError, ValueError) as error:
        return (str(error),)
    wanted = case.expect
    told = {one.field for one in decision.released}
    said = (
        _differs("outcome", wanted.outcome, decision.outcome.value),
        _differs("mode", wanted.mode, decision.mode),
        _differs("released", wanted.released, [one.field for one in decision.released]),
        _lacks("reasons", wanted.reasons, decision.reasons),
        _lacks("obligations", wanted.obligations, decision.obligations),
        *(
            _differs(f"{field} is withheld for", reason, _why(decision, field, told))
            for field, reason in wanted.withheld.items()
        ),
    )
    return tuple(one for one in said if one)


def _decided(case: Case, flow: OfflineFlow) -> Decision:
    """The decision for the example's recipient, of the first part that has one."""
    stated = to_json_value(example(case.example)) | case.change
    event = from_builtins(stated, ConcernEvent)
    source = SourcePosition(f"concerns.v1.{event.publisher}", 0, 0)
    outcome = flow.submit(event, case.at or event.reported_at, source)
    if outcome.rejection is not None:
        raise ValueError(f"it is rejected: {outcome.rejection.explanation}")
    found = {
        one.decision.candidate.recipient: one.decision
        for part in reversed(outcome.parts)
        for one in part.decided
    }
    if case.recipient not in found:
        raise ValueError(f"{case.recipient} is no candidate; candidates are {', '.join(found)}")
    return found[case.recipient]


def _differs(what: str, wanted: object, found: object) -> str:
    if wanted is None or wanted == found:
        return ""
    return f"{what}: the example says {_said(wanted)}, decided was {_said(found)}"


def _lacks(what: str, wanted: list[str], found: tuple[str, ...]) -> str:
    missing = [one for one in wanted if one not in found]
    return f"{what}: {_said(missing)} missing, decided was {_said(list(found))}" if missing else ""


def _why(decision: Decision, field: str, told: set[str]) -> str:
    return "nothing: it is released" if field in told else dict(decision.withheld).get(field, "")


def _said(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(str(one) for one in value) or "none"
    return str(value) if value else "none"
