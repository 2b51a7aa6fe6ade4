"""After an erasure the log still verifies, replay says so, and the books on erasures add up."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest

from broker.auditor import read_recorded, read_sidecars, shadow
from broker.auditor.accounts import Accounts
from broker.auditor.leaves import read_leaf
from broker.auditor.recorded_sets import RecordedSet, recorded_sets
from broker.auditor.replaying import Beside, Replayed, ReplayKeys, Verdict, replay_sets
from broker.auditor.report import BadLedgerError
from broker.auditor.subjects import Subjects
from broker.auditor.verify import verify_ledger
from broker.ledger import read_entries
from broker.model.canonical import canonical_json
from broker.model.sealing import seal
from broker.shell.keys import load_broker_keys, read_subject_keys
from tests.auditor.replayed import POLICY, Told, acts, scenarios, write
from tests.rounds.story import WARNING, later
from tests.rounds.test_erasure import AGAIN, erasure

EVENTS = 6
"""Events of the scenarios that are told first."""
Leaf = dict[str, Any]


def told(token: str | None = None) -> Iterator[Told]:
    """Statements and acts; with a token its child is erased after them, and heard of again."""
    yield from itertools.islice(scenarios(), EVENTS)
    yield from acts()
    if token is not None:
        yield erasure(token), later(days=1)
        yield msgspec.structs.replace(WARNING, event_id=AGAIN, origin_id=AGAIN), later(days=2)


@pytest.fixture(scope="module")
def ledgers(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, str]:
    """The same story without and with an erasure, under the same linkage key; and the token."""
    folder = tmp_path_factory.mktemp("erasing")
    before = write(folder / "before", told())
    token = token_of(before)
    own = folder / "after" / "keys" / "broker"
    own.mkdir(parents=True)
    shutil.copy(before / "keys" / "broker" / "linkage.key", own)
    return before, write(folder / "after", told(token)), token


def token_of(folder: Path) -> str:
    """The token of the warning's child, found by its key as an auditor finds it."""
    found = Subjects(read_subject_keys(folder / "keys" / "subjects.db"))
    token = found.of(first_of(folder))
    assert token is not None
    return token


def first_of(folder: Path) -> RecordedSet:
    """The first set about the warning."""
    return next(one for one in recorded_sets(folder) if one.closing.event_id == WARNING.event_id)


def leaves_of(folder: Path) -> list[Leaf]:
    return [json.loads(one) for one in read_entries(folder / "s0", 0)]


def replayed(folder: Path) -> list[Replayed]:
    subjects = read_subject_keys(folder / "keys" / "subjects.db")
    beside = Beside(*(read_sidecars(folder / "s0", name) for name in ("facts", "rows")))
    sealer = load_broker_keys(folder / "keys").sealer
    return list(replay_sets(recorded_sets(folder), beside, ReplayKeys(subjects, sealer), POLICY))


def test_the_log_verifies_after_an_erasure_and_the_child_is_heard_of_again(
    ledgers: tuple[Path, Path, str],
) -> None:
    """Every leaf, tile, checkpoint and count, the certificate's among them."""
    before, after = (verify_ledger(one, keys=None) for one in ledgers[:2])

    assert before.ok
    assert after.ok, after.first_bad
    assert [one["kind"] for one in leaves_of(ledgers[1])].count("certificate") == 1


def test_replay_says_erased_of_all_that_was_and_identical_of_all_else(
    ledgers: tuple[Path, Path, str],
) -> None:
    """The child has a key again, which is another: what it opens is replayed, the rest is erased."""
    found = replayed(ledgers[1])
    erased = {one.event_id for one in found if one.verdict is Verdict.ERASED}
    verdicts = {one.verdict for one in found}

    assert WARNING.event_id in erased
    assert verdicts == {Verdict.ERASED, Verdict.IDENTICAL}
    assert {one.verdict for one in found if one.event_id == AGAIN} == {Verdict.IDENTICAL}


def test_an_erasure_that_left_the_key_is_found(ledgers: tuple[Path, Path, str]) -> None:
    """What is certified as erased and still opens is a fault, whoever kept the key."""
    _, after, token = ledgers
    kept = bytes(32)
    first = first_of(after)
    set_id = first.closing.set_id
    sealed = seal(kept, b"what was said", b"facts\n" + set_id.encode())
    closing = msgspec.structs.replace(first.closing, facts_hash=sha256(sealed).hexdigest())
    sets = (
        msgspec.structs.replace(first, closing=closing),
        *(one for one in recorded_sets(after) if one.part == first.part and one != first),
    )
    found = replay_sets(sets, Beside({set_id: sealed}, {}), ReplayKeys({token: kept}, None), POLICY)

    assert next(found).verdict is Verdict.NOT_ERASED


def test_a_shadow_of_other_policies_counts_what_was_erased(ledgers: tuple[Path, Path, str]) -> None:
    """The child has a new key: its earlier parts count as erased, and none as unreadable."""
    _, after, _ = ledgers
    facts = read_sidecars(after / "s0", "facts")
    keys = read_subject_keys(after / "keys" / "subjects.db")
    parts = read_recorded(after).parts
    found = shadow(parts, lambda part: facts.get(part.closing.set_id), keys, POLICY, POLICY)

    assert not found.unreadable
    assert found.erased >= 1


def test_reports_from_the_rows_do_not_change(ledgers: tuple[Path, Path, str]) -> None:
    """What was counted before is counted after: rows are the auditors' and survive."""
    before, after = (dict(read_sidecars(one / "s0", "rows")) for one in ledgers[:2])
    first = {one.closing.set_id for one in recorded_sets(ledgers[0])}

    assert first <= set(before) & set(after)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"parts": 99}, "certifies 99 parts"),
        ({"told": 0}, "certifies 0 told"),
        ({"ended": 9}, "certifies 9 ended"),
        ({"stores": []}, "not when the key was destroyed"),
        ({"stores": [{"store": "subject_key", "by": 1}]}, "not when the key was destroyed"),
        ({"stores": [{"store": "subject_key", "at": 1}] * 2}, "one date for each store"),
        ({"stores": [{"store": "subject_key"}]}, "one date for each store"),
        ({"remains": [{"what": "leaves", "why": ""}]}, "without saying why"),
        ({"act_set_id": "0" * 64}, "certifies"),
    ],
)
def test_a_certificate_that_does_not_add_up_is_named(
    ledgers: tuple[Path, Path, str], changes: Leaf, said: str
) -> None:
    """Counts, dates and reasons of a certificate are held against the leaves before it."""
    with pytest.raises(BadLedgerError, match=said):
        account(leaves_of(ledgers[1]), changes)


def test_an_erasure_without_its_certificate_or_act_is_open(ledgers: tuple[Path, Path, str]) -> None:
    """Each alone is what a crash may leave for a moment, and no more than that."""
    leaves = leaves_of(ledgers[1])
    for missing, said in (("certificate", "no certificate follows"), ("erase", "no leaf holds")):
        left = [one for one in leaves if missing not in (one["kind"], one.get("action"))]
        with pytest.raises(BadLedgerError, match=said):
            account(left)
        account(left, allow_open=True)


def account(leaves: list[Leaf], changes: Leaf | None = None, *, allow_open: bool = False) -> None:
    accounts = Accounts()
    for index, one in enumerate(leaves):
        stated = one | (changes or {}) if one["kind"] == "certificate" else one
        accounts.take("s0", index, read_leaf(canonical_json(stated)))
    accounts.end_of_log("s0")
    accounts.committed.clear()  # the organisations' own logs are not what is looked at here
    accounts.close(allow_open=allow_open)
