"""The Merkle tree of RFC 6962 (hashing) and RFC 9162 (proofs), grown at its right edge.

A tree of any size is known by its *edge*: the roots of its complete subtrees, one for each bit that
is set in the size. Growing it and proving the new leaves needs only that, never the whole tree.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import sha256

import msgspec

HASH_BYTES = 32
EMPTY_ROOT = sha256(b"").digest()
"""Root of a log without entries."""


def leaf_hash(data: bytes) -> bytes:
    """Hash of one entry."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of a node with two children."""
    return sha256(b"\x01" + left + right).digest()


class Edge(msgspec.Struct, frozen=True):
    """A tree, as far as growing it needs to know it."""

    size: int
    peaks: tuple[bytes, ...]
    """Roots of the complete subtrees from left to right: the largest first."""


EMPTY = Edge(0, ())


def root_of(edge: Edge) -> bytes:
    """The root of the tree."""
    if not edge.peaks:
        return EMPTY_ROOT
    root = edge.peaks[-1]
    for peak in edge.peaks[-2::-1]:
        root = node_hash(peak, root)
    return root


class Growth(msgspec.Struct, frozen=True):
    """Some new leaves on a tree: hashed once, then asked for the new edge, nodes and proofs."""

    before: int
    """Size before."""
    edge: Edge
    rows: tuple[tuple[int, list[bytes]], ...]
    """For each level: index of the first node held, and nodes; complete nodes only."""
    rest: tuple[bytes | None, ...]
    """For each level: hash of the leaves right of its last complete node, None if there are none."""

    def proof(self, index: int) -> tuple[bytes, ...]:
        """Inclusion path of a new leaf in the tree as grown. Old leaves cannot be asked for."""
        if not self.before <= index < self.edge.size:
            raise IndexError(f"leaf {index} is not one of {self.before} to {self.edge.size - 1}")
        path: list[bytes] = []
        size = self.edge.size
        for level, (first, nodes) in enumerate(self.rows):
            sibling = (index >> level) ^ 1
            if sibling < size >> level:
                path.append(nodes[sibling - first])
            elif sibling == size >> level and (rest := self.rest[level]) is not None:
                path.append(rest)
        return tuple(path)

    def new_nodes(self, level: int) -> Iterator[tuple[int, bytes]]:
        """(index, hash) of every node of `level` that became complete by this growth."""
        if level < len(self.rows):
            first, nodes = self.rows[level]
            start = self.before >> level
            yield from enumerate(nodes[start - first :], start)


def extend(edge: Edge, hashes: Sequence[bytes]) -> Growth:
    """The tree with these leaf hashes added: time and memory in their number and the tree's height."""
    size = edge.size + len(hashes)
    peaks = _by_level(edge)
    rows: list[tuple[int, list[bytes]]] = []
    row, first = list(hashes), edge.size
    for level in range(size.bit_length()):
        peak = peaks.get(level)
        if peak is not None:
            # The old peak is the left sibling of the first new node: only then is `first` odd.
            row.insert(0, peak)
            first -= 1
        rows.append((first, row))
        pairs = zip(row[::2], row[1::2], strict=False)
        row = [sha256(b"\x01" + left + right).digest() for left, right in pairs]
        first >>= 1
    grown = [nodes[-1] for level, (_, nodes) in enumerate(rows) if size >> level & 1]
    return Growth(edge.size, Edge(size, tuple(reversed(grown))), tuple(rows), _rests(size, rows))


def _by_level(edge: Edge) -> dict[int, bytes]:
    levels = [level for level in range(edge.size.bit_length()) if edge.size >> level & 1]
    if len(levels) != len(edge.peaks):
        raise ValueError(f"a tree of {edge.size} leaves has {len(levels)} complete subtrees")
    return dict(zip(reversed(levels), edge.peaks, strict=True))


def _rests(size: int, rows: Sequence[tuple[int, list[bytes]]]) -> tuple[bytes | None, ...]:
    rests: list[bytes | None] = []
    rest: bytes | None = None
    for level, (_, nodes) in enumerate(rows):
        rests.append(rest)
        if size >> level & 1:
            rest = nodes[-1] if rest is None else node_hash(nodes[-1], rest)
    return tuple(rests)


def inclusion_holds(
    leaf: bytes, index: int, size: int, hashes: Sequence[bytes], root: bytes
) -> bool:
    """True if `leaf`, the entry itself, is at `index` of that tree (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size or any(len(one) != HASH_BYTES for one in hashes):
        return False
    place, last, found = index, size - 1, leaf_hash(leaf)
    for one in hashes:
        if last == 0:
            return False
        if place & 1 or place == last:
            found = node_hash(one, found)
            while place and not place & 1:
                place, last = place >> 1, last >> 1
        else:
            found = node_hash(found, one)
        place, last = place >> 1, last >> 1
    return last == 0 and found == root


def consistency_holds(
    first_size: int,
    first_root: bytes,
    second_size: int,
    second_root: bytes,
    hashes: Sequence[bytes],
) -> bool:
    """True if the second tree only adds to the first (RFC 9162, 2.1.4.2)."""
    if not 0 <= first_size <= second_size or any(len(one) != HASH_BYTES for one in hashes):
        return False
    if first_size == second_size:
        return not hashes and first_root == second_root
    if first_size == 0:
        return not hashes and first_root == EMPTY_ROOT
    path = list(hashes)
    if first_size & (first_size - 1) == 0:
        path.insert(0, first_root)
    if not path:
        return False
    return _folds_to(path, first_size - 1, second_size - 1) == (first_root, second_root)


def _folds_to(path: Sequence[bytes], place: int, last: int) -> tuple[bytes, bytes] | None:
    """(root of the first tree, root of the second) that a consistency path leads to."""
    while place & 1:
        place, last = place >> 1, last >> 1
    first = second = path[0]
    for one in path[1:]:
        if last == 0:
            return None
        if place & 1 or place == last:
            first, second = node_hash(one, first), node_hash(one, second)
            while place and not place & 1:
                place, last = place >> 1, last >> 1
        else:
            second = node_hash(second, one)
        place, last = place >> 1, last >> 1
    return (first, second) if last == 0 else None
