"""A request for what is held about a person: whoever asks learns nothing from how it is answered."""

from __future__ import annotations

import json
import uuid
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.model import types as t
from broker.model.codec import decode
from broker.model.sealer import sealed_for
from broker.model.sealing import unpad, unseal
from broker.record.subject_access import (
    ACKNOWLEDGEMENT,
    MAX_ASKED,
    REQUEST_BYTES,
    REQUEST_FIELD,
)
from tests.oracle import SECRET
from tests.rounds.story import AT, DESK, WARNING, Story, later

ASKER = "E08000031"
CHILD = WARNING.subjects[0].identifiers[0]
NOBODY = t.Identifier(scheme=t.IdentifierScheme.NHS_NUMBER, value="9434765870")
WORDS = "his mother asks what is held"


def request(*identifiers: t.Identifier, **changes: Any) -> t.Action:
    """Asks what is held, as the organisation that received the request does."""
    given_: dict[str, Any] = {
        "action_id": str(uuid.UUID(int=7)),
        "kind": t.ActionKind.SUBJECT_ACCESS,
        "organisation": ASKER,
        "actor": "rights-1",
        "reason": WORDS,
        "asked_about": identifiers,
        "acted_at": AT,
    }
    return t.Action(**(given_ | changes))


def asked(action: t.Action, *before: t.ConcernEvent) -> t.DecisionSet:
    """The one set that the request leaves, in a flow that holds the warning and what is given."""
    story = Story()
    for event in (WARNING, *before):
        story.tell(event)
    (recorded,) = story.tell(action, later(hours=1)).sets
    return recorded


def opened(delivery: t.SealedDelivery, set_id: str) -> bytes:
    return unpad(unseal(SECRET, delivery.sealed, sealed_for(delivery.recipient, set_id)))


def test_known_and_unknown_are_answered_alike_to_the_byte() -> None:
    """All that the asker gets is the same; the log differs in a hash of ciphertext, and in no size."""
    known, unknown = asked(request(CHILD)), asked(request(NOBODY))

    assert known.set_id == unknown.set_id
    assert known.deliveries[0] == unknown.deliveries[0]
    assert known.sidecars == unknown.sidecars
    (first,), (second,) = known.leaves, unknown.leaves
    differing = {
        name for name, value in json.loads(first).items() if value != json.loads(second)[name]
    }
    assert differing == {"queued"}
    assert len(first) == len(second)
    for_desk = known.deliveries[1], unknown.deliveries[1]
    assert len({len(one.sealed) for one in for_desk}) == 1
    assert {(one.recipient, one.channel, one.message_id) for one in for_desk} == {
        (DESK, t.Channel.ALERT, known.deliveries[1].message_id)
    }


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.sampled_from([CHILD, NOBODY]), min_size=1, max_size=MAX_ASKED),
    st.text(st.characters(codec="utf-8"), max_size=199),
)
def test_the_desks_copy_has_one_size(identifiers: list[t.Identifier], words: str) -> None:
    """However many identifiers, whatever words."""
    sizes = {
        len(asked(one).deliveries[1].sealed)
        for one in (request(*identifiers, reason=words), request(NOBODY, reason=""))
    }

    assert len(sizes) == 1


def test_the_receipt_is_the_fixed_acknowledgement() -> None:
    """Accepted, in words that say nothing of what is held."""
    recorded = asked(request(CHILD))
    receipt = decode(opened(recorded.deliveries[0], recorded.set_id), t.ReceiptContent)

    assert recorded.deliveries[0].recipient == ASKER
    assert (receipt.outcome, receipt.explanation) == (t.IntakeOutcome.ACCEPTED, ACKNOWLEDGEMENT)
    assert (receipt.parts, receipt.flags) == (0, ())


