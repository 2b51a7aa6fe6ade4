"""What witnesses are shown of one log, and what they answered: proofs from the hashes in the store.

The last cosigned checkpoint also lies in a file of its own outside the store (`LastCosigned`), so that
a store put back from a copy, a disk rolled back or a fork is seen before anything is sent from it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from broker.ledger.consistency import consistency_proof
from broker.ledger.cosignatures import WitnessKey, with_cosignatures
from broker.ledger.database import Database, LogRow
from broker.ledger.notes import Checkpoint, NoteError, VerifierKey, open_checkpoint
from broker.ledger.tiles import TILE_HEIGHT
from broker.ledger.tree import consistency_holds, node_hash, root_of
from broker.ledger.values import ContradictionError, LedgerError


class Witnessed:
    """One log as witnesses see it."""

    def __init__(self, database: Database, owner: str) -> None:
        """The log of `owner` in an open store."""
        self._database = database
        self._owner = owner

    def tip(self) -> tuple[int, str]:
        """(size, signed checkpoint) of the log as it is now, with the cosignatures that it has."""
        log = self._log()
        note = self._database.note(log.log_id, log.edge.size)
        if note is None:
            raise LedgerError(
                f"{self._database.shown} lacks the checkpoint of {log.origin} at {log.edge.size}: "
                "restore the folder from a copy"
            )
        return log.edge.size, with_cosignatures(note, self._database.cosignatures(log.edge.size))

    def proof(self, first: int) -> tuple[bytes, ...]:
        """That the log as it is now only adds to what it was at size `first`."""
        log = self._log()
        return consistency_proof(first, log.edge.size, lambda *at: self._node(log, *at))

    def check_grown_from(self, cosigned: Checkpoint) -> None:
        """Raises ContradictionError unless the log is that checkpoint, or what it has grown to."""
        log = self._log()
        size = log.edge.size
        if cosigned.size > size:
            raise ContradictionError(
                f"{log.origin}: a witness cosigned {cosigned.size} entries and the store has {size}: "
                "it was put back to an earlier state, or entries were lost. Nothing is delivered. "
                "Restore the newest copy of the store; if there is none, begin a new ledger under "
                "another name and keep this one for the auditors"
            )
        root = root_of(log.edge)
        if not consistency_holds(
            cosigned.size, cosigned.root, size, root, self.proof(cosigned.size)
        ):
            raise ContradictionError(
                f"{log.origin}: the store's {size} entries do not continue the {cosigned.size} that a "
                "witness cosigned: history was rewritten, or this is another store. Nothing is "
                "delivered. Restore the store that was cosigned; show both to the auditors"
            )

    def keep(self, size: int, lines: Sequence[tuple[WitnessKey, str]]) -> None:
        """Keeps cosignatures of the checkpoint at `size`, on disk; the next publication shows them."""
        with self._database.transaction():
            self._database.executemany(
                "INSERT INTO cosignature VALUES (?, ?, ?) "
                "ON CONFLICT (size, witness) DO UPDATE SET line = excluded.line",
                [(size, key.text, line) for key, line in lines],
            )
            self._database.execute(
                "UPDATE log SET published = published - 1 "
                "WHERE owner = ? AND published = size AND published = ? AND published > 0",
                (self._owner, size),
            )

    def last_by(self, key: WitnessKey) -> int:
        """The largest size that this witness cosigned, as far as the store knows; 0 for none."""
        (size,) = self._database.execute(
            "SELECT coalesce(max(size), 0) FROM cosignature WHERE witness = ?", (key.text,)
        ).fetchone()
        return int(size)

    def _log(self) -> LogRow:
        log = self._database.log_of(self._owner)
        if log is None:
            raise LedgerError(f"{self._database.shown} has no log of {self._owner!r}")
        return log

    def _node(self, log: LogRow, level: int, index: int) -> bytes:
        """Root of a complete subtree, from the stored hashes next below it."""
        height = level % TILE_HEIGHT
        count, first = 1 << height, index << height
        if level < TILE_HEIGHT:
            rows = self._database.execute(
                "SELECT hash FROM entry WHERE place >= ? AND place < ? ORDER BY place",
                (log.place(first), log.place(first + count)),
            ).fetchall()
        else:
            rows = self._database.execute(
                "SELECT hash FROM node WHERE log_id = ? AND level = ? AND number >= ? AND number < ? "
                "ORDER BY number",
                (log.log_id, level // TILE_HEIGHT, first, first + count),
            ).fetchall()
        if len(rows) != count:
            raise LedgerError(
                f"{self._database.shown} lacks hashes of {log.origin} at level {level}: "
                "restore the folder from a copy"
            )
        hashes = [row[0] for row in rows]
        while len(hashes) > 1:
            pairs = zip(hashes[::2], hashes[1::2], strict=True)
            hashes = [node_hash(left, right) for left, right in pairs]
        return bytes(hashes[0])


class LastCosigned:
    """The last cosigned checkpoint of one shard, in a file outside the store."""

    def __init__(self, path: Path, verifier_key: str | VerifierKey) -> None:
        """`verifier_key` is the log's own, with its others if it has any."""
        self._path = path
        self._verifier_key = verifier_key

    def know(self, verifier_key: VerifierKey) -> None:
        """From now on the log's own keys are these: a rotation adds one."""
        self._verifier_key = verifier_key

    def read(self) -> Checkpoint | None:
        """What was last cosigned; None where nothing ever was. Raises LedgerError for a damaged file."""
        try:
            note = self._path.read_text(encoding="utf-8")
            return open_checkpoint(note, self._verifier_key)
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError, NoteError) as error:
            raise LedgerError(
                f"{self._path} cannot be read as the last cosigned checkpoint ({error}): restore it "
                "from a copy. Nothing is delivered without it; a checkpoint of this log with the "
                "witness's line, as any auditor holds it, will do"
            ) from error

    def write(self, note: str) -> None:
        """Keeps a cosigned checkpoint: on disk, whole, before anything rests on it."""
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        temporary = self._path.with_suffix(".new")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(note)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
