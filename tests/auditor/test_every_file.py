"""Every kind of file of a ledger, every table of its store: a flipped bit is found, or it is said why not.

The kinds are held against a ledger that was made just now: a file that no kind here covers fails.
"""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from broker.auditor import verify_ledger
from broker.ledger import ShardStore, cosign, witness_key
from broker.model.codec import CodecError, decode
from broker.model.types import Alert, Receipt
from broker.shell.ledger_worker import record_set, render
from broker.shell.policy import archive_in
from tests.auditor.ledgers import KEY, NAME, story
from tests.auditor.replayed import POLICY, SETTINGS
from tests.ledger.test_tree import flipped

WITNESS = Ed25519PrivateKey.from_private_bytes(bytes(range(2, 34)))
WITNESS_NAME = "witness.example/w1"
LOG = r"s\d+(/recipients/[^/]+)?"
MANY = settings(
    max_examples=120,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

HELD = {
    "checkpoint, with its cosignatures": rf"{LOG}/checkpoint",
    "key of a log": rf"{LOG}/log\.vkey",
    "keys of its witnesses": r"s\d+/witness\.vkeys",
    "full hash tile": rf"{LOG}/tile/0/\d\d\d",
    "partial hash tile": rf"{LOG}/tile/0/\d\d\d\.p/\d+",
    "partial hash tile of a higher level": rf"{LOG}/tile/[1-9]/\d\d\d\.p/\d+",
    "full entry bundle": rf"{LOG}/tile/entries/\d\d\d",
    "partial entry bundle": rf"{LOG}/tile/entries/\d\d\d\.p/\d+",
    "archived policy, geography, register or parameters": r"archive/\w+/[0-9a-f]{64}/.+(?<!SUMS)",
    "sums of an archived folder": r"archive/\w+/[0-9a-f]{64}/SHA256SUMS",
}
"""Kinds of which no bit can be changed: name -> pattern of the path. Full tiles of a higher level begin at
65,536 entries: tests/auditor/test_tampering.py."""

STORE = r"s\d+/store\.db"
PASSING = {
    r"s\d+/store\.db-(wal|shm)": "SQLite's own while a store is open: what it reads from it is what "
    "the store says, and the rows are held as the store's; a frame that its checksum does not fit "
    "ends the log there, and the store is then behind the files, which is said",
}
"""Kinds that come and go: pattern -> why no bit of them is looked at."""

FREE = {
    ("writer", "epoch"): "a counter between writers; the next one adds to it",
    ("writer", "next_offset"): "the position in Kafka: --kafka finds what was passed over",
    ("writer", "boot"): "only makes the files be written anew",
    ("log", "published"): "only makes files be written anew; they are compared themselves",
    ("outbox", "sequence"): "the order of sending: --kafka finds what was not sent, or twice",
    ("record", "number"): "joins a set to its sidecars, of which none may be missing",
}
"""Columns that nothing outside the store knows: (table, column) -> why it does not matter to the record."""

TABLES = (
    "writer",
    "signer",
    "log",
    "entry",
    "node",
    "checkpoint",
    "cosignature",
    "record",
    "sidecar",
    "outbox",
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two shards with full and partial tiles, cosigned at every checkpoint, and an archive."""
    directory = tmp_path_factory.mktemp("whole") / "ledger"
    lanes: list[list] = [[], []]
    for one in story(90):
        lanes[int(one.set_id[:8], 16) % 2].append(record_set(one))
    for number, lane in enumerate(lanes):
        shard = f"s{number}"
        store = ShardStore.open(directory / shard, f"{NAME}/{shard}", KEY)
        epoch = store.take_epoch()
        for start in range(0, len(lane), 50):
            batch = lane[start : start + 50]
            store.commit(batch, epoch=epoch, next_offset=start, render=render)
            size, note = store.witnessed.tip()
            line = cosign(note, WITNESS_NAME, WITNESS, 1_764_000_000 + start)
            store.witnessed.keep(size, [(witness_key(WITNESS_NAME, WITNESS.public_key()), line)])
            store.publish_tiles()
        store.close()
    archive_in(directory, SETTINGS, POLICY)
    report = verify_ledger(directory)
    assert report.ok, report.first_bad
    return directory


def files_of(ledger: Path) -> list[str]:
    """Every file there is."""
    return sorted(
        path.relative_to(ledger).as_posix() for path in ledger.rglob("*") if path.is_file()
    )


def of_kind(ledger: Path, pattern: str) -> list[str]:
    """The files of one kind."""
    return [name for name in files_of(ledger) if re.fullmatch(pattern, name)]


def fault_of(ledger: Path) -> str:
    """What the auditor says first; empty where the ledger holds."""
    return verify_ledger(ledger).first_bad or ""


def test_every_file_is_of_one_known_kind_and_every_kind_is_there(whole: Path) -> None:
    """A new kind of file must be put into a list above: as held, or with the reason why it is not."""
    patterns = [*HELD.values(), STORE, *PASSING]
    for name in files_of(whole):
        kinds = [one for one in patterns if re.fullmatch(one, name)]
        assert len(kinds) == 1, f"{name} is of {len(kinds)} known kinds"
    for kind, pattern in HELD.items():
        assert of_kind(whole, pattern), f"no file of the kind: {kind}"


def test_every_table_and_column_of_the_store_is_known(whole: Path) -> None:
    """The same for the store: a new table must be added here, and is then held or fails below."""
    with closing(sqlite3.connect(whole / "s0/store.db")) as database:
        tables = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        assert {name for (name,) in tables} == {*TABLES, "sqlite_sequence"}
        for table, column in FREE:
            assert column in columns_of(database, table)


@MANY
@given(st.data())
def test_no_bit_of_any_held_file_can_be_changed(whole: Path, data: st.DataObject) -> None:
    """A kind, a file of it, a bit of that: verification fails and names the file."""
    kind = data.draw(st.sampled_from(sorted(HELD)), label="kind")
    name = data.draw(st.sampled_from(of_kind(whole, HELD[kind])), label="file")
    path = whole / name
    before = path.read_bytes()
    bit = data.draw(st.integers(0, 8 * len(before) - 1), label="bit")
    named = "/".join(name.split("/")[:3]) if name.startswith("archive/") else name
    try:
        path.write_bytes(flipped(before, bit))
        assert named in fault_of(whole)
    finally:
        path.write_bytes(before)


@MANY
@given(st.data())
def test_no_bit_of_any_row_of_the_store_can_be_changed(whole: Path, data: st.DataObject) -> None:
    """Any table, any row, any column that is not free: found, and the store is named."""
    path = whole / "s0/store.db"
    before = path.read_bytes()
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as database:
            table = data.draw(st.sampled_from(TABLES), label="table")
            columns = [one for one in columns_of(database, table) if (table, one) not in FREE]
            column = data.draw(st.sampled_from(columns), label="column")
            rows = database.execute(f"SELECT * FROM {table}").fetchall()
            row = data.draw(st.sampled_from(rows), label="row")
            at = columns_of(database, table).index(column)
            changed = list(row)
            changed[at] = bent(row[at], data)
            if changed[at] is NOTHING or means_nothing(table, column, row[at], changed[at]):
                return
            if not replace_row(database, table, row, changed):
                return
        assert "s0/store.db" in fault_of(whole)
    finally:
        path.write_bytes(before)
        for end in ("-wal", "-shm"):
            path.with_name(path.name + end).unlink(missing_ok=True)


@MANY
@given(st.data())
def test_a_bit_of_the_stores_file_is_found_or_changes_nothing_that_it_says(
    whole: Path, data: st.DataObject
) -> None:
    """SQLite has bytes that mean nothing; whatever else is flipped, the store is named."""
    path = whole / "s1/store.db"
    before = path.read_bytes()
    said = said_by(path)
    bit = data.draw(st.integers(0, 8 * len(before) - 1), label="bit")
    try:
        path.write_bytes(flipped(before, bit))
        fault = fault_of(whole)
        assert "s1/store.db" in fault or (not fault and said_by(path) == said)
    finally:
        path.write_bytes(before)
        for end in ("-wal", "-shm"):
            path.with_name(path.name + end).unlink(missing_ok=True)


NOTHING = object()


def columns_of(database: sqlite3.Connection, table: str) -> list[str]:
    """Names of a table's columns."""
    return [row[1] for row in database.execute(f"PRAGMA table_info({table})")]


def bent(value: Any, data: st.DataObject) -> Any:
    """The value with one bit flipped; NOTHING where that gives no text."""
    if isinstance(value, int):
        return value ^ 1 << data.draw(st.integers(0, 30), label="bit")
    raw = value.encode() if isinstance(value, str) else value
    if not raw:
        return b"\x00" if isinstance(value, bytes) else "x"
    changed = flipped(raw, data.draw(st.integers(0, 8 * len(raw) - 1), label="bit"))
    if isinstance(value, bytes):
        return changed
    try:
        return changed.decode()
    except UnicodeDecodeError:
        return NOTHING


def means_nothing(table: str, column: str, before: Any, after: Any) -> bool:
    """The data key in a message is committed to by no leaf: its recipient cannot open it, and says so."""
    if (table, column) != ("outbox", "value"):
        return False
    kinds: tuple[type[Alert | Receipt], ...] = (Alert, Receipt)
    for kind in kinds:
        try:
            old, new = decode(before, kind), decode(after, kind)
        except CodecError:
            continue
        return msgspec.structs.replace(new, key_id=old.key_id, wrapped_key=old.wrapped_key) == old
    return False


def replace_row(database: sqlite3.Connection, table: str, row: Any, changed: list[Any]) -> bool:
    """Puts the changed row in the place of the other; False where the table cannot hold it."""
    names = columns_of(database, table)
    where = " AND ".join(f"{name} IS ?" for name in names)
    try:
        database.execute(
            f"UPDATE {table} SET {', '.join(f'{name} = ?' for name in names)} WHERE {where}",
            (*changed, *row),
        )
    except sqlite3.Error:
        return False
    return True


def said_by(path: Path) -> dict[str, list[Any]]:
    """Everything that a store says, but for what is free; and messages but for their data key."""
    uri = f"{path.resolve().as_uri()}?mode=ro&immutable=1"
    with closing(sqlite3.connect(uri, uri=True)) as database:
        found: dict[str, list[Any]] = {}
        for table in TABLES:
            names = [one for one in columns_of(database, table) if (table, one) not in FREE]
            rows = database.execute(f"SELECT {', '.join(names)} FROM {table}").fetchall()
            found[table] = sorted(map(repr, rows)) if table != "outbox" else [len(rows)]
    return found
