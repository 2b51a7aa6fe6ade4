"""How `broker audit parity` is called."""
# ruff: noqa: PLC0415 -- each command loads only what it needs

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from broker.commands.words import Json, LedgerDir, examples, settings_in_force, terminal
from broker.commands.words import write as write_json


def add_parity(app: typer.Typer) -> None:
    """Adds the command to a group."""
    app.command(
        "parity",
        epilog=examples(
            "broker audit parity",
            "broker audit parity rehearsal --out report",
            "broker audit parity --authorised --out for-the-auditor",
            "broker audit parity --json",
        ),
    )(audit_parity)


def audit_parity(
    directory: LedgerDir = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Where page and CSV files go; default: parity-report here."
        ),
    ] = None,
    authorised: Annotated[
        bool,
        typer.Option(
            "--authorised",
            help="The auditor's version: small numbers and the table of evidence. "
            "OFFICIAL-SENSITIVE.",
        ),
    ] = False,
    rows_key: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The auditors' key of the sealed rows; default: that of the keys below.",
        ),
    ] = None,
    keys: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Keys of subjects, to make weights again; default: DIR/keys, else var/keys.",
        ),
    ] = None,
    policy: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Default: policies/audit/parity.yaml."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Report whether every voice fared alike: received, graded, weighted, told, considered, acted on.

    Each class of provenance stage by stage with intervals and verdicts, grades, time to consideration,
    rubber stamps, equality groups, and every weight made again from every other voice. From the
    ledger's files and the auditors' key; names nobody. With --json no files unless --out is given.
    """
    from broker.auditor.parity.reporting import as_plain, made
    from broker.commands import audit_parity as parity

    report = made(
        settings_in_force(),
        directory,
        rows_key=rows_key,
        keys=keys,
        policy_file=policy,
        authorised=authorised,
    )
    files = [] if as_json and out is None else parity.write(report, out or Path("parity-report"))
    if as_json:
        write_json(as_plain(report))
    else:
        parity.show(terminal(), report, files)
