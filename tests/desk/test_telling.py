"""From answers to a statement: whatever the form accepts, the broker's own verification accepts."""

from __future__ import annotations

import datetime
import functools
from typing import Any

import msgspec
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from broker.desk.tell_asking import Asking
from broker.desk.telling import Read, Telling, read
from broker.examples.telling import mothers_answers
from broker.model.codec import decode, encode
from broker.model.commitments import commitment_root
from broker.model.reference import Reference
from broker.model.types import (
    ConcernEvent,
    Directness,
    EventType,
    IdentifierScheme,
    Specificity,
)
from broker.reference import load_reference
from broker.shell.settings import Settings
from broker.verify import check_event
from tests.builders import GOOD_NHS, GOOD_UPN, SANDWELL, WOLVERHAMPTON

NOW = datetime.datetime(2026, 11, 24, 13, 0, tzinfo=datetime.UTC)
ADVOCATE, FORCE, SCHOOL = "ADV-WM-001", "E23000014", "SCH-WV-001"
NOT_GRADING = ("ADV-WM-001", "CHA-WM-001", "SCH-WV-001", "E08000031", "ICB-BLACK-COUNTRY")
EVENT_ID, ORIGIN_ID = "5f0e7f6e-0000-4000-8000-000000000001", "5f0e7f6e-0000-4000-8000-000000000002"


def the_reference() -> Reference:
    settings_ = Settings()
    return load_reference(settings_.codesets_dir, settings_.organisations_dir)


REFERENCE = the_reference()
ASKING = {code: Asking.of(code, REFERENCE, NOW.date()) for code in (*NOT_GRADING, FORCE)}


def asking(organisation: str = ADVOCATE) -> Asking:
    return ASKING[organisation]


def answers_of_s1() -> dict[str, dict[str, tuple[str, ...]]]:
    """What a mother's warning (S1) looks like in the form."""
    return mothers_answers()


def telling(
    answers: dict[str, dict[str, tuple[str, ...]]] | None = None, **changes: Any
) -> Telling:
    base = Telling(
        EVENT_ID,
        ORIGIN_ID,
        answers_of_s1() if answers is None else answers,
        children=("1",),
        made_references={"1": "CHILD-7K3QX9", "2": "CHILD-2M4N6P"},
    )
    return msgspec.structs.replace(base, **changes)


def with_answers(**pages: dict[str, Any]) -> Telling:
    """S1 with some answers of some pages changed; `child_1` is page `child-1`."""
    answers = answers_of_s1()
    for page, changed in pages.items():
        for name, value in changed.items():
            slug = page.replace("_", "-")
            answers.setdefault(slug, {})[name] = value if isinstance(value, tuple) else (value,)
    return telling(answers)


def statement(one: Telling, organisation: str = ADVOCATE) -> ConcernEvent:
    found = read(one, asking(organisation), NOW)
    assert found.problems == ()
    assert found.event is not None
    return found.event


def problems(one: Telling, organisation: str = ADVOCATE) -> dict[tuple[str, str], str]:
    found = read(one, asking(organisation), NOW)
    assert found.event is None
    return {(each.page, each.field): each.text for each in found.problems}


JUNK = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        ["", " ", "\x00", "\ud800", "²", "2pm", "31", "13", "2026", "99999", "-1", "x" * 300]
    ),
)
GOOD = {
    "nhs_number": GOOD_NHS,
    "upn": GOOD_UPN,
    "references": f"{EVENT_ID}\n{ORIGIN_ID}",
    "observed-day": "23",
    "observed-month": "11",
    "observed-year": "2026",
    "start-day": "24",
    "start-month": "11",
    "start-year": "2026",
    "end-day": "25",
    "end-month": "11",
    "end-year": "2026",
}


PLACES = ["", *[one.code for _, found in ASKING[ADVOCATE].areas for one in found][:20]]


@functools.cache
def inputs(
    organisation: str, about: str, *, corrects: bool
) -> tuple[tuple[str, str, tuple[str, ...]], ...]:
    """(page, input, the codes that can be chosen there) of every input of the form."""
    original = "5f0e7f6e-0000-4000-8000-00000000000c" if corrects else None
    one = telling({"about": {"about": (about,)}}, children=("1", "2"), corrects=original)
    return tuple(
        (page.slug, name, tuple(choice.code for choice in question.choices))
        for page in one.pages(asking(organisation))
        for question in page.questions
        for name in question.fields
    )


