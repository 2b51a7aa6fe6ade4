"""A history in rows is the history: what a part rests on is the same, however it came to lie there."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.link import KeptHistory, Listed, about, entry_of, foremost, history, join, link, zones
from broker.link import postings as posted
from broker.link import retracted as with_mark
from broker.model import types as t
from broker.model.values import StateEntry
from tests.builders import NOW, concern
from tests.laws.histories import EVENTS, HARMS, LATER, PUBLISHERS, events, part_of, past_of

MANY = [f"event-{number}" for number in range(40)]
FIRST = [f"first-{number}" for number in range(40)]


@pytest.fixture(scope="module", autouse=True)
def _small_rows() -> Iterator[None]:
    """Runs, rows and indexes so small that a history of twenty entries has several levels of each."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(history, "RUN", 2)
        patch.setattr(history, "GONE", msgspec.Raw(b"\xc0"))
        patch.setattr(posted, "FULL", 3)
        patch.setattr(zones, "WIDE", 2)
        patch.setattr(foremost, "FEW", 2)
        yield


class CutOffError(Exception):
    """The process was killed."""


class MemoryRows(dict[str, bytes]):
    """Rows in memory; may be cut off after so many changes."""

    left: int | None = None

    def put(self, name: str, row: bytes) -> None:
        """Writes a row."""
        self._count()
        self[name] = row

    def drop(self, name: str) -> None:
        """Removes a row."""
        self._count()
        self.pop(name, None)

    def _count(self) -> None:
        if self.left is not None:
            if self.left == 0:
                raise CutOffError
            self.left -= 1


CATEGORIES = st.none() | st.builds(
    t.StatedCategory,
    scheme=st.sampled_from(["cin", "other"]),
    code=st.sampled_from(["N1", "N2"]),
    indicators=st.just(()),
)
REQUESTS = st.builds(
    t.InformationRequest,
    asked_of=st.sampled_from(PUBLISHERS),
    purpose=st.just("to see whether he is safe"),
)


@st.composite
def told(draw: st.DrawFn, ids: list[str] = EVENTS) -> t.ConcernEvent:
    """An event of any kind that matters to link; some share ids, more do not."""
    event = draw(events(st.sampled_from(ids)))
    if draw(st.integers(0, 3)):
        event = msgspec.structs.replace(
            event, origin_id=draw(st.sampled_from(FIRST)), derived_from=(), dependence=()
        )
    days = draw(st.integers(-60, 0))
    changes: dict[str, Any] = {
        "stated_category": draw(CATEGORIES),
        "observed_at": NOW + datetime.timedelta(days=days),
        "answers": draw(st.none() | st.sampled_from(EVENTS)),
    }
    if draw(st.integers(0, 4)) == 0:
        changes |= {
            "event_type": t.EventType.INFORMATION_REQUEST,
            "request": draw(REQUESTS),
            "subjects": tuple(
                msgspec.structs.replace(one, necessity="to see whether he is safe")
                for one in event.subjects
            ),
        }
    if draw(st.integers(0, 5)) == 0:
        start = NOW + datetime.timedelta(days=draw(st.integers(-400, 10)))
        end = start + datetime.timedelta(days=draw(st.integers(0, 300)))
        changes["when"] = t.TimeInterval(start=start, end=end)
    return msgspec.structs.replace(event, **changes)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.lists(told(MANY), min_size=1, max_size=5)),
        st.tuples(st.just("add"), st.lists(told(MANY), min_size=1, max_size=5)),
        st.tuples(st.just("retract"), st.lists(told(MANY), min_size=1, max_size=2)),
        st.tuples(st.just("adopt"), st.lists(told(MANY), max_size=5)),
        st.tuples(st.just("remove"), st.lists(told(MANY), max_size=3)),
    ),
    max_size=6,
)
Step = tuple[str, list[t.ConcernEvent]]


def entries_of(step: Step, order: int) -> list[StateEntry]:
    """What the events of a step leave behind; what is adopted has one place."""
    name, given_ = step
    steps = 0 if name == "adopt" else 1
    return [entry_of(part_of(one, order + n * steps)) for n, one in enumerate(given_)]


def taken(kept: KeptHistory, step: Step, order: int) -> None:
    """One step in rows."""
    entries = entries_of(step, order)
    if step[0] == "add":
        kept.add(*entries)
    elif step[0] == "adopt":
        kept.adopt(entries)
    elif step[0] == "remove":
        kept.remove([one.statement for one in entries])
    else:
        for entry in entries:
            kept.retract(msgspec.structs.replace(entry, retracted=True))


