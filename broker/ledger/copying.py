"""Shards out of PostgreSQL as files: the same tables in SQLite, as of one moment, for whoever checks them.

So an auditor's tools know one form of a store, and a copy can be kept and carried as any ledger's folder.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg

from broker.ledger.database import TABLES, Stores
from broker.ledger.postgres import PostgresConnection, said
from broker.ledger.sqlite import FILE, SqliteConnection
from broker.ledger.values import LedgerError


@contextmanager
def stores_in(url: str) -> Iterator[Stores]:
    """The stores of all shards in a PostgreSQL, each copied when it is asked for.

    The copies hold sealed content: they are readable by this user alone and go with the block.
    """
    with tempfile.TemporaryDirectory(prefix="ledger-") as above:

        def copied(shard: str) -> Path:
            directory = Path(above, shard)
            shutil.rmtree(directory, ignore_errors=True)
            return copy_shard(url, shard, directory)

        yield copied


def copy_shard(url: str, shard: str, directory: Path) -> Path:
    """Writes a shard's store to a new file in `directory` and returns it. Changes nothing in PostgreSQL.

    Raises LedgerError where the database cannot be read, or its tables are not those of a store.
    """
    if (directory / FILE).exists():
        raise LedgerError(f"{directory / FILE} is there already: name another folder")
    source = PostgresConnection(url, shard, read_only=True)
    with closing(source), closing(SqliteConnection(directory)) as target:
        try:
            with source.snapshot(), target.transaction():
                for table, columns in TABLES.items():
                    target.insert(table, columns, source.rows_of(table))
        except psycopg.Error as error:
            raise LedgerError(f"{source.shown} cannot be read: {said(error)}") from None
    return directory / FILE
