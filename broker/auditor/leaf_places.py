"""Where a leaf lies in a log's files, and reading single leaves from there.

An entry's place in its bundle never changes while the bundle fills, so one leaf is read without the
255 others.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from broker.auditor.report import BadLedgerError
from broker.ledger import TILE_WIDTH, Tile, TileError, decode_bundle, leaf_hash

LENGTH_BYTES = 2
KEPT_HASH_BYTES = 16


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


def read_leaf_at(ledger_dir: Path, place: Place) -> bytes:
    """The leaf at that place. Raises BadLedgerError where it is no longer the one that was indexed."""
    folder = ledger_dir / place.shard
    number = place.at // TILE_WIDTH
    for path in _paths(folder, Tile(0, number, place.at % TILE_WIDTH + 1)):
        try:
            with path.open("rb") as file:
                file.seek(place.offset)
                length = int.from_bytes(file.read(LENGTH_BYTES), "big")
                data = file.read(length)
        except FileNotFoundError:
            continue
        if leaf_hash(data)[:KEPT_HASH_BYTES] == place.hash:
            return data
        break
    raise BadLedgerError(
        f"log {place.shard}, leaf {place.at}: is not here, or not as it was when it was indexed: "
        "its file was changed; run `broker audit verify`"
    )


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
