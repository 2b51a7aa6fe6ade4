"""One log by itself, such as a desk's consultations: every leaf, tile and signature, from its files alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from broker.auditor.log import entries_of, log_checkpoint, log_key
from broker.auditor.snapshot import read_log
from broker.ledger import Checkpoint


class SingleLog(msgspec.Struct, frozen=True):
    """A log that was verified."""

    checkpoint: Checkpoint
    entries: tuple[bytes, ...]


def verify_log(folder: Path, origin: str, keys: Mapping[str, str] | None = None) -> SingleLog:
    """The log in `folder`, whose name must be `origin`, by the keys that were given or the one beside it.

    Raises BadLedgerError at the first fault. What files alone cannot show: a log rolled back whole to an
    earlier signed state; keep how many entries it had, and its root.
    """
    files = read_log(folder)
    checkpoint = log_checkpoint(files, log_key(files, keys), origin)
    return SingleLog(checkpoint, tuple(data for _, data in entries_of(files, checkpoint)))
