"""The ledger's key is rotated: who knows either key can verify, and nothing that was signed is lost."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from broker.ledger import (
    LastCosigned,
    LedgerError,
    NoteError,
    ShardStore,
    open_checkpoint,
    sign_checkpoint,
    verifier_key,
    verifier_keys,
)
from tests.ledger.shards import KEY, ORIGIN, a_set, open_store, record

NEW, THIRD = (Ed25519PrivateKey.from_private_bytes(bytes([one]) * 32) for one in (7, 9))
KEYS = (KEY, NEW, THIRD)
SUBSETS = st.lists(st.sampled_from(KEYS), unique=True, min_size=1)


@given(SUBSETS, SUBSETS)
def test_a_checkpoint_holds_for_who_knows_any_of_its_signers(
    signers: list[Ed25519PrivateKey], known: list[Ed25519PrivateKey]
) -> None:
    """And for nobody else."""
    note = sign_checkpoint(ORIGIN, 3, bytes(32), *signers)
    keys = verifier_keys(ORIGIN, [one.public_key() for one in known])

    if set(signers) & set(known):
        assert open_checkpoint(note, keys).size == 3
    else:
        with pytest.raises(NoteError):
            open_checkpoint(note, keys)


def test_one_false_signature_by_a_known_key_is_a_forgery() -> None:
    """Also beside a true one by another key."""
    true = sign_checkpoint(ORIGIN, 3, bytes(32), KEY)
    other = sign_checkpoint(ORIGIN, 4, bytes(32), NEW).splitlines()[-1]
    keys = verifier_keys(ORIGIN, [KEY.public_key(), NEW.public_key()])

    with pytest.raises(NoteError, match="does not hold"):
        open_checkpoint(f"{true}{other}\n", keys)


def rotated(folder: Path) -> ShardStore:
    """A log with entries by the old key, by both, and by the new one; one recipient had no news since."""
    store = open_store(folder)
    record(store, [a_set(1)])
    store.publish_tiles()
    old, new = KEY.public_key(), NEW.public_key()
    store.sign_with([NEW, KEY], [new, old])
    store.publish_tiles()
    return store


def notes_of(folder: Path) -> list[str]:
    return [path.read_text() for path in sorted(folder.rglob("checkpoint"))]


def test_in_the_overlap_old_and_new_key_verify_every_log(tmp_path: Path) -> None:
    """The present states are signed anew, whether or not anything came since; log.vkey lists both."""
    store = rotated(tmp_path / "s0")
    record(store, [a_set(2, recipients=("A",))])
    store.publish_tiles()

    assert len(notes_of(tmp_path / "s0")) == 3
    for path in (tmp_path / "s0").rglob("log.vkey"):
        origin, note = path.read_text().split("+")[0], path.with_name("checkpoint").read_text()
        for key in (KEY, NEW):
            open_checkpoint(note, verifier_key(origin, key.public_key()))
        assert len(path.read_text().splitlines()) == 2


def test_after_the_overlap_the_new_key_alone_verifies(tmp_path: Path) -> None:
    """Also what was recorded before there was one; the old key alone then does not."""
    store = rotated(tmp_path / "s0")
    store.sign_with([NEW], [NEW.public_key()])
    record(store, [a_set(2, recipients=("A",))])
    store.publish_tiles()

    for path in (tmp_path / "s0").rglob("log.vkey"):
        origin, note = path.read_text().split("+")[0], path.with_name("checkpoint").read_text()
        open_checkpoint(note, verifier_key(origin, NEW.public_key()))
        with pytest.raises(NoteError):
            open_checkpoint(note, verifier_key(origin, KEY.public_key()))


def test_a_store_opens_by_the_new_key_and_not_by_a_strangers(tmp_path: Path) -> None:
    """A ledger that was stopped during a rotation starts with what signs then."""
    store = open_store(tmp_path / "s0")
    record(store, [a_set(1)])
    store.close()

    with pytest.raises(LedgerError, match="belongs to"):
        ShardStore.open(tmp_path / "s0", ORIGIN, THIRD)
    with pytest.raises(LedgerError, match="belongs to"):
        ShardStore.open(tmp_path / "s0", ORIGIN, THIRD, [NEW.public_key()])
    again = ShardStore.open(tmp_path / "s0", ORIGIN, NEW, [NEW.public_key(), KEY.public_key()])
    again.sign_with([NEW], [NEW.public_key()])
    again.publish_tiles()
    note = (tmp_path / "s0" / "checkpoint").read_text()
    assert open_checkpoint(note, verifier_key(ORIGIN, NEW.public_key())).size == 3


def test_signing_with_what_signs_already_changes_nothing(tmp_path: Path) -> None:
    """A start without a rotation leaves every file as it was."""
    store = rotated(tmp_path / "s0")
    before = notes_of(tmp_path / "s0")
    store.sign_with([NEW, KEY], [NEW.public_key(), KEY.public_key()])
    store.publish_tiles()

    assert notes_of(tmp_path / "s0") == before


def test_the_last_cosigned_checkpoint_is_read_by_whichever_key_signed_it(tmp_path: Path) -> None:
    """A log whose key was rotated goes on from what a witness cosigned before."""
    path = tmp_path / "s0.checkpoint"
    last = LastCosigned(path, verifier_key(ORIGIN, KEY.public_key()))
    last.write(sign_checkpoint(ORIGIN, 3, bytes(32), NEW))
    with pytest.raises(LedgerError):
        last.read()
    last.know(verifier_keys(ORIGIN, [NEW.public_key(), KEY.public_key()]))
    for signers in ((NEW,), (KEY,), (NEW, KEY)):
        last.write(sign_checkpoint(ORIGIN, 3, bytes(32), *signers))
        found = last.read()
        assert found is not None
        assert found.size == 3
