"""The index beside a ledger: one SQLite file, derived from its published files and never trusted blindly.

It says where leaves lie and never what they say: every answer is read from the ledger's own files, and
each leaf compared with the hash that was kept when the log's root was found over it. The file holds ids,
codes and, where the auditors' key was given, subject tags: it is readable by its owner only. Whoever
loses it loses time: it is made again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from broker.auditor.report import BadLedgerError
from broker.ledger import EMPTY, Edge

FORMAT = 1
SUFFIX = ".index.db"
HASH_BYTES = 32
WAIT_S = 30
TABLES = """
CREATE TABLE IF NOT EXISTS log (
  shard TEXT PRIMARY KEY, origin TEXT NOT NULL, size INTEGER NOT NULL, peaks BLOB NOT NULL,
  checkpoint INTEGER NOT NULL, root BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS name (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS part (
  id INTEGER PRIMARY KEY, shard TEXT NOT NULL, first INTEGER NOT NULL, at INTEGER NOT NULL,
  offset INTEGER NOT NULL, hash BLOB NOT NULL, set_id TEXT NOT NULL, publisher TEXT NOT NULL,
  event_id TEXT NOT NULL, version INTEGER NOT NULL, part_id TEXT NOT NULL, round INTEGER NOT NULL,
  decided_at INTEGER NOT NULL, decisions INTEGER NOT NULL, count INTEGER NOT NULL, tag TEXT);
CREATE TABLE IF NOT EXISTS decision (
  id INTEGER PRIMARY KEY, part INTEGER NOT NULL, at INTEGER NOT NULL, offset INTEGER NOT NULL,
  hash BLOB NOT NULL, recipient INTEGER NOT NULL, organisation INTEGER NOT NULL,
  outcome INTEGER NOT NULL, decided_at INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS named (
  name INTEGER NOT NULL, decided_at INTEGER NOT NULL, decision INTEGER NOT NULL,
  PRIMARY KEY (name, decided_at, decision)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS other (
  id INTEGER PRIMARY KEY, kind TEXT NOT NULL, shard TEXT NOT NULL, at INTEGER NOT NULL,
  offset INTEGER NOT NULL, hash BLOB NOT NULL, about TEXT, also TEXT);
"""
"""`part`, `decision` and `other` hold the place of a leaf: shard, index, offset in its bundle, hash.

`other` holds acts by the alert they answer, links by the two tokens, and every kind unknown here.
"""
INDEXES = """
CREATE INDEX IF NOT EXISTS part_event ON part (event_id);
CREATE INDEX IF NOT EXISTS part_part ON part (part_id);
CREATE INDEX IF NOT EXISTS part_time ON part (decided_at);
CREATE INDEX IF NOT EXISTS part_place ON part (shard, at);
CREATE INDEX IF NOT EXISTS part_tag ON part (tag, decided_at);
CREATE INDEX IF NOT EXISTS decision_organisation ON decision (organisation, decided_at);
CREATE INDEX IF NOT EXISTS decision_recipient ON decision (recipient, decided_at);
CREATE INDEX IF NOT EXISTS decision_outcome ON decision (outcome, decided_at);
CREATE INDEX IF NOT EXISTS other_about ON other (kind, about);
CREATE INDEX IF NOT EXISTS other_also ON other (kind, also);
"""
"""Made after the first filling: a log that is read from its beginning is then sorted once."""
NAMES = ("log", "name", "part", "decision", "named", "other")


class Indexed(msgspec.Struct, frozen=True):
    """How far one log is in the index."""

    shard: str
    origin: str
    edge: Edge
    """Of the entries that were taken in; a set is taken in whole or not at all."""
    checkpoint: int
    """Size of the signed checkpoint that the entries were found to give; below: not compared yet."""
    root: bytes


def index_path(ledger_dir: Path) -> Path:
    """Where the index of a ledger lies: beside its folder, never in it."""
    resolved = ledger_dir.resolve()
    return resolved.with_name(f"{resolved.name}{SUFFIX}")


@contextmanager
def open_index(path: Path) -> Iterator[sqlite3.Connection]:
    """The index file, made where there is none; one of another format, or damaged, is made anew.

    Raises BadLedgerError where it can be neither read nor written.
    """
    try:
        database = _opened(path)
    except sqlite3.Error as error:
        raise BadLedgerError(
            f"{path} cannot be used as an index ({error}): name another place with --index, or "
            "read the files without one by --no-verify"
        ) from error
    try:
        yield database
    finally:
        database.close()


def indexed_logs(database: sqlite3.Connection) -> dict[str, Indexed]:
    """Shard -> how far it is indexed."""
    return {
        row[0]: Indexed(row[0], row[1], _edge(row[2], row[3]), row[4], row[5])
        for row in database.execute(
            "SELECT shard, origin, size, peaks, checkpoint, root FROM log ORDER BY shard"
        )
    }


def forget_all(database: sqlite3.Connection) -> None:
    """Empties the index: what it was built from is no longer what lies there."""
    for name in NAMES:
        database.execute(f"DROP TABLE IF EXISTS {name}")
    database.executescript(TABLES)


def _opened(path: Path) -> sqlite3.Connection:
    try:
        return _connected(path)
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):
            raise
        for ending in ("", "-journal"):
            with suppress(FileNotFoundError):
                path.with_name(path.name + ending).unlink()
        return _connected(path)


def _connected(path: Path) -> sqlite3.Connection:
    if not path.exists():
        with suppress(OSError):
            path.touch(mode=0o600)
    database = sqlite3.connect(path, isolation_level=None, timeout=WAIT_S)
    database.execute("PRAGMA synchronous=NORMAL")
    database.execute("PRAGMA cache_size=-65536")
    (found,) = database.execute("PRAGMA user_version").fetchone()
    if found != FORMAT:
        forget_all(database)
        database.execute(f"PRAGMA user_version={FORMAT}")
    return database


def _edge(size: int, peaks: bytes) -> Edge:
    if not size:
        return EMPTY
    return Edge(size, tuple(peaks[at : at + HASH_BYTES] for at in range(0, len(peaks), HASH_BYTES)))
