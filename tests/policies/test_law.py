"""What must hold of law and agreements, over the whole space of circumstances."""

from __future__ import annotations

import ast
import csv
import datetime
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.decide import Agreement, Circumstances, Court, Party, policies_of
from broker.decide.cedar import EXISTENCE
from broker.decide.law import (
    EXPIRED,
    IN_FORCE,
    NOT_SIGNED,
    NOT_YET,
    AgreementIndex,
    resolve_profile,
)
from broker.decide.rules import rule
from broker.model.fields import FIELD_GROUP, GROUPS
from broker.model.types import EventType
from broker.model.values import FieldRuling
from broker.policies import load_bundle
from broker.reference import load_reference
from tests.builders import LONG_AGO, organisation

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = load_reference(ROOT / "schemas" / "codesets", ROOT / "policies" / "organisations")
BUNDLE = load_bundle(ROOT / "policies", REFERENCE)
KINDS = [
    "authority",
    "police",
    "icb",
    "health_provider",
    "school",
    "charity",
    "advocate",
    "council",
]
ROLES = ["csc", "mash", "police", "health", "school", "charity", "advocate"]
NEXUS = [
    "home",
    "found_in",
    "placed_by",
    "placed_in",
    "schooled_in",
    "harm_place",
    "responsible",
    "associate_home",
    "earlier_concern",
    "originator",
    "asked",
    "requester",
    "adjacent",
]
AGREEMENTS = [one.id for one in BUNDLE.agreements]
GATEWAYS = [one.id for one in BUNDLE.gateways]
QUESTIONS = (*GROUPS, EXISTENCE)


def some(values: list[str]) -> st.SearchStrategy[tuple[str, ...]]:
    """A sorted tuple of distinct values."""
    return st.sets(st.sampled_from(values)).map(lambda chosen: tuple(sorted(chosen)))


CIRCUMSTANCES = st.builds(
    Circumstances,
    role=st.sampled_from(ROLES),
    kind=st.sampled_from(KINDS),
    country=st.sampled_from(["England", "England", "Wales", "Scotland"]),
    capacity=some(NEXUS),
    event_type=st.sampled_from([one.value for one in EventType]),
    part=st.sampled_from(["subject", "place", "group"]),
    origin_kind=st.sampled_from(KINDS),
    handling=st.sampled_from(["P", "P", "C", "unknown"]),
    conditions=some(sorted(BUNDLE.conditions)),
    gateways=some(GATEWAYS),
    agreements=some(AGREEMENTS),
    cross_border=st.booleans(),
    family_unsafe=st.booleans(),
    recipient_unsafe=st.booleans(),
    source_identifiable=st.booleans(),
    grading_unlabelled=st.booleans(),
    placed_away=st.booleans(),
    serves_placement=st.booleans(),
    adult=st.booleans(),
    regime=st.sampled_from(["uk_gdpr", "uk_gdpr", "part3"]),
    depersonalised=st.booleans(),
    necessity_stated=st.booleans(),
    is_answer=st.booleans(),
)


@settings(max_examples=60, deadline=None)
@given(CIRCUMSTANCES)
def test_the_slice_decides_as_the_full_set_does(given_: Circumstances) -> None:
    """Cutting law and agreements to one field group and one profile changes no answer."""
    context = given_.context()

    assert BUNDLE.court.judge(given_.agreements, context, QUESTIONS) == BUNDLE.court.judge_by_all(
        context, QUESTIONS
    )


@settings(max_examples=150, deadline=None)
@given(CIRCUMSTANCES)
def test_the_source_never_leaves_the_originator(given_: Circumstances) -> None:
    """Golden rule 5, whatever agreements say."""
    verdict = BUNDLE.court.judge(given_.agreements, given_.context(), ["source_identity"])

    assert not verdict["source_identity"].allowed or "originator" in given_.capacity


@settings(max_examples=150, deadline=None)
@given(CIRCUMSTANCES)
def test_without_a_nexus_in_england_nothing_is_released(given_: Circumstances) -> None:
    """To adjoin is no nexus; other countries wait for a person; what is unsafe is not told."""
    barred = (
        set(given_.capacity) <= {"adjacent"}
        or given_.country != "England"
        or given_.handling == "unknown"
        or given_.recipient_unsafe
        or given_.grading_unlabelled
    )
    verdicts = BUNDLE.court.judge(given_.agreements, given_.context(), QUESTIONS)

    assert not (barred and any(one.allowed for one in verdicts.values()))


@settings(max_examples=100, deadline=None)
@given(CIRCUMSTANCES, some(AGREEMENTS))
def test_no_agreement_takes_a_duty_away(given_: Circumstances, others: tuple[str, ...]) -> None:
    """The same circumstances under other agreements: the fields of duties stay."""
    under_others = msgspec.structs.replace(given_, agreements=others)
    one = BUNDLE.ruling(given_, None)
    other = BUNDLE.ruling(under_others, None)

    assert one.duties == other.duties
    for field in one.duties:
        assert one.fields[field] == other.fields[field]


