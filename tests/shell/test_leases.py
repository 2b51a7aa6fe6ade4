"""Leases of shards: an even share for every process that lives, on a real PostgreSQL."""

from __future__ import annotations

import asyncio
import os
import signal
import time
import uuid
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.ledger import FencedError, LedgerError
from broker.shell.leased import write_leased
from broker.shell.leases import LASTS_S, Leases, share
from tests.ledger.postgres import new_database
from tests.ledger.shards import in_child

SHARDS = tuple(f"s{number}" for number in range(12))
names = st.text("abc", min_size=1, max_size=3)


@given(
    st.sets(names, min_size=1, max_size=6),
    st.integers(1, 12),
    st.dictionaries(st.sampled_from(SHARDS), names),
)
def test_in_two_rounds_every_shard_has_one_holder_and_no_process_more_than_its_share(
    members: set[str], count: int, before: dict[str, str]
) -> None:
    """Whoever held what before, and whoever of them has gone: each speaks twice, in turn."""
    shards, holders = SHARDS[:count], dict(before)
    for _ in range(2):
        for me in sorted(members):
            mine = share(me, sorted(members), shards, holders)
            assert all(holders.get(one) == me or holders.get(one) not in members for one in mine)
            holders = {one: who for one, who in holders.items() if who != me}
            holders |= dict.fromkeys(mine, me)
    held = [holders[one] for one in shards]
    counts = [held.count(one) for one in members]
    assert set(held) <= members
    assert max(counts) - min(counts) <= 1
    assert all(
        share(me, sorted(members), shards, holders) == {one for one in shards if holders[one] == me}
        for me in members
    )


@pytest.fixture
def address(postgres: str) -> str:
    """A database of its own."""
    return new_database(postgres, f"d{uuid.uuid4().hex}")


@pytest.fixture
def two(address: str) -> Iterator[tuple[Leases, Leases]]:
    """Two processes, as far as the database knows."""
    first, second = Leases(address, SHARDS[:2]), Leases(address, SHARDS[:2])
    yield first, second
    for one in (first, second):
        one._ended.set()
        one._connection.close()


def test_one_takes_all_and_gives_half_to_the_second(two: tuple[Leases, Leases]) -> None:
    """The second waits until the first has let go; never are there two holders."""
    first, second = two
    assert first.beat() == {"s0", "s1"}
    assert second.beat() == frozenset()
    kept = first.beat()
    assert len(kept) == 1
    assert second.beat() == {"s0", "s1"} - kept


def test_what_a_killed_process_held_is_free_at_the_next_beat(address: str) -> None:
    """Its connection has gone with it: nobody waits for its lease to run out."""

    def work() -> None:
        assert Leases(address, SHARDS[:2]).beat() == {"s0", "s1"}
        os.kill(os.getpid(), signal.SIGKILL)

    assert in_child(work) == -signal.SIGKILL
    successor = Leases(address, SHARDS[:2])
    for _ in range(100):  # the server needs a moment to see that the connection has gone
        if successor.beat():
            break
    assert successor.held() == {"s0", "s1"}
    successor.close()


def test_a_process_that_says_nothing_is_not_waited_for(two: tuple[Leases, Leases]) -> None:
    """It hangs with its connection open: the database's clock ends its lease, and its own clock too."""
    first, second = two
    first.beat()
    with first._connection.cursor() as cursor:
        cursor.execute("UPDATE ledger_leases.member SET until = clock_timestamp()")
    assert second.beat() == {"s0", "s1"}
    first._beaten -= LASTS_S
    assert first.held() == frozenset()
    assert first.beat() == frozenset()


def test_leases_are_kept_up_by_a_thread_and_given_back_at_the_end(address: str) -> None:
    """An orderly stop leaves everything to the others at once."""
    first, second = Leases(address, SHARDS[:2]), Leases(address, SHARDS[:2])
    first.start()
    while not first.held():
        time.sleep(0.01)
    first.close()
    assert second.beat() == {"s0", "s1"}
    second.close()


def test_without_its_database_for_long_a_process_ends(two: tuple[Leases, Leases]) -> None:
    """So that whoever watches it sees it; no password is in the words."""
    first, _ = two
    first._beaten -= 1000
    with pytest.raises(LedgerError, match="has not answered for") as raised:
        first.held()
    assert "broker@" not in str(raised.value)


async def until(true: Callable[[], bool]) -> None:
    """Returns when it is."""
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110 -- what is waited for is a list that others add to
            await asyncio.sleep(0.02)


async def test_writers_follow_the_leases_and_a_fenced_one_begins_anew() -> None:
    """A shard is written while it is held; being fenced is no failure, anything else is."""
    begun: list[str] = []
    ended: list[str] = []
    held = {"s0", "s1"}

    async def write(shard: str) -> None:
        begun.append(shard)
        try:
            if begun == ["s0"]:
                raise FencedError("another has it")
            if begun.count("s1") == 2:
                raise ZeroDivisionError
            await asyncio.sleep(60)
        finally:
            ended.append(shard)

    running = asyncio.create_task(write_leased(lambda: frozenset(held), write))
    await until(lambda: begun.count("s0") == 2)
    held.remove("s1")
    await until(lambda: "s1" in ended)
    held.add("s1")
    with pytest.raises(ZeroDivisionError):
        await asyncio.wait_for(running, 10)
    assert ended.count("s0") == 2
