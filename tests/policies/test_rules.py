"""One example for each rule of the law that the scenarios do not show, and the traps that law can fall into.

Traps (a list of what goes wrong in practice) and where each is tested: to adjoin is no nexus, and what
does not adjoin may be one (here, and scenarios S1 to S4); Wales and Scotland (here); eighteen during
an episode (here); a code that was replaced, and no right inherited (here, and tests/rooms/test_locate);
twins are never matched by name and birth (tests/laws/test_traps); what is withheld cannot be
told from what is shown (here: a pointer, a consultation and a covert source); late, duplicate and
overtaking records (tests/rooms, tests/laws); a category is advice (tests/rooms/test_categories).
"""

from __future__ import annotations

import datetime
import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest

from broker.decide import Court, PolicyBundle, decide, policies_of
from broker.decide.bundle import Legislation
from broker.decide.law import Use
from broker.locate import candidates
from broker.model.values import Decision, Outcome
from broker.model.values import Weight as Weighed
from broker.policies import PolicyFileError, load_bundle
from broker.redact import release
from tests.policies.deciding import (
    BUNDLE,
    DY,
    POLICIES,
    REFERENCE,
    SH,
    ST,
    STP,
    SW,
    WMP,
    WS,
    WV,
    child,
    decided,
    facts_of,
    linked,
    statement,
)

CSC, MASH, FORCE = f"{WV}:csc", f"{SW}:mash", f"{WMP}:police"
DAY = datetime.date(2026, 11, 23)
POWYS = "W06000023"
PERMIT, REVIEW, DENY = Outcome.PERMIT, Outcome.REVIEW, Outcome.DENY


@pytest.fixture
def policies(tmp_path: Path) -> Path:
    """A copy of the policies that a test may change."""
    copy = tmp_path / "policies"
    shutil.copytree(POLICIES, copy)
    return copy


def changed(policies: Path, name: str, old: str, new: str) -> PolicyBundle:
    """The bundle with one text replaced in one file."""
    path = policies / name
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return load_bundle(policies, REFERENCE)


def fields(decision: Decision) -> set[str]:
    return {one.field for one in decision.released}


def reasons_withheld(decision: Decision) -> set[str]:
    return {reason for _, reason in decision.withheld}


# ------------------------------------------------------------------------------------- handling


def old_style(handling: str, received: str | None = None) -> Any:
    """The parents' warning as an old police record: 5x5x5 with this handling."""
    grading = {
        "scheme": "5x5x5",
        "source_evaluation": "B",
        "information_assessment": "3",
        "handling": received,
        "original": f"B3{received or handling}",
    }
    return statement(handling={"code": handling}, grading=grading)


def test_5x5x5_handling_1_is_for_police_and_asks_the_originator_for_all_others() -> None:
    """P to the force; to the home authority what a duty requires, and no more before consultation."""
    answers = decided(old_style("1"))

    assert answers[FORCE].outcome is PERMIT
    assert "consult_originator" not in answers[FORCE].obligations
    assert answers[MASH].outcome is REVIEW
    assert answers[MASH].reasons == ("consult_originator",)
    assert answers[CSC].outcome is PERMIT
    assert "consult_originator" in answers[CSC].obligations
    assert "safety_plan" not in fields(answers[CSC])


def test_5x5x5_handling_2_is_shared_and_goes_no_further() -> None:
    """C, with the recipient bound not to pass it on."""
    answers = decided(old_style("2"))

    assert answers[MASH].outcome is PERMIT
    assert "onward_prohibited" in answers[MASH].obligations


@pytest.mark.parametrize("code", ["3", "4", "5"])
def test_5x5x5_handling_3_to_5_waits_for_the_originator_but_for_duties(code: str) -> None:
    """Originating agency only, or no further: nobody gets by a power what the originator has not cleared."""
    answers = decided(old_style(code))

    assert answers[FORCE].reasons == ("consult_originator",)
    assert answers[FORCE].outcome is REVIEW
    assert answers[CSC].outcome is PERMIT


def test_an_old_code_in_the_grading_binds_even_where_the_handling_says_p() -> None:
    """The stricter of both; and the original string is kept as received."""
    event = old_style("P", "5")

    assert decided(event)[FORCE].reasons == ("consult_originator",)
    assert event.grading is not None
    assert event.grading.original == "B35"


