"""The archive of what was decided by: each folder that a closing leaf names is there, and is what it was."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from broker.auditor.accounts import Where
from broker.auditor.report import BadLedgerError
from broker.policies.archive import (
    ARCHIVE,
    BEGUN,
    KINDS,
    ArchiveError,
    NotArchivedError,
    check_sums,
    load_archived,
)
from broker.record import PolicyHashes

Named = Mapping[PolicyHashes, tuple[Where, int]]
"""By what sets were decided -> the first closing leaf that says so, and how many do."""


def check_archive(ledger_dir: Path, named: Named) -> str | None:
    """Everything under `archive/`; None, or a note on what is not there. Raises BadLedgerError.

    What closing leaves name is loaded and must give the hashes that they name; of the rest the sums.
    """
    archive = ledger_dir / ARCHIVE
    missing = sum(count for hashes, (_, count) in named.items() if not _is_there(archive, hashes))
    try:
        _check_folders(archive)
    except OSError as error:
        raise BadLedgerError(f"{ARCHIVE} cannot be read: {error}") from error
    if not missing:
        return None
    return (
        f"{missing} decision sets were decided by policies that are not in {ARCHIVE}/: replay can "
        "compare those only with what it is given"
    )


def _is_there(archive: Path, hashes: PolicyHashes) -> bool:
    try:
        load_archived(archive, hashes)
    except NotArchivedError:
        return False
    except ArchiveError as error:
        raise BadLedgerError(str(error)) from error
    return True


def _check_folders(archive: Path) -> None:
    if not archive.exists():
        return
    for kind in sorted(archive.iterdir()):
        if kind.name.startswith(BEGUN):
            continue  # killed while it was written: nothing rests on it
        if kind.name not in KINDS or not kind.is_dir():
            raise BadLedgerError(f"{ARCHIVE}/{kind.name} does not belong there")
        for folder in sorted(kind.iterdir()):
            try:
                check_sums(folder)
            except ArchiveError as error:
                raise BadLedgerError(str(error)) from error
