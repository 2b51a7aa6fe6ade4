"""Where the private keys that sign and that open lie: one small interface, chosen by `BROKER_KEYS`.

`file:DIR` (the default, `<data folder>/keys`) keeps each in a file. `pkcs11:...` keeps the ledger's and
the organisations' signing keys and intake's epochs in a token, which signs and opens for the broker
and never hands them out; what is no key pair (linkage, parts, data and rows keys) stays in files of
mode 0600, as do recipients' sealing keys, which are the recipients' own. A key management service is
a third class with these six methods (docs/adr/0019-keys.md shows one).
"""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from broker.model.opening import Opener
from broker.model.signing import Signer
from broker.shell.epochs import overwrite
from broker.shell.key_errors import KeysError
from broker.shell.key_files import load_ed25519, load_x25519, make_private

SETTING = "BROKER_KEYS"
FILE_SCHEME, TOKEN_SCHEME = "file:", "pkcs11:"


class KeySource(Protocol):
    """Private keys by name: a name is the path that the key's file has or would have.

    Every method raises KeysError where the key or the source is not to be had.
    """

    def signer(self, name: Path) -> Signer:
        """The Ed25519 key of that name."""
        ...

    def opener(self, name: Path) -> Opener:
        """The X25519 key of that name."""
        ...

    def make_signer(self, name: Path) -> None:
        """Makes it, if there is none of that name yet."""
        ...

    def make_opener(self, name: Path) -> None:
        """Makes it, if there is none of that name yet."""
        ...

    def holds(self, name: Path) -> bool:
        """True if there is a key of that name."""
        ...

    def destroy(self, name: Path) -> None:
        """Destroys it for good; a second time does nothing."""
        ...


class FileSource:
    """Keys in files (PEM, PKCS 8, mode 0600)."""

    def signer(self, name: Path) -> Signer:
        """Read from its file."""
        return load_ed25519(name)

    def opener(self, name: Path) -> Opener:
        """Read from its file."""
        return load_x25519(name)

    def make_signer(self, name: Path) -> None:
        """Written to its file."""
        make_private(name, Ed25519PrivateKey.generate)

    def make_opener(self, name: Path) -> None:
        """Written to its file."""
        make_private(name, X25519PrivateKey.generate)

    def holds(self, name: Path) -> bool:
        """Whether there is such a file."""
        return name.exists()

    def destroy(self, name: Path) -> None:
        """Overwritten, then removed."""
        overwrite(name)


def source_of(directory: Path) -> KeySource:
    """The source that the setting names, for a key folder. Raises KeysError."""
    return _source(directory, os.environ.get(SETTING, ""))


@lru_cache(maxsize=8)
def _source(directory: Path, setting: str) -> KeySource:
    if not setting or setting.startswith(FILE_SCHEME):
        return FileSource()
    if setting.startswith(TOKEN_SCHEME):
        from broker.shell.token_source import TokenSource  # noqa: PLC0415 -- only where a token is used

        return TokenSource.of(setting.removeprefix(TOKEN_SCHEME), directory)
    raise KeysError(
        f"{SETTING} must begin with {FILE_SCHEME} or {TOKEN_SCHEME}: see docs/runbooks/keys.md"
    )
