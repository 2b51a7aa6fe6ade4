"""A ledger whose rows are in PostgreSQL: what is changed there is found, and a dump put back."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from broker.auditor import Report, verify_ledger
from broker.cli import app
from broker.ledger import (
    ContradictionError,
    LastCosigned,
    ShardStore,
    cosign,
    open_checkpoint,
    open_connection,
    verifier_key,
    with_cosignatures,
    witness_key,
)
from broker.ledger.copying import stores_in
from broker.ledger.database import TABLES
from broker.ledger.postgres import PostgresConnection
from broker.ledger.sqlite import SqliteConnection
from broker.shell.ledger_worker import record_set, render
from broker.shell.witnesses_file import WitnessPolicy
from broker.shell.witnessing import Witnessing
from tests.auditor.ledgers import KEY, NAME, story
from tests.auditor.test_every_file import FREE, NOTHING, bent, means_nothing
from tests.ledger.postgres import new_database, program

WITNESS = Ed25519PrivateKey.from_private_bytes(bytes(range(3, 35)))
WITNESS_KEY = witness_key("witness.example/w1", WITNESS.public_key())
MANY = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture(scope="module")
def address(postgres: str) -> str:
    """A database of its own."""
    return new_database(postgres, f"d{uuid.uuid4().hex}")


def opened(folder: Path, address: str, shard: str) -> ShardStore:
    """A shard with its rows in PostgreSQL."""
    directory = folder / shard
    connection = open_connection(address, directory)
    return ShardStore.open(directory, f"{NAME}/{shard}", KEY, connection=connection)


def record(store: ShardStore, sets: list) -> None:
    """Records, has it cosigned, and publishes."""
    epoch = store.take_epoch()
    store.commit(sets, epoch=epoch, next_offset=len(sets), render=render)
    size, note = store.witnessed.tip()
    line = cosign(note, WITNESS_KEY.name, WITNESS, 1_764_000_000)
    store.witnessed.keep(size, [(WITNESS_KEY, line)])
    store.publish_tiles()


@pytest.fixture(scope="module")
def whole(address: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two shards in one database, with files beside each other and no store among them."""
    directory = tmp_path_factory.mktemp("whole") / "ledger"
    lanes: list[list] = [[], []]
    for one in story(90):
        lanes[int(one.set_id[:8], 16) % 2].append(record_set(one))
    for number, lane in enumerate(lanes):
        store = opened(directory, address, f"s{number}")
        record(store, lane[:60])
        record(store, lane[60:])
        store.close()
    return directory


def verified(ledger: Path, address: str) -> Report:
    """What the auditor says of files and rows."""
    with stores_in(address) as stores:
        return verify_ledger(ledger, stores=stores)


def test_files_and_rows_in_postgresql_verify_as_one_ledger(whole: Path, address: str) -> None:
    """Sidecars and every row are held, from a reader's connection; nothing is written beside the files."""
    report = verified(whole, address)
    assert report.ok, report.first_bad
    assert not any("not checked" in one for one in report.notes)
    assert any("not checked" in one for one in verify_ledger(whole).notes)
    assert not list(whole.rglob("store.db"))


def test_the_command_takes_the_address(whole: Path, address: str, postgres: str) -> None:
    """`broker audit verify DIR --store`: a database without the ledger is no ledger."""
    done = CliRunner().invoke(app, ["audit", "verify", str(whole), "--store", address])
    assert done.exit_code == 0, done.output
    other = new_database(postgres, f"e{uuid.uuid4().hex}")
    done = CliRunner().invoke(app, ["audit", "verify", str(whole), "--store", other])
    assert done.exit_code == 1
    assert "its tables are not those of a ledger's store" in done.output


def test_a_copy_is_a_ledger_like_any_other(whole: Path, address: str, tmp_path: Path) -> None:
    """`broker audit copy`: files and rows in one folder, which verifies without PostgreSQL."""
    copy = tmp_path / "copy"
    command = ["audit", "copy", str(copy), "--ledger", str(whole), "--store", address]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    report = verify_ledger(copy)
    assert report.ok, report.first_bad
    assert not any("not checked" in one for one in report.notes)
    assert (copy / "s0/store.db").stat().st_mode & 0o077 == 0
    again = CliRunner().invoke(app, command)
    assert (again.exit_code, "is not empty" in str(again.exception or again.output)) == (1, True)


def test_both_dialects_have_the_tables_that_are_named(address: str, tmp_path: Path) -> None:
    """The same tables and columns, in the same order."""
    file = SqliteConnection(tmp_path)
    for table, columns in TABLES.items():
        found = file.execute(f"SELECT name FROM pragma_table_info('{table}') ORDER BY cid")
        assert tuple(name for (name,) in found) == columns
    rows = PostgresConnection(address, "shape").execute(
        "SELECT table_name, column_name FROM information_schema.columns "
        "WHERE table_schema = 'shape' ORDER BY table_name, ordinal_position"
    )
    found_there: dict[str, tuple[str, ...]] = {}
    for table, column in rows:
        found_there[table] = (*found_there.get(table, ()), column)
    assert found_there == TABLES


