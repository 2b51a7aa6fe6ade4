"""Keys in files: written whole and private, read with words about what is wrong; nothing is ever printed."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from broker.shell.epochs import write_private
from broker.shell.key_errors import KeysError

SECRET_BYTES = 32
Generate = Callable[[], Ed25519PrivateKey] | Callable[[], X25519PrivateKey]


def make_secret(path: Path) -> None:
    """32 random bytes, if there is no such file yet."""
    if not path.exists():
        write_private(path, secrets.token_bytes(SECRET_BYTES))


def make_private(path: Path, generate: Generate) -> None:
    """A private key (PEM, PKCS 8), if there is no such file yet."""
    if not path.exists():
        pem = generate().private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        write_private(path, pem)


def read_secret(path: Path) -> bytes:
    """A 32-byte key. Raises KeysError."""
    content = read_file(path)
    if len(content) != SECRET_BYTES:
        raise KeysError(f"{path} does not hold a 32-byte key: restore it from backup")
    return content


def load_ed25519(path: Path) -> Ed25519PrivateKey:
    """A signing key. Raises KeysError."""
    key = _load(path)
    if not isinstance(key, Ed25519PrivateKey):
        raise KeysError(f"{path} is not an Ed25519 key: restore it from backup")
    return key


def load_x25519(path: Path) -> X25519PrivateKey:
    """A key that opens what is sealed to it. Raises KeysError."""
    key = _load(path)
    if not isinstance(key, X25519PrivateKey):
        raise KeysError(f"{path} is not an X25519 key: restore it from backup")
    return key


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object. Raises KeysError where the file is missing or is none."""
    try:
        value: dict[str, Any] = json.loads(read_file(path))
    except ValueError:
        raise KeysError(f"{path} cannot be read: restore it from backup") from None
    return value


def write_json(path: Path, value: object) -> None:
    """Whole or not at all."""
    write_private(path, json.dumps(value, indent=1).encode())


def read_file(path: Path) -> bytes:
    """Raises KeysError where the file is missing."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise KeysError(f"{path} is missing: run `broker up` once to make keys") from None


@contextmanager
def alone(directory: Path) -> Iterator[None]:
    """Nobody else changes keys in this folder meanwhile. Not to be entered twice."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = os.open(directory / "making.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def as_text(data: bytes) -> str:
    """Base64."""
    return base64.b64encode(data).decode()


def from_text(text: str) -> bytes:
    """The bytes of base64."""
    return base64.b64decode(text, validate=True)


def _load(path: Path) -> object:
    try:
        return serialization.load_pem_private_key(read_file(path), None)
    except ValueError:
        # What the parser says might hold a piece of the key.
        raise KeysError(f"{path} cannot be read as a private key: restore it from backup") from None
