"""Checkpoints as signed notes (C2SP tlog-checkpoint, signed-note; Ed25519, key type 1).

One text for one value: whatever a signer would not have written, down to the bits that base64 leaves
unused, is refused. Signatures by other keys (witnesses) are passed over, as the format asks.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from hashlib import sha256

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from broker.ledger.tree import HASH_BYTES
from broker.model.signing import Signer

ED25519 = b"\x01"
KEY_HASH_BYTES = 4
SIGNATURE_BYTES = 64
SIGNATURE_MARK = "\N{EM DASH} "
MAX_SIGNATURES = 100
SIZE = re.compile(r"0|[1-9][0-9]{0,17}")
KEY_HASH = re.compile(r"[0-9a-f]{8}")


class NoteError(ValueError):
    """A key or checkpoint that is not in the form of the format, or not signed by the log."""


class VerifierKey(msgspec.Struct, frozen=True):
    """The public key of one log, with the name that it signs under."""

    origin: str
    key_hash: bytes
    public_key: bytes
    others: tuple[VerifierKey, ...] = ()
    """Further keys of the same log: a rotation lets the old and the new one sign side by side."""

    @property
    def text(self) -> str:
        """`<origin>+<key hash>+<base64>`, as it is handed round."""
        return f"{self.origin}+{self.key_hash.hex()}+{to_base64(ED25519 + self.public_key)}"

    def named(self, origin: str) -> VerifierKey:
        """The same public key under another name: one broker signs all its logs with one key."""
        check_origin(origin)
        others = tuple(one.named(origin) for one in self.others)
        return VerifierKey(origin, _key_hash(origin, self.public_key), self.public_key, others)


class Checkpoint(msgspec.Struct, frozen=True):
    """What a log states of itself."""

    origin: str
    size: int
    root: bytes


def verifier_key(origin: str, public_key: Ed25519PublicKey) -> str:
    """`<origin>+<key hash>+<base64>`: what a verifier needs to know of a log."""
    check_origin(origin)
    raw = public_key.public_bytes_raw()
    return f"{origin}+{_key_hash(origin, raw).hex()}+{to_base64(ED25519 + raw)}"


def parse_verifier_key(text: str) -> VerifierKey:
    """The verifier key of `text` (one line, without its end). Raises NoteError."""
    origin, _, rest = text.partition("+")
    stated, _, encoded = rest.partition("+")
    check_origin(origin)
    raw = from_base64(encoded, "the public key")
    if raw[:1] != ED25519 or len(raw) != 1 + HASH_BYTES:
        raise NoteError("the verifier key is no Ed25519 key of a log")
    if not KEY_HASH.fullmatch(stated) or bytes.fromhex(stated) != _key_hash(origin, raw[1:]):
        raise NoteError("the verifier key's hash does not fit its name and key")
    return VerifierKey(origin, bytes.fromhex(stated), raw[1:])


def verifier_keys(origin: str, public_keys: Sequence[Ed25519PublicKey]) -> VerifierKey:
    """All keys of one log, the first with the others behind it. Raises ValueError for none."""
    first, *others = (parse_verifier_key(verifier_key(origin, one)) for one in public_keys)
    return msgspec.structs.replace(first, others=tuple(others))


def parse_verifier_keys(text: str) -> VerifierKey:
    """The keys of one log, a line each, without the end of the last. Raises NoteError."""
    first, *others = map(parse_verifier_key, text.split("\n"))
    if any(one.origin != first.origin for one in others) or len({first, *others}) <= len(others):
        raise NoteError("the verifier keys are of different logs, or one is there twice")
    return msgspec.structs.replace(first, others=tuple(others))


def sign_checkpoint(origin: str, size: int, root: bytes, *keys: Signer) -> str:
    """The checkpoint of a log, signed by each of these keys; a line each, in their order."""
    check_origin(origin)
    body = f"{origin}\n{size}\n{to_base64(root)}\n"
    lines = []
    for key in keys:
        known = _key_hash(origin, key.public_key().public_bytes_raw())
        signature = to_base64(known + key.sign(body.encode()))
        lines.append(f"{SIGNATURE_MARK}{origin} {signature}\n")
    return f"{body}\n{''.join(lines)}"


def open_checkpoint(text: str, key: str | VerifierKey) -> Checkpoint:
    """What the log states, once a signature holds. Raises NoteError and says why it does not.

    Of several keys one suffices; a signature that claims to be by any of them must hold.
    """
    known = parse_verifier_key(key) if isinstance(key, str) else key
    body, _, signatures = text.partition("\n\n")
    checkpoint = _read_body(body)
    if checkpoint.origin != known.origin:
        raise NoteError(f"is of the log {checkpoint.origin!r}, not of {known.origin!r}")
    keys = (known, *known.others)
    found = [(one, _signatures_of(one, signatures)) for one in keys]
    for one, own in found:
        # More than one by a key is as wrong as none by all of them.
        if len(own) > 1 or any(len(signature) != SIGNATURE_BYTES for signature in own):
            raise _not_one(len(own))
        for signature in own:
            _verify(one, signature, body)
    if not any(own for _, own in found):
        raise _not_one(0)
    return checkpoint


def _verify(key: VerifierKey, signature: bytes, body: str) -> None:
    try:
        Ed25519PublicKey.from_public_bytes(key.public_key).verify(signature, f"{body}\n".encode())
    except InvalidSignature:
        raise NoteError("the signature does not hold: it was changed, or another signed") from None


def _not_one(count: int) -> NoteError:
    return NoteError(f"has {count} signatures by the log's key where it must have one")


def checkpoint_size(text: str) -> int:
    """The size that a checkpoint states; its signature is not looked at. Raises NoteError."""
    return _read_body(text.partition("\n\n")[0]).size


def _read_body(body: str) -> Checkpoint:
    lines = body.split("\n")
    if len(lines) != 3:
        raise NoteError("a checkpoint has three lines: origin, size, root; then its signature")
    origin, size, root = lines
    check_origin(origin)
    if not SIZE.fullmatch(size):
        raise NoteError(f"the size {size[:30]!r} is no whole number in plain digits")
    raw = from_base64(root, "the root")
    if len(raw) != HASH_BYTES:
        raise NoteError("the root is not 32 bytes long")
    return Checkpoint(origin, int(size), raw)


def _signatures_of(key: VerifierKey, signatures: str) -> list[bytes]:
    """The signatures by `key`; lines by others are passed over, malformed ones are not."""
    if not signatures.endswith("\n"):
        raise NoteError("does not end with a signature line: something was cut off or added")
    lines = signatures[:-1].split("\n")
    if len(lines) > MAX_SIGNATURES:
        raise NoteError(f"has more than {MAX_SIGNATURES} signatures")
    own: list[bytes] = []
    for line in lines:
        name, _, encoded = line.removeprefix(SIGNATURE_MARK).partition(" ")
        if not line.startswith(SIGNATURE_MARK):
            raise NoteError("has a line after its text that is no signature")
        raw = from_base64(encoded, "a signature")
        if (name, raw[:KEY_HASH_BYTES]) == (key.origin, key.key_hash):
            own.append(raw[KEY_HASH_BYTES:])
    return own


def _key_hash(origin: str, public_key: bytes) -> bytes:
    return sha256(origin.encode() + b"\n" + ED25519 + public_key).digest()[:KEY_HASH_BYTES]


def check_origin(origin: str) -> None:
    """Raises NoteError for what can be no name of a log or a witness."""
    if not origin or "+" in origin or not origin.isprintable() or " " in origin:
        raise NoteError(f"{origin[:60]!r} is no name for a log: no spaces, no plus sign, not empty")


def to_base64(raw: bytes) -> str:
    """Base64 as the format writes it."""
    return base64.b64encode(raw).decode("ascii")


def from_base64(text: str, what: str) -> bytes:
    """The bytes of base64 that is written in the one way. Raises NoteError, naming `what` it is of."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise NoteError(f"{what} is no base64") from None
    if to_base64(raw) != text:
        raise NoteError(f"{what} is base64 that no encoder writes")
    return raw
