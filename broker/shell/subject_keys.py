"""Subjects' keys: made on first use, and destroyed so that no byte of them is left in the file.

Destroying a key makes everything that was sealed under it unreadable at once. SQLite overwrites what
it deletes (`secure_delete`), then the file is written anew and its write-ahead log emptied. What a
journalling file system, an SSD or a backup keeps of earlier blocks is beyond this
(docs/adr/0015-erasure-and-retention.md).
"""

from __future__ import annotations

import contextlib
import datetime
import secrets
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from broker.shell.key_errors import KeysError

SECRET_BYTES = 32
WAIT_S = 30
CLOCKS_DIFFER_MS = 60_000
"""Kafka's clock, which dates records, may be so much ahead of this machine's."""
_DAY_MS = 86_400_000
_SCHEMA = """
CREATE TABLE IF NOT EXISTS subject_key (part_key TEXT PRIMARY KEY, key BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS erasure (
    act_set_id TEXT NOT NULL, tag TEXT NOT NULL, place INTEGER NOT NULL, erased_at INTEGER NOT NULL,
    certificate BLOB NOT NULL, PRIMARY KEY (act_set_id, tag)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS hold (
    part_key TEXT PRIMARY KEY, reason TEXT NOT NULL, actor TEXT NOT NULL, since INTEGER NOT NULL)
    WITHOUT ROWID;
"""


class Erasure(msgspec.Struct, frozen=True):
    """What stays of an erasure: nothing that says who it was, to whoever has not the token."""

    act_set_id: str
    tag: str
    """Keyed pseudonym of the token, made for this alone."""
    place: int
    """Offset on parts.v1 of the record that asked for it."""
    erased_at: datetime.datetime
    certificate: bytes


class Hold(msgspec.Struct, frozen=True):
    """A legal hold: the retention run leaves this subject alone."""

    part_key: str
    reason: str
    actor: str
    since: datetime.datetime


class LastSet(msgspec.Struct, frozen=True):
    """A subject whose key is held, and the day of the newest set about it."""

    part_key: str
    newest: datetime.datetime


