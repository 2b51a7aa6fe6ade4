"""One log: its key, its checkpoint, and every tile at every level, made again from the entries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from broker.auditor.keys import given_of, key_beside
from broker.auditor.report import BadLedgerError
from broker.auditor.snapshot import CHECKPOINT, VERIFIER_KEY, LogFiles
from broker.ledger import (
    EMPTY,
    TILE_HEIGHT,
    TILE_WIDTH,
    Checkpoint,
    Edge,
    NoteError,
    Tile,
    TileError,
    VerifierKey,
    changed_tiles,
    decode_bundle,
    extend,
    file_names,
    leaf_hash,
    open_checkpoint,
    root_of,
)

HASH_BYTES = 32


def log_key(log: LogFiles, keys: Mapping[str, str] | None) -> VerifierKey:
    """The keys by which a log is verified: those beside it that are in `keys`, one at the least."""
    text = _text(log.key, log, VERIFIER_KEY)
    beside = key_beside(text, f"{log.shown}/{VERIFIER_KEY}")
    if keys is None:
        return beside
    given = keys.get(beside.origin)
    if given is None:
        raise BadLedgerError(
            f"{log.shown}/{VERIFIER_KEY}: no key was given for the log {beside.origin}"
        )
    both = given_of(beside, given)
    if both is None:
        raise BadLedgerError(
            f"{log.shown}/{VERIFIER_KEY}: is not the key that was given for the log "
            f"{beside.origin}: another has signed, or the file was replaced"
        )
    return both


def log_checkpoint(log: LogFiles, key: VerifierKey, origin: str) -> Checkpoint:
    """What the log states, once the signature holds and it is the log that belongs in this folder."""
    text = _text(log.checkpoint, log, CHECKPOINT)
    try:
        checkpoint = open_checkpoint(text, key)
    except NoteError as error:
        raise BadLedgerError(f"{log.shown}/{CHECKPOINT}: {error}") from error
    if checkpoint.origin != origin:
        raise BadLedgerError(
            f"{log.shown}/{CHECKPOINT}: is of the log {checkpoint.origin} and this is the folder "
            f"of {origin}: folders were exchanged"
        )
    return checkpoint


def entries_of(log: LogFiles, checkpoint: Checkpoint) -> Iterator[tuple[int, bytes]]:
    """(index, entry) of every entry, each bundle after its hashes were found in the tiles.

    Raises BadLedgerError for the first file that is missing, extra, or not what the entries give;
    at the end for a root that is not the signed one.
    """
    _check_names(log, checkpoint.size)
    edge: Edge = EMPTY
    above: dict[int, list[bytes]] = {}
    for tile in changed_tiles(0, checkpoint.size):
        if tile.level:
            break
        entries = _entries(log, tile)
        hashes = [leaf_hash(entry) for entry in entries]
        _compare(log, tile, hashes)
        growth = extend(edge, hashes)
        edge = growth.edge
        for height in range(TILE_HEIGHT, edge.size.bit_length(), TILE_HEIGHT):
            for number, node in growth.new_nodes(height):
                _take_node(log, above, height // TILE_HEIGHT, number, node)
        yield from enumerate(entries, tile.number * TILE_WIDTH)
    for level, nodes in above.items():
        if nodes:
            number = (edge.size >> TILE_HEIGHT * level) // TILE_WIDTH
            _compare(log, Tile(level, number, len(nodes)), nodes)
    if root_of(edge) != checkpoint.root:
        raise BadLedgerError(
            f"{log.shown}/{CHECKPOINT}: its root is not that of the {edge.size} entries of the log"
        )


def _text(data: bytes | None, log: LogFiles, name: str) -> str:
    if data is None:
        raise BadLedgerError(
            f"{log.shown}/{name} is missing: nothing was published yet, or it was removed"
        )
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise BadLedgerError(f"{log.shown}/{name}: is no UTF-8 text") from None


def _check_names(log: LogFiles, size: int) -> None:
    """Exactly the files that a log of this size has, no other under `tile/`."""
    expected: set[str] = set()
    for name in file_names(size):
        if name not in log.names:
            raise BadLedgerError(
                f"{log.shown}/{name} is missing: the checkpoint states {size} entries"
            )
        expected.add(name)
    extra = log.names - expected
    if extra:
        raise BadLedgerError(
            f"{log.shown}/{min(extra)} does not belong to a log of {size} entries: it was left "
            "over or put there"
        )


def _entries(log: LogFiles, tile: Tile) -> list[bytes]:
    where = f"{log.shown}/{tile.entries_path}"
    try:
        entries = decode_bundle(log.read(tile.entries_path))
    except TileError as error:
        raise BadLedgerError(f"{where}: {error}") from error
    if len(entries) != tile.width:
        raise BadLedgerError(f"{where}: holds {len(entries)} entries and must hold {tile.width}")
    return entries


def _take_node(
    log: LogFiles, above: dict[int, list[bytes]], level: int, number: int, node: bytes
) -> None:
    """One more hash of a higher tile; a full tile is compared with its file."""
    nodes = above.setdefault(level, [])
    nodes.append(node)
    if len(nodes) == TILE_WIDTH:
        _compare(log, Tile(level, number // TILE_WIDTH, TILE_WIDTH), nodes)
        nodes.clear()


def _compare(log: LogFiles, tile: Tile, hashes: Sequence[bytes]) -> None:
    """The tile's file holds exactly these hashes."""
    data = log.read(tile.path)
    if data == b"".join(hashes):
        return
    where = f"{log.shown}/{tile.path}"
    if len(data) != tile.width * HASH_BYTES:
        raise BadLedgerError(
            f"{where}: has {len(data)} bytes and must have {tile.width * HASH_BYTES}"
        )
    at = next(
        number
        for number, one in enumerate(hashes)
        if data[number * HASH_BYTES : (number + 1) * HASH_BYTES] != one
    )
    index = tile.number * TILE_WIDTH + at
    if tile.level:
        raise BadLedgerError(
            f"{where}: hash {at} is not that of the entries below it (tile {index} of level "
            f"{tile.level - 1})"
        )
    raise BadLedgerError(
        f"{where}: hash {at} is not that of entry {index} as it stands in "
        f"{log.shown}/{tile.entries_path}: one of the two was changed"
    )
