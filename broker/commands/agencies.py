"""`broker publish` and `broker subscribe`: the clients of broker.client, at the command line."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack

import msgspec

from broker.client import (
    NotConnectedError,
    OpenedAlert,
    PublishedRecord,
    Publisher,
    Refusal,
    Subscriber,
)
from broker.client.connection import address_of
from broker.commands.deciding import Row
from broker.commands.statements import StatementLine
from broker.shell.keys import KeysError
from broker.shell.settings import Settings

ACCEPTED, DUPLICATE, REJECTED = "accepted", "duplicate", "rejected"
NOT_SENT, NO_RECEIPT = "not_sent", "no_receipt"
OUTCOMES = (ACCEPTED, DUPLICATE, REJECTED, NOT_SENT, NO_RECEIPT)


NO_PATIENCE_S = 0.5
"""What is waited for a receipt after one that did not come."""


class Sent(msgspec.Struct, frozen=True):
    """One line as far as it went: sent and waiting for its receipt, or not sent and why."""

    line: StatementLine
    publisher: Publisher | None = None
    published: PublishedRecord | None = None
    failure: str = ""
    reason: str | None = None


async def publish_lines(
    lines: Sequence[StatementLine], settings: Settings, timeout_s: float
) -> AsyncIterator[Row]:
    """Publishes each line as its publisher; yields one object a line when its receipt is there.

    Every line gets exactly one object with an `outcome` of OUTCOMES. Raises ClientError where
    Kafka does not answer.
    """
    address_of(settings)
    async with AsyncExitStack() as stack:
        publishers: dict[str, Publisher | str] = {}
        sent = [await _send(line, publishers, stack, settings) for line in lines]
        patience = timeout_s
        for one in sent:
            row = await _outcome(one, patience)
            # Where the broker is silent, one wait is enough for all that follow.
            patience = NO_PATIENCE_S if row["outcome"] == NO_RECEIPT else timeout_s
            yield row


def line_of(row: Row) -> str:
    """One published line's outcome in words."""
    said = f"line {row['line']}: {row['event_id'] or 'unreadable'}: "
    said += str(row["outcome"]).replace("_", " ")
    if row.get("parts"):
        said += f", {row['parts']} part{'s' if row['parts'] > 1 else ''}"
    if row.get("flags"):
        said += f", flags {', '.join(row['flags'])}"
    if row["reason"]:
        said += f" ({row['reason']})"
    why = str(row["explanation"] or "").removeprefix(f"line {row['line']}: ")
    return said + (f": {why}" if why else "")


def summary_of(counts: Counter[str]) -> str:
    """The last line: every line of the file accounted for."""
    words = ", ".join(f"{counts[name]} {name.replace('_', ' ')}" for name in OUTCOMES)
    return f"{counts.total()} lines: {words}"


def all_taken(counts: Counter[str]) -> bool:
    """True if the broker has every line, be it from an earlier time."""
    return counts.total() == counts[ACCEPTED] + counts[DUPLICATE]


async def alerts_of(
    organisation: str,
    settings: Settings,
    *,
    from_start: bool,
    count: int | None,
    on_refusal: Callable[[Refusal], None],
) -> AsyncIterator[OpenedAlert]:
    """Verified alerts of one organisation, at most `count`, else without end."""
    handed = 0
    async with Subscriber.connect(
        organisation, settings, from_start=from_start, on_refusal=on_refusal
    ) as alerts:
        while count is None or handed < count:
            yield await anext(alerts)
            handed += 1


async def _send(
    line: StatementLine,
    publishers: dict[str, Publisher | str],
    stack: AsyncExitStack,
    settings: Settings,
) -> Sent:
    if line.statement is None:
        rejection = line.rejection
        reason = rejection.reason if rejection else None
        return Sent(line, failure=rejection.explanation if rejection else "", reason=reason)
    publisher = publishers.get(line.publisher)
    if publisher is None:
        publisher = await _connected(line.publisher, stack, settings)
        publishers[line.publisher] = publisher
    if isinstance(publisher, str):
        return Sent(line, failure=publisher, reason="unknown_publisher")
    return Sent(line, publisher, await publisher.publish(line.statement))


async def _connected(
    organisation: str, stack: AsyncExitStack, settings: Settings
) -> Publisher | str:
    """A publisher, or why there is none for this organisation."""
    try:
        return await stack.enter_async_context(Publisher.connect(organisation, settings))
    except (KeysError, NotConnectedError) as error:
        return str(error)


async def _outcome(sent: Sent, timeout_s: float) -> Row:
    row: Row = {
        "line": sent.line.number,
        "event_id": sent.line.statement_id,
        "publisher": sent.line.publisher,
    }
    if sent.publisher is None or sent.published is None:
        return row | {"outcome": NOT_SENT, "reason": sent.reason, "explanation": sent.failure}
    row |= {"topic": sent.published.topic, "offset": sent.published.offset}
    try:
        receipt = await sent.publisher.wait_for_receipt(sent.published, timeout_s)
    except TimeoutError:
        refused = f"; {sent.publisher.refused[0]}" if sent.publisher.refused else ""
        return row | {
            "outcome": NO_RECEIPT,
            "reason": None,
            "explanation": f"no receipt in time: the record is with Kafka; see that "
            f"`broker up` runs, then publish again, which is harmless{refused}",
        }
    content = receipt.content
    return row | {
        "outcome": content.outcome.value,
        "reason": content.reason,
        "explanation": content.explanation,
        "parts": content.parts,
        "flags": list(content.flags),
        "receipt": receipt.receipt_id,
    }