def in_list(held: tuple[StateEntry, ...], step: Step, order: int) -> tuple[StateEntry, ...]:
    """The same step on a list, in the plainest way."""
    entries = entries_of(step, order)
    if step[0] == "adopt":
        return join(held, tuple(entries))
    if step[0] == "remove":
        gone = {one.statement for one in entries}
        return tuple(one for one in held if one.statement not in gone)
    for entry in entries:
        if step[0] == "retract":
            held = with_mark(held, msgspec.structs.replace(entry, retracted=True))
        elif all(one.statement != entry.statement for one in held):
            held = (*held, entry)
    return held


def same(
    kept: KeptHistory, held: tuple[StateEntry, ...], event: t.ConcernEvent, order: int
) -> None:
    """The whole is the same, and so is what a part rests on; and that is enough to link it."""
    part = part_of(event, order)
    found = about(part, kept)

    assert found == about(part, Listed(held))
    assert link(part, found) == link(part, held)


@settings(max_examples=40, deadline=None)
@given(STEPS, st.lists(told([*EVENTS, *MANY]), min_size=1, max_size=3), st.data())
def test_rows_and_a_list_say_the_same_after_any_steps(
    steps: list[Step], asked: list[t.ConcernEvent], data: st.DataObject
) -> None:
    """Whatever was added, taken back, joined or removed: for a new part, and for one of long ago."""
    rows, order = MemoryRows(), 0
    held: tuple[StateEntry, ...] = ()
    for step in steps:
        taken(KeptHistory(rows), step, order)
        held = in_list(held, step, order)
        order += 10
    whole = KeptHistory(rows).whole()

    assert sorted(whole, key=repr) == sorted(held, key=repr)
    for event in asked:
        same(KeptHistory(rows), held, event, LATER)
        same(KeptHistory(rows), held, event, data.draw(st.integers(0, order)))


@settings(max_examples=25, deadline=None)
@given(STEPS, told(MANY), st.data())
def test_a_step_that_was_cut_off_and_done_again_is_the_step(
    steps: list[Step], asked: t.ConcernEvent, data: st.DataObject
) -> None:
    """Killed after any number of rows, each time several times over; then read again: nothing differs."""
    rows = MemoryRows()
    held: tuple[StateEntry, ...] = ()
    for number, step in enumerate(steps):
        for _ in range(data.draw(st.integers(0, 2))):
            rows.left = data.draw(st.integers(0, 6))
            with contextlib.suppress(CutOffError):
                taken(KeptHistory(rows), step, number * 10)
        rows.left = None
        taken(KeptHistory(rows), step, number * 10)
        held = in_list(held, step, number * 10)

    assert sorted(KeptHistory(rows).whole(), key=repr) == sorted(held, key=repr)
    same(KeptHistory(rows), held, asked, LATER)
    same(KeptHistory(rows), held, asked, data.draw(st.integers(0, 10 * len(steps))))


@settings(max_examples=25, deadline=None)
@given(STEPS, st.integers(0, 30))
def test_what_is_forgotten_leaves_no_row(steps: list[Step], cut: int) -> None:
    """Nothing of the key stays, also where forgetting was cut off and begun again."""
    rows = MemoryRows()
    for number, step in enumerate(steps):
        taken(KeptHistory(rows), step, number * 10)
    rows.left = cut
    with contextlib.suppress(CutOffError):
        KeptHistory(rows).forget()
    rows.left = None
    KeptHistory(rows).forget()

    assert rows == {}
    assert KeptHistory(rows).is_empty()


@settings(max_examples=25, deadline=None)
@given(st.lists(told(MANY), min_size=1, max_size=25), told(MANY))
def test_a_list_of_before_is_read_and_put_into_rows_by_the_next_entry(
    before: list[t.ConcernEvent], asked: t.ConcernEvent
) -> None:
    """All entries of a key in one row, as they were kept: they decide the same before and after."""
    held = join(past_of(*before), ())
    rows = MemoryRows({"": msgspec.msgpack.encode(held)})
    same(KeptHistory(rows), held, asked, LATER)
    assert set(rows) == {""}

    entry = entry_of(part_of(concern(event_id="the-next"), order=100))
    KeptHistory(rows).add(entry)

    assert len(KeptHistory(rows)._head) < history.RUN
    same(KeptHistory(rows), (*held, entry), asked, LATER)


def long_ago(event_id: str, origin_id: str, **changes: Any) -> t.ConcernEvent:
    """An event of a year before, of another time than any claim of today."""
    at = NOW - datetime.timedelta(days=365)
    return concern(event_id=event_id, origin_id=origin_id, observed_at=at, **changes)


