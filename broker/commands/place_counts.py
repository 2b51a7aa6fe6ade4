"""`broker audit place-counts`: what may be published of places, from the ledger's sealed rows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from broker.auditor import read_recorded, read_sidecars, shards_of
from broker.auditor.place_counts import Occurrence, PlaceCounts, place_counts
from broker.commands.errors import CommandError
from broker.model.sealing import SealError, unseal

TAKEN_BACK = frozenset({"retracted", "corrected"})
KEY_BYTES = 32
HIDDEN = "1-5"


class _Rows(msgspec.Struct, frozen=True):
    """What is needed of a set's rows; the rest may grow."""

    occurrence: Occurrence | None = None
    reason: str | None = None
    """Of a round that ended the part: why."""


def counted(ledger_dir: Path, key_file: Path) -> PlaceCounts:
    """The counts over a whole ledger; what was taken back does not count.

    `key_file` holds the auditors' key of the rows. Raises CommandError where files or key do not fit.
    """
    if not shards_of(ledger_dir):
        raise CommandError(f"{ledger_dir} holds no ledger: give the folder above s0")
    try:
        key = key_file.read_bytes()
    except OSError as error:
        raise CommandError(
            f"{key_file} cannot be read ({error.strerror}): name the auditors' key with --rows-key"
        ) from error
    if len(key) != KEY_BYTES:
        raise CommandError(f"{key_file} does not hold a {KEY_BYTES}-byte key: name another file")
    try:
        return place_counts(_occurrences(ledger_dir, key))
    except SealError as error:
        raise CommandError(f"{key_file} is not the key of this ledger's rows") from error
    except ValueError as error:
        raise CommandError(
            f"{ledger_dir} cannot be read ({error}): run `broker audit verify {ledger_dir}`"
        ) from error


def show(out: Console, counts: PlaceCounts) -> None:
    """A table: one line for each place, harm and window."""
    table = Table(title="Incidents by place and window", title_justify="left")
    for name in ("place", "areas", "harm", "window", "incidents", "all windows"):
        table.add_column(name, justify="right" if name in {"incidents", "all windows"} else "left")
    for row in counts.rows:
        total = _shown(row.total, "not shown")
        for window, count in row.counts.items():
            table.add_row(
                row.place, " ".join(row.areas), row.harm, window, _shown(count, HIDDEN), total
            )
            total = ""
    out.print(table)
    out.print(f"{_shown(counts.without_place, HIDDEN)} incidents without a known place.")
    out.print(f"Basis: {counts.basis}. Numbers 1 to 5 are suppressed, and totals over them.")
    out.print("Before it is published a person reads the names of the places.")


def _shown(count: int | None, hidden: str) -> str:
    return hidden if count is None else str(count)


def _occurrences(ledger_dir: Path, rows_key: bytes) -> Iterator[Occurrence]:
    sealed = {
        set_id: content
        for shard in shards_of(ledger_dir)
        for set_id, content in read_sidecars(shard, "rows").items()
    }
    seen: dict[tuple[str, str, int, str], Occurrence] = {}
    for part in sorted(read_recorded(ledger_dir).parts, key=lambda one: one.closing.round):
        closing = part.closing
        if closing.set_id not in sealed:
            continue
        plain = unseal(rows_key, sealed[closing.set_id], b"rows\n" + closing.set_id.encode())
        rows = msgspec.json.decode(plain, type=_Rows)
        identity = (*part.statement, closing.part_id)
        if rows.reason in TAKEN_BACK:
            seen.pop(identity, None)
        elif closing.round == 0 and rows.occurrence is not None:
            seen[identity] = rows.occurrence
    yield from seen.values()
