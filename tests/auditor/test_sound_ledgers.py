"""A sound ledger is found sound: anywhere, from files alone, and while it grows."""

from __future__ import annotations

import base64
import os
import re
import shutil
import threading
import time
from functools import partial
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from broker.auditor import keys_from_file, verdict, verify_ledger
from broker.auditor.report import BadLedgerError
from broker.ledger import ShardStore, open_checkpoint, read_entries, verifier_key
from broker.shell.ledger_worker import record_set, render
from tests.auditor.ledgers import KEY, accepted, decided, rejected, story, write_ledger
from tests.ledger.shards import in_child

LINE = re.compile(r"ledger verified: (\d+) entries, root ([A-Za-z0-9+/]{43}=)")


@pytest.mark.parametrize("shards", [1, 2, 3])
@pytest.mark.parametrize("batch", [1, 7, 100])
def test_whatever_the_shards_and_batches_the_ledger_holds(
    tmp_path: Path, shards: int, batch: int
) -> None:
    """Sets of one event may lie on different shards; the accounts are over all of them."""
    sets = story(9)
    report = verify_ledger(write_ledger(tmp_path, sets, shards=shards, batch=batch))

    assert report.ok, report.first_bad
    assert report.entries == sum(len(one.leaves) for one in sets)
    assert (report.accepted, report.rejected, report.duplicates) == (9, 1, 1)
    assert report.open_parts == 0
    assert report.logs == len(list(tmp_path.rglob("checkpoint")))


def test_who_waits_is_told_how_far_it_is(sound: Path) -> None:
    """Of every shard, never more than it has and never less than before, and at the end all of it."""
    told: dict[str, list[tuple[int, int]]] = {}
    report = verify_ledger(
        sound, progress=lambda shard, *far: told.setdefault(shard, []).append((far[0], far[1]))
    )
    assert sum(far[-1][0] for far in told.values()) == report.entries
    for far in told.values():
        assert [done for done, _ in far] == sorted(done for done, _ in far)
        assert {all_ for _, all_ in far} == {far[-1][0]}


def test_the_line_names_entries_and_root(sound: Path) -> None:
    """Of one shard the root is the log's; of several, the hash of the sorted checkpoint lines."""
    stated = [
        open_checkpoint(
            (sound / one / "checkpoint").read_text(),
            verifier_key(f"test/{one}", KEY.public_key()),
        )
        for one in ("s0", "s1")
    ]
    lines = [f"{one.origin} {one.size} {base64.b64encode(one.root).decode()}\n" for one in stated]
    holds, line = verdict(sound)
    found = LINE.fullmatch(line)

    assert holds
    assert found
    assert int(found[1]) == sum(one.size for one in stated)
    assert found[2] == base64.b64encode(sha256("".join(sorted(lines)).encode()).digest()).decode()


def test_the_root_of_one_shard_is_its_logs(tmp_path: Path) -> None:
    """So that it can be compared with what any other tool prints."""
    report = verify_ledger(write_ledger(tmp_path, story(3)))

    assert report.root == (tmp_path / "s0/checkpoint").read_text().split("\n")[2]


def test_verifying_changes_nothing_and_works_on_a_copy_without_the_store(
    sound: Path, tmp_path: Path
) -> None:
    """Only files are read; what could not be checked without the store is said."""
    before = every_file(sound)
    report = verify_ledger(sound)
    assert report.ok
    assert every_file(sound) == before

    copy = Path(shutil.copytree(sound, tmp_path / "elsewhere"))
    for path in copy.rglob("store.db*"):
        path.unlink()
    bare = verify_ledger(copy)
    assert (bare.ok, bare.root, bare.entries) == (True, report.root, report.entries)
    assert sum("sealed facts and rows were not checked" in note for note in bare.notes) == 2


