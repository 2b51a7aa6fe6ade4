"""One published log, read by code of the checker's own: C2SP tiles, a signed checkpoint, RFC 6962 hashing.

Nothing here is imported from the broker. Written from the specifications, and plainly: every hash of every
tile is computed again from the entries.
"""

from __future__ import annotations

import base64
import dataclasses
from hashlib import sha256
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

WIDTH = 256
READ_AGAIN = 20
DASH = "\N{EM DASH} "


class LogError(Exception):
    """A log that is not what its format and its key say; the text says where."""


@dataclasses.dataclass(frozen=True)
class Log:
    """The entries of one log, and what can be asked of them."""

    origin: str
    key: bytes
    """Raw public key of Ed25519."""
    entries: tuple[bytes, ...]
    hashes: tuple[bytes, ...]

    def root(self, size: int) -> bytes:
        """The root of the tree of the first `size` entries."""
        return root_of(self.hashes[:size])

    def path(self, index: int, size: int) -> list[bytes]:
        """The inclusion path of RFC 6962, 2.1.1, from the leaf up."""
        return path_of(index, self.hashes[:size])


def leaf_hash(entry: bytes) -> bytes:
    """RFC 6962, 2.1."""
    return sha256(b"\x00" + entry).digest()


def root_of(hashes: tuple[bytes, ...]) -> bytes:
    """MTH of RFC 6962, 2.1, of leaves that are hashed already."""
    if not hashes:
        return sha256(b"").digest()
    row = list(hashes)
    # An odd node at the end of a row goes up as it is: the same tree as by splitting at powers of two.
    while len(row) > 1:
        above = [
            sha256(b"\x01" + row[at] + row[at + 1]).digest() for at in range(0, len(row) - 1, 2)
        ]
        row = above + ([row[-1]] if len(row) % 2 else [])
    return row[0]


def path_of(index: int, hashes: tuple[bytes, ...]) -> list[bytes]:
    """PATH(m, D[n]) of RFC 6962, 2.1.1."""
    if len(hashes) < 2:
        return []
    half = 1 << ((len(hashes) - 1).bit_length() - 1)
    if index < half:
        return [*path_of(index, hashes[:half]), root_of(hashes[half:])]
    return [*path_of(index - half, hashes[half:]), root_of(hashes[:half])]


def open_note(note: str, origin: str, key: bytes) -> tuple[int, bytes]:
    """(size, root) of a checkpoint that `key` signed under `origin`. Raises LogError."""
    text, gap, signatures = note.partition("\n\n")
    lines = text.split("\n")
    if not gap or len(lines) != 3 or lines[0] != origin:
        raise LogError(f"{origin}: its checkpoint is none of its own")
    tag = sha256(origin.encode() + b"\n\x01" + key).digest()[:4]
    for line in signatures.splitlines():
        name, _, encoded = line.removeprefix(DASH).partition(" ")
        raw = base64.b64decode(encoded, validate=True)
        if name == origin and raw[:4] == tag:
            try:
                Ed25519PublicKey.from_public_bytes(key).verify(raw[4:], f"{text}\n".encode())
            except InvalidSignature:
                break
            return int(lines[1]), base64.b64decode(lines[2], validate=True)
    raise LogError(f"{origin}: its checkpoint has no signature of its key that holds")


def read_log(folder: Path, origin: str, key: bytes) -> Log:
    """The log in `folder` as it is published now. Raises LogError.

    A partial tile that was replaced while this read is met by reading again.
    """
    fault = LogError(f"{origin}: was never at rest")
    for _ in range(READ_AGAIN):
        try:
            return _read_once(folder, origin, key)
        except (FileNotFoundError, NotADirectoryError) as error:
            fault = LogError(f"{origin}: a file of it is missing ({error.filename})")
        except ValueError as error:
            raise LogError(f"{origin}: a file of it is damaged ({error})") from error
    raise fault


def _read_once(folder: Path, origin: str, key: bytes) -> Log:
    size, root = open_note((folder / "checkpoint").read_text(encoding="utf-8"), origin, key)
    entries: list[bytes] = []
    for number in range(-(-size // WIDTH)):
        width = min(WIDTH, size - number * WIDTH)
        entries += _bundle(origin, (folder / _name("entries", number, width)).read_bytes())
    hashes = tuple(leaf_hash(one) for one in entries)
    if len(hashes) != size or root_of(hashes) != root:
        raise LogError(f"{origin}: its entries have not the root that its checkpoint of {size} has")
    _check_tiles(folder, origin, hashes)
    return Log(origin, key, tuple(entries), hashes)


def _check_tiles(folder: Path, origin: str, hashes: tuple[bytes, ...]) -> None:
    level, row = 0, hashes
    while row:
        for number in range(-(-len(row) // WIDTH)):
            wanted = row[number * WIDTH : (number + 1) * WIDTH]
            name = _name(str(level), number, len(wanted))
            if (folder / name).read_bytes() != b"".join(wanted):
                raise LogError(f"{origin}: {name} is not what the entries hash to")
        whole = len(row) // WIDTH
        row = tuple(root_of(row[at * WIDTH : (at + 1) * WIDTH]) for at in range(whole))
        level += 1


def _name(level: str, number: int, width: int) -> str:
    groups = [f"{number % 1000:03d}"]
    while number >= 1000:
        number //= 1000
        groups.insert(0, f"x{number % 1000:03d}")
    return f"tile/{level}/{'/'.join(groups)}{'' if width == WIDTH else f'.p/{width}'}"


def _bundle(origin: str, data: bytes) -> list[bytes]:
    entries: list[bytes] = []
    at = 0
    while at < len(data):
        length = int.from_bytes(data[at : at + 2], "big")
        entries.append(data[at + 2 : at + 2 + length])
        at += 2 + length
    if at != len(data):
        raise LogError(f"{origin}: a bundle of entries is cut short")
    return entries
