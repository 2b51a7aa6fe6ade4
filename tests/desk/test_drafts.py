"""Drafts as they are kept: whose they are, what is parked for them, what is never found again."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from broker.desk import drafts
from broker.desk.sealing import AtRest
from broker.desk.store import DeskStore

OWNER, OTHER = "tells-1", "tells-2"
FIELDS = {"summary": ("what was seen",)}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DeskStore]:
    made = DeskStore(tmp_path, AtRest(bytes(32)), [drafts.SCHEMA])
    yield made
    made.close()


def begun(store: DeskStore, page: str = "heard") -> drafts.Draft:
    """A draft with something on it."""
    draft = drafts.with_answers(drafts.begin(store, OWNER), page, FIELDS)
    drafts.save(store, draft)
    return draft


def test_an_empty_draft_is_used_again(store: DeskStore) -> None:
    """Two clicks on the button that begins make one draft; one that has an answer stays."""
    first = drafts.begin(store, OWNER)
    assert drafts.begin(store, OWNER) == first
    assert drafts.begin(store, OTHER) != first
    drafts.save(store, drafts.with_answers(first, "heard", FIELDS))
    assert drafts.begin(store, OWNER) != first
    assert len(drafts.of_owner(store, OWNER)) == 2


def test_a_draft_is_found_by_its_owner_alone(store: DeskStore) -> None:
    """For anybody else there is none."""
    draft = begun(store)
    assert drafts.find(store, draft.draft_id, OWNER) == draft
    assert drafts.find(store, draft.draft_id, OTHER) is None
    assert drafts.of_owner(store, OTHER) == []


def test_what_is_parked_is_taken_in_once_and_by_its_draft(store: DeskStore) -> None:
    """Under its ticket and nothing else; other pages of the draft stay as they were."""
    draft, another = begun(store), begun(store)
    typed = {"chain": ("the aunt told us",)}
    ticket = drafts.park(store, draft.draft_id, "passed", typed)
    assert ticket is not None
    assert drafts.take_in(store, ticket, another) is None
    assert drafts.take_in(store, "guessed", draft) is None
    taken = drafts.take_in(store, ticket, draft)
    assert taken is not None
    assert taken.telling.answers == {"heard": FIELDS, "passed": typed}
    assert drafts.find(store, draft.draft_id, OWNER) == taken
    assert drafts.take_in(store, ticket, draft) is None


def test_nothing_is_parked_for_no_draft_or_for_ever(
    store: DeskStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who knows no draft fills no disk; what nobody fetches is gone after an hour; there is a bound."""
    assert drafts.park(store, "5f0e7f6e-0000-4000-8000-000000000001", "heard", FIELDS) is None
    draft = begun(store)
    now = time.time()
    ticket = drafts.park(store, draft.draft_id, "heard", FIELDS)
    assert ticket is not None
    monkeypatch.setattr(time, "time", lambda: now + drafts.PARKED_FOR_S + 1)
    assert drafts.take_in(store, ticket, draft) is None
    for _ in range(drafts.MOST_PARKED + 20):
        drafts.park(store, draft.draft_id, "heard", FIELDS)
    assert store.one("SELECT count(*) FROM parked")[0] == drafts.MOST_PARKED
    drafts.delete(store, draft.draft_id)
    assert store.one("SELECT count(*) FROM parked")[0] == 0


def test_saving_what_was_sent_meanwhile_brings_nothing_back(store: DeskStore) -> None:
    """An autosave that comes late finds no draft and makes none."""
    draft = begun(store)
    drafts.delete(store, draft.draft_id)
    drafts.save(store, draft)
    assert drafts.of_owner(store, OWNER) == []


def test_a_correction_is_begun_once_and_what_failed_under_a_new_id(store: DeskStore) -> None:
    """Both start from the same answers; the origin stays that of the first observation."""
    told = begun(store).telling
    drafts.keep_told(store, told)
    assert drafts.told(store, told.event_id) == told
    correction = drafts.begin_correction(store, OWNER, told)
    assert drafts.begin_correction(store, OWNER, told) == correction
    assert correction.telling.corrects == told.event_id
    again = drafts.begin_again(store, OWNER, told)
    for one in (correction, again):
        assert one.draft_id != told.event_id
        assert one.telling.origin_id == told.origin_id
        assert one.telling.answers == told.answers


def test_a_child_is_numbered_once(store: DeskStore) -> None:
    """Removing one and adding another never gives an earlier child's answers or reference to the new."""
    draft = drafts.with_child(drafts.with_child(begun(store)))
    draft = drafts.with_answers(draft, "child-2", {"given_name": ("Second",)})
    removed = drafts.with_child(drafts.without_child(draft, "2"))
    assert removed.telling.children == ("1", "3")
    assert "child-2" not in removed.telling.answers
    made = removed.telling.made_references
    assert len(set(made.values())) == len(made)


def test_what_is_sent_for_other_inputs_or_beyond_bounds_is_left_out() -> None:
    """A form takes its own inputs and no more text than anybody types."""
    pairs = [("a", "x" * 30_000), ("b", "y"), ("a", 5), *[("c", str(n)) for n in range(99)]]
    found = drafts.fields_of(pairs, ["a", "c", "d"])
    assert set(found) == {"a", "c"}
    assert [len(one) for one in found["a"]] == [drafts.MOST_CHARACTERS]
    assert len(found["c"]) == drafts.MOST_VALUES
    msgspec.msgpack.encode(drafts.fields_of([("a", "\ud800")], ["a"]))
