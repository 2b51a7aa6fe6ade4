"""`broker audit place-counts`: what may be published of places, from the ledger's sealed rows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from broker.auditor.ledger_rows import LedgerRows, opening_rows, rows_in
from broker.auditor.place_counts import Occurrence, PlaceCounts, place_counts
from broker.model.sealer import open_rows

TAKEN_BACK = frozenset({"retracted", "corrected"})
HIDDEN = "1-5"


class _Rows(msgspec.Struct, frozen=True):
    """What is needed of a set's rows; the rest may grow."""

    occurrence: Occurrence | None = None
    reason: str | None = None
    """Of a round that ended the part: why."""


def counted(ledger_dir: Path, key_file: Path) -> PlaceCounts:
    """The counts over a whole ledger; what was taken back does not count.

    `key_file` holds the auditors' key of the rows. Raises AskedError where files or key do not fit.
    """
    ledger = rows_in(ledger_dir, key_file)
    with opening_rows(ledger_dir, key_file):
        return place_counts(_occurrences(ledger))


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


def _occurrences(ledger: LedgerRows) -> Iterator[Occurrence]:
    seen: dict[tuple[str, str, int, str], Occurrence] = {}
    for part in sorted(ledger.recorded.parts, key=lambda one: one.closing.round):
        closing = part.closing
        if closing.set_id not in ledger.sealed:
            continue
        plain = open_rows(ledger.key, ledger.sealed[closing.set_id], closing.set_id)
        rows = msgspec.json.decode(plain, type=_Rows)
        identity = (*part.statement, closing.part_id)
        if rows.reason in TAKEN_BACK:
            seen.pop(identity, None)
        elif closing.round == 0 and rows.occurrence is not None:
            seen[identity] = rows.occurrence
    yield from seen.values()
