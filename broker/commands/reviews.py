"""What `broker review` and `broker break-glass` do and show."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any

import msgspec
from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from broker.client import ClientError
from broker.client.desk import Desk, HeldPart, new_act_id
from broker.commands.deciding import Row
from broker.model.types import Action, ActionKind
from broker.reference import ReasonCode
from broker.shell.keys import DESK
from broker.shell.settings import Settings


async def queue(settings: Settings) -> tuple[HeldPart, ...]:
    """Everything that waits for a person."""
    async with Desk.connect(settings) as desk:
        return await desk.queue()


async def one_held(settings: Settings, part: str) -> HeldPart:
    """The waiting part whose id begins with `part`."""
    async with Desk.connect(settings) as desk:
        return await desk.find(part)


async def review(
    settings: Settings,
    part: str,
    verdict: str,
    reason: str,
    actor: str,
    recipient: str | None,
    fields: Sequence[str],
) -> Row:
    """A person's verdict on a waiting part; what became of the act. Raises ClientError."""
    async with Desk.connect(settings) as desk:
        held = await desk.find(part)
        if recipient is not None and all(
            one.recipient != recipient for one in held.content.waiting
        ):
            raise ClientError(f"{recipient} does not wait: see `broker review show {part}`")
        action = _act(
            ActionKind.REVIEW,
            actor,
            reason,
            event_publisher=held.content.publisher,
            event_id=held.content.event_id,
            part_id=held.content.part_id,
            recipient=recipient,
            verdict=verdict,
            fields=tuple(fields),
        )
        return await _done(desk, action)


async def break_glass(settings: Settings, actor: str, reason: str, **about: Any) -> Row:
    """One step of a release on vital interests, or of looking back on it."""
    kind = ActionKind.LOOK_BACK if about.get("verdict") else ActionKind.RELEASE
    async with Desk.connect(settings) as desk:
        return await _done(desk, _act(kind, actor, reason, **about))


def _act(kind: ActionKind, actor: str, reason: str, **about: Any) -> Action:
    now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    return Action(
        action_id=new_act_id(),
        kind=kind,
        organisation=DESK,
        actor=actor,
        reason=reason,
        acted_at=now,
        **about,
    )


async def _done(desk: Desk, action: Action) -> Row:
    receipt = (await desk.act(action)).content
    return {
        "action_id": action.action_id,
        "kind": action.kind.value,
        "outcome": receipt.outcome.value,
        "reason": receipt.reason,
        "explanation": receipt.explanation,
    }


def held_row(held: HeldPart) -> Row:
    """A waiting part as one JSON-ready object; the event's own words are not in it."""
    content = held.content
    return {
        "part_id": content.part_id,
        "publisher": content.publisher,
        "event_id": content.event_id,
        "event_type": held.event.event_type.value,
        "severity": held.event.severity.value,
        "subject_ref": content.subject_ref,
        "waiting": msgspec.to_builtins(content.waiting),
        "received_at": content.received_at.isoformat(),
        "due": content.due.isoformat(),
        "expires_at": content.expires_at.isoformat(),
    }


def show_queue(out: Console, held: Sequence[HeldPart]) -> None:
    """One row a waiting part, the most urgent first."""
    if not held:
        out.print("Nothing waits for a person.")
        return
    table = Table(title="Waiting for a person", title_justify="left")
    for name in ("part", "from", "what", "waits for", "why", "due (UTC)"):
        table.add_column(name, overflow="fold")
    now = datetime.datetime.now(datetime.UTC)
    for one in held:
        content = one.content
        reasons = sorted({reason for w in content.waiting for reason in w.reasons})
        due = Text(f"{content.due:%d %b %H:%M}", style="bold red" if content.due < now else "")
        table.add_row(
            content.part_id[:8],
            content.publisher,
            f"{one.event.event_type.value}, {one.event.severity.value}".replace("_", " "),
            "\n".join(w.recipient for w in content.waiting),
            ", ".join(reasons),
            due,
        )
    out.print(table)


def show_held(out: Console, held: HeldPart, meanings: dict[str, ReasonCode]) -> None:
    """What the desk needs to decide: the statement for social care, who waits, and why."""
    content, event = held.content, held.event
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row("from", content.publisher)
    table.add_row("what", f"{event.event_type.value}, {event.severity.value}")
    for text in event.audience_texts:
        table.add_row(f"text for {text.audience.value.replace('_', ' ')}", Text(text.text))
    table.add_row("handling", ", ".join((event.handling.code, *event.handling.conditions)))
    for one in content.waiting:
        said = [
            f"{reason}: {meanings[reason].meaning}" if reason in meanings else reason
            for reason in one.reasons
        ]
        table.add_row(one.recipient, Text("\n".join(said)))
    table.add_row("due", f"{content.due:%A %d %B %Y, %H:%M} UTC; nothing is released by waiting")
    table.add_row("closes unseen", f"{content.expires_at:%A %d %B %Y}")
    title = f"{event.marking} · part {content.part_id}"
    out.print(Panel(table, title=Text(title), title_align="left"))
