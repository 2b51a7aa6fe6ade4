"""Every agreement's examples hold: they are what its parties read to know what it means."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from broker.commands.agreement_examples import Case, cases_of, differences
from broker.policies import PolicyFileError
from tests.oracle import offline_flow

AGREEMENTS = Path(__file__).resolve().parents[2] / "policies" / "agreements"


def cases() -> list[Any]:
    """All examples of all agreements, each named by its agreement and its own name."""
    return [
        pytest.param(case, id=f"{path.parent.name}: {case.name}")
        for path in sorted(AGREEMENTS.glob("*/agreement.yaml"))
        for case, _ in cases_of(path.parent / "examples.yaml")
    ]


@pytest.mark.parametrize("case", cases())
def test_an_example_of_an_agreement_holds(case: Case) -> None:
    """Outcome, mode, fields, reasons and obligations are as the example says."""
    assert differences(case, offline_flow()) == ()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"outcome": "DENY"}, "outcome: the example says DENY, decided was PERMIT"),
        ({"mode": "EXISTENCE"}, "mode: the example says EXISTENCE"),
        ({"released": ["text"]}, "released: the example says text"),
        ({"reasons": ["no_nexus"]}, "reasons: no_nexus missing"),
        ({"obligations": ["consult_originator"]}, "obligations: consult_originator missing"),
        ({"withheld": {"text": "no_nexus"}}, "text is withheld for: the example says no_nexus"),
        ({"withheld": {"given_name": "third_party"}}, "nothing: it is released"),
    ],
)
def test_an_example_that_does_not_hold_says_what_differs(
    change: dict[str, Any], words: str
) -> None:
    """Each thing that an example can expect is compared, and named where it is otherwise."""
    case, _ = cases_of(AGREEMENTS / "national-baseline" / "examples.yaml")[0]
    wrong = msgspec.structs.replace(case, expect=msgspec.structs.replace(case.expect, **change))
    said = differences(wrong, offline_flow())

    assert len(said) == 1
    assert words in said[0]


def test_an_example_about_nobody_says_who_there_is() -> None:
    """A recipient that is no candidate, and an example that does not exist."""
    case, line = cases_of(AGREEMENTS / "national-baseline" / "examples.yaml")[0]
    nobody = msgspec.structs.replace(case, recipient="SCH-NOWHERE:school")
    unknown = msgspec.structs.replace(case, example="gossip")

    assert line == 2
    assert "is no candidate; candidates are" in differences(nobody, offline_flow())[0]
    assert "gossip" in differences(unknown, offline_flow())[0]


def test_a_file_that_is_no_list_of_examples_is_named(tmp_path: Path) -> None:
    """A key that is misspelt is an error, not an expectation that silently asks nothing."""
    path = tmp_path / "examples.yaml"
    path.write_text("- {name: a, example: concern, recipient: b, expect: {outcom: PERMIT}}\n")
    with pytest.raises(PolicyFileError, match="as examples"):
        cases_of(path)
