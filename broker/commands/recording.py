"""`broker decide --ledger DIR`: what a file would have left in the ledger, as a real one.

The folder is as `broker up` makes it: a shard with every leaf and a small log for each organisation,
signed by a key of its own, and beside them that key and those that everything is sealed to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from broker.commands.errors import CommandError
from broker.ledger import LedgerError, ShardStore
from broker.model.reference import Reference
from broker.model.types import DecisionSet
from broker.reception import Reception
from broker.shell.keys import SubjectKeys, load_broker_keys, make_keys
from broker.shell.ledger_worker import record_set, render
from broker.shell.subject_keys import Erasure

SHARD = "s0"
KEYS = "keys"
BATCH = 200
"""Sets in one transaction."""
OF_REHEARSALS = "(rehearsal)"


class Recorder:
    """Writes decision sets to a new ledger. Open it with `new_ledger`."""

    def __init__(self, store: ShardStore, reception: Reception, subjects: SubjectKeys) -> None:
        """The store must be new."""
        self._store = store
        self._epoch = store.take_epoch()
        self._waiting: list[DecisionSet] = []
        self._taken = 0
        self._subjects = subjects
        self.reception = reception
        """What seals to the keys of this ledger's folder."""

    @property
    def subject_key(self) -> Callable[[str], bytes]:
        """The key of a part key, kept beside the ledger, so that it can be replayed or erased."""
        return lambda part_key: self._subjects.keys_for([part_key])[part_key]

    def destroy_key(self, part_key: str) -> None:
        """Destroys the key of a part key, as an erasure does."""
        tag = self.reception.sealer.pairwise(OF_REHEARSALS, part_key)
        self._subjects.erase(part_key, lambda now: Erasure("", tag, 0, now, b""))

    @property
    def size(self) -> int:
        """Entries of the auditors' log."""
        return self._store.size()

    def take(self, sets: Sequence[DecisionSet]) -> None:
        """Records the sets, in order; on disk at the latest when the ledger is closed."""
        self._waiting.extend(sets)
        if len(self._waiting) >= BATCH:
            self.flush()

    def flush(self) -> None:
        """Records what is waiting in one transaction."""
        self._taken += len(self._waiting)
        records = [record_set(one) for one in self._waiting]
        self._store.commit(records, epoch=self._epoch, next_offset=self._taken, render=render)
        self._waiting.clear()


@contextmanager
def new_ledger(
    directory: Path, name: str, reference: Reference, connected: Sequence[str]
) -> Iterator[Recorder]:
    """A ledger in `directory`, published when the block ends without an error.

    Keys are those of `directory/keys`, made where there are none. Raises CommandError where a
    ledger lies there already: a log is added to by its one writer only.
    """
    if any(directory.glob("s*/*")):
        raise CommandError(
            f"{directory} already holds a ledger, and a log cannot be begun anew: "
            "name another folder, or remove this one if nobody needs it"
        )
    try:
        make_keys(directory / KEYS, connected)
        keys = load_broker_keys(directory / KEYS)
        subjects = SubjectKeys(directory / KEYS / "subjects.db")
        store = ShardStore.open(directory / SHARD, f"{name}/{SHARD}", keys.ledger_key)
    except (OSError, LedgerError) as error:
        raise CommandError(f"no ledger can be written to {directory}: {error}") from error
    reception = Reception(
        publisher_keys=keys.publisher_keys,
        epoch_keys=keys.epoch_keys,
        linkage_key=keys.linkage_key,
        parts_key=keys.parts_key,
        reference=reference,
        sealer=keys.sealer,
    )
    try:
        recorder = Recorder(store, reception, subjects)
        yield recorder
        recorder.flush()
        store.publish_tiles()
    finally:
        store.close()
        subjects.close()
