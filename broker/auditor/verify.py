"""Verification of a whole ledger, from files alone, with the logs' public key alone.

Every leaf is hashed again, every tile at every level compared, every checkpoint's signature checked;
then the accounts are closed over all shards together. It reads only, and works on a copy anywhere.
What it cannot see from files alone: a ledger rolled back whole to an earlier signed state. Keep the
printed root line, or ask a witness how many entries it cosigned, to see that.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path

from broker.auditor.accounts import Accounts, Where
from broker.auditor.archived import check_archive
from broker.auditor.cosigned import cosigned_count, cosigners_of
from broker.auditor.leaves import Closing, Leaf, read_leaf, read_own_leaf
from broker.auditor.log import entries_of, log_checkpoint, log_key
from broker.auditor.report import BadLedgerError, CosignedCount, Report
from broker.auditor.sidecars import check_store
from broker.auditor.snapshot import LogFiles, ShardFiles, read_checkpoints, read_shards, running
from broker.auditor.stored import SeenLog
from broker.ledger import Checkpoint, LedgerError, VerifierKey, WitnessKey, leaf_hash
from broker.ledger.database import Stores
from broker.record import PolicyHashes

READINGS = 5
TELL_EVERY = 1_000
Progress = Callable[[str, int, int], None]
"""Shard, entries of it that were read, and all of them."""
SETTLES_WITHIN_S = 0.3
NO_KEYS = (
    "the keys were taken from log.vkey beside each log: give the ledger's public key to be sure "
    "whose signatures these are"
)


def verify_ledger(
    ledger_dir: Path,
    keys: Mapping[str, str] | None = None,
    *,
    allow_open: bool = False,
    witnesses: Sequence[WitnessKey] = (),
    stores: Stores | None = None,
    progress: Progress = lambda _shard, _done, _all: None,
) -> Report:
    """Verifies every log of every shard under `ledger_dir`, and the accounts over all of them.

    `keys` maps a log's origin to its verifier key (`keys_from_file` makes it from one file); without
    it the key beside each log is taken, and all must be one. With `allow_open`, parts that were
    accepted and are not decided yet are counted and no fault. Each of `witnesses` must have cosigned
    every shard. `stores` gives the rows where they are not in the folders. A ledger that changes
    while it is read is read again a few times; `progress` is told now and then how far each reading is.
    Never raises for what it reads: the report names the first fault.
    """
    for reading in range(READINGS):
        work = _Verification(keys, witnesses, stores, progress, allow_open=allow_open)
        fault = work.run(ledger_dir)
        if (
            fault is None
            or reading == READINGS - 1
            or not _changed(work.shards, alive=stores is not None)
        ):
            break
    return work.report(fault)


def verdict(ledger_dir: Path, stores: Stores | None = None) -> tuple[bool, str]:
    """(does it hold, the line that says so), for `broker up`."""
    report = verify_ledger(ledger_dir, stores=stores)
    return report.ok, report.summary_line()


class _Verification:
    """One reading of a ledger."""

    def __init__(
        self,
        keys: Mapping[str, str] | None,
        witnesses: Sequence[WitnessKey],
        stores: Stores | None,
        progress: Progress,
        *,
        allow_open: bool,
    ) -> None:
        self._keys = keys
        self._witnesses = witnesses
        self._stores = stores
        self._progress = progress
        self._cosigned: list[CosignedCount] = []
        self._cosigners: dict[str, frozenset[str]] = {}
        self._seen: dict[str, dict[str, SeenLog]] = {}
        """Shard -> owner ("" the auditors' log) -> its key and hashes."""
        self._allow_open = allow_open
        self._accounts = Accounts()
        self._checkpoints: list[Checkpoint] = []
        self._public_keys: dict[tuple[bytes, ...], str] = {}
        self._decided_by: dict[PolicyHashes, tuple[Where, int]] = {}
        self._logs = 0
        self._entries = 0
        self._notes: list[str] = [] if keys is not None else [NO_KEYS]
        self.shards: Sequence[ShardFiles] = ()

    def run(self, ledger_dir: Path) -> str | None:
        """The first fault, or None."""
        try:
            self.shards = read_shards(ledger_dir)
            for shard in self.shards:
                self._take_auditors_log(shard)
            self._check_names()
            for shard, checkpoint in zip(self.shards, self._checkpoints, strict=True):
                for folder, log in shard.recipients.items():
                    self._take_own_log(shard, checkpoint, folder, log)
            self._accounts.close(allow_open=self._allow_open)
            for shard, checkpoint in zip(self.shards, self._checkpoints, strict=True):
                self._take_store(shard, checkpoint)
            note = check_archive(ledger_dir, self._decided_by)
            self._notes += [note] if note else []
        except BadLedgerError as error:
            return str(error).encode("utf-8", "backslashreplace").decode("utf-8")
        self._notes += self._accounts.gaps()
        return None

    def report(self, fault: str | None) -> Report:
        """What was found."""
        kinds = self._accounts.kinds
        return Report(
            ok=fault is None,
            first_bad=fault,
            entries=self._entries,
            accepted=kinds["Accepted"],
            rejected=kinds["Rejected"],
            duplicates=kinds["Duplicate"],
            logs=self._logs,
            open_parts=self._accounts.open_parts,
            root=_root_line(self._checkpoints) if fault is None else "",
            cosigned=tuple(self._cosigned),
            notes=tuple(self._notes),
        )

    def _take_auditors_log(self, shard: ShardFiles) -> None:
        checkpoint, key = self._open(shard.log, None, shard.name)
        self._checkpoints.append(checkpoint)
        self._cosigners[shard.name] = cosigners_of(shard.log, key, self._witnesses)
        hashes = self._seen.setdefault(shard.name, {}).setdefault("", SeenLog(key)).hashes
        fault: BadLedgerError | None = None
        for index, data in entries_of(shard.log, checkpoint):
            self._entries += 1
            if index % TELL_EVERY == 0:
                self._progress(shard.name, index, checkpoint.size)
            hashes.append(leaf_hash(data))
            if fault is None:
                try:
                    self._take_leaf(shard.name, index, read_leaf(data))
                except BadLedgerError as error:
                    fault = error
                except ValueError as error:
                    fault = BadLedgerError(f"log {shard.name}, leaf {index}: {error}")
        # A file that does not fit the tree says more than what its leaves then fail to add up to.
        if fault is not None:
            raise fault
        self._accounts.end_of_log(shard.name)
        self._progress(shard.name, checkpoint.size, checkpoint.size)
        self._logs += 1

    def _take_leaf(self, shard: str, index: int, leaf: Leaf) -> None:
        self._accounts.take(shard, index, leaf)
        if isinstance(leaf, Closing):
            where, count = self._decided_by.get(leaf.hashes, (Where(shard, index), 0))
            self._decided_by[leaf.hashes] = where, count + 1

    def _take_own_log(
        self, shard: ShardFiles, above: Checkpoint, folder: str, log: LogFiles
    ) -> None:
        checkpoint, key = self._open(log, above.origin, folder)
        cosigners_of(log, key, ())
        hashes = self._seen[shard.name].setdefault(folder, SeenLog(key)).hashes
        for index, data in entries_of(log, checkpoint):
            try:
                leaf = read_own_leaf(data)
            except ValueError as error:
                raise BadLedgerError(f"log {log.shown}, leaf {index}: {error}") from error
            hashes.append(leaf_hash(data))
            self._accounts.take_own(shard.name, folder, index, hashes[-1].hex(), leaf)
        self._logs += 1

    def _take_store(self, shard: ShardFiles, checkpoint: Checkpoint) -> None:
        wanted = self._accounts.sidecars.get(shard.name, {})
        try:
            copied = self._stores(shard.name) if self._stores else None
        except LedgerError as error:
            raise BadLedgerError(str(error)) from error
        former, note = check_store(shard.folder, wanted, self._seen[shard.name], copied)
        self._notes += [note] if note else []
        on_published = self._cosigners[shard.name]
        self._cosigned += [
            cosigned_count(shard.name, checkpoint, on_published, former, one)
            for one in self._witnesses
        ]

    def _open(
        self, log: LogFiles, above: str | None, folder: str
    ) -> tuple[Checkpoint, VerifierKey]:
        """The checkpoint of a log; its name must be that of its folder, below that of its shard."""
        key = log_key(log, self._keys)
        own = tuple(sorted(one.public_key for one in (key, *key.others)))
        self._public_keys.setdefault(own, log.shown)
        if len(self._public_keys) > 1:
            raise BadLedgerError(
                f"{log.shown}/log.vkey: another public key than that of "
                f"{next(iter(self._public_keys.values()))}: one ledger has one key for all its logs"
            )
        name = above if above is not None else key.origin.rpartition("/")[0]
        return log_checkpoint(log, key, f"{name}/{folder}"), key

    def _check_names(self) -> None:
        names = sorted({one.origin.rpartition("/")[0] for one in self._checkpoints})
        if len(names) > 1:
            raise BadLedgerError(f"the shards are of different ledgers: {', '.join(names)}")


def _changed(shards: Sequence[ShardFiles], *, alive: bool) -> bool:
    """True if anything was published since these files were read, or is at once."""
    deadline = time.monotonic() + SETTLES_WITHIN_S
    alive = alive or any(running(shard.folder) for shard in shards)
    while True:
        try:
            if any(read_checkpoints(shard.folder) != shard.checkpoints for shard in shards):
                return True
        except OSError:
            return True
        if not alive or time.monotonic() > deadline:
            return False
        time.sleep(SETTLES_WITHIN_S / 10)


def _root_line(checkpoints: Sequence[Checkpoint]) -> str:
    if len(checkpoints) == 1:
        return base64.b64encode(checkpoints[0].root).decode("ascii")
    lines = sorted(
        f"{one.origin} {one.size} {base64.b64encode(one.root).decode('ascii')}\n"
        for one in checkpoints
    )
    return base64.b64encode(sha256("".join(lines).encode()).digest()).decode("ascii")
