"""Every agreement's examples hold: they are what its parties read to know what it means."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from ruamel.yaml import YAML

from broker.examples import example
from broker.model.codec import from_builtins, to_json_value
from broker.model.types import ConcernEvent
from broker.model.values import Decision, SourcePosition
from tests.oracle import offline_flow

AGREEMENTS = Path(__file__).resolve().parents[2] / "policies" / "agreements"


class Wanted(msgspec.Struct, forbid_unknown_fields=True):
    """What an example expects; what it leaves out is not asked."""

    outcome: str
    mode: str | None = None
    released: list[str] | None = None
    reasons: list[str] = []
    withheld: dict[str, str] = {}
    obligations: list[str] = []


class Case(msgspec.Struct, forbid_unknown_fields=True):
    """One example."""

    name: str
    example: str
    recipient: str
    expect: Wanted
    at: datetime.datetime | None = None
    change: dict[str, Any] = {}


def cases() -> list[Any]:
    """All examples of all agreements, each named by its agreement and its own name."""
    found = []
    for path in sorted(AGREEMENTS.glob("*/agreement.yaml")):
        raw = YAML(typ="safe").load((path.parent / "examples.yaml").read_text(encoding="utf-8"))
        found += [
            pytest.param(case, id=f"{path.parent.name}: {case.name}")
            for case in msgspec.convert(raw, list[Case])
        ]
    return found


def decided(case: Case) -> Decision:
    """The decision for the example's recipient."""
    event = from_builtins(to_json_value(example(case.example)) | case.change, ConcernEvent)
    source = SourcePosition(f"concerns.v1.{event.publisher}", 0, 0)
    outcome = offline_flow().submit(event, case.at or event.reported_at, source)
    assert outcome.rejection is None
    found = {one.decision.candidate.recipient: one.decision for one in outcome.parts[0].decided}
    return found[case.recipient]


@pytest.mark.parametrize("case", cases())
def test_an_example_of_an_agreement_holds(case: Case) -> None:
    """Outcome, mode, fields, reasons and obligations are as the example says."""
    decision, wanted = decided(case), case.expect

    assert decision.outcome.value == wanted.outcome
    assert wanted.mode is None or decision.mode == wanted.mode
    assert set(wanted.reasons) <= set(decision.reasons)
    assert wanted.withheld.items() <= dict(decision.withheld).items()
    assert set(wanted.obligations) <= set(decision.obligations)
    if wanted.released is not None:
        assert [one.field for one in decision.released] == wanted.released
