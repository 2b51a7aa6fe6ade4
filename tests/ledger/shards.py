"""Shards for the ledger's tests: sets of plain bytes, a store, and an oracle beside it."""

from __future__ import annotations

import os
import shutil
import sqlite3
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from broker.ledger import Committed, Connection, Delivery, Message, Proof, RecordSet, ShardStore
from broker.ledger.database import TABLES
from broker.ledger.postgres import PostgresConnection, connect

ORIGIN = "test/s0"
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


def a_set(number: int, leaves: int = 3, recipients: Sequence[str] = ("A", "B")) -> RecordSet:
    """A set that is told apart by its number."""
    name = f"set-{number}"
    return RecordSet(
        set_id=name,
        leaves=tuple(f"{name} leaf {one}".encode() for one in range(leaves)),
        deliveries=tuple(
            Delivery(one, "alert", f"{name} to {one}".encode(), f"{name} sealed {one}".encode())
            for one in recipients
        ),
        sidecars=(("facts", f"{name} facts".encode()),),
    )


def plain(delivery: Delivery, proof: Proof) -> Message:
    """A message whose value says what it was made of."""
    value = f"{proof.origin}\n{proof.index}\n{proof.size}\n".encode() + delivery.body
    return Message(f"alerts.v1.{delivery.recipient}", delivery.leaf, value)


_store = ""


def set_store(url: str) -> None:
    """Stores are opened in that PostgreSQL from now on; in their folders with ""."""
    global _store  # noqa: PLW0603 -- what a module of tests runs on, set by one fixture
    _store = url


def schema_of(folder: Path) -> str:
    """The schema that stands for the store of a folder."""
    return "t" + sha256(str(folder).encode()).hexdigest()[:20]


def connection_of(folder: Path) -> Connection | None:
    """Where the rows of a folder's shard are; None for the folder itself."""
    return PostgresConnection(_store, schema_of(folder)) if _store else None


def open_store(folder: Path) -> ShardStore:
    """The store in that folder, or the one that stands for it in PostgreSQL."""
    return ShardStore.open(folder, ORIGIN, KEY, connection=connection_of(folder))


def copy_store(folder: Path, to: Path) -> None:
    """Files and rows of a store, closed or not, as they are now."""
    shutil.copytree(folder, to)
    copy_rows(folder, to)


def copy_rows(folder: Path, to: Path) -> None:
    """The rows of a store alone."""
    if not _store:
        for name in ("store.db", "store.db-wal"):
            if (folder / name).exists():
                shutil.copy(folder / name, to / name)
        return
    here, there = schema_of(folder), schema_of(to)
    PostgresConnection(_store, there).close()
    with connect(_store) as database, database.transaction():
        for table in TABLES:
            database.execute(f"DELETE FROM {there}.{table}")
            database.execute(
                f"INSERT INTO {there}.{table} OVERRIDING SYSTEM VALUE SELECT * FROM {here}.{table}"
            )
        for name in ("log_log_id_seq", "outbox_sequence_seq"):
            database.execute(
                f"SELECT setval('{there}.{name}', last_value, is_called) FROM {here}.{name}"
            )


def remove_store(folder: Path) -> None:
    """Files and rows."""
    shutil.rmtree(folder)
    if _store:
        with connect(_store) as database:
            database.execute(f"DROP SCHEMA {schema_of(folder)} CASCADE")


def rows_of(folder: Path) -> dict[str, list[Any]]:
    """Everything that a store says, of which no process may have a connection open in SQLite."""
    found: dict[str, list[Any]] = {}
    connection: Any = connect(_store) if _store else sqlite3.connect(folder / "store.db")
    prefix = f"{schema_of(folder)}." if _store else ""
    with closing(connection) as database:
        for table in TABLES:
            rows = database.execute(f"SELECT * FROM {prefix}{table}").fetchall()
            found[table] = sorted(map(repr, rows))
    return found


def record(
    store: ShardStore,
    sets: Sequence[RecordSet],
    *,
    epoch: int | None = None,
    next_offset: int = 1,
    render: Callable[[Delivery, Proof], Message] = plain,
) -> Committed:
    """Commits as the writer that the store now is, or with the epoch given."""
    epoch = store.take_epoch() if epoch is None else epoch
    return store.commit(sets, epoch=epoch, next_offset=next_offset, render=render)


def files_of(folder: Path) -> dict[str, bytes]:
    """Every published file of a shard."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith(("store.db", "."))
    }


def in_child(work: Callable[[], None]) -> int:
    """Runs `work` in a forked process; its exit code, or minus the signal that ended it."""
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        code = 70
        try:
            work()
            code = 0
        except BaseException:  # noqa: BLE001 -- a failing assertion must be seen from outside
            traceback.print_exc()
        finally:
            os._exit(code)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)
