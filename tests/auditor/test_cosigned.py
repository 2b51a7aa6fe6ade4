"""`broker audit verify --witness`: what a witness cosigned is counted, and what is none is named."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from broker.auditor import verify_ledger, witness_from
from broker.auditor.report import BadLedgerError
from broker.ledger import ShardStore, cosign, witness_key
from broker.shell.ledger_worker import record_set, render
from tests.auditor.ledgers import KEY, NAME, accepted, decided

PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(2, 34)))
WITNESS = witness_key("witness.example/w1", PRIVATE.public_key())
OTHER = witness_key("witness.example/w2", PRIVATE.public_key())


@pytest.fixture
def cosigned(tmp_path: Path) -> Path:
    """A ledger of four checkpoints after the first; the witness was away for the last one."""
    store = ShardStore.open(tmp_path / "ledger/s0", f"{NAME}/s0", KEY)
    epoch = store.take_epoch()
    for offset in range(4):
        sets = [record_set(accepted(offset)), record_set(decided(offset))]
        store.commit(sets, epoch=epoch, next_offset=offset, render=render)
        size, note = store.witnessed.tip()
        if offset < 3:
            store.witnessed.keep(
                size, [(WITNESS, cosign(note, WITNESS.name, PRIVATE, 1_764_000_000))]
            )
        store.publish_tiles()
    store.close()
    return tmp_path / "ledger"


def test_it_is_said_how_many_checkpoints_are_cosigned_and_up_to_where(cosigned: Path) -> None:
    """Three of five (the empty log has one), the newest of 21 entries of 28: the rest only the log signed."""
    report = verify_ledger(cosigned, witnesses=[WITNESS])
    (count,) = report.cosigned

    assert report.ok, report.first_bad
    assert (count.cosigned, count.checkpoints, count.newest, count.entries) == (3, 5, 21, 28)
    assert "cosigned 3 of 5 checkpoints, the newest of 21 entries of 28" in count.line()


def test_a_witness_that_cosigned_nothing_is_a_fault(cosigned: Path) -> None:
    """The same key under another name is another witness."""
    report = verify_ledger(cosigned, witnesses=[OTHER])

    assert not report.ok
    assert "witness.example/w2 cosigned none of the checkpoints" in (report.first_bad or "")


def test_a_signature_by_nobody_known_is_named(cosigned: Path) -> None:
    """A line put under the published checkpoint that no key beside it, and none given, explains."""
    path = cosigned / "s0/checkpoint"
    note = path.read_text()
    path.write_text(f"{note}{cosign(note, OTHER.name, PRIVATE, 1_764_000_000)}\n")
    assert "s0/checkpoint: has a signature by a key that is neither" in (
        verify_ledger(cosigned).first_bad or ""
    )


def test_a_witness_is_given_as_text_or_as_a_file(tmp_path: Path) -> None:
    """Either is the same key; anything else is refused."""
    (tmp_path / "w.vkey").write_text(f"{WITNESS.text}\n")

    assert witness_from(WITNESS.text) == witness_from(str(tmp_path / "w.vkey")) == WITNESS
    for wrong in ("nowhere.vkey", "witness+0+AAAA", str(tmp_path)):
        with pytest.raises(BadLedgerError, match="witness's key"):
            witness_from(wrong)
