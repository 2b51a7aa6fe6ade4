"""The three processes in one thread on a Kafka in memory: thousands of interleavings a minute, from a seed.

What is real: the flow, intake's state and reception, the Decider and its state, the subjects' keys, the
whole ledger writer and its store with its files. What is written again here is only the loop of the two
Faust workers: state, flush, outputs, acknowledgement, in that order. Before and after every call of a
Kafka client a process can be killed, left behind as a zombie, or made to wait for the others.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import random
import shutil
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from aiokafka import TopicPartition
from aiokafka.errors import ProducerFenced

from broker.flow import receive
from broker.ledger import FencedError, LastCosigned, ShardStore, verifier_keys
from broker.model.codec import decode, encode
from broker.model.types import Part, Progress
from broker.model.values import SourcePosition
from broker.reception import IntakeResult, RawRecord
from broker.shell import ledger_worker
from broker.shell.decide_state import DecideState
from broker.shell.decide_worker import Decider, Work
from broker.shell.intake_worker import IntakeState, Receptions
from broker.shell.key_ring import KeyRing, LedgerSigners
from broker.shell.keys import SubjectKeys, load_broker_keys, make_keys
from broker.shell.policy import load_policy
from broker.shell.settings import Settings
from broker.shell.turns import Turns, Window
from broker.shell.watch.process import Watch
from broker.shell.witnesses_file import WitnessPolicy
from broker.shell.witnessing import Witnessing
from tests.chaos.checker import Checker, Findings
from tests.chaos.memory_kafka import Killed, MemoryConsumer, MemoryKafka, MemoryProducer, Step
from tests.chaos.own_kafka import KINDS, Record
from tests.chaos.traffic import PUBLISHERS, Script

ORGANISATIONS = (*PUBLISHERS, "E08000028", "E08000031", "E23000014", "SCH-WV-001")
CONCERNS = tuple(TopicPartition(f"concerns.v1.{one}", 0) for one in PUBLISHERS)
PARTS = tuple(TopicPartition("parts.v1", one) for one in range(2))
DECISIONS = tuple(TopicPartition("decisions.v1", one) for one in range(2))
AHEAD = 5
"""The bound on the inner queues: small, so that it is often reached."""
MOST_MADE = 3
"""Parts and sets of one record here."""
AT_ONCE = 4
"""Records that a worker takes together. Decide's are counted twice until it has acknowledged them."""
FLOOD = 12
FLOOD_SHARE = 0.05
"""Of the rounds."""
ROUNDS_OF_A_WORLD = 40
CHECK_EVERY = 10
STEPS_OF_A_FLOOD = 150
STEPS_OF_A_ROUND = 20_000
LOOK_EVERY = 10
NAMES = ("intake", "decide-0", "decide-1", "ledger-0", "ledger-1")


class Table(dict[bytes, bytes]):
    """A table of a worker: rows on its disk, and what its changelog on Kafka has."""

    def __init__(self) -> None:
        """Empty."""
        super().__init__()
        self.flushed: dict[bytes, bytes] = {}

    def flush(self) -> None:
        """All changes are on Kafka."""
        self.flushed = dict(self)

    def copy(self) -> Table:
        """What a worker has that takes the partition over: all that is on Kafka."""
        made = Table()
        made.update(self.flushed)
        made.flush()
        return made


class Tables:
    """The tables of one worker; stands for the Faust app from which they are made."""

    def __init__(self, held: dict[str, Table] | None = None) -> None:
        """With the tables that a worker before it left, or new ones."""
        self.held = held or {}

    def Table(self, name: str, **_: object) -> Table:  # noqa: N802 -- as Faust calls it
        """The table of that name."""
        return self.held.setdefault(name, Table())

    def flush(self) -> None:
        """All changes are on Kafka."""
        for one in self.held.values():
            one.flush()

    def taken_over(self) -> Tables:
        """As another worker, or this one with a lost disk, has them."""
        return Tables({name: one.copy() for name, one in self.held.items()})


class MemoryReader:
    """What the checker reads of a Kafka in memory."""

    def __init__(self, kafka: MemoryKafka) -> None:
        """Stands at the start."""
        self._kafka, self._at = kafka, Counter[TopicPartition]()
        self.records: list[Record] = []

    def read(self) -> list[Record]:
        """What was not read before."""
        fresh = []
        for place in sorted(self._kafka.logs):
            if place.topic.split(".", 1)[0] in KINDS:
                for one in self._kafka.readable(place, self._at[place]):
                    fresh.append(Record(one.topic, one.partition, one.offset, one.key, one.value))
                    self._at[place] = one.offset + 1
        self.records += fresh
        return fresh

    def close(self) -> None:
        """Nothing to end."""


