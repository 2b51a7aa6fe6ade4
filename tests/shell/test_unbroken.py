"""No record is passed over: a worker ends before it acknowledges what follows a hole."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest
from aiokafka import TopicPartition
from faust.transport.consumer import Consumer
from faust.types import TP
from hypothesis import given
from hypothesis import strategies as st

from broker.shell.settings import Settings
from broker.shell.unbroken import STALLED_AFTER_S, Unbroken

PLACE = TopicPartition("parts.v1", 0)


class Ended(BaseException):
    """Stands for the end of the process."""


class Signal:
    """Of an app that is not there."""

    def connect(self, _receiver: Any) -> None:
        """Never sent here: the tests call what it would."""


class Watched(Unbroken):
    """On a partition in memory: `there` are the offsets at which a record lies."""

    def __init__(self, there: set[int], committed: int | None) -> None:
        self.consumer = SimpleNamespace(
            _committed_offset={PLACE: committed}, assignment=lambda: {PLACE}
        )
        app: Any = SimpleNamespace(
            on_partitions_revoked=Signal(),
            on_partitions_assigned=Signal(),
            on_before_shutdown=Signal(),
            timer=lambda interval: lambda task: task,
            consumer=self.consumer,
            rebalancing=False,
        )
        super().__init__(app, Settings(), ("parts",))
        self.there = there

    async def _first_from(self, place: TopicPartition, offset: int) -> int | None:
        return min((one for one in self.there if one >= offset), default=None)


def given_out(watched: Unbroken, offsets: list[int]) -> tuple[list[int], bool]:
    """The offsets that the worker's loop sees of these, and whether the process ended."""

    async def events() -> AsyncIterator[Any]:
        for offset in offsets:
            yield SimpleNamespace(
                message=SimpleNamespace(topic=PLACE.topic, partition=PLACE.partition, offset=offset)
            )

    stream = SimpleNamespace(noack=lambda: SimpleNamespace(events=events))
    seen: list[int] = []

    async def loop() -> None:
        async for event in watched.events(stream):
            seen.append(event.message.offset)  # noqa: PERF401 -- what was seen before the end counts

    with patch.object(os, "_exit", side_effect=Ended):
        try:
            asyncio.run(loop())
        except Ended:
            return seen, True
    return seen, False


@given(st.sets(st.integers(0, 12), min_size=1), st.data())
def test_what_a_worker_sees_has_no_hole(there: set[int], data: Any) -> None:
    """However records are left out or come again: none that lies there is missing."""
    offsets = data.draw(st.lists(st.sampled_from(sorted(there)), max_size=12))
    committed = data.draw(st.integers(0, 12))
    seen, ended = given_out(Watched(there, committed), offsets)
    reached = max(seen, default=committed - 1)
    assert set(seen) >= {one for one in there if committed <= one <= reached}
    assert seen == offsets or ended


@given(st.sets(st.integers(0, 12), min_size=1))
def test_offsets_that_hold_no_record_are_no_hole(there: set[int]) -> None:
    """Marks of transactions and what Kafka forgot stop nobody."""
    in_order = sorted(there)
    assert given_out(Watched(there, 0), in_order) == (in_order, False)


def test_a_hole_after_the_committed_offset_is_one_too() -> None:
    """After a rebalance the first record must be the one that the group has not acknowledged."""
    assert given_out(Watched({5, 6}, 5), [6]) == ([], True)


def test_records_that_come_again_are_taken_again() -> None:
    """At least once: what was read before a rebalance is read after it."""
    assert given_out(Watched({5, 6, 7}, 5), [5, 6, 5, 6, 7]) == ([5, 6, 5, 6, 7], False)


def test_faust_itself_goes_on_behind_a_record_that_it_never_gave_out() -> None:
    """Why this is here: with 5 to come and only 6 given out, Faust has Kafka go on at 7."""
    place = TP(PLACE.topic, PLACE.partition)
    plain = dict.fromkeys(Consumer.__abstractmethods__)
    consumer: Any = object.__new__(type("Bare", (Consumer,), plain))
    consumer._acked, consumer._acked_index = {place: [6]}, {place: {6}}
    consumer._gap, consumer._committed_offset = {place: None}, {place: 5}
    assert consumer._new_offset(place) == 7


@pytest.mark.parametrize(("there", "ends"), [({5}, True), (set(), False)])
def test_what_lies_unacknowledged_for_long_ends_the_process(there: set[int], ends: bool) -> None:
    """A record at the end of a partition that is never given out is found by the clock; a mark is not."""
    watched = Watched(there, 5)
    watched._probe = SimpleNamespace(ends=_one_behind)  # type: ignore[assignment]

    async def looks() -> None:
        await watched._look()
        now = time.monotonic() + STALLED_AFTER_S + 1
        with patch.object(time, "monotonic", lambda: now):
            await watched._look()

    with patch.object(os, "_exit", side_effect=Ended):
        if not ends:
            asyncio.run(looks())
            return
        with pytest.raises(Ended):
            asyncio.run(looks())


async def _one_behind(positions: Any) -> Any:
    return dict.fromkeys(positions, 1)
