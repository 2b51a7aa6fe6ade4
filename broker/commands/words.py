"""How the commands are called and how they speak: options they share, lines they print, exit codes."""
# ruff: noqa: PLC0415 -- the settings are loaded only by commands that need them

from __future__ import annotations

import datetime
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
import typer
from rich.console import Console

from broker.commands.errors import CommandError

if TYPE_CHECKING:
    from broker.shell.settings import Settings

PROGRAM = "broker"
FAILED = 1
INTERRUPTED = 130
MARKUP: Literal["markdown"] = "markdown"


class Source(StrEnum):
    """Files that others publish and that can be read as statements."""

    POLICE_UK = "police-uk"


Json = Annotated[bool, typer.Option("--json", help="Print JSON, one object a line.")]
LedgerDir = Annotated[
    Path | None, typer.Argument(metavar="DIR", help="The ledger; default: var/ledger.")
]
PageFile = Annotated[
    Path | None, typer.Option("--html", metavar="FILE", help="Write the report as one page.")
]
TablesDir = Annotated[
    Path | None, typer.Option("--csv", metavar="DIR", help="Write the tables as CSV files.")
]
From = Annotated[
    Source | None, typer.Option("--from", help="FILE is of this kind instead of JSON lines.")
]
LsoaMap = Annotated[
    Path | None,
    typer.Option("--lsoa-map", help="CSV with lsoa_code and gss_code; default: the bundled one."),
]
PublisherCode = Annotated[
    str | None,
    typer.Option("--publisher", help="Whose statements the rows are; default: the force named."),
]
File = Annotated[str, typer.Argument(metavar="FILE", help="Lines to read; - for standard input.")]


def examples(*lines: str) -> str:
    """The end of a command's help."""
    return "\n".join(["Examples:", "", *(f"- `{line}`" for line in lines)])


def settings_in_force() -> Settings:
    """The settings. Raises CommandError that names the environment variable that is wrong."""
    from pydantic import ValidationError

    from broker.shell.settings import Settings

    try:
        return Settings()
    except ValidationError as error:
        wrong = [
            f"BROKER_{'_'.join(map(str, one['loc'])).upper()}: {one['msg']}"
            for one in error.errors()
        ]
        raise CommandError(f"settings: {'; '.join(wrong)}") from None


def time_of(stated: str | None) -> datetime.datetime | None:
    """The value of `--now`; wrong usage where it has no time zone."""
    if stated is None:
        return None
    try:
        moment = datetime.datetime.fromisoformat(stated)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise typer.BadParameter(
            f"{stated!r} is no time with a time zone: write it as 2026-11-20T09:00:00Z",
            param_hint="--now",
        )
    return moment


def terminal() -> Console:
    """Standard output, for people."""
    return Console()


def say(sentence: str) -> None:
    """One line on standard output, as it is."""
    sys.stdout.write(f"{sentence}\n")
    sys.stdout.flush()


def write(*rows: Any) -> None:
    """Each value as one line of JSON on standard output."""
    for row in rows:
        sys.stdout.write(msgspec.json.encode(row).decode() + "\n")
    sys.stdout.flush()


def complain(sentence: str) -> None:
    """One line on standard error."""
    sys.stderr.write(f"{PROGRAM}: {sentence}\n")
