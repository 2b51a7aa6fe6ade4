"""A shard from its file to PostgreSQL, once: every row, and the file can be written no more."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import psycopg

from broker.ledger.database import FORMAT, TABLES
from broker.ledger.postgres import PostgresConnection, said
from broker.ledger.sqlite import FILE, SqliteConnection
from broker.ledger.values import LedgerError

MOVED = -1
"""Format of a store that was moved: every broker refuses to open it."""
KEPT = "store.db.moved"


def move_shard(directory: Path, url: str) -> int:
    """Moves the rows of the shard in `directory` to its schema in PostgreSQL; how many there were.

    A writer that still runs is fenced, and the file is kept as `store.db.moved`, which nothing opens.
    Raises LedgerError, with the file as it was, where there is no store, or the schema has rows.
    """
    if not (directory / FILE).is_file():
        raise LedgerError(f"{directory / FILE} is not there: nothing to move")
    with (
        closing(SqliteConnection(directory)) as source,
        closing(PostgresConnection(url, directory.name)) as target,
    ):
        if target.execute("SELECT count(*) FROM log").fetchone() != (0,):
            raise LedgerError(f"{target.shown} already holds a ledger: nothing was moved")
        with source.transaction():
            if source.execute("SELECT format FROM writer").fetchall() != [(FORMAT,)]:
                raise LedgerError(f"{source.shown} is of another format: nothing was moved")
            source.execute("UPDATE writer SET format = ?, epoch = epoch + 1", (MOVED,))
            try:
                count = _copy(source, target)
            except psycopg.Error as error:
                what = f"nothing was moved to {target.shown}: {said(error)}"
                raise LedgerError(what) from None
        # What is in the write-ahead log belongs to the file that is put aside.
        source.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    (directory / FILE).rename(directory / KEPT)
    return count


def _copy(source: SqliteConnection, target: PostgresConnection) -> int:
    count = 0
    with target.transaction():
        for table, columns in TABLES.items():
            names = ", ".join(f'"{one}"' for one in columns)
            target.insert(table, columns, source.execute(f"SELECT {names} FROM {table}"))  # noqa: S608 -- names of this package
            (rows,) = target.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608 -- see above
            count += rows
        target.execute("UPDATE writer SET format = ?", (FORMAT,))
        (sent,) = source.execute(
            "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'outbox'"
        ).fetchone()
        (logs,) = source.execute("SELECT max(log_id) FROM log").fetchone()
        for sequence, last in (("outbox_sequence_seq", sent), ("log_log_id_seq", logs)):
            target.execute("SELECT setval(?, ?)", (sequence, max(1, last)))
    return count