@pytest.fixture(scope="module")
def tampering(address: str) -> Iterator[psycopg.Connection[Any]]:
    """Somebody who may do everything in the database."""
    with psycopg.connect(address, options="-c search_path=s0", autocommit=True) as connection:
        yield connection


@MANY
@given(st.data())
def test_no_bit_of_any_row_in_postgresql_can_be_changed(
    whole: Path, address: str, tampering: psycopg.Connection[Any], data: st.DataObject
) -> None:
    """Any table, any row, any column that is not free: found, and the shard is named."""
    table = data.draw(st.sampled_from(sorted(TABLES)), label="table")
    columns = TABLES[table]
    column = data.draw(
        st.sampled_from([one for one in columns if (table, one) not in FREE]), label="column"
    )
    names = ", ".join(f'"{one}"' for one in columns)
    rows = tampering.execute(f"SELECT ctid::text, {names} FROM {table}").fetchall()
    place, *row = data.draw(st.sampled_from(rows), label="row")
    at = columns.index(column)
    changed = bent(row[at], data)
    if changed is NOTHING or means_nothing(table, column, row[at], changed):
        return
    try:
        with tampering.transaction():
            done = tampering.execute(
                f'UPDATE {table} SET "{column}" = %s WHERE ctid = %s::tid RETURNING ctid::text',
                (changed, place),
            )
            moved = done.fetchone()
    except psycopg.Error:
        return  # the table cannot hold it
    assert moved
    try:
        assert "s0 in PostgreSQL" in (verified(whole, address).first_bad or "")
    finally:
        tampering.execute(
            f'UPDATE {table} SET "{column}" = %s WHERE ctid = %s::tid', (row[at], moved[0])
        )


@pytest.mark.parametrize("table", ["entry", "node", "record", "sidecar"])
def test_no_row_can_be_taken_out(
    whole: Path, address: str, tampering: psycopg.Connection[Any], table: str
) -> None:
    """The first row of each table that only grows: its absence is found."""
    columns = ", ".join(f'"{one}"' for one in TABLES[table])
    rows = tampering.execute(f"SELECT {columns} FROM {table} ORDER BY 1").fetchall()
    tampering.execute(f"DELETE FROM {table} WHERE ctid = (SELECT min(ctid) FROM {table})")
    try:
        assert "s0 in PostgreSQL" in (verified(whole, address).first_bad or "")
    finally:
        tampering.execute(f"DELETE FROM {table}")
        with (
            tampering.cursor() as cursor,
            cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as to,
        ):
            for row in rows:
                to.write_row(row)
    assert verified(whole, address).ok


def test_a_trigger_in_a_shards_schema_is_refused(
    whole: Path, address: str, tampering: psycopg.Connection[Any]
) -> None:
    """What acts by itself could change what is recorded later: neither auditor nor writer accepts it."""
    tampering.execute("CREATE RULE quiet AS ON DELETE TO outbox DO INSTEAD NOTHING")
    try:
        assert "triggers and rules" in (verified(whole, address).first_bad or "")
    finally:
        tampering.execute("DROP RULE quiet ON outbox")


def confirm(store: ShardStore, last: LastCosigned) -> None:
    """As a process that was started just now, before it delivers."""
    asyncio.run(Witnessing("s0", store, WitnessPolicy(), last).confirm())


def test_a_database_put_back_from_a_dump_delivers_nothing(postgres: str, tmp_path: Path) -> None:
    """pg_dump, more recorded and cosigned, restored: the last cosigned checkpoint outside it knows better."""
    name = f"d{uuid.uuid4().hex}"
    address = new_database(postgres, name)
    sets = [record_set(one) for one in story(10)]
    store = opened(tmp_path / "ledger", address, "s0")
    key = verifier_key(f"{NAME}/s0", KEY.public_key())
    last = LastCosigned(tmp_path / "witnessed" / "s0.checkpoint", key)
    record(store, sets[:10])
    dumped = subprocess.run(
        [program("pg_dump"), "-Fc", address], check=True, capture_output=True
    ).stdout
    record(store, sets[10:])
    size, note = store.witnessed.tip()
    line = cosign(note, WITNESS_KEY.name, WITNESS, 1_764_000_001)
    last.write(with_cosignatures(note, [line]))
    assert open_checkpoint(note, key).size == size
    confirm(store, last)
    store.close()

    restored = new_database(postgres, f"r{uuid.uuid4().hex}")
    subprocess.run([program("pg_restore"), "-d", restored], check=True, input=dumped)
    older = opened(tmp_path / "ledger", restored, "s0")
    assert older.size() < size
    with pytest.raises(ContradictionError, match="put back to an earlier state"):
        confirm(older, last)
    record(older, [record_set(one) for one in story(40)][-30:])
    with pytest.raises(ContradictionError, match="do not continue"):
        confirm(older, last)
    older.close()
    shutil.rmtree(tmp_path / "ledger")
