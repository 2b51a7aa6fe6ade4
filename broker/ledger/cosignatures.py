"""Cosignatures of witnesses on checkpoints (C2SP tlog-cosignature, cosignature/v1: Ed25519, key type 4).

A witness cosigns a checkpoint only if it has seen that the log did nothing but grow since the last
one. So two parties who hold cosigned checkpoints of one log hold the same history. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from broker.ledger.notes import (
    KEY_HASH,
    KEY_HASH_BYTES,
    SIGNATURE_BYTES,
    SIGNATURE_MARK,
    NoteError,
    check_origin,
    from_base64,
    to_base64,
)
from broker.ledger.tree import HASH_BYTES

COSIGNATURE_V1 = b"\x04"
TIME_BYTES = 8


class WitnessKey(msgspec.Struct, frozen=True):
    """The public key of one witness, with the name that it signs under."""

    name: str
    key_hash: bytes
    public_key: bytes

    @property
    def text(self) -> str:
        """`<name>+<key hash>+<base64>`, as it is handed round."""
        raw = to_base64(COSIGNATURE_V1 + self.public_key)
        return f"{self.name}+{self.key_hash.hex()}+{raw}"


def witness_key(name: str, public_key: Ed25519PublicKey) -> WitnessKey:
    """The key of a witness of that name. Raises NoteError for what can be no name."""
    check_origin(name)
    raw = public_key.public_bytes_raw()
    return WitnessKey(name, _key_hash(name, raw), raw)


def parse_witness_key(text: str) -> WitnessKey:
    """The key of `text` (one line, without its end). Raises NoteError."""
    name, _, rest = text.partition("+")
    stated, _, encoded = rest.partition("+")
    check_origin(name)
    raw = from_base64(encoded, "the witness's public key")
    if raw[:1] != COSIGNATURE_V1 or len(raw) != 1 + HASH_BYTES:
        raise NoteError("the key is no cosignature/v1 key of a witness (Ed25519, key type 4)")
    if not KEY_HASH.fullmatch(stated) or bytes.fromhex(stated) != _key_hash(name, raw[1:]):
        raise NoteError("the witness key's hash does not fit its name and key")
    return WitnessKey(name, bytes.fromhex(stated), raw[1:])


def cosignature_lines(note: str) -> tuple[str, ...]:
    """Every signature line of a note, without its end, as it stands."""
    return tuple(note.partition("\n\n")[2].removesuffix("\n").split("\n"))


def is_by(line: str, key: WitnessKey) -> bool:
    """True if a signature line says that it is by this key; nothing is verified."""
    name, _, encoded = line.removeprefix(SIGNATURE_MARK).partition(" ")
    try:
        raw = from_base64(encoded, "a cosignature")
    except NoteError:
        return False
    return (name, raw[:KEY_HASH_BYTES]) == (key.name, key.key_hash)


def cosigned_at(note: str, line: str, key: WitnessKey) -> int:
    """When the witness cosigned the checkpoint in `note` by `line`: seconds since 1970.

    Raises NoteError where the line is none of this witness or does not hold for this checkpoint.
    """
    if not line.startswith(SIGNATURE_MARK) or not is_by(line, key):
        raise NoteError(f"is no cosignature of {key.name}")
    raw = from_base64(line.partition(" ")[2].partition(" ")[2], "a cosignature")[KEY_HASH_BYTES:]
    if len(raw) != TIME_BYTES + SIGNATURE_BYTES:
        raise NoteError(f"has a cosignature of {key.name} of {len(raw)} bytes instead of 72")
    time = int.from_bytes(raw[:TIME_BYTES], "big")
    try:
        Ed25519PublicKey.from_public_bytes(key.public_key).verify(
            raw[TIME_BYTES:], _signed_text(note, time)
        )
    except InvalidSignature:
        raise NoteError(f"the cosignature of {key.name} does not hold") from None
    return time


def cosigners(note: str, keys: Sequence[WitnessKey]) -> frozenset[str]:
    """Names of the witnesses that cosigned a checkpoint. Raises NoteError for a forged cosignature."""
    found: set[str] = set()
    for line in cosignature_lines(note):
        for key in keys:
            if is_by(line, key):
                cosigned_at(note, line, key)
                found.add(key.name)
    return frozenset(found)


def with_cosignatures(note: str, lines: Sequence[str]) -> str:
    """The checkpoint with more signature lines, each once."""
    known = cosignature_lines(note)
    return note + "".join(f"{line}\n" for line in dict.fromkeys(lines) if line not in known)


def cosign(note: str, name: str, private_key: Ed25519PrivateKey, time: int) -> str:
    """The line by which a witness cosigns the checkpoint in `note`, once it has checked it."""
    known = witness_key(name, private_key.public_key()).key_hash
    signed = private_key.sign(_signed_text(note, time))
    raw = known + time.to_bytes(TIME_BYTES, "big") + signed
    return f"{SIGNATURE_MARK}{name} {to_base64(raw)}"


def _signed_text(note: str, time: int) -> bytes:
    body = note.partition("\n\n")[0]
    return f"cosignature/v1\ntime {time}\n{body}\n".encode()


def _key_hash(name: str, public_key: bytes) -> bytes:
    return sha256(name.encode() + b"\n" + COSIGNATURE_V1 + public_key).digest()[:KEY_HASH_BYTES]
