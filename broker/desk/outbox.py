"""What people at the desk said and did, until Kafka has it and a receipt says what became of it.

A statement is kept here, sealed, before anybody is told that it was taken; a task publishes it in
order and goes on until Kafka confirms. It keeps its id from the first page of its form on, so a
second click, the back button or a crash between sending and noting it makes a duplicate, which
intake knows and which harms nobody.
"""

from __future__ import annotations

import datetime
from enum import StrEnum
from typing import Any

import msgspec

from broker.client.connection import assign, consumer_of, partition_of, read_to_end
from broker.client.opening import OpenedReceipt, RefusedAlertError, open_receipt
from broker.client.publisher import Publisher
from broker.desk.running import RunningDesk
from broker.desk.store import DeskStore
from broker.model.codec import decode, encode
from broker.model.types import Action, ActionKind, ConcernEvent, IntakeOutcome
from broker.shell.key_ring import OwnKeys

LOOK_AGAIN_S = 0.05
AT_ONCE = 50
SCHEMA = """
CREATE TABLE IF NOT EXISTS outbox (
    number INTEGER PRIMARY KEY, statement_id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL,
    about TEXT NOT NULL, actor TEXT NOT NULL, statement BLOB NOT NULL, state TEXT NOT NULL,
    queued_at REAL NOT NULL, reason TEXT NOT NULL DEFAULT '');
CREATE INDEX IF NOT EXISTS outbox_about ON outbox (about);
CREATE INDEX IF NOT EXISTS outbox_state ON outbox (state);
CREATE TABLE IF NOT EXISTS receipt (
    number INTEGER PRIMARY KEY, receipt_id TEXT NOT NULL UNIQUE, statement_id TEXT NOT NULL,
    outcome TEXT NOT NULL, content BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS receipt_statement ON receipt (statement_id);
CREATE TABLE IF NOT EXISTS refused (
    topic TEXT NOT NULL, offset INTEGER NOT NULL, check_failed TEXT NOT NULL, explanation TEXT NOT NULL,
    PRIMARY KEY (topic, offset));
CREATE TABLE IF NOT EXISTS place (topic TEXT PRIMARY KEY, next_offset INTEGER NOT NULL);
"""
COLUMNS = "SELECT number, statement_id, kind, about, actor, statement, state, queued_at, reason FROM outbox"


class State(StrEnum):
    """How far a statement has come."""

    WAITING = "waiting"
    """Kept here; Kafka does not have it yet."""
    SENT = "sent"
    """Kafka has it; intake has not answered yet."""
    ACCEPTED = "accepted"
    """Intake took it in: it is being decided, or was carried out."""
    REJECTED = "rejected"
    """Intake could not take it; the receipt says why and what to do."""
    REFUSED = "refused"
    """It was read, and must not be carried out."""


ENDED = {
    IntakeOutcome.ACCEPTED: State.ACCEPTED,
    IntakeOutcome.DUPLICATE: State.ACCEPTED,
    IntakeOutcome.REJECTED: State.REJECTED,
    IntakeOutcome.REFUSED: State.REFUSED,
}

STANDING = frozenset({State.WAITING, State.SENT, State.ACCEPTED})
"""States of what was told, or is about to be: what was not taken in never counted."""


class Queued(msgspec.Struct, frozen=True):
    """One statement as the desk keeps it."""

    number: int
    statement_id: str
    kind: str
    """`concern`, or the kind of the act."""
    about: str
    """The alert or part that an act answers; empty for a concern."""
    actor: str
    statement: ConcernEvent | Action
    state: State
    queued_at: datetime.datetime
    reason: str
    """Reason code where it was rejected or refused."""


def put(store: DeskStore, statement: ConcernEvent | Action, *, actor: str, about: str = "") -> bool:
    """Keeps a statement for sending; on disk when this returns. False where its id is there already."""
    if isinstance(statement, Action):
        statement_id, kind = statement.action_id, statement.kind.value
        about = about or statement.alert_id or statement.part_id or ""
    else:
        statement_id, kind = statement.event_id, "concern"
    sealed = store.at_rest.seal(encode(statement), _place(statement_id))
    now = datetime.datetime.now(datetime.UTC).timestamp()
    done = store.execute(
        "INSERT INTO outbox (statement_id, kind, about, actor, statement, state, queued_at) "
        "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (statement_id) DO NOTHING",
        (statement_id, kind, about, actor, sealed, State.WAITING.value, now),
    )
    return done.rowcount == 1


def find(store: DeskStore, statement_id: str) -> Queued | None:
    """One statement by its id."""
    rows = _queued(store, "WHERE statement_id = ?", (statement_id,))
    return rows[0] if rows else None


def concerns(store: DeskStore, *, limit: int, before: int | None = None) -> list[Queued]:
    """What was told, the newest first; `before` is the number of the last one of the page before."""
    query = "WHERE kind = 'concern' AND number < ? ORDER BY number DESC LIMIT ?"
    return _queued(store, query, (before or 1 << 60, limit))


def concerns_about(store: DeskStore, about: str) -> list[Queued]:
    """Every statement that corrects or takes back another, in order."""
    return _queued(store, "WHERE about = ? AND kind = 'concern' ORDER BY number", (about,))


def acts_about(store: DeskStore, about: str) -> list[Queued]:
    """Every act about one alert or part, in order."""
    return _queued(store, "WHERE about = ? AND kind <> 'concern' ORDER BY number", (about,))


def acts_of(store: DeskStore, *kinds: ActionKind) -> list[Queued]:
    """Every act of these kinds, in order."""
    marks = ", ".join("?" * len(kinds))
    return _queued(store, f"WHERE kind IN ({marks}) ORDER BY number", tuple(kinds))


