"""The rows of one shard's store, in whatever database they lie: what both dialects say alike.

What is in it is the record; the files that outsiders read are derived from it. A log's entries carry
their leaf hashes, `node` the hashes of higher tiles, and `log.peaks` the tree's edge, so that growing
a log reads none of its past. Where SQL differs, `sqlite.py` and `postgres.py` each say it their way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

import msgspec

from broker.ledger.tree import HASH_BYTES, Edge

FORMAT = 1
WAIT_S = 30.0
"""How long a writer waits for another one's transaction."""
INDEX_BITS = 40
UNPUBLISHED = -1
IDS_AT_ONCE = 500

TABLES: dict[str, tuple[str, ...]] = {
    "writer": ("only", "format", "verifier_key", "epoch", "next_offset", "boot"),
    "signer": ("verifier_key",),
    "log": ("log_id", "owner", "origin", "size", "peaks", "published"),
    "entry": ("place", "hash", "data"),
    "node": ("log_id", "level", "number", "hash"),
    "checkpoint": ("log_id", "size", "note"),
    "cosignature": ("size", "witness", "line"),
    "record": ("number", "set_id", "first", "leaves"),
    "sidecar": ("record", "name", "content"),
    "outbox": ("sequence", "topic", "key", "value"),
}
"""Every table of a store and its columns; a test holds both dialects to it."""

Stores = Callable[[str], Path]
"""Shard -> a file with its store as it is now. Raises LedgerError."""


class Rows(Protocol):
    """The answer to one query."""

    def fetchone(self) -> Any:
        """The next row, None at the end."""

    def fetchall(self) -> list[Any]:
        """All rows that are left."""

    def __iter__(self) -> Iterator[Any]: ...


class Connection(Protocol):
    """What a database must do to hold a shard. Queries have `?` for their values.

    A transaction keeps everything inside it, on disk, or nothing; no two of one shard run at once.
    """

    shown: str
    """How a sentence names it; holds no password."""
    shared: bool
    """Whether its writers may run on several machines: then none knows how another's machine fared."""

    @property
    def errors(self) -> tuple[type[Exception], ...]:
        """What it raises when it cannot do what it is told."""

    def execute(self, query: str, values: Sequence[Any] = ()) -> Rows:
        """Runs one statement."""

    def executemany(self, query: str, rows: Iterable[Sequence[Any]]) -> None:
        """Runs one statement for each row of values."""

    def insert(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Adds many rows, in order."""

    def transaction(self) -> AbstractContextManager[None]:
        """Everything inside is kept, on disk, or nothing is; other writers wait meanwhile."""

    def unsynced_transaction(self) -> AbstractContextManager[None]:
        """A transaction that a power cut may undo, for what can be done again; it waits for no disk."""

    def assert_held(self) -> None:
        """Raises LedgerError where other writers may not be waiting any more for this transaction."""

    def others_wrote(self) -> int:
        """A number that changes when another connection has committed; asked in a transaction."""

    def close(self) -> None:
        """Closes the connection; whatever was committed stays."""


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
    """The rows of a shard on one connection."""

    def __init__(self, connection: Connection) -> None:
        """The connection is this object's from now on."""
        self._connection = connection
        self.shown = connection.shown
        self.shared = connection.shared
        self.errors = connection.errors
        self.execute = connection.execute
        self.executemany = connection.executemany
        self.insert = connection.insert
        self.transaction = connection.transaction
        self.unsynced_transaction = connection.unsynced_transaction
        self.assert_held = connection.assert_held
        self.others_wrote = connection.others_wrote
        self.close = connection.close

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
        (log_id,) = self.execute(
            "INSERT INTO log (owner, origin, size, peaks, published) VALUES (?, ?, 0, ?, ?) "
            "RETURNING log_id",
            (owner, origin, b"", UNPUBLISHED),
        ).fetchone()
        return LogRow(log_id, owner, origin, Edge(0, ()), UNPUBLISHED)

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

    def known_sets(self, set_ids: Sequence[str]) -> set[str]:
        """Those of the set ids that were recorded before."""
        found: set[str] = set()
        for start in range(0, len(set_ids), IDS_AT_ONCE):
            asked = set_ids[start : start + IDS_AT_ONCE]
            marks = ",".join("?" * len(asked))
            query = f"SELECT set_id FROM record WHERE set_id IN ({marks})"  # noqa: S608 -- only question marks are put in
            found.update(set_id for (set_id,) in self.execute(query, asked))
        return found

    def last_record(self) -> int:
        """Number of the newest set; 0 where none is recorded."""
        (number,) = self.execute("SELECT coalesce(max(number), 0) FROM record").fetchone()
        return int(number)


def _split(peaks: bytes) -> tuple[bytes, ...]:
    return tuple(peaks[at : at + HASH_BYTES] for at in range(0, len(peaks), HASH_BYTES))
