"""What somebody must mend or know before policies are used is found, with its line."""

from __future__ import annotations

import datetime
import shutil
from pathlib import Path

import pytest

from broker.policies.lint import Finding, lint
from broker.reference import load_reference

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = load_reference(ROOT / "schemas" / "codesets", ROOT / "policies" / "organisations")
BASELINE = "agreements/national-baseline/agreement.yaml"
DAY = datetime.date(2026, 11, 23)


@pytest.fixture
def policies(tmp_path: Path) -> Path:
    """The law and the national baseline alone: a copy that a test may spoil."""
    copy = tmp_path / "policies"
    shutil.copytree(ROOT / "policies" / "law", copy / "law")
    shutil.copytree((ROOT / "policies" / BASELINE).parent, (copy / BASELINE).parent)
    return copy


def spoil(policies: Path, old: str, new: str) -> int:
    """Replaces the text in the baseline and says on which line it begins."""
    path = policies / BASELINE
    text = path.read_text(encoding="utf-8")
    head, found, _ = text.partition(old)
    assert found
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return head.count("\n") + 1


def found(policies: Path, on: datetime.date = DAY) -> list[Finding]:
    return list(lint(policies, REFERENCE, on))


def test_good_policies_give_no_finding(policies: Path) -> None:
    """The law and the baseline as they are delivered."""
    assert found(policies) == []


def test_what_is_delivered_has_no_error_and_its_warnings_are_meant() -> None:
    """One agreement has expired, one is a draft that a party has not signed, one review is overdue."""
    here = lint(ROOT / "policies", REFERENCE, DAY)

    assert {(one.level, one.path.parent.name, one.code) for one in here} == {
        ("warning", "staffordshire-shropshire-2021", "expired"),
        ("warning", "voluntary-sector", "unsigned"),
        ("warning", "west-yorkshire-region", "review_overdue"),
    }


@pytest.mark.parametrize(
    ("day", "code"),
    [
        (datetime.date(2029, 3, 1), "expired"),
        (datetime.date(2027, 3, 2), "review_overdue"),
        (datetime.date(2026, 2, 28), "not_yet"),
    ],
)
def test_an_agreement_that_gives_nothing_or_is_overdue_on_the_day_is_a_warning(
    policies: Path, day: datetime.date, code: str
) -> None:
    """It loads; somebody must know."""
    (one,) = found(policies, day)

    assert (one.level, one.code) == ("warning", code)
    assert one.line is not None


CLINICAL = (
    "  - id: clinical\n"
    "    why: Clinical detail would be for the police, which the law never allows.\n"
    "    fields: [clinical_detail]\n"
    "    recipients: {kinds: [police], nexus: [home]}\n"
    "    gateway: ca2004-s10\n"
    "  - id: police-address"
)
COUNCIL = (
    "  - id: council\n"
    "    why: No council is a party of this agreement, so that nobody gets this.\n"
    "    fields: [harms]\n"
    "    recipients: {kinds: [council], nexus: [home]}\n"
    "    gateway: ca2004-s10\n"
    "  - id: police-address"
)
AGAIN = (
    "  - id: police-again\n"
    "    why: The clause above gives the police this already, and more than this.\n"
    "    fields: [harms]\n"
    "    recipients: {kinds: [police], nexus: [home]}\n"
    "    gateway: cda1998-s115\n"
    "  - id: police-address"
)


@pytest.mark.parametrize(
    ("old", "new", "level", "code", "clause"),
    [
        (
            "- {id: schools, kinds: [school], signed_on: 2026-02-02, signed_by: governing bodies (invented)}",
            "- {id: schools, kinds: [school]}",
            "warning",
            "unsigned",
            "parties.schools",
        ),
        ("status: in_force", "status: draft", "warning", "unsigned", "status"),
        (
            "  - id: police-address",
            CLINICAL,
            "error",
            "never_applies",
            "data_items.clinical",
        ),
        (
            "  - id: police-address",
            COUNCIL,
            "error",
            "never_applies",
            "data_items.council",
        ),
        (
            "  - id: police-address",
            AGAIN,
            "error",
            "dead_clause",
            "data_items.police-again",
        ),
    ],
)
def test_what_can_say_nothing_is_found_on_its_line(
    policies: Path, old: str, new: str, level: str, code: str, clause: str
) -> None:
    """Level, code, clause and line."""
    line = spoil(policies, old, new)
    here = [one for one in found(policies) if one.clause == clause]

    assert [(one.level, one.code, one.line) for one in here] == [(level, code, line)]


def test_a_clause_on_a_gateway_that_is_not_commenced_gives_nothing_and_says_so(
    policies: Path,
) -> None:
    """Children Act 2004 s.16LA has no day yet."""
    spoil(policies, "gateways: [ca2004-s10,", "gateways: [ca2004-s16la, ca2004-s10,")
    spoil(policies, "gateway: ca2004-s10\n", "gateway: ca2004-s16la\n")
    here = found(policies)

    assert [(one.level, one.code, one.clause) for one in here] == [
        ("warning", "gateway_not_in_force", "data_items.home-authority")
    ]


def test_an_agreement_without_examples_is_an_error(policies: Path) -> None:
    """What its parties cannot read as cases, they cannot agree to."""
    (policies / BASELINE).with_name("examples.yaml").unlink()

    assert [(one.level, one.code) for one in found(policies)] == [("error", "no_examples")]


def test_one_broken_agreement_does_not_hide_the_next(policies: Path) -> None:
    """Both are named, each with file and line."""
    shutil.copytree(
        policies / "agreements/national-baseline", policies / "agreements/another-baseline"
    )
    line = spoil(policies, "fields: [address]", "fields: [adress]")
    here = found(policies)

    assert [(one.path.parent.name, one.code) for one in here] == [
        ("another-baseline", "broken"),
        ("national-baseline", "broken"),
    ]
    assert here[1].line == line - 2


def test_broken_law_is_one_error(policies: Path) -> None:
    """Nothing else can be looked at without it."""
    path = policies / "law/settings.yaml"
    path.write_text(
        path.read_text("utf-8").replace("default: true", "default: perhaps", 1), "utf-8"
    )
    (one,) = found(policies)

    assert (one.path, one.code) == (path, "broken")
    assert one.line is not None
