"""The store in PostgreSQL: what a server can do, or suffer."""

from __future__ import annotations

import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest

from broker.ledger import (
    FencedError,
    LedgerError,
    ShardStore,
    open_connection,
    publishing,
    read_entries,
)
from broker.ledger.postgres import HELD_S, PostgresConnection, shown_url
from tests.ledger.postgres import new_database
from tests.ledger.shards import KEY, ORIGIN, a_set, files_of, plain


@pytest.fixture
def address(postgres: str) -> str:
    """A database of its own."""
    return new_database(postgres, f"d{uuid.uuid4().hex}")


def opened(folder: Path, address: str) -> ShardStore:
    """The shard s0 with its files in `folder`."""
    shard = folder / "s0"
    return ShardStore.open(shard, ORIGIN, KEY, connection=open_connection(address, shard))


def take(store: ShardStore, numbers: list[int], epoch: int, next_offset: int = 1) -> Any:
    """Commits some sets."""
    sets = [a_set(one) for one in numbers]
    return store.commit(sets, epoch=epoch, next_offset=next_offset, render=plain)


def other(address: str) -> psycopg.Connection[Any]:
    """A connection of an administrator."""
    return psycopg.connect(address, autocommit=True)


def test_a_server_that_goes_away_in_a_batch_kept_nothing_of_it(
    address: str, tmp_path: Path
) -> None:
    """The connection is cut while messages are rendered: an error in words, and the next writer goes on."""
    store = opened(tmp_path, address)
    epoch = store.take_epoch()
    take(store, [1], epoch)

    def cut(delivery: Any, proof: Any) -> Any:
        with other(address) as database:
            database.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        return plain(delivery, proof)

    with pytest.raises(LedgerError, match="nothing of it is kept"):
        store.commit([a_set(2)], epoch=epoch, next_offset=2, render=cut)
    again = opened(tmp_path, address)
    assert (again.size(), again.next_offset(), len(again.outbox_after(0, 9))) == (3, 1, 2)
    assert take(again, [1, 2], again.take_epoch()).recorded == ("set-2",)
    again.publish_tiles()
    assert read_entries(tmp_path / "s0", 0) == [*a_set(1).leaves, *a_set(2).leaves]


def test_two_writers_at_once_record_each_set_once_and_the_older_epoch_none(
    address: str, tmp_path: Path
) -> None:
    """They contend for the shard from two threads; a writer that was replaced is refused, not overtaken."""
    outcome: dict[str, int] = {"recorded": 0, "fenced": 0}

    def writes(at: int) -> None:
        store = opened(tmp_path, address)
        for turn in range(10):
            try:
                epoch = store.take_epoch()
                done = take(store, list(range(turn * 3, turn * 3 + 6)), epoch, next_offset=at)
                outcome["recorded"] += len(done.recorded)
            except FencedError:
                outcome["fenced"] += 1
        store.close()

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(writes, (1, 2)))
    store = opened(tmp_path, address)
    store.publish_tiles()
    entries = read_entries(tmp_path / "s0", 0)
    assert len(entries) == len(set(entries)) == outcome["recorded"] * 3
    indexes = [
        int(m.value.split(b"\n")[1]) for _, m in store.outbox_after(0, 999) if b" to A" in m.key
    ]
    assert indexes == list(range(outcome["recorded"]))


def test_writers_that_begin_a_shard_in_the_same_moment_wait_for_each_other(address: str) -> None:
    """Each has looked for the one row before any has made it; one makes it, the rest find it there.

    A table lock in place of the advisory one is a deadlock here, which the server ends with an error.
    """
    number = 3
    together = threading.Barrier(number)
    connections = [PostgresConnection(address, "s0") for _ in range(number)]

    def begins(connection: PostgresConnection) -> int:
        looked = connection.execute

        def execute(query: str, values: Any = ()) -> Any:
            found = looked(query, values)
            if "FOR UPDATE" in query and not begun.is_set():
                together.wait(10)
                begun.set()
            return found

        connection.execute = execute  # type: ignore[method-assign]
        with connection.transaction():
            made = connection.execute("SELECT count(*) FROM writer").fetchone()[0]
            if not made:
                looked("INSERT INTO writer VALUES (1, 1, 'k', 0, 0, '')")
        return int(made)

    begun = threading.Event()
    with ThreadPoolExecutor(number) as threads:
        found = list(threads.map(begins, connections))
    assert sorted(found) == [0, *[1] * (number - 1)]


def test_a_shard_is_taken_between_two_batches_and_never_inside_one(
    address: str, tmp_path: Path
) -> None:
    """Who takes the epoch waits for the batch that is being recorded; the one after it is refused."""
    store, successor = opened(tmp_path, address), opened(tmp_path, address)
    epoch = store.take_epoch()
    with ThreadPoolExecutor(1) as threads:
        taken: list[Any] = []

        def overtaken(delivery: Any, proof: Any) -> Any:
            if not taken:
                taken.append(threads.submit(successor.take_epoch))
                time.sleep(0.3)
                assert not taken[0].done()
            return plain(delivery, proof)

        done = store.commit([a_set(1)], epoch=epoch, next_offset=1, render=overtaken)
        assert done.recorded == ("set-1",)
        assert taken[0].result(10) == epoch + 1
    with pytest.raises(FencedError, match="another writer has taken this shard"):
        take(store, [2], epoch)
    assert (successor.size(), successor.next_offset()) == (3, 1)


