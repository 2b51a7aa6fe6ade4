"""`broker bench desk`: how fast a desk is."""
# ruff: noqa: PLC0415 -- each command loads only what it needs

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from broker.commands.errors import CommandError
from broker.commands.words import Json, terminal, write

if TYPE_CHECKING:
    from broker.desk.bench import DeskFigures


def bench(
    warnings: Annotated[int, typer.Option(min=1, help="Warnings, one after the other.")] = 100,
    pages: Annotated[int, typer.Option(min=1, help="How often each page is loaded.")] = 50,
    as_json: Json = False,
) -> None:
    """Measure a desk: from a warning's POST to the neighbour's screen, and pages of a large inbox.

    A whole broker with TLS, and two desks. Takes a minute or two. Figures are of one run on one machine.
    """
    from broker.desk.bench import BenchError, bench_desk

    try:
        figures = bench_desk(warnings, pages)
    except BenchError as error:
        raise CommandError(str(error)) from None
    if as_json:
        write(msgspec.to_builtins(figures))
    else:
        show(figures)


def show(figures: DeskFigures) -> None:
    """One table."""
    from rich.table import Table

    table = Table("milliseconds", "median", "99 in 100", "most")
    rows = (
        (f"{figures.warnings} warnings, from the POST to the screen", figures.to_the_screen),
        ("a page of 50 alerts", figures.page),
        (f"first page of {figures.large:,}", figures.large_first),
        (f"last page of {figures.large:,}", figures.large_last),
        (f"overdue ones of {figures.large:,}", figures.large_filtered),
    )
    for title, one in rows:
        table.add_row(title, f"{one.p50:.0f}", f"{one.p99:.0f}", f"{one.most:.0f}")
    first = f"{figures.page_first:.0f}"
    table.add_row("a page of 50 just after the desk was opened", first, "", "")
    terminal().print(table)
