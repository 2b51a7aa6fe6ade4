"""`broker audit replay`: what it says of a rehearsal, a forged ledger, other policies, an erased child."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest

from tests.auditor.replayed import acts, fewer_agreements, first_permit_refused, scenarios, write
from tests.cli.said import Command


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger of everything, with its keys."""
    folder = tmp_path_factory.mktemp("sound") / "ledger"
    return write(folder, [*scenarios(), *acts()])


def test_a_rehearsal_replays_identically(broker: Command, tmp_path: Path) -> None:
    """What `broker decide --ledger` wrote, with the keys that lie in it."""
    line = broker("example", "concern").out.encode()
    assert broker("decide", "-", "--ledger", tmp_path / "made", given=line).code == 0
    said = broker("audit", "replay", tmp_path / "made")

    assert (said.code, said.out) == (0, "replay holds: 1 decision sets; 1 identical\n")


def test_all_scenarios_and_acts_replay_identically(broker: Command, sound: Path) -> None:
    """One object a set, then the counts; everything is identical."""
    said = broker("audit", "replay", sound, "--json")
    *sets, summary = said.rows

    assert said.code == 0
    assert {one["verdict"] for one in sets} == {"identical"}
    assert summary["sets"] == summary["counts"]["identical"] == len(sets)
    assert summary["rules_changed"] == summary["not_compared"] == []


def test_a_forged_outcome_is_named_and_fails(broker: Command, tmp_path: Path) -> None:
    """Recipient, field, what is recorded and what the facts give; exit code 1."""
    forged = write(tmp_path / "forged", scenarios(), first_permit_refused)
    said = broker("audit", "replay", forged)

    assert said.code == 1
    assert 'E08000031:csc · outcome: recorded "DENY", derived "PERMIT"' in said.out
    assert said.out.splitlines()[-1].startswith("replay does not hold: ")


def test_other_policies_are_told_and_do_not_fail(
    broker: Command, sound: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without an agreement: which hash changed, what differs, exit code 0."""
    monkeypatch.setenv("BROKER_POLICIES_DIR", str(fewer_agreements(tmp_path / "policies")))
    said = broker("audit", "replay", sound)

    assert said.code == 0
    assert "rules changed since: policy_bundle " in said.out
    assert " differs, rules changed" in said.out.splitlines()[-1]


def test_an_erased_child_is_told_as_that(broker: Command, sound: Path, tmp_path: Path) -> None:
    """The key is destroyed: the commitments verify, and nothing else can be said."""
    keys = tmp_path / "keys"
    shutil.copytree(sound / "keys", keys)
    with sqlite3.connect(keys / "subjects.db") as database:
        database.execute("DELETE FROM subject_key")
    database.close()
    said = broker("audit", "replay", sound, "--keys", keys)

    assert said.code == 0
    (line,) = said.out.splitlines()
    count = line.split()[2]
    assert line == f"replay holds: {count} decision sets; {count} erased, commitments verify"


def test_without_the_brokers_keys_it_says_what_was_not_compared(
    broker: Command, sound: Path, tmp_path: Path
) -> None:
    """An auditor with the subjects' keys alone."""
    keys = tmp_path / "keys"
    keys.mkdir()
    shutil.copy(sound / "keys" / "subjects.db", keys)
    for log in sound.glob("keys/subjects.db-*"):
        shutil.copy(log, keys)
    said = broker("audit", "replay", sound, "--keys", keys)

    assert said.code == 0
    assert "not compared: channel, receipt, recipient_leaf, rows_hash (" in said.out


def test_no_ledger_and_no_keys_say_what_to_do(broker: Command, sound: Path, tmp_path: Path) -> None:
    """A folder without a ledger, and one without keys: one line each, exit code 1."""
    nothing = broker("audit", "replay", tmp_path)
    keyless = broker("audit", "replay", sound, "--keys", tmp_path)

    assert nothing.code == keyless.code == 1
    assert "holds no ledger" in nothing.err
    assert "subjects.db is missing" in keyless.err
