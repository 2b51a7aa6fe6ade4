"""The files of a ledger as they lay at one moment.

A running ledger replaces checkpoints and partial files all the time; full tiles never change. So the
changing files of a shard are read together, and read again if a checkpoint changed meanwhile, or if
there are files of the next publication already or of the last one still.
"""

from __future__ import annotations

import itertools
import os
import re
import stat
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec

from broker.auditor.report import BadLedgerError
from broker.ledger import NoteError, checkpoint_size, file_names, partial_tiles

CHECKPOINT = "checkpoint"
VERIFIER_KEY = "log.vkey"
WITNESS_KEYS = "witness.vkeys"
RECIPIENTS = "recipients"
TILES = "tile"
SHARD = re.compile(r"s[0-9]+")
MAX_TEXT_BYTES = 65_536
MAX_TILE_BYTES = 256 * (2 + 65_535)
READINGS = 50
PAUSE_S = 0.003

Checkpoints = Mapping[str, bytes | None]
"""Folder of a log -> bytes of its checkpoint: what changes whenever the log does."""


class LogFiles(msgspec.Struct, frozen=True):
    """One log as its files lay."""

    folder: Path
    shown: str
    """The folder as a sentence names it: relative to the ledger's."""
    checkpoint: bytes | None
    key: bytes | None
    names: frozenset[str]
    """Every file under `tile/`, as `tile/...`."""
    partial: Mapping[str, bytes]
    """Bytes of the partial files that a log of this size has."""
    witness_keys: bytes | None = None

    def read(self, name: str) -> bytes:
        """Bytes of one tile or bundle. Raises BadLedgerError."""
        held = self.partial.get(name)
        if held is not None:
            return held
        try:
            return read_bounded(self.folder / name, MAX_TILE_BYTES)
        except OSError as error:
            raise BadLedgerError(f"{self.shown}/{name} cannot be read: {error.strerror}") from error


class ShardFiles(msgspec.Struct, frozen=True):
    """One shard: the auditors' log, and each organisation's own by folder name."""

    name: str
    folder: Path
    log: LogFiles
    recipients: Mapping[str, LogFiles]
    checkpoints: Checkpoints


def read_shards(ledger_dir: Path) -> tuple[ShardFiles, ...]:
    """Every shard of a ledger. Raises BadLedgerError where there is none or one cannot be read."""
    if not ledger_dir.is_dir():
        raise BadLedgerError(f"{ledger_dir}: there is no such folder, so no ledger to verify")
    if (ledger_dir / CHECKPOINT).exists() or (ledger_dir / TILES).exists():
        raise BadLedgerError(
            f"{ledger_dir} is a single log: give the folder above it, since what one shard "
            "accepted may be decided on another"
        )
    try:
        names = {one.name for one in ledger_dir.iterdir() if SHARD.fullmatch(one.name)}
    except OSError as error:
        raise BadLedgerError(f"{ledger_dir} cannot be read: {error.strerror}") from error
    if not names:
        raise BadLedgerError(f"{ledger_dir} holds no log: expected folders s0, s1, … in it")
    expected = [f"s{number}" for number in range(len(names))]
    missing = [one for one in expected if one not in names]
    if missing:
        raise BadLedgerError(
            f"{ledger_dir}/{missing[0]} is missing: there are {', '.join(sorted(names))}, so a "
            "shard was removed or renamed"
        )
    return tuple(_read_shard(ledger_dir / one) for one in expected)


def read_log(folder: Path) -> LogFiles:
    """One log that stands by itself, between two of its publications. Raises BadLedgerError."""
    if not folder.is_dir():
        raise BadLedgerError(f"{folder}: there is no such folder, so no log to verify")
    return _read_shard(folder).log


def read_checkpoints(shard: Path) -> Checkpoints:
    """The checkpoints of all logs of a shard, as they lie now. Raises OSError."""
    folders = [shard, *_recipients(shard).values()]
    return {str(one): _read_or_none(one / CHECKPOINT) for one in folders}


def read_bounded(path: Path, most: int) -> bytes:
    """The bytes of an ordinary file of at most `most` bytes; OSError if it is not one."""
    with open(path, "rb", opener=_without_waiting) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(0, "it is no ordinary file", str(path))
        data = file.read(most + 1)
    if len(data) > most:
        raise OSError(0, f"longer than the {most} bytes that any such file can have", str(path))
    return data