def claimed(*told_: t.ConcernEvent) -> tuple[t.ConcernEvent, MemoryRows, tuple[StateEntry, ...]]:
    """An event of today, and a history whose last entry alone is in the head."""
    others = [long_ago(f"other-{n}", f"other-{n}") for n in range(7 - len(told_))]
    held = past_of(*others, *told_)
    rows = MemoryRows()
    for entry in held:
        KeptHistory(rows).add(entry)
    assert len(KeptHistory(rows)._head) == 1
    return concern(event_id="today", origin_id="today"), rows, held


def test_the_newest_entry_is_known_to_share_an_id_with_one_of_long_ago() -> None:
    """It bears on the claim under the name of its origin, which an entry in a run gives it."""
    asked, rows, held = claimed(
        long_ago("a-first-note", "a-first"),
        concern(event_id="echo", origin_id="echo", derived_from=("a-first-note",)),
    )
    same(KeptHistory(rows), held, asked, LATER)
    linked = link(part_of(asked), about(part_of(asked), KeptHistory(rows)))

    assert {one.origin for one in linked.claim.observations} == {"today", "a-first"}


def test_what_a_claim_may_depend_on_has_the_name_of_its_origin() -> None:
    """A dependence names an id; the origin that it goes back to is found in a run."""
    basis = t.DependenceBasis.SHARED_HOUSEHOLD
    mother = concern(
        event_id="mother",
        origin_id="mother",
        dependence=(t.Dependence(origin_id="father-note", basis=basis),),
    )
    asked, rows, held = claimed(long_ago("father-note", "father"), mother)
    same(KeptHistory(rows), held, asked, LATER)
    linked = link(part_of(asked), about(part_of(asked), KeptHistory(rows)))

    assert linked.claim.observations[1].dependent_on == (("father", 500),)


def test_a_removed_entry_is_in_no_row() -> None:
    """Its ids are found by no look-up, and the bytes of its row are those of the others alone."""
    rows = MemoryRows()
    given_ = [concern(event_id=f"event-{n}", origin_id=f"origin-{n}") for n in range(8)]
    KeptHistory(rows).add(*past_of(*given_))
    kept = KeptHistory(rows)
    assert posted.Postings(kept._rows, "/i").find(posted.hash_of("origin-3"))

    kept.remove([(given_[3].publisher, "event-3")])

    assert not any(b"event-3" in row or b"origin-3" in row for row in rows.values())
    found = posted.Postings(KeptHistory(rows)._rows, "/i")
    assert not any(posted.hash_of(one) in row for row in rows.values() for one in ("origin-3",))
    assert not found.find(posted.hash_of("event-3"))
    assert found.find(posted.hash_of("event-4"))


def test_a_part_reads_a_few_rows_of_a_long_history() -> None:
    """Counted, not timed: beside a thousand entries of other times as many rows as beside forty."""

    class Counted(MemoryRows):
        reads = 0

        def get(self, name: str, _default: Any = None) -> Any:
            self.reads += 1
            return super().get(name)

    read = []
    for count in (40, 1000):
        rows = Counted()
        told_ = [
            concern(
                event_id=f"e-{n}",
                origin_id=f"o-{n}",
                observed_at=NOW - datetime.timedelta(days=20 + 10 * (count - n)),
            )
            for n in range(count)
        ]
        KeptHistory(rows).add(*past_of(*told_))
        rows.reads = 0
        asked = part_of(concern(event_id="now", harms=tuple(HARMS)), 5000)
        assert len(about(asked, KeptHistory(rows))) == 1  # the first that the one organisation said
        read.append(rows.reads)

    assert read[1] <= read[0] + 30


def test_every_kind_of_row_is_there_before_forgetting_and_none_is_after() -> None:
    """Runs, ids, what is shared, zones, each organisation's first word and its last category of a harm."""
    category = t.StatedCategory(scheme="cin", code="N1", indicators=())
    made = [
        concern(
            event_id=f"event-{n}",
            origin_id=f"o-{n // 2}",
            publisher=PUBLISHERS[n % 2],
            stated_category=category,
        )
        for n in range(24)
    ]
    rows = MemoryRows()
    for entry in past_of(*made):
        KeptHistory(rows).add(entry)
    kinds = {name[:2] for name in rows}
    assert {foremost.FIRST_SAID, foremost.LAST_STATED} <= kinds
    assert len(kinds) >= 6

    KeptHistory(rows).forget()

    assert rows == {}
