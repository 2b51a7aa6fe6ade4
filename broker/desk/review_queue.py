"""What waits for a person, as the duty desk keeps it: sealed as it came, the most urgent first.

A task follows the compacted queue; what was decided goes from it and from here. What the rows say in
plain is ids and clocks. Nothing is released by waiting, so nothing here ever changes by itself.
"""

from __future__ import annotations

import datetime
import hashlib
from collections import OrderedDict
from typing import Any

import msgspec

from broker.client.connection import ClientError, assign, consumer_of, partition_of, read_to_end
from broker.client.desk import HeldPart, open_held
from broker.client.opening import RefusedAlertError
from broker.desk.outbox import note_refusal
from broker.desk.running import RunningDesk
from broker.desk.store import DeskStore
from broker.shell.kafka import HELD_TOPIC
from broker.shell.key_ring import OwnKeys

OPENED_AT_ONCE = 500
SCHEMA = """
CREATE TABLE IF NOT EXISTS held (
    part_id TEXT PRIMARY KEY, offset INTEGER NOT NULL, due REAL NOT NULL, consult INTEGER NOT NULL,
    release INTEGER NOT NULL, sealed BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS held_due ON held (due, part_id);
"""
CONSULT = frozenset(
    {"consult_originator", "detriment_to_child", "handling_unknown", "grading_unlabelled"}
)
"""Reasons for which the reviewer first asks who published it (schemas/codesets/reason_codes.csv)."""
SECOND_PERSON = "second_person_needed"


class Queue:
    """Opens what waits with the desk's key; remembers the last few, in memory alone."""

    def __init__(self, desk: RunningDesk) -> None:
        """`desk` is the duty desk."""
        self._keys = OwnKeys(desk.settings.keys_dir, desk.organisation)
        self._opened: OrderedDict[tuple[str, int], HeldPart] = OrderedDict()

    def page(self, store: DeskStore, *, limit: int, offset: int, consult: bool) -> list[HeldPart]:
        """Some of what waits, what is due first in front; with `consult` only what asks for it."""
        rows = store.all(
            "SELECT part_id, offset, sealed FROM held WHERE consult >= ? ORDER BY due, part_id "
            "LIMIT ? OFFSET ?",
            (int(consult), limit, offset),
        )
        return [self._open(*row) for row in rows]

    def find(self, store: DeskStore, part_id: str) -> HeldPart | None:
        """One part that waits; None once nothing of it does."""
        row = store.one("SELECT part_id, offset, sealed FROM held WHERE part_id = ?", (part_id,))
        return self._open(*row) if row else None

    def releases(self, store: DeskStore) -> list[HeldPart]:
        """Parts of which a break-glass waits for its second person."""
        rows = store.all("SELECT part_id, offset, sealed FROM held WHERE release ORDER BY due")
        return [self._open(*row) for row in rows]

    def _open(self, part_id: str, offset: int, sealed: bytes) -> HeldPart:
        known = self._opened.get((part_id, offset))
        if known is None:
            known = self._opened[part_id, offset] = open_held(sealed, self._keys.current())
            if len(self._opened) > OPENED_AT_ONCE:
                self._opened.popitem(last=False)
        return known


class Counts(msgspec.Struct, frozen=True):
    """How much waits, how much of it is overdue, and where the publisher is to be asked."""

    waiting: int
    overdue: int
    consult: int


def counts(store: DeskStore, now: datetime.datetime) -> Counts:
    """Of the whole queue."""
    waiting, overdue, consult = store.one(
        "SELECT count(*), coalesce(sum(due < ?), 0), coalesce(sum(consult), 0) FROM held",
        (now.timestamp(),),
    )
    return Counts(waiting, overdue, consult)


def mark(store: DeskStore) -> str:
    """Another text whenever anything in the queue is: by it a page knows that it is old."""
    rows = store.all("SELECT part_id, offset FROM held ORDER BY part_id")
    return hashlib.sha256(repr(rows).encode()).hexdigest()[:16]


async def follow_held(desk: RunningDesk) -> None:
    """Task: keeps the queue as Kafka has it.

    It is read from its beginning each time: the record that removes an entry is itself gone after a while.
    """
    keys = OwnKeys(desk.settings.keys_dir, desk.organisation)
    async with consumer_of(desk.settings, desk.organisation) as consumer:
        place = await partition_of(consumer, HELD_TOPIC, desk.settings)
        assign(consumer, place)
        await consumer.seek_to_beginning(place)
        records = await read_to_end(consumer, place)
        latest = {record.key: record for record in records}
        with desk.store.transaction():
            desk.store.execute("DELETE FROM held")
            for record in latest.values():
                note_held(desk.store, keys, record)
        await desk.tell_changed()
        consumer.resume(place)
        while True:
            records = (await consumer.getmany(place, timeout_ms=300)).get(place, [])
            if records:
                with desk.store.transaction():
                    for record in records:
                        note_held(desk.store, keys, record)
                await desk.tell_changed()


def note_held(store: DeskStore, keys: OwnKeys, record: Any) -> None:
    """Keeps one record of the queue, or removes what no longer waits; inside a transaction."""
    part_id = record.key.decode()
    if not record.value:
        store.execute("DELETE FROM held WHERE part_id = ?", (part_id,))
        return
    try:
        content = open_held(record.value, keys.current()).content
    except ClientError:
        error = RefusedAlertError("seal", "a waiting part cannot be opened with the desk's keys")
        note_refusal(store, HELD_TOPIC, record.offset, error)
        return
    reasons = {reason for one in content.waiting for reason in one.reasons}
    flags = (int(bool(reasons & CONSULT)), int(SECOND_PERSON in reasons))
    row = (part_id, record.offset, content.due.timestamp(), *flags, record.value)
    store.execute("INSERT OR REPLACE INTO held VALUES (?, ?, ?, ?, ?, ?)", row)


def release_asked(held: HeldPart) -> dict[str, str]:
    """Recipient -> id of the first person's act, where a break-glass waits for its second person."""
    return {
        one.recipient: reason.partition("/")[2]
        for one in held.content.waiting
        if SECOND_PERSON in one.reasons
        for reason in one.reasons
        if reason.startswith("release/")
    }


def unopened(store: DeskStore) -> int:
    """How many records of the queue could not be opened with the desk's keys."""
    (count,) = store.one("SELECT count(*) FROM refused WHERE topic = ?", (HELD_TOPIC,))
    return int(count)
