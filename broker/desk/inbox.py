"""The alerts of one organisation as its desk keeps them: sealed as they came, with what a list needs.

A task reads the organisation's own topics from where it left off; an alert is listed only if its proof
held, and is opened again each time it is shown. What the rows say in plain is what the organisation
knows anyway and no content: ids, times, severity, and the pseudonym by which it knows the child.
"""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Sequence
from typing import Any

from broker.client.connection import assign, consumer_of, partition_of, read_to_end
from broker.client.opening import OpenedAlert, RefusedAlertError, open_alert, open_withdrawal
from broker.desk import child_joins
from broker.desk.listed import Listed, Status
from broker.desk.outbox import next_offset, note_place, note_refusal, seek
from broker.desk.running import RunningDesk
from broker.desk.store import DeskStore
from broker.model.types import ActionKind, Withdrawal
from broker.shell.key_ring import OwnKeys

AT_ONCE = 500
DUE_FIRST = "(CASE WHEN open < 1 THEN -acknowledge_by ELSE acknowledge_by END)"
"""Among alerts of one rank: what is due first; of those that have ended, the newest."""
ORDER = f"ORDER BY open DESC, {DUE_FIRST}, alert_id"
SCHEMA = f"""
CREATE TABLE IF NOT EXISTS alert (
    alert_id TEXT PRIMARY KEY, offset INTEGER NOT NULL, event_id TEXT NOT NULL, part TEXT NOT NULL,
    recipient TEXT NOT NULL, severity TEXT NOT NULL, mode TEXT NOT NULL, received_at REAL NOT NULL,
    acknowledge_by REAL NOT NULL, reminds_of TEXT, sealed BLOB NOT NULL,
    status TEXT NOT NULL DEFAULT 'new', open INTEGER NOT NULL DEFAULT 2);
CREATE INDEX IF NOT EXISTS alert_rank ON alert (open DESC, {DUE_FIRST}, alert_id);
CREATE INDEX IF NOT EXISTS alert_status ON alert (status);
CREATE INDEX IF NOT EXISTS alert_offset ON alert (offset);
CREATE INDEX IF NOT EXISTS alert_reminds ON alert (reminds_of) WHERE reminds_of IS NOT NULL;
CREATE INDEX IF NOT EXISTS alert_part ON alert (part, received_at);
CREATE INDEX IF NOT EXISTS alert_event ON alert (event_id);
CREATE TABLE IF NOT EXISTS withdrawn (
    alert_id TEXT PRIMARY KEY, reason TEXT NOT NULL, withdrawn_at REAL NOT NULL);
{child_joins.SCHEMA}"""
COLUMNS = (
    "SELECT alert_id, event_id, part, recipient, severity, mode, received_at, acknowledge_by, "
    "reminds_of, status, sealed FROM alert"
)


ERASED = "erased"
"""Reason of a withdrawal: what the broker held about the child was erased."""
AFTER = {
    ActionKind.ACKNOWLEDGE: Status.ACKNOWLEDGED,
    ActionKind.CONSIDER: Status.CONSIDERED,
    ActionKind.ACT: Status.ACTED,
    ActionKind.NO_FURTHER_ACTION: Status.CLOSED,
}
"""What an answer makes of an alert."""
RANK = {
    Status.NEW: 2,
    Status.ACKNOWLEDGED: 1,
    Status.CONSIDERED: 1,
    Status.ACTED: 0,
    Status.CLOSED: 0,
    Status.WITHDRAWN: -1,
}
"""Column `open`: nobody has it, somebody has it, it has ended, it no longer stands."""
CHOICES = {
    "all": "1",
    "overdue": f"open = 2 AND {DUE_FIRST} < ?",
    "new": "open = 2",
    "open": "open >= 1",
    "answered": "open = 0",
    "withdrawn": "open = -1",
}
"""What an inbox can be narrowed to."""


async def follow_alerts(desk: RunningDesk) -> None:
    """Task: reads alerts and withdrawals as they come."""
    organisation = desk.organisation
    keys = OwnKeys(desk.settings.keys_dir, organisation)
    topics = tuple(f"{kind}.v1.{organisation}" for kind in ("alerts", "withdrawn"))
    async with consumer_of(desk.settings, organisation) as consumer:
        places = [await partition_of(consumer, topic, desk.settings) for topic in topics]
        assign(consumer, *places)
        for place in places:
            await seek(consumer, place, next_offset(desk.store, place.topic))
        records = await read_to_end(consumer, *places)
        consumer.resume(*places)
        desk.connected = True
        while True:
            for start in range(0, len(records), AT_ONCE):
                _note_all(desk, keys, records[start : start + AT_ONCE])
                await asyncio.sleep(0)  # Pages are served between two batches.
            if records:
                await desk.tell_changed()
            batch = await consumer.getmany(*places, timeout_ms=300)
            records = [record for of_one in batch.values() for record in of_one]