@dataclasses.dataclass
class Running:
    """A process that runs."""

    name: str
    work: Coroutine[Any, Any, None]
    tables: Tables | None = None
    close: Callable[[], None] = lambda: None


class World:
    """One broker from its first record on; `seed` decides everything that chance decides."""

    def __init__(self, folder: Path, keys: Path, seed: int, kafka: MemoryKafka) -> None:
        """`keys` is a key folder of ORGANISATIONS, which worlds share."""
        self.folder, self.chance = folder, random.Random(seed)
        folder.mkdir(parents=True)
        (folder / "keys").symlink_to(keys)
        self.settings = Settings(data_dir=folder, kafka_security="plaintext")
        self.kafka = kafka
        self.script = Script(self._publish, folder / "keys", seed)
        self.crashes: Counter[str] = Counter()
        self.beyond: list[str] = []
        """What lay in the inner queues beyond the bound, where nothing was killed."""
        self.stood = 0
        """How often intake stood because of the bound."""
        self._kill_rate, self._disturbed = 0.0, False
        self._receptions, self._ring = Receptions(self.settings), KeyRing(keys)
        self._subjects = SubjectKeys(folder / "subjects.db")
        self._policy = load_policy_once()
        self._signing = load_broker_keys(keys).ledger_key
        self._listed = LedgerSigners(keys).every
        self._watch = Watch(self.settings, "ledger", ())
        self._stores: dict[int, ShardStore] = {}
        self._turns: Counter[str] = Counter()
        self._running = {name: self._start(name, Tables()) for name in NAMES}
        self._zombies: list[Running] = []
        self._checker = Checker(MemoryReader(self.kafka), folder, self.settings.schemas_dir)

    def close(self) -> None:
        """Ends everything."""
        for one in [*self._running.values(), *self._zombies]:
            self._end(one)
        shutil.rmtree(self.folder)

    def round(self, *, check: bool) -> Findings:
        """Some records, one interleaving with faults, then without until all is done."""
        self._kill_rate = self.chance.choice((0.0, 0.005, 0.02, 0.05))
        # What was killed leaves its records to be done again, and a zombie does some of them too.
        self._disturbed = bool(self._kill_rate or self._zombies)
        self._some_records()
        if self.chance.random() < FLOOD_SHARE:
            self._flood()
        for _ in range(self.chance.randrange(40)):
            self._advance()
        if self.chance.random() < 0.5:
            self._some_records()
        for _ in range(self.chance.randrange(100)):
            self._advance()
        self._kill_rate = 0.0
        for number in range(STEPS_OF_A_ROUND):
            if not number % LOOK_EVERY and self._quiet():
                break
            self._advance()
        else:
            return Findings(missing=["a round that does not come to rest"])
        if self.beyond:
            return Findings(missing=self.beyond)
        return self._checker.check(self.script.journal) if check else Findings()

    def _flood(self) -> None:
        """Many records at once, while the steps behind intake stand still."""
        self.script.flow(FLOOD)
        for _ in range(STEPS_OF_A_FLOOD):
            self._step(self._running["intake"])

    # -------------------------------------------------------------------------- scheduling

    def _advance(self) -> None:
        every = [*self._running.values(), *self._zombies]
        one = self.chance.choice(every)
        fate = self.chance.random()
        if fate < self._kill_rate:
            self._kill(one)
        elif fate < self._kill_rate * 1.3 and one in self._running.values():
            self._leave_behind(one)
        else:
            self._step(one)

    def _see_what_lies_ahead(self) -> None:
        if not self._disturbed:
            ahead = self._behind(decided=False) + self._behind(decided=True)
            if ahead >= AHEAD + MOST_MADE + AT_ONCE:
                self.beyond.append(f"{ahead} records lie in the inner queues")

    def _behind(self, *, decided: bool) -> int:
        """What lies in one of the inner queues and is not finished."""
        if decided:
            return sum(
                max(0, self.kafka.end(one) - self._stores[one.partition].next_offset())
                for one in DECISIONS
            )
        return sum(
            self.kafka.end(one) - self.kafka.committed.get((f"decide-{one.partition}", one), 0)
            for one in PARTS
        )

    def _step(self, one: Running) -> None:
        try:
            one.work.send(None)
            self._see_what_lies_ahead()
        except (FencedError, ProducerFenced):
            self.crashes["fenced"] += 1
            self._ended(one)
        except (Killed, StopIteration):
            self._ended(one)

    def _kill(self, one: Running) -> None:
        self.crashes[one.name.split("-")[0]] += 1
        self._end(one)
        self._ended(one)

    def _leave_behind(self, one: Running) -> None:
        """Its partitions go to another while it, for a while, knows nothing of that."""
        self.crashes["zombie"] += 1
        self._zombies.append(one)
        tables = one.tables.taken_over() if one.tables is not None else None
        self._running[one.name] = self._start(one.name, tables)

    def _ended(self, one: Running) -> None:
        one.close()
        if one in self._zombies:
            self._zombies.remove(one)
            return
        tables = one.tables
        if tables is not None and self.chance.random() < 0.4:
            tables = tables.taken_over()  # its disk is lost, or another machine starts it
        self._running[one.name] = self._start(one.name, tables)

    def _end(self, one: Running) -> None:
        with contextlib.suppress(Killed, StopIteration):
            one.work.throw(Killed())

    def _quiet(self) -> bool:
        """Nothing is left to do; zombies have gone or have nothing in hand that matters."""
        groups = [("intake", CONCERNS), *((f"decide-{one.partition}", (one,)) for one in PARTS)]
        for group, places in groups:
            if any(
                self.kafka.committed.get((group, one), 0) < self.kafka.end(one) for one in places
            ):
                return False
        return all(
            self._stores[one.partition].next_offset() >= self.kafka.end(one)
            and not self._stores[one.partition].outbox_after(self._sent_of(one.partition), 1)
            for one in DECISIONS
        )

    def _sent_of(self, partition: int) -> int:
        place, key = TopicPartition("progress.v1", 0), f"s{partition}".encode()
        for one in reversed(self.kafka.logs[place]):
            if (
                one.key == key
                and one.transaction is not None
                and one.transaction.state == "committed"
            ):
                return decode(one.value or b"", Progress).sequence
        return 0

    # --------------------------------------------------------------------------- processes

    def _start(self, name: str, tables: Tables | None) -> Running:
        if name == "intake":
            assert tables is not None
            return Running(name, self._intake(tables, self._turn(name)), tables)
        partition = int(name[-1])
        if name.startswith("decide"):
            assert tables is not None
            return Running(name, self._decide(PARTS[partition], tables, self._turn(name)), tables)
        return self._ledger(name, partition)

    def _ledger(self, name: str, partition: int) -> Running:
        """The real writer, on the real store."""
        settings, shard = self.settings, f"s{partition}"
        origin = f"{settings.name}/{shard}"
        store = ShardStore.open(settings.ledger_dir / shard, origin, self._signing, self._listed)
        self._stores[partition] = store
        last = LastCosigned(
            settings.witnessed_dir / f"{shard}.checkpoint", verifier_keys(origin, self._listed)
        )
        witnessing = Witnessing(shard, store, WitnessPolicy(), last)
        writer = ledger_worker.ShardWriter(partition, settings, store, witnessing, self._watch)
        return Running(name, self._in_memory(writer), close=store.close)

    async def _in_memory(self, writer: ledger_worker.ShardWriter) -> None:
        await Step()
        await writer.run()

    async def _intake(self, tables: Tables, turn: int) -> None:
        """The loop of `broker.shell.intake_worker`."""
        state = IntakeState(tables)  # type: ignore[arg-type]
        at = {one: self.kafka.committed.get(("intake", one), 0) for one in CONCERNS}
        gathered, turns = dict(at), Turns[TopicPartition, Any]()
        producer, window = MemoryProducer(self.kafka), Window(AHEAD)
        while True:
            await Step()
            place = self.chance.choice(CONCERNS)
            for one in self.kafka.readable(place, gathered[place])[: self.chance.randint(1, FLOOD)]:
                turns.put(place, one)
                gathered[place] = one.offset + 1
            if window.ahead and self.chance.random() < 0.5:
                mark = window.mark()
                undecided = self._behind(decided=False)
                await Step()
                window.found(undecided + self._behind(decided=True), mark)
            batch: list[IntakeResult] = []
            self.stood += bool(turns) and not window.has_room
            while turns and window.has_room and len(batch) < AT_ONCE:
                place, one = turns.take()
                record = _raw(one)
                result = receive(record, state.view(), self._receptions.at(record.received_at))
                state.keep(result)
                at[place] = one.offset + 1
                batch.append(result)
                window.took(len(result.parts) + len(result.sets))
                await Step()
            if not batch:
                continue
            tables.flush()
            await Step()
            for part in (part for result in batch for part in result.parts):
                await (await producer.send("parts.v1", encode(part), key=part.part_key.encode()))
            for made in (one for result in batch for one in result.sets):
                await (await producer.send("decisions.v1", encode(made), key=made.set_id.encode()))
            window.sent(sum(len(one.parts) + len(one.sets) for one in batch))
            await Step()
            self._commit("intake", turn, at)

    async def _decide(self, place: TopicPartition, tables: Tables, turn: int) -> None:
        """The loop of `broker.shell.decide_worker`."""
        decider = Decider(DecideState(tables, 2), self._ring, self._subjects)  # type: ignore[arg-type]
        group = f"decide-{place.partition}"
        at = self.kafka.committed.get((group, place), 0)
        producer = MemoryProducer(self.kafka)
        while True:
            await Step()
            batch: list[Work] = []
            for one in self.kafka.readable(place, at)[: self.chance.randint(1, AT_ONCE)]:
                batch.append(
                    decider.work_on(decode(one.value or b"", Part), one.offset, self._policy, None)
                )
                at = one.offset + 1
                await Step()
            if not batch:
                continue
            tables.flush()
            await Step()
            for topic, key, value, *_ in decider.messages(batch):
                await (await producer.send(topic, value, key=key))
            await Step()
            self._commit(group, turn, {place: at})

    def _turn(self, group: str) -> int:
        """The group's generation from now on."""
        self._turns[group] += 1
        return self._turns[group]

    def _commit(self, group: str, turn: int, at: dict[TopicPartition, int]) -> None:
        """Acknowledged; that of a zombie is refused, since Kafka knows that another has its place."""
        if self._turns[group] != turn:
            return
        for place, offset in at.items():
            known = self.kafka.committed.get((group, place), 0)
            self.kafka.committed[group, place] = max(known, offset)

    # ------------------------------------------------------------------------------ records

    def _publish(self, topic: str, data: bytes | None, key: bytes | None = None) -> None:
        self.kafka.append(topic, key, data)

    def _some_records(self) -> None:
        kind = self.chance.random()
        if kind < 0.7:
            self.script.flow(1)
        elif kind < 0.87:
            self.script.repeat(1)
        elif kind < 0.92:
            self.script.reorder(1)
        else:
            topic = f"concerns.v1.{self.chance.choice(PUBLISHERS)}"
            self._publish(topic, self.chance.randbytes(50))


