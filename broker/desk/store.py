"""The desk's database: one SQLite file for one organisation; content in it is sealed.

Tables belong to the modules that use them; each gives its SCHEMA here and its functions take the store.
All calls are made from one thread, are short, and what they commit is on disk when they return.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from broker.desk.sealing import AtRest

FILE = "desk.db"
WAIT_S = 10.0


class DeskStoreError(RuntimeError):
    """A database that cannot be opened; says what to do."""


class DeskStore:
    """Rows of one desk, and the key that its content is sealed with."""

    def __init__(self, folder: Path, at_rest: AtRest, schemas: Iterable[str]) -> None:
        """Opens or makes the database in `folder`. Raises DeskStoreError where that cannot be."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.at_rest = at_rest
        path = folder / FILE
        try:
            self._connection = sqlite3.connect(
                path, isolation_level=None, timeout=WAIT_S, check_same_thread=False
            )
            path.chmod(0o600)
            self._connection.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;")
            for schema in schemas:
                self._connection.executescript(schema)
        except (sqlite3.Error, OSError) as error:
            raise DeskStoreError(
                f"{path} cannot be opened as a desk's database ({error}): check the disk; alerts and "
                "receipts are read from Kafka again if it is moved away, drafts are not"
            ) from error

    def execute(self, query: str, values: Sequence[Any] = ()) -> sqlite3.Cursor:
        """Runs one statement."""
        return self._connection.execute(query, values)

    def one(self, query: str, values: Sequence[Any] = ()) -> Any:
        """The first row, or None."""
        return self._connection.execute(query, values).fetchone()

    def all(self, query: str, values: Sequence[Any] = ()) -> list[Any]:
        """Every row."""
        return self._connection.execute(query, values).fetchall()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything inside is kept, on disk, or nothing is."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")
            raise

    def close(self) -> None:
        """Closes the database; whatever was committed stays."""
        self._connection.close()
