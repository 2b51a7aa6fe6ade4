"""Which database holds a shard: the file in its folder, or the PostgreSQL that the settings name."""

from __future__ import annotations

from pathlib import Path

from broker.ledger.database import Connection
from broker.ledger.sqlite import SqliteConnection
from broker.ledger.values import LedgerError


def open_connection(store: str, directory: Path) -> Connection:
    """The database of the shard whose files lie in `directory`; `store` is empty for SQLite there.

    A PostgreSQL address (`postgresql://...`) has a schema for each shard, of its folder's name. Raises
    LedgerError for any other address, or a database that cannot be opened.
    """
    if not store:
        return SqliteConnection(directory)
    from broker.ledger.postgres import PostgresConnection, is_postgres  # noqa: PLC0415 -- only where asked for

    if not is_postgres(store):
        raise LedgerError("BROKER_LEDGER_STORE is no address of the form postgresql://...")
    return PostgresConnection(store, directory.name)