def _raw(one: Any) -> RawRecord:
    received = datetime.datetime.fromtimestamp(round(one.timestamp, 3), tz=datetime.UTC)
    source = SourcePosition(one.topic, one.partition, one.offset)
    return RawRecord(source, one.topic.split(".v1.")[1], received, one.value, False)


_policy: list[Any] = []


def load_policy_once() -> Any:
    """The policy in force, which all worlds share."""
    if not _policy:
        _policy.append(load_policy(Settings()))
    return _policy[0]


class InMemory:
    """While this is entered, the ledger writer's clients are those of one world after another."""

    def __init__(self) -> None:
        """Changes nothing yet."""
        self.kafka: MemoryKafka | None = None
        self._before: dict[str, Any] = {}

    def __enter__(self) -> InMemory:
        names = ("make_producer", "committed_consumer", "log")
        self._before = {name: getattr(ledger_worker, name) for name in names}
        silent = SimpleNamespace(info=lambda *_, **__: None, error=lambda *_, **__: None)
        for name, value in zip(names, (self._producer, self._consumer, silent), strict=True):
            setattr(ledger_worker, name, value)
        return self

    def __exit__(self, *_: object) -> None:
        for name, value in self._before.items():
            setattr(ledger_worker, name, value)

    async def _producer(self, _settings: Settings, transactional_id: str) -> MemoryProducer:
        await Step()
        assert self.kafka is not None
        return MemoryProducer(self.kafka, transactional_id)

    def _consumer(self, _settings: Settings) -> MemoryConsumer:
        assert self.kafka is not None
        return MemoryConsumer(self.kafka)


