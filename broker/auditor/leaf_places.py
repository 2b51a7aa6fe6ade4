"""Where a leaf lies in a log's files, and reading single leaves from there.

An entry's place in its bundle never changes while the bundle fills, so one leaf is read without the
255 others.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Self

import msgspec

from broker.auditor.report import BadLedgerError
from broker.ledger import TILE_WIDTH, Tile, TileError, decode_bundle, leaf_hash

LENGTH_BYTES = 2
KEPT_HASH_BYTES = 16
MOST_FILES = 200
"""Open at once."""


class Place(msgspec.Struct, frozen=True):
    """One leaf of an auditors' log."""

    shard: str
    at: int
    """Index in the log."""
    offset: int
    """Of its length in its bundle, in bytes."""
    hash: bytes
    """The first half of its RFC 6962 hash."""


class Entry(msgspec.Struct, frozen=True):
    """One leaf with its place."""

    place: Place
    full_hash: bytes
    data: bytes


def entries_from(folder: Path, start: int, size: int) -> Iterator[Entry]:
    """The entries from index `start` to `size` of the shard in `folder`, from its published bundles.

    Nothing is compared with a root here. Raises BadLedgerError for a bundle that is missing or cut.
    """
    for number in range(start // TILE_WIDTH, -(-size // TILE_WIDTH)):
        width = min(TILE_WIDTH, size - number * TILE_WIDTH)
        offset = 0
        for at, data in enumerate(_bundle(folder, Tile(0, number, width)), number * TILE_WIDTH):
            if start <= at < size:
                full = leaf_hash(data)
                place = Place(folder.name, at, offset, full[:KEPT_HASH_BYTES])
                yield Entry(place, full, data)
            offset += LENGTH_BYTES + len(data)


class LeafReader:
    """Reads single leaves of one ledger; each bundle's file is opened once. Use it in a `with`."""

    def __init__(self, ledger_dir: Path) -> None:
        """Nothing is open yet."""
        self._ledger_dir = ledger_dir
        self._files: dict[tuple[str, int], BinaryIO] = {}

    def __enter__(self) -> Self:
        """The reader."""
        return self

    def __exit__(self, *_: object) -> None:
        """Closes what was opened."""
        for file in self._files.values():
            file.close()
        self._files.clear()

    def read(self, place: Place) -> bytes:
        """The leaf at that place. Raises BadLedgerError where it is no longer the one indexed."""
        file = self._file(place)
        if file is not None:
            file.seek(place.offset)
            length = int.from_bytes(file.read(LENGTH_BYTES), "big")
            data = file.read(length)
            if leaf_hash(data)[:KEPT_HASH_BYTES] == place.hash:
                return data
        raise BadLedgerError(
            f"log {place.shard}, leaf {place.at}: is not here, or not as it was when it was "
            "indexed: its file was changed; run `broker audit verify`"
        )

    def _file(self, place: Place) -> BinaryIO | None:
        number, within = divmod(place.at, TILE_WIDTH)
        known = self._files.get((place.shard, number))
        if known is not None and os.fstat(known.fileno()).st_size > place.offset:
            return known
        for path in _paths(self._ledger_dir / place.shard, Tile(0, number, within + 1)):
            try:
                file = path.open("rb")
            except FileNotFoundError:
                continue
            if len(self._files) >= MOST_FILES:
                self.__exit__()
            if known is not None:
                known.close()
            self._files[place.shard, number] = file
            return file
        return None


def _bundle(folder: Path, tile: Tile) -> list[bytes]:
    for path in _paths(folder, tile):
        try:
            entries = decode_bundle(path.read_bytes())
        except FileNotFoundError:
            continue
        except TileError as error:
            raise BadLedgerError(f"{folder.name}/{tile.entries_path}: {error}") from error
        if len(entries) < tile.width:
            break
        return entries[: tile.width]
    raise BadLedgerError(
        f"{folder.name}/{tile.entries_path} is missing or holds fewer entries than the checkpoint "
        "states: run `broker audit verify`"
    )


def _paths(folder: Path, tile: Tile) -> Iterator[Path]:
    """The files that may hold the tile's entries: full, then partial ones that are wide enough."""
    yield folder / tile.entries_folder
    partial = folder / f"{tile.entries_folder}.p"
    if tile.width < TILE_WIDTH:
        yield partial / str(tile.width)
    try:
        found = [int(one.name) for one in partial.iterdir() if one.name.isdigit()]
    except FileNotFoundError:
        return
    for width in sorted(found):
        if width >= tile.width:
            yield partial / str(width)
    # A partial file may have been replaced by the full one since.
    yield folder / tile.entries_folder
