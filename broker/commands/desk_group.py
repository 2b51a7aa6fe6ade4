"""The command group `broker desk`: pages and the HTTP door of one organisation."""
# ruff: noqa: PLC0415 -- each command loads only what it needs

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from broker.commands.words import (
    MARKUP,
    Json,
    examples,
    say,
    settings_in_force,
    terminal,
    time_of,
    write,
)

Whose = Annotated[
    str, typer.Argument(metavar="ORG", help="Whose desk: a code, DUTY-DESK or AUDITOR.")
]
Port = Annotated[int | None, typer.Option("--port", help="Port; default: BROKER_DESK_PORT.")]
desk_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=MARKUP,
    help="Pages and the HTTP door of one organisation.",
)


@desk_app.command("serve", epilog=examples("broker desk serve SCH-SW-001 --port 8443"))
def desk_serve(organisation: Whose, port: Port = None) -> None:
    """Serve the desk of one organisation, with its keys alone, until it is told to stop."""
    from broker.desk.serve import serve
    from broker.desk.settings import DeskSettings

    own = DeskSettings(organisation=organisation)
    if port is not None:
        own = own.model_copy(update={"port": port})
    raise typer.Exit(serve(own, settings_in_force()))


@desk_app.command(
    "consultations",
    epilog=examples(
        "broker desk consultations SCH-SW-001",
        "broker desk consultations SCH-SW-001 --actor duty-1 --since 2026-11-24T00:00:00Z --csv",
        "broker desk consultations SCH-SW-001 --about ALERT --json",
    ),
)
def desk_consultations(
    organisation: Whose,
    actor: Annotated[
        str | None, typer.Option("--actor", metavar="REF", help="Only what this person looked at.")
    ] = None,
    about: Annotated[
        str | None, typer.Option("--about", metavar="ID", help="Only who looked at this.")
    ] = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="TIME", help="Only from then on.")
    ] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    as_json: Json = False,
) -> None:
    """Who looked at what at a desk, and when: ids and staff references, no names and no content.

    The whole log is verified first; exit code 1 at the first bad entry, which is named.
    """
    from broker.commands import consultations

    found = consultations.read(settings_in_force(), organisation)
    looked = consultations.chosen(found.looked, actor, about, time_of(since))
    if as_json:
        write(*map(msgspec.to_builtins, looked))
    elif as_csv:
        consultations.write_csv(looked)
    else:
        consultations.show(terminal(), looked)
        say(found.line())


@desk_app.command(
    "verify",
    epilog=examples(
        "broker desk verify SCH-SW-001",
        "broker desk verify SCH-SW-001 --dir copy-of-log --key desk.vkey --json",
    ),
)
def desk_verify(
    organisation: Whose,
    directory: Annotated[
        Path | None,
        typer.Option("--dir", metavar="DIR", help="A copy of the log; default: where the desk is."),
    ] = None,
    key: Annotated[
        Path | None,
        typer.Option(
            "--key",
            metavar="FILE",
            help="The log's verifier key, got on another way; default: the one beside the log.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Verify a desk's log of consultations from its files: every leaf, tile and signature.

    Exit code 1 at the first bad entry, which is named. Keep the line: a log that is rolled back whole to an
    earlier signed state looks whole.
    """
    from broker.commands import consultations

    found = consultations.read(settings_in_force(), organisation, directory, key)
    if as_json:
        write({"origin": found.origin, "entries": found.entries, "root": found.root})
    else:
        say(found.line())