@settings(max_examples=100, deadline=None)
@given(CIRCUMSTANCES)
def test_a_power_without_an_agreement_releases_no_field(given_: Circumstances) -> None:
    """Without an agreement: existence or a person."""
    ruling = BUNDLE.ruling(msgspec.structs.replace(given_, agreements=()), None)
    released = {name for name, ruled in ruling.fields.items() if isinstance(ruled, FieldRuling)}

    assert released == ruling.duties


@settings(max_examples=100, deadline=None)
@given(CIRCUMSTANCES)
def test_of_overlapping_agreements_the_most_restrictive_wins(given_: Circumstances) -> None:
    """Both together release no field that one of them alone would withhold."""
    alone = [
        BUNDLE.ruling(msgspec.structs.replace(given_, agreements=(name,)), None)
        for name in AGREEMENTS
    ]
    together = BUNDLE.ruling(msgspec.structs.replace(given_, agreements=tuple(AGREEMENTS)), None)

    for field, ruled in together.fields.items():
        if isinstance(ruled, FieldRuling):
            assert all(isinstance(one.fields[field], FieldRuling) for one in alone)


def test_rules_can_read_no_provenance_no_ethnicity_and_no_sex() -> None:
    """They are absent from the schema, from the type, and from every policy."""
    names = {field.name for field in msgspec.structs.fields(Circumstances)}
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "policies/law").glob("*.cedar*")]
    code = [
        line for text in texts for line in text.splitlines() if not line.startswith(("//", "@"))
    ]

    assert not names & {"provenance", "ethnicity", "sex", "name", "token", "received_at", "weight"}
    assert not re.search(r"context\.(provenance|ethnicity|sex|name|token)", " ".join(code))
    schema = (ROOT / "policies/law/broker.cedarschema").read_text(encoding="utf-8")
    assert names == set(re.findall(r"(?m)^  (\w+): (?:String|Bool|Set<String>),$", schema))


OVERFLOW = "{ 9223372036854775807 + 1 > 0 }"


@pytest.mark.parametrize(
    "broken",
    [
        f'@id("b") @reason("no_nexus") forbid (principal, action, resource) when {OVERFLOW};',
        f'@id("b") permit (principal, action, resource) when {OVERFLOW};',
    ],
)
def test_a_policy_that_errors_is_a_refusal_of_everything(broken: str) -> None:
    """Cedar skips a forbid that errors and allows; here any error at all refuses."""
    allow = '@id("a") permit (principal, action, resource);'
    schema = (ROOT / "policies/law/broker.cedarschema").read_text(encoding="utf-8")
    court = Court(policies_of(allow + broken), {}, schema)
    verdicts = court.judge((), _plain().context(), QUESTIONS)
    ruling = rule(verdicts, {}, (), None)

    assert all(verdict.error and not verdict.allowed for verdict in verdicts.values())
    assert ruling.error
    assert set(ruling.fields.values()) == {"policy_error"}


def test_a_context_that_does_not_fit_the_schema_is_a_refusal() -> None:
    """A fact that is missing or of the wrong type is never read as no."""
    for context in (
        "{}",
        _plain().context().replace('"cross_border":false', '"cross_border":"no"'),
    ):
        verdicts = BUNDLE.court.judge((), context, QUESTIONS)
        assert all(verdict.error for verdict in verdicts.values())


def _plain() -> Circumstances:
    return Circumstances(
        role="csc",
        kind="authority",
        country="England",
        capacity=("home",),
        event_type="concern",
        part="subject",
        origin_kind="police",
        handling="P",
        conditions=(),
        gateways=(),
        agreements=(),
        cross_border=False,
        family_unsafe=False,
        recipient_unsafe=False,
        source_identifiable=False,
        grading_unlabelled=False,
        placed_away=False,
        serves_placement=False,
        necessity_stated=False,
        is_answer=False,
    )


DAY = datetime.date(2026, 6, 1)
ONE, OTHER = organisation("A", "authority", "A"), organisation("B", "authority", "B")


def agreement(**changes: Any) -> Agreement:
    base = Agreement(
        id="x",
        version=1,
        status="in_force",
        country="England",
        parties=(Party(id="all", kinds=frozenset({"authority"}), signed_on=LONG_AGO),),
        effective_from=LONG_AGO,
        expires=DAY,
        recipients=frozenset({"authority"}),
        triggers=frozenset(),
        prevails_over=frozenset(),
        onward_allowed=False,
        consult_originator=False,
    )
    return msgspec.structs.replace(base, **changes)


