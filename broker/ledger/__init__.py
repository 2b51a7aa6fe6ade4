"""The ledger: a Merkle tree, its tiles and signed checkpoints, and the store that writes them."""

from broker.ledger.notes import (
    Checkpoint,
    NoteError,
    VerifierKey,
    checkpoint_size,
    open_checkpoint,
    parse_verifier_key,
    sign_checkpoint,
    verifier_key,
)
from broker.ledger.reading import read_entries
from broker.ledger.store import ShardStore
from broker.ledger.tiles import (
    MAX_ENTRY_BYTES,
    Tile,
    TileError,
    changed_tiles,
    decode_bundle,
    encode_bundle,
)
from broker.ledger.tree import (
    EMPTY_ROOT,
    Edge,
    Growth,
    consistency_holds,
    extend,
    inclusion_holds,
    leaf_hash,
    node_hash,
    root_of,
)
from broker.ledger.values import (
    Committed,
    Delivery,
    FencedError,
    LedgerError,
    Message,
    Proof,
    RecordSet,
)

__all__ = [
    "EMPTY_ROOT",
    "MAX_ENTRY_BYTES",
    "Checkpoint",
    "Committed",
    "Delivery",
    "Edge",
    "FencedError",
    "Growth",
    "LedgerError",
    "Message",
    "NoteError",
    "Proof",
    "RecordSet",
    "ShardStore",
    "Tile",
    "TileError",
    "VerifierKey",
    "changed_tiles",
    "checkpoint_size",
    "consistency_holds",
    "decode_bundle",
    "encode_bundle",
    "extend",
    "inclusion_holds",
    "leaf_hash",
    "node_hash",
    "open_checkpoint",
    "parse_verifier_key",
    "read_entries",
    "root_of",
    "sign_checkpoint",
    "verifier_key",
]
