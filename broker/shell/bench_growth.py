"""What an event costs with much behind it, over what it costs with little: `broker bench`.

Ledger entries, subjects, and the history of one child; and how long it takes to verify 100,000 entries. All
in a folder that is removed again.
"""

from __future__ import annotations

import datetime
import os
import time
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from broker.auditor import verify_ledger
from broker.flow import part_input
from broker.ledger import RecordSet, ShardStore
from broker.link import entry_of
from broker.model.canonical import digest_text
from broker.model.codec import decode
from broker.model.types import DecisionSet, Part
from broker.model.values import PartState, StateEntry
from broker.shell.bench_measured import ratios, seconds
from broker.shell.bench_parts import BATCH, Ago, MemoryTables, RocksTables, Workshop
from broker.shell.decide_state import DecideState
from broker.shell.decide_worker import Decider
from broker.shell.kafka import DECISIONS_TOPIC
from broker.shell.key_ring import KeyRing
from broker.shell.keys import load_broker_keys
from broker.shell.ledger_worker import record_set, render
from broker.shell.subject_keys import SubjectKeys

FILLED_AT_ONCE = 1000
LEAVES_A_SET = 12
EVENTS_OF_A_CHILD = 64
"""In one run of the history."""
AT_ONCE = 4
"""So many in turn about a child of either kind: what else the machine does slows both alike."""
FIRST_OF_A_BENCH = 10_000_000
"""An offset above those of all that was there before."""
CHILDHOOD = datetime.timedelta(days=18 * 365)
"""Over this the events of a history lie evenly, all of one harm: 5,000 of them are five a week."""


