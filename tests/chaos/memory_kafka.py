"""A Kafka in memory, for one thread: offsets, groups, idempotent sends, transactions, fencing.

Every call of a client is a step: it gives way to whoever decides who goes on, and whoever that is may end
the process there instead, before the call had its effect or after it.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Generator, Sequence
from types import SimpleNamespace
from typing import Any

from aiokafka import TopicPartition
from aiokafka.errors import ProducerFenced

PARTITIONS = {"parts.v1": 2, "decisions.v1": 2}


class Killed(BaseException):
    """Goes through a process as `kill -9` does: nothing of it may catch this."""


class Step(Awaitable[Any]):
    """Gives way once; gives `value` then."""

    def __init__(self, value: object = None) -> None:
        """`value`: what Kafka says."""
        self._value = value

    def __await__(self) -> Generator[None, None, Any]:
        """The scheduler goes on from here, or throws Killed."""
        yield
        return self._value


@dataclasses.dataclass
class Transaction:
    """Open, then committed or aborted."""

    state: str = "open"


@dataclasses.dataclass
class Stored:
    """One record in a log; `offset` counts all, also those of aborted transactions."""

    topic: str
    partition: int
    offset: int
    timestamp: float
    key: bytes | None
    value: bytes | None
    transaction: Transaction | None
    headers: tuple[tuple[str, bytes], ...] = ()


class MemoryKafka:
    """What a single broker keeps."""

    def __init__(self) -> None:
        """Empty."""
        self.logs: dict[TopicPartition, list[Stored]] = defaultdict(list)
        self.committed: dict[tuple[str, TopicPartition], int] = {}
        self.now = 1_795_500_000.0
        self._turns: dict[tuple[str, bytes | None], int] = {}
        self._epochs: dict[str, int] = defaultdict(int)
        self._open: dict[str, Transaction] = {}

    def append(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        transaction: Transaction | None = None,
    ) -> SimpleNamespace:
        """Adds a record to the partition of its key: keys take turns, whatever secrets they are made of."""
        turn = self._turns.setdefault((topic, key), len(self._turns))
        place = TopicPartition(topic, turn % PARTITIONS.get(topic, 1))
        self.now += 0.001
        log = self.logs[place]
        log.append(Stored(topic, place.partition, len(log), self.now, key, value, transaction))
        return SimpleNamespace(timestamp=round(self.now * 1000))

    def readable(self, place: TopicPartition, start: int) -> list[Stored]:
        """Committed records from `start` to the first one of an open transaction."""
        found = []
        for one in self.logs[place][start:]:
            if one.transaction is not None and one.transaction.state == "open":
                break
            if one.transaction is None or one.transaction.state == "committed":
                found.append(one)
        return found

    def end(self, place: TopicPartition) -> int:
        """Offset behind the last record that a `read_committed` reader may see."""
        for one in self.logs[place]:
            if one.transaction is not None and one.transaction.state == "open":
                return one.offset
        return len(self.logs[place])

    def take(self, transactional_id: str) -> int:
        """init_transactions: a new epoch; what an older producer left open is aborted."""
        self._epochs[transactional_id] += 1
        left = self._open.pop(transactional_id, None)
        if left is not None:
            left.state = "aborted"
        return self._epochs[transactional_id]

    def begin(self, transactional_id: str, epoch: int) -> Transaction:
        """Raises ProducerFenced where another has taken the id."""
        self.check(transactional_id, epoch)
        return self._open.setdefault(transactional_id, Transaction())

    def check(self, transactional_id: str, epoch: int) -> None:
        """Raises ProducerFenced where another has taken the id."""
        if self._epochs[transactional_id] != epoch:
            raise ProducerFenced

    def finish(self, transactional_id: str, epoch: int, state: str) -> None:
        """Commits or aborts."""
        self.check(transactional_id, epoch)
        self._open.pop(transactional_id).state = state


class MemoryProducer:
    """As much of aiokafka's producer as the broker uses."""

    def __init__(self, kafka: MemoryKafka, transactional_id: str | None = None) -> None:
        """Takes the id at once."""
        self._kafka, self._id = kafka, transactional_id
        self._epoch = kafka.take(transactional_id) if transactional_id else 0
        self._transaction: Transaction | None = None

    async def send(
        self, topic: str, value: bytes | None, *, key: bytes | None = None, headers: object = None
    ) -> Step:
        """Adds the record between two steps: a process that dies may have sent it or not."""
        await Step()
        if self._id is not None:
            self._kafka.check(self._id, self._epoch)
        return Step(self._kafka.append(topic, key, value, self._transaction))

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """Commits what was sent inside; a process that is killed leaves it open."""
        assert self._id is not None
        await Step()
        self._transaction = self._kafka.begin(self._id, self._epoch)
        try:
            yield
        except Exception:
            self._kafka.finish(self._id, self._epoch, "aborted")
            raise
        await Step()
        self._kafka.finish(self._id, self._epoch, "committed")
        self._transaction = None
        await Step()

    async def stop(self) -> None:
        """Nothing to end."""


class MemoryConsumer:
    """As much of aiokafka's consumer as the ledger's writer uses; sees committed records only."""

    def __init__(self, kafka: MemoryKafka) -> None:
        """Stands nowhere yet."""
        self._kafka = kafka
        self._at: dict[TopicPartition, int] = {}

    async def start(self) -> None:
        """Nothing to begin."""
        await Step()

    async def stop(self) -> None:
        """Nothing to end."""

    def assign(self, places: Sequence[TopicPartition]) -> None:
        """Stands at the start of each."""
        self._at = dict.fromkeys(places, 0)

    def seek(self, place: TopicPartition, offset: int) -> None:
        """Stands there."""
        self._at[place] = offset

    async def seek_to_beginning(self, *places: TopicPartition) -> None:
        """Stands at the start."""
        self._at |= dict.fromkeys(places, 0)

    async def position(self, place: TopicPartition) -> int:
        """Where it stands."""
        return self._at[place]

    async def end_offsets(self, places: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """Where reading ends now."""
        return {one: self._kafka.end(one) for one in places}

    async def getmany(
        self, place: TopicPartition, *, timeout_ms: int, max_records: int = 500
    ) -> dict[TopicPartition, list[Any]]:
        """What comes next, perhaps nothing."""
        await Step()
        found = self._kafka.readable(place, self._at[place])[:max_records]
        end = self._kafka.end(place)
        self._at[place] = (
            found[-1].offset + 1 if len(found) == max_records else max(end, self._at[place])
        )
        return {place: found} if found else {}
