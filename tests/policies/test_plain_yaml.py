"""The quick reader of policy files returns what the full reader returns, or nothing at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from broker.policies.plain_yaml import NotPlainError, read_plain

POLICIES = Path(__file__).resolve().parents[2] / "policies"
FILES = sorted(POLICIES.rglob("*.yaml"))
BASELINE = (POLICIES / "agreements/national-baseline/agreement.yaml").read_text(encoding="utf-8")
SCRAPS = st.sampled_from(
    [*"[]{}:,#'\"-&*!|>%@`?\\~ \n\t", ": ", " #", "- ", "  ", "no", "Yes", "null", "1e3", "0x1", "01",
     "2026-02-30", "2026-1-1", "12:30:00", "a: b", "[a, b]", "{a: b}", "'it''s'", '"a\\n"', "é", "\u00a0",
     "---", "...", "<<", "=", ".inf", "1_000", "+1", "-1", "1.5", "key:", "? x", "\n  - ", "\n- "]
)  # fmt: skip


def full(text: str) -> Any:
    """What the full reader makes of it; an error is a value too."""
    try:
        return YAML(typ="safe").load(text)
    except (YAMLError, ValueError) as error:
        return type(error)


def quick(text: str) -> Any:
    """What the quick reader makes of it; None where it is not certain."""
    try:
        return read_plain(text)
    except NotPlainError:
        return None


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(POLICIES)))
def test_both_readers_agree_on_every_policy_file(path: Path) -> None:
    """Every file as it is delivered."""
    text = path.read_text(encoding="utf-8")

    assert quick(text) in (None, full(text))


def test_agreements_are_read_by_the_quick_one() -> None:
    """Else 2,000 of them would take half a minute."""
    assert quick(BASELINE) is not None


@settings(max_examples=250, deadline=None)
@given(
    st.integers(0, 60), st.integers(3, 12), st.lists(st.tuples(st.integers(0), SCRAPS), max_size=4)
)
def test_both_readers_agree_on_a_spoilt_agreement(
    start: int, length: int, scraps: list[tuple[int, str]]
) -> None:
    """A piece of an agreement with scraps put in anywhere: the same value, or the quick one declines."""
    text = "\n".join(BASELINE.split("\n")[start : start + length])
    for place, scrap in scraps:
        at = place % (len(text) + 1)
        text = text[:at] + scrap + text[at:]
    value = quick(text)

    assert value is None or (value == full(text) and repr(value) == repr(full(text)))


@settings(max_examples=250, deadline=None)
@given(
    st.lists(SCRAPS | st.sampled_from(["a", "b c", "key: ", "x: 1\n"]), max_size=12).map("".join)
)
def test_both_readers_agree_on_anything(text: str) -> None:
    """Scraps of YAML in any order."""
    value = quick(text)

    assert value is None or (value == full(text) and repr(value) == repr(full(text)))
