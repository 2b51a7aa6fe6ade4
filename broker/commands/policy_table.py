"""`broker policy table`: the enumerated decision space, made from the policies and written down."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.table import Table

from broker.auditor.decision_space import Made, by_kind
from broker.commands.table_page import as_csv, page

HTML, CSV = "decision-table.html", "decision-table.csv"


def written(made: Made, out: Path) -> tuple[Path, Path]:
    """Writes page and CSV into a folder; returns where they lie."""
    out.mkdir(parents=True, exist_ok=True)
    html, table = out / HTML, out / CSV
    html.write_text(page(made.table, made.about), encoding="utf-8")
    table.write_text(as_csv(made.table), encoding="utf-8")
    return html, table


def show(out: Console, made: Made) -> None:
    """How many combinations of each kind of recipient are decided how."""
    found = by_kind(made.table)
    table = Table(
        "recipient", "told", "only that it exists", "a person decides", "not told", box=None
    )
    for kind in sorted({kind for kind, _ in found}):
        counts = [
            found[kind, one] for one in ("PERMIT CONTENT", "PERMIT EXISTENCE", "REVIEW", "DENY")
        ]
        table.add_row(kind, *(f"{one:,}" for one in counts))
    out.print(table)
    out.print(
        f"{made.table.size:,} combinations in {len(made.table.rows):,} rows, by bundle "
        f"{made.about.bundle_hash[:12]} on {made.about.on}"
    )
