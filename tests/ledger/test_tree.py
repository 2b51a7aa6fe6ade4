"""The tree, against pymerkle and against the recursive definitions of RFC 6962."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymerkle import InmemoryTree

from broker.ledger import (
    EMPTY,
    EMPTY_ROOT,
    Edge,
    consistency_holds,
    extend,
    inclusion_holds,
    leaf_hash,
    node_hash,
    root_of,
)

entries = st.lists(st.binary(max_size=40), max_size=70)
batches = st.lists(entries, max_size=5)


def oracle(data: list[bytes]) -> InmemoryTree:
    """The same entries in somebody else's tree."""
    tree = InmemoryTree(algorithm="sha256")
    for one in data:
        tree.append_entry(one)
    return tree


def grown(data: list[bytes]) -> Edge:
    """The edge of a tree of these entries."""
    return extend(EMPTY, [leaf_hash(one) for one in data]).edge


def range_root(data: list[bytes]) -> bytes:
    """MTH(D[n]) of RFC 6962, 2.1."""
    if len(data) == 1:
        return leaf_hash(data[0])
    split = 1 << (len(data) - 1).bit_length() - 1
    return node_hash(range_root(data[:split]), range_root(data[split:]))


def consistency_path(first: int, data: list[bytes], *, whole: bool = True) -> list[bytes]:
    """SUBPROOF(m, D[n], b) of RFC 6962, 2.1.2."""
    if first == len(data):
        return [] if whole else [range_root(data)]
    split = 1 << (len(data) - 1).bit_length() - 1
    if first <= split:
        return [*consistency_path(first, data[:split], whole=whole), range_root(data[split:])]
    left = range_root(data[:split])
    return [*consistency_path(first - split, data[split:], whole=False), left]


@given(batches)
def test_growing_by_batches_gives_the_root_of_the_whole(parts: list[list[bytes]]) -> None:
    """However entries are batched, the root is the one pymerkle gives for all of them."""
    edge = EMPTY
    for part in parts:
        edge = extend(edge, [leaf_hash(one) for one in part]).edge
    whole = [one for part in parts for one in part]

    assert edge == grown(whole)
    assert root_of(edge) == (oracle(whole).get_root() if whole else EMPTY_ROOT)


@given(entries, entries)
def test_a_new_leaf_has_the_path_that_pymerkle_gives_it(old: list[bytes], new: list[bytes]) -> None:
    """Proofs of new leaves need the edge only, and are those of the whole tree."""
    growth = extend(grown(old), [leaf_hash(one) for one in new])
    size, root = len(old) + len(new), root_of(growth.edge)
    tree = oracle(old + new)
    for index in range(len(old), size):
        path = growth.proof(index)
        assert list(path) == tree.prove_inclusion(index + 1, size).path[1:]
        assert inclusion_holds(new[index - len(old)], index, size, path, root)


@given(entries, st.integers(-3, 80))
def test_only_new_leaves_can_be_asked_for(old: list[bytes], index: int) -> None:
    """An old leaf's path is not in the edge: asking is an error, never a wrong path."""
    growth = extend(grown(old), [leaf_hash(b"new")])
    if index != len(old):
        with pytest.raises(IndexError):
            growth.proof(index)


@given(entries, entries, st.data())
def test_a_proof_holds_for_nothing_else(
    old: list[bytes], new: list[bytes], data: st.DataObject
) -> None:
    """Another leaf, index, size, root, or one bit of the path: the proof does not hold."""
    new = [*new, b"mine"]
    growth = extend(grown(old), [leaf_hash(one) for one in new])
    size, root = growth.edge.size, root_of(growth.edge)
    path = growth.proof(size - 1)
    other = data.draw(st.integers(0, 2 * size).filter(lambda one: one != size - 1), label="index")

    assert inclusion_holds(b"mine", size - 1, size, path, root)
    assert not inclusion_holds(b"mine", other, size, path, root)
    assert not inclusion_holds(b"theirs", size - 1, size, path, root)
    assert not inclusion_holds(b"mine", size - 1, size, path, EMPTY_ROOT)
    assert not inclusion_holds(b"mine", size - 1, size, (*path, root), root)
    assert not inclusion_holds(b"mine", size - 1, 0, path, root)
    if path:
        bit = data.draw(st.integers(0, 256 * len(path) - 1), label="bit")
        bent = list(path)
        bent[bit // 256] = flipped(bent[bit // 256], bit % 256)
        assert not inclusion_holds(b"mine", size - 1, size, bent, root)
        assert not inclusion_holds(b"mine", size - 1, size, path[:-1], root)
        assert not inclusion_holds(b"mine", size - 1, size, (*path[:-1], path[-1][1:]), root)


@given(st.lists(st.binary(max_size=8), min_size=1, max_size=70), st.data())
def test_a_log_is_consistent_with_every_earlier_one_and_no_other(
    whole: list[bytes], data: st.DataObject
) -> None:
    """Paths after RFC 6962 hold; with one bit changed, or for another history, they do not."""
    first = data.draw(st.integers(0, len(whole)), label="first size")
    path = consistency_path(first, whole) if first else []
    before, after = root_of(grown(whole[:first])), root_of(grown(whole))

    assert consistency_holds(first, before, len(whole), after, path)
    assert not consistency_holds(first, before, len(whole), after, [*path, after])
    assert not consistency_holds(len(whole) + 1, before, len(whole), after, path)
    if first:
        assert not consistency_holds(first, leaf_hash(b"?"), len(whole), after, path)
        assert not consistency_holds(first, before, len(whole), leaf_hash(b"?"), path)
    if path:
        bit = data.draw(st.integers(0, 256 * len(path) - 1), label="bit")
        bent = list(path)
        bent[bit // 256] = flipped(bent[bit // 256], bit % 256)
        assert not consistency_holds(first, before, len(whole), after, bent)
        assert not consistency_holds(first, before, len(whole), after, path[:-1])


@given(st.integers(0, 2**40), st.integers(1, 60))
def test_growing_costs_what_is_new_and_the_height(size: int, added: int) -> None:
    """A tree of a trillion entries grows by as many hashes as its new leaves and its height ask."""
    peaks = tuple(leaf_hash(b"%d" % one) for one in range(size.bit_count()))
    growth = extend(Edge(size, peaks), [leaf_hash(b"x")] * added)
    held = sum(len(nodes) for _, nodes in growth.rows)

    assert growth.edge.size == size + added
    assert held <= 2 * added + 2 * growth.edge.size.bit_length()


def test_an_edge_that_does_not_fit_its_size_is_refused() -> None:
    """A damaged edge is an error, not another tree."""
    with pytest.raises(ValueError, match="complete subtrees"):
        extend(Edge(3, (leaf_hash(b"x"),)), [])


def flipped(data: bytes, bit: int) -> bytes:
    """`data` with one bit changed."""
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)
