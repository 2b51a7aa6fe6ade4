"""Equality data is counted and never weighed: it has no way into weight or decision."""

from __future__ import annotations

import datetime
import re
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.auditor.parity.policy import load_parity_policy
from broker.auditor.parity.reading import read_material
from broker.decide.facts import PartFacts as Facts
from broker.model.types import Provenance
from broker.model.values import Claim, Observation, SourcePosition
from broker.policies.errors import PolicyFileError
from broker.record.age_band import age_band
from tests.auditor.parity.drawn import FILE, NAMED_POLICY, POLICY
from tests.auditor.parity.stories import rows_key, statement, told
from tests.oracle import offline_flow
from tests.rounds.story import AT

TODAY = datetime.date(2026, 11, 24)
HELD_APART = {"ethnicity", "sex", "age", "age_band", "date_of_birth", "provenance"}
SCHEMA = FILE.parents[1] / "law" / "broker.cedarschema"


@pytest.mark.parametrize(
    ("born", "band"),
    [
        ("2026-11-24", "0-4"), ("2021-11-25", "0-4"), ("2021-11-24", "5-9"), ("2016-11-24", "10-12"),
        ("2013-11-24", "13-15"), ("2010-11-25", "13-15"), ("2010-11-24", "16-17"),
        ("2008-11-25", "16-17"), ("2008-11-24", "18+"), ("2027-01-01", "not_stated"),
    ],
)  # fmt: skip
def test_the_band_is_that_of_whole_years_on_the_day(born: str, band: str) -> None:
    """A birthday counts from the day itself; a date that lies ahead is no age."""
    assert age_band(datetime.date.fromisoformat(born), TODAY) == band
    assert age_band(None, TODAY) == "not_stated"


def test_neither_weight_nor_decision_has_a_field_for_them() -> None:
    """The types that weigh and decide take no such thing; of age only whether somebody is adult."""
    for kind in (Claim, Observation, Facts):
        assert not HELD_APART & set(kind.__struct_fields__)
    assert "adult" in Facts.__struct_fields__
    lines = SCHEMA.read_text(encoding="utf-8").splitlines()
    words = set(re.findall(r"\w+", " ".join(line.partition("//")[0] for line in lines)))
    assert {"adult", "capacity"} <= words
    assert not HELD_APART & words


@settings(max_examples=12, deadline=None)
@given(st.dates(datetime.date(2009, 6, 1), datetime.date(2026, 1, 1)))
def test_how_old_a_child_is_changes_nothing(born: datetime.date) -> None:
    """Under eighteen at any age: same weight, same decisions, same reasons."""
    event = statement(1, Provenance.PARENT)
    (child,) = event.subjects
    younger = msgspec.structs.replace(
        event, subjects=(msgspec.structs.replace(child, date_of_birth=born),)
    )
    source = SourcePosition("concerns.v1.test", 0, 0)
    (one,), (other,) = (offline_flow().submit(each, AT, source).parts for each in (event, younger))
    assert one.weight == other.weight
    assert [d.decision for d in one.decided] == [d.decision for d in other.decided]


def test_the_rows_hold_a_band_and_no_date(tmp_path: Path) -> None:
    """What the ledger keeps of an age is its band."""
    folder = told(tmp_path / "ledger", [statement(1, Provenance.PARENT)])
    material = read_material(folder, rows_key(folder))
    ((first, *_),) = material.parts.values()

    assert first.rows.age_band == "13-15"


def test_the_policy_is_named_by_its_bytes_and_errors_name_the_line(tmp_path: Path) -> None:
    """Another number is another hash; a class left out or a strange key is an error."""
    text = FILE.read_text(encoding="utf-8")
    changed = tmp_path / "parity.yaml"
    changed.write_text(text.replace("least_statements: 30", "least_statements: 31"))
    assert load_parity_policy(changed).hash != NAMED_POLICY.hash
    for wrong in (
        text.replace("parent, carer", "carer"),
        text + "mood: good\n",
        text.replace("low: 0.8", "low: 1.8"),
        text.replace("[event_type, severity", "[provenance, severity"),
        text.replace("suppress_up_to: 5", "suppress_up_to: 3"),
    ):
        changed.write_text(wrong)
        with pytest.raises(PolicyFileError, match=r"parity\.yaml"):
            load_parity_policy(changed)
    assert POLICY.group_of("charity") == "professional"
