"""A shard's store in PostgreSQL: one database for all shards, a schema for each, a connection a writer.

A transaction first locks the shard's one row of `writer`: so two writers of one shard never run at
once, and what follows under READ COMMITTED sees all that was committed before. It is that row's epoch
by which a writer that was replaced is refused, in the same transaction as everything it would record.
"""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from broker.ledger.database import TABLES, WAIT_S, Rows
from broker.ledger.values import LedgerError

SHARD = re.compile(r"[a-z][a-z0-9_]{0,62}")
CONNECT_S = 10
IDLE_S = 20
"""The server ends a transaction whose process says nothing for so long, and lets the next one in."""
HELD_S = IDLE_S / 2
"""After so long without a word to the server a process no longer takes the lock for its own."""
SAFE = ("fsync", "full_page_writes")
"""Settings of the server without which a commit may not outlive a power cut."""
KEEPALIVES: dict[str, Any] = {
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}

SCHEMA = """
CREATE TABLE writer (
    "only" BIGINT PRIMARY KEY CHECK ("only" = 1), format BIGINT NOT NULL, verifier_key TEXT NOT NULL,
    epoch BIGINT NOT NULL, next_offset BIGINT NOT NULL, boot TEXT NOT NULL);
CREATE TABLE log (
    log_id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, owner TEXT COLLATE "C" NOT NULL UNIQUE,
    origin TEXT NOT NULL, size BIGINT NOT NULL, peaks BYTEA NOT NULL, published BIGINT NOT NULL);
CREATE TABLE entry (
    place BIGINT PRIMARY KEY, hash BYTEA NOT NULL, data BYTEA NOT NULL);
CREATE TABLE node (
    log_id BIGINT NOT NULL, level BIGINT NOT NULL, number BIGINT NOT NULL, hash BYTEA NOT NULL,
    PRIMARY KEY (log_id, level, number));
CREATE TABLE checkpoint (
    log_id BIGINT NOT NULL, size BIGINT NOT NULL, note TEXT NOT NULL, PRIMARY KEY (log_id, size));
CREATE TABLE signer (verifier_key TEXT COLLATE "C" PRIMARY KEY);
CREATE TABLE cosignature (
    size BIGINT NOT NULL, witness TEXT COLLATE "C" NOT NULL, line TEXT NOT NULL,
    PRIMARY KEY (size, witness));
CREATE TABLE record (
    number BIGINT PRIMARY KEY, set_id TEXT COLLATE "C" NOT NULL UNIQUE,
    first BIGINT NOT NULL, leaves BIGINT NOT NULL);
CREATE TABLE sidecar (
    record BIGINT NOT NULL, name TEXT COLLATE "C" NOT NULL, content BYTEA NOT NULL,
    PRIMARY KEY (record, name));
CREATE TABLE outbox (
    sequence BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic TEXT NOT NULL, key BYTEA NOT NULL, value BYTEA NOT NULL);
"""


def is_postgres(url: str) -> bool:
    """Whether a store's address is that of a PostgreSQL database."""
    return url.startswith(("postgresql://", "postgres://"))


