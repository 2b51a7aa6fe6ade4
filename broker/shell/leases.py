"""Which ledger process writes which shard, where several share a PostgreSQL: leases that it keeps.

A lease says who is to try, no more: what keeps two writers of a shard apart is the shard's epoch, in
the transaction that records, and Kafka's own fencing. So a clock that jumps or a process that hangs
costs time here, and nothing else. Time is the database's.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any, LiteralString

import psycopg
import structlog

from broker.ledger import LedgerError
from broker.ledger.postgres import connect, said, shown_url

BEAT_S = 0.5
LASTS_S = 4.0
"""After so long without a word from a process that hangs its shards go to others."""
GIVES_UP_AFTER_S = 30.0
"""Without the database for so long the process ends, for whoever watches it to see."""
SCHEMA = """
CREATE SCHEMA IF NOT EXISTS ledger_leases;
CREATE TABLE IF NOT EXISTS ledger_leases.member (
    name TEXT COLLATE "C" PRIMARY KEY, backend BIGINT NOT NULL, until TIMESTAMPTZ NOT NULL);
CREATE TABLE IF NOT EXISTS ledger_leases.lease (
    shard TEXT COLLATE "C" PRIMARY KEY, holder TEXT COLLATE "C" NOT NULL);
"""
LIVES = """
INSERT INTO ledger_leases.member
VALUES (%s, pg_backend_pid(), clock_timestamp() + make_interval(secs => %s))
ON CONFLICT (name) DO UPDATE SET backend = excluded.backend, until = excluded.until
"""
GONE = """
DELETE FROM ledger_leases.member WHERE until < clock_timestamp()
OR NOT EXISTS (SELECT 1 FROM pg_stat_activity WHERE pid = backend)
"""
"""A process that was killed has no connection any more, which is seen at once; one that hangs has."""

log = structlog.get_logger()


def share(
    me: str, members: Sequence[str], shards: Sequence[str], holders: Mapping[str, str]
) -> frozenset[str]:
    """The shards that a process is to hold: as even a share as can be, with as few moves as can be.

    `holders`: shard -> the member that holds it. Keeps what it has up to its share, then takes what
    nobody holds; takes nothing from another. Pure.
    """
    rank = sorted(members).index(me)
    each, over = divmod(len(shards), len(members))
    most = each + (rank < over)
    held = [one for one in shards if holders.get(one) == me]
    free = [one for one in shards if holders.get(one) not in members]
    return frozenset((held + free)[:most])


class Leases:
    """The leases of one process. A thread keeps them up, however busy the process is."""

    def __init__(self, url: str, shards: Sequence[str]) -> None:
        """`url`: the database of all shards. Raises LedgerError where it cannot be used."""
        self.name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        self._url = url
        self._shards = tuple(shards)
        self._held: frozenset[str] = frozenset()
        self._beaten = time.monotonic()
        self._ended = threading.Event()
        try:
            self._connection = self._open()
        except psycopg.Error as error:
            raise LedgerError(
                f"{shown_url(url)} cannot be used for the leases of shards ({said(error)}): check "
                "the address in BROKER_LEDGER_STORE, the server, and the rights of its user"
            ) from None
        self._thread = threading.Thread(target=self._run, name="leases", daemon=True)

    def start(self) -> None:
        """Begins to hold shards."""
        self._thread.start()

    def held(self) -> frozenset[str]:
        """The shards that this process is to write now. Raises LedgerError without a database for long."""
        silent = time.monotonic() - self._beaten
        if silent > GIVES_UP_AFTER_S:
            raise LedgerError(
                f"{shown_url(self._url)} has not answered for {silent:.0f} s: see that it runs"
            )
        return self._held if silent < LASTS_S else frozenset()

    def close(self) -> None:
        """Lets others have the shards at once. Call it when nothing writes them any more."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(LASTS_S)
        with contextlib.suppress(psycopg.Error), self._connection.transaction():
            self._lock()
            self._leave()
        self._connection.close()

    def beat(self) -> frozenset[str]:
        """Says that this process lives, and takes or gives up shards; one transaction."""
        begun = time.monotonic()
        with self._connection.transaction():
            self._lock()
            self._connection.execute(LIVES, (self.name, LASTS_S))
            self._connection.execute(GONE)
            members = [name for (name,) in self._rows("SELECT name FROM ledger_leases.member")]
            holders = dict(self._rows("SELECT shard, holder FROM ledger_leases.lease"))
            held = share(self.name, members, self._shards, holders)
            self._connection.execute(
                "DELETE FROM ledger_leases.lease WHERE holder = %s AND NOT shard = ANY(%s)",
                (self.name, list(held)),
            )
            for shard in held:
                self._connection.execute(
                    "INSERT INTO ledger_leases.lease VALUES (%s, %s) "
                    "ON CONFLICT (shard) DO UPDATE SET holder = excluded.holder",
                    (shard, self.name),
                )
        self._held, self._beaten = held, begun
        return held

    def _run(self) -> None:
        while not self._ended.is_set():
            try:
                self.beat()
            except psycopg.Error as error:
                log.warning("leases_unreachable", reason=said(error))
                self._ended.wait(BEAT_S)
                with contextlib.suppress(psycopg.Error):
                    self._connection.close()
                    self._connection = self._open()
                continue
            self._ended.wait(BEAT_S)

    def _open(self) -> psycopg.Connection[tuple[Any, ...]]:
        connection = connect(self._url)
        connection.execute("SELECT pg_advisory_lock(hashtextextended('ledger_leases', 0))")
        connection.execute(SCHEMA)
        connection.execute("SELECT pg_advisory_unlock(hashtextextended('ledger_leases', 0))")
        connection.execute(f"SET lock_timeout = {round(LASTS_S * 1000)}")
        connection.execute(f"SET idle_in_transaction_session_timeout = {round(LASTS_S * 1000)}")
        return connection

    def _rows(self, query: LiteralString) -> list[tuple[Any, ...]]:
        return self._connection.execute(query).fetchall()

    def _lock(self) -> None:
        self._connection.execute("LOCK TABLE ledger_leases.lease IN EXCLUSIVE MODE")

    def _leave(self) -> None:
        self._connection.execute("DELETE FROM ledger_leases.lease WHERE holder = %s", (self.name,))
        self._connection.execute("DELETE FROM ledger_leases.member WHERE name = %s", (self.name,))
