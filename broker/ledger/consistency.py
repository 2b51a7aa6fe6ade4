"""Consistency proofs and former roots, made from the hashes that a log keeps (RFC 9162, 2.1.4.1). Pure.

`node(level, index)` gives the root of the complete subtree over the leaves from `index << level` on,
`1 << level` of them. A proof asks for about twice the tree's height of them.
"""

from __future__ import annotations

from collections.abc import Callable

from broker.ledger.tree import EMPTY_ROOT, node_hash

Node = Callable[[int, int], bytes]


def root_at(size: int, node: Node) -> bytes:
    """The root that the log had when it had `size` leaves."""
    return _range_root(0, size, node) if size else EMPTY_ROOT


def consistency_proof(first: int, second: int, node: Node) -> tuple[bytes, ...]:
    """That the tree of `second` leaves only adds to that of `first`. Raises IndexError for wrong sizes."""
    if not 0 <= first <= second:
        raise IndexError(f"a tree of {second} leaves adds nothing to one of {first}")
    return tuple(_subproof(first, 0, second, node, whole=True)) if first else ()


def _subproof(first: int, low: int, high: int, node: Node, *, whole: bool) -> list[bytes]:
    """SUBPROOF of the RFC, with the leaves from `low` to `high` as its list."""
    if first == high - low:
        return [] if whole else [_range_root(low, high, node)]
    half = _left(high - low)
    if first <= half:
        proof = _subproof(first, low, low + half, node, whole=whole)
        return [*proof, _range_root(low + half, high, node)]
    proof = _subproof(first - half, low + half, high, node, whole=False)
    return [*proof, _range_root(low, low + half, node)]


def _range_root(low: int, high: int, node: Node) -> bytes:
    width = high - low
    if width & (width - 1) == 0:
        level = width.bit_length() - 1
        return node(level, low >> level)
    half = _left(width)
    return node_hash(_range_root(low, low + half, node), _range_root(low + half, high, node))


def _left(width: int) -> int:
    """The largest power of two below `width`."""
    return 1 << (width - 1).bit_length() - 1
