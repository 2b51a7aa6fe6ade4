"""Where private keys lie, by organisation and key id; the first ones keep the names they always had."""

from __future__ import annotations

from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from broker.shell.key_files import load_x25519, make_private
from broker.shell.key_register import FIRST_KEY, PublicKey, Use
from broker.shell.key_source import source_of


def key_file(directory: Path, code: str, key: PublicKey) -> Path:
    """Where an organisation's private key lies, if it lies here."""
    folder = directory / "organisations" / code
    first = key.key_id == FIRST_KEY
    return folder / (f"{key.use}.pem" if first else f"{key.use}-{key.key_id}.pem")


def ledger_file(directory: Path, key_id: str) -> Path:
    """Where a key of the ledger lies."""
    return directory / "broker" / ("ledger.pem" if key_id == FIRST_KEY else f"ledger-{key_id}.pem")


def make_key(directory: Path, code: str, key: PublicKey) -> PublicKey:
    """Makes an organisation's private key, if it is not there yet; `key` with its public half."""
    path = key_file(directory, code, key)
    if key.use is Use.SIGNING:
        source = source_of(directory)
        source.make_signer(path)
        public = source.signer(path).public_key().public_bytes_raw()
    else:
        make_private(path, X25519PrivateKey.generate)
        public = load_x25519(path).public_key().public_bytes_raw()
    return msgspec.structs.replace(key, public=public)
