"""Logs without personal data, keys that are made once and never printed."""

import json
import stat
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidTag

from broker.model.sealing import seal, unseal
from broker.shell.keys import (
    KeysError,
    SubjectKeys,
    load_agency_keys,
    load_broker_keys,
    make_keys,
    unwrap,
)
from broker.shell.logs import configure, only_allowed


def test_a_field_that_is_not_on_the_list_loses_its_value() -> None:
    """A careless log call cannot print a name."""
    logged = only_allowed(None, "info", {"event": "batch_sent", "child": "Example", "count": 1})

    assert logged == {"event": "batch_sent", "child": "withheld", "count": 1}


def test_logs_are_json_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """One object a line, with level, time and process."""
    configure("intake", "INFO").info("started", name="Example")
    line = json.loads(capsys.readouterr().err)

    assert (line["event"], line["process"], line["name"]) == ("started", "intake", "withheld")


def test_keys_are_made_once_and_only_their_owner_can_read_them(tmp_path: Path) -> None:
    """A second run changes nothing; every file is 0600, every folder 0700."""
    make_keys(tmp_path / "keys", ["A", "B"])
    before = {path: path.read_bytes() for path in (tmp_path / "keys").rglob("*") if path.is_file()}
    make_keys(tmp_path / "keys", ["A", "B"])

    assert before == {path: path.read_bytes() for path in before}
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in before)


def test_an_organisation_that_joins_later_gets_keys_and_the_others_keep_theirs(
    tmp_path: Path,
) -> None:
    """Connecting a new agency must not lock out the rest."""
    make_keys(tmp_path, ["A"])
    first = load_broker_keys(tmp_path).sealer.data_keys["A"]
    make_keys(tmp_path, ["A", "B"])
    keys = load_broker_keys(tmp_path)

    assert keys.sealer.data_keys["A"] == first
    assert {code for code, _ in keys.publisher_keys} == {"A", "B", "DUTY-DESK"}


def test_a_recipient_unwraps_its_data_key_and_nobody_elses(tmp_path: Path) -> None:
    """The wrapped key travels with the alert; only the recipient's private key opens it."""
    make_keys(tmp_path, ["A", "B"])
    data_key = load_broker_keys(tmp_path).sealer.data_keys["A"]
    sealed = seal(data_key.key, b"words", b"bound")
    own, other = load_agency_keys(tmp_path, "A"), load_agency_keys(tmp_path, "B")

    opened = unwrap("A", data_key.key_id, data_key.wrapped, own.sealing_key)
    assert unseal(opened, sealed, b"bound") == b"words"
    with pytest.raises(InvalidTag):
        unwrap("A", data_key.key_id, data_key.wrapped, other.sealing_key)


def test_no_key_is_printed(tmp_path: Path) -> None:
    """Neither repr nor str of the key rings shows a key."""
    make_keys(tmp_path, ["A"])

    assert repr(load_broker_keys(tmp_path)) == "BrokerKeys(...)"
    assert repr(load_agency_keys(tmp_path, "A")) == "AgencyKeys(A)"


def test_a_missing_key_says_what_to_do(tmp_path: Path) -> None:
    """The message names the folder and the remedy."""
    with pytest.raises(KeysError, match=r"connected\.yaml"):
        load_agency_keys(tmp_path, "NOBODY")


def test_a_subjects_key_is_kept_and_is_its_own(tmp_path: Path) -> None:
    """Made on first use, the same after a restart, different for each subject."""
    first = SubjectKeys(tmp_path / "subjects.db")
    made = first.keys_for(["a", "b", "a"])
    first.close()
    again = SubjectKeys(tmp_path / "subjects.db").keys_for(["b", "a"])

    assert again == made
    assert len(set(made.values())) == 2