@st.composite
def tellings(draw: st.DrawFn, organisation: str) -> Telling:
    """S1 as anybody might fill it in for that organisation: some answers right, some not, some missing."""
    answers: dict[str, dict[str, tuple[str, ...]]] = {
        **answers_of_s1(),
        "grading": {"graded": ("no",)},
    }
    answers |= {
        "child-2": answers["child-1"],
        "care-2": answers["care-1"],
        "why": {"reason": ("x",)},
    }
    about = draw(st.sampled_from(["children", "children", "group", "place"]))
    corrects = draw(st.booleans())
    answers["about"] = {"about": (about,), "group": ("boys at the stop",)}
    for _ in range(draw(st.integers(0, 5))):
        slug, name, codes = draw(st.sampled_from(inputs(organisation, about, corrects=corrects)))
        if name in {"area", "beside", "home"}:
            codes = (*codes, *PLACES)
        sane = st.sampled_from(codes) if codes else st.just(GOOD.get(name, "some words"))
        values = tuple(draw(st.lists(st.one_of(sane, sane, JUNK), min_size=0, max_size=2)))
        answers[slug] = {**answers.get(slug, {}), name: values}
    return telling(
        answers,
        children=draw(st.sampled_from([("1",), ("1", "2"), ("2",), ()])),
        corrects="5f0e7f6e-0000-4000-8000-00000000000c" if corrects else None,
    )


def holds(one: Telling, found: Read, organisation: str) -> None:
    """What must hold of whatever was read."""
    pages = {page.slug: page.fields for page in one.pages(asking(organisation))}
    for problem in found.problems:
        assert problem.text
        assert problem.field in (*pages[problem.page], "")
    assert (found.event is None) == bool(found.problems)
    if found.event is None:
        return
    sent = found.event
    checked = check_event(sent, None, b"", NOW, REFERENCE)
    assert isinstance(checked, tuple)
    assert checked[1] == ("unsigned",)
    assert decode(encode(sent), ConcernEvent) == sent
    assert commitment_root(sent, bytes(32))
    assert sent.grading is None or REFERENCE.organisations[organisation].kind == "police"
    assert sent.origin_unknown == (sent.origin_id != ORIGIN_ID)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_whatever_is_answered_is_either_refused_in_words_or_a_sound_statement(
    data: st.DataObject,
) -> None:
    """No answer breaks the form; a problem names its page and input; nobody is graded who does not grade.

    What is accepted passes the broker's verification and comes back the same from its bytes.
    """
    organisation = data.draw(st.sampled_from([*NOT_GRADING, FORCE]))
    one = data.draw(tellings(organisation))
    found = read(one, asking(organisation), NOW)
    event("accepted" if found.event else "refused")
    holds(one, found, organisation)


def test_a_mothers_warning_becomes_the_statement_that_it_is() -> None:
    """S1: the child, the threat, the time and the place; who said it stays in the source."""
    told = statement(telling())
    assert (told.publisher, told.event_id, told.event_type) == (
        ADVOCATE,
        EVENT_ID,
        EventType.CONCERN,
    )
    assert told.grading is None
    assert (told.directness, told.specificity) == (Directness.DIRECT, Specificity.SPECIFIC)
    assert told.when is not None
    assert told.when.start == datetime.datetime(2026, 11, 28, 14, 0, tzinfo=datetime.UTC)
    assert told.when.end == datetime.datetime(2026, 11, 28, 15, 30, tzinfo=datetime.UTC)
    assert told.place is not None
    assert told.place.la_gss == SANDWELL
    (child,) = told.subjects
    assert [fact.organisation for fact in child.nexus] == [WOLVERHAMPTON, SCHOOL]
    assert child.protective_factors == ("trusts his football coach", "his aunt")
    assert told.source is not None
    assert told.source.asks_not_to_be_named
    assert (told.origin_id, told.origin_unknown) == (ORIGIN_ID, False)


def test_a_child_without_numbers_gets_a_reference() -> None:
    """Nobody needs a number: the one made for the child is used until there is a better one."""
    (child,) = statement(telling()).subjects
    assert [(one.scheme, one.value, one.system) for one in child.identifiers] == [
        (IdentifierScheme.LOCAL, "CHILD-7K3QX9", "advocate:ADV-WM-001")
    ]
    (child,) = statement(with_answers(child_1={"nhs_number": "943 476 5919"})).subjects
    assert [one.scheme for one in child.identifiers] == [IdentifierScheme.NHS_NUMBER]
    (child,) = statement(with_answers(child_1={"own_reference": "case-17"})).subjects
    assert [one.value for one in child.identifiers] == ["case-17"]


def test_a_mistyped_number_is_said_at_once() -> None:
    """The broker would set it aside; the form says so before, in words, at the input."""
    found = problems(with_answers(child_1={"nhs_number": "9434765918", "upn": "A801200005001"}))
    assert "last digit does not fit" in found["child-1", "nhs_number"]
    assert "letter does not fit" in found["child-1", "upn"]


