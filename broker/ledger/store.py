"""The store of one shard: records batches whole, and hands out what is to be sent.

One transaction holds leaves, hashes, sidecars, signed checkpoints, the final bytes of every message
and the position in Kafka, and asserts the writer's epoch. Files are published from it afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from broker.ledger.database import FORMAT, TABLES, Connection, Database, LogRow
from broker.ledger.notes import NoteError, open_checkpoint, sign_checkpoint, verifier_key
from broker.ledger.publishing import Publisher
from broker.ledger.sqlite import SqliteConnection
from broker.ledger.tiles import MAX_ENTRY_BYTES, TILE_HEIGHT
from broker.ledger.tree import Growth, extend, leaf_hash, root_of
from broker.ledger.values import (
    Committed,
    FencedError,
    LedgerError,
    Message,
    Proof,
    RecordSet,
    Render,
)
from broker.ledger.witnessed import Witnessed
from broker.model.signing import Signer

AUDITORS = ""
"""Owner of the log that holds every leaf."""

Grown = dict[str, tuple[LogRow, Growth, str]]
"""Owner -> its log before, what was added, and the signed checkpoint of the batch's end."""


class ShardStore:
    """The one store of a shard. Reads and writes of it belong to one thread."""

    def __init__(self, directory: Path, origin: str, key: Signer, connection: Connection) -> None:
        """Use `open`."""
        self._origin = origin
        self._signers: tuple[Signer, ...] = (key,)
        directory.mkdir(parents=True, exist_ok=True)
        self._database = Database(connection)
        self._logs: dict[str, LogRow] = {}
        self._others_wrote = 0
        self._publisher = Publisher(self._database, directory, (key.public_key(),))
        self.witnessed = Witnessed(self._database, AUDITORS)
        """What witnesses are shown of the auditors' log, and what they put under it."""

    @classmethod
    def open(
        cls,
        directory: Path,
        origin: str,
        key: Signer,
        listed: Sequence[Ed25519PublicKey] = (),
        connection: Connection | None = None,
    ) -> ShardStore:
        """Opens or makes the store in `directory`; its logs are signed with `key`.

        `listed`: other keys that it may have been signed with before. With `connection` the rows are
        there and only the published files in `directory`. Reads none of the entries.
        Raises LedgerError where the folder holds the store of another log, of another key or of a
        newer format.
        """
        store = cls(directory, origin, key, connection or SqliteConnection(directory))
        store._introduce(listed)
        return store

    def sign_with(self, signers: Sequence[Signer], listed: Sequence[Ed25519PublicKey]) -> None:
        """From now on every checkpoint is signed by each of these keys, the newest first.

        Signs every log's present checkpoint anew where one of them has not signed it, so that who
        knows only the new key can verify all; the next publication shows it, with the keys that are
        `listed` for verifiers.
        """
        self._signers = tuple(signers)
        newest = verifier_key(self._origin, signers[0].public_key())
        with self._database.transaction():
            self._database.execute("UPDATE writer SET verifier_key = ?", (newest,))
            self._note_signers()
            for log in self._database.logs():
                note = self._database.note(log.log_id, log.edge.size) or ""
                if not self._is_signed(log, note):
                    self._keep_checkpoint(log)
        self._publisher.list_keys(listed)

    def _is_signed(self, log: LogRow, note: str) -> bool:
        """Whether every key that signs now has signed this checkpoint, and no other key has."""
        keys = [verifier_key(log.origin, one.public_key()) for one in self._signers]
        try:
            for key in keys:
                open_checkpoint(note, key)
        except NoteError:
            return False
        return note.partition("\n\n")[2].count("\n") == len(keys)

    def _note_signers(self) -> None:
        """Keeps which keys ever signed, so that former checkpoints can be verified too."""
        self._database.executemany(
            "INSERT INTO signer VALUES (?) ON CONFLICT DO NOTHING",
            [(verifier_key(self._origin, one.public_key()),) for one in self._signers],
        )

    def close(self) -> None:
        """Closes the database; whatever was committed stays."""
        self._database.close()

    def take_epoch(self) -> int:
        """Takes the shard over: from now on every writer with an older epoch is refused."""
        with self._database.transaction():
            (epoch,) = self._database.execute(
                "UPDATE writer SET epoch = epoch + 1 RETURNING epoch"
            ).fetchone()
        return int(epoch)

    def commit(
        self, sets: Sequence[RecordSet], *, epoch: int, next_offset: int, render: Render
    ) -> Committed:
        """Records a batch in one transaction: all of it, on disk, or nothing.

        A set whose id was recorded before (or earlier in the batch) is dropped whole. Proofs are
        against the checkpoint of the batch's end. `next_offset` is where to read on in Kafka.
        Raises FencedError if another writer has taken the shard, LedgerError if nothing could be
        recorded; then the state is as before.
        """
        _check_sizes(sets)
        try:
            with self._database.transaction():
                self._assert_epoch(epoch)
                fresh = self._claim(sets)
                grown = self._append(fresh)
                self._fill_outbox(fresh, grown, render)
                self._database.execute("UPDATE writer SET next_offset = ?", (next_offset,))
        except self._database.errors as error:
            raise LedgerError(
                f"{self._origin}: the batch was not recorded and nothing of it is kept "
                f"({_said(error)}): "
                "see that the disk has room and can be written, then start the ledger again"
            ) from error
        for owner, (log, growth, _) in grown.items():
            self._logs[owner] = LogRow(
                log.log_id, owner, log.origin, growth.edge, published=log.published
            )
        recorded = {one.set_id for one in fresh}
        return Committed(
            recorded=tuple(one.set_id for one in fresh),
            dropped=_without_first(sets, recorded),
        )

    def outbox_after(self, sequence: int, most: int) -> list[tuple[int, Message]]:
        """At most `most` messages recorded after `sequence`, in order, with their sequences."""
        rows = self._database.execute(
            "SELECT sequence, topic, key, value FROM outbox WHERE sequence > ? "
            "ORDER BY sequence LIMIT ?",
            (sequence, most),
        )
        return [(number, Message(topic, key, value)) for number, topic, key, value in rows]

    def outbox_prune(self, up_to: int) -> None:
        """Forgets messages up to and with sequence `up_to`: they were sent. Sequences never return."""
        with self._database.unsynced_transaction():
            self._database.execute("DELETE FROM outbox WHERE sequence <= ?", (up_to,))

    def next_offset(self) -> int:
        """Where to read on in Kafka; 0 at first."""
        (offset,) = self._database.execute("SELECT next_offset FROM writer").fetchone()
        return int(offset)

    def size(self) -> int:
        """Entries of the auditors' log."""
        (size,) = self._database.execute(
            "SELECT size FROM log WHERE owner = ?", (AUDITORS,)
        ).fetchone()
        return int(size)

    def publish_tiles(self) -> None:
        """Writes what changed since the last time to the files that outsiders read.

        Whatever an interrupted call left is put right by the next one.
        """
        self._publisher.publish()

    def rebuild_tiles(self) -> None:
        """Writes every file anew from the database and removes what does not belong under `tile/`."""
        self._publisher.publish(anew=True)

    def _introduce(self, listed: Sequence[Ed25519PublicKey]) -> None:
        """Makes the auditors' log of a new store; refuses the store of another log or key."""
        own_key = verifier_key(self._origin, self._signers[0].public_key())
        known = {own_key, *(verifier_key(self._origin, one) for one in listed)}
        with self._database.transaction():
            row = self._database.execute("SELECT format, verifier_key FROM writer").fetchone()
            if row is None:
                log = self._database.add_log(AUDITORS, self._origin)
                self._keep_checkpoint(log)
                self._database.execute(
                    "INSERT INTO writer VALUES (1, ?, ?, 0, 0, '')", (FORMAT, own_key)
                )
                row = (FORMAT, own_key)
            if row[1] == own_key:
                self._note_signers()
        if row[0] != FORMAT:
            raise LedgerError(f"{self._database.shown} has format {row[0]}, this broker {FORMAT}")
        if row[1] not in known:
            raise LedgerError(
                f"{self._database.shown} belongs to {row[1]}, not to {own_key}: "
                "a log keeps its name and its key; restore them, or begin a new ledger elsewhere"
            )

    def _assert_epoch(self, epoch: int) -> None:
        """Refuses a writer that was replaced; forgets cached edges if another process wrote."""
        (current,) = self._database.execute("SELECT epoch FROM writer").fetchone()
        if current != epoch:
            raise FencedError(
                f"{self._origin}: another writer has taken this shard (epoch {current}, "
                f"this one has {epoch}): nothing was recorded; this process must stop"
            )
        others_wrote = self._database.others_wrote()
        if others_wrote != self._others_wrote:
            self._others_wrote = others_wrote
            self._logs.clear()

    def _claim(self, sets: Sequence[RecordSet]) -> list[RecordSet]:
        """The sets that are new, with their ids and sidecars written."""
        known = self._database.known_sets([one.set_id for one in sets])
        fresh: dict[str, RecordSet] = {}
        for one in sets:
            if one.set_id not in known:
                fresh.setdefault(one.set_id, one)
        first = self._log(AUDITORS).edge.size
        records: list[tuple[int, str, int, int]] = []
        sidecars: list[tuple[int, str, bytes]] = []
        for number, one in enumerate(fresh.values(), self._database.last_record() + 1):
            records.append((number, one.set_id, first, len(one.leaves)))
            first += len(one.leaves)
            sidecars += [(number, *sidecar) for sidecar in one.sidecars]
        self._database.insert("record", TABLES["record"], records)
        self._database.insert("sidecar", TABLES["sidecar"], sidecars)
        return list(fresh.values())

    def _append(self, fresh: Sequence[RecordSet]) -> Grown:
        """Every leaf in its log, in order; each log that grew is signed once, at its new size."""
        leaves: dict[str, list[bytes]] = {}
        for one in fresh:
            if one.leaves:
                leaves.setdefault(AUDITORS, []).extend(one.leaves)
            for delivery in one.deliveries:
                leaves.setdefault(folder_of(delivery.recipient), []).append(delivery.leaf)
        grown: Grown = {}
        rows: list[tuple[int, bytes, bytes]] = []
        for owner, entries in leaves.items():
            log = self._log(owner)
            hashes = [leaf_hash(entry) for entry in entries]
            growth = extend(log.edge, hashes)
            start = log.place(log.edge.size)
            rows += zip(range(start, start + len(entries)), hashes, entries, strict=True)
            grown[owner] = log, growth, self._sign(log, growth)
        self._database.insert("entry", TABLES["entry"], rows)
        self._keep_growth(grown)
        return grown

    def _keep_growth(self, grown: Grown) -> None:
        """New edges, hashes of higher tiles and signed checkpoints, all logs at once."""
        grown_logs = [(log, growth) for log, growth, _ in grown.values()]
        self._database.executemany(
            "UPDATE log SET size = ?, peaks = ? WHERE log_id = ?",
            [
                (growth.edge.size, b"".join(growth.edge.peaks), log.log_id)
                for log, growth in grown_logs
            ],
        )
        nodes = [
            (log.log_id, height // TILE_HEIGHT, number, node)
            for log, growth in grown_logs
            for height in range(TILE_HEIGHT, growth.edge.size.bit_length(), TILE_HEIGHT)
            for number, node in growth.new_nodes(height)
        ]
        self._database.insert("node", TABLES["node"], nodes)
        self._database.insert(
            "checkpoint",
            TABLES["checkpoint"],
            [(log.log_id, growth.edge.size, note) for log, growth, note in grown.values()],
        )

    def _sign(self, log: LogRow, growth: Growth) -> str:
        return sign_checkpoint(log.origin, growth.edge.size, root_of(growth.edge), *self._signers)

    def _keep_checkpoint(self, log: LogRow) -> None:
        """Signs a log as it is, in the place of what signed that size before."""
        self._database.execute(
            "INSERT INTO checkpoint VALUES (?, ?, ?) "
            "ON CONFLICT (log_id, size) DO UPDATE SET note = excluded.note",
            (log.log_id, log.edge.size, self._sign(log, extend(log.edge, ()))),
        )

    def _fill_outbox(self, fresh: Sequence[RecordSet], grown: Grown, render: Render) -> None:
        """The final bytes of every message, with the proof of its leaf."""
        next_index = {owner: log.edge.size for owner, (log, _, _) in grown.items()}
        messages: list[tuple[str, bytes, bytes]] = []
        for one in fresh:
            for delivery in one.deliveries:
                owner = folder_of(delivery.recipient)
                index = next_index[owner]
                next_index[owner] += 1
                message = render(delivery, _proof(grown[owner], index))
                messages.append((message.topic, message.key, message.value))
        self._database.insert("outbox", ("topic", "key", "value"), messages)

    def _log(self, owner: str) -> LogRow:
        """The log of one owner as this process knows it, read or made where it knows none."""
        known = self._logs.get(owner) or self._database.log_of(owner)
        if known is None:
            return self._database.add_log(owner, f"{self._origin}/{owner}")
        self._logs[owner] = known
        return known


def folder_of(organisation: str) -> str:
    """Name of an organisation's folder: its code, escaped but for letters, digits, `-`, `_`, `~`.

    So that no code, whatever it is, can lead out of the ledger or stop a shard.
    """
    return quote(organisation, safe="").replace(".", "%2E") or "%"


def _said(error: Exception) -> str:
    """The first line: a database may put values of rows behind it."""
    return str(error).partition("\n")[0]


def _proof(grown: tuple[LogRow, Growth, str], index: int) -> Proof:
    log, growth, note = grown
    return Proof(
        origin=log.origin,
        index=index,
        size=growth.edge.size,
        hashes=growth.proof(index),
        checkpoint=note,
    )


def _check_sizes(sets: Sequence[RecordSet]) -> None:
    for one in sets:
        own = (*one.leaves, *(delivery.leaf for delivery in one.deliveries))
        longest = max(map(len, own), default=0)
        if longest > MAX_ENTRY_BYTES:
            raise LedgerError(
                f"set {one.set_id} has a leaf of {longest} bytes and a log entry may have "
                f"{MAX_ENTRY_BYTES}: nothing of its batch was recorded; mend what made the set"
            )


def _without_first(sets: Sequence[RecordSet], recorded: set[str]) -> tuple[str, ...]:
    """Ids of the sets that were dropped: all but the first occurrence of a recorded one."""
    left = set(recorded)
    dropped: list[str] = []
    for one in sets:
        if one.set_id in left:
            left.remove(one.set_id)
        else:
            dropped.append(one.set_id)
    return tuple(dropped)
