"""The command group `broker respond`, and `broker fate`."""
# ruff: noqa: PLC0415 -- each command loads only what it needs

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import typer

from broker.commands.words import FAILED, MARKUP, Json, examples, say, settings_in_force, terminal
from broker.commands.words import write as write_rows

Org = Annotated[str, typer.Argument(metavar="ORG", help="Who answers, such as SCH-SW-001.")]
AlertId = Annotated[
    str,
    typer.Argument(metavar="ALERT_ID", help="Alert id, or how it begins; `subscribe` prints it."),
]
Actor = Annotated[
    str, typer.Option("--actor", help="Your staff reference; not a name.", show_default=True)
]
Why = Annotated[str, typer.Option("--reason", help="Why, in a sentence.")]
MayWhy = Annotated[str | None, typer.Option("--reason", help="What was done, in a sentence.")]
Plan = Annotated[
    str | None,
    typer.Option("--plan", help="Reference of the plan or assessment that it went into."),
]
Keep = Annotated[
    bool,
    typer.Option("--keep-from-originator", help="Who published it must not learn of this answer."),
]
respond_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=MARKUP,
    help="For recipients: answer an alert.",
)


@respond_app.command(
    "acknowledge", epilog=examples("broker respond acknowledge SCH-SW-001 1a2b3c4d")
)
def acknowledge(
    org: Org, alert_id: AlertId, actor: Actor = "duty-1", keep: Keep = False, as_json: Json = False
) -> None:
    """Somebody has it: the clock stops, and nobody else of your organisation is called."""
    _respond(org, alert_id, "acknowledge", keep, as_json=as_json, actor=actor)


@respond_app.command(
    "consider",
    epilog=examples(
        'broker respond consider SCH-SW-001 1a2b3c4d --reason "weighed at the strategy meeting"'
    ),
)
def consider(
    org: Org,
    alert_id: AlertId,
    reason: Why,
    actor: Actor = "duty-1",
    keep: Keep = False,
    as_json: Json = False,
) -> None:
    """It was weighed, with the reason. The words stay with you and the child's record."""
    _respond(org, alert_id, "consider", keep, as_json=as_json, actor=actor, reason=reason)


@respond_app.command(
    "act", epilog=examples("broker respond act SCH-SW-001 1a2b3c4d --plan CP-2026-118")
)
def act(
    org: Org,
    alert_id: AlertId,
    reason: MayWhy = None,
    plan: Plan = None,
    actor: Actor = "duty-1",
    keep: Keep = False,
    as_json: Json = False,
) -> None:
    """Something was done; name the plan or the assessment that it went into."""
    _respond(org, alert_id, "act", keep, as_json=as_json, actor=actor, reason=reason, plan=plan)


@respond_app.command(
    "nfa",
    epilog=examples('broker respond nfa SCH-SW-001 1a2b3c4d --reason "known, and already in hand"'),
)
def nfa(
    org: Org,
    alert_id: AlertId,
    reason: Why,
    actor: Actor = "duty-1",
    keep: Keep = False,
    as_json: Json = False,
) -> None:
    """No further action, with the reason."""
    _respond(org, alert_id, "no_further_action", keep, as_json=as_json, actor=actor, reason=reason)


def fate(
    org: Annotated[str, typer.Argument(metavar="ORG", help="Who published, such as ADV-WM-001.")],
    event_id: Annotated[
        str | None, typer.Argument(metavar="EVENT_ID", help="One event, or how its id begins.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show what came of what you published, as far as you may know: so that a parent can be told.

    Who answered is shown by kind of organisation, never by name.
    """
    from broker.commands import responses

    rows = asyncio.run(responses.fates(settings_in_force(), org, event_id))
    if as_json:
        write_rows(*rows)
    else:
        responses.show_fates(terminal(), rows)


def _respond(
    org: str,
    alert_id: str,
    method: str,
    keep: bool,
    *,
    as_json: bool,
    **said: Any,
) -> None:
    from broker.commands import responses

    row = asyncio.run(
        responses.respond(
            settings_in_force(), org, alert_id, method, originator_may_know=not keep, **said
        )
    )
    if as_json:
        write_rows(row)
    else:
        say(responses.line_of(row))
    raise typer.Exit(0 if row["outcome"] in ("accepted", "duplicate") else FAILED)
