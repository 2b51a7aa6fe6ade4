"""Counts of places: one for each incident, none small enough to point, and nothing to work out."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.auditor.asked import AskedError
from broker.auditor.place_counts import (
    WINDOWS,
    Occurrence,
    clock_in_england,
    place_counts,
    window_of,
)
from broker.commands.place_counts import counted
from broker.examples.scenarios import load_scenarios
from broker.model.types import DecisionSet, EventType, PlaceKind, PlacePrecision
from broker.model.values import SourcePosition
from tests.auditor.ledgers import write_ledger
from tests.oracle import SECRET, offline_flow

MONDAY = datetime.datetime(2026, 11, 2, 15, 35, tzinfo=datetime.UTC)
START_MS = round(MONDAY.timestamp() * 1000)
HOUR_MS = 3_600_000
AFTER_SCHOOL = "Mon-Fri 15:00-18:00"


def occurrence(number: int = 0, **changes: Any) -> Occurrence:
    """An incident at the interchange after school."""
    base = Occurrence(
        origin=f"origin-{number}",
        place="Interchange",
        key="interchange",
        areas=("E08000027", "E08000028"),
        kind="transport",
        harms=("weapon_threat",),
        start=START_MS,
        end=START_MS + HOUR_MS // 2,
    )
    return msgspec.structs.replace(base, **changes)


@pytest.mark.parametrize(("incidents", "published"), [(1, None), (5, None), (6, 6), (40, 40)])
def test_small_numbers_are_not_shown(incidents: int, published: int | None) -> None:
    """One to five are suppressed, in the window and in the total over it."""
    (row,) = place_counts(occurrence(n) for n in range(incidents)).rows

    assert row.counts == {AFTER_SCHOOL: published}
    assert row.total == published


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 23)), max_size=60))
def test_what_is_hidden_can_be_any_small_number(drawn: list[tuple[int, int]]) -> None:
    """Put any of 1 to 5 in the place of each hidden number: the same is published.

    So whoever knows the publication, and how it was made, knows no more than that it is 1 to 5.
    """

    def at(number: int, day: int, hour: int) -> Occurrence:
        start = MONDAY.replace(hour=0, minute=0) + datetime.timedelta(days=day, hours=hour)
        moment = round(start.timestamp() * 1000)
        return occurrence(number, start=moment, end=moment)

    reports = [at(n, day, hour) for n, (day, hour) in enumerate(drawn)]
    published = place_counts(reports)
    for row in published.rows:
        for window, count in row.counts.items():
            if count is not None:
                continue
            inside = [one for one in reports if window_of(one) == window]
            outside = [one for one in reports if window_of(one) != window]
            for other in range(1, 6):
                copies = [
                    msgspec.structs.replace(inside[0], origin=f"other-{n}") for n in range(other)
                ]
                assert place_counts([*outside, *copies]) == published


@given(st.permutations(range(8)), st.integers(1, 3))
def test_an_echo_a_replay_and_another_sequence_change_nothing(order: list[int], times: int) -> None:
    """Reports of one observation are one incident, however often and in whatever sequence."""
    reports = [occurrence(n) for n in range(8)]
    again = [reports[n] for n in order] * times

    assert place_counts(again) == place_counts(reports)
    assert place_counts(again).rows[0].total == 8


def test_what_lies_nowhere_is_said_and_in_no_row() -> None:
    """A month or a county says neither when nor where; nothing is dropped in silence."""
    month = occurrence(1, end=START_MS + 30 * 24 * HOUR_MS)
    nowhere = [occurrence(n, place=None, key=f"alone-{n}", areas=()) for n in range(10, 17)]
    counts = place_counts([month, occurrence(2, start=None, end=None), *nowhere])

    assert counts.without_place == 7
    assert [dict(row.counts) for row in counts.rows] == [{"not known": None}]


def test_the_clock_is_that_of_england() -> None:
    """An hour more in summer, so that "after school" means what people on the spot call so."""
    for utc, local in (("2026-03-29T00:59", 0), ("2026-03-29T01:00", 2), ("2026-10-25T00:59", 1)):
        assert clock_in_england(datetime.datetime.fromisoformat(utc + ":00+00:00")).hour == local
    assert clock_in_england(datetime.datetime(2026, 10, 25, 1, tzinfo=datetime.UTC)).hour == 1
    summer = datetime.datetime(2026, 7, 6, 14, 30, tzinfo=datetime.UTC)
    moment = round(summer.timestamp() * 1000)
    assert window_of(occurrence(start=moment, end=moment)) == AFTER_SCHOOL
    assert len(set(WINDOWS)) == len(WINDOWS)


def sets_of(code: str) -> tuple[list[DecisionSet], Any]:
    """A scenario's ledger and its events."""
    (found,) = [one for one in load_scenarios() if one.code == code]
    flow = offline_flow()
    sets: list[DecisionSet] = []
    for offset, publication in enumerate(found.publications):
        source = SourcePosition(f"concerns.v1.{publication.event.publisher}", 0, offset)
        sets += flow.submit(publication.event, publication.at, source).sets
    return sets, found.events


