"""The store's tables against the published logs: the record itself, from which the files are made.

A damaged store would publish damage at its next start, so its rows are held to the logs like the files:
entries, hashes, former checkpoints with their signatures, cosignatures, sets, and what is yet to be
sent. Compared by what the rows say; SQLite has bytes between them that mean nothing, and the writer's
counters (epoch, Kafka offset, boot) have nothing outside to be held to.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from itertools import pairwise

import msgspec

from broker.auditor.message import check_message
from broker.auditor.report import BadLedgerError
from broker.ledger import (
    EMPTY,
    TILE_HEIGHT,
    NoteError,
    VerifierKey,
    WitnessKey,
    cosigned_at,
    extend,
    leaf_hash,
    open_checkpoint,
    parse_verifier_key,
    parse_witness_key,
    root_of,
)
from broker.ledger.database import FORMAT, INDEX_BITS
from broker.ledger.sqlite import SCHEMA

SHAPE = "SELECT type, name, tbl_name, sql FROM sqlite_master"


class SeenLog(msgspec.Struct):
    """One log as its files gave it."""

    key: VerifierKey
    hashes: list[bytes] = []
    """Of every entry, in order."""


class Former(msgspec.Struct):
    """The auditors' checkpoints of one shard, from the first to the present one."""

    notes: dict[int, str] = {}
    cosigned: dict[str, set[int]] = {}
    """Key of a witness -> sizes of the checkpoints that it cosigned."""


class _SetId(msgspec.Struct):
    set_id: str


_set_ids = msgspec.json.Decoder(_SetId)


def check_tables(database: sqlite3.Connection, shown: str, logs: Mapping[str, SeenLog]) -> Former:
    """Every row of a shard's store. `logs` by owner, "" the auditors'. Raises BadLedgerError."""
    work = _Tables(database, shown, logs)
    try:
        work.check_all()
    except (TypeError, ValueError, ArithmeticError, msgspec.MsgspecError) as error:
        # A damaged row can hold a value of any type.
        raise BadLedgerError(f"{shown}: a row cannot be read ({type(error).__name__})") from error
    return work.former


