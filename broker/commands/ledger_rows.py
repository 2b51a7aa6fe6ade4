"""A ledger with the auditors' key of its sealed rows, as the reports read it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from broker.auditor import Recorded, read_recorded, read_sidecars, shards_of
from broker.auditor.report import BadLedgerError
from broker.commands.errors import CommandError

KEY_BYTES = 32


class LedgerRows(msgspec.Struct, frozen=True):
    """What the leaves say, and the sealed rows beside them."""

    folder: Path
    recorded: Recorded
    sealed: Mapping[str, bytes]
    key: bytes

    def __repr__(self) -> str:
        """Nothing of the key."""
        return f"LedgerRows({self.folder})"


def recorded_in(folder: Path) -> Recorded:
    """What the leaves say. Raises CommandError where there is no ledger or it cannot be read."""
    if not shards_of(folder):
        raise CommandError(f"{folder} holds no ledger: give the folder above s0")
    try:
        return read_recorded(folder)
    except ValueError as error:
        raise CommandError(
            f"{folder} cannot be read ({error}): run `broker audit verify {folder}`"
        ) from error


def rows_in(folder: Path, key_file: Path) -> LedgerRows:
    """Leaves and sealed rows. Raises CommandError where ledger or key cannot be read."""
    recorded = recorded_in(folder)
    try:
        key = key_file.read_bytes()
    except OSError as error:
        raise CommandError(
            f"{key_file} cannot be read ({error.strerror}): name the auditors' key with --rows-key"
        ) from error
    if len(key) != KEY_BYTES:
        raise CommandError(f"{key_file} does not hold a {KEY_BYTES}-byte key: name another file")
    return LedgerRows(folder, recorded, beside(folder, "rows"), key)


def beside(folder: Path, name: str) -> dict[str, bytes]:
    """Set id -> sealed bytes of that name, over all shards. Raises CommandError."""
    try:
        return {
            set_id: content
            for shard in shards_of(folder)
            for set_id, content in read_sidecars(shard, name).items()
        }
    except BadLedgerError as error:
        raise CommandError(str(error)) from error
