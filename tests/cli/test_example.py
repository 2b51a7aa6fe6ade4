"""`broker example` and `broker schema`: what newcomers start from is valid, invented and explained."""

from __future__ import annotations

import datetime
import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.examples import KINDS, example, fresh_example, to_line
from broker.model.codec import decode, encode, from_json
from broker.model.schemas import ORDER, SCHEMAS_DIR
from broker.model.types import Action, ConcernEvent, EventType, IdentifierScheme, Severity
from broker.model.values import Rejection
from broker.reference import load_connected, load_reference
from broker.shell.settings import Settings
from broker.verify import check_action, check_event
from tests.cli.said import Command

NOW = datetime.datetime(2026, 11, 23, 10, 0, tzinfo=datetime.UTC)
REFERENCE = load_reference(Settings().codesets_dir, Settings().organisations_dir)
MOMENTS = st.timedeltas(datetime.timedelta(0), datetime.timedelta(days=1500)).map(NOW.__add__)


def accepted(statement: ConcernEvent | Action, received_at: datetime.datetime) -> tuple[str, ...]:
    """The flags of a statement that verify must accept."""
    if isinstance(statement, Action):
        assert check_action(statement, None, b"", received_at) is None
        return ("unsigned",)
    outcome = check_event(statement, None, b"", received_at, REFERENCE)
    assert not isinstance(outcome, Rejection), outcome
    assert outcome[0] == statement
    return outcome[1]


def test_there_is_an_example_of_everything_that_can_be_said() -> None:
    """Every event type, and a human act."""
    assert set(KINDS) == {*EventType, "action"}
    for kind in EventType:
        given = example(kind)
        assert isinstance(given, ConcernEvent)
        assert given.event_type is kind


@pytest.mark.parametrize("kind", KINDS)
def test_every_example_is_accepted_and_survives_avro_and_json(kind: str) -> None:
    """No flag but that nobody signed it; the same after either encoding."""
    given = example(kind)

    assert accepted(given, NOW) == ("unsigned",)
    assert decode(encode(given), type(given)) == given
    assert from_json(to_line(given), type(given)) == given


@given(kind=st.sampled_from(KINDS), now=MOMENTS)
def test_a_fresh_example_is_accepted_on_its_day(kind: str, now: datetime.datetime) -> None:
    """Whenever it is made: valid, and of today."""
    given = fresh_example(kind, now)

    assert accepted(given, now) == ("unsigned",)
    stated = given.acted_at if isinstance(given, Action) else given.reported_at
    assert now - stated < datetime.timedelta(seconds=1)


@given(now=MOMENTS)
def test_a_fresh_threat_is_still_ahead_on_the_same_weekday_and_hour(now: datetime.datetime) -> None:
    """The parent's Saturday stays a Saturday, and there is time to act."""
    fixed, fresh = example("concern"), fresh_example("concern", now)
    assert isinstance(fixed, ConcernEvent)
    assert isinstance(fresh, ConcernEvent)
    assert fixed.when is not None
    assert fresh.when is not None
    ahead = fresh.when.start - now

    assert datetime.timedelta(hours=23) < ahead <= datetime.timedelta(days=8)
    assert (fresh.when.start.weekday(), fresh.when.start.hour) == (5, 14)
    assert fresh.when.start.time() == fixed.when.start.time()


def test_fresh_examples_are_not_about_one_child() -> None:
    """Ids, origin and child are their own, and no national number joins them."""
    made = [fresh_example("concern", NOW) for _ in range(20)]
    events = [one for one in made if isinstance(one, ConcernEvent)]
    identifiers = [one for event in events for child in event.subjects for one in child.identifiers]

    assert len({event.event_id for event in events}) == 20
    assert len({event.origin_id for event in events}) == 20
    assert len({one.value for one in identifiers}) == 20
    assert {one.scheme for one in identifiers} == {IdentifierScheme.LOCAL}