def listed(
    store: DeskStore, *, limit: int, offset: int = 0, status: str | None = None
) -> list[Listed]:
    """A page of alerts: what nobody has leads, of that what is due first (so overdue ones lead)."""
    where = "WHERE status = ?" if status else ""
    values: tuple[Any, ...] = (status,) if status else ()
    return _listed(
        store,
        f"{where} {ORDER} LIMIT ? OFFSET ?",
        (*values, limit, offset),
    )


def chosen(
    store: DeskStore, choice: str, now: datetime.datetime, *, limit: int, offset: int = 0
) -> list[Listed]:
    """A page of the alerts of one of CHOICES, in the order of `listed`."""
    moment = (now.timestamp(),) if choice == "overdue" else ()
    clause = f"WHERE {CHOICES[choice]} {ORDER} LIMIT ? OFFSET ?"
    return _listed(store, clause, (*moment, limit, offset))


def how_many(store: DeskStore, now: datetime.datetime) -> dict[str, int]:
    """Choice -> how many alerts it shows."""
    ranks = {
        rank: int(count)
        for rank, count in store.all("SELECT open, count(*) FROM alert GROUP BY open")
    }
    new, somebody, ended, gone = (ranks.get(rank, 0) for rank in (2, 1, 0, -1))
    return {
        "all": new + somebody + ended + gone,
        "overdue": counts_overdue(store, now),
        "new": new,
        "open": new + somebody,
        "answered": ended,
        "withdrawn": gone,
    }


def counts_overdue(store: DeskStore, now: datetime.datetime) -> int:
    """How many alerts nobody acknowledged in time."""
    where = CHOICES["overdue"]
    query = f"SELECT count(*) FROM alert WHERE {where}"  # noqa: S608 -- of CHOICES, no input
    (overdue,) = store.one(query, (now.timestamp(),))
    return int(overdue)


def newest(store: DeskStore) -> int:
    """Kafka offset of the newest alert; -1 where there is none."""
    (offset,) = store.one("SELECT max(offset) FROM alert")
    return -1 if offset is None else int(offset)


def arrived_since(store: DeskStore, offset: int) -> int:
    """How many alerts came after that offset."""
    (count,) = store.one("SELECT count(*) FROM alert WHERE offset > ?", (offset,))
    return int(count)


def refused(store: DeskStore) -> list[tuple[str, int, str, str]]:
    """Topic, offset, failed check and explanation of every message that must not be shown."""
    query = "SELECT topic, offset, check_failed, explanation FROM refused ORDER BY topic, offset"
    return [(str(one[0]), int(one[1]), str(one[2]), str(one[3])) for one in store.all(query)]


def find(store: DeskStore, alert_id: str) -> Listed | None:
    """One alert by its id."""
    rows = _listed(store, "WHERE alert_id = ?", (alert_id,))
    return rows[0] if rows else None


def of_child(store: DeskStore, part: str) -> list[Listed]:
    """Every alert about one child (place, group), the oldest first."""
    return _listed(store, "WHERE part = ? ORDER BY received_at, alert_id", (part,))


def counts(store: DeskStore, now: datetime.datetime) -> dict[str, int]:
    """How many alerts there are of each status, and `overdue`."""
    found = dict(store.all("SELECT status, count(*) FROM alert GROUP BY status"))
    return {**{one.value: 0 for one in Status}, **found, "overdue": counts_overdue(store, now)}


def withdrawal_of(store: DeskStore, alert_id: str) -> tuple[str, datetime.datetime] | None:
    """Reason code and time of a withdrawal, if the alert was withdrawn."""
    row = store.one("SELECT reason, withdrawn_at FROM withdrawn WHERE alert_id = ?", (alert_id,))
    return (str(row[0]), _moment(row[1])) if row else None


def answered(store: DeskStore, alert_id: str, kind: ActionKind) -> None:
    """Notes that the organisation answered; an answer never takes a step back."""
    new = AFTER.get(kind)
    current = find(store, alert_id)
    if new is None or current is None or current.status is Status.WITHDRAWN:
        return
    order = list(Status)
    if order.index(new) > order.index(current.status) or kind is ActionKind.ACT:
        _set_status(store, alert_id, new)


def settle(store: DeskStore, alert_id: str) -> None:
    """Sets the status of an alert anew from the answers that stand: one that was refused counts no more.

    An answer to an alert or to any of its reminders acknowledges them all.
    """
    row = store.one(
        "SELECT coalesce(reminds_of, alert_id) FROM alert WHERE alert_id = ?", (alert_id,)
    )
    if row is None:
        return
    chain = [one for (one,) in store.all(CHAIN, (row[0], row[0]))]
    kinds = {one: _standing(store, one) for one in chain}
    heard = any(kinds.values())
    for one in chain:
        if not withdrawal_of(store, one):
            _set_status(store, one, status_after(kinds[one], heard=heard))


