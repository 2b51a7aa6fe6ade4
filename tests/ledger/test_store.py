"""The store: whole sets once, in order, with proofs; or nothing."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st
from pymerkle import InmemoryTree

from broker.ledger import (
    Delivery,
    FencedError,
    LedgerError,
    Message,
    Proof,
    RecordSet,
    ShardStore,
    inclusion_holds,
    open_checkpoint,
    read_entries,
    verifier_key,
)
from tests.ledger.shards import (
    KEY,
    ORIGIN,
    a_set,
    connection_of,
    files_of,
    open_store,
    plain,
    record,
    remove_store,
)

pytestmark = pytest.mark.usefixtures("each_store")

PUBLIC = KEY.public_key()
numbers = st.integers(0, 25)
batches = st.lists(st.lists(numbers, max_size=8), max_size=6)


def varied(number: int) -> RecordSet:
    """A set whose size and recipients depend on its number."""
    recipients = [code for bit, code in enumerate("ABC") if number >> bit & 1]
    return a_set(number, leaves=number % 5 * 37, recipients=recipients * (1 + number % 2))


@settings(max_examples=25, deadline=None)
@given(batches)
def test_every_set_is_recorded_once_whole_in_order_and_proved(drawn: list[list[int]]) -> None:
    """Against plain lists and pymerkle: logs, dropped sets, outbox, proofs and files."""
    logs: dict[str, list[bytes]] = defaultdict(list)
    sent: list[tuple[str, bytes]] = []
    seen: set[int] = set()
    taken = 0
    with tempfile.TemporaryDirectory() as above:
        folder = Path(above, "s0")
        store = open_store(folder)
        epoch = store.take_epoch()
        for batch in drawn:
            fresh = [one for at, one in enumerate(batch) if one not in seen | set(batch[:at])]
            seen.update(batch)
            proofs: list[tuple[Delivery, Proof]] = []

            def keeps(delivery: Delivery, proof: Proof, kept: Any = proofs) -> Message:
                kept.append((delivery, proof))
                return plain(delivery, proof)

            done = store.commit(
                [varied(one) for one in batch],
                epoch=epoch,
                next_offset=taken + len(batch),
                render=keeps,
            )
            for one in map(varied, fresh):
                logs[""] += one.leaves
                for delivery in one.deliveries:
                    logs[delivery.recipient].append(delivery.leaf)
                    sent.append((f"alerts.v1.{delivery.recipient}", delivery.leaf))
            store.publish_tiles()
            taken += len(batch)

            assert store.next_offset() == taken
            assert done.recorded == tuple(f"set-{one}" for one in fresh)
            assert len(done.dropped) == len(batch) - len(fresh)
            assert store.size() == len(logs[""])
            _check_proofs(proofs, logs)
        outbox = store.outbox_after(0, 10_000)
        assert [(message.topic, message.key) for _, message in outbox] == sent
        assert [sequence for sequence, _ in outbox] == list(range(1, len(sent) + 1))
        for owner, entries in logs.items():
            where = Path(folder, "recipients", owner) if owner else Path(folder)
            assert read_entries(where, 0) == entries
        store.close()
        remove_store(folder)


def _check_proofs(proofs: list[tuple[Delivery, Proof]], logs: dict[str, list[bytes]]) -> None:
    for delivery, proof in proofs:
        entries = logs[delivery.recipient]
        tree = InmemoryTree(algorithm="sha256")
        for one in entries:
            tree.append_entry(one)
        signed = open_checkpoint(proof.checkpoint, verifier_key(proof.origin, PUBLIC))
        assert proof.origin == f"{ORIGIN}/{delivery.recipient}"
        assert (signed.size, proof.size) == (len(entries), len(entries))
        assert signed.root == tree.get_root()
        assert entries[proof.index] == delivery.leaf
        assert inclusion_holds(delivery.leaf, proof.index, proof.size, proof.hashes, signed.root)


def test_what_is_recorded_outlives_the_process(tmp_path: Path) -> None:
    """A store that is opened again goes on where it was, with no epoch given back."""
    first = open_store(tmp_path)
    record(first, [a_set(1)], next_offset=41)
    first.close()
    second = open_store(tmp_path)

    assert (second.size(), second.next_offset()) == (3, 41)
    assert second.take_epoch() == 2
    assert len(second.outbox_after(0, 10)) == 2
    record(second, [a_set(1), a_set(2)])
    second.publish_tiles()
    assert read_entries(tmp_path, 0) == [*a_set(1).leaves, *a_set(2).leaves]


def test_a_writer_that_was_replaced_records_nothing(tmp_path: Path) -> None:
    """The zombie's batch is refused whole, whoever of the two opened the store first."""
    zombie = open_store(tmp_path)
    old = zombie.take_epoch()
    record(zombie, [a_set(1)], epoch=old)
    successor = open_store(tmp_path)
    new = successor.take_epoch()
    with pytest.raises(FencedError, match="another writer has taken this shard"):
        record(zombie, [a_set(2)], epoch=old, next_offset=99)

    assert (successor.size(), successor.next_offset()) == (3, 1)
    record(successor, [a_set(3)], epoch=new)
    again = zombie.take_epoch()
    record(zombie, [a_set(4)], epoch=again)
    zombie.publish_tiles()
    assert read_entries(tmp_path, 0) == [*a_set(1).leaves, *a_set(3).leaves, *a_set(4).leaves]
    assert _indexes(zombie, "A") == [0, 1, 2]