def test_what_came_through_others_counts_with_what_it_came_from() -> None:
    """Never as a first observation of its own; who told whom stays with the publisher."""
    told = statement(
        with_answers(
            passed={
                "came": "chain",
                "chain": "Nan told the school",
                "references": f"{ORIGIN_ID}\r\n\r\n",
            }
        )
    )
    assert told.derived_from == (ORIGIN_ID,)
    assert (told.origin_id, told.origin_unknown) == (EVENT_ID, True)
    assert told.summary is not None
    assert told.summary.endswith("How it came to us: Nan told the school")
    assert statement(with_answers(passed={"came": "unknown"})).origin_unknown


def test_only_the_police_are_asked_for_a_grade() -> None:
    """An advocate, a charity, a school have no page for it, and what is sent there anyway is not read."""
    graded = {"graded": "yes", "evaluation": "2", "assessment": "C"}
    one = with_answers(grading=graded)
    for organisation in NOT_GRADING:
        assert "grading" not in [page.slug for page in one.pages(asking(organisation))]
        assert statement(one, organisation).grading is None
    grading = statement(one, FORCE).grading
    assert grading is not None
    assert grading.original == "2CP"
    doubted = with_answers(grading={**graded, "evaluation": "3"})
    assert ("grading", "doubt_reason") in problems(doubted, FORCE)


@pytest.mark.parametrize(
    ("page", "answers", "where"),
    [
        ("heard", {"observed-day": "30"}, ("heard", "observed-day")),
        ("heard", {"observed-month": "13"}, ("heard", "observed-day")),
        ("heard", {"observed_time": "25:00"}, ("heard", "observed_time")),
        ("heard", {"summary": " \x00 "}, ("heard", "summary")),
        ("heard", {"summary": "x" * 5001}, ("heard", "summary")),
        ("when", {"when": "happened"}, ("when", "start-day")),
        ("when", {"start-day": "20"}, ("when", "start-day")),
        ("when", {"end_time": "1pm"}, ("when", "end-day")),
        ("when", {"start-day": "", "start-month": "", "start-year": ""}, ("when", "start-day")),
        ("where", {"description": ""}, ("where", "description")),
        ("where", {"beside": "E06000052"}, ("where", "beside")),
        ("where", {"area": "", "beside": SANDWELL}, ("where", "area")),
        ("harm", {"harms": ()}, ("harm", "harms")),
        ("harm", {"type": "intelligence"}, ("harm", "type")),
        ("about", {"about": "group", "group": ""}, ("about", "group")),
        ("passed", {"came": "chain"}, ("passed", "chain")),
        ("passed", {"came": "chain", "references": "two words"}, ("passed", "references")),
        ("care_1", {"voice_how": "to the aunt"}, ("care-1", "voice")),
        (
            "child_1",
            {"born-day": "1", "born-month": "1", "born-year": "2027"},
            ("child-1", "born-day"),
        ),
    ],
)
def test_what_is_wrong_is_said_where_it_is(
    page: str, answers: dict[str, Any], where: tuple[str, str]
) -> None:
    """Each problem at its own input, before anything is sent."""
    assert problems(with_answers(**{page: answers}))[where]


def test_a_statement_that_would_reach_nobody_is_not_sent() -> None:
    """Without an area of a place or of a child's home nobody is concerned."""
    found = problems(with_answers(where={"area": ""}, child_1={"home": "not_known", "school": ""}))
    assert "nobody can be told" in found["where", "area"]


def test_an_empty_form_says_all_that_is_missing() -> None:
    """In the order of the pages."""
    found = read(telling({}, children=()), asking(), NOW)
    assert [one.page for one in found.problems][:3] == ["speaker"] * 3
    assert {one.page for one in found.problems} == {
        "speaker", "heard", "passed", "about", "when", "where", "harm", "sharing",
    }  # fmt: skip


def test_a_correction_names_what_it_corrects_and_why() -> None:
    """It keeps the first observation of what it corrects, and is of no other kind."""
    original = "5f0e7f6e-0000-4000-8000-00000000000c"
    assert ("why", "reason") in problems(telling(corrects=original))
    answers: dict[str, dict[str, tuple[str, ...]]] = {
        **answers_of_s1(),
        "why": {"reason": ("The time was misread.",)},
    }
    told = statement(telling(answers, corrects=original))
    assert (told.event_type, told.relates_to) == (EventType.CORRECTION, original)
    assert told.reason == "The time was misread."


def test_areas_near_the_asker_come_first_and_each_once() -> None:
    """One's own, their neighbours, all others; nobody is left out."""
    grouped = asking().areas
    codes = [one.code for _, found in grouped for one in found]
    assert len(codes) == len(set(codes))
    assert SANDWELL in [one.code for one in grouped[0][1]]
    assert "E10000028" in [one.code for one in grouped[1][1]]
    authorities = [one for one in REFERENCE.organisations.values() if one.kind == "authority"]
    assert {one.code for one in authorities if one.in_force(NOW.date())} <= set(codes)
