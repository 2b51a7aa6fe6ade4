"""The alerts of one organisation as its desk keeps them: sealed as they came, with what a list needs.

A task reads the organisation's own topics from where it left off; an alert is listed only if its proof
held, and is opened again each time it is shown. What the rows say in plain is what the organisation
knows anyway and no content: ids, times, severity, and the pseudonym by which it knows the child.
"""

from __future__ import annotations

import asyncio
import datetime
from typing import Any

from broker.client.connection import assign, consumer_of, partition_of, read_to_end
from broker.client.opening import OpenedAlert, RefusedAlertError, open_alert, open_withdrawal
from broker.desk.listed import Listed, Status
from broker.desk.outbox import next_offset, note_place, note_refusal, seek
from broker.desk.running import RunningDesk
from broker.desk.store import DeskStore
from broker.model.types import ActionKind
from broker.shell.key_ring import OwnKeys

AT_ONCE = 500
SCHEMA = """
CREATE TABLE IF NOT EXISTS alert (
    alert_id TEXT PRIMARY KEY, offset INTEGER NOT NULL, event_id TEXT NOT NULL, part TEXT NOT NULL,
    recipient TEXT NOT NULL, severity TEXT NOT NULL, mode TEXT NOT NULL, received_at REAL NOT NULL,
    acknowledge_by REAL NOT NULL, reminds_of TEXT, sealed BLOB NOT NULL,
    status TEXT NOT NULL DEFAULT 'new', open INTEGER NOT NULL DEFAULT 1);
CREATE INDEX IF NOT EXISTS alert_open ON alert (open DESC, acknowledge_by, alert_id);
CREATE INDEX IF NOT EXISTS alert_part ON alert (part, received_at);
CREATE INDEX IF NOT EXISTS alert_event ON alert (event_id);
CREATE TABLE IF NOT EXISTS withdrawn (
    alert_id TEXT PRIMARY KEY, reason TEXT NOT NULL, withdrawn_at REAL NOT NULL);
"""
COLUMNS = (
    "SELECT alert_id, event_id, part, recipient, severity, mode, received_at, acknowledge_by, "
    "reminds_of, status, sealed FROM alert"
)


AFTER = {
    ActionKind.ACKNOWLEDGE: Status.ACKNOWLEDGED,
    ActionKind.CONSIDER: Status.CONSIDERED,
    ActionKind.ACT: Status.ACTED,
    ActionKind.NO_FURTHER_ACTION: Status.CLOSED,
}
"""What an answer makes of an alert."""
STILL_OPEN = {Status.NEW, Status.ACKNOWLEDGED, Status.CONSIDERED}


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
                _note_all(desk.store, keys, records[start : start + AT_ONCE])
                await asyncio.sleep(0)  # Pages are served between two batches.
            if records:
                await desk.tell_changed()
            batch = await consumer.getmany(*places, timeout_ms=300)
            records = [record for of_one in batch.values() for record in of_one]


def listed(
    store: DeskStore, *, limit: int, offset: int = 0, status: str | None = None
) -> list[Listed]:
    """A page of alerts: what is open first, of that what is due first (so what is overdue leads)."""
    where = "WHERE status = ?" if status else ""
    values: tuple[Any, ...] = (status,) if status else ()
    return _listed(
        store,
        f"{where} ORDER BY open DESC, acknowledge_by, alert_id LIMIT ? OFFSET ?",
        (*values, limit, offset),
    )


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
    (overdue,) = store.one(
        "SELECT count(*) FROM alert WHERE status = 'new' AND acknowledge_by < ?", (now.timestamp(),)
    )
    return {**{one.value: 0 for one in Status}, **found, "overdue": overdue}


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


def _note_all(store: DeskStore, keys: OwnKeys, records: list[Any]) -> None:
    with store.transaction():
        for record in records:
            try:
                if record.topic.startswith("alerts."):
                    _note_alert(store, record, open_alert(record.value or b"", keys.current()))
                elif record.value:
                    _note_withdrawal(store, open_withdrawal(record.value, keys.current()).content)
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
        _set_status(store, alert.alert_id, Status.WITHDRAWN)


def _note_withdrawal(store: DeskStore, withdrawal: Any) -> None:
    store.execute(
        "INSERT INTO withdrawn VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        (withdrawal.alert_id, withdrawal.reason, withdrawal.withdrawn_at.timestamp()),
    )
    _set_status(store, withdrawal.alert_id, Status.WITHDRAWN)


def _set_status(store: DeskStore, alert_id: str, status: Status) -> None:
    store.execute(
        "UPDATE alert SET status = ?, open = ? WHERE alert_id = ?",
        (status.value, int(status in STILL_OPEN), alert_id),
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
