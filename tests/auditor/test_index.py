"""The index: says what a reading of the whole ledger says, and is never believed where that differs."""

from __future__ import annotations

import contextlib
import datetime
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from broker.auditor import read_recorded
from broker.auditor.index_build import Reached, catch_up
from broker.auditor.index_file import index_path, open_index
from broker.auditor.index_query import ask, ask_all
from broker.auditor.report import BadLedgerError
from broker.auditor.who_knew import Question, who_knew
from broker.ledger import read_entries
from broker.model.types import DecisionSet
from broker.record import link_record
from broker.shell.ledger_worker import record_set as as_record
from tests.auditor.ledgers import (
    ORGANISATIONS,
    accepted,
    action,
    decided,
    part_id_of,
    rejected,
    source,
    story,
    write_ledger,
    write_shard,
)
from tests.builders import NOW

SECOND = datetime.timedelta(seconds=1)


@contextlib.contextmanager
def index_of(ledger: Path) -> Iterator[sqlite3.Connection]:
    """The ledger's index, caught up."""
    with open_index(index_path(ledger)) as database:
        catch_up(database, ledger)
        yield database


def questions(recorded: Any) -> st.SearchStrategy[Question]:
    """Anything that can be asked of this ledger, and some that it does not hold."""
    closings = [one.closing for one in recorded.parts]
    decisions = [one for part in recorded.parts for one in part.decisions]
    texts = {
        "event_id": {one.event_id for one in closings},
        "part_id": {one.part_id for one in closings},
        "recipient": {name for one in decisions for name in (one.recipient, one.organisation)},
        "agreement": {"law.home", "source_identity", "law"},
        "outcome": {"PERMIT", "DENY", "REVIEW"},
        "set_ids": {frozenset({one.set_id for one in closings[number::3]}) for number in range(3)},
        "since": {NOW - SECOND, NOW, NOW + SECOND},
        "until": {NOW, NOW + SECOND},
    }
    strange = {"set_ids": frozenset({"no set"}), "since": NOW, "until": NOW}
    options = {
        name: st.sampled_from([*sorted(some, key=str), strange.get(name, "nobody")])
        for name, some in texts.items()
    }
    return st.fixed_dictionaries({}, optional=options).map(lambda one: Question(**one))


