"""`broker keys`: what an operator types, and what is said."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from broker.cli import run


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder with the demonstration's keys."""
    monkeypatch.setenv("BROKER_DATA_DIR", str(tmp_path))
    assert run(["keys", "make", "--json"]) == 0
    return tmp_path


def test_a_key_is_rotated_revoked_and_shown(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each says what and from when; all is listed with its dates."""
    capsys.readouterr()
    assert run(["keys", "rotate", "signing", "SCH-WV-001"]) == 0
    assert "signing key key-2 of SCH-WV-001 is in force from" in " ".join(
        capsys.readouterr().out.split()
    )
    assert run(["keys", "revoke", "signing", "SCH-WV-001", "key-1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["revoked"] is True
    assert run(["keys", "show", "SCH-WV-001", "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    keys = {(one["kind"], one.get("key_id")): one for one in rows}
    assert keys["signing", "key-1"]["revoked_at"]
    assert keys["signing", "key-2"]["revoked_at"] is None
    assert ("certificate", None) in keys
    assert (folder / "keys" / "organisations" / "SCH-WV-001" / "signing-key-2.pem").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["rotate", "linkage"], "re-tokenising"),
        (["rotate", "pairwise"], "thread between two warnings"),
        (["rotate", "signing"], "name its code"),
        (["rotate", "ledger", "SCH-WV-001"], "name no organisation"),
        (["rotate", "certificates"], "rotate-certificates"),
        (["rotate", "pin"], "one of signing"),
        (["revoke", "ledger", "key-1"], "rotate ledger"),
        (["revoke", "sealing", "SCH-WV-001", "key-9"], "broker keys show"),
        (["rotate", "rows", "--at", "2020-01-01T00:00:00"], "at the soonest"),
    ],
)
def test_what_cannot_be_done_is_said_with_what_to_do(
    folder: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    """And nothing changed."""
    before = (folder / "keys" / "directory.json").read_bytes()
    capsys.readouterr()

    assert run(["keys", *words]) != 0
    assert said in " ".join(capsys.readouterr().err.split())
    assert (folder / "keys" / "directory.json").read_bytes() == before
