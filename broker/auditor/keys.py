"""By which public key a log is verified."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from broker.auditor.report import BadLedgerError
from broker.ledger import NoteError, VerifierKey, parse_verifier_key, verifier_key

MAX_KEY_FILE_BYTES = 4096
RAW_KEY_BYTES = 32


class OneKey(Mapping[str, str]):
    """The verifier key of whatever log is asked for, all with the same public key."""

    def __init__(self, public_key: Ed25519PublicKey) -> None:
        """One broker signs all its logs with one key; only their names differ."""
        self._public_key = public_key

    def __getitem__(self, origin: str) -> str:
        try:
            return verifier_key(origin, self._public_key)
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
        return OneKey(Ed25519PublicKey.from_public_bytes(parse_verifier_key(text).public_key))
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
    """The key in a `log.vkey`. Raises BadLedgerError."""
    if not text.endswith("\n"):
        raise BadLedgerError(f"{where}: the key's line has no end: something was cut off")
    try:
        return parse_verifier_key(text[:-1])
    except NoteError as error:
        raise BadLedgerError(f"{where}: {error}") from error
