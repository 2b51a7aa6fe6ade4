"""Whatever is changed in the files of a sound ledger is found, and named."""

from __future__ import annotations

import base64
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from broker.auditor import verify_ledger
from broker.ledger import RecordSet, sign_checkpoint
from tests.auditor.ledgers import KEY, action, story, write_ledger, write_shard
from tests.ledger.test_tree import flipped

OWN = "s0/recipients/E08000031"
RECEIPTS = "s1/recipients/ADV-TEST"
Change = Callable[[Path], None]


def fault_of(ledger: Path) -> str:
    """What the auditor says first; there must be something."""
    report = verify_ledger(ledger)
    assert not report.ok
    assert report.first_bad
    assert report.summary_line() == f"ledger NOT verified: {report.first_bad}"
    return report.first_bad


def published(ledger: Path) -> list[str]:
    """Every file of the logs; not the stores."""
    return sorted(
        path.relative_to(ledger).as_posix()
        for path in ledger.rglob("*")
        if path.is_file() and not path.name.startswith("store.db")
    )


def test_the_sound_ledger_has_files_of_every_kind(sound: Path) -> None:
    """So that the tests below damage what they say they damage."""
    names = set(published(sound))
    for log in ("s0", "s1", OWN):
        assert {f"{log}/checkpoint", f"{log}/log.vkey", f"{log}/tile/0/000"} <= names
        assert f"{log}/tile/entries/000" in names
        assert any(name.startswith(f"{log}/tile/1/000.p/") for name in names)
        assert any(name.startswith(f"{log}/tile/0/") and ".p/" in name for name in names)
    assert verify_ledger(sound).ok


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_no_bit_of_any_file_can_be_changed(sound: Path, data: st.DataObject) -> None:
    """Any single bit of any file of any log: verification fails and names that file."""
    name = data.draw(st.sampled_from(published(sound)), label="file")
    path = sound / name
    whole = path.read_bytes()
    bit = data.draw(st.integers(0, 8 * len(whole) - 1), label="bit")
    try:
        path.write_bytes(flipped(whole, bit))
        assert name in fault_of(sound)
    finally:
        path.write_bytes(whole)


@pytest.mark.parametrize("log", ["s0", OWN])
def test_every_byte_of_checkpoint_and_key_is_held(tmp_path: Path, log: str) -> None:
    """Not a sample: each byte of the two small files, one after the other."""
    ledger = write_ledger(tmp_path, story(2))
    for name in (f"{log}/checkpoint", f"{log}/log.vkey"):
        whole = (ledger / name).read_bytes()
        for at in range(len(whole)):
            (ledger / name).write_bytes(flipped(whole, 8 * at + at % 8))
            assert name in fault_of(ledger)
        (ledger / name).write_bytes(whole)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_no_file_can_be_removed_cut_or_lengthened(sound: Path, data: st.DataObject) -> None:
    """Deleted, truncated anywhere, or with bytes added: found and named."""
    name = data.draw(st.sampled_from(published(sound)), label="file")
    path = sound / name
    whole = path.read_bytes()
    cut = data.draw(st.integers(-1, len(whole) - 1), label="cut at")
    added = data.draw(st.sampled_from([b"", b"\x00", b"\n", b"\x00\x00", b"x" * 33]), label="added")
    try:
        if cut == -1 and not added:
            path.unlink()
        else:
            path.write_bytes(whole + added if cut == -1 else whole[:cut])
        assert name in fault_of(sound)
    finally:
        path.write_bytes(whole)


def swap(first: str, second: str) -> Change:
    """Exchanges two files or folders."""

    def change(ledger: Path) -> None:
        aside = ledger.parent / "aside"
        (ledger / first).rename(aside)
        (ledger / second).rename(ledger / first)
        aside.rename(ledger / second)

    return change


def copied(name: str, to: str) -> Change:
    """Puts a copy of a file somewhere else."""

    def change(ledger: Path) -> None:
        (ledger / to).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ledger / name, ledger / to)

    return change


def written(name: str, data: bytes) -> Change:
    """Writes a file."""

    def change(ledger: Path) -> None:
        (ledger / name).parent.mkdir(parents=True, exist_ok=True)
        (ledger / name).write_bytes(data)

    return change


def replaced(name: str, old: str, new: str) -> Change:
    """Replaces text in a file."""

    def change(ledger: Path) -> None:
        text = (ledger / name).read_text()
        assert old in text
        (ledger / name).write_text(text.replace(old, new))

    return change


def removed(name: str) -> Change:
    """Removes a folder."""
    return lambda ledger: shutil.rmtree(ledger / name)


def unused_bits(ledger: Path) -> None:
    """Writes the root in base64 whose last, unused bits are set: it decodes to the same bytes."""
    path = ledger / "s0/checkpoint"
    origin, size, root, *rest = path.read_text().split("\n")
    digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    bent = root[:-2] + digits[digits.index(root[-2]) + 1] + "="
    assert base64.b64decode(bent) == base64.b64decode(root)
    path.write_text("\n".join([origin, size, bent, *rest]))


