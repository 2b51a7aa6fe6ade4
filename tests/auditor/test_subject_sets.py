"""Whose sets are whose: by the subject's own key and joins, and by nobody once the key is gone."""

from __future__ import annotations

import datetime
import secrets
from pathlib import Path

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from broker.auditor.index_build import catch_up
from broker.auditor.index_file import open_index
from broker.auditor.index_query import ask_all
from broker.auditor.index_tags import add_tags
from broker.auditor.recorded import read_recorded
from broker.auditor.subject_sets import (
    Certificate,
    Join,
    SetName,
    joined_name,
    sets_named,
    tags_of,
    tokens_of,
)
from broker.auditor.who_knew import Question, who_knew
from broker.model.canonical import digest_text
from broker.model.sealer import open_rows
from broker.model.types import DecisionSet
from broker.record import subject_tag
from broker.shell.keys import read_subject_keys
from tests.auditor.replayed import acts, scenarios, write

TOKENS = st.sampled_from([f"token-{number}" for number in range(6)])
JOINS = st.lists(st.builds(Join, TOKENS, TOKENS), max_size=8)


@given(TOKENS, JOINS, st.booleans())
def test_a_join_is_followed_both_ways_and_to_the_end(
    token: str, joins: list[Join], hashed: bool
) -> None:
    """Whoever of the joined is asked about, the same tokens stand for the subject.

    As in the leaves of today, which name hashes, so in those of before, which name tokens.
    """
    keys = {f"token-{number}": bytes([number]) * 32 for number in range(6)}
    stated = [
        Join(joined_name(one.moved_from), joined_name(one.moved_to)) if hashed else one
        for one in joins
    ]
    found = tokens_of(token, keys, stated, ())

    assert token in found.held
    for other in found.held:
        assert tokens_of(other, keys, stated, ()).held == found.held
    for one in joins:
        assert (one.moved_from in found.held) == (one.moved_to in found.held)


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32))
def test_a_tag_is_one_for_a_key_and_another_for_another(one: bytes, other: bytes) -> None:
    """The same for all sets of a subject; nothing but the key goes into it."""
    assert subject_tag(one) == subject_tag(bytes(one))
    assert (subject_tag(one) == subject_tag(other)) == (one == other)


def test_after_the_key_is_gone_no_tag_leads_to_the_subject(tmp_path: Path) -> None:
    """With everything else that the broker has, tokens and its own keys, no tag of it can be made."""
    ledger = write(tmp_path / "ledger", scenarios())
    keys = read_subject_keys(ledger / "keys" / "subjects.db")
    rows_key = (ledger / "keys" / "broker" / "rows.key").read_bytes()
    gone = next(iter(keys))
    with open_index(tmp_path / "index.db") as database:
        catch_up(database, ledger)
        add_tags(database, ledger, rows_key)
        tags = {row[0] for row in database.execute("SELECT DISTINCT tag FROM part")}
        before = tuple(ask_all(database, ledger, Question(), tags=tags_of([gone], keys)))
        left = {token: key for token, key in keys.items() if token != gone}
        others = [path.read_bytes() for path in (ledger / "keys" / "broker").glob("*.key")]
        made = {
            subject_tag(key)
            for key in (
                *left.values(),
                *others,
                *(digest_text(token).encode()[:32] for token in keys),
                secrets.token_bytes(32),
            )
        }
        assert before
        assert subject_tag(keys[gone]) in tags - made
        assert len(tags - made) == 1
        found = tokens_of(gone, left, (), ())

    assert (found.held, found.unknown) == ((), (gone,))


def test_the_tag_finds_what_the_hash_of_each_set_finds(tmp_path: Path) -> None:
    """For every subject, place and group of all scenarios and acts: by tag as by hashing all sets."""
    ledger = write(tmp_path / "ledger", (*scenarios(), *acts()))
    keys = read_subject_keys(ledger / "keys" / "subjects.db")
    recorded = read_recorded(ledger)
    names = [
        SetName(one.set_id, one.publisher, one.event_id, one.version, one.round)
        for one in (part.closing for part in recorded.parts)
    ]
    counted = 0
    with open_index(tmp_path / "index.db") as database:
        catch_up(database, ledger)
        assert add_tags(database, ledger, _rows_key(ledger)) == len(names)
        assert add_tags(database, ledger, _rows_key(ledger)) == 0
        for token in keys:
            by_tag = tuple(ask_all(database, ledger, Question(), tags=tags_of([token], keys)))
            named = sets_named([token], names)
            assert by_tag == who_knew(recorded, Question(set_ids=named))
            counted += len(by_tag)

    assert counted == sum(len(part.decisions) for part in recorded.parts)


def test_a_certificate_speaks_of_the_token_that_it_was_made_for() -> None:
    """Only who knows the token can see that it is about it."""
    at = datetime.datetime(2026, 11, 20, tzinfo=datetime.UTC)
    of_one = Certificate(digest_text("certificate", "act", "one"), "act", 1_795_132_800_000)
    one, other = (tokens_of(name, {}, (), (of_one,)) for name in ("one", "other"))

    assert (one.erased, one.unknown) == ((("one", at),), ())
    assert (other.erased, other.unknown) == ((), ("other",))


def test_every_round_of_every_part_has_the_tag_in_its_rows(tmp_path: Path) -> None:
    """Also a round that only takes something back."""
    sets: list[DecisionSet] = []

    def kept(one: DecisionSet) -> DecisionSet:
        sets.append(one)
        return one

    write(
        tmp_path / "ledger",
        (*scenarios(), *acts()),
        forge=kept,
    )
    rows_key = _rows_key(tmp_path / "ledger")
    keys = read_subject_keys(tmp_path / "ledger" / "keys" / "subjects.db")
    tags = {subject_tag(key) for key in keys.values()}
    found = [
        msgspec.json.decode(open_rows(rows_key, side.content, one.set_id))
        for one in sets
        for side in one.sidecars
        if side.name == "rows" and one.kind.value == "decision"
    ]

    assert found
    assert {one["subject_tag"] for one in found} == tags


def _rows_key(ledger: Path) -> bytes:
    return (ledger / "keys" / "broker" / "rows.key").read_bytes()
