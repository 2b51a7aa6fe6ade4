"""`broker policy`: check, table, why and shadow, for those who answer for law and agreements."""
# ruff: noqa: PLC0415 -- each command loads only what it needs

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Annotated

import typer

from broker.commands.words import (
    FAILED,
    MARKUP,
    Json,
    examples,
    say,
    settings_in_force,
    terminal,
    write,
)

policy_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=MARKUP,
    help="Law and agreements: check them, read what they decide, try others.",
)
Day = Annotated[
    str | None, typer.Option("--on", metavar="DATE", help="As of that day; default: today.")
]
Ledger = Annotated[
    Path | None, typer.Option("--ledger", metavar="DIR", help="The ledger; default: var/ledger.")
]
Keys = Annotated[
    Path | None,
    typer.Option(
        "--keys",
        metavar="DIR",
        help="The folder that holds subjects.db; default: keys/ of the ledger's folder, else var/keys.",
    ),
]


@policy_app.command(
    "check",
    epilog=examples(
        "broker policy check",
        "broker policy check proposed-policies --json",
        "broker policy check --on 2027-04-01   # what will have expired by then",
    ),
)
def policy_check(
    directory: Annotated[
        Path | None, typer.Argument(metavar="DIR", help="Policies; default: those in force.")
    ] = None,
    on: Day = None,
    as_json: Json = False,
) -> None:
    """Find what is wrong with policies, and run every agreement's examples.

    Exit code 1 if anything must be mended; warnings are for knowing.
    """
    from broker.commands import policy_check as work

    checked = work.check(settings_in_force(), directory, _day(on))
    if as_json:
        write(*work.rows_of(checked))
    else:
        work.show(terminal(), checked)
    raise typer.Exit(FAILED if checked.errors else 0)


@policy_app.command(
    "table",
    epilog=examples(
        "broker policy table --out tables",
        "broker policy table --agreement national-baseline --out tables",
        "broker policy table --publisher school --json",
    ),
)
def policy_table(
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Write decision-table.html and .csv there."),
    ] = None,
    agreement: Annotated[
        str | None, typer.Option(metavar="ID", help="Only where this agreement is in force.")
    ] = None,
    publisher: Annotated[
        str | None, typer.Option(metavar="KIND", help="Only what this kind publishes.")
    ] = None,
    on: Day = None,
    as_json: Json = False,
) -> None:
    """Enumerate who may be told what: recipient, reason of concern, statement, handling, agreements.

    Every combination is decided by the code that decides statements; those decided alike are one row.
    """
    from broker.auditor.decision_space import make, summary
    from broker.commands import policy_table as work

    made = make(settings_in_force(), _day(on), agreement, publisher)
    if as_json:
        write(summary(made))
    else:
        work.show(terminal(), made)
    if out is not None:
        for path in work.written(made, out):
            if not as_json:
                say(str(path))


@policy_app.command(
    "why",
    epilog=examples(
        "broker policy why 22844af5-3611-51ad-a53a-8e16d5bb68f4 SCH-WV-001",
        "broker policy why EVENT SCH-WV-001:school --ledger rehearsal",
        "broker policy why EVENT Sandwell --json",
    ),
)
def policy_why(
    event: Annotated[str, typer.Argument(metavar="EVENT", help="Its id, or how it begins.")],
    recipient: Annotated[
        str, typer.Argument(metavar="RECIPIENT", help="A code, CODE:ROLE, or a name.")
    ],
    ledger: Ledger = None,
    keys: Keys = None,
    as_json: Json = False,
) -> None:
    """Explain in plain English what a recipient was told of an event, and by which clause.

    Without the subject's key everything is explained but how the weight came about.
    """
    from broker.auditor import why as work
    from broker.commands import why_rendering

    why = work.explain(settings_in_force(), event, recipient, ledger, keys)
    if as_json:
        write(work.as_row(why))
    else:
        why_rendering.show(terminal(), why)


@policy_app.command(
    "shadow",
    epilog=examples(
        "broker policy shadow proposed-policies",
        "broker decide warning.jsonl --ledger rehearsal && "
        "broker policy shadow proposed-policies --ledger rehearsal",
        "broker policy shadow proposed-policies --json",
    ),
)
def policy_shadow(
    new_dir: Annotated[Path, typer.Argument(metavar="NEW_DIR", help="The proposed policies.")],
    ledger: Ledger = None,
    keys: Keys = None,
    as_json: Json = False,
) -> None:
    """Decide everything in the ledger again under proposed policies; list each decision that changes.

    Nothing is told to anyone and nothing is recorded.
    """
    from broker.auditor import proposed_compared as work
    from broker.commands.policy_shadow import show

    compared = work.compare(settings_in_force(), new_dir, ledger, keys)
    if as_json:
        write(*work.rows_of(compared))
    else:
        show(terminal(), compared)


def _day(stated: str | None) -> datetime.date:
    """The value of `--on`; wrong usage where it is no date."""
    if stated is None:
        return datetime.datetime.now(datetime.UTC).date()
    try:
        return datetime.date.fromisoformat(stated)
    except ValueError:
        raise typer.BadParameter(
            f"{stated!r} is no date: write it as 2027-04-01", param_hint="--on"
        ) from None