@pytest.mark.parametrize("scheme", ["3x5x2", "ungraded"])
def test_an_old_code_without_its_scheme_cannot_be_read(scheme: str) -> None:
    """The same figure means something else elsewhere."""
    event = statement(handling={"code": "1"}, grading={"scheme": scheme})

    assert {one.outcome for one in decided(event).values()} == {DENY, REVIEW}
    assert decided(event)[CSC].reasons == ("handling_unknown",)


def test_a_c_that_names_no_condition_asks_the_originator() -> None:
    """It says that there are conditions and not which."""
    answers = decided(statement(handling={"code": "C"}))

    assert answers[FORCE].reasons == ("consult_originator",)
    assert answers[CSC].outcome is PERMIT


def test_a_covert_source_is_neither_confirmed_nor_denied_to_anyone() -> None:
    """Not even a duty tells, and the record gives the reason of any other consultation."""
    covert = decided(statement(handling={"code": "C", "conditions": ["neither_confirm_nor_deny"]}))
    concerned = [
        one for one in covert.values() if one.reasons[0] not in {"no_nexus", "own_statement"}
    ]

    assert len(concerned) >= 4
    assert {one.outcome for one in concerned} == {REVIEW}
    assert {one.reasons for one in concerned} == {("consult_originator",)}


def test_that_something_is_held_waits_for_the_originator_too() -> None:
    """A pointer is told by a power; consultation comes before powers."""
    at = datetime.datetime(2026, 2, 20, 12, tzinfo=datetime.UTC)
    asked = statement(handling={"code": "C", "conditions": ["consult_originator"]})

    assert decided(statement(), at=at)[FORCE].mode == "EXISTENCE"
    assert decided(asked, at=at)[FORCE].outcome is REVIEW
    assert decided(asked, at=at)[FORCE].reasons == ("consult_originator",)


def test_a_police_code_whose_meaning_is_switched_off_is_unknown_and_withholds(
    policies: Path,
) -> None:
    """S2 is from general knowledge; with its setting on it means: consult the originator."""
    event = statement(handling={"code": "C", "conditions": ["S2"]})
    on = changed(
        policies,
        "law/settings.yaml",
        "    default: false\n    source: College",
        "    default: false\n    on: true\n    source: College",
    )

    assert decided(event)[CSC].reasons == ("condition_unknown",)
    assert decided(event, on)[CSC].outcome is PERMIT
    assert decided(event, on)[FORCE].reasons == ("consult_originator",)


# ---------------------------------------------------------------------- gateways and their limits


def commenced(policies: Path) -> PolicyBundle:
    """The law as it will be once Children Act 2004 ss.16LA to 16LD are in force."""
    return changed(
        policies, "law/gateways.yaml", "in_force_from: null", "in_force_from: 2026-09-01"
    )


def test_section_16la_is_no_law_until_it_is_commenced(policies: Path) -> None:
    """Today nobody is told by it; with a day in gateways.yaml the duty holds, and nothing else changes."""
    event = statement(publisher=WS, provenance="social_care")
    today, later = decided(event), decided(event, commenced(policies))

    assert not any("ca2004-s16la" in one.reasons for one in today.values())
    assert "ca2004-s16la" in later[FORCE].reasons
    assert "ca2004-s16la" in later[MASH].reasons
    assert later[f"{ST}:csc"].reasons == ("no_nexus",)


def test_section_16la_does_not_hold_where_telling_would_harm_the_child_more(
    policies: Path,
) -> None:
    """The detriment test: a person weighs it, with a reason of its own; other duties stand."""
    handling = {"code": "C", "conditions": ["detrimental_to_disclose"]}
    answers = decided(
        statement(publisher=WS, provenance="social_care", handling=handling), commenced(policies)
    )

    assert answers[FORCE].outcome is REVIEW
    assert answers[FORCE].reasons == ("detriment_to_child",)
    assert answers[CSC].outcome is PERMIT
    assert "ca1989-sch2-4-2" in answers[CSC].reasons
    assert "ca2004-s16la" not in answers[CSC].reasons


