"""Auditors verify a ledger whose key was rotated: with the old key, the new one, or what lies beside."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from broker.auditor import verify_ledger
from broker.auditor.keys import OneKey, keys_from_file
from broker.ledger import ShardStore
from tests.auditor.ledgers import KEY, NAME, story, write_ledger

NEW = Ed25519PrivateKey.from_private_bytes(bytes([7]) * 32)


def signed(folder: Path, *signers: Ed25519PrivateKey) -> None:
    """The ledger's logs, signed anew by these keys, which are listed beside them."""
    publics = [one.public_key() for one in signers]
    for path in sorted(folder.glob("s*")):
        store = ShardStore.open(
            path, f"{NAME}/{path.name}", KEY, [NEW.public_key(), KEY.public_key()]
        )
        store.sign_with(signers, publics)
        store.publish_tiles()
        store.close()


@pytest.mark.parametrize("known", [(KEY,), (NEW,), (KEY, NEW), ()])
def test_in_the_overlap_every_verifier_accepts(
    tmp_path: Path, known: tuple[Ed25519PrivateKey, ...]
) -> None:
    """Who was given the old key, the new one, both, or takes what lies beside each log."""
    write_ledger(tmp_path, story())
    signed(tmp_path, NEW, KEY)
    keys = OneKey(*(one.public_key() for one in known)) if known else None

    report = verify_ledger(tmp_path, keys=keys)
    assert (report.first_bad, report.ok) == (None, True)


def test_after_the_overlap_the_old_key_is_refused_and_the_new_one_verifies_all(
    tmp_path: Path,
) -> None:
    """The former checkpoints too, which only the old key signed: their roots are those of the log."""
    write_ledger(tmp_path, story())
    signed(tmp_path, NEW, KEY)
    signed(tmp_path, NEW)

    assert verify_ledger(tmp_path, keys=OneKey(NEW.public_key())).ok
    refused = verify_ledger(tmp_path, keys=OneKey(KEY.public_key()))
    assert "not the key that was given" in (refused.first_bad or "")


def test_a_file_of_keys_may_list_both(tmp_path: Path) -> None:
    """As log.vkey does."""
    write_ledger(tmp_path / "ledger", story())
    signed(tmp_path / "ledger", NEW, KEY)
    given = tmp_path / "given.vkey"
    given.write_bytes((tmp_path / "ledger" / "s0" / "log.vkey").read_bytes())

    assert verify_ledger(tmp_path / "ledger", keys=keys_from_file(given)).ok
