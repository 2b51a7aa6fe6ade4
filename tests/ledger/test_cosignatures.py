"""Cosignatures: cosignature/v1 of C2SP, written one way, and no bit of it free."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from broker.ledger import (
    NoteError,
    cosign,
    cosigned_at,
    cosigners,
    open_checkpoint,
    parse_witness_key,
    sign_checkpoint,
    verifier_key,
    with_cosignatures,
    witness_key,
)
from tests.ledger.shards import KEY, ORIGIN
from tests.ledger.test_tree import flipped

PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
WITNESS = witness_key("witness.example/w1", PRIVATE.public_key())
OTHER = witness_key("witness.example/w2", PRIVATE.public_key())
NOTE = sign_checkpoint(ORIGIN, 7, bytes(range(32)), KEY)
TIME = 1_764_000_000
LINE = cosign(NOTE, WITNESS.name, PRIVATE, TIME)
VERIFIER = verifier_key(ORIGIN, KEY.public_key())


def test_a_cosigned_checkpoint_is_still_the_logs_own() -> None:
    """Whoever knows no witness reads it as before; whoever does finds who cosigned."""
    note = with_cosignatures(NOTE, [LINE, LINE])

    assert open_checkpoint(note, VERIFIER) == open_checkpoint(NOTE, VERIFIER)
    assert note.count("\n") == NOTE.count("\n") + 1
    assert cosigned_at(note, LINE, WITNESS) == TIME
    assert cosigners(note, [WITNESS, OTHER]) == {WITNESS.name}
    assert cosigners(NOTE, [WITNESS]) == frozenset()


@given(st.integers(0, 8 * len(LINE.encode()) - 1))
def test_no_bit_of_a_cosignature_can_be_changed(bit: int) -> None:
    """Name, key hash, time and signature are all held."""
    try:
        bent = flipped(LINE.encode(), bit).decode()
    except UnicodeDecodeError:
        return
    with pytest.raises(NoteError):
        cosigned_at(NOTE, bent, WITNESS)


@given(st.integers(0, 8 * len(NOTE.partition("\n\n")[0].encode()) - 1))
def test_it_holds_for_no_other_checkpoint(bit: int) -> None:
    """Another origin, size or root is not what was cosigned."""
    body, _, rest = NOTE.partition("\n\n")
    try:
        bent = flipped(body.encode(), bit).decode()
    except UnicodeDecodeError:
        return
    with pytest.raises(NoteError):
        cosigned_at(f"{bent}\n\n{rest}", LINE, WITNESS)


@given(st.integers(0, 8 * len(WITNESS.text.encode()) - 1))
def test_no_bit_of_a_witness_key_can_be_changed(bit: int) -> None:
    """The key's hash covers name and key."""
    try:
        bent = flipped(WITNESS.text.encode(), bit).decode()
    except UnicodeDecodeError:
        return
    with pytest.raises(NoteError):
        parse_witness_key(bent)


def test_a_logs_key_is_no_witness_key() -> None:
    """Type 1 signs a log, type 4 cosigns: one cannot stand in for the other."""
    assert parse_witness_key(WITNESS.text) == WITNESS
    with pytest.raises(NoteError, match="key type 4"):
        parse_witness_key(VERIFIER)
