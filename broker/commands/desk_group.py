"""The command group `broker desk`: pages and the HTTP door of one organisation."""
# ruff: noqa: PLC0415 -- each command loads only what it needs

from __future__ import annotations

from typing import Annotated

import typer

from broker.commands.words import MARKUP, examples, settings_in_force

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
