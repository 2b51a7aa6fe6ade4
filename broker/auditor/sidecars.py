"""What is kept beside the log: sealed facts and rows, which the leaves commit to; and the store itself.

Read from the store's database where it is there. A copy may lack it, or hold it without what was in
its write-ahead log; then that is said, and the log itself is verified all the same.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from pathlib import Path

from broker.auditor.accounts import Where
from broker.auditor.recorded import shards_of
from broker.auditor.report import BadLedgerError
from broker.auditor.stored import Former, SeenLog, check_tables

FILE = "store.db"

Wanted = Mapping[tuple[str, str], tuple[str, Where]]
"""(set id, name) -> (SHA-256 in hex, the leaf that commits to it)."""


def check_store(
    shard: Path, wanted: Wanted, logs: Mapping[str, SeenLog], copied: Path | None = None
) -> tuple[Former, str | None]:
    """Every sidecar that a leaf of the shard commits to, and every row of the store.

    `logs` by owner, "" the auditors'. `copied`: the store as it is in PostgreSQL.
    Returns the former checkpoints, and a note on what was not checked.
    Raises BadLedgerError.
    """
    path = copied or shard / FILE
    shown = f"{shard.name} in PostgreSQL" if copied else f"{shard.name}/{FILE}"
    if not path.is_file() or not os.access(path, os.R_OK):
        return Former(), (
            f"{shown} is not here or not readable: sealed facts and rows were not checked"
        )
    try:
        if not path.stat().st_size:
            raise BadLedgerError(f"{shown} cannot be read as a ledger's store: it is empty")
        with _read_only(path) as database:
            note = _check(database, shown, wanted, len(logs[""].hashes))
            if not _tables(database):
                return Former(), note
            return check_tables(database, shown, logs), note
    except (sqlite3.Error, OSError, UnicodeDecodeError) as error:
        raise BadLedgerError(f"{shown} cannot be read as a ledger's store: {error}") from error


def read_sidecars(shard: Path, name: str) -> dict[str, bytes]:
    """Set id -> the sealed bytes of that name, as they lie; empty where the store is not here.

    Raises BadLedgerError where the store cannot be read.
    """
    path = shard / FILE
    if not path.is_file():
        return {}
    try:
        with _read_only(path) as database:
            if not _tables(database):
                return {}
            return dict(
                database.execute(
                    "SELECT record.set_id, sidecar.content FROM sidecar "
                    "JOIN record ON record.number = sidecar.record WHERE sidecar.name = ?",
                    (name,),
                )
            )
    except (sqlite3.Error, OSError, UnicodeDecodeError) as error:
        raise BadLedgerError(
            f"{shard.name}/{FILE} cannot be read as a ledger's store: {error}"
        ) from error


def all_sidecars(ledger_dir: Path, name: str) -> dict[str, bytes]:
    """The same over all shards of a ledger. Raises BadLedgerError."""
    return {
        set_id: content
        for shard in shards_of(ledger_dir)
        for set_id, content in read_sidecars(shard, name).items()
    }


@contextlib.contextmanager
def open_sidecars(shard: Path, name: str) -> Iterator[Callable[[str], bytes | None]]:
    """Looks up the sealed bytes of that name by set id; finds nothing where the store is not here.

    Raises BadLedgerError where the store cannot be read.
    """
    path = shard / FILE
    if not path.is_file() or not path.stat().st_size:
        yield lambda _set_id: None
        return
    try:
        with _read_only(path) as database:
            if not database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                yield lambda _set_id: None
                return

            def look_up(set_id: str) -> bytes | None:
                row = database.execute(
                    "SELECT sidecar.content FROM record "
                    "JOIN sidecar ON sidecar.record = record.number "
                    "WHERE record.set_id = ? AND sidecar.name = ?",
                    (set_id, name),
                ).fetchone()
                return None if row is None else row[0]

            yield look_up
    except (sqlite3.Error, UnicodeDecodeError) as error:
        raise BadLedgerError(
            f"{shard.name}/{FILE} cannot be read as a ledger's store: {error}"
        ) from error


def read_outbox(shard: Path) -> list[tuple[int, bytes]]:
    """(sequence, message id) of what is yet to be sent or was lately; none where the store is not here.

    Raises BadLedgerError where the store cannot be read.
    """
    path = shard / FILE
    if not path.is_file():
        return []
    try:
        with _read_only(path) as database:
            if not _tables(database):
                return []
            return list(database.execute("SELECT sequence, key FROM outbox ORDER BY sequence"))
    except (sqlite3.Error, OSError, UnicodeDecodeError) as error:
        raise BadLedgerError(
            f"{shard.name}/{FILE} cannot be read as a ledger's store: {error}"
        ) from error


def _check(database: sqlite3.Connection, shown: str, wanted: Wanted, size: int) -> str | None:
    left = dict(wanted)
    if not _tables(database):
        return _older(shown, 0, size, len(left))
    for set_id, name, content in database.execute(
        "SELECT record.set_id, sidecar.name, sidecar.content "
        "FROM sidecar JOIN record ON record.number = sidecar.record"
    ):
        digest, where = left.pop((set_id, name), (None, None))
        if digest is None:
            continue
        if not isinstance(content, bytes) or sha256(content).hexdigest() != digest:
            raise BadLedgerError(
                f"{shown}: the sealed {name} of set {set_id} are not those that {where} commits to"
            )
    row = database.execute("SELECT size FROM log WHERE owner = ''").fetchone()
    held = row[0] if row and isinstance(row[0], int) else 0
    if held < size:
        return _older(shown, held, size, len(left))
    for (set_id, name), (_, where) in left.items():
        raise BadLedgerError(f"{shown}: lacks the sealed {name} of set {set_id} ({where})")
    if held > size:
        return f"{shown} holds {held - size} entries that are not published yet"
    return None


def _tables(database: sqlite3.Connection) -> int:
    """How many there are: none in a copy without its write-ahead log."""
    return int(database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0])


def _older(shown: str, held: int, size: int, unchecked: int) -> str:
    return (
        f"{shown} is older than the log ({held} of {size} entries), as a copy without its "
        f"store.db-wal is: {unchecked} sealed facts and rows were not checked"
    )


@contextlib.contextmanager
def _read_only(path: Path) -> Iterator[sqlite3.Connection]:
    """The database, opened so that nothing beside it is written."""
    with contextlib.ExitStack() as stack:
        log, shared = (path.with_name(path.name + end) for end in ("-wal", "-shm"))
        options = "mode=ro"
        if not log.exists() or not log.stat().st_size:
            options = "mode=ro&immutable=1"
        elif not shared.exists():
            # SQLite would make an index file beside the copy: it is made elsewhere instead.
            elsewhere = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            for one in (path, log):
                shutil.copy(one, elsewhere / one.name)
            path = elsewhere / path.name
        uri = f"{path.resolve().as_uri()}?{options}"
        database = stack.enter_context(
            contextlib.closing(sqlite3.connect(uri, uri=True, timeout=10, isolation_level=None))
        )
        # All is read as of one moment, however much its writer adds meanwhile.
        database.execute("BEGIN")
        yield database
