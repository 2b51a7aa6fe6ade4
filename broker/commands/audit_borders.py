"""`broker audit borders`: what crossed the borders between authorities, and what did not."""
# ruff: noqa: PLC0415 -- the command loads only what it needs

from __future__ import annotations

from typing import Annotated

import typer

from broker.commands.words import (
    Json,
    LedgerDir,
    PageFile,
    TablesDir,
    examples,
    settings_in_force,
    terminal,
    time_of,
    write,
)

EXAMPLES = examples(
    "broker audit borders",
    "broker audit borders --from 2026-11-01T00:00:00Z --html borders.html",
    "broker audit borders copy-of-ledger --authorised --csv figures",
)


def add_borders(group: typer.Typer) -> None:
    """The command, into `broker audit`."""
    group.command("borders", epilog=EXAMPLES)(borders)


def borders(
    directory: LedgerDir = None,
    *,
    since: Annotated[
        str | None,
        typer.Option("--from", metavar="T", help="First decided then or later."),
    ] = None,
    until: Annotated[
        str | None, typer.Option("--to", metavar="T", help="First decided before then.")
    ] = None,
    authorised: Annotated[
        bool,
        typer.Option("--authorised", help="Show small counts: not to be published."),
    ] = False,
    html: PageFile = None,
    csv: TablesDir = None,
    as_json: Json = False,
) -> None:
    """Count what one authority told another: whole, in part, existence only, refused, under review.

    Numbers 1 to 5 are hidden, and what would give them back, unless --authorised. From the published
    leaves alone; no key is needed.
    """
    from broker.auditor import borders_said as said
    from broker.commands import borders_report as report

    moments = (time_of(since), time_of(until))
    period = tuple(None if one is None else round(one.timestamp() * 1000) for one in moments)
    made = said.report(
        settings_in_force(), directory, (period[0], period[1]), authorised=authorised
    )
    if html is not None:
        report.write_page(made, html)
    if csv is not None:
        report.write_csv(made, csv)
    if as_json:
        write(*said.rows_of(made))
    else:
        report.show(terminal(), made)