def test_no_identifier_no_token_and_no_word_lies_in_log_or_audit_rows() -> None:
    """They are in the desk's sealed copy alone, and there no identifier."""
    recorded = asked(request(CHILD))
    rows = unseal(SECRET, recorded.sidecars[0].content, b"rows\n" + recorded.set_id.encode())
    content = decode(opened(recorded.deliveries[1], recorded.set_id), t.AlertContent)
    (field,) = content.released
    held = msgspec.json.decode(field.value)

    for readable in (*recorded.leaves, rows, *(one.leaf for one in recorded.deliveries)):
        for hidden in (CHILD.value, held["tokens"][0], WORDS):
            assert hidden.encode() not in readable
    assert (field.field, len(field.value)) == (REQUEST_FIELD, REQUEST_BYTES)
    assert held["reason"] == WORDS
    assert CHILD.value not in field.value


def test_the_desk_is_led_to_the_token_of_the_child() -> None:
    """By any of its identifiers, also one that does not name the token; a stranger's leads to its own."""
    other = t.Identifier(scheme=t.IdentifierScheme.LOCAL, value="77", system="liquid:E08000031")
    both = msgspec.structs.replace(
        WARNING,
        event_id=str(uuid.UUID(int=9)),
        origin_id="elsewhere",
        subjects=(
            msgspec.structs.replace(WARNING.subjects[0], identifiers=(CHILD, other)),
            *WARNING.subjects[1:],
        ),
    )

    def tokens(*identifiers: t.Identifier) -> list[str]:
        recorded = asked(request(*identifiers), both)
        content = decode(opened(recorded.deliveries[1], recorded.set_id), t.AlertContent)
        found: list[str] = msgspec.json.decode(content.released[0].value)["tokens"]
        return found

    assert tokens(CHILD) == tokens(other)
    assert tokens(CHILD, NOBODY) == [*tokens(CHILD), *tokens(NOBODY)]
    assert tokens(NOBODY) != tokens(CHILD)


def test_intake_takes_as_many_steps_for_a_stranger_as_for_a_child() -> None:
    """Rows looked for: as many for one identifier as for four, held, joined or not; none is written."""
    other = t.Identifier(scheme=t.IdentifierScheme.LOCAL, value="77", system="liquid:E08000031")
    (child, *others) = WARNING.subjects
    both = msgspec.structs.replace(
        WARNING,
        event_id=str(uuid.UUID(int=9)),
        origin_id="elsewhere",
        subjects=(msgspec.structs.replace(child, identifiers=(CHILD, other)), *others),
    )

    def steps(*identifiers: t.Identifier) -> int:
        story = Story()
        story.tell(WARNING)
        story.tell(both)
        flow: Any = story.flow
        rows, look_up, gets = dict(flow._aliases), flow._alias_rows, [0]

        def counted(tokens: tuple[str, ...]) -> Any:
            found = look_up(tokens)
            gets[0] += max(len(tokens), len(found))
            return found

        flow._alias_rows = counted
        story.tell(request(*identifiers))
        assert flow._aliases == rows
        return gets[0]

    asked_for = [(CHILD,), (other,), (NOBODY,), (CHILD, other, NOBODY, NOBODY), (NOBODY,) * 4]

    assert {steps(*one) for one in asked_for} == {2 * MAX_ASKED}


@pytest.mark.parametrize(
    ("identifiers", "changes", "said"),
    [
        ((), {"alert_id": "a"}, "no identifier"),
        ((CHILD,) * 5, {}, "more than 4"),
        ((msgspec.structs.replace(CHILD, value="9434765918"),), {}, "check digit"),
        ((CHILD,), {"reason": "x" * 1201}, "1200"),
    ],
)
def test_what_is_refused_is_refused_for_its_form(
    identifiers: tuple[t.Identifier, ...], changes: dict[str, Any], said: str
) -> None:
    """Before anything is looked up, in words that say what to do."""
    story = Story()
    story.tell(WARNING)
    refusal = story.tell(request(*identifiers, **changes)).rejection

    assert refusal is not None
    assert refusal.reason == "not_valid"
    assert said in refusal.explanation


def test_a_repeat_is_a_duplicate_and_asks_nobody_again() -> None:
    """The same request at a later place of the topic: a receipt, and nothing more for the desk."""
    story = Story()
    story.tell(request(CHILD))
    again = story.tell(request(CHILD), later(minutes=5))

    assert again.duplicate
    assert [one.recipient for one in again.sets[0].deliveries] == [ASKER]
