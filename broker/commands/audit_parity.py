"""`broker audit parity`: whether every voice fared the same, from a ledger's files and the auditors' key."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from broker.auditor.parity.export import (
    comparisons_csv,
    counts_csv,
    evidence_csv,
    waited_csv,
    write_parquet,
)
from broker.auditor.parity.reporting import Report
from broker.auditor.parity.words import LOOK, found_out, percent, stage_rows
from broker.commands.errors import CommandError

TABLE = "evidence.csv"
PAGE = "parity.html"


def write(report: Report, folder: Path) -> list[Path]:
    """The page, the figures as CSV, and for the authorised auditor the table; the files written.

    Raises CommandError where a published report would lie beside a table of single lines.
    """
    from broker.commands.audit_parity_page import page  # noqa: PLC0415 -- draws the plots

    if not report.about.authorised and (folder / TABLE).exists():
        raise CommandError(
            f"{folder} holds {TABLE}, which is not to be published: name another folder"
        )
    folder.mkdir(parents=True, exist_ok=True)
    texts = {
        PAGE: page(report),
        "counts.csv": counts_csv(report.figures),
        "comparisons.csv": comparisons_csv(report.figures),
        "times.csv": waited_csv(report.figures),
        "MARKING.txt": f"{report.about.marking}\n",
    }
    if report.about.authorised:
        texts[TABLE] = evidence_csv(report.lines)
        write_parquet(report.lines, folder / "evidence.parquet")
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in texts]


def show(out: Console, report: Report, files: list[Path]) -> None:
    """The verdict, the stages, what the data say and do not say, and where the report lies."""
    out.print(Text(report.about.marking, style="bold reverse"), justify="center")
    table = Table(title="Whether every voice fared the same", title_justify="left")
    table.add_column("stage")
    for name in ("family or community", "professional", "ratio", "95 % interval", "equal content"):
        table.add_column(name, justify="right")
    table.add_column("verdict")
    for row in stage_rows(report.figures):
        cells = (percent(row.one), percent(row.other), row.ratio, row.interval, row.equal)
        table.add_row(row.title, *cells, Text(row.verdict, style=LOOK[row.verdict]))
    out.print(table)
    say = found_out(report.figures, report.weights, report.policy)
    out.print(Text(say.verdict, style="bold"), soft_wrap=True)
    for line in say.says:
        out.print(Text(f"• {line}"), soft_wrap=True)
    out.print(Text("What the data do not say", style="bold"))
    for line in say.does_not:
        out.print(Text(f"• {line}"), soft_wrap=True)
    for file in files:
        out.print(Text(str(file), style="dim"), soft_wrap=True)
