"""The command group `broker retention`: what is kept, for how long, and what was erased."""
# ruff: noqa: PLC0415 -- each command loads only what it needs

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

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

if TYPE_CHECKING:
    from broker.commands.retention import Erased

Token = Annotated[
    str, typer.Argument(metavar="TOKEN", help="Token of the subject, place or group.")
]
Actor = Annotated[
    str, typer.Option("--actor", help="Your staff reference; not a name.", show_default=True)
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]
retention_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=MARKUP,
    help="For the duty desk: what is kept, for how long, and what was erased.",
)


@retention_app.command(
    "list", epilog=examples("broker retention list", "broker retention list --json")
)
def retention_list(as_json: Json = False) -> None:
    """List every subject whose key is held, the first due first. Tokens are pseudonyms."""
    from broker.commands import retention
    from broker.shell.retention_run import kept

    found = kept(settings_in_force())
    if as_json:
        write(*map(retention.kept_row, found))
    else:
        retention.show_kept(terminal(), found)


@retention_app.command(
    "run", epilog=examples("broker retention run --dry-run", "broker retention run --json")
)
def retention_run(
    actor: Actor = "retention", dry_run: DryRun = False, as_json: Json = False
) -> None:
    """Erase every subject whose time has run out (policies/retention/), but for legal holds.

    Also announces the next epoch of keys where the last one has had its time, and destroys the keys
    of epochs that nothing needs any more.
    """
    import datetime

    from broker.commands import retention
    from broker.shell.retention_run import keep_epochs, kept

    settings = settings_in_force()
    now = datetime.datetime.now(datetime.UTC)
    today = now.date()
    found = kept(settings)
    due = [one for one in found if one.is_due(today)]
    held = [one for one in found if one.hold is not None and one.due <= today]
    erased: tuple[Erased, ...] = ()
    epochs = None
    if not dry_run:
        erased = asyncio.run(retention.run(settings, actor))
        epochs = keep_epochs(settings, now)
    if as_json:
        write(
            {
                "due": [one.token for one in due],
                "held": [one.token for one in held],
                "erased": [_row(one) for one in erased],
                "epochs": epochs,
                "dry_run": dry_run,
            }
        )
    else:
        for one in held:
            say(f"under hold, not erased: {one.token} ({one.hold})")
        for done in erased:
            say(_sentence(done))
        if epochs and epochs.announced:
            new = epochs.announced
            say(f"{new.name} announced: in force from {new.since:%d %B %Y, %H:%M} UTC")
        for name, kind in epochs.destroyed if epochs else ():
            say(f"destroyed: the {kind.value} key of {name}")
        what = "would be erased" if dry_run else "were due"
        say(f"{len(due)} subjects {what}; {len(held)} more are under hold")
    raise typer.Exit(FAILED if any(not one.certificates for one in erased) else 0)


@retention_app.command(
    "erase",
    epilog=examples(
        'broker retention erase 3f2a... --reason "asked for by the parent, granted" --actor desk-1'
    ),
)
def retention_erase(
    token: Token,
    reason: Annotated[
        str, typer.Option("--reason", help="On whose request and why it is granted; no names.")
    ],
    actor: Actor = "desk-1",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Erase one subject now. Everyone who was told is told of it; nothing brings it back."""
    from broker.commands import retention
    from broker.shell.retention_run import kept

    settings = settings_in_force()
    if dry_run:
        known = [one for one in kept(settings) if one.token == token]
        if as_json:
            write({"token": token, "known": bool(known), "dry_run": True})
        else:
            held = known[0].hold if known else None
            state = "nothing is held under that token" if not known else "would be erased"
            say(f"{token}: {f'under hold ({held})' if held else state}")
        raise typer.Exit(0 if known else FAILED)
    done = asyncio.run(retention.erase(settings, token, reason, actor))
    if as_json:
        write(_row(done))
    else:
        say(_sentence(done))
        for one in done.certificates:
            retention.show_certificate(terminal(), one)
    raise typer.Exit(0 if done.certificates else FAILED)


@retention_app.command(
    "show", epilog=examples("broker retention show", "broker retention show ACTION --json")
)
def retention_show(
    action: Annotated[
        str | None, typer.Argument(metavar="ACTION", help="Action id; default: all of them.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show certificates: which store forgot when, whom it reached, what remains and why it may."""
    from broker.commands import retention

    found = list(retention.certificates(settings_in_force(), action))
    if as_json:
        write(*found)
        return
    for one in found:
        retention.show_certificate(terminal(), one)
    if not found:
        say("The ledger holds no certificate of that act." if action else "Nothing was erased yet.")


@retention_app.command(
    "hold",
    epilog=examples(
        'broker retention hold 3f2a... --reason "inquest" --actor desk-1',
        "broker retention hold 3f2a... --lift",
    ),
)
def retention_hold(
    token: Token,
    reason: Annotated[str | None, typer.Option("--reason", help="Why; no names.")] = None,
    actor: Actor = "desk-1",
    lift: Annotated[bool, typer.Option("--lift", help="End the hold.")] = False,
    as_json: Json = False,
) -> None:
    """Put a subject under legal hold, so that the retention run leaves it alone; or lift the hold."""
    from broker.commands import retention

    settings = settings_in_force()
    if lift:
        retention.lift(settings, token)
    elif reason is None or not reason.strip():
        raise typer.BadParameter("say why it must be kept", param_hint="--reason")
    else:
        retention.hold(settings, token, reason, actor)
    if as_json:
        write({"token": token, "hold": None if lift else reason})
    else:
        say(f"{token}: {'hold lifted' if lift else f'under hold ({reason})'}")


def _row(one: Erased) -> dict[str, object]:
    import msgspec

    return dict(msgspec.to_builtins(one))


def _sentence(one: Erased) -> str:
    if one.outcome == "rejected":
        return f"{one.token}: not erased: {one.explanation}"
    if not one.certificates:
        return (
            f"{one.token}: accepted as act {one.action_id}, and no certificate yet: look again with "
            f"`broker retention show {one.action_id}`"
        )
    told = sum(int(each["told"]) for each in one.certificates)
    return f"{one.token}: erased by act {one.action_id}; {told} recipients told"