@dataclasses.dataclass
class Simulated:
    """What a run of the simulation did."""

    rounds: int
    crashes: Counter[str]
    found: list[str]
    stood: int = 0
    """How often intake stood because of the bound."""


def simulate(folder: Path, seeds: Iterator[int], more: Callable[[int], bool]) -> Simulated:
    """World after world while `more(rounds so far)`; stops at the first that fails, naming its seed."""
    make_keys(folder / "keys", ORGANISATIONS)
    result = Simulated(0, Counter(), [])
    with InMemory() as in_memory:
        for seed in seeds:
            if not more(result.rounds) or result.found:
                break
            _one_world(folder, seed, in_memory, result, more)
    return result


def _one_world(
    folder: Path, seed: int, in_memory: InMemory, result: Simulated, more: Callable[[int], bool]
) -> None:
    kafka = MemoryKafka()
    in_memory.kafka = kafka
    world = World(folder / f"world-{seed}", folder / "keys", seed, kafka)
    try:
        for number in range(1, ROUNDS_OF_A_WORLD + 1):
            last = number == ROUNDS_OF_A_WORLD or not more(result.rounds + 1)
            found = world.round(check=last or number % CHECK_EVERY == 0)
            result.rounds += 1
            if found:
                result.found.append(f"seed {seed}, by round {number}: {found}")
            if found or last:
                break
    finally:
        result.crashes += world.crashes
        result.stood += world.stood
        world.close()
