"""Traps of the field that belong to no single room; the law's own are in tests/policies/test_rules.py."""

from __future__ import annotations

import datetime
import json

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from broker.model import types as t
from broker.model.values import SourcePosition
from broker.shell.policy import load_policy
from broker.shell.settings import Settings
from tests.builders import NOW, SANDWELL, WOLVERHAMPTON, concern, subject
from tests.laws.test_identity_laws import components
from tests.oracle import offline_flow


def event(number: int, *identifiers: t.Identifier, **changes: object) -> t.ConcernEvent:
    """A concern about a child of always the same name and date of birth."""
    child = subject(
        identifiers=identifiers,
        given_name="Sam",
        family_name="Example-Twin",
        date_of_birth=datetime.date(2012, 2, 29),
    )
    given_ = {"event_id": f"e{number}", "origin_id": f"o{number}", "publisher": WOLVERHAMPTON}
    return msgspec.structs.replace(concern(), subjects=(child,), **(given_ | changes))


def local(value: str) -> t.Identifier:
    return t.Identifier(scheme=t.IdentifierScheme.LOCAL, system="test", value=value)


@given(st.lists(st.lists(st.sampled_from("abcdef"), max_size=2), min_size=2, max_size=5))
def test_twins_are_never_joined_by_name_and_date_of_birth(stated: list[list[str]]) -> None:
    """Only identifiers stated together make one child; same name and birth make none."""
    flow = offline_flow()
    keys: list[str] = []
    for number, values in enumerate(stated):
        told = event(number, *(local(value) for value in values))
        source = SourcePosition(f"concerns.v1.{WOLVERHAMPTON}", 0, number)
        outcome = flow.submit(told, NOW, source)
        keys.append(outcome.parts[0].linked.part.part_key)

    together = components([values for values in stated if values])
    child = [together[values[0]] if values else frozenset({n}) for n, values in enumerate(stated)]
    for one in range(len(stated)):
        for other in range(one + 1, len(stated)):
            if child[one] != child[other]:
                assert keys[one] != keys[other]


def test_the_geography_that_was_used_is_named_by_every_closing_leaf() -> None:
    """Borders and codes change: the record says which version decided."""
    flow = offline_flow()
    source = SourcePosition(f"concerns.v1.{WOLVERHAMPTON}", 0, 0)
    outcome = flow.submit(event(0, local("x")), NOW, source)
    leaves = [json.loads(leaf) for one in outcome.sets for leaf in one.leaves]
    (closing,) = [leaf for leaf in leaves if leaf["kind"] == "closing"]
    hashes = load_policy(Settings()).hashes

    assert (closing["geography"], closing["register"], closing["policy_bundle"]) == (
        hashes.geography,
        hashes.register,
        hashes.bundle,
    )


def test_what_two_recipients_get_has_the_same_size_whatever_is_withheld() -> None:
    """A field that is withheld must not show in the length of the message: sizes are padded."""
    flow = offline_flow()
    place = t.Place(precision=t.PlacePrecision.LA, la_gss=SANDWELL)
    told = event(0, local("x"), place=place, publisher="E08000025")
    outcome = flow.submit(told, NOW, SourcePosition("concerns.v1.E08000025", 0, 0))
    sizes = {
        len(delivery.sealed) % 1024
        for one in outcome.sets
        for delivery in one.deliveries
        if one.kind is t.SetKind.DECISION
    }

    assert len(sizes) == 1


def test_a_message_says_nothing_of_a_person_in_its_key_or_its_topic() -> None:
    """Keys are hashes; topics carry organisation codes only."""
    flow = offline_flow()
    outcome = flow.submit(
        event(0, local("x")), NOW, SourcePosition(f"concerns.v1.{WOLVERHAMPTON}", 0, 0)
    )
    text = b"".join(
        delivery.leaf + delivery.message_id.encode() + delivery.recipient.encode()
        for one in outcome.sets
        for delivery in one.deliveries
    ) + b"".join(leaf for one in outcome.sets for leaf in one.leaves)

    assert b"Example-Twin" not in text
    assert b"Sam" not in text
    assert b"2012" not in text
