"""Fills the index: from the published files, on from where it ended, each log to its signed root.

Every leaf is hashed; the root over all of them must be the one that the log's signed checkpoint
states, else the index is emptied and filled again, and if it still is not, nothing is told from it.
Interrupted, it goes on where it was. The accounts are not closed here: `broker audit verify` does that.
"""

from __future__ import annotations

import base64
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import msgspec

from broker.auditor.index_file import INDEXES, Indexed, forget_all, indexed_logs
from broker.auditor.keys import given_of, key_beside
from broker.auditor.leaf_places import Entry, entries_from
from broker.auditor.recorded import RecordedClosing, RecordedDecision, shards_of
from broker.auditor.report import BadLedgerError
from broker.auditor.snapshot import CHECKPOINT, MAX_TEXT_BYTES, VERIFIER_KEY, read_bounded
from broker.ledger import EMPTY_ROOT, Checkpoint, Edge, NoteError, extend, open_checkpoint, root_of

CHUNK = 20_000
"""Leaves in one transaction."""
READINGS = 3
COMMON = frozenset({"accepted", "duplicate", "rejected"})
"""Kinds that no question needs to find one by one."""
Progress = Callable[[str, int, int], None]
"""Shard, entries done, entries in all."""


class Reached(msgspec.Struct, frozen=True):
    """To which signed checkpoint of one log an answer goes."""

    origin: str
    size: int
    root: str
    """Base64, as the checkpoint has it."""


class _Leaf(msgspec.Struct, frozen=True):
    """What the index needs of a leaf that is neither decision nor closing."""

    kind: str
    set_id: str
    alert_id: str | None = None
    moved_from: str | None = None
    moved_to: str | None = None


_leaf = msgspec.json.Decoder(_Leaf)
_decision = msgspec.json.Decoder(RecordedDecision)
_closing = msgspec.json.Decoder(RecordedClosing)


def catch_up(
    database: sqlite3.Connection,
    ledger_dir: Path,
    keys: Mapping[str, str] | None = None,
    progress: Progress = lambda _shard, _done, _all: None,
) -> tuple[Reached, ...]:
    """Brings the index to the checkpoints that are published now, and says which these are.

    `keys` as in `verify_ledger`. Raises BadLedgerError where a checkpoint's signature, or the root
    over a log's leaves, does not hold.
    """
    shards = shards_of(ledger_dir)
    if not shards:
        raise BadLedgerError(f"{ledger_dir} holds no ledger: expected folders s0, s1, … in it")
    stated = {one.name: signed_checkpoint(one, keys) for one in shards}
    known = indexed_logs(database)
    if not _continues(known, stated):
        forget_all(database)
    for anew in (False, True):
        filled = [_fill(database, one, stated[one.name], progress) for one in shards]
        if all(filled):
            break
        if anew:
            wrong = shards[filled.index(False)].name
            raise BadLedgerError(
                f"{wrong}/checkpoint: its root is not that of the {stated[wrong].size} entries of "
                "the log: nothing is told from it; run `broker audit verify`"
            )
        forget_all(database)
    database.executescript(INDEXES)
    return tuple(reached(stated[one.name]) for one in shards)


def reached(checkpoint: Checkpoint) -> Reached:
    """The checkpoint as an answer names it."""
    root = base64.b64encode(checkpoint.root).decode("ascii")
    return Reached(checkpoint.origin, checkpoint.size, root)


def signed_checkpoint(shard: Path, keys: Mapping[str, str] | None) -> Checkpoint:
    """The checkpoint of a shard's auditors' log, once its signature holds. Raises BadLedgerError."""
    text = _text(shard, VERIFIER_KEY)
    key = key_beside(text, f"{shard.name}/{VERIFIER_KEY}")
    known = key if keys is None else given_of(key, keys.get(key.origin, ""))
    if known is None:
        raise BadLedgerError(
            f"{shard.name}/{VERIFIER_KEY}: is not the key that was given for the log {key.origin}: "
            "another has signed, or the file was replaced"
        )
    try:
        return open_checkpoint(_text(shard, CHECKPOINT), known)
    except NoteError as error:
        raise BadLedgerError(f"{shard.name}/{CHECKPOINT}: {error}") from error


def _text(shard: Path, name: str) -> str:
    try:
        return read_bounded(shard / name, MAX_TEXT_BYTES).decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadLedgerError(f"{shard.name}/{name} cannot be read: {error}") from error


def _continues(known: Mapping[str, Indexed], stated: Mapping[str, Checkpoint]) -> bool:
    """Whether what is indexed can be a beginning of what is stated."""
    for shard, one in known.items():
        now = stated.get(shard)
        if now is None or now.origin != one.origin or now.size < max(one.edge.size, one.checkpoint):
            return False
    return True


def _fill(
    database: sqlite3.Connection, shard: Path, stated: Checkpoint, progress: Progress
) -> bool:
    """Takes in what is new of one log; False if the root is not the stated one."""
    database.execute(
        "INSERT OR IGNORE INTO log VALUES (?, ?, 0, x'', 0, ?)",
        (shard.name, stated.origin, EMPTY_ROOT),
    )
    known = indexed_logs(database)[shard.name]
    if (known.checkpoint, known.root) == (stated.size, stated.root):
        return True
    filling = _Filling(database, shard.name, known.edge)
    for entry in entries_from(shard, known.edge.size, stated.size):
        try:
            filling.take(entry)
        except (msgspec.MsgspecError, RecursionError) as error:
            raise BadLedgerError(
                f"log {shard.name}, leaf {entry.place.at}: cannot be read ({error}): "
                "run `broker audit verify`"
            ) from error
        if filling.full:
            filling.keep()
            progress(shard.name, entry.place.at + 1, stated.size)
    whole = filling.root()
    if whole != stated.root:
        return False
    filling.keep()
    database.execute(
        "UPDATE log SET checkpoint = ?, root = ? WHERE shard = ?",
        (stated.size, stated.root, shard.name),
    )
    progress(shard.name, stated.size, stated.size)
    return True


