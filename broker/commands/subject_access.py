"""`broker audit subject-access`: asking what is held about a person, and the controller's answer."""
# ruff: noqa: PLC0415 -- each command loads only what it needs

from __future__ import annotations

import asyncio
import datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from broker.commands.words import (
    FAILED,
    MARKUP,
    Json,
    complain,
    examples,
    say,
    settings_in_force,
    terminal,
    write,
)

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=MARKUP,
    help="A person asks what is held: the request, and the controller's list.",
)


@app.command(
    "ask",
    epilog=examples(
        'broker audit subject-access ask ICB-SHROPSHIRE --identifier nhs_number=9434765919 --reason "his '
        'mother asks"',
        "broker audit subject-access ask SCH-WV-001 --identifier local:sims=77 --json",
    ),
)
def ask(
    organisation: Annotated[
        str, typer.Argument(metavar="ORG", help="The organisation that received the request.")
    ],
    identifier: Annotated[
        list[str],
        typer.Option(
            "--identifier",
            metavar="SCHEME=VALUE",
            help="nhs_number=…, upn=… or local:SYSTEM=…; repeatable.",
        ),
    ],
    reason: Annotated[str, typer.Option(help="Who asks, in words.")] = "",
    actor: Annotated[str, typer.Option(help="Your staff reference; not a name.")] = "rights-1",
    as_json: Json = False,
) -> None:
    """Pass on a request for what is held. The receipt says the same whether or not anything is."""
    from broker.client.access import ask as send
    from broker.client.desk import new_act_id
    from broker.model.types import Action, ActionKind

    action = Action(
        action_id=new_act_id(),
        kind=ActionKind.SUBJECT_ACCESS,
        organisation=organisation,
        actor=actor,
        reason=reason or None,
        asked_about=tuple(identifier_of(one) for one in identifier),
        acted_at=datetime.datetime.now(datetime.UTC),
    )
    content = asyncio.run(send(settings_in_force(), action)).content
    if as_json:
        write(
            {
                "action_id": action.action_id,
                "outcome": content.outcome.value,
                "explanation": content.explanation,
            }
        )
    else:
        say(f"subject_access {action.action_id}: {content.outcome.value}: {content.explanation}")
    if content.outcome.value == "rejected":
        raise typer.Exit(FAILED)


@app.command("list", epilog=examples("broker audit subject-access list --json"))
def list_(as_json: Json = False) -> None:
    """For the duty desk: every request that Kafka keeps, the oldest first."""
    from broker.client.access import access_requests
    from broker.commands.audit_words import line, time_of
    from broker.record.subject_access import ANSWER_WITHIN

    requests = asyncio.run(access_requests(settings_in_force()))
    if as_json:
        write(*(msgspec.to_builtins(one) for one in requests))
        return
    out = terminal()
    for one in requests:
        at = datetime.datetime.fromtimestamp(one.received_at / 1000, datetime.UTC)
        line(out, f"{one.action_id}  {one.organisation} ({one.actor})", "bold")
        line(out, f"  received {time_of(at)}, answer by {time_of(at + ANSWER_WITHIN)}")
        line(out, f"  {one.reason or 'no words'}")
    line(out, f"{len(requests)} requests.")


@app.command(
    "answer",
    epilog=examples('broker audit subject-access answer 1a2b3c4d --reason "request of 3 November"'),
)
def answer(
    action_id: Annotated[
        str, typer.Argument(metavar="ID", help="The request, or how its id begins.")
    ],
    *,
    reason: Annotated[str, typer.Option(help="Why you look, in words; it is recorded.")],
    actor: Annotated[str, typer.Option(help="Your staff reference; not a name.")] = "desk-1",
    directory: Annotated[
        Path | None,
        typer.Option("--ledger", metavar="DIR", help="The ledger; default: var/ledger."),
    ] = None,
    keys: Annotated[
        Path | None, typer.Option("--keys", metavar="DIR", help="Subjects' keys.")
    ] = None,
    as_json: Json = False,
) -> None:
    """For the duty desk: list what is held, with what may be exempt. Looking is recorded first.

    Nothing is sent: a person judges what is exempt, and answers.
    """
    from broker.auditor.asking import Ledger
    from broker.auditor.ledger_rows import keys_dir
    from broker.client.access import access_requests, one_request
    from broker.client.access import ask as send
    from broker.commands.access_answering import access_answer, show

    settings = settings_in_force()
    request = one_request(asyncio.run(access_requests(settings)), action_id)
    looked = consultation(request.action_id, actor, reason, datetime.datetime.now(datetime.UTC))
    receipt = asyncio.run(send(settings, looked)).content
    if receipt.outcome.value == "rejected":
        complain(f"nothing is shown: looking could not be recorded: {receipt.explanation}")
        raise typer.Exit(FAILED)
    folder = keys_dir(settings, directory, keys)
    rows_key = folder / "broker" / "rows.key"
    ledger = Ledger(
        directory or settings.ledger_dir, rows_key=rows_key if rows_key.is_file() else None
    )
    found = access_answer(request, ledger, folder)
    if as_json:
        write(msgspec.to_builtins(found))
    else:
        show(terminal(), found)
        say(f"Recorded as consultation {looked.action_id}.")


def consultation(action_id: str, actor: str, reason: str, at: datetime.datetime) -> Any:
    """The act that records who looked at what is held, when and why (DPA 2018, section 62)."""
    from broker.client.desk import new_act_id
    from broker.model.types import Action, ActionKind
    from broker.shell.keys import DESK

    return Action(
        action_id=new_act_id(),
        kind=ActionKind.CONSULT,
        organisation=DESK,
        actor=actor,
        reason=reason,
        confirms=action_id,
        acted_at=at,
    )


def identifier_of(stated: str) -> Any:
    """`nhs_number=9434765919` or `local:SYSTEM=77` as an Identifier. Raises BadParameter."""
    from broker.model.types import Identifier, IdentifierScheme

    kind, _, value = stated.partition("=")
    scheme, _, system = kind.partition(":")
    known = [one.value for one in IdentifierScheme]
    if scheme not in known or not value or (scheme == "local") != bool(system):
        raise typer.BadParameter(
            f"write it as nhs_number=…, upn=… or local:SYSTEM=…; not {kind!r}",
            param_hint="--identifier",
        )
    return Identifier(scheme=IdentifierScheme(scheme), value=value, system=system or None)