def signed_size(size: int) -> Change:
    """The log's own key signs another size with the root that it had."""

    def change(ledger: Path) -> None:
        path = ledger / "s0/checkpoint"
        root = base64.b64decode(path.read_text().split("\n")[2])
        path.write_text(sign_checkpoint("test/s0", size, root, KEY))

    return change


def signed_root(ledger: Path) -> None:
    """The log's own key signs another root for the size that it has."""
    path = ledger / "s0/checkpoint"
    size = int(path.read_text().split("\n")[1])
    path.write_text(sign_checkpoint("test/s0", size, bytes(32), KEY))


def rolled_back(ledger: Path) -> None:
    """An organisation's log is replaced by an empty one, properly signed."""
    shutil.rmtree(ledger / OWN / "tile")
    empty = bytes.fromhex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    note = sign_checkpoint("test/s0/E08000031", 0, empty, KEY)
    (ledger / OWN / "checkpoint").write_text(note)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (swap("s0/tile/0/000", "s0/tile/0/001"), "s0/tile/0/000: hash 0 is not that of entry 0 "),
        (swap("s0/tile/entries/000", "s0/tile/entries/001"), "s0/tile/entries/000"),
        (swap(f"{OWN}/checkpoint", "s0/checkpoint"), "s0/checkpoint: is of the log"),
        (swap(OWN, "s0/recipients/SCH-TEST"), "folders were exchanged"),
        (swap("s0", "s1"), "folders were exchanged"),
        (swap(OWN, "s1/recipients/E08000031"), "folders were exchanged"),
        (copied("s0/tile/0/000", "s0/tile/0/000.p/255"), "s0/tile/0/000.p/255 does not belong"),
        (copied("s0/tile/0/000", "s0/tile/0/999"), "s0/tile/0/999 does not belong"),
        (written("s0/tile/0/x001/000", b""), "s0/tile/0/x001/000 does not belong"),
        (written("s0/tile/7/000", b"x" * 32), "s0/tile/7/000 does not belong"),
        (written("s0/tile/entries/.hidden", b""), "s0/tile/entries/.hidden does not belong"),
        (written(f"{OWN}/tile/data/000", b""), f"{OWN}/tile/data/000 does not belong"),
        (written("s0/checkpoint", b"\xff\xfe\x00"), "s0/checkpoint: is no UTF-8 text"),
        (written("s0/log.vkey", b"\xff\xfe\x00"), "s0/log.vkey: is no UTF-8 text"),
        (written("s0/tile/0/000", b""), "s0/tile/0/000: has 0 bytes and must have 8192"),
        (written("s0/tile/entries/000", b""), "s0/tile/entries/000: holds 0 entries"),
        (written("s0/tile/entries/000", b"\xff\xff"), "entry 0 of the bundle is cut short"),
        (written("s0/tile/entries/000", bytes(2 * 256)), "hash 0 is not that of entry 0 "),
        (written("s0/tile/entries/000", bytes(17_000_000)), "longer than"),
        (written("s0/checkpoint", b"x" * 70_000), "longer than"),
        (written("s3/checkpoint", b""), "s2 is missing"),
        (removed("s0"), "s0 is missing"),
        (removed("s1"), "no decision set closes it"),
        (removed("s0/tile"), "s0/tile/0/000 is missing"),
        (removed(OWN), "commits to a leaf that is not in the log s0/recipients/E08000031"),
        (removed("s0/recipients"), "commits to a leaf that is not in the log s0/recipients/"),
        (written("s0/recipients/GHOST/tile/0/000", b""), "s0/recipients/GHOST/log.vkey is missing"),
        (replaced("s0/log.vkey", "test/s0", "best/s0"), "s0/log.vkey: the verifier key's hash"),
        (replaced("s0/checkpoint", "test/s0", "best/s0"), "s0/checkpoint: is of the log"),
        (unused_bits, "s0/checkpoint: the root is base64 that no encoder writes"),
        (signed_size(1), "s0/tile/0/000.p/1 is missing: the checkpoint states 1 "),
        (signed_size(10**17), "is missing: the checkpoint states 100000000000000000 entries"),
        (signed_root, "s0/checkpoint: its root is not that of the"),
        (rolled_back, "commits to a leaf that is not in the log s0/recipients/E08000031"),
    ],
)
def test_files_put_taken_or_exchanged_are_named(ledger: Path, change: Change, said: str) -> None:
    """Stale, foreign, exchanged, missing, rolled back: each is named for what it is."""
    change(ledger)

    assert said in fault_of(ledger)


def test_a_stale_partial_file_is_named(ledger: Path) -> None:
    """One that an earlier, shorter log had, with its true bytes: it is no part of this one."""
    (partial,) = (ledger / "s0/tile/0").glob("*.p/*")
    width = int(partial.name) - 1
    partial.with_name(str(width)).write_bytes(partial.read_bytes()[: 32 * width])

    assert f"{partial.parent.name}/{width} does not belong to a log of" in fault_of(ledger)