class _Filling:
    """Leaves on their way into the index: kept set by set, in large transactions."""

    def __init__(self, database: sqlite3.Connection, shard: str, edge: Edge) -> None:
        """`edge` of what is indexed already."""
        self._database = database
        self._shard = shard
        self._edge = edge
        self._hashes: list[bytes] = []
        self._whole = 0
        """How many of the hashes belong to sets that are complete."""
        self._open: list[tuple[Entry, RecordedDecision]] = []
        self._parts: list[tuple[object, ...]] = []
        self._decisions: list[tuple[object, ...]] = []
        self._named: list[tuple[int, int, int]] = []
        self._others: list[tuple[object, ...]] = []
        self._names = dict(database.execute("SELECT text, id FROM name"))
        self._fresh_names: list[tuple[int, str]] = []
        self._next_part = _next(database, "part")
        self._next_decision = _next(database, "decision")

    @property
    def full(self) -> bool:
        """Whether it is time to keep what came."""
        return self._whole >= CHUNK

    def take(self, entry: Entry) -> None:
        """One leaf, in the order of the log. Raises BadLedgerError for a set that is not together."""
        self._hashes.append(entry.full_hash)
        head = _leaf.decode(entry.data)
        if self._open and self._open[0][1].set_id != head.set_id:
            raise BadLedgerError(
                f"log {self._shard}, leaf {entry.place.at}: lies between the decisions of set "
                f"{self._open[0][1].set_id} and their closing leaf: run `broker audit verify`"
            )
        if head.kind == "decision":
            self._open.append((entry, _decision.decode(entry.data)))
            return
        if head.kind == "closing":
            self._close(entry, _closing.decode(entry.data))
        elif head.kind not in COMMON:
            about, also = head.alert_id or head.moved_from, head.moved_to
            self._others.append((head.kind, *_row(entry), about, also))
        self._whole = len(self._hashes)

    def root(self) -> bytes:
        """The root over everything so far, complete sets or not."""
        return root_of(extend(self._edge, self._hashes).edge)

    def keep(self) -> None:
        """Writes all complete sets in one transaction."""
        before = self._edge.size
        self._edge = extend(self._edge, self._hashes[: self._whole]).edge
        del self._hashes[: self._whole]
        self._whole = 0
        database = self._database
        database.execute("BEGIN IMMEDIATE")
        try:
            moved = database.execute(
                "UPDATE log SET size = ?, peaks = ? WHERE shard = ? AND size = ?",
                (self._edge.size, b"".join(self._edge.peaks), self._shard, before),
            )
            if moved.rowcount != 1:
                raise BadLedgerError("another process fills this index: ask again in a moment")
            marks = "INSERT INTO {} VALUES ({})"
            for name, rows, width in (
                ("name", self._fresh_names, 2),
                ("part", self._parts, 16),
                ("decision", self._decisions, 9),
                ("named", self._named, 3),
            ):
                database.executemany(marks.format(name, ",".join("?" * width)), rows)
            database.executemany(
                "INSERT INTO other VALUES (NULL, ?, ?, ?, ?, ?, ?, ?)", self._others
            )
        except BaseException:
            database.execute("ROLLBACK")
            raise
        database.execute("COMMIT")
        for kept in (
            self._fresh_names,
            self._parts,
            self._decisions,
            self._named,
            self._others,
        ):
            kept.clear()

    def _close(self, entry: Entry, closing: RecordedClosing) -> None:
        part, first = self._next_part, self._next_decision
        self._next_part += 1
        at = self._open[0][0].place.at if self._open else entry.place.at
        for own, one in self._open:
            self._decide(part, closing.decided_at, own, one)
        self._parts.append(
            (
                part,
                self._shard,
                at,
                *_row(entry)[1:],
                closing.set_id,
                closing.publisher,
                closing.event_id,
                closing.version,
                closing.part_id,
                closing.round,
                closing.decided_at,
                first,
                len(self._open),
                None,
            )
        )
        self._open.clear()

    def _decide(self, part: int, at: int, entry: Entry, one: RecordedDecision) -> None:
        number = self._next_decision
        self._next_decision += 1
        self._decisions.append(
            (
                number,
                part,
                *_row(entry)[1:],
                self._name(one.recipient),
                self._name(one.organisation),
                self._name(one.outcome),
                at,
            )
        )
        self._named += [(self._name(name), at, number) for name in _agreements(one)]

    def _name(self, text: str) -> int:
        known = self._names.get(text)
        if known is None:
            known = self._names[text] = len(self._names) + 1
            self._fresh_names.append((known, text))
        return known


def _row(entry: Entry) -> tuple[str, int, int, bytes]:
    place = entry.place
    return place.shard, place.at, place.offset, place.hash


def _next(database: sqlite3.Connection, table: str) -> int:
    (highest,) = database.execute(f"SELECT max(id) FROM {table}").fetchone()  # noqa: S608 -- a name of this module
    return (highest or 0) + 1


def _agreements(one: RecordedDecision) -> set[str]:
    """Every name by which the decision answers to an agreement, or a clause of one, and what is above."""
    found: set[str] = set()
    for name in (*one.clauses, *one.reasons, *(reason for _, reason in one.withheld)):
        found.update(_with_those_above(name))
    return found


def _with_those_above(name: str) -> Iterator[str]:
    """`a/b/c`, `a/b`, `a`."""
    yield name
    while "/" in name:
        name = name.rpartition("/")[0]
        yield name