class _Tables:
    """One reading of one store."""

    def __init__(
        self, database: sqlite3.Connection, shown: str, logs: Mapping[str, SeenLog]
    ) -> None:
        self._database = database
        self._shown = shown
        self._logs = logs
        self._log_ids: dict[int, str] = {}
        self._hashes: dict[str, list[bytes]] = {}
        self.former = Former()

    def check_all(self) -> None:
        (verdict,) = self._database.execute("PRAGMA integrity_check(1)").fetchone()
        if verdict != "ok":
            raise self._wrong("is damaged: SQLite finds that its tables or indexes do not hold")
        self.check_shape()
        self.check_writer()
        rows = self._database.execute(
            "SELECT log_id, owner, origin, size, peaks FROM log ORDER BY log_id"
        )
        for log_id, owner, origin, size, peaks in rows.fetchall():
            self.check_log(log_id, owner, origin, size, peaks)
        self.check_strays()
        self.check_records()
        self.check_outbox()
        self.check_cosignatures()

    def check_shape(self) -> None:
        """Tables and indexes as the store makes them; one of an earlier release may lack some."""
        found = set(self._database.execute(SHAPE).fetchall())
        with closing(sqlite3.connect(":memory:")) as fresh:
            fresh.executescript(SCHEMA)
            expected = set(fresh.execute(SHAPE).fetchall())
        if not found <= expected:
            raise self._wrong("its tables are not those of a ledger's store")

    def check_writer(self) -> None:
        row = self._database.execute("SELECT format, verifier_key FROM writer").fetchall()
        own = self._ever_signed(self._logs[""].key)
        if row not in [[(FORMAT, one.text)] for one in (own, *own.others)]:
            raise self._wrong("its writer is not that of this log")

    def _ever_signed(self, key: VerifierKey) -> VerifierKey:
        """The keys of a log with those that the store says signed it before a rotation.

        They prove nothing: what they signed must give the hashes that the present keys sign.
        """
        has = self._database.execute("SELECT 1 FROM sqlite_master WHERE name = 'signer'").fetchone()
        rows = self._database.execute("SELECT verifier_key FROM signer") if has else ()
        try:
            former = [parse_verifier_key(_text(text)).named(key.origin) for (text,) in rows]
        except NoteError as error:
            raise self._wrong(f"a key that signed before {error}") from error
        known = {key.public_key, *(one.public_key for one in key.others)}
        others = [*key.others, *(one for one in former if one.public_key not in known)]
        return msgspec.structs.replace(key, others=tuple(others))

    def check_log(self, log_id: int, owner: str, origin: str, size: int, peaks: bytes) -> None:
        """Entries, hashes, edge and checkpoints of one log, as far as the store and the files both go."""
        seen = self._logs.get(owner)
        key = seen.key if seen is not None else None
        if key is None:
            # A log that is not published yet; nothing to hold it to but itself and the shard's key.
            key = self._own_key(owner)
        if origin != key.origin:
            raise self._wrong(f"the log of {owner!r} is called {origin!r} in it")
        hashes = self._entries(log_id, origin)
        published = seen.hashes if seen is not None else []
        for index, (held, one) in enumerate(zip(hashes, published, strict=False)):
            if held != one:
                raise self._wrong(f"entry {index} of {origin} is not the published one")
        growth = extend(EMPTY, hashes)
        if (size, peaks) != (len(hashes), b"".join(growth.edge.peaks)):
            raise self._wrong(
                f"size or edge of {origin} are not those of its {len(hashes)} entries"
            )
        expected = [
            (height // TILE_HEIGHT, number, node)
            for height in range(TILE_HEIGHT, len(hashes).bit_length(), TILE_HEIGHT)
            for number, node in growth.new_nodes(height)
        ]
        rows = self._database.execute(
            "SELECT level, number, hash FROM node WHERE log_id = ? ORDER BY level, number",
            (log_id,),
        )
        if rows.fetchall() != expected:
            raise self._wrong(f"the higher hashes of {origin} are not those of its entries")
        self._check_checkpoints(log_id, owner, key, hashes)
        self._log_ids[log_id] = owner
        self._hashes[owner] = hashes

    def _entries(self, log_id: int, origin: str) -> list[bytes]:
        rows = self._database.execute(
            "SELECT place, hash, data FROM entry WHERE place >= ? AND place < ? ORDER BY place",
            (log_id << INDEX_BITS, (log_id + 1) << INDEX_BITS),
        )
        hashes: list[bytes] = []
        for place, held, data in rows:
            index = len(hashes)
            if place != log_id << INDEX_BITS | index:
                raise self._wrong(f"lacks entry {index} of {origin}")
            if not isinstance(data, bytes) or leaf_hash(data) != held:
                raise self._wrong(f"entry {index} of {origin} does not have the hash beside it")
            hashes.append(held)
        return hashes

    def _check_checkpoints(
        self, log_id: int, owner: str, key: VerifierKey, hashes: Sequence[bytes]
    ) -> None:
        """Each former checkpoint: signed, and with the root that the log then had; so all are consistent."""
        rows = self._database.execute(
            "SELECT size, note FROM checkpoint WHERE log_id = ? ORDER BY size", (log_id,)
        ).fetchall()
        edge, keys = EMPTY, self._ever_signed(key)
        for size, note in rows:
            where = f"the checkpoint of {key.origin} at {size}"
            if not isinstance(size, int) or not edge.size <= size <= len(hashes):
                raise self._wrong(f"{where} is of no size that the log had")
            edge = extend(edge, hashes[edge.size : size]).edge
            try:
                stated = open_checkpoint(_text(note), keys)
            except NoteError as error:
                raise self._wrong(f"{where} {error}") from error
            if (stated.size, stated.root) != (size, root_of(edge)):
                raise self._wrong(f"{where} states another size or root than the log then had")
            if not owner:
                self.former.notes[size] = note
        if edge.size != len(hashes):
            raise self._wrong(f"lacks the checkpoint of {key.origin} at {len(hashes)}")

    def check_strays(self) -> None:
        """Rows of logs that there are not."""
        owners = set(self._log_ids)
        for table in ("node", "checkpoint"):
            query = f"SELECT DISTINCT log_id FROM {table}"  # noqa: S608 -- one of two constants
            if not owners.issuperset(one for (one,) in self._database.execute(query)):
                raise self._wrong(f"{table} has rows of a log that there is not")
        (entries,) = self._database.execute("SELECT count(*) FROM entry").fetchone()
        if entries != sum(map(len, self._hashes.values())):
            raise self._wrong("has entries of a log that there is not")
        missing = sorted(set(self._logs) - set(self._hashes))
        if missing:
            raise self._wrong(f"lacks the log of {missing[0]!r}")

    def check_records(self) -> None:
        """Every set where its first leaf stands, and the leaves of all sets one after the other."""
        rows = self._database.execute(
            "SELECT record.number, record.set_id, record.first, record.leaves, entry.data "
            "FROM record LEFT JOIN entry ON entry.place = record.first + "
            "((SELECT log_id FROM log WHERE owner = '') << ?) ORDER BY record.number",
            (INDEX_BITS,),
        ).fetchall()
        ends = [(first, first + leaves) for _, _, first, leaves, _ in rows]
        total = len(self._hashes[""])
        if rows and (ends[0][0] != 0 or ends[-1][1] != total):
            raise self._wrong("its sets do not cover the auditors' log")
        if any(one[1] != two[0] for one, two in pairwise(ends)):
            raise self._wrong("its sets do not lie one after the other in the auditors' log")
        for number, set_id, first, leaves, data in rows:
            if leaves and _set_ids.decode(data).set_id != set_id:
                raise self._wrong(f"set {number} is not that of leaf {first}, where it begins")

    def check_outbox(self) -> None:
        """What is yet to be sent, or was lately: a recorded leaf, its sealed content, a proof that holds."""
        for sequence, topic, key, value in self._database.execute(
            "SELECT sequence, topic, key, value FROM outbox ORDER BY sequence"
        ):
            try:
                found = check_message(topic, key, value, lambda _, folder: self._own_key(folder))
            except ValueError as error:
                raise self._wrong(f"message {sequence} in its outbox {error}") from error
            held = self._hashes.get(found.folder, ())
            if found.index >= len(held) or held[found.index] != found.digest:
                raise self._wrong(f"message {sequence} in its outbox is not recorded")

    def _own_key(self, folder: str) -> VerifierKey:
        own = self._logs[""].key
        seen = self._logs.get(folder)
        return self._ever_signed(seen.key if seen else own.named(f"{own.origin}/{folder}"))

    def check_cosignatures(self) -> None:
        """Each holds for the checkpoint that it is kept with."""
        for size, witness, line in self._cosignatures():
            where = f"the cosignature at {size}"
            note = self.former.notes.get(size)
            if note is None:
                raise self._wrong(f"{where} is of no checkpoint that the log had")
            try:
                cosigned_at(note, _text(line), _witness(witness))
            except NoteError as error:
                raise self._wrong(f"{where} {error}") from error
            self.former.cosigned.setdefault(witness, set()).add(size)

    def _cosignatures(self) -> Iterator[tuple[int, str, str]]:
        known = "SELECT count(*) FROM sqlite_master WHERE name = 'cosignature'"
        if self._database.execute(known).fetchone()[0]:
            yield from self._database.execute("SELECT size, witness, line FROM cosignature")

    def _wrong(self, what: str) -> BadLedgerError:
        return BadLedgerError(f"{self._shown}: {what}")


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise NoteError("is no text")
    return value


def _witness(text: object) -> WitnessKey:
    return parse_witness_key(_text(text))