def test_the_concern_is_the_warning_of_the_first_scenario() -> None:
    """A parent, by an advocate: a child of one borough threatened in another, and who gets which words."""
    given = example("concern")
    assert isinstance(given, ConcernEvent)
    (child,) = given.subjects

    assert given.publisher == "ADV-WM-001"
    assert {(fact.kind.value, fact.organisation) for fact in child.nexus} == {
        ("home", "E08000031"),
        ("schooled_in", "SCH-WV-001"),
    }
    assert given.place is not None
    assert (given.place.la_gss, given.place.kind) == ("E08000028", "retail")
    assert given.source is not None
    assert given.source.asks_not_to_be_named
    assert {text.audience.value for text in given.audience_texts} == {
        *("social_care", "police", "education")
    }
    assert given.severity is Severity.SAME_DAY
    assert child.identifiers[0].value == "943 476 5919"


def test_words_for_others_do_not_show_who_said_it() -> None:
    """No audience text names or hints at the source of the parent's warning."""
    given = example("concern")
    assert isinstance(given, ConcernEvent)
    assert given.source is not None
    words = " ".join(text.text for text in given.audience_texts).lower()

    assert not [
        hint
        for hint in ("mother", "parent", "father", "family", "pat", given.source.contact or "?")
        if hint in words.split()
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_everyone_in_an_example_is_invented_and_its_publisher_connected(kind: str) -> None:
    """Family names say so; the demonstration has keys for whoever publishes it."""
    given = example(kind)
    connected = load_connected(Settings().organisations_dir / "connected.yaml")
    if isinstance(given, Action):
        assert given.organisation in connected
        return
    assert given.publisher in connected
    assert {child.family_name for child in given.subjects} <= {"Example"}
    places = [given.place.description] if given.place and given.place.description else []
    precise = [one for one in places if given.place and given.place.precision != "la"]
    assert all("(invented)" in one for one in precise)


def test_the_command_prints_one_line_and_always_the_same(broker: Command) -> None:
    """Kebab or snake case; without --fresh byte for byte equal."""
    first = broker("example", "ed-attendance-injury")

    assert first.code == 0
    assert first.out == broker("example", "ED_ATTENDANCE_INJURY").out
    assert first.out == to_line(example("ed_attendance_injury")) + "\n"
    assert (
        broker("example", "concern", "--fresh").out != broker("example", "concern", "--fresh").out
    )


def test_an_unknown_type_lists_the_types(broker: Command) -> None:
    """One sentence on standard error, exit code 1."""
    said = broker("example", "gossip")

    assert (said.code, said.out) == (1, "")
    assert said.err.count("\n") == 1
    assert all(kind.replace("_", "-") in said.err for kind in KINDS)


def test_every_noun_can_be_shown_and_its_schema_printed(broker: Command) -> None:
    """Whatever the list names: each field of it is explained, and the JSON is the file's."""
    listed = broker("schema", "list", "--json").rows

    assert len(listed) == len(ORDER)
    for noun, name in zip(listed, ORDER, strict=True):
        file = json.loads((SCHEMAS_DIR / f"{name}.avsc").read_text(encoding="utf-8"))
        assert file["name"] == noun["name"]
        assert json.loads(broker("schema", "show", name, "--json").out) == file
        shown = broker("schema", "show", noun["name"])
        assert shown.code == 0
        assert not [field["name"] for field in file["fields"] if field["name"] not in shown.out]
    assert broker("schema", "list").out.count("ConcernEvent") == 1


def test_an_unknown_noun_names_those_that_there_are(broker: Command) -> None:
    """One sentence on standard error, exit code 1."""
    said = broker("schema", "show", "Gossip")

    assert said.code == 1
    assert "ConcernEvent" in said.err


def test_an_example_edited_as_json_is_what_its_editor_wrote() -> None:
    """A changed value is the only change that reading it back sees."""
    plain = json.loads(to_line(example("concern")))
    plain["severity"] = "immediate"
    changed = from_json(json.dumps(plain), ConcernEvent)

    assert changed == msgspec.structs.replace(
        from_json(to_line(example("concern")), ConcernEvent), severity=Severity.IMMEDIATE
    )
