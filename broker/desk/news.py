"""What is new at a desk, in one order: alerts, withdrawals and receipts, numbered as they came.

Systems read on from the last number they had; webhooks do the same.
"""

from __future__ import annotations

import msgspec

from broker.desk.store import DeskStore

SCHEMA = """
CREATE TABLE IF NOT EXISTS news (
    number INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, ref TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS news_kind ON news (kind, number);
CREATE TRIGGER IF NOT EXISTS news_of_alert AFTER INSERT ON alert
    BEGIN INSERT INTO news (kind, ref) VALUES ('alert', NEW.alert_id); END;
CREATE TRIGGER IF NOT EXISTS news_of_withdrawal AFTER INSERT ON withdrawn
    BEGIN INSERT INTO news (kind, ref) VALUES ('withdrawal', NEW.alert_id); END;
CREATE TRIGGER IF NOT EXISTS news_of_receipt AFTER INSERT ON receipt
    BEGIN INSERT INTO news (kind, ref) VALUES ('receipt', NEW.receipt_id); END;
"""
KINDS = ("alert", "withdrawal", "receipt")


class News(msgspec.Struct, frozen=True):
    """One thing that came."""

    number: int
    kind: str
    """One of KINDS."""
    ref: str
    """Alert id or receipt id."""


def after(
    store: DeskStore, number: int, *, limit: int, kinds: tuple[str, ...] = KINDS
) -> list[News]:
    """What came after that number, in order."""
    marks = ", ".join("?" * len(kinds))
    query = f"SELECT number, kind, ref FROM news WHERE number > ? AND kind IN ({marks}) "  # noqa: S608 -- marks alone
    rows = store.all(f"{query} ORDER BY number LIMIT ?", (number, *kinds, limit))
    return [News(*row) for row in rows]


def last(store: DeskStore) -> int:
    """The number of the latest; 0 where nothing came yet."""
    (number,) = store.one("SELECT coalesce(max(number), 0) FROM news")
    return int(number)