def test_shards_of_one_database_do_not_wait_for_each_other(address: str, tmp_path: Path) -> None:
    """While one is in a transaction another records; and neither sees the other's rows."""
    first = opened(tmp_path, address)
    shard = tmp_path / "s1"
    second = ShardStore.open(shard, "test/s1", KEY, connection=open_connection(address, shard))
    with first._database.transaction():
        take(second, [7], second.take_epoch())
    assert (first.size(), second.size()) == (0, 3)


def test_a_process_that_stood_still_in_a_publication_touches_no_file_any_more(
    address: str, tmp_path: Path
) -> None:
    """The server may have let another in: what it would write next is refused, and all is mended."""
    store = opened(tmp_path, address)
    take(store, [1], store.take_epoch())
    execute = store._database._connection.execute

    def slept(*given: Any) -> Any:
        found = execute(*given)
        store._database._connection._told -= HELD_S + 1  # type: ignore[attr-defined]
        return found

    store._database.execute = slept  # type: ignore[assignment]
    with pytest.raises(LedgerError, match="stood still"):
        store.publish_tiles()
    assert files_of(tmp_path / "s0") == {}
    again = opened(tmp_path, address)
    again.publish_tiles()
    assert read_entries(tmp_path / "s0", 0) == list(a_set(1).leaves)


def test_files_of_several_machines_are_forced_to_disk_and_not_made_anew(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A successor on another machine goes on where the last publication ended, however large the ledger."""
    forced: list[int] = []

    def force(directory: Path) -> None:
        forced.append(len(read_entries(directory, 0)))
        publishing_force(directory)

    publishing_force = publishing.force
    monkeypatch.setattr(publishing, "force", force)
    store = opened(tmp_path, address)
    epoch = store.take_epoch()
    take(store, list(range(100)), epoch)
    store.publish_tiles()
    store.publish_tiles()
    before = (tmp_path / "s0/tile/0/000").stat().st_mtime_ns
    (tmp_path / "boot").write_text("another machine")
    monkeypatch.setattr(publishing, "BOOT_ID", tmp_path / "boot")
    successor = opened(tmp_path, address)
    take(successor, [100], successor.take_epoch())
    successor.publish_tiles()

    assert forced == [300, 303]
    assert (tmp_path / "s0/tile/0/000").stat().st_mtime_ns == before


def test_the_server_ends_a_transaction_that_says_nothing(address: str, tmp_path: Path) -> None:
    """So a writer that hangs cannot keep a shard: its successor waits for that at most."""
    store = opened(tmp_path, address)
    successor = opened(tmp_path, address)
    for name, value in (("idle_in_transaction_session_timeout", "20s"), ("lock_timeout", "30s")):
        assert store._database.execute(f"SHOW {name}").fetchone() == (value,)
    store._database.execute("SET idle_in_transaction_session_timeout = 200")

    def hang() -> None:
        with store._database.transaction():
            store._database.execute("UPDATE writer SET epoch = 99")
            time.sleep(0.5)
            assert successor.take_epoch() == 1
            store._database.execute("SELECT 1")

    with pytest.raises(psycopg.errors.IdleInTransactionSessionTimeout):
        hang()


def test_commits_are_on_disk_before_they_count(address: str, tmp_path: Path) -> None:
    """Whatever the server's default: a writer asks for it itself, and but for pruning always."""
    name = address.partition("?")[0].rpartition("/")[2]
    with other(address) as database:
        database.execute(f'ALTER DATABASE "{name}" SET synchronous_commit = off')
    store = opened(tmp_path, address)

    def now() -> str:
        return str(store._database.execute("SHOW synchronous_commit").fetchone()[0])

    assert now() == "on"
    with store._database.unsynced_transaction():
        assert now() == "off"
    assert now() == "on"


def test_nobody_else_may_read_a_shard_and_no_password_is_said(address: str, tmp_path: Path) -> None:
    """The schema is its owner's alone; errors name host and database, no user and no password."""
    opened(tmp_path, address)
    with other(address) as database:
        (allowed,) = database.execute(
            "SELECT count(*) FROM pg_namespace, aclexplode(nspacl) WHERE nspname = 's0' AND grantee = 0"
        ).fetchone() or (None,)
    assert allowed == 0
    secret = "postgresql://writer:hunter2@127.0.0.1:1/ledger?connect_timeout=1"
    with pytest.raises(LedgerError, match="cannot be opened as a ledger's store") as raised:
        PostgresConnection(secret, "s0")
    assert "hunter2" not in str(raised.value)
    assert shown_url(secret) == "PostgreSQL 127.0.0.1/ledger"


@pytest.mark.parametrize("store", ["mysql://db/ledger", "ledger.db"])
def test_an_address_of_anything_else_is_refused(store: str, tmp_path: Path) -> None:
    """In words, before anything is made."""
    with pytest.raises(LedgerError, match="BROKER_LEDGER_STORE is no address"):
        open_connection(store, tmp_path / "s0")


@pytest.mark.parametrize("shard", ["", "S0", 's0"; DROP', "0", "s0.s1"])
def test_a_name_that_is_no_shards_makes_no_schema(address: str, shard: str) -> None:
    """Names are put into statements: only letters, digits and _ are."""
    with pytest.raises(LedgerError, match="is no name of a shard"):
        PostgresConnection(address, shard)


def test_tables_of_another_make_are_refused(address: str, tmp_path: Path) -> None:
    """A column more or less is another release's, or not a ledger's."""
    opened(tmp_path, address).close()
    with other(address) as database:
        database.execute("ALTER TABLE s0.outbox ADD COLUMN more TEXT")
    with pytest.raises(LedgerError, match="its tables are not those"):
        opened(tmp_path, address)
