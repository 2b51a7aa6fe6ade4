"""`broker audit consistency`: same facts, same outcome, across authorities and over policy versions."""
# ruff: noqa: PLC0415 -- the command loads only what it needs

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from broker.commands.words import (
    FAILED,
    Json,
    LedgerDir,
    PageFile,
    TablesDir,
    examples,
    settings_in_force,
    terminal,
    write,
)

if TYPE_CHECKING:
    from broker.auditor.consistency_said import Request

EXAMPLES = examples(
    "broker audit consistency",
    "broker audit consistency copy-of-ledger --rows-key rows.key --html consistency.html --strict",
    "broker audit consistency --policies policies-of-may --csv figures",
)


def add_consistency(group: typer.Typer) -> None:
    """The command, into `broker audit`."""
    group.command("consistency", epilog=EXAMPLES)(consistency)


def consistency(  # noqa: PLR0913 -- one argument an option
    directory: LedgerDir = None,
    *,
    rows_key: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The auditors' key of the rows; default: rows.key."),
    ] = None,
    policies: Annotated[
        list[Path] | None,
        typer.Option(metavar="DIR", help="Another version of the policies, to try; repeatable."),
    ] = None,
    keys: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Subjects' keys, for trying another version."),
    ] = None,
    html: PageFile = None,
    csv: TablesDir = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit code 1 at any unexplained difference.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Compare what was decided on equal facts, whoever published and whoever received.

    A difference is explained by another agreement in force or another version of the rules, or it is a
    finding. Only first rounds are compared: later ones are people's.
    """
    from broker.auditor import consistency_said as said
    from broker.commands import consistency_report as report

    settings = settings_in_force()
    asked: Request = said.Request(directory, rows_key, tuple(policies or ()), keys)
    made = said.report(settings, asked)
    if html is not None:
        report.write_page(made, html)
    if csv is not None:
        report.write_csv(made, csv)
    if as_json:
        write(*said.rows_of(made))
    else:
        report.show(terminal(), made)
    raise typer.Exit(FAILED if strict and made.found.unexplained else 0)
