"""The command group `broker desk`: pages and the HTTP door of one organisation."""
# ruff: noqa: PLC0415 -- each command loads only what it needs

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from broker.commands.errors import CommandError
from broker.commands.words import (
    FAILED,
    MARKUP,
    Json,
    complain,
    examples,
    say,
    settings_in_force,
    terminal,
    time_of,
    write,
)

if TYPE_CHECKING:
    from broker.desk.store import DeskStore

Whose = Annotated[
    str, typer.Argument(metavar="ORG", help="Whose desk: a code, DUTY-DESK or AUDITOR.")
]
SystemName = Annotated[str, typer.Argument(metavar="NAME", help="What the system is called.")]
Right = Annotated[
    list[str] | None,
    typer.Option(
        "--may", help="publish, read, answer or webhooks; repeatable. Default: publish, read."
    ),
]
Days = Annotated[int, typer.Option("--days", min=1, max=400, help="It ends after so many days.")]
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


@desk_app.command(
    "token", epilog=examples("broker desk token SCH-SW-001 case-system --may publish --may read")
)
def desk_token(organisation: Whose, name: SystemName, may: Right = None, days: Days = 365) -> None:
    """Make a token for one system of the organisation. It is shown once; the one before it ends."""
    import datetime

    from broker.desk.tokens import May, make_token

    try:
        rights = tuple(May(one) for one in may or ("publish", "read"))
    except ValueError:
        raise CommandError(f"--may is one of {', '.join(May)}") from None
    store = _store(organisation)
    now = datetime.datetime.now(datetime.UTC)
    say(make_token(store, name, rights, days=days, now=now))
    complain(
        f"Keep it now: it is not shown again. It may {', '.join(rights)} and ends in {days} days."
    )


@desk_app.command("tokens", epilog=examples("broker desk tokens SCH-SW-001"))
def desk_tokens(organisation: Whose, as_json: Json = False) -> None:
    """List the tokens of an organisation's systems, without the tokens themselves."""
    from rich.table import Table

    from broker.desk.tokens import tokens

    found = tokens(_store(organisation))
    if as_json:
        write(*(msgspec.to_builtins(one) for one in found))
        return
    table = Table("system", "may", "made", "ends", box=None, pad_edge=False)
    for one in found:
        rights = ", ".join(one.may)
        table.add_row(one.name, rights, f"{one.made_at:%d %b %Y}", f"{one.expires_at:%d %b %Y}")
    terminal().print(table if found else "No system has a token.")


@desk_app.command("revoke", epilog=examples("broker desk revoke SCH-SW-001 case-system"))
def desk_revoke(organisation: Whose, name: SystemName) -> None:
    """End a system's token at once."""
    from broker.desk.tokens import revoke

    if not revoke(_store(organisation), name):
        complain(
            f"{organisation} has no token called {name}: see `broker desk tokens {organisation}`"
        )
        raise typer.Exit(FAILED)
    say(f"The token {name} is worth nothing any more.")


def _store(organisation: str) -> DeskStore:
    """The desk's database; a desk that runs sees what is changed in it at once."""
    from broker.desk.app import store_of
    from broker.desk.settings import DeskSettings

    return store_of(DeskSettings(organisation=organisation), settings_in_force())