class Ledger:
    """One shard of a ledger in a folder, written as the ledger process writes it, without Kafka."""

    def __init__(self, workshop: Workshop, folder: Path) -> None:
        """Opens it and takes its epoch."""
        name = workshop.settings.name
        key = load_broker_keys(workshop.settings.keys_dir).ledger_key
        self.folder = folder
        self._store = ShardStore.open(folder / "s0", f"{name}/s0", key)
        self._epoch = self._store.take_epoch()
        self._sequence = 0

    def size(self) -> int:
        """Entries."""
        return self._store.size()

    def record(self, sets: Sequence[RecordSet], *, publish: bool = True) -> None:
        """Records a batch, publishes its files, and forgets what would have been sent."""
        self._store.commit(sets, epoch=self._epoch, next_offset=0, render=render)
        if publish:
            self._store.publish_tiles()
        sent = self._store.outbox_after(self._sequence, 1_000_000)
        self._sequence = sent[-1][0] if sent else self._sequence
        self._store.outbox_prune(self._sequence)

    def fill(self, entries: int) -> None:
        """Adds leaves of made-up content until there are so many entries."""
        number = 0
        while (missing := entries - self.size()) > 0:
            count = min(FILLED_AT_ONCE, -(-missing // LEAVES_A_SET))
            self.record(
                [_made_up(f"{entries}-{number + one}") for one in range(count)], publish=False
            )
            number += count
        self._store.publish_tiles()

    def close(self) -> None:
        """Closes the store."""
        self._store.close()


def growth_ledger(
    workshop: Workshop, folder: Path, sizes: tuple[int, int], runs: int
) -> list[float]:
    """Recording and publishing the same kind of batch, in a large ledger over in a small one."""
    few, many = (Ledger(workshop, folder / str(size)) for size in sizes)
    for ledger, size in zip((few, many), sizes, strict=True):
        ledger.fill(size)
    batches = _batches(workshop)

    def one(ledger: Ledger) -> float:
        batch = next(batches)
        return seconds(lambda: ledger.record(batch))

    found = ratios(lambda: one(many), lambda: one(few), runs)
    few.close()
    many.close()
    return found


def verify_seconds(workshop: Workshop, folder: Path, entries: int, runs: int) -> list[float]:
    """How long `broker audit verify` takes over a ledger of so many entries, own logs and sidecars."""
    ledger = Ledger(workshop, folder)
    batches = _batches(workshop)
    while ledger.size() < entries:
        ledger.record(next(batches), publish=False)
    ledger._store.publish_tiles()  # noqa: SLF001 -- once for all
    ledger.close()
    return [seconds(lambda: _verified(folder)) for _ in range(runs)]


def _verified(folder: Path) -> None:
    report = verify_ledger(folder)
    if not report.ok:
        raise RuntimeError(f"the ledger of the benchmark is not valid: {report.summary_line()}")


def _batches(workshop: Workshop) -> Iterator[list[RecordSet]]:
    """Batches of events as the ledger receives them: intake's record and the decision of each."""
    folder = workshop.settings.data_dir / "batches.db"
    decider = workshop.decider(MemoryTables(), SubjectKeys(folder))
    first = 0
    while True:
        taken = list(workshop.taken_in(BATCH))
        decided = workshop.decide(decider, [part for _, part in taken], first)
        first += BATCH
        sets = [one for received, _ in taken for one in received]
        sets += [decode(one[2] or b"", DecisionSet) for one in decided if one[0] == DECISIONS_TOPIC]
        yield [record_set(one) for one in sets]


def _made_up(name: str) -> RecordSet:
    """A set of leaves of ordinary size that say nothing."""
    set_id = digest_text("bench", name)
    leaves = tuple(
        f'{{"n":{n},"x":"{os.urandom(320).hex()}"}}'.encode() for n in range(LEAVES_A_SET)
    )
    return RecordSet(set_id=set_id, leaves=leaves, deliveries=(), sidecars=())


def growth_subjects(
    workshop: Workshop, folder: Path, counts: tuple[int, int], runs: int
) -> list[float]:
    """Deciding events about known children, with many subjects in the tables and keys over with few."""
    few, many = (_known(workshop, folder / str(count), count) for count in counts)
    first = 10_000_000

    def one(decider: Decider) -> float:
        nonlocal first
        parts = workshop.parts(BATCH)
        first += BATCH
        return seconds(lambda: workshop.decide(decider, parts, first))

    return ratios(lambda: one(many), lambda: one(few), runs)


def _known(workshop: Workshop, folder: Path, count: int) -> Decider:
    """A decider whose tables and key file hold so many subjects."""
    folder.mkdir(parents=True)
    subjects = SubjectKeys(folder / "subjects.db")
    decider = workshop.decider(RocksTables(folder), subjects)
    part = workshop.parts(1)[0]
    given = part_input(part, 0, load_broker_keys(workshop.settings.keys_dir).parts_key)
    entry = entry_of(given)
    state = PartState(
        part.part_id, "", part.publisher, part.event_id, 1, 0, part.receipt_set_id, "concern"
    )
    tables = decider._state  # noqa: SLF001 -- filled as if it had decided them
    for start in range(0, count, FILLED_AT_ONCE):
        keys = [digest_text("subject", str(start + n))[:32] for n in range(FILLED_AT_ONCE)]
        for key in keys:
            tables.history(key).add(entry)
            tables.keep_rounds(msgspec.structs.replace(state, part_id=key, part_key=key))
        subjects.keys_for(keys)
    return decider


class Histories:
    """Children with a history of one length, and the deciding of events about them."""

    def __init__(
        self,
        workshop: Workshop,
        folder: Path,
        count: int,
        children: int,
        before: datetime.timedelta,
    ) -> None:
        """Each of so many children has `count` entries, in tables of RocksDB in `folder`.

        The last of them was observed `before` the warning that all events are like.
        """
        folder.mkdir(parents=True)
        self._workshop = workshop
        self._tables = DecideState(RocksTables(folder), 1)  # type: ignore[arg-type]
        ring, subjects = KeyRing(workshop.settings.keys_dir), SubjectKeys(folder / "subjects.db")
        self._decider = Decider(self._tables, ring, subjects)
        self._subjects = subjects
        self._count, self._children, self._before = count, children, before
        self._keys: list[str] = []
        self._dealt = 0
        self._first = FIRST_OF_A_BENCH

    def renew(self) -> None:
        """Children of whom nothing but the history is known; their keys are made, as after an event."""
        part = self._workshop.parts(1)[0]
        keys = load_broker_keys(self._workshop.settings.keys_dir)
        like = entry_of(part_input(part, 0, keys.parts_key))
        entries = _history(like, self._count, self._before)
        self._keys = [digest_text("child", str(uuid.uuid4()))[:32] for _ in range(self._children)]
        for key in self._keys:
            history = self._tables.history(key)
            for start in range(0, len(entries), FILLED_AT_ONCE):
                history.add(*entries[start : start + FILLED_AT_ONCE])
        self._subjects.keys_for(self._keys)

    def decide(self, parts: Sequence[Part]) -> float:
        """Seconds of the processor to decide the parts, dealt out to the children in turn, and to seal."""
        dealt = [
            msgspec.structs.replace(part, part_key=self._keys[(self._dealt + n) % self._children])
            for n, part in enumerate(parts)
        ]
        self._dealt += len(parts)
        self._first += len(parts)
        started = time.process_time()
        self._workshop.decide(self._decider, dealt, self._first)
        return time.process_time() - started


def growth_history(
    workshop: Workshop, folder: Path, counts: tuple[int, int], runs: int
) -> list[float]:
    """Events about a child with a long history over as many, each about a child with a short one.

    The decide step as the worker has it: the part opened, its past read from RocksDB, decided for each
    candidate, its entry written, facts and alerts sealed, the set encoded. Enough events that the rows
    of the long history are put in order several times.
    """
    gap = CHILDHOOD / counts[1]
    left = EVENTS_OF_A_CHILD * (runs + 1)
    few = Histories(workshop, folder / "few", counts[0], EVENTS_OF_A_CHILD, gap * left)
    many = Histories(workshop, folder / "many", counts[1], 1, gap * left)
    many.renew()
    found = []
    for _ in range(runs + 1):
        few.renew()
        short = long = 0.0
        for number in range(EVENTS_OF_A_CHILD // AT_ONCE):
            parts = workshop.parts(AT_ONCE, _falling(gap * left, gap))
            left -= AT_ONCE
            if number % 2:
                short += few.decide(parts)
            long += many.decide(parts)
            if not number % 2:
                short += few.decide(parts)
        found.append(long / short)
    return found[1:]


def _falling(first: datetime.timedelta, by: datetime.timedelta) -> Ago:
    """How long ago each of a row of events was, the next one always a little later."""
    return lambda number: first - by * number


def _history(like: StateEntry, count: int, before: datetime.timedelta) -> tuple[StateEntry, ...]:
    """Entries of earlier events about one child, evenly over its childhood."""
    entries = []
    for number in range(count):
        ago = before + CHILDHOOD * (count - number) / count
        start, end = like.window
        seen = msgspec.structs.replace(
            like.observation,
            origin=f"origin-{number}",
            observed_at=like.observation.observed_at - ago,
        )
        entries.append(
            msgspec.structs.replace(
                like,
                order=number,
                event_id=f"earlier-{number}",
                ids=(f"earlier-{number}", f"origin-{number}"),
                window=(start - ago, end - ago),
                observation=seen,
            )
        )
    return tuple(entries)
