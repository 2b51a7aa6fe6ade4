"""Proofs from stored hashes: those of the RFC, whatever the two sizes."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymerkle import InmemoryTree

from broker.ledger import (
    Checkpoint,
    ContradictionError,
    LastCosigned,
    LedgerError,
    consistency_holds,
    consistency_proof,
    leaf_hash,
    node_hash,
    root_at,
    root_of,
    sign_checkpoint,
    verifier_key,
)
from tests.ledger.shards import KEY, ORIGIN, a_set, open_store, record
from tests.ledger.test_tree import grown

ENTRIES = [f"entry {number}".encode() for number in range(300)]
LEAVES = [leaf_hash(entry) for entry in ENTRIES]


def node(level: int, index: int) -> bytes:
    """From the leaves, the long way."""
    if not level:
        return LEAVES[index]
    return node_hash(node(level - 1, 2 * index), node(level - 1, 2 * index + 1))


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_proof_holds_for_its_sizes_and_for_nothing_else(data: st.DataObject) -> None:
    """Any two sizes: it holds by our check, bent it does not; pymerkle has the same roots."""
    second = data.draw(st.integers(1, len(LEAVES)))
    first = data.draw(st.integers(1, second))
    roots = [root_of(grown(ENTRIES[:size])) for size in (first, second)]
    proof = consistency_proof(first, second, node)
    oracle = InmemoryTree(algorithm="sha256")
    for entry in ENTRIES[:second]:
        oracle.append_entry(entry)

    assert [root_at(size, node) for size in (first, second)] == roots
    assert consistency_holds(first, roots[0], second, roots[1], proof)
    assert roots[0] == oracle.get_root(first)
    for at in range(len(proof)):
        bent = [*proof]
        bent[at] = bytes(32)
        assert not consistency_holds(first, roots[0], second, roots[1], bent)


def test_no_proof_for_sizes_that_no_log_has() -> None:
    """A tree adds nothing to a larger one."""
    with pytest.raises(IndexError):
        consistency_proof(3, 2, node)


def test_a_store_proves_every_former_size_from_what_it_keeps(tmp_path: Path) -> None:
    """Above 65,536 entries, with stored tiles of two levels; and no root but its own passes."""
    store = open_store(tmp_path)
    sizes = [0]
    entries: list[bytes] = []
    for batch in range(67):
        sets = [a_set(batch, 991 + batch, ())]
        record(store, sets)
        entries += sets[0].leaves
        sizes.append(store.size())
    edges = {0: grown([])}
    for size in sizes[1::11]:
        edges[size] = grown(entries[:size])
    for size, edge in edges.items():
        store.witnessed.check_grown_from(Checkpoint(ORIGIN, size, root_of(edge)))
        with pytest.raises(ContradictionError, match="do not continue"):
            store.witnessed.check_grown_from(Checkpoint(ORIGIN, size, bytes(32)))
    with pytest.raises(ContradictionError, match="put back to an earlier state"):
        store.witnessed.check_grown_from(Checkpoint(ORIGIN, sizes[-1] + 1, bytes(32)))


def test_the_last_cosigned_checkpoint_is_read_as_it_was_signed_or_not_at_all(
    tmp_path: Path,
) -> None:
    """None where there is none; a damaged or foreign file is an error and not none."""
    path = tmp_path / "apart" / "s0.checkpoint"
    last = LastCosigned(path, verifier_key(ORIGIN, KEY.public_key()))
    assert last.read() is None

    note = sign_checkpoint(ORIGIN, 7, bytes(range(32)), KEY)
    last.write(note)
    assert last.read() == Checkpoint(ORIGIN, 7, bytes(range(32)))

    for damaged in (note.replace("\n7\n", "\n8\n"), "", note.replace(ORIGIN, "other/s0")):
        path.write_text(damaged)
        with pytest.raises(LedgerError, match="last cosigned checkpoint"):
            last.read()
