"""Who is taken in next: publishers in turn, and never more ahead of the steps behind than the bound."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from faust import streams
from hypothesis import given
from hypothesis import strategies as st

from broker.shell.ahead import HELD_S, TRICKLE, UNKNOWN_AFTER_S, Ahead
from broker.shell.settings import Settings
from broker.shell.taking import FULL, LOW, Taking
from broker.shell.turns import Turns, Window
from broker.shell.watch.process import Watch

MOST_MADE = 4
PLACES = "ABCD"
steps_of_turns = st.lists(st.sampled_from([*PLACES, *PLACES.lower(), "take"]), max_size=120)


def played(steps: list[str]) -> list[tuple[str, Any]]:
    """Puts and takes, in order: ('put' or 'take', (whose, number)). A small letter is a flood of it."""
    turns: Turns[str, tuple[str, int]] = Turns()
    said: list[tuple[str, Any]] = []
    numbers: Counter[str] = Counter()
    for step in steps:
        if step == "take":
            if turns:
                said.append(("take", turns.take()[1]))
            continue
        for _ in range(1 if step.isupper() else 10):
            item = (step.upper(), numbers[step.upper()])
            numbers[step.upper()] += 1
            turns.put(step.upper(), item)
            said.append(("put", item))
    while turns:
        said.append(("take", turns.take()[1]))
    return said


@given(steps_of_turns)
def test_nothing_is_lost_or_doubled_and_each_one_keeps_its_order(steps: list[str]) -> None:
    """Whatever comes when: all that was put is taken once, and of each publisher in its order."""
    said = played(steps)
    for place in PLACES:
        put, taken = ([i for act, i in said if act == w and i[0] == place] for w in ("put", "take"))
        assert taken == put


@given(steps_of_turns)
def test_a_flood_of_one_delays_another_by_one_turn_for_each_of_its_own(steps: list[str]) -> None:
    """With n of its own before it, an item waits for at most n + 1 of each other, however many wait."""
    said = played(steps)
    for at, (act, item) in enumerate(said):
        if act != "put":
            continue
        place, number = item
        taken = [one for what, one in said[:at] if what == "take" and one[0] == place]
        before = number - len(taken)
        until = said[at:].index(("take", item))
        others = Counter(
            one[0] for what, one in said[at : at + until] if what == "take" and one[0] != place
        )
        assert all(count <= before + 1 for count in others.values())


def test_nothing_is_taken_where_nothing_waits() -> None:
    """It says so."""
    with pytest.raises(KeyError):
        Turns[str, str]().take()


class Queues:
    """The inner queues as they are, beside what a window believes of them."""

    def __init__(self, most: int) -> None:
        self.window = Window(most)
        self.in_hand: deque[int] = deque()
        self.parts = self.sets = 0
        self._asked: tuple[int, int] | None = None

    def take(self, made: int) -> None:
        """Takes a record in, if there is room."""
        if self.window.has_room:
            self.window.took(made)
            self.in_hand.append(made)

    def send(self, _made: int) -> None:
        """What was taken first lies in the queues."""
        if self.in_hand:
            made = self.in_hand.popleft()
            self.parts, self.sets = self.parts + made - 1, self.sets + 1
            self.window.sent(made)

    def decide(self, most: int) -> None:
        """Some of the first queue go to the other."""
        done = min(most, self.parts)
        self.parts, self.sets = self.parts - done, self.sets + done

    def record(self, most: int) -> None:
        """Some of that are done with."""
        self.sets -= min(most, self.sets)

    def ask(self, _made: int) -> None:
        """The first queue is looked at now, the other when the answer comes."""
        if self._asked is None:
            self._asked = (self.window.mark(), self.parts)

    def answer(self, _made: int) -> None:
        """The answer is there."""
        if self._asked is not None:
            mark, parts = self._asked
            self.window.found(parts + self.sets, mark)
            self._asked = None

    @property
    def ahead(self) -> int:
        """Records that lie there, or are on their way."""
        return self.parts + self.sets + sum(self.in_hand)


ACTS = ("take", "take", "send", "decide", "record", "ask", "answer")
steps_of_a_window = st.lists(st.tuples(st.sampled_from(ACTS), st.integers(1, MOST_MADE)))


@given(st.integers(1, 30), steps_of_a_window)
def test_no_more_lies_ahead_than_the_bound_and_what_one_record_makes(
    most: int, steps: list[tuple[str, int]]
) -> None:
    """Whenever the queues are looked at, and however late and torn the answer is."""
    queues = Queues(most)
    for act, number in steps:
        getattr(queues, act)(number)
        assert queues.ahead <= most + MOST_MADE - 1


@given(st.integers(1, 30), steps_of_a_window)
def test_once_all_is_worked_off_there_is_room_again(
    most: int, steps: list[tuple[str, int]]
) -> None:
    """Intake does not stand for ever: what was believed is corrected by the next answer."""
    queues = Queues(most)
    for act, number in steps:
        getattr(queues, act)(number)
    while queues.in_hand:
        queues.send(0)
    queues.decide(queues.parts)
    queues.record(queues.sets)
    queues.answer(0)
    queues.ask(0)
    queues.answer(0)

    assert queues.window.ahead == 0
    assert queues.window.has_room


class Kafka:
    """What it says when it is asked, and a clock."""

    def __init__(self, most: int = 10) -> None:
        self.behind: int | None = 0
        self.now = 100.0
        self.watch = Watch(Settings(), "intake", ("room",))
        self.window = Window(most)
        self.ahead = Ahead(self.window, self._asked, self.watch, lambda: self.now)

    async def _asked(self) -> int | None:
        return self.behind

    def look(self, after_s: float = 0) -> None:
        """Asks once."""
        self.now += after_s
        asyncio.run(self.ahead.look())

    def take(self, wanted: int) -> int:
        """How many records of two each could be taken in."""
        taken = 0
        while self.window.has_room and taken < wanted:
            self.ahead.took(2)
            self.ahead.sent(2)
            taken += 1
        return taken

    @property
    def is_ready(self) -> bool:
        """What readiness says of the room."""
        return self.watch.health.conditions["room"]


def test_intake_begins_when_it_knows_what_lies_ahead() -> None:
    """A worker that is started again and again does not put the bound on top each time."""
    kafka = Kafka()
    before = kafka.take(5)
    kafka.behind = 10
    kafka.look()
    full = kafka.take(5)
    kafka.behind = 4
    kafka.look()

    assert (before, full, kafka.take(5)) == (0, 0, 3)


def test_where_decide_stands_intake_stops_says_so_and_goes_on_by_itself() -> None:
    """At the bound; not ready after a while; and ready with the first record that is worked off."""
    kafka = Kafka()
    kafka.look()
    taken = kafka.take(100)
    kafka.behind = 2 * taken
    kafka.look()
    at_once = kafka.is_ready
    kafka.look(after_s=HELD_S)
    held, more = kafka.is_ready, kafka.take(100)
    kafka.behind = 9
    kafka.look(after_s=1)

    assert (taken, at_once, held, more) == (5, True, False, 0)
    assert kafka.is_ready
    assert kafka.take(100) == 1


def test_where_kafka_does_not_say_intake_stops_and_then_takes_a_trickle() -> None:
    """Neither for ever nor without a bound: so many a second and no more; then as ever."""
    kafka = Kafka(most=100)
    kafka.look()
    taken = kafka.take(1000)
    kafka.behind = None
    kafka.look(after_s=UNKNOWN_AFTER_S / 2)
    stopped = kafka.take(1000)
    trickle = []
    for _ in range(40):
        kafka.look(after_s=UNKNOWN_AFTER_S / 40)
        trickle.append(2 * kafka.take(1000))
    kafka.behind = 98
    kafka.look(after_s=0.1)

    assert (taken, stopped) == (50, 0)
    assert 0 < sum(trickle) <= TRICKLE * (UNKNOWN_AFTER_S / 2 + 1)
    assert kafka.take(1000) == 1


class Flow:
    """As much of a Faust app and its stream as intake's turns use, with records given out at once."""

    def __init__(self) -> None:
        self.consumer_generation_id = 1
        self.paused: set[Any] = set()
        self.consumer = SimpleNamespace(
            on_buffer_full=self.paused.add,
            on_buffer_drop=self.paused.discard,
        )
        self.queue: asyncio.Queue[Any] = asyncio.Queue()
        self.on_partitions_revoked = self.on_partitions_assigned = self
        self.signals: list[Any] = []

    def connect(self, receiver: Any) -> None:
        """Kept, to be called by the test."""
        self.signals.append(receiver)

    def give(self, topic: str, count: int, first: int = 0) -> None:
        """So many records of a topic are there."""
        for number in range(first, first + count):
            self.queue.put_nowait(
                SimpleEvent(
                    SimpleNamespace(topic=topic, partition=0, offset=number, generation_id=1)
                )
            )

    async def events(self) -> AsyncIterator[Any]:
        """Until None."""
        while (event := await self.queue.get()) is not None:
            yield event


