"""By which public key a log is verified."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from broker.auditor.report import BadLedgerError
from broker.ledger import NoteError, VerifierKey, parse_verifier_keys, verifier_key

MAX_KEY_FILE_BYTES = 4096
RAW_KEY_BYTES = 32


class OneKey(Mapping[str, str]):
    """The verifier keys of whatever log is asked for, a line each, all with the same public keys."""

    def __init__(self, *public_keys: Ed25519PublicKey) -> None:
        """One broker signs all its logs with the same keys; only their names differ."""
        self._public_keys = public_keys

    def __getitem__(self, origin: str) -> str:
        try:
            return "\n".join(verifier_key(origin, one) for one in self._public_keys)
        except NoteError:
            raise KeyError(origin) from None

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


def keys_from_file(path: Path) -> Mapping[str, str]:
    """Keys for `verify_ledger` from one file: the public key in it must be that of every log.

    The file holds the verifier key of any log of the ledger (as `log.vkey` does), or the bare public
    key in base64. Raises BadLedgerError for a file that holds neither.
    """
    try:
        with path.open("rb") as file:
            text = file.read(MAX_KEY_FILE_BYTES).decode("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise BadLedgerError(f"{path} cannot be read as a key: {error}") from error
    try:
        stated = parse_verifier_keys(text)
        raw_keys = (one.public_key for one in (stated, *stated.others))
        return OneKey(*map(Ed25519PublicKey.from_public_bytes, raw_keys))
    except NoteError as error:
        raw = _bare(text)
        if raw is None:
            raise BadLedgerError(
                f"{path} holds no key ({error}): it must be the verifier key of a log (one line, "
                "as in log.vkey) or 32 bytes in base64"
            ) from error
        return OneKey(Ed25519PublicKey.from_public_bytes(raw))


def _bare(text: str) -> bytes | None:
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    if len(raw) == RAW_KEY_BYTES + 1 and raw[0] == 1:
        raw = raw[1:]
    return raw if len(raw) == RAW_KEY_BYTES else None


def key_beside(text: str, where: str) -> VerifierKey:
    """The keys in a `log.vkey`. Raises BadLedgerError."""
    if not text.endswith("\n"):
        raise BadLedgerError(f"{where}: the key's line has no end: something was cut off")
    try:
        return parse_verifier_keys(text[:-1])
    except NoteError as error:
        raise BadLedgerError(f"{where}: {error}") from error


def given_of(beside: VerifierKey, given: str) -> VerifierKey | None:
    """The keys beside a log that were given as well, by which it is verified; None if there are none."""
    lines = given.split("\n")
    both = [one for one in (beside, *beside.others) if one.text in lines]
    if not both:
        return None
    first, *others = (msgspec.structs.replace(one, others=()) for one in both)
    return msgspec.structs.replace(first, others=tuple(others))
