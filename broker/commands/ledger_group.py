"""The command group `broker ledger`: where the record lies."""
# ruff: noqa: PLC0415 -- each command loads only what it needs

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from broker.commands.words import MARKUP, Json, examples, say, settings_in_force, write

ledger_app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=MARKUP, help="For the operator: where the record lies."
)


@ledger_app.callback()
def ledger() -> None:
    """For the operator: where the record lies."""


@ledger_app.command(
    "move", epilog=examples("broker ledger move --store postgresql://broker@db/ledger")
)
def ledger_move(
    store: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS", help="The PostgreSQL to move to; default: BROKER_LEDGER_STORE."
        ),
    ] = "",
    directory: Annotated[
        Path | None, typer.Option("--ledger", metavar="DIR", help="Default: var/ledger.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Move a ledger from SQLite to PostgreSQL, once. Stop the broker before; its files stay where they are.

    The old stores are kept as store.db.moved, which no broker opens. Then set BROKER_LEDGER_STORE.
    """
    from broker.commands.ledger_copy import move_ledger

    settings = settings_in_force()
    address = store or settings.ledger_store.get_secret_value()
    moved = move_ledger(directory or settings.ledger_dir, address)
    if as_json:
        write({"moved": moved})
    else:
        for shard, rows in moved.items():
            say(f"{shard}: {rows} rows moved")
        say("start the broker with BROKER_LEDGER_STORE from now on")
