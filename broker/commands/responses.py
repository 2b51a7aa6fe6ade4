"""What `broker respond` and `broker fate` do and show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from broker.client.opening import OpenedReceipt
from broker.client.responder import Responder
from broker.commands.deciding import Row
from broker.shell.settings import Settings


async def respond(
    settings: Settings, organisation: str, alert_id: str, method: str, **said: Any
) -> Row:
    """Finds the alert, answers it by that method of a Responder, and returns what became of the answer."""
    async with Responder.connect(organisation, settings) as responder:
        alert = await responder.find(alert_id)
        receipt: OpenedReceipt = await getattr(responder, method)(alert, **said)
    content = receipt.content
    return {
        "alert_id": alert.alert_id,
        "recipient": alert.content.recipient,
        "answer": method,
        "action_id": content.event_id,
        "outcome": content.outcome.value,
        "reason": content.reason,
        "explanation": content.explanation,
        "receipt": receipt.receipt_id,
    }


def line_of(row: Row) -> str:
    """One answer's outcome in words."""
    said = f"{row['recipient']}: {str(row['answer']).replace('_', ' ')} of {row['alert_id'][:16]}: "
    if row["outcome"] in ("accepted", "duplicate"):
        return f"{said}{row['outcome']}, receipt {row['receipt'][:16]}"
    return f"{said}{row['outcome']} ({row['reason']}): {row['explanation']}"


async def fates(settings: Settings, organisation: str, event_id: str | None) -> list[Row]:
    """What came of an organisation's statements, oldest first."""
    async with Responder.connect(organisation, settings) as responder:
        found = await responder.fates(event_id)
    return [_fate_row(one) for one in found]


def show_fates(out: Console, rows: Sequence[Row]) -> None:
    """A table with a sentence for each that can be read out."""
    if not rows:
        out.print("Nothing to tell yet, as far as you may know.")
        return
    table = Table(box=None, pad_edge=False)
    for name in ("answered at", "event", "what came of it"):
        table.add_column(name, overflow="fold")
    for row in rows:
        when = str(row["answered_at"])[:16].replace("T", " ")
        table.add_row(when, Text(str(row["event_id"])[:13]), Text(str(row["in_words"])))
    out.print(table)


def _fate_row(receipt: OpenedReceipt) -> Row:
    content, fate = receipt.content, receipt.content.fate
    return {
        "event_id": content.event_id,
        "answer": fate.answer if fate else None,
        "by": fate.by if fate else None,
        "answered_at": fate.answered_at.isoformat() if fate else None,
        "plan_informed": bool(fate and fate.plan_informed),
        "in_words": content.explanation,
        "receipt": receipt.receipt_id,
    }