def receipts_of(store: DeskStore, statement_id: str) -> list[OpenedReceipt]:
    """Every receipt of one statement, in order: what intake said, then what came of it."""
    rows = store.all(
        "SELECT receipt_id, content FROM receipt WHERE statement_id = ? ORDER BY number",
        (statement_id,),
    )
    return [
        msgspec.msgpack.decode(store.at_rest.open(sealed, _place(receipt_id)), type=OpenedReceipt)
        for receipt_id, sealed in rows
    ]


def receipt(store: DeskStore, receipt_id: str) -> tuple[str, OpenedReceipt]:
    """Id of the statement and the receipt. Raises KeyError where there is none of that id."""
    row = store.one("SELECT statement_id, content FROM receipt WHERE receipt_id = ?", (receipt_id,))
    if row is None:
        raise KeyError(receipt_id)
    packed = store.at_rest.open(row[1], _place(receipt_id))
    return str(row[0]), msgspec.msgpack.decode(packed, type=OpenedReceipt)


async def send(desk: RunningDesk) -> None:
    """Task: publishes what waits, in order, until Kafka confirms."""
    store = desk.store
    async with Publisher.connect(desk.organisation, desk.settings) as publisher:
        desk.connected = True
        while True:
            waiting = _queued(
                store, "WHERE state = ? ORDER BY number LIMIT ?", (State.WAITING.value, AT_ONCE)
            )
            if not waiting:
                await desk.wait_for_change(LOOK_AGAIN_S)
                continue
            await publisher.publish_many([one.statement for one in waiting])
            with store.transaction():
                for one in waiting:
                    store.execute(
                        "UPDATE outbox SET state = ? WHERE number = ? AND state = ?",
                        (State.SENT.value, one.number, State.WAITING.value),
                    )


async def follow_receipts(desk: RunningDesk) -> None:
    """Task: reads the organisation's receipts from where it left off; only those whose proof holds count."""
    topic = f"receipts.v1.{desk.organisation}"
    keys = OwnKeys(desk.settings.keys_dir, desk.organisation)
    async with consumer_of(desk.settings, desk.organisation) as consumer:
        place = await partition_of(consumer, topic, desk.settings)
        assign(consumer, place)
        await seek(consumer, place, next_offset(desk.store, topic))
        while True:
            records = await read_to_end(consumer, place)
            if not records:
                consumer.resume(place)
                first = await consumer.getone(place)
                consumer.pause(place)
                records = [first]
            with desk.store.transaction():
                for record in records:
                    try:
                        note_receipt(desk.store, open_receipt(record.value or b"", keys.current()))
                    except RefusedAlertError as error:
                        note_refusal(desk.store, topic, record.offset, error)
                    note_place(desk.store, topic, record.offset + 1)
            await desk.tell_changed()


def note_receipt(store: DeskStore, receipt: OpenedReceipt) -> None:
    """Keeps a receipt and how far its statement has come; inside a transaction."""
    content = receipt.content
    statement_id = content.event_id or ""
    sealed = store.at_rest.seal(msgspec.msgpack.encode(receipt), _place(receipt.receipt_id))
    store.execute(
        "INSERT INTO receipt (receipt_id, statement_id, outcome, content) VALUES (?, ?, ?, ?) "
        "ON CONFLICT (receipt_id) DO NOTHING",
        (receipt.receipt_id, statement_id, content.outcome.value, sealed),
    )
    ended = ENDED.get(content.outcome)
    if ended is not None:
        # A repeat that is refused says nothing against the first, which was taken.
        store.execute(
            "UPDATE outbox SET state = ?, reason = ? WHERE statement_id = ? AND state <> ?",
            (ended.value, content.reason or "", statement_id, State.ACCEPTED.value),
        )


def note_refusal(store: DeskStore, topic: str, offset: int, error: RefusedAlertError) -> None:
    """Keeps that a record was not shown, and why; inside a transaction."""
    store.execute(
        "INSERT INTO refused VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
        (topic, offset, error.check, str(error)),
    )


def next_offset(store: DeskStore, topic: str) -> int:
    """Where to go on reading a topic; 0 where it was never read."""
    row = store.one("SELECT next_offset FROM place WHERE topic = ?", (topic,))
    return int(row[0]) if row else 0


def note_place(store: DeskStore, topic: str, offset: int) -> None:
    """Keeps where to go on; in the transaction that keeps what was read."""
    store.execute(
        "INSERT INTO place VALUES (?, ?) ON CONFLICT (topic) DO UPDATE SET next_offset = ?",
        (topic, offset, offset),
    )


async def seek(consumer: Any, place: Any, offset: int) -> None:
    """Sets a consumer to an offset, or to the oldest record that Kafka still keeps."""
    oldest = (await consumer.beginning_offsets([place]))[place]
    consumer.seek(place, max(offset, oldest))


def _queued(store: DeskStore, where: str, values: tuple[object, ...]) -> list[Queued]:
    return [_row(store, row) for row in store.all(f"{COLUMNS} {where}", values)]


def _row(store: DeskStore, row: tuple[Any, ...]) -> Queued:
    number, statement_id, kind, about, actor, sealed, state, queued_at, reason = row
    data = store.at_rest.open(sealed, _place(str(statement_id)))
    statement: ConcernEvent | Action = (
        decode(data, ConcernEvent) if kind == "concern" else decode(data, Action)
    )
    at = datetime.datetime.fromtimestamp(float(queued_at), datetime.UTC)
    return Queued(
        number=int(number),
        statement_id=str(statement_id),
        kind=str(kind),
        about=str(about),
        actor=str(actor),
        statement=statement,
        state=State(state),
        queued_at=at,
        reason=str(reason),
    )


def _place(identifier: str) -> str:
    return f"outbox {identifier}"
