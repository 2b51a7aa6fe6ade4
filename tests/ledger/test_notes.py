"""Signed checkpoints: one text for one value, and nothing else is accepted."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from tlog_scales import signing, tlog

from broker.ledger import (
    Checkpoint,
    NoteError,
    checkpoint_size,
    open_checkpoint,
    parse_verifier_key,
    sign_checkpoint,
    verifier_key,
)
from tests.ledger.shards import KEY
from tests.ledger.test_tree import flipped

OTHER = Ed25519PrivateKey.from_private_bytes(bytes(32))
ORIGIN = "test/s0/E08000031"
VERIFIER = verifier_key(ORIGIN, KEY.public_key())
NOTE = sign_checkpoint(ORIGIN, 7, bytes(range(32)), KEY)
BODY, _, SIGNATURE = NOTE.partition("\n\n")
DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
names = st.from_regex(r"[A-Za-z0-9/._-]{1,40}", fullmatch=True)


@given(names, st.integers(0, 10**17), st.binary(min_size=32, max_size=32))
def test_what_was_signed_is_what_is_opened(origin: str, size: int, root: bytes) -> None:
    """A checkpoint comes back as it was stated."""
    note = sign_checkpoint(origin, size, root, KEY)

    assert open_checkpoint(note, verifier_key(origin, KEY.public_key())) == Checkpoint(
        origin, size, root
    )
    assert checkpoint_size(note) == size


def test_an_independent_reader_accepts_key_and_checkpoint() -> None:
    """tlog-scales parses our verifier key and verifies our note with it."""
    checkpoint = tlog.Checkpoint.from_text(NOTE)
    own = signing.PlainEd25519Signer(ORIGIN, KEY)
    checkpoint.verify(own.vkey)

    assert checkpoint.serialize() == NOTE
    assert own.vkey.key_id == int.from_bytes(parse_verifier_key(VERIFIER).key_hash, "big")


@given(st.integers(0, 8 * len(NOTE.encode()) - 1))
def test_no_bit_of_a_checkpoint_can_be_changed(bit: int) -> None:
    """Each bit of text, signature and line ends is held, also those that base64 leaves unused."""
    bent = flipped(NOTE.encode(), bit)
    with pytest.raises((NoteError, UnicodeDecodeError)):
        open_checkpoint(bent.decode(), VERIFIER)


@pytest.mark.parametrize("line", [2, 4])
def test_base64_is_written_in_one_way(line: int) -> None:
    """The bits that root and signature leave unused are none: setting one is another text."""
    lines = NOTE.split("\n")
    last = DIGITS.index(lines[line][-2])
    for unused in (1, 2, 3):
        bent = [*lines]
        bent[line] = f"{lines[line][:-2]}{DIGITS[last | unused]}="
        assert base64.b64decode(bent[line].split(" ")[-1]) == base64.b64decode(
            lines[line].split(" ")[-1]
        )
        with pytest.raises(NoteError, match="base64 that no encoder writes"):
            open_checkpoint("\n".join(bent), VERIFIER)


@given(st.integers(0, 8 * len(VERIFIER.encode()) - 1))
def test_no_bit_of_a_verifier_key_can_be_changed(bit: int) -> None:
    """The key's hash covers name and key, and is itself written in one way only."""
    bent = flipped(VERIFIER.encode(), bit)
    with pytest.raises((NoteError, UnicodeDecodeError)):
        parse_verifier_key(bent.decode())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "three lines"),
        (BODY, "three lines|does not end"),
        (f"{BODY}\n\n", "does not end"),
        (f"{NOTE}and more", "does not end|no signature"),
        (f"{NOTE}\n", "no base64|no signature"),
        (f"{NOTE}{SIGNATURE}", "has 2 signatures"),
        (NOTE.replace("\n7\n", "\n07\n"), "whole number"),
        (NOTE.replace("\n7\n", "\n-7\n"), "whole number"),
        (NOTE.replace("\n7\n", "\n\u0667\n"), "whole number"),
        (NOTE.replace("\n7\n", f"\n{'9' * 40}\n"), "whole number"),
        (NOTE.replace("\n7\n", "\n8\n"), "does not hold"),
        (NOTE.replace("\n\n", "\nextra\n\n", 1), "three lines"),
        (NOTE.replace("\u2014", "-"), "no signature"),
        (sign_checkpoint("test/s1", 7, bytes(32), KEY), "is of the log"),
        (sign_checkpoint(ORIGIN, 7, bytes(32), OTHER), "has 0 signatures"),
    ],
)
def test_a_text_that_no_log_would_write_is_refused(text: str, said: str) -> None:
    """Whatever is missing, added, doubled, or written in another way is named."""
    with pytest.raises(NoteError, match=said):
        open_checkpoint(text, VERIFIER)


def test_a_forged_signature_under_the_right_key_hash_does_not_hold() -> None:
    """The key hash is public: only the signature counts."""
    claimed = parse_verifier_key(VERIFIER).key_hash + OTHER.sign(f"{BODY}\n".encode())
    forged = f"{BODY}\n\n\u2014 {ORIGIN} {base64.b64encode(claimed).decode()}\n"
    with pytest.raises(NoteError, match="does not hold"):
        open_checkpoint(forged, VERIFIER)


def test_a_witness_may_sign_beside_the_log() -> None:
    """Signatures by other keys are passed over; they neither help nor harm."""
    witness = sign_checkpoint("witness.example", 7, bytes(32), OTHER).partition("\n\n")[2]

    assert open_checkpoint(NOTE + witness, VERIFIER).size == 7
    with pytest.raises(NoteError, match="has 0 signatures"):
        open_checkpoint(f"{BODY}\n\n{witness}", VERIFIER)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\nb", "a\u00a0b", "a\u2028b"])
def test_a_log_has_a_name_that_fits_on_its_line(name: str) -> None:
    """No blanks, no line ends, no plus sign, not empty."""
    with pytest.raises(NoteError, match="no name for a log"):
        verifier_key(name, KEY.public_key())
    with pytest.raises(NoteError, match="no name for a log"):
        sign_checkpoint(name, 0, bytes(32), KEY)
