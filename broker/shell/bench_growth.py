"""What an event costs with much behind it, over what it costs with little: `broker bench`.

Ledger entries, subjects, and the history of one child; and how long it takes to verify 100,000 entries. All
in a folder that is removed again.
"""

from __future__ import annotations

import datetime
import os
import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from broker.auditor import verify_ledger
from broker.flow import decide_part, part_input, record_part
from broker.ledger import RecordSet, ShardStore
from broker.link import entry_of
from broker.model.canonical import digest_text
from broker.model.codec import decode
from broker.model.types import DecisionSet
from broker.model.values import PartState, StateEntry
from broker.shell.bench_measured import ratios, seconds
from broker.shell.bench_parts import BATCH, MemoryTables, RocksTables, Workshop
from broker.shell.decide_worker import Decider
from broker.shell.kafka import DECISIONS_TOPIC
from broker.shell.keys import load_broker_keys
from broker.shell.ledger_worker import record_set, render
from broker.shell.subject_keys import SubjectKeys

FILLED_AT_ONCE = 1000
LEAVES_A_SET = 12
EACH = 9
"""Events in one run of the history."""
TWO_YEARS = datetime.timedelta(days=730)


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
            tables.keep(key, (entry,))
            tables.keep_rounds(msgspec.structs.replace(state, part_id=key, part_key=key))
        subjects.keys_for(keys)
    return decider


def growth_history(workshop: Workshop, counts: tuple[int, int], runs: int) -> list[float]:
    """One event about a child with a long history over one about a child with a short one.

    With the reading and writing of its row, as the worker does for each event.
    """
    keys = load_broker_keys(workshop.settings.keys_dir)
    part = workshop.parts(1)[0]
    given = part_input(part, 10_000_000, keys.parts_key)
    rows = [msgspec.msgpack.encode(_history(entry_of(given), count)) for count in counts]

    def one(row: bytes) -> None:
        past = msgspec.msgpack.decode(row, type=tuple[StateEntry, ...])
        taken = part_input(part, 10_000_000, keys.parts_key)
        result = decide_part(taken, past, workshop.policy, keys.sealer.pairwise)
        record_part(result, past, workshop.policy, keys.sealer, bytes(32))
        msgspec.msgpack.encode((*past, entry_of(taken)))

    few, many = rows

    def median(row: bytes) -> float:
        return statistics.median(seconds(lambda: one(row)) for _ in range(EACH))

    return ratios(lambda: median(many), lambda: median(few), runs)


def _history(like: StateEntry, count: int) -> tuple[StateEntry, ...]:
    """Entries of earlier events about one child, evenly over two years."""
    entries = []
    for number in range(count):
        ago = TWO_YEARS * (count - number) / count
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