@st.composite
def ledgers(draw: st.DrawFn) -> list[DecisionSet]:
    """Sets of a sound ledger in a random order: parts with some rounds, acts, refusals, a join."""
    events = draw(st.integers(1, 6))
    sets: list[DecisionSet] = []
    for offset in range(events):
        parts = draw(st.integers(1, 3))
        sets.append(accepted(offset, parts))
        for number in range(parts):
            sets += [
                decided(offset, number, draw(st.integers(0, 7)), round_, draw(st.integers(0, 5)))
                for round_ in range(draw(st.integers(1, 3)))
            ]
    extra = [rejected(events), action(events + 1), link_record(source(0), "event-0", "b", "a")]
    return draw(st.permutations([*sets, *extra]))


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_the_index_says_what_the_whole_ledger_says(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Any ledger, in any order of sets, in one or two shards; any question; in pages of any size."""
    ledger = tmp_path_factory.mktemp("random") / "ledger"
    write_ledger(ledger, data.draw(ledgers()), shards=data.draw(st.integers(1, 2)))
    recorded = read_recorded(ledger)
    with index_of(ledger) as database:
        for _ in range(4):
            asked = data.draw(questions(recorded))
            assert tuple(ask_all(database, ledger, asked)) == who_knew(recorded, asked)
        limit, after = data.draw(st.integers(1, 9)), None
        found: list[Any] = []
        while True:
            page = ask(database, ledger, Question(), limit=limit, after=after)
            found += page.found
            after = page.after
            if after is None:
                break
            assert len(page.found) == limit
    assert tuple(found) == who_knew(recorded, Question())


def test_it_goes_on_where_it_ended_and_each_answer_says_to_where(tmp_path: Path) -> None:
    """Built at one checkpoint, asked at the next: only what is new is read, and the answer has it."""
    sets = story(40)
    short, ledger = tmp_path / "short", tmp_path / "ledger"
    write_shard(short / "s0", [as_record(one) for one in sets[:30]])
    write_shard(ledger / "s0", [as_record(one) for one in sets])
    steps: list[int] = []
    with open_index(tmp_path / "index.db") as database:
        (first,) = catch_up(database, short)
        (second,) = catch_up(database, ledger, progress=lambda _s, done, _a: steps.append(done))
        found = tuple(ask_all(database, ledger, Question()))

    assert (first.size, second.size) == tuple(
        len(read_entries(one / "s0", 0)) for one in (short, ledger)
    )
    assert isinstance(second, Reached)
    assert second.root in (ledger / "s0" / "checkpoint").read_text()
    assert found == who_knew(read_recorded(ledger), Question())
    assert steps == [second.size]


def test_an_index_of_another_ledger_is_made_again(tmp_path: Path) -> None:
    """Of the same name, and longer, and otherwise: the checkpoints differ, so nothing of it is kept."""
    other = write_ledger(tmp_path / "other", story(30))
    ledger = write_ledger(tmp_path / "ledger", story(12))
    with open_index(tmp_path / "index.db") as database:
        catch_up(database, other)
        catch_up(database, ledger)
        found = tuple(ask_all(database, ledger, Question()))

    assert found == who_knew(read_recorded(ledger), Question())


def test_an_index_with_a_beginning_of_another_log_is_found_by_the_root(tmp_path: Path) -> None:
    """Shorter than the ledger and of other leaves: the root over both shows it, and it is made again."""
    other = write_ledger(tmp_path / "other", story(12)[1:])
    ledger = write_ledger(tmp_path / "ledger", story(30))
    with open_index(tmp_path / "index.db") as database:
        catch_up(database, other)
        catch_up(database, ledger)
        found = tuple(ask_all(database, ledger, Question()))

    assert found == who_knew(read_recorded(ledger), Question())


def test_nothing_is_told_from_leaves_that_do_not_give_the_signed_root(
    sound: Path, tmp_path: Path
) -> None:
    """A changed leaf before the index is made: refused. After it is made: refused where it is read."""
    ledger = Path(shutil.copytree(sound, tmp_path / "ledger"))
    with open_index(tmp_path / "index.db") as database:
        catch_up(database, ledger)
        for entries in (ledger / "s0" / "tile" / "entries").rglob("*"):
            if entries.is_file():
                entries.write_bytes(entries.read_bytes().replace(b"law.home", b"law.hoNe"))
        with pytest.raises(BadLedgerError, match="changed"):
            list(ask_all(database, ledger, Question()))
    with (
        open_index(tmp_path / "second.db") as database,
        pytest.raises(BadLedgerError, match="root is not that"),
    ):
        catch_up(database, ledger)


def test_a_damaged_index_is_made_again_and_only_its_owner_can_read_it(
    sound: Path, tmp_path: Path
) -> None:
    """Bytes that are no database are no answer: the file is replaced."""
    file = tmp_path / "index.db"
    file.write_bytes(b"no database" * 100)
    with open_index(file) as database:
        catch_up(database, sound)
        found = ask(database, sound, Question(recipient=ORGANISATIONS[0]), limit=3)

    assert len(found.found) == 3
    assert found.after is not None
    assert file.stat().st_mode & 0o077 == 0


def test_a_place_that_is_none_is_refused(sound: Path, tmp_path: Path) -> None:
    """`--after` is what the last page gave: anything else is an error that says so."""
    with open_index(tmp_path / "index.db") as database:
        catch_up(database, sound)
        for wrong in ("s0/999999", "s9/1", "x", "s0/-1"):
            with pytest.raises(ValueError, match="no decision"):
                ask(database, sound, Question(), after=wrong)


def test_a_part_in_many_rounds_is_asked_for_by_its_id(sound: Path, tmp_path: Path) -> None:
    """Both rounds of the first part, in order."""
    with open_index(tmp_path / "index.db") as database:
        catch_up(database, sound)
        found = ask(database, sound, Question(part_id=part_id_of(0, 0)))

    assert [one.round for one in found.found] == [0] * 5 + [1] * 3