def _indexes(store: ShardStore, recipient: str) -> list[int]:
    """Indexes of one recipient's leaves, as its messages state them."""
    return [
        int(message.value.split(b"\n")[1])
        for _, message in store.outbox_after(0, 100)
        if message.topic == f"alerts.v1.{recipient}"
    ]


def test_the_first_set_of_an_id_wins_whole(tmp_path: Path) -> None:
    """A later set with that id leaves nothing behind: no leaf, no message, no sidecar."""
    store = open_store(tmp_path)
    later = RecordSet("set-1", (b"other",), a_set(9).deliveries, (("rows", b"other"),))
    done = record(store, [a_set(1), later, a_set(2)])
    again = record(store, [later])
    store.publish_tiles()

    assert (done.recorded, done.dropped) == (("set-1", "set-2"), ("set-1",))
    assert (again.recorded, again.dropped) == ((), ("set-1",))
    assert read_entries(tmp_path, 0) == [*a_set(1).leaves, *a_set(2).leaves]
    assert read_entries(tmp_path / "recipients" / "A", 0) == [b"set-1 to A", b"set-2 to A"]
    kept = store._database.execute("SELECT name, content FROM sidecar ORDER BY record").fetchall()
    assert kept == [("facts", b"set-1 facts"), ("facts", b"set-2 facts")]


def test_an_error_while_rendering_leaves_the_state_as_it_was(tmp_path: Path) -> None:
    """Whatever goes wrong inside a batch undoes the whole batch, and the next one is sound."""
    store = open_store(tmp_path)
    epoch = store.take_epoch()
    record(store, [a_set(1)], epoch=epoch, next_offset=1)

    def breaks(delivery: Delivery, proof: Proof) -> Message:
        if delivery.recipient == "B":
            raise ZeroDivisionError
        return plain(delivery, proof)

    with pytest.raises(ZeroDivisionError):
        record(store, [a_set(2, recipients=("A", "NEW", "B"))], epoch=epoch, render=breaks)

    assert (store.size(), store.next_offset(), len(store.outbox_after(0, 9))) == (3, 1, 2)
    assert record(store, [a_set(2)], epoch=epoch).recorded == ("set-2",)
    assert _indexes(store, "A") == [0, 1]


def test_a_leaf_that_no_log_can_hold_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    """64 KiB is the format's limit; the error names the set."""
    store = open_store(tmp_path)
    fat = RecordSet("fat", (bytes(65_536),), (), ())
    with pytest.raises(LedgerError, match="set fat has a leaf of 65536 bytes"):
        record(store, [a_set(1), fat])

    assert store.size() == 0
    assert record(store, [RecordSet("full", (bytes(65_535),), (), ())]).recorded == ("full",)


def test_pruning_never_gives_a_sequence_away_again(tmp_path: Path) -> None:
    """The progress mark in Kafka names a sequence: it must mean one message for ever."""
    store = open_store(tmp_path)
    record(store, [a_set(1), a_set(2)])
    store.outbox_prune(3)
    assert [sequence for sequence, _ in store.outbox_after(0, 9)] == [4]
    store.outbox_prune(4)
    record(store, [a_set(3)])

    assert [sequence for sequence, _ in store.outbox_after(4, 9)] == [5, 6]
    assert [sequence for sequence, _ in store.outbox_after(4, 1)] == [5]


def test_a_batch_without_sets_moves_the_position_only(tmp_path: Path) -> None:
    """A batch of nothing but repeats must not be read for ever."""
    store = open_store(tmp_path)
    record(store, [a_set(1)], next_offset=1)
    before = files_of(tmp_path)
    done = record(store, [a_set(1)], next_offset=2)

    assert done.recorded == ()
    assert store.next_offset() == 2
    assert files_of(tmp_path) == before


@pytest.mark.parametrize("code", ["../../outside", "..", "a/b", "a b", "é+", "", "."])
def test_no_organisation_code_leads_out_of_the_ledger_or_stops_it(
    tmp_path: Path, code: str
) -> None:
    """Codes are data: whatever they are, their log lies in its own folder with a sound name."""
    shard = tmp_path / "s0"
    store = open_store(shard)
    record(store, [a_set(1, recipients=(code, "A"))])
    store.publish_tiles()
    (own,) = (one for one in (shard / "recipients").iterdir() if one.name != "A")

    assert [one.name for one in tmp_path.iterdir()] == ["s0"]
    assert read_entries(own, 0) == [f"set-1 to {code}".encode()]
    key = (own / "log.vkey").read_text().removesuffix("\n")
    assert open_checkpoint((own / "checkpoint").read_text(), key).origin == f"{ORIGIN}/{own.name}"


def test_a_log_keeps_its_name_and_its_key(tmp_path: Path) -> None:
    """Opening a store as another log, or with another key, is refused in words."""
    open_store(tmp_path).close()
    with pytest.raises(LedgerError, match="a log keeps its name and its key"):
        ShardStore.open(tmp_path, "test/s1", KEY, connection=connection_of(tmp_path))
    with pytest.raises(LedgerError, match="a log keeps its name and its key"):
        ShardStore.open(
            tmp_path, ORIGIN, Ed25519PrivateKey.generate(), connection=connection_of(tmp_path)
        )