def test_section_16_never_opens_for_patients_or_for_health_and_social_care() -> None:
    """Police, Crime, Sentencing and Courts Act 2022 s.16: never an attendance, never such a publisher."""
    (gateway,) = (one for one in BUNDLE.gateways if one.id == "pcsca2022-s16")

    assert gateway.opens(Use("police", "authority", "incident", "subject", DAY))
    for publisher in ("authority", "icb", "health_provider"):
        assert not gateway.opens(Use(publisher, "police", "incident", "subject", DAY))
    assert not gateway.opens(Use("police", "authority", "ed_attendance_injury", "subject", DAY))
    assert {"injury", "clinical_detail"} <= gateway.never_fields


BLURRED = "'provenance' as stated is for the child's own authority only"


@pytest.mark.parametrize(
    ("field", "kind", "nexus", "gateway", "complaint"),
    [
        ("injury", "police", "home", "pcsca2022-s16", "pcsca2022-s16 never authorises 'injury'"),
        ("given_name", "police", "harm_place", "cda1998-s17a", "never authorises 'given_name'"),
        ("harms", "police", "harm_place", "cda1998-s17a", "is for parts about a place only"),
        ("harms", "school", "schooled_in", "cda1998-s115", "is no gateway to 'school'"),
        ("provenance", "authority", "harm_place", "ca2004-s10", BLURRED),
        ("provenance", "school", "home", "ca2004-s10", BLURRED),
    ],
)
def test_a_clause_cannot_ask_more_of_a_gateway_than_it_gives(
    policies: Path, field: str, kind: str, nexus: str, gateway: str, complaint: str
) -> None:
    """It is an error with file, line and clause, so it never comes into force."""
    recipients = f"{{kinds: [{kind}], nexus: [{nexus}]}}"
    clause = f"fields: [{field}]\n    recipients: {recipients}\n    gateway: {gateway}"
    name = "agreements/national-baseline/agreement.yaml"
    new = f"  - id: too-much\n    why: A clause that asks for more than its gateway gives.\n    {clause}\n"
    changed_gateways = "gateways: [pcsca2022-s16, cda1998-s17a, "
    path = policies / name
    text = path.read_text(encoding="utf-8").replace("gateways: [", changed_gateways, 1)
    path.write_text(text, encoding="utf-8")

    with pytest.raises(PolicyFileError, match=r"agreement\.yaml:\d+: .*too-much") as caught:
        changed(policies, name, "  - id: police-address", f"{new}  - id: police-address")
    assert complaint in str(caught.value)


BUS_STOP = {"precision": "public_place", "kind": "transport", "la_gss": SW, "description": "Stop"}


def incidents(**changes: Any) -> Any:
    """A force's statement about a place and nobody."""
    plain: dict[str, Any] = {"subjects": [], "place": BUS_STOP, "source_identifiable": False}
    return statement(**({"publisher": WMP, "provenance": "police"} | plain | changes))


def test_section_17a_tells_of_a_place_and_of_nobody() -> None:
    """Crime and Disorder Act 1998 s.17A: what and when; no words, no class of source, no person."""
    answer = decided(incidents())[f"{SW}:mash"]
    by_duty = {one.field for one in answer.released if one.clause == "cda1998-s17a"}

    assert "cda1998-s17a" in answer.reasons
    assert by_duty <= {"event_type", "harms", "severity", "when", "place"}


@pytest.mark.parametrize(
    "changes",
    [
        {"place": {"precision": "address", "kind": "other", "la_gss": SW}},
        {"place": {"precision": "street", "kind": "home", "la_gss": SW}},
        {"source_identifiable": True},
    ],
)
def test_section_17a_is_silent_where_a_place_points_to_a_person(changes: dict[str, Any]) -> None:
    """Somebody's home, an address, or a source whom the place would show."""
    answers = decided(incidents(**changes))

    assert f"{SW}:mash" in answers
    assert not any("cda1998-s17a" in one.reasons for one in answers.values())


def test_section_17a_never_speaks_of_a_child() -> None:
    """Not for any part about a subject, whoever publishes it."""
    for publisher in (WMP, WS):
        event = statement(publisher=publisher, source_identifiable=False)
        assert not any("cda1998-s17a" in one.reasons for one in decided(event).values())


def test_a_school_notifies_the_home_authority_and_no_other() -> None:
    """Exclusion: by duty to where the pupil lives; the school's own authority is no candidate for it."""
    answers = decided(statement("exclusion"))

    assert "education-notices" in answers[CSC].reasons
    assert [who for who, one in answers.items() if "education-notices" in one.reasons] == [CSC]


