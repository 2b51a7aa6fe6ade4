"""Words that name the source or somebody withheld wait for a person; all others are not held up."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.examples.scenarios import load_scenarios
from broker.flow import DecidedPart
from broker.model import types as t
from broker.model.values import Outcome, SourcePosition
from tests.oracle import offline_flow

S1 = next(one for one in load_scenarios() if one.code == "S1").events[0]
SOURCE = t.Source(
    name="Maureen Ó Cléirigh-Testname",
    contact="Flat 3, 17 Invented Terrace, WV99 9ZZ; 07700 900 123; maureen@home.example",
    relationship="mother",
)
REASONS = {"text_names_source", "text_names_withheld_person"}


def decided(text: str, **changes: Any) -> DecidedPart:
    """S1 with these words for every audience, decided offline."""
    texts = tuple(t.AudienceText(audience=one, text=text) for one in t.Audience)
    event = msgspec.structs.replace(S1, **{"source": SOURCE, "audience_texts": texts, **changes})
    source = SourcePosition(f"concerns.v1.{event.publisher}", 0, 0)
    (part, *_) = offline_flow().submit(event, event.reported_at, source).parts
    return part


def held_for(part: DecidedPart) -> set[str]:
    """Reasons of this room for which somebody waits."""
    return {
        reason
        for one in part.decided
        for reason in one.decision.reasons
        if one.decision.outcome is Outcome.REVIEW and reason in REASONS
    }


def told_words(part: DecidedPart) -> list[str]:
    """Every text that leaves."""
    return [value for one in part.decided for field, value, _ in one.released if field == "text"]


@pytest.mark.parametrize(
    "slip",
    [
        "Maureen Ó Cléirigh-Testname",
        "maureen o cleirigh testname",
        "his mother Maureen",
        "Mrs Cleirigh",
        "MAUREEN",
        "ring 07700 900123",
        "ring +44 (0)7700 900-123",
        "ring 07700.900.123",
        "ring \uff10\uff17\uff17\uff10\uff10 \uff19\uff10\uff10\uff11\uff12\uff13",
        "she lives at flat 3, 17 Invented Terrace",
        "at 17 invented terrace",
        "near WV999ZZ",
        "write to maureen@home.example",
    ],
)
def test_words_that_give_the_source_away_wait_for_a_person(slip: str) -> None:
    """Name, half a name, telephone, address, postcode, mail: in whatever spelling, nothing leaves."""
    part = decided(f"A weapon was seen; {slip} about it. He may be hurt on Saturday.")

    assert held_for(part) == {"text_names_source"}
    assert told_words(part) == []


def test_words_that_name_nobody_are_not_held_up() -> None:
    """The same event with clean words reaches those whom it reached before."""
    part = decided("A weapon was seen near the retail park. He may be hurt on Saturday at 14:00.")

    assert held_for(part) == set()
    assert told_words(part)


def test_a_person_may_be_named_who_is_shown_anyway() -> None:
    """The child's own name in the text stops nobody who is told the child's name."""
    child = S1.subjects[0]
    part = decided(f"{child.given_name} may be hurt on Saturday.")
    clean = decided("He may be hurt on Saturday.")

    def told(of: DecidedPart) -> set[str]:
        fields = {
            one.decision.candidate.recipient: {field for field, _, _ in one.released}
            for one in of.decided
        }
        return {name for name, seen in fields.items() if {"given_name", "text"} <= seen}

    assert told(part) == told(clean) != set()


def test_a_child_is_not_named_in_words_to_those_who_may_not_know_it() -> None:
    """Where the child's name is withheld, words that name it wait; no text leaves with it."""
    child = S1.subjects[0]
    part = decided(f"{child.given_name} may be hurt on Saturday.")

    for one in part.decided:
        fields = {field for field, _, _ in one.released}
        assert "text" not in fields or "given_name" in fields


def test_another_child_of_the_event_is_not_named_in_words() -> None:
    """Each child is a third party to the others, whoever is told of whom."""
    other = msgspec.structs.replace(
        S1.subjects[0],
        subject_ref="child-2",
        identifiers=(),
        given_name="Quillan",
        family_name=S1.subjects[0].family_name,
        address=None,
    )
    clean = decided("He may be hurt.", subjects=(*S1.subjects, other))
    named = decided("He and Quillan may be hurt.", subjects=(*S1.subjects, other))

    assert held_for(clean) == set()
    assert held_for(named) == {"text_names_withheld_person"}


def test_every_released_word_is_read_not_only_the_text() -> None:
    """A safety plan that names the source waits as well."""
    child = msgspec.structs.replace(S1.subjects[0], safety_plan="Maureen will walk him home.")
    part = decided("He may be hurt on Saturday.", subjects=(child,))

    assert held_for(part) == {"text_names_source"}


@settings(max_examples=60, deadline=None)
@given(
    before=st.text(alphabet="abcdefg ,.;:-\n'(", max_size=30),
    after=st.text(alphabet="hijklmn ,.;:-\n')", max_size=30),
    spelling=st.sampled_from([str, str.upper, str.title]),
)
def test_no_surroundings_hide_a_name(before: str, after: str, spelling: Any) -> None:
    """Whatever stands around it, a name with its capital is found; no text of that event leaves."""
    part = decided(f"{before} {spelling('Maureen')} {after}")

    assert told_words(part) == []


def test_the_scenarios_name_nobody_whom_they_keep_back() -> None:
    """None of S1 to S7 is held up by its own words."""
    for scenario in load_scenarios():
        flow = offline_flow()
        for number, event in enumerate(scenario.events):
            source = SourcePosition(f"concerns.v1.{event.publisher}", 0, number)
            for part in flow.submit(event, event.reported_at, source).parts:
                assert held_for(part) == set(), scenario.code
