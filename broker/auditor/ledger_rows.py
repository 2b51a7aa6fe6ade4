"""A ledger and the keys beside it, as the reports of auditors read them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec

from broker.auditor import Recorded, all_sidecars, read_recorded, shards_of
from broker.auditor.asked import AskedError
from broker.auditor.report import BadLedgerError
from broker.model.sealing import KEY_BYTES, SealError
from broker.shell.settings import Settings

SUBJECT_KEYS = "subjects.db"


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
    """What the leaves say. Raises AskedError where there is no ledger or it cannot be read."""
    if not shards_of(folder):
        raise AskedError(f"{folder} holds no ledger: give the folder above s0")
    try:
        return read_recorded(folder)
    except ValueError as error:
        raise AskedError(
            f"{folder} cannot be read ({error}): run `broker audit verify {folder}`"
        ) from error


def rows_in(folder: Path, key_file: Path) -> LedgerRows:
    """Leaves and sealed rows. Raises AskedError where ledger or key cannot be read."""
    recorded = recorded_in(folder)
    return LedgerRows(folder, recorded, beside(folder, "rows"), read_rows_key(key_file))


def read_rows_key(path: Path) -> bytes:
    """The auditors' keys of the rows, 32 bytes each, one after another. Raises AskedError."""
    try:
        keys = path.read_bytes()
    except OSError as error:
        raise AskedError(
            f"{path} cannot be read ({error.strerror}): name the auditors' key with --rows-key"
        ) from error
    if not keys or len(keys) % KEY_BYTES:
        raise AskedError(f"{path} does not hold {KEY_BYTES}-byte keys: name another file")
    return keys


@contextmanager
def opening_rows(folder: Path, key_file: Path) -> Iterator[None]:
    """What goes wrong while rows are opened and read, as AskedError."""
    try:
        yield
    except SealError as error:
        raise AskedError(f"{key_file} is not the key of this ledger's rows") from error
    except ValueError as error:
        raise AskedError(
            f"{folder} cannot be read ({error}): run `broker audit verify {folder}`"
        ) from error


def keys_dir(settings: Settings, ledger: Path | None, keys: Path | None) -> Path:
    """Where the subjects' keys lie: as said, else beside a rehearsal's ledger, else the broker's own."""
    if keys is not None:
        return keys
    if ledger is not None and (ledger / "keys" / SUBJECT_KEYS).is_file():
        return ledger / "keys"
    return settings.keys_dir


def beside(folder: Path, name: str) -> dict[str, bytes]:
    """Set id -> sealed bytes of that name, over all shards. Raises AskedError."""
    try:
        return all_sidecars(folder, name)
    except BadLedgerError as error:
        raise AskedError(str(error)) from error