def test_a_rule_from_general_knowledge_can_be_switched_off(policies: Path) -> None:
    """Then it is not cited by anybody, and the bundle has another hash."""
    off = changed(
        policies,
        "law/settings.yaml",
        "notices to the home authority.\n    default: true",
        "notices to the home authority.\n    default: false",
    )
    answers = decided(statement("exclusion"), off)

    assert not any("education-notices" in one.reasons for one in answers.values())
    assert off.bundle_hash != BUNDLE.bundle_hash
    assert not any(
        one.opens(Use("school", "authority", "exclusion", "subject", DAY))
        for one in off.gateways
        if one.id == "education-notices"
    )


def test_everything_from_general_knowledge_stands_behind_a_setting() -> None:
    """Of gateways, rules, conditions and grounds; the marks say which."""
    permits = [one for one in BUNDLE.court.law if one.annotations.get("mark") == "K"]

    assert {one.id for one in permits} == {
        "ca1989-s17-s47",
        "education-notices",
        "law/fate-for-originator",
        "law/part3-further-use",
    }
    assert all("setting" in one.annotations for one in permits)


@pytest.mark.parametrize(
    ("name", "old", "new", "complaint"),
    [
        (
            "law/gateways.yaml",
            "    mark: K\n    setting: duty-where-the-child-is\n",
            "    mark: K\n",
            "mark K needs a setting",
        ),
        (
            "law/gateways.yaml",
            "setting: schools-safeguard",
            "setting: no-such",
            "not a row of settings.yaml",
        ),
        ("law/2-duties.cedar", '@setting("duty-where-the-child-is")\n', "", "needs a @setting"),
        (
            "law/2-duties.cedar",
            '@setting("schools-notify-home")',
            '@setting("x")',
            "must name a row of settings",
        ),
        ("law/gateways.yaml", "  - id: ca2004-s10\n", "  - id: ca1989-s47\n", "is there twice"),
    ],
)
def test_a_mistake_in_the_law_is_named_with_its_line(
    policies: Path, name: str, old: str, new: str, complaint: str
) -> None:
    """Settings and marks are checked like everything else."""
    with pytest.raises(PolicyFileError, match=complaint) as caught:
        changed(policies, name, old, new)
    assert caught.value.line is not None


# ------------------------------------------------------------------- what a disclosure rests on


def test_only_charities_and_advocates_rest_on_recognised_legitimate_interests() -> None:
    """UK GDPR Article 6(1)(ea), from 5 February 2026; public authorities keep (e) and, for a duty, (c)."""
    from_advocate = statement()
    from_authority = statement(publisher=WS, provenance="social_care")
    before = datetime.datetime(2026, 2, 4, 12, tzinfo=datetime.UTC)

    def cites(event: Any, at: datetime.datetime | None = None) -> str:
        return " ".join(BUNDLE.basis(facts_of(event, at), decided(event, at=at)[CSC]).cites)

    assert "6(1)(ea)" in cites(from_advocate)
    assert "6(1)(e)," not in cites(from_advocate)
    assert "6(1)(f)" in cites(from_advocate, before)
    assert "6(1)(ea)" not in cites(from_advocate, before)
    assert "6(1)(c)" in cites(from_authority)
    assert "6(1)(e)," in cites(from_authority)
    assert "6(1)(ea)" not in cites(from_authority)


def test_the_basis_names_the_gateways_and_only_what_was_released() -> None:
    """Article 10 only where an allegation goes out; nothing at all for a refusal."""
    event = statement("incident", publisher=WMP, subjects=child(WS, roles=[{"role": "alleged_suspect"}]),
                      handling={"code": "P"})  # fmt: skip
    answers = decided(event)
    home = BUNDLE.basis(facts_of(event), answers[f"{WS}:csc"])
    neighbour = next(one for one in answers.values() if one.reasons == ("no_nexus",))

    assert {"ca1989-s47", "ca2004-s10"} <= set(home.gateways)
    assert home.gateways == answers[f"{WS}:csc"].gateways
    assert any("Article 10" in one for one in home.cites)
    assert not any(
        "Article 10" in one
        for one in BUNDLE.basis(facts_of(statement()), decided(statement())[CSC]).cites
    )
    assert BUNDLE.basis(facts_of(event), neighbour) == BUNDLE.basis(
        facts_of(event), neighbour
    ).__class__((), ())


PART3 = {"regime": "part3", "necessity": "to prevent a robbery"}


