"""The files of a log after C2SP tlog-tiles: hash tiles and entry bundles, 256 wide.

`tile/<L>/<N>` holds the hashes of level 8 * L, `tile/entries/<N>` the entries themselves, each behind
its length in two bytes. The last one of a level is partial: `<N>.p/<width>`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

TILE_WIDTH = 256
TILE_HEIGHT = 8
LENGTH_BYTES = 2
MAX_ENTRY_BYTES = 2**16 - 1
GROUP = 1000


class TileError(ValueError):
    """Bytes that are no entry bundle, or an entry that fits into none."""


class Tile(msgspec.Struct, frozen=True):
    """One tile of a log of some size. A tile of level 0 has an entry bundle beside it."""

    level: int
    number: int
    width: int
    """Hashes in it: 256, or fewer in the last tile of a level."""

    @property
    def path(self) -> str:
        """Path of the hash tile below the log's folder."""
        return f"{self.folder}{self._suffix}"

    @property
    def entries_path(self) -> str:
        """Path of the entry bundle below the log's folder."""
        return f"{self.entries_folder}{self._suffix}"

    @property
    def folder(self) -> str:
        """`path` of the full tile; with `.p` added, the folder of its partial ones."""
        return f"tile/{self.level}/{_number(self.number)}"

    @property
    def entries_folder(self) -> str:
        """The same for the entry bundle."""
        return f"tile/entries/{_number(self.number)}"

    @property
    def _suffix(self) -> str:
        return "" if self.width == TILE_WIDTH else f".p/{self.width}"


def _number(number: int) -> str:
    """1234067 as x001/x234/067 (C2SP tlog-tiles, Parameters)."""
    name = f"{number % GROUP:03d}"
    while number >= GROUP:
        number //= GROUP
        name = f"x{number % GROUP:03d}/{name}"
    return name


def changed_tiles(before: int, size: int) -> Iterator[Tile]:
    """Tiles that a log of `size` entries has and one of `before` had not; all of them for 0."""
    level = 0
    while size >> (TILE_HEIGHT * level):
        old, new = before >> (TILE_HEIGHT * level), size >> (TILE_HEIGHT * level)
        if old < new:
            for number in range(old // TILE_WIDTH, (new - 1) // TILE_WIDTH + 1):
                yield Tile(level, number, min(TILE_WIDTH, new - number * TILE_WIDTH))
        level += 1


def file_names(size: int) -> Iterator[str]:
    """Every file under `tile/` of a log of `size` entries, as `tile/...`."""
    for tile in changed_tiles(0, size):
        yield tile.path
        if not tile.level:
            yield tile.entries_path


def partial_tiles(size: int) -> Iterator[Tile]:
    """The last tile of each level, where it is not full."""
    level = 0
    while count := size >> (TILE_HEIGHT * level):
        if count % TILE_WIDTH:
            yield Tile(level, count // TILE_WIDTH, count % TILE_WIDTH)
        level += 1


def encode_bundle(entries: Sequence[bytes]) -> bytes:
    """The entry bundle of at most 256 entries."""
    pieces: list[bytes] = []
    for entry in entries:
        if len(entry) > MAX_ENTRY_BYTES:
            raise TileError(f"an entry of {len(entry)} bytes: a log holds at most 65,535")
        pieces += (len(entry).to_bytes(LENGTH_BYTES, "big"), entry)
    return b"".join(pieces)


def decode_bundle(data: bytes) -> list[bytes]:
    """The entries of a bundle. Raises TileError where a length does not fit."""
    entries: list[bytes] = []
    at = 0
    while at < len(data):
        start = at + LENGTH_BYTES
        at = start + int.from_bytes(data[start - LENGTH_BYTES : start], "big")
        if start > len(data) or at > len(data):
            raise TileError(f"entry {len(entries)} of the bundle is cut short")
        entries.append(data[start:at])
    return entries