def test_an_agreement_holds_on_its_days_for_its_signed_parties_and_nobody_else() -> None:
    """Expired, unsigned, a draft, another country or a stranger: not in force."""
    unsigned = Party(id="all", kinds=frozenset({"authority"}))
    late = Party(id="all", kinds=frozenset({"authority"}), signed_on=DAY + datetime.timedelta(1))

    assert agreement().standing(ONE, OTHER, DAY) == IN_FORCE
    assert agreement().standing(ONE, OTHER, DAY + datetime.timedelta(1)) == EXPIRED
    assert agreement(parties=(unsigned,)).standing(ONE, OTHER, DAY) == NOT_SIGNED
    assert agreement(parties=(late,)).standing(ONE, OTHER, DAY) == NOT_SIGNED
    assert agreement(status="draft").standing(ONE, OTHER, DAY) == NOT_SIGNED
    assert agreement(status="ended").standing(ONE, OTHER, DAY) == EXPIRED
    assert agreement(effective_from=DAY).standing(ONE, OTHER, LONG_AGO) == NOT_YET
    assert agreement(country="Wales").standing(ONE, OTHER, DAY) is None
    assert agreement().standing(ONE, organisation("S", "school", "A"), DAY) is None
    assert agreement(parties=(Party(id="nobody"),)).standing(ONE, OTHER, DAY) is None


def test_an_agreement_that_prevails_replaces_the_other_only_while_it_holds() -> None:
    """A richer regional agreement that has run out leaves the baseline in force."""
    baseline = agreement(id="baseline", expires=DAY + datetime.timedelta(100))
    richer = agreement(id="richer", prevails_over=frozenset({"baseline"}))
    chosen = resolve_profile([baseline, richer], ONE, OTHER, DAY)
    after = resolve_profile([baseline, richer], ONE, OTHER, DAY + datetime.timedelta(1))

    assert [one.id for one in chosen.speaking("authority", "concern")] == ["richer"]
    assert [one.id for one in after.speaking("authority", "concern")] == ["baseline"]
    assert chosen.hash != after.hash
    assert resolve_profile([baseline], ONE, None, DAY).agreements == ()


ORGANISATIONS = sorted(REFERENCE.organisations)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(ORGANISATIONS), st.sampled_from(ORGANISATIONS), st.dates(LONG_AGO))
def test_the_index_finds_every_agreement_that_two_organisations_have(
    one: str, other: str, on: datetime.date
) -> None:
    """Looking through a few gives the profile that looking through all would give."""
    here, there = REFERENCE.organisations[one], REFERENCE.organisations[other]
    few = AgreementIndex(BUNDLE.agreements).between(here, there)

    assert resolve_profile(few, here, there, on) == resolve_profile(
        BUNDLE.agreements, here, there, on
    )


def test_an_agreement_prevails_only_where_it_has_a_say_itself() -> None:
    """One about exclusions leaves the baseline to rule over everything else."""
    narrow = agreement(
        id="narrow", triggers=frozenset({"exclusion"}), prevails_over=frozenset({"x"})
    )
    chosen = resolve_profile([agreement(), narrow], ONE, OTHER, DAY)

    assert [one.id for one in chosen.speaking("authority", "exclusion")] == ["narrow"]
    assert [one.id for one in chosen.speaking("authority", "concern")] == ["x"]


def test_every_reason_that_can_be_given_is_explained() -> None:
    """Each code in law and code is a row of reason_codes.csv in plain words."""
    with (ROOT / "schemas/codesets/reason_codes.csv").open(encoding="utf-8", newline="") as file:
        known = {row["code"] for row in csv.DictReader(file)}
    law = "".join(path.read_text("utf-8") for path in (ROOT / "policies/law").glob("*.cedar"))
    given_by_law = set(re.findall(r'@reason\("(\w+)"\)', law))
    rooms = [ROOT / "broker" / room for room in ("decide", "verify", "intake", "redact")]
    spoken = {
        node.value
        for room in rooms
        for path in room.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    in_decision = {
        "no_nexus", "own_statement", "unsafe_to_tell", "outside_england", "handling_unknown",
        "condition_unknown", "grading_unlabelled", "correction_needs_person", "subject_over_18",
        "care_plan_missing", "at_a_distance", "not_in_agreement", "no_agreement", "policy_error",
        "no_text_for_audience", "nothing_to_show", "equality_audit_only", "onward_prohibited",
        "consult_originator", "parents_not_safe_to_tell", "ask_before_telling_family",
        "child_not_safe_to_tell", "notice_within_five_working_days",
    }  # fmt: skip

    assert given_by_law <= known
    assert in_decision <= spoken
    assert in_decision <= known
    assert {EXPIRED, NOT_SIGNED, NOT_YET} <= known


def test_every_field_belongs_to_one_group_and_there_are_at_most_twelve() -> None:
    """The unit that Cedar decides; the catalogue has no field twice."""
    assert len(GROUPS) <= 12
    assert sum(len(fields) for fields in GROUPS.values()) == len(FIELD_GROUP)
