"""Programs that we did not write read what we write: tlog-scales, Tessera's fsck, and any reader."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tlog_scales import backend
from tlog_scales.reader import TilesReader
from tlog_scales.tiles import leaf_hash

from broker.ledger import LedgerError, consistency_holds, encode_bundle, read_entries, root_of
from tests.ledger.shards import a_set, open_store, record
from tests.ledger.test_tree import grown

TLOG_TILES = str(Path(sys.executable).with_name("tlog-tiles"))
FSCK = (
    os.environ.get("BROKER_FSCK")
    or shutil.which("fsck", path=f"{Path.home() / 'go' / 'bin'}{os.pathsep}{os.environ['PATH']}")
    or ""
)
GO_INSTALL = "go install github.com/transparency-dev/tessera/cmd/fsck@v1.0.4"
RECIPIENT = "recipients/E08000031"


@pytest.fixture(scope="module")
def shard(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shard with 700 entries and a recipient's log of 300."""
    folder = tmp_path_factory.mktemp("outside") / "s0"
    store = open_store(folder)
    for start in range(0, 300, 50):
        sets = [
            a_set(number, 2 + (number % 3 == 0), ("E08000031",))
            for number in range(start, start + 50)
        ]
        record(store, sets)
        store.publish_tiles()
    store.close()
    return folder


@pytest.mark.parametrize("log", ["", RECIPIENT])
def test_tlog_scales_proves_every_entry_from_our_files(shard: Path, log: str) -> None:
    """Every entry, by an independent reader's own proof, against our signed root."""
    reader = TilesReader(backend.make_backend(f"file://{shard / log}"))
    checkpoint = reader.get_checkpoint()
    entries = read_entries(shard / log, 0)

    assert checkpoint.size == len(entries) > 256
    assert reader.calculate_root_hash() == checkpoint.root_hash
    for index, entry in enumerate(entries):
        assert reader.get_entry(index) == entry
        reader.get_inclusion_proof(index, checkpoint.size).check(
            leaf_hash(entry), checkpoint.root_hash
        )


def test_consistency_proofs_of_an_independent_reader_hold(shard: Path) -> None:
    """From every few sizes to the end: its proofs, made from our tiles, hold by our check."""
    reader = TilesReader(backend.make_backend(f"file://{shard}"))
    checkpoint = reader.get_checkpoint()
    entries = read_entries(shard, 0)
    for first in range(1, checkpoint.size + 1, 13):
        proof = reader.get_consistency_proof(first, checkpoint.size)
        before = root_of(grown(entries[:first]))
        assert consistency_holds(
            first, before, checkpoint.size, checkpoint.root_hash, proof.node_hashes
        )


def test_the_tlog_tiles_command_reads_and_proves(shard: Path) -> None:
    """`get-leaf --check` and `gen-proof`, as an auditor would type them."""
    command = [TLOG_TILES, "get-leaf", "--check", f"file://{shard}", "257"]
    leaf = subprocess.run(command, capture_output=True, check=True).stdout
    command = [TLOG_TILES, "gen-proof", f"file://{shard}", "257"]
    proof = subprocess.run(command, capture_output=True, check=True, text=True).stdout

    assert leaf == read_entries(shard, 257)[0]
    assert proof.startswith("c2sp.org/tlog-proof@v1\nindex 257\n")
    assert proof.endswith((shard / "checkpoint").read_text())


def fsck(log: Path) -> str:
    """What fsck says of a log. Its exit code says nothing, and with few workers it can hang."""
    if not FSCK or not Path(FSCK).exists():
        pytest.skip(
            "TESSERA'S FSCK IS NOT HERE: the files were not checked by a program that we did not "
            f"write in Go. Install it with `{GO_INSTALL}`, or name it in BROKER_FSCK"
        )
    command = [
        FSCK,
        *("-N", "2048", f"--storage_url=file://{log}/", f"--public_key={log / 'log.vkey'}"),
        "--ui=false",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.stdout + done.stderr


@pytest.mark.parametrize(("log", "size"), [("", 700), (RECIPIENT, 300)])
def test_fsck_accepts_our_logs(shard: Path, log: str, size: int) -> None:
    """Google's own checker of tlog-tiles finds log and recipient's log sound."""
    assert f"Successfully fsck'd log with size {size}" in fsck(shard / log)


def test_fsck_refuses_a_changed_entry(shard: Path, tmp_path: Path) -> None:
    """So that its acceptance means something."""
    copy = Path(shutil.copytree(shard, tmp_path / "s0"))
    bundle = copy / "tile/entries/000"
    bundle.write_bytes(bundle.read_bytes().replace(b"set-7 leaf", b"set-8 leaf", 1))

    assert "Successfully" not in fsck(copy)


def test_a_reader_goes_on_from_where_it_was(shard: Path) -> None:
    """From any start: what is left; from the end or beyond: nothing."""
    whole = read_entries(shard, 0)
    for start in (0, 1, 255, 256, 257, 511, 512, 699, 700, 5000):
        assert read_entries(shard, start) == whole[start:]


def test_nothing_is_read_where_nothing_is_published(tmp_path: Path) -> None:
    """No folder, and a folder before its first publication."""
    assert read_entries(tmp_path / "s9", 0) == []
    open_store(tmp_path / "s0")
    assert read_entries(tmp_path / "s0", 0) == []


def test_a_reader_that_is_overtaken_gets_what_is_whole(shard: Path, tmp_path: Path) -> None:
    """The last partial bundle was replaced while it read: it gets what is before, the rest later."""
    copy = Path(shutil.copytree(shard, tmp_path / "s0"))
    (copy / "tile/entries/002.p/188").rename(copy / "tile/entries/002.p/189")
    assert read_entries(copy, 0) == read_entries(shard, 0)[:512]

    (copy / "tile/entries/002.p/189").rename(copy / "tile/entries/002")
    with (copy / "tile/entries/002").open("ab") as file:
        file.write(encode_bundle([b"not yet stated"] * 68))
    assert read_entries(copy, 0) == read_entries(shard, 0)


@pytest.mark.parametrize(
    ("name", "data"),
    [("checkpoint", b"\xff\xfe"), ("checkpoint", b"none"), ("tile/entries/000", b"\xff\xff\x00")],
)
def test_a_damaged_file_is_named(shard: Path, tmp_path: Path, name: str, data: bytes) -> None:
    """A reader of a damaged log is told which file."""
    copy = Path(shutil.copytree(shard, tmp_path / "s0"))
    (copy / name).write_bytes(data)
    with pytest.raises(LedgerError, match=name):
        read_entries(copy, 0)
