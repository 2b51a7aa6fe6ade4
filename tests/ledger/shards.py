"""Shards for the ledger's tests: sets of plain bytes, a store, and an oracle beside it."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from broker.ledger import Committed, Delivery, Message, Proof, RecordSet, ShardStore

ORIGIN = "test/s0"
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


def a_set(number: int, leaves: int = 3, recipients: Sequence[str] = ("A", "B")) -> RecordSet:
    """A set that is told apart by its number."""
    name = f"set-{number}"
    return RecordSet(
        set_id=name,
        leaves=tuple(f"{name} leaf {one}".encode() for one in range(leaves)),
        deliveries=tuple(
            Delivery(one, "alert", f"{name} to {one}".encode(), f"{name} sealed {one}".encode())
            for one in recipients
        ),
        sidecars=(("facts", f"{name} facts".encode()),),
    )


def plain(delivery: Delivery, proof: Proof) -> Message:
    """A message whose value says what it was made of."""
    value = f"{proof.origin}\n{proof.index}\n{proof.size}\n".encode() + delivery.body
    return Message(f"alerts.v1.{delivery.recipient}", delivery.leaf, value)


def open_store(folder: Path) -> ShardStore:
    """The store in that folder."""
    return ShardStore.open(folder, ORIGIN, KEY)


def record(
    store: ShardStore,
    sets: Sequence[RecordSet],
    *,
    epoch: int | None = None,
    next_offset: int = 1,
    render: Callable[[Delivery, Proof], Message] = plain,
) -> Committed:
    """Commits as the writer that the store now is, or with the epoch given."""
    epoch = store.take_epoch() if epoch is None else epoch
    return store.commit(sets, epoch=epoch, next_offset=next_offset, render=render)


def files_of(folder: Path) -> dict[str, bytes]:
    """Every published file of a shard."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith(("store.db", "."))
    }


def in_child(work: Callable[[], None]) -> int:
    """Runs `work` in a forked process; its exit code, or minus the signal that ended it."""
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        code = 70
        try:
            work()
            code = 0
        except BaseException:  # noqa: BLE001 -- a failing assertion must be seen from outside
            traceback.print_exc()
        finally:
            os._exit(code)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)
