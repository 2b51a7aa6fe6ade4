"""What `broker retention` does and shows: what is due, what is held, erasures and their certificates."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import json
import time
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from broker.auditor import shards_of
from broker.client.desk import Desk, new_act_id
from broker.commands.errors import CommandError
from broker.ledger import read_entries
from broker.model.types import Action, ActionKind, IntakeOutcome
from broker.shell.retention_run import Kept, due_acts, erase_act, kept, subjects_of
from broker.shell.settings import Settings
from broker.shell.subject_keys import Hold

CERTIFIED_WITHIN_S = 30.0
LOOK_EVERY_S = 0.2
REQUESTED = "requested"
Row = dict[str, Any]


class Erased(msgspec.Struct, frozen=True):
    """One act of erasure: what the receipt said, and the certificates that followed."""

    token: str
    action_id: str
    outcome: str
    explanation: str | None
    certificates: tuple[Row, ...] = ()


async def run(settings: Settings, actor: str) -> tuple[Erased, ...]:
    """Erases everything that is due today and under no hold, through the flow. Raises ClientError."""
    acts = due_acts(settings, datetime.datetime.now(datetime.UTC), actor)
    if not acts:
        return ()
    async with Desk.connect(settings) as desk:
        return tuple([await _act(desk, settings, act) for act in acts])


async def erase(settings: Settings, token: str, reason: str, actor: str) -> Erased:
    """Erases one subject on request. Raises ClientError, and CommandError where it is under hold."""
    held = next((one.hold for one in kept(settings) if one.token == token), None)
    if held is not None:
        raise CommandError(
            f"that subject is under hold ({held}): lift it first with "
            "`broker retention hold TOKEN --lift`, if whoever asked for it agrees"
        )
    async with Desk.connect(settings) as desk:
        return await _act(desk, settings, erase_act(new_act_id(), token, reason, actor, REQUESTED))


async def _act(desk: Desk, settings: Settings, action: Action) -> Erased:
    receipt = (await desk.act(action)).content
    certificates: tuple[Row, ...] = ()
    if receipt.outcome is not IntakeOutcome.REJECTED:
        certificates = await _certified(settings, action.action_id)
    return Erased(
        action.subject or "",
        action.action_id,
        receipt.outcome.value,
        receipt.explanation,
        certificates,
    )


async def _certified(settings: Settings, action_id: str) -> tuple[Row, ...]:
    """The certificates of an act, as soon as the ledger has published one."""
    deadline = time.monotonic() + CERTIFIED_WITHIN_S
    while True:
        found = tuple(certificates(settings, action_id))
        if found or time.monotonic() > deadline:
            return found
        await asyncio.sleep(LOOK_EVERY_S)


def certificates(settings: Settings, action_id: str | None = None) -> Iterator[Row]:
    """Every certificate in the published ledger, or those of one act, with the act's own id."""
    if not shards_of(settings.ledger_dir):
        raise CommandError(f"{settings.ledger_dir} holds no ledger: start `broker up` first")
    acts: dict[str, str] = {}
    found: list[Row] = []
    for shard in shards_of(settings.ledger_dir):
        for index, data in enumerate(read_entries(shard, 0)):
            if b'"certificate"' not in data and b'"erase"' not in data:
                continue
            leaf = json.loads(data)
            if leaf["kind"] == "action" and leaf["action"] == ActionKind.ERASE.value:
                acts[leaf["set_id"]] = leaf["action_id"]
            elif leaf["kind"] == "certificate":
                found.append({"log": shard.name, "leaf": index, **leaf})
    for one in found:
        of = acts.get(one["act_set_id"])
        if action_id is None or of == action_id:
            yield {"action_id": of, **one}


def hold(settings: Settings, token: str, reason: str, actor: str) -> Hold:
    """Puts a subject under legal hold. Raises CommandError where no key of it is held."""
    with contextlib.closing(subjects_of(settings)) as subjects:
        if all(one.part_key != token for one in subjects.newest()):
            raise CommandError("no key is held under that token: see `broker retention list`")
        held = Hold(token, reason, actor, datetime.datetime.now(datetime.UTC))
        subjects.hold(held)
        return held


def lift(settings: Settings, token: str) -> None:
    """Ends a legal hold. Raises CommandError where there is none."""
    with contextlib.closing(subjects_of(settings)) as subjects:
        if not subjects.lift(token):
            raise CommandError("that subject is under no hold: see `broker retention list`")


def kept_row(one: Kept) -> Row:
    """One subject as a JSON-ready object."""
    return {
        "token": one.token,
        "newest": one.newest.isoformat(),
        "due": one.due.isoformat(),
        "hold": one.hold,
    }


def show_kept(out: Console, found: Sequence[Kept]) -> None:
    """One row a subject, the first due first; those under hold say why."""
    if not found:
        out.print("No subject's key is held.")
        return
    today = datetime.datetime.now(datetime.UTC).date()
    table = Table(title="Subjects whose key is held", title_justify="left")
    for name in ("token", "newest set", "erased from", "legal hold"):
        table.add_column(name, overflow="fold")
    for one in found:
        style = "bold" if one.is_due(today) else ""
        table.add_row(
            one.token, f"{one.newest}", Text(f"{one.due}", style=style), Text(one.hold or "")
        )
    out.print(table)


def show_certificate(out: Console, one: Row) -> None:
    """One certificate: each store with its date, and what remains and why it may."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    counted = (
        f"{one['parts']} parts ended; {one['told']} recipients told; {one['ended']} waits ended"
    )
    table.add_row("what", counted)
    for store in one["stores"]:
        word = "at" if "at" in store else "by"
        when = datetime.datetime.fromtimestamp(store[word] / 1000, datetime.UTC)
        done = "forgotten at" if word == "at" else "forgotten by"
        table.add_row(store["store"].replace("_", " "), f"{done} {when:%d %B %Y, %H:%M} UTC")
    for left in one["remains"]:
        table.add_row(f"{left['what'].replace('_', ' ')} remain", Text(left["why"]))
    table.add_row("policy", one["policy"])
    title = f"erased ({one['why']}) · act {one['action_id']} · log {one['log']}, leaf {one['leaf']}"
    out.print(Panel(table, title=Text(title), title_align="left"))
