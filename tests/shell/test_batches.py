"""Batches: in order, one at a time on its way, acknowledged only when sent, and nothing left behind."""

from __future__ import annotations

import asyncio
import os
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.shell.batches import Batcher

SIZE = 5


class Sending:
    """Kafka as the batcher meets it: each batch takes some turns of the loop to be confirmed."""

    def __init__(self, turns: int) -> None:
        self.turns = turns
        self.on_their_way = 0
        self.confirmed: list[int] = []
        self.batches: list[int] = []
        self.acknowledged: list[int] = []

    async def send(self, items: list[int]) -> None:
        """Confirms a batch; never two at once."""
        self.on_their_way += 1
        assert self.on_their_way == 1
        for _ in range(self.turns):
            await asyncio.sleep(0)
        self.confirmed += items
        self.batches.append(len(items))
        self.on_their_way -= 1

    def event(self, number: int) -> Any:
        """A record, acknowledged only when it is confirmed."""

        def ack() -> None:
            assert number in self.confirmed
            self.acknowledged.append(number)

        return SimpleNamespace(ack=ack)

    def batcher(self) -> Batcher[int]:
        """One that sends here."""
        return Batcher(self.send, size=SIZE, acknowledged=lambda: None)


async def given_to(sending: Sending, gaps: list[int]) -> None:
    batcher = sending.batcher()
    for number, gap in enumerate(gaps):
        for _ in range(gap):
            await asyncio.sleep(0)
        await batcher.add(sending.event(number), number)
    async with asyncio.timeout(60):
        # Without a flush: what has gathered must go of itself.
        while len(sending.acknowledged) < len(gaps):  # noqa: ASYNC110 -- an event for it would be the code's
            await asyncio.sleep(0.001)


@given(gaps=st.lists(st.integers(0, 60), max_size=40), turns=st.integers(0, 50))
def test_whatever_comes_is_sent_in_order_and_acknowledged_only_then(
    gaps: list[int], turns: int
) -> None:
    """However records come and however long Kafka takes, each goes once, in order, one batch at a time."""
    sending = Sending(turns)
    asyncio.run(given_to(sending, gaps))
    assert sending.confirmed == sending.acknowledged == list(range(len(gaps)))
    assert all(1 <= one <= SIZE for one in sending.batches)


def test_a_record_alone_waits_for_no_other() -> None:
    """With nothing on its way a single record is sent though its batch is not full."""
    sending = Sending(0)
    asyncio.run(given_to(sending, [0]))
    assert sending.batches == [1]


def test_what_lies_ready_goes_together() -> None:
    """Under load batches are full: records that come turn by turn are not sent one by one."""
    sending = Sending(3)
    asyncio.run(given_to(sending, [1] * 10 * SIZE))
    assert sending.batches == [SIZE] * 10


def test_a_flush_returns_when_everything_is_acknowledged() -> None:
    """What is on its way and what has gathered: a flush leaves neither."""

    async def flushed(sending: Sending) -> None:
        batcher = sending.batcher()
        for number in range(2 * SIZE - 1):
            await batcher.add(sending.event(number), number)
        await batcher.flush()

    sending = Sending(30)
    asyncio.run(flushed(sending))
    assert sending.acknowledged == list(range(2 * SIZE - 1))


def test_a_batch_that_cannot_be_sent_ends_the_process() -> None:
    """Nothing of it, or after it, is acknowledged: the records are read again."""

    class Ended(BaseException):
        """Stands for the end of the process."""

    async def refused(_items: list[int]) -> None:
        raise OSError

    async def given_and_flushed(sending: Sending) -> None:
        batcher = Batcher(refused, size=SIZE, acknowledged=lambda: None)
        await batcher.add(sending.event(0), 0)
        await batcher.flush()

    sending = Sending(0)
    with patch.object(os, "_exit", side_effect=Ended), pytest.raises(Ended):
        asyncio.run(given_and_flushed(sending))
    assert sending.acknowledged == []
