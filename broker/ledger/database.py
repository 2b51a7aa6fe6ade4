"""The database of one shard: SQLite in WAL mode, every commit on disk before it counts.

What is in it is the record; the files that outsiders read are derived from it. A log's entries carry
their leaf hashes, `node` the hashes of higher tiles, and `log.peaks` the tree's edge, so that growing
a log reads none of its past.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import msgspec

from broker.ledger.tree import HASH_BYTES, Edge
from broker.ledger.values import LedgerError

FILE = "store.db"
FORMAT = 1
WAIT_S = 30.0
PAGE_BYTES = 8192
CACHE_KIB = 32_768
CHECKPOINT_PAGES = 2_000
INDEX_BITS = 40
UNPUBLISHED = -1

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


class LogRow(msgspec.Struct, frozen=True):
    """One log of the shard: the auditors' (owner "") or that of one organisation."""

    log_id: int
    owner: str
    """Name of its folder below `recipients/`; "" for the auditors' log."""
    origin: str
    edge: Edge
    published: int
    """Entries in the files that were last published whole; UNPUBLISHED if there are none to trust."""

    def place(self, index: int) -> int:
        """Key of an entry in the table `entry`."""
        return self.log_id << INDEX_BITS | index


class Database:
    """The connection of one process, and its transactions."""

    def __init__(self, directory: Path) -> None:
        """Opens or makes `store.db` in `directory`. Raises LedgerError where that cannot be."""
        directory.mkdir(parents=True, exist_ok=True)
        self.path = directory / FILE
        try:
            self._connection = sqlite3.connect(self.path, isolation_level=None, timeout=WAIT_S)
            self.path.chmod(0o600)
            self._connection.executescript(SCHEMA)
            self._connection.execute("PRAGMA synchronous=FULL")
            self._connection.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
            self._connection.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")
        except (sqlite3.Error, OSError) as error:
            raise LedgerError(
                f"{self.path} cannot be opened as a ledger's store ({error}): "
                "check the disk, or restore the folder from a copy"
            ) from error
        self.execute = self._connection.execute
        self.executemany = self._connection.executemany

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

    def others_wrote(self) -> int:
        """A number that changes when another connection has committed."""
        (version,) = self.execute("PRAGMA data_version").fetchone()
        return int(version)

    def logs(self, *, unpublished: bool = False) -> list[LogRow]:
        """All logs of the shard, the auditors' first; or those with entries yet to publish."""
        chosen = "WHERE published < size" if unpublished else ""
        rows = self.execute(
            f"SELECT log_id, owner, origin, size, peaks, published FROM log {chosen} ORDER BY log_id"  # noqa: S608 -- one of two constants
        )
        return [
            LogRow(log_id, owner, origin, Edge(size, _split(peaks)), published)
            for log_id, owner, origin, size, peaks, published in rows
        ]

    def log_of(self, owner: str) -> LogRow | None:
        """The log of one owner, None if it has none yet."""
        row = self.execute(
            "SELECT log_id, origin, size, peaks, published FROM log WHERE owner = ?", (owner,)
        ).fetchone()
        if row is None:
            return None
        log_id, origin, size, peaks, published = row
        return LogRow(log_id, owner, origin, Edge(size, _split(peaks)), published)

    def add_log(self, owner: str, origin: str) -> LogRow:
        """A new log without entries."""
        added = self.execute(
            "INSERT INTO log (owner, origin, size, peaks, published) VALUES (?, ?, 0, x'', ?)",
            (owner, origin, UNPUBLISHED),
        )
        return LogRow(added.lastrowid or 0, owner, origin, Edge(0, ()), UNPUBLISHED)

    def cosignatures(self, size: int) -> list[str]:
        """Lines by which witnesses cosigned the auditors' log at one size."""
        rows = self.execute("SELECT line FROM cosignature WHERE size = ? ORDER BY witness", (size,))
        return [line for (line,) in rows]

    def witnesses(self) -> list[str]:
        """Keys of all witnesses that ever cosigned the auditors' log."""
        return [
            key for (key,) in self.execute("SELECT DISTINCT witness FROM cosignature ORDER BY 1")
        ]

    def note(self, log_id: int, size: int) -> str | None:
        """The signed checkpoint of a log at one size, if one was signed."""
        row = self.execute(
            "SELECT note FROM checkpoint WHERE log_id = ? AND size = ?", (log_id, size)
        ).fetchone()
        return None if row is None else str(row[0])


def _split(peaks: bytes) -> tuple[bytes, ...]:
    return tuple(peaks[at : at + HASH_BYTES] for at in range(0, len(peaks), HASH_BYTES))
