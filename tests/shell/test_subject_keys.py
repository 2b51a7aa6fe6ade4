"""Subjects' keys: destroyed so that no byte is left, and never revived by what was read before."""

from __future__ import annotations

import datetime
import sqlite3
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.shell.subject_keys import Erasure, Hold, SubjectKeys, read_subject_keys

NOW = datetime.datetime(2026, 11, 24, 12, tzinfo=datetime.UTC)
LATER = NOW + datetime.timedelta(days=40)


def erase(keys: SubjectKeys, part_key: str, place: int = 7) -> None:
    keys.erase(part_key, lambda now: Erasure("act", tag_of(part_key), place, now, b"certificate"))


def tag_of(part_key: str) -> str:
    return sha256(part_key.encode()).hexdigest()


def bytes_of(path: Path) -> bytes:
    """The key file and whatever lies beside it."""
    return b"".join(one.read_bytes() for one in path.parent.glob(f"{path.name}*"))


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 400), st.data())
def test_no_byte_of_a_destroyed_key_or_of_its_token_is_left(
    tmp_path_factory: pytest.TempPathFactory, count: int, data: st.DataObject
) -> None:
    """Neither in the file nor in its write-ahead log, wherever the row lay; the others stay."""
    path = tmp_path_factory.mktemp("keys") / "subjects.db"
    keys = SubjectKeys(path)
    names = [f"token-{number:031d}" for number in range(count)]
    for start in range(0, count, 100):
        keys.keys_for(names[start : start + 100], NOW)
    made = keys.keys_for(names)
    gone = data.draw(st.sampled_from(names))
    erase(keys, gone)
    left = bytes_of(path)

    assert made[gone] not in left
    assert gone.encode() not in left
    others = {name: key for name, key in made.items() if name != gone}
    assert read_subject_keys(path) == others
    keys.close()


def test_the_search_for_bytes_would_find_them(tmp_path: Path) -> None:
    """Deleted as SQLite deletes by itself, the key is still in the file: what is tested can fail."""
    path = tmp_path / "subjects.db"
    keys = SubjectKeys(path)
    made = keys.keys_for(["token"], NOW)["token"]
    keys.close()
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA secure_delete=OFF")
        database.execute("DELETE FROM subject_key")
    database.close()

    assert made in bytes_of(path)


def test_whoever_is_heard_of_again_gets_another_key(tmp_path: Path) -> None:
    """Also from a process that held the old one in memory."""
    keys = SubjectKeys(tmp_path / "subjects.db")
    first = keys.keys_for(["token"], NOW)
    erase(keys, "token")

    assert keys.keys_for(["token"], LATER)["token"] != first["token"]


def test_an_interrupted_erasure_is_finished_and_keeps_its_certificate(tmp_path: Path) -> None:
    """Killed after the key is gone and before the file is clean: the same call ends it."""
    path = tmp_path / "subjects.db"
    keys = SubjectKeys(path)
    made = keys.keys_for(["token"], NOW)["token"]

    class KilledError(Exception):
        pass

    def killed(_name: str) -> None:
        raise KilledError

    with pytest.raises(KilledError):
        keys.erase("token", lambda now: Erasure("act", "tag", 7, now, b"first"), point=killed)
    again = SubjectKeys(path)
    again.erase("token", lambda now: Erasure("act", "tag", 9, now, b"second"))
    kept = again.erasure("act", "tag")

    assert kept is not None
    assert (kept.certificate, kept.place) == (b"first", 7)
    keys.close()
    assert made not in bytes_of(path)


def test_what_the_erasure_overtook_is_known_by_its_place(tmp_path: Path) -> None:
    """Records below it are not decided again; those above are, and those of a Kafka made anew."""
    keys = SubjectKeys(tmp_path / "subjects.db")
    keys.keys_for(["token"], NOW)
    assert not keys.any_erased
    erase(keys, "token", place=7)
    kept = keys.erasure("act", tag_of("token"))
    assert kept is not None
    before = kept.erased_at - datetime.timedelta(minutes=5)
    after = kept.erased_at + datetime.timedelta(hours=5)

    assert keys.any_erased
    assert keys.is_before_erasure(tag_of("token"), 6, before)
    assert not keys.is_before_erasure(tag_of("token"), 8, before)
    assert not keys.is_before_erasure(tag_of("token"), 6, after)
    assert not keys.is_before_erasure(tag_of("other"), 6, before)


def test_the_newest_set_about_a_subject_is_known_by_the_day(tmp_path: Path) -> None:
    """It only ever moves on, and the longest unheard of comes first."""
    keys = SubjectKeys(tmp_path / "subjects.db")
    keys.keys_for(["new", "old"], NOW)
    keys.keys_for(["new"], LATER)
    keys.keys_for(["new"], NOW)

    found = [(one.part_key, one.newest.date()) for one in keys.newest()]
    assert found == [("old", NOW.date()), ("new", LATER.date())]


def test_keys_of_an_earlier_broker_count_from_now(tmp_path: Path) -> None:
    """A file that does not say when a subject was heard of is not due at once."""
    path = tmp_path / "subjects.db"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE subject_key (part_key TEXT PRIMARY KEY, key BLOB NOT NULL)")
        database.execute("INSERT INTO subject_key VALUES ('token', x'00')")
    database.close()
    (one,) = SubjectKeys(path).newest()

    assert datetime.datetime.now(datetime.UTC) - one.newest < datetime.timedelta(days=1)


def test_a_hold_stands_until_it_is_lifted(tmp_path: Path) -> None:
    """With its reason and who set it; lifting what is not held says so."""
    keys = SubjectKeys(tmp_path / "subjects.db")
    held = Hold("token", "an inquest", "desk-1", NOW)
    keys.hold(held)

    assert keys.holds() == (held,)
    assert keys.lift("token")
    assert not keys.lift("token")
    assert keys.holds() == ()
