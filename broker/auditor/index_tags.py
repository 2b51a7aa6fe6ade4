"""Subject tags into the index: from the audit rows beside the log, with the auditors' key.

A tag is made of the key that erasure destroys. The index keeps it, and so can still say afterwards
that some sets are of one subject; nobody can say of which.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import msgspec

from broker.auditor.sidecars import open_sidecars
from broker.model.sealer import open_rows
from broker.model.sealing import SealError

UNTAGGED = ""
"""Of a set whose rows were read and hold no tag: it is older than tags."""
CHUNK = 5000


class _Rows(msgspec.Struct, frozen=True):
    subject_tag: str = UNTAGGED


_rows = msgspec.json.Decoder(_Rows)


def add_tags(database: sqlite3.Connection, ledger_dir: Path, rows_key: bytes) -> int:
    """Tags of the sets that have none in the index yet; how many were added.

    Sets whose rows are not here stay without. Raises SealError where the key is not that of the rows.
    """
    added = 0
    shards = [row[0] for row in database.execute("SELECT shard FROM log ORDER BY shard")]
    for shard in shards:
        with open_sidecars(ledger_dir / shard, "rows") as look_up:
            for some in _untagged(database, shard):
                found = []
                for number, set_id in some:
                    sealed = look_up(set_id)
                    if sealed is not None:
                        plain = open_rows(rows_key, sealed, set_id)
                        found.append((_tag(plain), number))
                database.execute("BEGIN IMMEDIATE")
                database.executemany("UPDATE part SET tag = ? WHERE id = ?", found)
                database.execute("COMMIT")
                added += len(found)
    return added


def _untagged(database: sqlite3.Connection, shard: str) -> Iterator[list[tuple[int, str]]]:
    last = 0
    while True:
        some = database.execute(
            "SELECT id, set_id FROM part WHERE tag IS NULL AND shard = ? AND id > ? "
            "ORDER BY id LIMIT ?",
            (shard, last, CHUNK),
        ).fetchall()
        if not some:
            return
        last = some[-1][0]
        yield some


def _tag(rows: bytes) -> str:
    try:
        return _rows.decode(rows).subject_tag
    except msgspec.MsgspecError as error:
        raise SealError("the audit rows of a set cannot be read") from error