@pytest.mark.parametrize("log", ["s0", OWN])
def test_an_entry_cannot_be_added_to_the_last_bundle(ledger: Path, log: str) -> None:
    """A leaf behind the last one, in the bundle, in the tile, or in both."""
    (bundle,) = (ledger / log / "tile/entries").glob("*.p/*")
    bundle.write_bytes(bundle.read_bytes() + b"\x00\x02{}")
    assert "entries and must hold" in fault_of(ledger)

    bundle.rename(bundle.with_name(str(int(bundle.name) + 1)))
    assert "is missing: the checkpoint states" in fault_of(ledger)


def test_a_file_of_another_kind_is_no_traceback(ledger: Path) -> None:
    """Folders, pipes and dangling links where files should be: a sentence, and no waiting."""
    path = ledger / "s0/tile/0/000"
    path.unlink()
    path.mkdir()
    assert "s0/tile/0/000" in fault_of(ledger)
    path.rmdir()
    os.mkfifo(path)
    assert "s0/tile/0/000" in fault_of(ledger)
    path.unlink()
    path.symlink_to("nowhere")
    assert "s0/tile/0/000" in fault_of(ledger)
    (ledger / "s0/checkpoint").unlink()
    (ledger / "s0/checkpoint").mkdir()
    assert "s0/checkpoint" in fault_of(ledger)


def test_a_file_name_that_is_no_text_is_no_traceback(ledger: Path) -> None:
    """Names are bytes to the system: one that is no UTF-8 can be printed all the same."""
    Path(os.fsdecode(os.fsencode(ledger) + b"/s0/tile/0/\xff\xfe")).write_bytes(b"")

    assert "does not belong" in fault_of(ledger).encode("utf-8").decode("utf-8")


@pytest.mark.parametrize("name", ["facts", "rows"])
def test_sealed_facts_and_rows_are_those_that_a_leaf_commits_to(ledger: Path, name: str) -> None:
    """One bit changed in the store, another kind of value, cut, or removed."""
    with closing(sqlite3.connect(ledger / "s1/store.db")) as database:
        last, content = database.execute(
            "SELECT max(record), content FROM sidecar WHERE name = ?", (name,)
        ).fetchone()
    for tampered in (flipped(content, 8 * len(content) - 1), b"", "text", 5, content[:-1], None):
        with closing(sqlite3.connect(ledger / "s1/store.db", isolation_level=None)) as database:
            database.execute(
                "DELETE FROM sidecar WHERE (record, name) = (?1, ?2)"
                if tampered is None
                else "UPDATE sidecar SET content = ?3 WHERE (record, name) = (?1, ?2)",
                (last, name) if tampered is None else (last, name, tampered),
            )
        fault = fault_of(ledger)
        assert "s1/store.db" in fault
        assert f"the sealed {name} of set" in fault
        assert "log s1, leaf" in fault


def test_the_words_of_a_human_act_are_those_that_its_leaf_commits_to(tmp_path: Path) -> None:
    """An act has sealed rows as a decision has."""
    ledger = write_ledger(tmp_path, [action(1)])
    with closing(sqlite3.connect(ledger / "s0/store.db", isolation_level=None)) as database:
        database.execute("UPDATE sidecar SET content = x'00'")

    assert "the sealed rows of set" in fault_of(ledger)


@pytest.mark.parametrize("name", ["tile/1/000", "tile/1/001.p/1", "tile/2/000.p/1", "tile/0/200"])
def test_a_changed_tile_of_a_large_log_is_named(tmp_path: Path, name: str) -> None:
    """Full and partial tiles above 65,536 entries. What the file is comes before what leaves mean."""
    sets = [RecordSet(f"set-{one}", (b"{}",) * 1000, (), ()) for one in range(66)]
    write_shard(tmp_path / "s0", sets, batch=66)
    assert "log s0, leaf 0: is no leaf that this auditor knows" in fault_of(tmp_path)
    path = tmp_path / "s0" / name
    path.write_bytes(flipped(path.read_bytes(), 77))

    assert f"s0/{name}: hash 0 is not that of" in fault_of(tmp_path)


@pytest.mark.parametrize("data", [b"", b"not a database", b"SQLite format 3\x00" + bytes(5000)])
def test_a_store_that_is_no_store_is_named(ledger: Path, data: bytes) -> None:
    """Beside a sound log, a damaged store is a fault of its own."""
    (ledger / "s0/store.db").write_bytes(data)

    assert "s0/store.db cannot be read as a ledger's store" in fault_of(ledger)


@pytest.mark.parametrize("make", ["absent", "empty", "file", "log", "strange"])
def test_what_is_no_ledger_is_said_to_be_none(sound: Path, tmp_path: Path, make: str) -> None:
    """No folder, an empty one, a file, a single log, or folders of something else."""
    where = tmp_path / "where"
    if make == "empty":
        where.mkdir()
    elif make == "file":
        where.write_text("x")
    elif make == "strange":
        (where / "photos").mkdir(parents=True)
    elif make == "log":
        where = sound / "s0"

    assert str(where) in fault_of(where)
    assert verify_ledger(where).entries == 0
