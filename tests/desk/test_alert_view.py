"""What the page of an alert may say: laws over every alert of the scenarios, and over any part of one."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.client.opening import OpenedAlert
from broker.client.ownlog import LogPosition
from broker.client.proving import COMMITTED, DERIVED_BY_BROKER, UNPROVED
from broker.desk.alert_fields import SAYINGS
from broker.desk.alert_view import (
    BOTH_AT_ONCE,
    DANGERS,
    NOT_SAID,
    TAKEN_BACK,
    AlertView,
    title_of,
    view_of,
    where_when,
    who_of,
    withdrawn_view,
)
from broker.desk.alert_words import BANDS, SEVERITY, WHY_US
from broker.desk.inbox_view import CANNOT_OPEN, WITHDRAWN, due_in_words, line_of, span
from broker.desk.listed import Listed, Status
from broker.examples.scenarios import load_scenarios
from broker.model.projections import CAN_LEAVE, DERIVED
from broker.model.types import AlertContent, ConcernEvent, Mode, StatementProof
from broker.reference import load_reason_codes, load_reference
from broker.shell.settings import Settings
from tests.rounds.story import Story

AT = datetime.datetime(2026, 11, 21, 12, 0, tzinfo=datetime.UTC)
WORD = 6
"""Texts of a statement that are shorter say nothing: `yes`, `C`, `la`."""


@cache
def codes() -> Mapping[str, Any]:
    """The reasons in words."""
    return load_reason_codes(Settings().codesets_dir)


@cache
def names() -> Mapping[str, str]:
    """Names of organisations."""
    settings = Settings()
    reference = load_reference(settings.codesets_dir, settings.organisations_dir)
    return {code: one.name for code, one in reference.organisations.items()}


def opened(content: AlertContent, proved: str = UNPROVED) -> OpenedAlert:
    """As a client hands it over, once its proof held."""
    marks = {
        one.field: DERIVED_BY_BROKER if one.transform == DERIVED else proved
        for one in content.released
    }
    values = {one.field: json.loads(one.value) for one in content.released}
    place = LogPosition("test/log", 0, 1, b"", "")
    return OpenedAlert(content.alert_id, "set", content, values, place, marks)


@cache
def told() -> tuple[tuple[ConcernEvent, AlertContent], ...]:
    """Every alert of every scenario, with the statement that it is about."""
    found = []
    for scenario in load_scenarios():
        story = Story()
        for one in scenario.publications:
            story.tell(one.event, one.at)
        events = {event.event_id: event for event in scenario.events}
        found += [(events[alert.event_id], alert) for alert in story.alerts]
    return tuple(found)


ALERTS = st.sampled_from(told())


def page_of(content: AlertContent) -> AlertView:
    """The page of an alert."""
    return view_of(opened(content), codes(), names())


def texts(value: Any) -> Iterator[str]:
    """Every text in a value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from texts(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from texts(one)


def all_said(content: AlertContent) -> str:
    """Everything that a page or a list says of an alert, in one text."""
    alert = opened(content)
    inbox = line_of(listed(content), alert, AT, names())
    view = msgspec.to_builtins([view_of(alert, codes(), names()), inbox])
    return "\n".join([*texts(view), title_of(alert), where_when(alert, names()), who_of(alert)])


def listed(content: AlertContent, **changes: Any) -> Listed:
    """The row of an alert."""
    base = Listed(
        alert_id=content.alert_id,
        event_id=content.event_id,
        part=content.part,
        recipient=content.recipient,
        severity=content.severity,
        mode=content.mode.value,
        received_at=AT,
        acknowledge_by=content.acknowledge_by,
        reminds_of=content.reminds_of,
        status=Status.NEW,
        sealed=b"",
    )
    return msgspec.structs.replace(base, **changes)


def test_nothing_of_a_statement_is_on_the_page_that_was_not_released() -> None:
    """Over every alert of every scenario: names, words, sources, addresses of the rest of the statement."""
    for event, content in told():
        said = all_said(content)
        released = "\n".join(texts([json.loads(one.value) for one in content.released]))
        fixed = set(names().values()) | set(names())
        secrets = {
            text
            for text in texts(msgspec.to_builtins(event))
            if len(text) >= WORD and " " in text and text not in released and text not in fixed
        }
        assert secrets
        assert [one for one in secrets if one in said] == []


@given(ALERTS, st.data())
def test_what_is_taken_out_of_an_alert_is_gone_from_its_page(
    told_one: tuple[ConcernEvent, AlertContent], data: st.DataObject
) -> None:
    """Whichever of its fields an alert holds, the page says those and no other."""
    _, content = told_one
    kept = data.draw(st.sets(st.sampled_from([one.field for one in content.released])))
    part = msgspec.structs.replace(
        content, released=tuple(one for one in content.released if one.field in kept)
    )
    said = all_said(part)
    left = "\n".join(texts([json.loads(one.value) for one in part.released]))
    for one in content.released:
        for text in texts(json.loads(one.value)):
            if one.field not in kept and " " in text and text not in left:
                assert text not in said or text in content.weight_explanation


@given(ALERTS)
def test_whatever_was_released_is_on_the_page(told_one: tuple[ConcernEvent, AlertContent]) -> None:
    """No released words are kept from who must act on them."""
    _, content = told_one
    said = all_said(content)
    for one in content.released:
        missing = [text for text in texts(json.loads(one.value)) if " " in text]
        assert [text for text in missing if text not in said] == []


def test_every_field_that_can_leave_has_words() -> None:
    """A new field of an alert is not forgotten on the page."""
    assert CAN_LEAVE - set(SAYINGS) == set()


def test_codes_that_alerts_carry_have_words() -> None:
    """Severity, band, nexus and obligations are said in words and never as codes."""
    for _, content in told():
        assert content.severity in SEVERITY
        assert content.weight_band in BANDS
        assert set(content.capacity) <= set(WHY_US)
        assert set(content.obligations) <= set(codes())


@given(st.sampled_from(sorted(codes())))
def test_every_reason_code_can_be_said(code: str) -> None:
    """As an obligation and as the reason of a withdrawal: a sentence, and what to do."""
    _, content = told()[0]
    page = page_of(msgspec.structs.replace(content, obligations=(code,)))
    (caution,) = page.dangers + page.duties
    assert (caution.says, caution.do) == (codes()[code].meaning, codes()[code].what_to_do)
    gone = withdrawn_view(code, AT, codes())
    assert gone.says == codes()[TAKEN_BACK.get(code, code)].meaning
    assert "before it was shown" not in gone.says


@given(ALERTS)
def test_no_number_is_given_to_a_child(told_one: tuple[ConcernEvent, AlertContent]) -> None:
    """The weight has a band and sentences; its only digits count origins, agencies and days."""
    _, content = told_one
    page = page_of(content)
    assert not any(one.isdigit() for one in page.weight)
    assert page.weight_explained in ((), content.weight_explanation)
    assert "no child is scored" in page.weight_is_of
    assert not any("computed_assessment" in one or "score of" in one for one in page.origins)


def test_who_must_not_learn_of_it_comes_before_everything_else() -> None:
    """A danger is a danger on the page, and one that is not stated is never read as safe."""
    seen = set()
    for _, content in told():
        page = page_of(content)
        assert {one.code for one in page.dangers} == set(content.obligations) & set(DANGERS)
        seen |= {one.code for one in page.dangers}
        stated = next((one for one in content.released if one.field == "safe_to_tell"), None)
        if stated is None:
            assert page.telling == ((NOT_SAID,) if content.mode is Mode.CONTENT else ())
        else:
            assert len(page.telling) >= 2
            answers = json.loads(stated.value)
            assert (answers["child"] == "yes") == ("The child: yes, it is safe" in page.telling)
    assert seen == set(DANGERS)


def test_harmed_and_suspected_at_once_is_said_as_both() -> None:
    """Where both were released; else neither is made of the other."""
    for _, content in told():
        fields = {one.field: one.value for one in content.released}
        harmed = any(one in fields.get("roles_welfare", "") for one in ("victim", "exploited"))
        both = harmed and "roles_suspect" in fields
        assert page_of(content).both_at_once == (BOTH_AT_ONCE if both else "")
        assert "perpetrator" not in all_said(content).lower()


def test_a_pointer_says_that_there_is_something_and_nothing_else() -> None:
    """Neither weight nor what may be absent: each would tell a little."""
    _, content = told()[0]
    pointer = msgspec.structs.replace(
        content,
        mode=Mode.EXISTENCE,
        released=tuple(
            msgspec.structs.replace(
                one, field="existence", value='"There is something."', transform=DERIVED
            )
            for one in content.released[:1]
        ),
    )
    page = page_of(pointer)
    assert page.is_pointer
    assert (page.weight, page.weight_explained, page.absent, page.telling) == ("", (), (), ())
    assert [one.lines for one in page.pointer] == [("There is something.",)]


def test_of_a_place_nothing_is_said_to_be_missing_about_a_child() -> None:
    """Nor is it asked whether it is safe to tell a family: there is none."""
    for event, content in told():
        if event.subjects:
            continue
        proof = StatementProof(publisher=None)
        page = page_of(msgspec.structs.replace(content, statement=proof))
        assert not any("child" in one for one in page.absent)
        assert page.telling == ()


def test_where_the_signer_is_withheld_it_is_said_and_not_who() -> None:
    """A recipient who may not know the publisher reads that there is one whom it may not know."""
    for _, content in told():
        if "publisher" not in {one.field for one in content.released}:
            page = view_of(opened(content, COMMITTED), codes(), names())
            if (
                content.mode is Mode.CONTENT
                and COMMITTED in opened(content, COMMITTED).proved.values()
            ):
                assert "Which organisation published it" in [one.what for one in page.not_shown]
                assert "who published it" not in page.absent


@given(ALERTS, st.sampled_from([Status.WITHDRAWN, Status.NEW]))
def test_a_line_of_a_withdrawn_alert_holds_none_of_its_content(
    told_one: tuple[ConcernEvent, AlertContent], status: Status
) -> None:
    """Nor does one of an alert that does not open."""
    _, content = told_one
    row = listed(content, status=status)
    line = line_of(row, opened(content) if status is Status.WITHDRAWN else None, AT, names())
    assert line.title == (WITHDRAWN if status is Status.WITHDRAWN else CANNOT_OPEN)
    assert (line.said, line.who, line.where_when) == ("", "", "")


@given(st.integers(-10_000_000, 10_000_000))
def test_the_clock_is_said_as_it_stands(seconds: int) -> None:
    """Overdue from the moment on, never rounded to more than it is."""
    row = listed(told()[0][1], acknowledge_by=AT + datetime.timedelta(seconds=seconds))
    said = due_in_words(row, AT)
    assert said.startswith("Overdue by") == (seconds < 0) == row.is_overdue(AT)
    assert due_in_words(msgspec.structs.replace(row, status=Status.ACTED), AT) == ""


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(59, "less than a minute"), (60, "1 minute"), (7_199, "1 hour"), (200_000, "2 days")],
)
def test_spans_of_time_in_words(seconds: int, words: str) -> None:
    """In the greatest unit, cut and not rounded."""
    assert span(seconds) == words