def test_leaving_the_law_enforcement_regime_is_an_explicit_step() -> None:
    """DPA 2018 s.36(4): the authority is told that further use must be authorised by law; a force is not."""
    event = statement("incident", publisher=WMP, handling={"code": "P"}, lawful_basis=PART3,
                      subjects=child(WS, ("responsible", STP)))  # fmt: skip
    answers = decided(event)
    home, force = answers[f"{WS}:csc"], answers[f"{STP}:police"]

    assert "further_use_by_law_only" in home.obligations
    assert any("s.36(4)" in one for one in BUNDLE.basis(facts_of(event), home).cites)
    assert not any("UK GDPR Article 6" in one for one in BUNDLE.basis(facts_of(event), home).cites)
    assert force.outcome is PERMIT
    assert "further_use_by_law_only" not in force.obligations


def test_no_law_authorises_a_charity_to_use_what_police_hold_for_law_enforcement() -> None:
    """Neither content nor existence."""
    event = statement("incident", publisher=WMP, handling={"code": "P"}, lawful_basis=PART3,
                      subjects=child(WS, ("responsible", "CHA-WM-001")))  # fmt: skip
    answer = decided(event)["CHA-WM-001:charity"]

    assert answer.outcome is not PERMIT
    assert "further_use_not_authorised" in reasons_withheld(answer)


def test_only_police_hold_anything_under_part_3() -> None:
    """A school that states it is read as any school: DPA 2018 s.30 names the competent authorities."""
    event = statement(publisher="SCH-DY-001", provenance="education", lawful_basis=PART3)

    assert facts_of(event).regime == "uk_gdpr"
    assert "further_use_by_law_only" not in decided(event)[CSC].obligations


# ------------------------------------------------------------------------------ placements, borders


def test_a_placement_that_is_no_emergency_is_notified_before_it_starts() -> None:
    """Reg 13(4): before, or within five working days of an emergency; one of both, never both."""
    near = child(
        WV, ("placed_by", WV), ("placed_in", SW), placement={"reasons": "kin", "care_plan": "p"}
    )
    emergency = child(WV, ("placed_by", WV), ("placed_in", SW),
                      placement={"emergency": True, "reasons": "kin", "care_plan": "p"})  # fmt: skip
    told = decided(statement("placement_out_of_area", subjects=near, place=None))[f"{SW}:csc"]
    at_once = decided(statement("placement_out_of_area", subjects=emergency, place=None))[
        f"{SW}:csc"
    ]

    assert "notice_before_placement" in told.obligations
    assert "notice_within_five_working_days" not in told.obligations
    assert "notice_within_five_working_days" in at_once.obligations
    assert "notice_before_placement" not in at_once.obligations


def test_a_child_of_a_welsh_home_waits_for_a_person_there_and_not_here() -> None:
    """No agreement with Wales exists, and no English duty binds Powys; Shropshire is decided as ever."""
    answers = decided(statement(subjects=child(POWYS, ("found_in", SH)), place=None))
    welsh = answers[f"{POWYS}:csc"]

    assert (welsh.outcome, welsh.reasons, welsh.released) == (REVIEW, ("outside_england",), ())
    assert answers[f"{SH}:csc"].outcome is PERMIT
    assert {one.country for one in BUNDLE.agreements} == {"England"}


def test_eighteen_on_the_day_waits_for_a_person_and_the_day_before_does_not() -> None:
    """The risk does not end with a birthday; the rules change, so a person decides."""
    event = statement()
    born = datetime.date(2008, 11, 24)
    adult = statement(subjects=child(WV, date_of_birth=born.isoformat()))
    before = datetime.datetime(2026, 11, 23, 12, tzinfo=datetime.UTC)

    assert decided(adult, at=before)[CSC].outcome is PERMIT
    assert decided(adult, at=before + datetime.timedelta(days=1))[CSC].reasons == (
        "subject_over_18",
    )
    assert "law/adult" in {one.id for one in BUNDLE.court.law}
    assert not facts_of(event).adult


def test_to_adjoin_is_no_nexus_and_what_does_not_adjoin_may_be_one() -> None:
    """Shropshire does not border Wolverhampton and is told of a child found there; Staffordshire is not."""
    answers = decided(statement(subjects=child(WV, ("found_in", SH)), place=None))

    assert answers[f"{SH}:csc"].outcome is PERMIT
    assert answers[f"{ST}:csc"].reasons == ("no_nexus",)
    assert answers[f"{DY}:csc"].reasons == ("no_nexus",)