class SubjectKeys:
    """One key for each subject, place or group: destroying it erases what was sealed under it."""

    def __init__(self, path: Path) -> None:
        """Opens or makes the key file (SQLite, synchronous, mode 0600)."""
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._path = path
        self._database = sqlite3.connect(path, isolation_level=None, timeout=WAIT_S)
        path.chmod(0o600)
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=FULL")
        self._database.execute("PRAGMA secure_delete=ON")
        self._database.executescript(_SCHEMA)
        self._add_newest()
        self._held: dict[str, bytes] = {}
        self._noted: dict[str, int] = {}
        self._erased: dict[str, tuple[int, int]] | None = None

    def keys_for(
        self, part_keys: Sequence[str], at: datetime.datetime | None = None
    ) -> dict[str, bytes]:
        """The key of each, made and durably kept where there was none: one transaction.

        `at`: time of the newest set that is sealed under them; noted by the day.
        """
        moment = _milliseconds(at or datetime.datetime.now(datetime.UTC))
        day = moment - moment % _DAY_MS
        wanted = dict.fromkeys(part_keys)
        stale = [one for one in wanted if self._noted.get(one, -1) < day]
        if stale:
            rows = [(one, secrets.token_bytes(SECRET_BYTES), day) for one in stale]
            marks = ",".join("?" * len(stale))
            with self._transaction():
                self._database.executemany(
                    "INSERT INTO subject_key (part_key, key, newest) VALUES (?, ?, ?) "
                    "ON CONFLICT (part_key) DO UPDATE SET newest = max(newest, excluded.newest)",
                    rows,
                )
                found = self._database.execute(
                    f"SELECT part_key, key FROM subject_key WHERE part_key IN ({marks})",  # noqa: S608 -- only question marks are put in
                    stale,
                ).fetchall()
            self._held.update(found)
            self._noted.update(dict.fromkeys(stale, day))
        return {one: self._held[one] for one in part_keys}

    def erase(
        self,
        part_key: str,
        erasure: Callable[[datetime.datetime], Erasure],
        *,
        point: Callable[[str], None] = lambda _name: None,
    ) -> None:
        """Destroys the key of a subject and keeps `erasure(now)` in the same transaction.

        Does nothing a second time but finish: a crash between any two steps ends in a finished
        erasure. Raises KeysError where the bytes cannot be got rid of.
        """
        stated = erasure(datetime.datetime.now(datetime.UTC))
        with self._transaction():
            self._database.execute("DELETE FROM subject_key WHERE part_key = ?", (part_key,))
            self._database.execute("DELETE FROM hold WHERE part_key = ?", (part_key,))
            self._database.execute(
                "INSERT OR IGNORE INTO erasure VALUES (?, ?, ?, ?, ?)",
                (
                    stated.act_set_id,
                    stated.tag,
                    stated.place,
                    _milliseconds(stated.erased_at),
                    stated.certificate,
                ),
            )
        self.forget()
        point("decide.key_destroyed")
        self._scrub()

    def erasure(self, act_set_id: str, tag: str) -> Erasure | None:
        """What an act did to the subject of that tag, if its key was destroyed by it."""
        row = self._database.execute(
            "SELECT act_set_id, tag, place, erased_at, certificate FROM erasure "
            "WHERE act_set_id = ? AND tag = ?",
            (act_set_id, tag),
        ).fetchone()
        if row is None:
            return None
        act, of, place, erased_at, certificate = row
        return Erasure(act, of, place, _moment(erased_at), certificate)

    @property
    def any_erased(self) -> bool:
        """True if a subject was ever erased; costs nothing."""
        return bool(self._places())

    def is_before_erasure(self, tag: str, place: int, at: datetime.datetime) -> bool:
        """True for a record that the erasure of its subject overtook: what it says was sent before.

        By its place on parts.v1; its time keeps a Kafka that was made anew from being taken for it.
        """
        found = self._places().get(tag)
        return (
            found is not None
            and place < found[0]
            and _milliseconds(at) <= found[1] + CLOCKS_DIFFER_MS
        )

    def newest(self) -> tuple[LastSet, ...]:
        """Every subject whose key is held, the longest unheard of first."""
        rows = self._database.execute(
            "SELECT part_key, newest FROM subject_key ORDER BY newest, part_key"
        )
        return tuple(LastSet(part_key, _moment(newest)) for part_key, newest in rows)

    def holds(self) -> tuple[Hold, ...]:
        """All legal holds."""
        rows = self._database.execute("SELECT part_key, reason, actor, since FROM hold")
        return tuple(Hold(key, why, who, _moment(since)) for key, why, who, since in rows)

    def hold(self, one: Hold) -> None:
        """Puts a subject under hold, or changes why."""
        self._database.execute(
            "INSERT OR REPLACE INTO hold VALUES (?, ?, ?, ?)",
            (one.part_key, one.reason, one.actor, _milliseconds(one.since)),
        )

    def lift(self, part_key: str) -> bool:
        """Ends a hold; False where there was none."""
        with self._transaction():
            cursor = self._database.execute("DELETE FROM hold WHERE part_key = ?", (part_key,))
        return cursor.rowcount > 0

    def forget(self) -> None:
        """Drops what is held in memory: another process may have changed the file."""
        self._held.clear()
        self._noted.clear()
        self._erased = None

    def close(self) -> None:
        """Closes the key file."""
        self._database.close()

    def _places(self) -> dict[str, tuple[int, int]]:
        if self._erased is None:
            rows = self._database.execute(
                "SELECT tag, max(place), max(erased_at) FROM erasure GROUP BY tag"
            )
            self._erased = {tag: (place, at) for tag, place, at in rows}
        return self._erased

    def _scrub(self) -> None:
        """Writes the file anew from what is still in it, and empties the write-ahead log.

        The bytes are not looked for here: reading the file beside SQLite in one process would drop
        SQLite's locks on it. Raises KeysError where another program reads it for too long.
        """
        self._empty_log()
        self._database.execute("VACUUM")
        self._empty_log()

    def _empty_log(self) -> None:
        (busy, _, _) = self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            raise KeysError(
                f"{self._path} is being read by another program, so a destroyed key cannot be "
                "overwritten: close it and start the broker again, which finishes the erasure"
            )

    def _add_newest(self) -> None:
        """A file of an earlier broker does not say when a subject was last heard of: now, then."""
        columns = {row[1] for row in self._database.execute("PRAGMA table_info(subject_key)")}
        if "newest" in columns:
            return
        now = _milliseconds(datetime.datetime.now(datetime.UTC))
        with contextlib.suppress(sqlite3.OperationalError):  # another process was first
            self._database.execute(
                f"ALTER TABLE subject_key ADD COLUMN newest INTEGER NOT NULL DEFAULT {now}"
            )

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._database.execute("COMMIT")
        except BaseException:
            self._database.execute("ROLLBACK")
            raise


def read_subject_keys(path: Path) -> dict[str, bytes]:
    """Part key -> key, of every key that is still held; makes none. Raises KeysError.

    For replay: a part whose key is not among them was erased.
    """
    if not path.is_file():
        raise KeysError(
            f"{path} is missing: name the folder that holds subjects.db, such as var/keys"
        )
    try:
        uri = f"{path.resolve().as_uri()}?mode=ro"
        with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=WAIT_S)) as database:
            return dict(database.execute("SELECT part_key, key FROM subject_key ORDER BY rowid"))
    except sqlite3.Error as error:
        raise KeysError(f"{path} cannot be read as a file of subjects' keys ({error})") from error


def _milliseconds(moment: datetime.datetime) -> int:
    return round(moment.timestamp() * 1000)


def _moment(milliseconds: int) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(milliseconds / 1000, datetime.UTC)
