"""Publishing: the files of every log of a shard, derived from its database.

New tiles and bundles first, then the checkpoints (the auditors' last), then superseded partial files
go: a reader never sees a checkpoint whose tiles are not there. Each file is written whole and then
renamed into place. All happens under the database's write lock and from what it holds at that
moment, so two processes cannot mix their files, whichever of them is the writer.

On one machine files are not forced to disk: after a restart of it all are made anew. Where writers run
on several machines their common file system is forced to disk once a publication instead, since making
a large ledger's files anew would keep its shard waiting at every change of the machine.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Sequence
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from broker.ledger.cosignatures import with_cosignatures
from broker.ledger.database import INDEX_BITS, UNPUBLISHED, Database, LogRow
from broker.ledger.notes import NoteError, checkpoint_size, verifier_key
from broker.ledger.tiles import TILE_WIDTH, Tile, changed_tiles, encode_bundle, file_names
from broker.ledger.values import LedgerError

CHECKPOINT = "checkpoint"
VERIFIER_KEY = "log.vkey"
WITNESS_KEYS = "witness.vkeys"
RECIPIENTS = "recipients"
TEMPORARY = ".publishing"
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Publisher:
    """Writes the files of one shard."""

    def __init__(
        self, database: Database, directory: Path, public_keys: Sequence[Ed25519PublicKey]
    ) -> None:
        """`directory` is the shard's folder."""
        self._database = database
        self._directory = directory
        self._public_keys = tuple(public_keys)
        self._compared = False
        self._failures: tuple[type[Exception], ...] = (OSError, *database.errors)

    def list_keys(self, public_keys: Sequence[Ed25519PublicKey]) -> None:
        """Keys for verifiers, a line each in `log.vkey`; the next publication compares every log."""
        self._public_keys = tuple(public_keys)
        self._compared = False

    def publish(self, *, anew: bool = False) -> None:
        """Brings the files up to the database: what changed, or with `anew` everything.

        Files are not forced to disk one by one. The first call of a process compares each log's
        checkpoint with the database, and on one machine writes all files anew if it was started
        since the last one (they may not have reached the disk). Raises LedgerError where files cannot be
        written; the next call then begins where the last finished one ended.
        """
        if self._compared and not anew and not self._database.logs(unpublished=True):
            return
        try:
            self._publish(anew=anew)
        except self._failures as error:
            raise LedgerError(
                f"{self._directory}: the ledger's files could not be written ({error}); what is "
                "recorded is safe in the store: see that the disk has room, then start it again"
            ) from error
        self._compared = True

    def _publish(self, *, anew: bool) -> None:
        with self._database.unsynced_transaction():
            if anew or not self._compared:
                self._distrust(everything=anew)
            logs = self._database.logs(unpublished=True)
            for log in logs:
                for tile in changed_tiles(max(log.published, 0), log.edge.size):
                    self._write_tile(log, tile)
            for log in reversed(logs):
                self._write_checkpoint(log)
            for log in logs:
                self._remove_superseded(log)
            if self._database.shared and logs:
                force(self._directory)
            self._database.executemany(
                "UPDATE log SET published = ? WHERE log_id = ?",
                [(log.edge.size, log.log_id) for log in logs],
            )

    def _folder(self, log: LogRow) -> Path:
        return self._directory / RECIPIENTS / log.owner if log.owner else self._directory

    def _distrust(self, *, everything: bool) -> None:
        """Marks the logs whose files are to be written anew."""
        boot = "" if self._database.shared else _boot_id()
        (known,) = self._database.execute("SELECT boot FROM writer").fetchone()
        self._database.execute("UPDATE writer SET boot = ?", (boot,))
        everything = everything or boot != known
        self._database.executemany(
            "UPDATE log SET published = ? WHERE log_id = ?",
            [
                (UNPUBLISHED, log.log_id)
                for log in self._database.logs()
                if everything or not self._as_published(log)
            ],
        )

    def _as_published(self, log: LogRow) -> bool:
        """True if key and checkpoint beside a log are as this database published them.

        A checkpoint that is ahead of the last finished call is one that was interrupted after it.
        """
        folder = self._folder(log)
        try:
            key = (folder / VERIFIER_KEY).read_text(encoding="utf-8")
            note = (folder / CHECKPOINT).read_text(encoding="utf-8")
            size = checkpoint_size(note)
        except (OSError, UnicodeDecodeError, NoteError):
            return False
        return (
            key == self._key_of(log)
            and size >= log.published
            and note == self._note(log, size)
            and (bool(log.owner) or self._witness_keys() == _read_or_empty(folder / WITNESS_KEYS))
        )

    def _note(self, log: LogRow, size: int) -> str | None:
        """The checkpoint as it is published: the auditors' with what witnesses put under it."""
        note = self._database.note(log.log_id, size)
        if note is None or log.owner:
            return note
        return with_cosignatures(note, self._database.cosignatures(size))

    def _witness_keys(self) -> str:
        """The keys by which the cosignatures beside them can be checked, a line each."""
        return "".join(f"{key}\n" for key in self._database.witnesses())

    def _key_of(self, log: LogRow) -> str:
        return "".join(f"{verifier_key(log.origin, one)}\n" for one in self._public_keys)

    def _write_tile(self, log: LogRow, tile: Tile) -> None:
        first = tile.number * TILE_WIDTH
        if tile.level:
            rows = self._database.execute(
                "SELECT hash FROM node WHERE log_id = ? AND level = ? AND number >= ? "
                "ORDER BY number LIMIT ?",
                (log.log_id, tile.level, first, tile.width),
            ).fetchall()
        else:
            rows = self._database.execute(
                "SELECT hash, data FROM entry WHERE place >= ? AND place < ? ORDER BY place LIMIT ?",
                (log.place(first), (log.log_id + 1) << INDEX_BITS, tile.width),
            ).fetchall()
            self._write(log, tile.entries_path, encode_bundle([data for _, data in rows]))
        if len(rows) != tile.width:
            raise LedgerError(
                f"{self._database.shown} lacks entries of {log.origin} from {first} on: "
                "restore the folder from a copy"
            )
        self._write(log, tile.path, b"".join(row[0] for row in rows))

    def _write_checkpoint(self, log: LogRow) -> None:
        note = self._note(log, log.edge.size)
        if note is None:
            raise LedgerError(
                f"{self._database.shown} lacks the checkpoint of {log.origin} at {log.edge.size}: "
                "restore the folder from a copy"
            )
        if log.published == UNPUBLISHED:
            self._write(log, VERIFIER_KEY, self._key_of(log).encode())
        keys = "" if log.owner else self._witness_keys()
        if keys and keys != _read_or_empty(self._folder(log) / WITNESS_KEYS):
            self._write(log, WITNESS_KEYS, keys.encode())
        self._write(log, CHECKPOINT, note.encode())

    def _write(self, log: LogRow, name: str, data: bytes) -> None:
        """One file, whole: a reader sees what was there before or all of it."""
        self._database.assert_held()
        temporary = self._directory / TEMPORARY
        temporary.write_bytes(data)
        target = self._folder(log) / name
        try:
            temporary.replace(target)
        except FileNotFoundError:
            target.parent.mkdir(parents=True, exist_ok=True)
            temporary.replace(target)

    def _remove_superseded(self, log: LogRow) -> None:
        folder = self._folder(log)
        if log.published == UNPUBLISHED:
            own = {folder / name for name in file_names(log.edge.size)}
            _remove_all_but(folder / "tile", own)
            return
        for tile in changed_tiles(log.published, log.edge.size):
            for name in (tile.folder, tile.entries_folder)[: 1 if tile.level else 2]:
                kept = "" if tile.width == TILE_WIDTH else str(tile.width)
                _remove_partials(folder / f"{name}.p", kept)


def _remove_partials(folder: Path, kept: str) -> None:
    """Partial files of one tile, except that of width `kept`; the folder too if none is left."""
    with contextlib.suppress(FileNotFoundError):
        for name in os.listdir(folder):  # noqa: PTH208 -- three times as fast, on every batch
            if name != kept:
                (folder / name).unlink()
        if not kept:
            folder.rmdir()


def _remove_all_but(folder: Path, kept: set[Path]) -> None:
    for parent, folders, files in os.walk(folder, topdown=False):
        for name in files:
            if Path(parent, name) not in kept:
                Path(parent, name).unlink()
        for name in folders:
            with contextlib.suppress(OSError):  # not empty
                Path(parent, name).rmdir()


def _read_or_empty(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def force(directory: Path) -> None:
    """Returns when the file system that holds `directory` is on its disk. Raises OSError."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        if not hasattr(libc, "syncfs"):
            os.sync()
        elif libc.syncfs(descriptor) != 0:
            raise OSError(ctypes.get_errno(), "the file system could not be forced to disk")
    finally:
        os.close(descriptor)


def _boot_id() -> str:
    """Changes whenever the machine is started; "" where the system does not say."""
    try:
        return BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return ""