def test_a_replaced_code_is_decided_under_the_one_in_force() -> None:
    """Barnsley's code changed in 2025: a late record with the old one reaches the same council."""
    old, new = "E08000016", "E08000038"

    assert decided(statement(subjects=child(old), place=None)) == decided(
        statement(subjects=child(new), place=None)
    )


# --------------------------------------------------------------------- what may not be inferred


WEIGHT = Weighed(500, "considered", (), 1)


def pointer(publisher: str) -> Any:
    at = datetime.datetime(2026, 2, 20, 12, tzinfo=datetime.UTC)
    event = statement(publisher=publisher, provenance="social_care")
    answer = decided(event, at=at)[FORCE]
    assert answer.mode == "EXISTENCE"
    return release(linked(event, at), answer, WEIGHT, "pseudonym")


def test_a_pointer_names_the_duty_desk_and_nothing_of_who_holds_the_concern() -> None:
    """Whoever published it, the words are the same."""
    ((field, words, _),) = pointer(WS)

    assert field == "existence"
    assert BUNDLE.desk in words
    assert pointer(WS) == pointer("SCH-DY-001")
    assert "Walsall" not in words


def test_a_school_sees_no_number_of_another_agencys_system() -> None:
    """A custody or police number says by itself what the school must not be told."""
    subjects = child(
        WV,
        ("placed_in", SW),
        ("schooled_in", "SCH-SW-001"),
        identifiers=[
            {"scheme": "local", "system": f"custody:{WMP}", "value": "CR-1-invented"},
            {"scheme": "upn", "value": "B801200005001"},
        ],
        placement={"started_on": "2026-11-18", "reasons": "kin", "care_plan": "p"},
    )
    event = statement("placement_out_of_area", subjects=subjects, place=None)
    answer = decided(event)["SCH-SW-001:school"]
    shown = {field: value for field, value, _ in release(linked(event), answer, WEIGHT, "p")}

    assert [one["scheme"] for one in shown["identifiers"]] == ["upn"]


# ------------------------------------------------------------------------------- planted errors


OVERFLOW = "{ 9223372036854775807 + 1 > 0 }"


def planted(law: str = "", clause: str = "") -> PolicyBundle:
    """The real bundle with one policy more that Cedar cannot evaluate."""
    schema = (POLICIES / "law/broker.cedarschema").read_text(encoding="utf-8")
    clauses = {name: BUNDLE.court.clauses[name] for name in BUNDLE.court.clauses}
    if clause:
        clauses["national-baseline"] = (*clauses["national-baseline"], *policies_of(clause))
    court = Court((*BUNDLE.court.law, *(policies_of(law) if law else ())), clauses, schema)
    return PolicyBundle(
        court=court,
        permits=BUNDLE.permits,
        law=Legislation(BUNDLE.gateways, BUNDLE.conditions, BUNDLE.grounds, BUNDLE.desk),
        agreements=BUNDLE.agreements,
        bundle_hash="planted",
    )


@pytest.mark.parametrize(
    "bundle",
    [
        planted(
            law=f'@id("b") @reason("no_nexus") forbid (principal, action, resource) when {OVERFLOW};'
        ),
        planted(clause=f'@id("b") permit (principal, action, resource) when {OVERFLOW};'),
    ],
    ids=["law", "agreement"],
)
def test_an_error_in_law_or_in_an_agreement_refuses_everything(bundle: PolicyBundle) -> None:
    """Cedar itself would skip it and go on."""
    answers = decided(statement(), bundle)

    assert answers[FORCE].reasons == ("policy_error",)
    assert (answers[FORCE].outcome, answers[FORCE].released) == (DENY, ())
    assert set(dict(answers[FORCE].withheld).values()) == {"policy_error"}


def test_an_error_in_the_context_refuses_everything() -> None:
    """A fact of the wrong type is never read as no."""
    part = linked(statement())
    broken: Any = msgspec.structs.replace(facts_of(statement()), cross_border="no")
    (force,) = (one for one in candidates(part, REFERENCE) if one.organisation == WMP)

    assert decide(broken, force, BUNDLE, REFERENCE).reasons == ("policy_error",)
