"""The auditors' keys of the sealed rows: one after another in `rows.key`, their days in `rows.json`.

An auditor who holds the file reads every row; one who holds an earlier copy of it, the rows of then.
Which key seals follows from Kafka's time of the record, so deciding again gives the same bytes.
"""

from __future__ import annotations

import datetime
import json
import secrets
from pathlib import Path

from broker.model.key_terms import BEGINNING
from broker.shell.epochs import write_private
from broker.shell.key_errors import KeysError
from broker.shell.key_files import SECRET_BYTES, read_file, write_json

KEYS, DAYS = "rows.key", "rows.json"


def rows_key_at(own: Path, moment: datetime.datetime) -> bytes:
    """The key that rows of that moment are sealed with. Raises KeysError."""
    begins = since_when(own)
    keys = read_file(own / KEYS)
    number = sum(one <= moment for one in begins) - 1
    found = keys[number * SECRET_BYTES : (number + 1) * SECRET_BYTES]
    if len(keys) % SECRET_BYTES or len(found) != SECRET_BYTES:
        raise KeysError(f"{own / KEYS} does not hold 32-byte keys: restore it from backup")
    return found


def since_when(own: Path) -> tuple[datetime.datetime, ...]:
    """From when each key of the file seals, the first since the beginning. Raises KeysError."""
    path = own / DAYS
    if not path.exists():
        return (BEGINNING,)
    try:
        return (BEGINNING, *map(datetime.datetime.fromisoformat, json.loads(path.read_bytes())))
    except ValueError:
        raise KeysError(f"{path} cannot be read: restore it from backup") from None


def add_rows_key(own: Path, since: datetime.datetime) -> None:
    """One more key, in force from `since`; the key first, its day after."""
    begins = since_when(own)
    if since <= begins[-1]:
        raise KeysError(f"a key of the rows is in force from {begins[-1]}: choose a later time")
    keys = read_file(own / KEYS)[: len(begins) * SECRET_BYTES]
    write_private(own / KEYS, keys + secrets.token_bytes(SECRET_BYTES))
    write_json(own / DAYS, [one.isoformat() for one in (*begins[1:], since)])
