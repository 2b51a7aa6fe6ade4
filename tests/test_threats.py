"""The threat model names tests, and the tests that it names are there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from broker.flow import STEPS

ROOT = Path(__file__).resolve().parents[1]
MODEL = (ROOT / "docs" / "threat-model.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py(?:::\w+)?)`", MODEL)))
ROWS = [line for line in MODEL.splitlines() if re.match(r"\| [STRIDE] \|", line)]


@pytest.mark.parametrize("named", NAMED)
def test_a_named_test_exists(named: str) -> None:
    """A threat that no test holds any more must not look as if one did."""
    file, _, function = named.partition("::")
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    tests = {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
    }

    assert function in tests if function else tests


def test_every_threat_names_its_test() -> None:
    """No row is only a promise."""
    assert len(ROWS) > 40
    assert not [row for row in ROWS if "`tests/" not in row.split("|")[4]]


def test_every_step_of_the_flow_is_looked_at_from_all_sides() -> None:
    """Each step stands in a heading, and all six kinds of threat are considered."""
    headings = " ".join(line for line in MODEL.splitlines() if line.startswith("## "))

    assert not [step for step in STEPS if step not in headings]
    assert {row[2] for row in ROWS} == set("STRIDE")
