"""Published files: derived, whole at every moment, mended by the next call."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from functools import partial
from pathlib import Path

import pytest
from tlog_scales import backend
from tlog_scales.reader import TilesReader

from broker.ledger import (
    Delivery,
    LedgerError,
    Message,
    Proof,
    checkpoint_size,
    leaf_hash,
    publishing,
    read_entries,
)
from tests.ledger.shards import (
    a_set,
    copy_rows,
    copy_store,
    files_of,
    in_child,
    open_store,
    plain,
    record,
    remove_store,
    rows_of,
)

pytestmark = pytest.mark.usefixtures("each_store")

CHANGES_FILES = {"os.rename", "os.remove", "os.rmdir", "os.mkdir"}


def many(first: int, count: int, leaves: int = 7) -> list:
    """So many sets."""
    return [a_set(number, leaves) for number in range(first, first + count)]


def published(folder: Path) -> dict[str, bytes]:
    """What a rebuild from the database alone gives."""
    copy = folder.with_name(f"{folder.name}-anew")
    copy.mkdir()
    copy_rows(folder, copy)
    store = open_store(copy)
    store.rebuild_tiles()
    store.close()
    found = files_of(copy)
    remove_store(copy)
    return found


def test_publishing_step_by_step_leaves_what_publishing_at_once_does(tmp_path: Path) -> None:
    """Whatever the steps: the files are those of the log's size, no partial file is left over."""
    store = open_store(tmp_path / "s0")
    for step, count in enumerate((0, 1, 35, 1, 73, 40, 1)):
        record(store, many(1000 * step, count))
        store.publish_tiles()
        assert files_of(tmp_path / "s0") == published(tmp_path / "s0")


def test_only_what_changed_is_written(tmp_path: Path) -> None:
    """A full tile is written once; a call with nothing new writes nothing."""
    store = open_store(tmp_path)
    record(store, many(0, 50))
    store.publish_tiles()
    full = (tmp_path / "tile/0/000").stat()
    record(store, many(50, 1))
    store.publish_tiles()
    times = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("tile/**/*")}
    store.publish_tiles()

    assert (tmp_path / "tile/0/000").stat() == full
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("tile/**/*")} == times


def test_all_files_can_be_made_again_from_the_database(tmp_path: Path) -> None:
    """Byte for byte, by the same store and by a new one."""
    store = open_store(tmp_path)
    record(store, many(0, 120))
    store.publish_tiles()
    before = files_of(tmp_path)
    for remake in (store.rebuild_tiles, lambda: open_store(tmp_path).publish_tiles()):
        for name in before:
            (tmp_path / name).unlink()
        shutil.rmtree(tmp_path / "recipients")
        remake()
        assert files_of(tmp_path) == before


def test_rebuilding_mends_torn_missing_and_foreign_files(tmp_path: Path) -> None:
    """Torn, missing, stale or foreign: afterwards the files are those of the log, no others."""
    store = open_store(tmp_path)
    record(store, many(0, 120))
    store.publish_tiles()
    before = files_of(tmp_path)
    (tmp_path / "tile/0/000").write_bytes(b"torn")
    (tmp_path / "tile/entries/001").unlink()
    (tmp_path / "tile/0/003.p/1").write_bytes(b"stale")
    (tmp_path / "tile/2").mkdir()
    (tmp_path / "tile/2/000").write_bytes(b"foreign")
    (tmp_path / "recipients/A/log.vkey").write_text("foreign")
    store.rebuild_tiles()

    assert files_of(tmp_path) == before


def test_a_killed_writer_loses_nothing_that_it_recorded(tmp_path: Path) -> None:
    """SIGKILL between the transaction and the files: the next writer publishes and sends it all."""
    record_and_die(tmp_path, many(0, 60))
    store = open_store(tmp_path)

    assert read_entries(tmp_path, 0) == []
    assert store.size() == 420
    assert len(store.outbox_after(0, 1000)) == 120
    store.publish_tiles()
    assert len(read_entries(tmp_path, 0)) == 420
    assert files_of(tmp_path) == published(tmp_path)


def record_and_die(folder: Path, sets: list) -> None:
    """Records in a process that is killed before it publishes."""

    def work() -> None:
        record(open_store(folder), sets)
        os.kill(os.getpid(), signal.SIGKILL)

    assert in_child(work) == -signal.SIGKILL


@pytest.mark.parametrize("message", [1, 2, 7])
def test_a_writer_killed_inside_a_batch_recorded_none_of_it(tmp_path: Path, message: int) -> None:
    """SIGKILL while messages are rendered: the batch is as if it had never been begun."""
    store = open_store(tmp_path)
    record(store, many(0, 5), next_offset=5)
    store.close()
    before = rows_of(tmp_path)
    rendered = []

    def dies(delivery: Delivery, proof: Proof) -> Message:
        rendered.append(delivery)
        if len(rendered) == message:
            os.kill(os.getpid(), signal.SIGKILL)
        return plain(delivery, proof)

    def work() -> None:
        store = open_store(tmp_path)
        record(store, many(5, 5), epoch=1, next_offset=10, render=dies)

    assert in_child(work) == -signal.SIGKILL
    store = open_store(tmp_path)
    assert (store.size(), store.next_offset(), len(store.outbox_after(0, 99))) == (35, 5, 10)
    store.close()
    assert rows_of(tmp_path) == before
    assert record(open_store(tmp_path), many(0, 10)).recorded == tuple(
        f"set-{number}" for number in range(5, 10)
    )


