"""The decision table: the whole space, each combination once, decided as real statements are."""

from __future__ import annotations

import csv
import datetime
import io
import math
import re
from functools import cache
from html.parser import HTMLParser

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from broker.auditor.decision_space import Made, make
from broker.commands.table_page import as_csv, page
from broker.decide import Circumstances, PolicyBundle, decide
from broker.decide.grounds import PART3
from broker.model.fields import FIELD_GROUP
from broker.model.types import EventType
from broker.model.values import Candidate
from broker.policies.discern import DiscerningBundle, Discernment, Reading
from broker.policies.space import AXES, CAPACITIES, PARTS, SITUATIONS, Space
from broker.policies.table import DecisionTable, Row, cells_of, collapse, decision_table
from broker.shell.policy import load_policy
from broker.shell.settings import Settings
from tests.policies.test_law import CIRCUMSTANCES

pytestmark = pytest.mark.slow
ON = datetime.date(2026, 11, 24)
PUBLISHER = "police"
POLICY = load_policy(Settings())


@cache
def space() -> Space:
    """What the police publish: the part of the space with most kinds of rule."""
    return Space(POLICY.bundle, POLICY.reference, ON, publisher=PUBLISHER)


@cache
def table() -> DecisionTable:
    return decision_table(space())


def _made() -> Made:
    return make(Settings(), ON, None, "charity")


@cache
def rows_of(recipient: str, agreements: str) -> tuple[Row, ...]:
    """Rows of one recipient and set of agreements."""
    return tuple(
        row
        for row in table().rows
        if recipient in row.values("recipient") and agreements in row.values("agreements")
    )


def test_the_counts_add_up_to_the_whole_space() -> None:
    """The product of all axes, over every pair of organisations that can meet."""
    of_each = (CAPACITIES, EventType, PARTS, space().handlings, SITUATIONS)
    doors = sum(len(one.recipient.roles) for one in space().relations)

    assert sum(row.count for row in table().rows) == table().size
    assert table().size == doors * math.prod(len(one) for one in of_each) > 1_000_000
    assert len(table().rows) * 1000 < table().size


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_a_row_says_what_the_decision_is(data: st.DataObject) -> None:
    """Any combination lies in exactly one row, and production decides it as that row says."""
    relation = data.draw(st.sampled_from(space().relations))
    role = data.draw(st.sampled_from(relation.recipient.roles))
    capacity = data.draw(st.sampled_from(CAPACITIES))
    event_type = data.draw(st.sampled_from([one.value for one in EventType]))
    about = data.draw(st.sampled_from(PARTS))
    handling = data.draw(st.sampled_from(space().handlings))
    situation = data.draw(st.sampled_from(SITUATIONS))
    recipient = f"{relation.recipient.kind}:{role}"
    point = (
        recipient,
        relation.agreements_in_words,
        capacity,
        event_type,
        about.name,
        handling.name,
        situation.name,
        relation.publisher_in_words,
    )
    [row] = [one for one in rows_of(recipient, point[1]) if one.covers(point)]
    facts = space().facts(relation, event_type, about, handling, situation)
    organisation = relation.recipient
    candidate = Candidate(
        organisation.code, role, (capacity,), organisation.kind, organisation.country
    )
    decision = decide(facts, candidate, POLICY.bundle, POLICY.reference)
    waits = {one.needs_person for one in POLICY.bundle.conditions.values() if one.needs_person}

    assert (row.answer.outcome, row.answer.mode) == (decision.outcome.value, decision.mode)
    assert row.answer.cells == cells_of(decision, waits)


@cache
def discerning() -> DiscerningBundle:
    """One for all examples, so that answers are shared between them."""
    return DiscerningBundle(POLICY.bundle)


@settings(max_examples=200, deadline=None)
@given(CIRCUMSTANCES, st.sampled_from([None, "agreement_expired"]))
def test_circumstances_that_are_taken_as_one_are_ruled_alike(
    circumstances: Circumstances, lapsed: str | None
) -> None:
    """What the shared answers say is what every policy of the bundle says when it is asked."""
    shared = discerning().ruling(circumstances, lapsed)

    assert shared == PolicyBundle.ruling(POLICY.bundle, circumstances, lapsed)


def test_what_one_relation_stands_for_has_the_same_agreements() -> None:
    """Police speak in two regimes, every kind of recipient is there, and so is an agreement."""
    relations = space().relations
    kinds = {one.kind for one in POLICY.reference.organisations.values()}

    assert {one.recipient.kind for one in relations} == kinds
    assert {one.regime for one in relations} == {"uk_gdpr", PART3}
    assert any("national-baseline" in one.agreements for one in relations)


BOXES = st.lists(
    st.tuples(*(st.frozensets(st.sampled_from("ab"), min_size=1, max_size=1) for _ in AXES)),
    unique=True,
    max_size=40,
)


@given(BOXES)
def test_collapsing_loses_and_doubles_nothing(boxes: list[tuple[frozenset[str], ...]]) -> None:
    """The same combinations, each in one box still."""
    found = collapse(boxes)
    counted = sum(math.prod(len(values) for values in box) for box in found)
    covered = {
        point
        for point in boxes
        if any(all(a <= b for a, b in zip(point, box, strict=True)) for box in found)
    }

    assert counted == len(boxes)
    assert covered == set(boxes)
    assert len(found) <= len(boxes)


@pytest.fixture(scope="module")
def charity() -> Made:
    """The table of what charities publish, as the command makes it."""
    return _made()


