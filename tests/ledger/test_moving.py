"""From SQLite to PostgreSQL: the same ledger goes on, and the file can be written no more."""

from __future__ import annotations

import sqlite3
import uuid
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from broker.cli import app
from broker.ledger import FencedError, LedgerError, ShardStore, open_connection, read_entries
from broker.ledger.database import TABLES
from broker.ledger.moving import move_shard
from tests.ledger.postgres import new_database
from tests.ledger.shards import KEY, ORIGIN, a_set, files_of, plain, record


@pytest.fixture
def address(postgres: str) -> str:
    """A database of its own."""
    return new_database(postgres, f"d{uuid.uuid4().hex}")


def in_postgres(shard: Path, address: str) -> ShardStore:
    """The shard with its rows there."""
    return ShardStore.open(shard, ORIGIN, KEY, connection=open_connection(address, shard))


def test_a_moved_shard_goes_on_where_it_was(address: str, tmp_path: Path) -> None:
    """Rows, files, position, epoch and sequences; a writer of the file that still runs records nothing."""
    shard = tmp_path / "s0"
    old = ShardStore.open(shard, ORIGIN, KEY)
    epoch = old.take_epoch()
    record(old, [a_set(one, 7) for one in range(60)], epoch=epoch, next_offset=60)
    old.outbox_prune(120)
    old.publish_tiles()
    files = files_of(shard)
    command = ["ledger", "move", "--ledger", str(tmp_path), "--store", address]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output

    with pytest.raises(FencedError):
        old.commit([a_set(99)], epoch=epoch, next_offset=61, render=plain)
    old.close()
    (tmp_path / "again").mkdir()
    (shard / "store.db.moved").rename(tmp_path / "again" / "store.db")
    with pytest.raises(LedgerError, match="has format -1"):
        ShardStore.open(tmp_path / "again", ORIGIN, KEY)
    new = in_postgres(shard, address)
    assert (new.size(), new.next_offset(), new.outbox_after(0, 9)) == (420, 60, [])
    new_epoch = new.take_epoch()
    assert new_epoch > epoch
    done_there = record(new, [a_set(5, 7), a_set(60)], epoch=new_epoch, next_offset=62)
    assert (done_there.recorded, done_there.dropped) == (("set-60",), ("set-5",))
    assert [sequence for sequence, _ in new.outbox_after(0, 9)] == [121, 122]
    new.publish_tiles()
    assert read_entries(shard, 0)[420:] == list(a_set(60).leaves)
    assert files_of(shard)["tile/0/000"] == files["tile/0/000"]


def test_every_row_is_the_same_there(address: str, tmp_path: Path) -> None:
    """Table by table, but for who writes."""
    shard = tmp_path / "s0"
    old = ShardStore.open(shard, ORIGIN, KEY)
    record(old, [a_set(one, 9) for one in range(70)])
    old.close()
    with closing(sqlite3.connect(shard / "store.db")) as file:
        before = {t: sorted(file.execute(f"SELECT * FROM {t}").fetchall()) for t in TABLES}
    assert move_shard(shard, address) == sum(map(len, before.values()))
    connection = open_connection(address, shard)
    for table in TABLES.keys() - {"writer"}:
        assert sorted(connection.execute(f"SELECT * FROM {table}").fetchall()) == before[table]


def test_where_it_cannot_be_moved_nothing_changes(address: str, tmp_path: Path) -> None:
    """A schema with a ledger in it, no store, no server: in words, and the file goes on."""
    shard = tmp_path / "s0"
    store = ShardStore.open(shard, ORIGIN, KEY)
    record(store, [a_set(1)])
    in_postgres(tmp_path / "other" / "s0", address).close()
    with pytest.raises(LedgerError, match="already holds a ledger"):
        move_shard(shard, address)
    with pytest.raises(LedgerError, match="cannot be opened"):
        move_shard(shard, "postgresql://broker@127.0.0.1:1/none?connect_timeout=1")
    with pytest.raises(LedgerError, match="nothing to move"):
        move_shard(tmp_path / "none", address)
    record(store, [a_set(2)])
    assert store.size() == 6