def test_a_kill_at_any_file_leaves_readers_a_whole_log_and_is_mended(tmp_path: Path) -> None:
    """Killed at each change of a file in turn: what is published is whole, and the next call mends."""
    shard = tmp_path / "s0"
    store = open_store(shard)
    record(store, many(0, 36))
    store.publish_tiles()
    record(store, [*many(36, 2), a_set(900, recipients=("NEW",))])
    store.close()
    copy_store(shard, tmp_path / "ready")
    goal = published(shard)
    died = 0
    while in_child(partial(publish_and_die, shard, died + 1)) == -signal.SIGKILL:
        died += 1
        for log in (shard, *(shard / "recipients").iterdir()):
            assert len(read_entries(log, 0)) == claimed(log)
        mended = open_store(shard)
        mended.publish_tiles()
        mended.close()
        assert files_of(shard) == goal
        remove_store(shard)
        copy_store(tmp_path / "ready", shard)

    assert died > 20
    assert files_of(shard) == goal


def claimed(log: Path) -> int:
    """Entries that the published checkpoint states."""
    path = log / "checkpoint"
    return checkpoint_size(path.read_text()) if path.exists() else 0


def publish_and_die(folder: Path, at: int) -> None:
    """Publishes; is killed at the at-th change of a file."""
    changes = 0

    def hook(event: str, _arguments: tuple) -> None:
        nonlocal changes
        if event in CHANGES_FILES:
            changes += 1
            if changes == at:
                os.kill(os.getpid(), signal.SIGKILL)

    store = open_store(folder)
    sys.addaudithook(hook)
    store.publish_tiles()


def test_a_file_gets_to_its_place_whole_or_not_at_all(tmp_path: Path) -> None:
    """Nothing that a reader may look at is ever opened for writing: it is renamed into its place."""

    def work() -> None:
        store = open_store(tmp_path)
        record(store, many(0, 60))
        opened: list[str] = []

        def hook(event: str, arguments: tuple) -> None:
            if event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR):
                opened.append(Path(arguments[0]).name)

        sys.addaudithook(hook)
        store.publish_tiles()
        assert opened
        assert set(opened) == {publishing.TEMPORARY}

    assert in_child(work) == 0


def test_a_folder_that_cannot_be_written_is_named_and_mended_later(tmp_path: Path) -> None:
    """What is recorded stays safe while files cannot be written."""
    store = open_store(tmp_path)
    record(store, many(0, 5))
    (tmp_path / "tile").write_bytes(b"in the way")
    with pytest.raises(LedgerError, match="recorded is safe in the store"):
        store.publish_tiles()
    (tmp_path / "tile").unlink()
    store.publish_tiles()

    assert files_of(tmp_path) == published(tmp_path)


def test_files_of_an_older_copy_are_made_anew_at_the_next_start(tmp_path: Path) -> None:
    """Files that were put back from a copy do not fit the database: the first call sees it."""
    store = open_store(tmp_path / "s0")
    record(store, many(0, 10))
    store.publish_tiles()
    older = files_of(tmp_path / "s0")
    record(store, many(10, 100))
    store.publish_tiles()
    shutil.rmtree(tmp_path / "s0/tile")
    for name, data in older.items():
        (tmp_path / "s0" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "s0" / name).write_bytes(data)
    open_store(tmp_path / "s0").publish_tiles()

    assert files_of(tmp_path / "s0") == published(tmp_path / "s0")


def test_a_checkpoint_that_this_store_never_signed_is_replaced(tmp_path: Path) -> None:
    """Same size, other words: the files beside the database are not its own, and are made anew."""
    store = open_store(tmp_path)
    record(store, many(0, 60))
    store.publish_tiles()
    before = files_of(tmp_path)
    note = before["recipients/A/checkpoint"]
    (tmp_path / "recipients/A/checkpoint").write_bytes(note[:-5] + b"AAA=\n")
    (tmp_path / "recipients/A/tile/0/000.p/60").write_bytes(b"forked")
    open_store(tmp_path).publish_tiles()

    assert files_of(tmp_path) == before


def test_a_log_grows_into_a_third_level_of_tiles(tmp_path: Path) -> None:
    """Beyond 65,536 entries there is a full tile of level 1 and one of level 2; nothing is rebuilt."""
    shard = tmp_path / "s0"
    store = open_store(shard)
    for start in range(0, 66, 6):
        sets = [a_set(number, 1000, ()) for number in range(start, start + 6)]
        record(store, sets)
        store.publish_tiles()
    store.close()
    names = set(files_of(shard))

    assert {"tile/1/000", "tile/1/001.p/1", "tile/2/000.p/1", "tile/0/257.p/208"} <= names
    assert files_of(shard) == published(shard)
    reader = TilesReader(backend.make_backend(f"file://{shard}"))
    checkpoint = reader.get_checkpoint()
    for index in (0, 255, 256, 65_535, 65_536, 65_999):
        reader.get_inclusion_proof(index, checkpoint.size).check(
            leaf_hash(reader.get_entry(index)), checkpoint.root_hash
        )