def every_file(folder: Path) -> dict[Path, bytes]:
    """All files below a folder, the store too."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("left_out", "said"),
    [((), None), (("-shm",), None), (("-wal", "-shm"), "older than the log")],
)
def test_a_copy_of_a_running_store_is_read_as_far_as_it_goes(
    tmp_path: Path, left_out: tuple[str, ...], said: str | None
) -> None:
    """With its write-ahead log all is checked; without it, what is missing is said. Nothing is written."""
    store = running_store(tmp_path / "live/s0")
    copy = Path(shutil.copytree(tmp_path / "live", tmp_path / "copy"))
    store.close()
    for end in left_out:
        (copy / f"s0/store.db{end}").unlink()
    before = every_file(copy)
    report = verify_ledger(copy)

    assert report.ok, report.first_bad
    assert any("store.db" in note and said in note for note in report.notes) if said else True
    assert sum("store.db" in note for note in report.notes) == (1 if said else 0)
    after = every_file(copy)
    assert set(after) == set(before)
    assert all(after[one] == before[one] for one in before if one.suffix != ".db-shm")


def running_store(folder: Path) -> ShardStore:
    """A store with a few recorded and published sets, still open: much of it is in its -wal."""
    store = ShardStore.open(folder, f"test/{folder.name}", KEY)
    sets = [record_set(one) for one in story(6)]
    store.commit(sets, epoch=store.take_epoch(), next_offset=1, render=render)
    store.publish_tiles()
    return store


def test_what_is_recorded_and_not_published_is_said(tmp_path: Path) -> None:
    """A ledger that was stopped between the two is sound; the note says how much is to come."""
    store = running_store(tmp_path / "s0")
    more = [record_set(one) for one in (accepted(50), decided(50))]
    store.commit(more, epoch=store.take_epoch(), next_offset=2, render=render)
    report = verify_ledger(tmp_path)
    store.close()

    assert report.ok, report.first_bad
    assert "s0/store.db holds 7 entries that are not published yet" in report.notes


def test_an_empty_shard_states_that_it_is_empty(tmp_path: Path) -> None:
    """A shard to which nothing fell has a signed checkpoint of size 0."""
    write_ledger(tmp_path, [rejected(0)], shards=1)
    store = ShardStore.open(tmp_path / "s1", "test/s1", KEY)
    store.publish_tiles()
    store.close()
    report = verify_ledger(tmp_path)

    assert report.ok, report.first_bad
    assert (report.entries, report.rejected, report.logs) == (1, 1, 3)


def test_a_growing_ledger_is_never_called_bad(tmp_path: Path) -> None:
    """Files change under the auditor all the time: it reads again, and finds the log sound."""
    write_ledger(tmp_path, [accepted(0), decided(0)])

    def work() -> None:
        store = ShardStore.open(tmp_path / "s0", "test/s0", KEY)
        epoch = store.take_epoch()
        for offset in range(1, 120):
            sets = [record_set(accepted(offset)), record_set(decided(offset))]
            store.commit(sets, epoch=epoch, next_offset=offset, render=render)
            store.publish_tiles()
            time.sleep(0.002)

    pid = os.fork()
    if pid == 0:
        try:
            work()
        finally:
            os._exit(0)
    reports = []
    while os.waitpid(pid, os.WNOHANG) == (0, 0):
        reports.append(verify_ledger(tmp_path))
        read_entries(tmp_path / "s0", 0)

    assert len(reports) > 3
    assert all(one.ok for one in reports), [one.first_bad for one in reports if not one.ok]
    assert reports[0].entries < verify_ledger(tmp_path).entries == 120 * 7


def test_what_the_next_moment_brings_is_waited_for(tmp_path: Path) -> None:
    """Accepted on one shard, decided on the other a moment later: read again, not called bad."""
    accepting, deciding = (
        ShardStore.open(tmp_path / one, f"test/{one}", KEY) for one in ("s0", "s1")
    )
    deciding.publish_tiles()
    accepting.commit(
        [record_set(accepted(0))], epoch=accepting.take_epoch(), next_offset=1, render=render
    )
    accepting.publish_tiles()
    deciding.close()

    def decides() -> None:
        store = ShardStore.open(tmp_path / "s1", "test/s1", KEY)
        time.sleep(0.1)
        epoch = store.take_epoch()
        store.commit([record_set(decided(0))], epoch=epoch, next_offset=1, render=render)
        store.publish_tiles()

    thread = threading.Thread(target=decides)
    thread.start()
    report = verify_ledger(tmp_path)
    thread.join()
    accepting.close()

    assert report.ok, report.first_bad


def test_one_key_file_is_enough_for_every_log(sound: Path, tmp_path: Path) -> None:
    """The verifier key of any log, or the bare public key; then no note about trust."""
    raw = KEY.public_key().public_bytes_raw()
    files = [sound / "s1/recipients/E08000031/log.vkey", tmp_path / "raw", tmp_path / "typed"]
    files[1].write_text(base64.b64encode(raw).decode())
    files[2].write_text(base64.b64encode(b"\x01" + raw).decode() + "\n")
    for file in files:
        report = verify_ledger(sound, keys_from_file(file))
        assert report.ok, report.first_bad
        assert not any("keys were taken" in note for note in report.notes)
    assert "log.vkey beside each log" in verify_ledger(sound).notes[0]


def test_another_key_verifies_nothing(sound: Path, tmp_path: Path) -> None:
    """A ledger that somebody else signed is not this ledger."""
    file = tmp_path / "other"
    file.write_text(verifier_key("x", Ed25519PrivateKey.generate().public_key()))
    report = verify_ledger(sound, keys_from_file(file))

    assert not report.ok
    assert "s0/log.vkey: is not the key that was given" in str(report.first_bad)
    assert "no key was given for the log test/s0" in str(verify_ledger(sound, {}).first_bad)


@pytest.mark.parametrize("data", [b"", b"\xff\xfe", b"none", b"a+b+c", b"QUJD", b"x" * 9000])
def test_a_file_without_a_key_is_refused_in_words(tmp_path: Path, data: bytes) -> None:
    """The error names the file and what it must hold."""
    file = tmp_path / "key"
    file.write_bytes(data)
    with pytest.raises(BadLedgerError, match="key"):
        keys_from_file(file)
    with pytest.raises(BadLedgerError, match="cannot be read"):
        keys_from_file(tmp_path / "absent")


def test_gaps_between_offsets_are_a_note_and_no_fault(tmp_path: Path) -> None:
    """Transaction markers take offsets: a gap is worth a look and proves nothing."""
    report = verify_ledger(write_ledger(tmp_path, [rejected(3), rejected(5), rejected(9)]))

    assert report.ok, report.first_bad
    assert any("4 of the offsets 3 to 9 have no leaf" in note for note in report.notes)


def test_a_crash_between_any_two_files_is_said_or_harmless(tmp_path: Path) -> None:
    """After a writer died and its successor published, nothing is left to complain about."""
    write_ledger(tmp_path, [accepted(0), decided(0)])

    def dies() -> None:
        store = ShardStore.open(tmp_path / "s0", "test/s0", KEY)
        sets = [record_set(accepted(1)), record_set(decided(1))]
        store.commit(sets, epoch=store.take_epoch(), next_offset=2, render=render)
        os._exit(3)

    assert in_child(partial(dies)) == 3
    assert verify_ledger(tmp_path).entries == 7
    store = ShardStore.open(tmp_path / "s0", "test/s0", KEY)
    store.publish_tiles()
    store.close()
    report = verify_ledger(tmp_path)
    assert (report.ok, report.entries) == (True, 14)
