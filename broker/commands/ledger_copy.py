"""A ledger whose rows are in PostgreSQL as a folder that any command reads; and from a folder there."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from broker.auditor.snapshot import read_checkpoints
from broker.commands.errors import CommandError
from broker.ledger import LedgerError
from broker.ledger.copying import copy_shard
from broker.ledger.moving import move_shard
from broker.ledger.sqlite import FILE

READINGS = 20
PAUSE_S = 0.2


def copy_ledger(ledger_dir: Path, store: str, target: Path) -> list[str]:
    """Copies files and rows of every shard, and the archive; the names of the shards.

    A shard that publishes meanwhile is copied again. Raises CommandError where that cannot be.
    """
    shards = sorted(one for one in ledger_dir.glob("s*") if one.is_dir())
    if not shards:
        raise CommandError(f"{ledger_dir} holds no ledger: expected folders s0, s1, … in it")
    if not store:
        raise CommandError("no PostgreSQL is named: give --store, or set BROKER_LEDGER_STORE")
    if target.exists() and any(target.iterdir()):
        raise CommandError(f"{target} is not empty: name a new folder")
    target.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        for shard in shards:
            _copy_files(shard, target / shard.name)
            # After the files: the rows may be ahead of them, never behind.
            copy_shard(store, shard.name, target / shard.name)
        if (ledger_dir / "archive").is_dir():
            shutil.copytree(ledger_dir / "archive", target / "archive")
    except (OSError, LedgerError) as error:
        raise CommandError(f"no copy could be made: {error}") from error
    return [one.name for one in shards]


def move_ledger(ledger_dir: Path, store: str) -> dict[str, int]:
    """Moves the rows of every shard to PostgreSQL; shard -> rows. Raises CommandError."""
    shards = sorted(one for one in ledger_dir.glob("s*") if (one / FILE).is_file())
    if not shards:
        raise CommandError(f"{ledger_dir} holds no store to move: expected s0/{FILE} in it")
    if not store:
        raise CommandError("no PostgreSQL is named: give --store, or set BROKER_LEDGER_STORE")
    try:
        return {one.name: move_shard(one, store) for one in shards}
    except (OSError, LedgerError) as error:
        raise CommandError(str(error)) from error


def _copy_files(shard: Path, target: Path) -> None:
    for _ in range(READINGS):
        before = read_checkpoints(shard)
        try:
            shutil.copytree(shard, target, ignore=shutil.ignore_patterns(".*", "store.db*"))
        except shutil.Error:  # a partial file was replaced while it was copied
            before = {}
        if before and before == read_checkpoints(shard):
            return
        shutil.rmtree(target)
        time.sleep(PAUSE_S)
    raise LedgerError(f"{shard} changes faster than it can be copied: try when less is recorded")
