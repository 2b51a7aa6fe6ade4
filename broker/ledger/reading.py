"""Reading a log's entries from its published files, as any outsider can. Nothing is verified here."""

from __future__ import annotations

from pathlib import Path

from broker.ledger.notes import NoteError, checkpoint_size
from broker.ledger.tiles import TILE_WIDTH, Tile, TileError, decode_bundle
from broker.ledger.values import LedgerError


def read_entries(log_dir: Path, start: int) -> list[bytes]:
    """Entries from index `start` to the published end; none where nothing is published yet.

    While the log grows under the reader a partial file may be replaced: the list then ends there,
    and the next call goes on. Raises LedgerError for files that are no log.
    """
    size = _published_size(log_dir)
    entries: list[bytes] = []
    for number in range(start // TILE_WIDTH, -(-size // TILE_WIDTH)):
        width = min(TILE_WIDTH, size - number * TILE_WIDTH)
        bundle = _read_bundle(log_dir, Tile(0, number, width))
        if bundle is None:
            break
        entries += bundle[max(0, start - number * TILE_WIDTH) : width]
    return entries


def _published_size(log_dir: Path) -> int:
    path = log_dir / "checkpoint"
    try:
        return checkpoint_size(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return 0
    except (NoteError, UnicodeDecodeError) as error:
        raise LedgerError(f"{path} is no checkpoint: {error}") from error


def _read_bundle(log_dir: Path, tile: Tile) -> list[bytes] | None:
    """The entries of a bundle, from its partial file or the full one that took its place."""
    for name in dict.fromkeys((tile.entries_path, tile.entries_folder)):
        try:
            return decode_bundle((log_dir / name).read_bytes())
        except FileNotFoundError:
            continue
        except TileError as error:
            raise LedgerError(f"{log_dir / name} is damaged: {error}") from error
    return None