def _without_waiting(path: str, flags: int) -> int:
    """Opens a file; a pipe that was put in its place would else wait for its writer for ever."""
    return os.open(path, flags | os.O_NONBLOCK)


def running(shard: Path) -> bool:
    """True if a process may have the shard's store open; also after one was killed."""
    return (shard / "store.db-shm").exists()


def _read_shard(folder: Path) -> ShardFiles:
    """The shard between two of its publications; as good as can be had if there is no such moment."""
    shard: ShardFiles | None = None
    restless = "the checkpoints"
    for reading in range(READINGS):
        try:
            shard = _read_once(folder) or shard
        except FileNotFoundError as error:
            # A partial file was replaced between the listing and the reading.
            restless = str(error.filename)
            shard = None
        except OSError as error:
            raise BadLedgerError(f"{error.filename} cannot be read: {error.strerror}") from error
        if shard is not None and not (running(folder) and _publishing(shard)):
            return shard
        time.sleep(PAUSE_S * (1 + reading % 5))
    if shard is None:
        raise BadLedgerError(
            f"{folder} changes faster than it can be read ({restless}): verify a copy, or when "
            "less is recorded"
        )
    return shard


def _read_once(folder: Path) -> ShardFiles | None:
    """The shard, or None if a checkpoint changed while it was read."""
    before = read_checkpoints(folder)
    shard = ShardFiles(
        name=folder.name,
        folder=folder,
        log=_read_log(folder, folder.name, before),
        recipients={
            name: _read_log(one, f"{folder.name}/{RECIPIENTS}/{name}", before)
            for name, one in _recipients(folder).items()
        },
        checkpoints=before,
    )
    return shard if before == read_checkpoints(folder) else None


def _publishing(shard: ShardFiles) -> bool:
    """True if any log has files that its checkpoint does not ask for.

    From the first file of a publication to the last that it removes, some log of the shard has.
    """
    return any(
        log.checkpoint is None or not log.names <= _names_for(log)
        for log in (shard.log, *shard.recipients.values())
    )


def _names_for(log: LogFiles) -> frozenset[str]:
    """The files that the checkpoint asks for; no more of them than could be there."""
    size = _stated_size(log.checkpoint)
    return frozenset(itertools.islice(file_names(size), 2 * len(log.names) + 2))


def _recipients(shard: Path) -> dict[str, Path]:
    """Folder name -> folder of each organisation's own log."""
    folder = shard / RECIPIENTS
    if not folder.is_dir():
        return {}
    return {one.name: one for one in sorted(folder.iterdir()) if one.is_dir()}


def _read_log(folder: Path, shown: str, checkpoints: Checkpoints) -> LogFiles:
    checkpoint = checkpoints.get(str(folder))
    names = frozenset(
        Path(parent, name).relative_to(folder).as_posix()
        for parent, _, files in os.walk(folder / TILES)
        for name in files
    )
    return LogFiles(
        folder=folder,
        shown=shown,
        checkpoint=checkpoint,
        key=_read_or_none(folder / VERIFIER_KEY),
        witness_keys=_read_or_none(folder / WITNESS_KEYS),
        names=names,
        partial={
            name: read_bounded(folder / name, MAX_TILE_BYTES)
            for name in _partial_names(checkpoint)
            if name in names
        },
    )


def _partial_names(checkpoint: bytes | None) -> list[str]:
    """Partial files that belong to a checkpoint; none for one that cannot be read."""
    tiles = list(partial_tiles(_stated_size(checkpoint)))
    return [tile.path for tile in tiles] + [tile.entries_path for tile in tiles if not tile.level]


def _stated_size(checkpoint: bytes | None) -> int:
    """The size that a checkpoint states, signed or not; 0 for one that cannot be read."""
    try:
        return checkpoint_size((checkpoint or b"").decode("utf-8"))
    except (UnicodeDecodeError, NoteError):
        return 0


def _read_or_none(path: Path) -> bytes | None:
    try:
        return read_bounded(path, MAX_TEXT_BYTES)
    except FileNotFoundError:
        return None
