"""A mistake in a policy file is named with file and clause, and no bundle comes of it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from broker.policies import PolicyFileError, load_bundle
from broker.reference import load_reference

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = load_reference(ROOT / "schemas" / "codesets", ROOT / "policies" / "organisations")
BASELINE = "agreements/national-baseline/agreement.yaml"


@pytest.fixture
def policies(tmp_path: Path) -> Path:
    """A copy of the policies that a test may spoil."""
    copy = tmp_path / "policies"
    shutil.copytree(ROOT / "policies", copy)
    return copy


def spoil(policies: Path, name: str, old: str, new: str) -> None:
    path = policies / name
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "old", "new", "complaint"),
    [
        ("law/1-prohibitions.cedar", '@id("law/no-nexus")\n', "", r"has no @id"),
        ("law/1-prohibitions.cedar", '@reason("no_nexus")\n', "", r"law/no-nexus: a forbid needs"),
        ("law/2-duties.cedar", "context.cross_border", "context.crossborder", r"ca1989-sch2-4-2"),
        ("law/2-duties.cedar", '@gateway("ca1989-s47")', '@gateway("s47")', r"@gateway must name"),
        ("law/3-powers.cedar", "permit (", "permit ((", r"3-powers\.cedar"),
        (
            "law/gateways.yaml",
            "in_force_from: 1991-10-14",
            "in_force_from: soon",
            r":\d+: gateways\.ca1989-sch2-4-2",
        ),
        (
            "law/conditions.yaml",
            "    needs_person",
            "    need_person",
            r":\d+: conditions\.consult_originator\.need_person",
        ),
        (BASELINE, "fields: [address]", "fields: [adress]", r"police-address.*adress"),
        (BASELINE, "fields: [address]", "fields: [address, source]", r"never leaves"),
        (BASELINE, "never_share: [source", "never_share: [address, source", r"under never_share"),
        (BASELINE, "gateway: ea2002-s175", "gateway: ea2002", r"school-safety-plan.*ea2002 is not"),
        (BASELINE, "effective_from: 2026-03-01", "effective_from: 2030-03-01", r"in that order"),
        (BASELINE, "id: forces, kinds: [police]", "id: forces, kinds: []", r"means nobody"),
        (BASELINE, "- id: police-address", "- id: police", r"police is there twice"),
        (BASELINE, "id: national-baseline", "id: national-base", r"as its folder is called"),
        (BASELINE, "data_items:", "data_items: [", r"line \d+: cannot be read as YAML"),
        (BASELINE, "2026-03-01", "2026-02-31", r"holds a value that is none"),
        (BASELINE, "data_items:", "deep: " + "[" * 3000, r"cannot be read|nested too deeply"),
        (BASELINE, "transform: generalise", "transform: pseudonymise", r"cannot be shown by"),
        (BASELINE, "dpia_ref: DPIA-NB-1 (invented)", "dpia: x", r"dpia"),
        (
            "agreements/west-midlands-region/agreement.yaml",
            "organisations: [ICB-BLACK-COUNTRY]",
            "organisations: [ICB-NOWHERE]",
            r"parties\.health: ICB-NOWHERE is not in the register",
        ),
        (
            "agreements/west-midlands-region/agreement.yaml",
            "prevails_over: [national-baseline]",
            "prevails_over: [national]",
            r"there is no agreement 'national'",
        ),
    ],
)
def test_a_mistake_is_named(policies: Path, name: str, old: str, new: str, complaint: str) -> None:
    """File and clause are in the message; nothing is loaded."""
    spoil(policies, name, old, new)

    with pytest.raises(PolicyFileError, match=complaint) as caught:
        load_bundle(policies, REFERENCE)
    assert caught.value.path == policies / name


def test_the_hash_names_what_the_bundle_says_and_not_how_it_is_laid_out(policies: Path) -> None:
    """A comment changes nothing; a changed clause gives another hash; the order of files does not."""
    before = load_bundle(policies, REFERENCE).bundle_hash
    spoil(policies, "law/3-powers.cedar", "// Powers.", "// Powers, in other words.")
    commented = load_bundle(policies, REFERENCE).bundle_hash
    spoil(policies, BASELINE, "[given_name, family_name, safety_plan]", "[safety_plan]")
    changed = load_bundle(policies, REFERENCE).bundle_hash

    assert before == commented != changed