class SimpleEvent(SimpleNamespace):
    """Can be referred to weakly, as Faust's can."""

    def __init__(self, message: Any) -> None:
        super().__init__(message=message)


async def anyway() -> None:
    """Room at once."""


async def taken_of(taking: Taking, flow: Flow, count: int) -> list[str]:
    """Topics of the next ones."""
    found = []
    async for event in taking.in_turn(flow.events()):
        current = streams.current_event()
        assert current is not None
        assert current.message is event.message
        found.append(event.message.topic)
        if len(found) == count:
            break
    return found


def test_what_comes_behind_a_fetched_flood_has_its_turn_at_once() -> None:
    """A record of another topic is next but one, though a thousand were fetched before it."""

    async def flood() -> list[str]:
        flow: Any = Flow()
        taking = Taking(flow, anyway)
        flow.give("a", 1000)
        flow.give("b", 1)
        return await taken_of(taking, flow, 4)

    assert "b" in asyncio.run(flood())[:4]


def test_a_flood_is_no_longer_fetched_while_enough_of_it_is_in_hand() -> None:
    """What waits, waits on its topic and not in the worker's memory; all that was fetched is kept."""

    async def flood() -> tuple[bool, bool, list[str]]:
        flow: Any = Flow()
        taking = Taking(flow, anyway)
        flow.give("a", FULL + 10)
        taken = taking.in_turn(flow.events())
        found = [(await anext(taken)).message.topic]
        while flow.queue.qsize():  # noqa: ASYNC110 -- until the other task has read it
            await asyncio.sleep(0)
        paused = bool(flow.paused)
        found += [(await anext(taken)).message.topic for _ in range(FULL - LOW + 9)]
        again = not flow.paused
        flow.queue.put_nowait(None)
        found += [one.message.topic async for one in taken]
        return paused, again, found

    assert asyncio.run(flood()) == (True, True, ["a"] * (FULL + 10))


def test_what_was_taken_away_in_a_rebalance_is_not_worked_on() -> None:
    """It is read again, here or elsewhere: done twice in another order it would be another order."""

    async def rebalance() -> tuple[bool, bool, int]:
        flow: Any = Flow()
        taking = Taking(flow, anyway)
        flow.give("a", 3)
        taken = taking.in_turn(flow.events())
        await anext(taken)
        place = TopicPartition("a", 0)
        before = taking.holds(place)
        flow.consumer_generation_id = 2
        for signal in flow.signals:
            await signal()
        after = taking.holds(place)
        flow.queue.put_nowait(
            SimpleEvent(SimpleNamespace(topic="a", partition=0, offset=1, generation_id=2))
        )
        return before, after, (await anext(taken)).message.offset

    assert asyncio.run(rebalance()) == (True, False, 1)


def test_what_breaks_the_reading_off_is_not_swallowed() -> None:
    """The agent must end with it, so that Faust begins it anew."""

    async def broken() -> AsyncIterator[Any]:
        raise OSError("connection lost")
        yield

    async def read() -> None:
        async for _ in Taking(Flow(), anyway).in_turn(broken()):  # type: ignore[arg-type]
            pass

    with pytest.raises(OSError, match="lost"):
        asyncio.run(read())
