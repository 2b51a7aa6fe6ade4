"""The store in SQLite: what only a file can do, or suffer."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest

from broker.ledger import LedgerError, publishing, read_entries
from tests.ledger.shards import a_set, files_of, in_child, open_store, record


def many(first: int, count: int) -> list:
    """So many sets, of seven leaves each."""
    return [a_set(number, 7) for number in range(first, first + count)]


def test_a_disk_that_refuses_leaves_the_state_as_it_was(tmp_path: Path) -> None:
    """A write that fails in the middle of a batch: an error in words, nothing kept, then all is well."""

    def work() -> None:
        store = open_store(tmp_path)
        epoch = store.take_epoch()
        record(store, many(0, 5), epoch=epoch, next_offset=5)
        room = (tmp_path / "store.db-wal").stat().st_size + 65_536
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
        with pytest.raises(LedgerError, match="nothing of it is kept"):
            record(store, many(5, 3000), epoch=epoch, next_offset=10)
        assert (store.size(), store.next_offset()) == (35, 5)
        assert len(store.outbox_after(0, 99)) == 10
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        record(store, many(5, 3000), epoch=epoch, next_offset=10)
        store.publish_tiles()

    assert in_child(work) == 0
    assert len(read_entries(tmp_path, 0)) == 3005 * 7


def test_a_store_that_is_no_database_is_named(tmp_path: Path) -> None:
    """The error says which file and what to do."""
    (tmp_path / "store.db").write_bytes(b"not a database" * 1000)
    with pytest.raises(LedgerError, match=r"store\.db cannot be opened"):
        open_store(tmp_path)


def test_sealed_facts_are_not_for_every_user_of_the_machine(tmp_path: Path) -> None:
    """The store holds sealed content; only its owner may read it."""
    open_store(tmp_path)

    assert (tmp_path / "store.db").stat().st_mode & 0o077 == 0


def test_files_are_written_anew_after_the_machine_was_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files are not forced to disk one by one: after a power cut they are made again."""
    store = open_store(tmp_path / "s0")
    record(store, many(0, 60))
    store.publish_tiles()
    before = files_of(tmp_path / "s0")
    (tmp_path / "s0/tile/0/000").write_bytes(b"")
    store.publish_tiles()
    assert (tmp_path / "s0/tile/0/000").read_bytes() == b""

    (tmp_path / "boot").write_text("another boot")
    monkeypatch.setattr(publishing, "BOOT_ID", tmp_path / "boot")
    open_store(tmp_path / "s0").publish_tiles()
    assert files_of(tmp_path / "s0") == before