def test_six_incidents_of_six_agencies_on_a_border_are_six(tmp_path: Path) -> None:
    """S5 from the ledger: both sides' reports together, the summary not counted, no child in sight."""
    sets, _ = sets_of("S5")
    key = tmp_path / "rows.key"
    key.write_bytes(SECRET)
    counts = counted(write_ledger(tmp_path / "ledger", sets), key)

    (row,) = counts.rows
    assert row.counts == {AFTER_SCHOOL: 6}
    assert row.total == 6
    assert row.areas == ("E08000027", "E08000028")
    assert counts.without_place == 0
    assert "17A" in counts.basis


@pytest.mark.parametrize("code", ["S1", "S2", "S3", "S4", "S6", "S7"])
def test_nothing_about_a_child_is_counted_by_place(tmp_path: Path, code: str) -> None:
    """A statement that names a child leaves no occurrence, wherever it happened."""
    sets, _ = sets_of(code)
    key = tmp_path / "rows.key"
    key.write_bytes(SECRET)

    assert counted(write_ledger(tmp_path / "ledger", sets), key).rows == ()


@pytest.mark.parametrize(
    "change",
    [
        {"kind": PlaceKind.HOME},
        {"precision": PlacePrecision.ADDRESS},
        {"event_type": EventType.CONTEXT_CONCERN},
    ],
)
def test_a_home_an_address_and_a_summary_are_not_counted(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    """Where somebody lives is no public place; who sums up has seen nothing new."""
    _, (event, *_) = sets_of("S5")
    place = {name: one for name, one in change.items() if name != "event_type"}
    changed = msgspec.structs.replace(
        event,
        place=msgspec.structs.replace(event.place, **place),
        event_type=change.get("event_type", event.event_type),
    )
    source = SourcePosition(f"concerns.v1.{event.publisher}", 0, 0)
    sets = offline_flow().submit(changed, event.reported_at, source).sets
    key = tmp_path / "rows.key"
    key.write_bytes(SECRET)

    assert counted(write_ledger(tmp_path / "ledger", sets), key).rows == ()


def test_another_key_shows_nothing_and_says_so(tmp_path: Path) -> None:
    """The rows are the auditors': a wrong, short or missing key names the file and what to do."""
    sets, _ = sets_of("S5")
    ledger = write_ledger(tmp_path / "ledger", sets)
    key = tmp_path / "rows.key"
    for content, said in ((bytes(range(32)), "is not the key"), (b"short", "does not hold")):
        key.write_bytes(content)
        with pytest.raises(AskedError, match=said):
            counted(ledger, key)
    with pytest.raises(AskedError, match="--rows-key"):
        counted(ledger, tmp_path / "nowhere.key")