def test_the_csv_has_a_line_for_each_row_and_field(charity: Made) -> None:
    """It parses, each field of each row is there with what decides it, and the counts add up."""
    rows = list(csv.DictReader(io.StringIO(as_csv(charity.table))))
    counts = {row["row"]: int(row["combinations"]) for row in rows}

    assert len(rows) == len(charity.table.rows) * len(FIELD_GROUP)
    assert sum(counts.values()) == charity.table.size
    assert {row["field"] for row in rows} == set(FIELD_GROUP)
    assert all(row["decided_by"] and row["outcome"] for row in rows)


class Reader(HTMLParser):
    """What a page is made of."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.crossed: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keeps it, and that it is open."""
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "link", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """It must be the one that was opened last."""
        if self.open.pop() != tag:
            self.crossed.append(tag)


def test_the_page_needs_no_script_and_can_be_read_by_everyone(charity: Made) -> None:
    """Language, headings, captions, scopes, names of columns on narrow screens; nothing from elsewhere."""
    text = page(charity.table, charity.about)
    reader = Reader()
    reader.feed(text)
    names = [tag for tag, _ in reader.tags]
    ids = [attributes["id"] for _, attributes in reader.tags if "id" in attributes]
    links = {attributes.get("href") or "" for tag, attributes in reader.tags if tag == "a"}

    assert (reader.open, reader.crossed) == ([], [])
    assert not {"script", "img", "link", "iframe"} & set(names)
    assert "http" not in text
    assert dict(reader.tags)["html"] == {"lang": "en-GB"}
    assert names.count("h1") == 1
    assert names.count("table") == names.count("caption") == names.count("thead")
    assert all(attributes.get("scope") for tag, attributes in reader.tags if tag == "th")
    assert all(attributes.get("data-name") for tag, attributes in reader.tags if tag == "td")
    assert len(ids) == len(set(ids))
    assert links <= {f"#{one}" for one in ids}
    assert ("meta", "viewport") in {(tag, a.get("name") or "") for tag, a in reader.tags}


def test_the_page_says_what_it_is(charity: Made) -> None:
    """Marking, bundle, day, how many combinations, and that the counts of its entries add up."""
    text = page(charity.table, charity.about)
    counts = re.findall(r'class="count"[^>]*>([\d,]+)<', text)

    assert text.count(">OFFICIAL<") == 2
    assert POLICY.hashes.bundle in text
    assert "24 November 2026" in text
    assert "published by charity" in text
    assert sum(int(one.replace(",", "")) for one in counts) == charity.table.size
    assert f"{charity.table.size:,} combinations" in text


def test_every_decision_is_said_in_words(charity: Made) -> None:
    """Colour is never the only sign: each decision has its own words and its own kind of border."""
    text = page(charity.table, charity.about)
    marks = set(re.findall(r'class="decision (\w+)">([^<]+)<', text))

    assert marks
    assert len({words for _, words in marks}) == len({look for look, _ in marks}) == len(marks)
    for outcome in ("released as stated", "withheld", "needs a person"):
        assert f"<strong>{outcome}</strong>" in text


def test_what_is_settled_first_is_settled_for_these_reasons(charity: Made) -> None:
    """Facts that no clause can overcome, asked of the same code."""
    assert {fact: code for fact, _, code in charity.about.gates} == {
        "it is only a neighbour": "no_nexus",
        "it published this itself": "own_statement",
        "it is on the list of those who must not be told": "unsafe_to_tell",
        "the handling code is not known": "handling_unknown",
        "a handling condition is not known": "condition_unknown",
        "the grading does not say of which scheme it is": "grading_unlabelled",
        "the person is 18 or over": "subject_over_18",
        "a placement at a distance lacks its care plan": "care_plan_missing",
        "a placement at a distance lacks a director's approval": "at_a_distance",
    }


def test_an_operator_that_is_not_known_makes_everything_differ() -> None:
    """Then nothing is shared: better slow than wrong."""
    policy = POLICY.bundle.court.law[0]
    like = {"kind": "when", "body": {"like": {"left": {"Var": "context"}, "pattern": []}}}
    strange = msgspec.structs.replace(
        policy, body={**policy.body, "conditions": [*policy.body["conditions"], like]}
    )
    first = _plain("concern")
    other = _plain("incident")
    sharing, careful = Discernment([Reading(policy)]), Discernment([Reading(strange)])

    assert sharing.seen(first) == sharing.seen(other)
    assert careful.seen(first) != careful.seen(other)


def test_nothing_at_all_differs_from_something_that_no_list_names() -> None:
    """A rule may ask whether there is any condition: one that it does not name counts as one."""
    empty = {"isEmpty": {"arg": {".": {"left": {"Var": "context"}, "attr": "conditions"}}}}
    policy = POLICY.bundle.court.law[0]
    body = {**policy.body, "conditions": [{"kind": "when", "body": empty}]}
    found = Discernment([Reading(msgspec.structs.replace(policy, body=body))])
    none = msgspec.structs.replace(_plain("concern"), conditions=())
    one, other = (msgspec.structs.replace(none, conditions=(name,)) for name in ("a", "b"))

    assert found.seen(none) != found.seen(one)
    assert found.seen(one) == found.seen(other)


def _plain(event_type: str) -> Circumstances:
    relation = space().relations[0]
    facts = space().facts(relation, event_type)
    candidate = Candidate(relation.recipient.code, "csc", ("home",), "authority", "England")
    recipient = facts.recipient(candidate, POLICY.reference)
    found = POLICY.bundle.circumstances(facts, recipient, ())
    return msgspec.structs.replace(found, gateways=())