def status_after(kinds: Sequence[ActionKind], *, heard: bool = False) -> Status:
    """How far answers of these kinds bring an alert, in order; `heard`: another of its chain has one."""
    ends = [one for one in kinds if one in (ActionKind.ACT, ActionKind.NO_FURTHER_ACTION)]
    if ends:
        return AFTER[ends[-1]]
    if ActionKind.CONSIDER in kinds:
        return Status.CONSIDERED
    return Status.ACKNOWLEDGED if kinds or heard else Status.NEW


CHAIN = "SELECT alert_id FROM alert WHERE alert_id = ? UNION SELECT alert_id FROM alert WHERE reminds_of = ?"


def _standing(store: DeskStore, alert_id: str) -> list[ActionKind]:
    """Kinds of the answers to one alert that were not turned back, in order."""
    query = (
        "SELECT kind FROM outbox WHERE about = ? AND state NOT IN ('rejected', 'refused') "
        "AND kind <> 'concern' ORDER BY number"
    )
    kinds = [ActionKind(kind) for (kind,) in store.all(query, (alert_id,))]
    return [one for one in kinds if one in AFTER]


def _note_all(desk: RunningDesk, keys: OwnKeys, records: list[Any]) -> None:
    store = desk.store
    with store.transaction():
        for record in records:
            try:
                if record.topic.startswith("alerts."):
                    _note_alert(store, record, open_alert(record.value or b"", keys.current()))
                elif record.value:
                    withdrawal = open_withdrawal(record.value, keys.current()).content
                    note_withdrawal(store, withdrawal)
                    desk.opened.forget(withdrawal.alert_id)
            except RefusedAlertError as error:
                note_refusal(store, record.topic, record.offset, error)
            note_place(store, record.topic, record.offset + 1)


def _note_alert(store: DeskStore, record: Any, alert: OpenedAlert) -> None:
    content = alert.content
    store.execute(
        "INSERT INTO alert (alert_id, offset, event_id, part, recipient, severity, mode, received_at, "
        "acknowledge_by, reminds_of, sealed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (alert_id) DO NOTHING",
        (
            alert.alert_id,
            record.offset,
            content.event_id,
            content.part,
            content.recipient,
            content.severity,
            content.mode.value,
            record.timestamp / 1000,
            content.acknowledge_by.timestamp(),
            content.reminds_of,
            record.value,
        ),
    )
    if withdrawal_of(store, alert.alert_id):
        _set_withdrawn(store, alert.alert_id)
    else:
        child_joins.note_numbers(store, alert)


def note_withdrawal(store: DeskStore, withdrawal: Withdrawal) -> None:
    """Keeps that an alert no longer stands, and why; inside a transaction."""
    store.execute(
        "INSERT INTO withdrawn VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        (withdrawal.alert_id, withdrawal.reason, withdrawal.withdrawn_at.timestamp()),
    )
    _set_withdrawn(store, withdrawal.alert_id)


def _set_withdrawn(store: DeskStore, alert_id: str) -> None:
    """It no longer stands; of one that was erased not even what lies sealed is kept."""
    _set_status(store, alert_id, Status.WITHDRAWN)
    child_joins.forget_numbers(store, alert_id)
    withdrawal = withdrawal_of(store, alert_id)
    if withdrawal is not None and withdrawal[0] == ERASED:
        store.execute("UPDATE alert SET sealed = x'' WHERE alert_id = ?", (alert_id,))


def _set_status(store: DeskStore, alert_id: str, status: Status) -> None:
    store.execute(
        "UPDATE alert SET status = ?, open = ? WHERE alert_id = ?",
        (status.value, RANK[status], alert_id),
    )


def _listed(store: DeskStore, clause: str, values: tuple[Any, ...]) -> list[Listed]:
    rows = store.all(f"{COLUMNS} {clause}", values)
    return [_row(row) for row in rows]


def _row(row: tuple[Any, ...]) -> Listed:
    alert_id, event_id, part, recipient, severity, mode, received, due, reminds, status, sealed = (
        row
    )
    return Listed(
        alert_id=alert_id,
        event_id=event_id,
        part=part,
        recipient=recipient,
        severity=severity,
        mode=mode,
        received_at=_moment(received),
        acknowledge_by=_moment(due),
        reminds_of=reminds,
        status=Status(status),
        sealed=sealed,
    )


def _moment(seconds: float) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC)
