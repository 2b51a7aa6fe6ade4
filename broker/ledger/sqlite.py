"""A shard's store in SQLite: one file in WAL mode, every commit on disk before it counts."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from broker.ledger.database import WAIT_S, Rows
from broker.ledger.values import LedgerError

FILE = "store.db"
PAGE_BYTES = 8192
CACHE_KIB = 32_768
CHECKPOINT_PAGES = 2_000

SCHEMA = f"""
PRAGMA page_size={PAGE_BYTES};
PRAGMA journal_mode=WAL;
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS writer (
    only INTEGER PRIMARY KEY CHECK (only = 1), format INTEGER NOT NULL, verifier_key TEXT NOT NULL,
    epoch INTEGER NOT NULL, next_offset INTEGER NOT NULL, boot TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS log (
    log_id INTEGER PRIMARY KEY, owner TEXT NOT NULL UNIQUE, origin TEXT NOT NULL,
    size INTEGER NOT NULL, peaks BLOB NOT NULL, published INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS entry (
    place INTEGER PRIMARY KEY, hash BLOB NOT NULL, data BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS node (
    log_id INTEGER NOT NULL, level INTEGER NOT NULL, number INTEGER NOT NULL, hash BLOB NOT NULL,
    PRIMARY KEY (log_id, level, number)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS checkpoint (
    log_id INTEGER NOT NULL, size INTEGER NOT NULL, note TEXT NOT NULL,
    PRIMARY KEY (log_id, size)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS signer (verifier_key TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS cosignature (
    size INTEGER NOT NULL, witness TEXT NOT NULL, line TEXT NOT NULL,
    PRIMARY KEY (size, witness)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS record (
    number INTEGER PRIMARY KEY, set_id TEXT NOT NULL UNIQUE,
    first INTEGER NOT NULL, leaves INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS sidecar (
    record INTEGER NOT NULL, name TEXT NOT NULL, content BLOB NOT NULL,
    PRIMARY KEY (record, name)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS outbox (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    topic TEXT NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL);
COMMIT;
"""


class SqliteConnection:
    """The connection of one process to a shard's file."""

    errors = (sqlite3.Error,)
    shared = False

    def __init__(self, directory: Path) -> None:
        """Opens or makes `store.db` in `directory`. Raises LedgerError where that cannot be."""
        directory.mkdir(parents=True, exist_ok=True)
        path = directory / FILE
        self.shown = str(path)
        try:
            self._connection = sqlite3.connect(path, isolation_level=None, timeout=WAIT_S)
            path.chmod(0o600)
            self._connection.executescript(SCHEMA)
            self._connection.execute("PRAGMA synchronous=FULL")
            self._connection.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
            self._connection.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")
        except (sqlite3.Error, OSError) as error:
            raise LedgerError(
                f"{path} cannot be opened as a ledger's store ({error}): "
                "check the disk, or restore the folder from a copy"
            ) from error

    def execute(self, query: str, values: Sequence[Any] = ()) -> Rows:
        """Runs one statement."""
        return self._connection.execute(query, values)

    def executemany(self, query: str, rows: Iterable[Sequence[Any]]) -> None:
        """Runs one statement for each row of values."""
        self._connection.executemany(query, rows)

    def insert(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Adds many rows, in order."""
        names, marks = ", ".join(columns), ", ".join("?" * len(columns))
        query = f"INSERT INTO {table} ({names}) VALUES ({marks})"  # noqa: S608 -- names of this package
        self._connection.executemany(query, rows)

    def close(self) -> None:
        """Closes the store; whatever was committed stays."""
        self._connection.close()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything inside is kept, on disk, or nothing is; other writers wait meanwhile."""
        self.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                with contextlib.suppress(sqlite3.Error):
                    self.execute("ROLLBACK")
            raise

    @contextlib.contextmanager
    def unsynced_transaction(self) -> Iterator[None]:
        """A transaction that a power cut may undo, for what can be done again; it waits for no disk."""
        self.execute("PRAGMA synchronous=NORMAL")
        try:
            with self.transaction():
                yield
        finally:
            self.execute("PRAGMA synchronous=FULL")

    def assert_held(self) -> None:
        """SQLite holds its lock until the transaction ends or the process does."""

    def others_wrote(self) -> int:
        """A number that changes when another connection has committed."""
        (version,) = self.execute("PRAGMA data_version").fetchone()
        return int(version)