class PostgresConnection:
    """The connection of one process to one shard's schema."""

    errors = (psycopg.Error,)
    shared = True

    def __init__(self, url: str, shard: str, *, read_only: bool = False) -> None:
        """Connects, and makes the shard's tables where there are none and it may write.

        Raises LedgerError for a database that cannot be reached, is not safe or is no ledger's.
        """
        if not SHARD.fullmatch(shard):
            raise LedgerError(f"{shard!r} is no name of a shard: letters, digits and _, as in s0")
        self.shown = f"{shard} in {shown_url(url)}"
        self._shard = shard
        self._own: set[str] = set()
        self._others = 0
        self._told = 0.0
        try:
            self._connection = connect(url)
            self._prepare(read_only=read_only)
        except psycopg.Error as error:
            raise LedgerError(
                f"{self.shown} cannot be opened as a ledger's store ({said(error)}): check the "
                "address in BROKER_LEDGER_STORE, the server, and the rights of its user"
            ) from None
        self._check_shape()

    def execute(self, query: str, values: Sequence[Any] = ()) -> Rows:
        """Runs one statement."""
        found = self._connection.execute(_marked(query), tuple(values) or None)
        self._told = time.monotonic()
        return found

    def executemany(self, query: str, rows: Iterable[Sequence[Any]]) -> None:
        """Runs one statement for each row of values, without waiting for each answer."""
        with self._connection.cursor() as cursor:
            cursor.executemany(_marked(query), list(rows))
        self._told = time.monotonic()

    def insert(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Adds many rows, in order."""
        query = sql.SQL("COPY {} ({}) FROM STDIN").format(
            sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns))
        )
        if isinstance(rows, list) and not rows:
            return
        with self._connection.cursor() as cursor, cursor.copy(query) as copy:
            for row in rows:
                copy.write_row(row)
        self._told = time.monotonic()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything inside is kept, on disk, or nothing is; other writers of the shard wait meanwhile."""
        self.execute("BEGIN ISOLATION LEVEL READ COMMITTED")
        try:
            self._lock()
            yield
            self.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(psycopg.Error):
                self._connection.rollback()
            raise

    @contextlib.contextmanager
    def unsynced_transaction(self) -> Iterator[None]:
        """A transaction that a power cut may undo, for what can be done again; it waits for no disk."""
        with self.transaction():
            self.execute("SET LOCAL synchronous_commit = off")
            yield

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[None]:
        """All that is read inside is of one moment, and nothing is written."""
        self.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        try:
            yield
        finally:
            with contextlib.suppress(psycopg.Error):
                self._connection.rollback()

    def rows_of(self, table: str) -> Iterator[Sequence[Any]]:
        """Every row of one table, a few at a time; inside a transaction."""
        query = sql.SQL(
            "SELECT {} FROM {} ORDER BY 1, 2" if len(TABLES[table]) > 1 else "SELECT {} FROM {}"
        )
        columns = sql.SQL(", ").join(map(sql.Identifier, TABLES[table]))
        with self._connection.cursor(f"all_{table}") as cursor:
            cursor.execute(query.format(columns, sql.Identifier(table)))
            yield from cursor

    def assert_held(self) -> None:
        """Raises LedgerError where the server may have ended this transaction: its process was stopped."""
        silent = time.monotonic() - self._told
        if silent > HELD_S:
            raise LedgerError(
                f"{self.shown}: this process stood still for {silent:.0f} s inside a transaction, and "
                "another may have the shard by now: it must stop; what is recorded is safe"
            )

    def others_wrote(self) -> int:
        """A number that changes when another connection has committed; asked in a transaction."""
        return self._others

    def close(self) -> None:
        """Closes the connection; whatever was committed stays."""
        self._connection.close()

    def _lock(self) -> None:
        """Waits until no other writer of the shard is at work; notices whether one has been."""
        query = "SELECT xmin::text, pg_current_xact_id()::xid::text FROM writer FOR UPDATE"
        row = self.execute(query).fetchone()
        if row is None:
            # A new shard has no row to lock yet. Not LOCK TABLE: the look for a row has locked the table
            # already, in a weaker way that two writers can share, and then neither would get the stronger.
            self.execute("SELECT pg_advisory_xact_lock(hashtextextended(?, 0))", (self._shard,))
            row = self.execute(query).fetchone()
        if row is None:
            return
        wrote, own = row
        if wrote not in self._own:
            self._others += 1
            self._own.clear()
        else:
            self._own = {wrote}
        self._own.add(own)

    def _prepare(self, *, read_only: bool) -> None:
        for name in SAFE:
            (value,) = self.execute(f"SHOW {name}").fetchone()
            if value != "on":
                raise LedgerError(
                    f"{self.shown}: the server has {name} = {value}, so what it confirms may be lost "
                    "with the power: set it to on"
                )
        (encoding,) = self.execute("SHOW server_encoding").fetchone()
        if encoding != "UTF8":
            raise LedgerError(f"{self.shown}: the database is in {encoding}: make one in UTF8")
        self.execute(f'SET search_path TO "{self._shard}"')
        for name, seconds in (
            ("lock_timeout", WAIT_S),
            ("idle_in_transaction_session_timeout", IDLE_S),
        ):
            self.execute(f"SET {name} = {round(seconds * 1000)}")
        self.execute("SET synchronous_commit = on")
        if not read_only:
            self._make()

    def _make(self) -> None:
        """The shard's tables, where they are not there; two processes may try at once."""
        if self._is_made():
            return
        # Not inside the transaction: one that was begun before the wait would not see the new tables.
        self.execute("SELECT pg_advisory_lock(hashtextextended(?, 0))", (self._shard,))
        try:
            with self._connection.transaction():
                if not self._is_made():
                    self.execute(f'CREATE SCHEMA IF NOT EXISTS "{self._shard}"')
                    self.execute(SCHEMA)
        finally:
            self.execute("SELECT pg_advisory_unlock(hashtextextended(?, 0))", (self._shard,))

    def _is_made(self) -> bool:
        (found,) = self.execute(
            "SELECT to_regclass(?) IS NOT NULL", (f'"{self._shard}".outbox',)
        ).fetchone()
        return bool(found)

    def _check_shape(self) -> None:
        """The tables and columns of a store, and nothing in the schema that acts by itself."""
        found = self.execute(
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = ? "
            "ORDER BY table_name, ordinal_position",
            (self._shard,),
        ).fetchall()
        expected = sorted(
            (table, column) for table, columns in TABLES.items() for column in columns
        )
        (acting,) = self.execute(
            "SELECT (SELECT count(*) FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid "
            "WHERE relnamespace = to_regnamespace(?) AND NOT tgisinternal) "
            "+ (SELECT count(*) FROM pg_rules WHERE schemaname = ?)",
            (self._shard, self._shard),
        ).fetchone()
        if sorted(found) != expected or acting:
            raise LedgerError(
                f"{self.shown}: its tables are not those of a ledger's store of this release "
                "(no tables, other columns, or triggers and rules that do not belong there)"
            )


def connect(url: str) -> psycopg.Connection[tuple[Any, ...]]:
    """A connection on which each statement is kept at once unless a transaction is begun."""
    return psycopg.connect(
        url,
        autocommit=True,
        connect_timeout=CONNECT_S,
        application_name="broker-ledger",
        **KEEPALIVES,
    )


def shown_url(url: str) -> str:
    """A database as a sentence names it: without user and password."""
    try:
        parts = conninfo_to_dict(url)
    except psycopg.Error:
        return "a PostgreSQL address that cannot be read"
    return f"PostgreSQL {parts.get('host') or 'localhost'}/{parts.get('dbname') or ''}"


def said(error: psycopg.Error) -> str:
    """What the server said, in one line and without values of rows."""
    return error.diag.message_primary or str(error).partition("\n")[0]


def _marked(query: str) -> Any:
    return query.replace("?", "%s")
