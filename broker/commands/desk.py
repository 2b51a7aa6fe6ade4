"""The command groups of the duty desk: `broker review` and `broker break-glass`."""
# ruff: noqa: PLC0415 -- each command loads only what it needs

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import typer

from broker.commands.words import FAILED, MARKUP, Json, examples, say, settings_in_force, terminal
from broker.commands.words import write as write_rows

Part = Annotated[str, typer.Argument(metavar="PART", help="Part id, or how it begins.")]
Reason = Annotated[str, typer.Option("--reason", help="Why, in a sentence; kept for the auditors.")]
Actor = Annotated[
    str, typer.Option("--actor", help="Your staff reference; not a name.", show_default=True)
]
Recipient = Annotated[
    str, typer.Option("--recipient", metavar="ORG:ROLE", help="Such as ICB-SHROPSHIRE:health.")
]
OnlyFor = Annotated[
    str | None, typer.Option("--recipient", help="Only this one; default: all that wait.")
]
WhoPublished = Annotated[str, typer.Argument(help="Who published the event.")]
EventId = Annotated[str, typer.Argument(help="Event id.")]
AskedBy = Annotated[str, typer.Argument(help="Action id that `ask` printed.")]
review_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=MARKUP,
    help="For the duty desk: what waits for a person.",
)
break_glass_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=MARKUP,
    help="For the duty desk: a release on vital interests, by two people, looked back on.",
)


@review_app.command("list", epilog=examples("broker review list", "broker review list --json"))
def review_list(as_json: Json = False) -> None:
    """List what waits, the most urgent first."""
    from broker.commands import reviews

    held = asyncio.run(reviews.queue(settings_in_force()))
    if as_json:
        write_rows(*(reviews.held_row(one) for one in held))
    else:
        reviews.show_queue(terminal(), held)


@review_app.command("show", epilog=examples("broker review show 1a2b3c4d"))
def review_show(part: Part, as_json: Json = False) -> None:
    """Show one waiting part: what was said, who waits, and why."""
    from broker.commands import reviews
    from broker.reference import load_reason_codes

    settings = settings_in_force()
    held = asyncio.run(reviews.one_held(settings, part))
    if as_json:
        write_rows(reviews.held_row(held))
    else:
        meanings = dict(load_reason_codes(settings.codesets_dir))
        reviews.show_held(terminal(), held, meanings)


@review_app.command(
    "permit",
    epilog=examples(
        'broker review permit 1a2b3c4d --reason "publisher agreed by telephone"',
        'broker review permit 1a2b3c4d --recipient ICB-SHROPSHIRE:health --field text --reason "asked"',
    ),
)
def review_permit(
    part: Part,
    reason: Reason,
    actor: Actor = "desk-1",
    recipient: OnlyFor = None,
    field: Annotated[
        list[str] | None,
        typer.Option("--field", help="A field to release where no agreement speaks; repeatable."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Permit: law and agreements then decide as if nothing had waited."""
    _review(part, "permit", reason, actor, recipient, field or [], as_json=as_json)


@review_app.command(
    "refuse", epilog=examples('broker review refuse 1a2b3c4d --reason "code withdrawn by sender"')
)
def review_refuse(
    part: Part,
    reason: Reason,
    actor: Actor = "desk-1",
    recipient: OnlyFor = None,
    as_json: Json = False,
) -> None:
    """Refuse: nothing is shown, and it no longer waits."""
    _review(part, "refuse", reason, actor, recipient, [], as_json=as_json)


@break_glass_app.command(
    "ask",
    epilog=examples(
        "broker break-glass ask ADV-WM-001 EVENT --recipient ICB-SHROPSHIRE:health "
        '--reason "he is on his way there now"'
    ),
)
def break_glass_ask(
    publisher: WhoPublished,
    event: EventId,
    recipient: Recipient,
    reason: Reason,
    actor: Actor = "desk-1",
    as_json: Json = False,
) -> None:
    """Ask, as the first of two people. Nothing is shown yet."""
    about = {"event_publisher": publisher, "event_id": event, "recipient": recipient}
    _step(actor, reason, about, as_json=as_json)


@break_glass_app.command("confirm", epilog=examples("broker break-glass confirm ... ACTION"))
def break_glass_confirm(
    publisher: WhoPublished,
    event: EventId,
    action: AskedBy,
    recipient: Recipient,
    reason: Reason,
    actor: Actor = "desk-2",
    as_json: Json = False,
) -> None:
    """Confirm, as the second person, within an hour: the minimum that saves a life is shown."""
    about = {
        "event_publisher": publisher,
        "event_id": event,
        "recipient": recipient,
        "confirms": action,
    }
    _step(actor, reason, about, as_json=as_json)


@break_glass_app.command("look-back", epilog=examples("broker break-glass look-back ... ACTION"))
def break_glass_look_back(
    publisher: WhoPublished,
    event: EventId,
    action: AskedBy,
    reason: Reason,
    justified: Annotated[bool, typer.Option("--justified/--not-justified")],
    actor: Actor = "desk-3",
    as_json: Json = False,
) -> None:
    """Look back on a release within three days: justified, or what was shown is withdrawn."""
    about = {
        "event_publisher": publisher,
        "event_id": event,
        "confirms": action,
        "verdict": "justified" if justified else "not_justified",
    }
    _step(actor, reason, about, as_json=as_json)


def _review(
    part: str,
    verdict: str,
    reason: str,
    actor: str,
    recipient: str | None,
    fields: list[str],
    *,
    as_json: bool,
) -> None:
    from broker.commands import reviews

    row = asyncio.run(
        reviews.review(settings_in_force(), part, verdict, reason, actor, recipient, fields)
    )
    _said(row, as_json=as_json)


def _step(actor: str, reason: str, about: dict[str, Any], *, as_json: bool) -> None:
    from broker.commands import reviews

    row = asyncio.run(reviews.break_glass(settings_in_force(), actor, reason, **about))
    _said(row, as_json=as_json)


def _said(row: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        write_rows(row)
    else:
        why = f": {row['explanation']}" if row["explanation"] else ""
        say(f"{row['kind']} {row['action_id']}: {row['outcome']}{why}")
    if row["outcome"] == "rejected":
        raise typer.Exit(FAILED)
