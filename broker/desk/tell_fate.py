"""What became of a statement, in the words of people, from the receipts that came for it. Pure."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence

import msgspec

from broker.client.opening import OpenedReceipt
from broker.desk.outbox import Queued, State
from broker.model.types import IntakeOutcome, ReceiptContent
from broker.reference import ReasonCode

BY = {
    "authority": "Social care of a council",
    "council": "Social care of a council",
    "police": "The police",
    "icb": "A health body",
    "health_provider": "A hospital or another health service",
    "school": "A school",
    "charity": "A charity or a community organisation",
    "advocate": "A charity or a community organisation",
}
ANSWERS = {
    "acknowledge": "has read it",
    "consider": "has considered it",
    "act": "has acted on it",
    "no_further_action": "has considered it and does nothing further",
}
PLAN = "What you told went into a plan or an assessment."
OF_FLAGS = frozenset({"unsigned"})
"""Flags that say nothing to who told it."""


class Step(msgspec.Struct, frozen=True):
    """One thing that happened to a statement."""

    title: str
    at: datetime.datetime
    text: str = ""
    what_to_do: str = ""
    tone: str = "grey"
    """Colour of its tag; the words say the same."""


def story(
    queued: Queued, receipts: Sequence[OpenedReceipt], reasons: Mapping[str, ReasonCode]
) -> tuple[Step, ...]:
    """What happened so far, in order, the first that it was kept here."""
    steps = [Step("Kept", queued.queued_at, "It is signed, and kept here until the broker has it.")]
    if queued.state is not State.WAITING:
        steps.append(Step("Sent", queued.queued_at, "The broker has it and reads it.", tone="blue"))
    steps.extend(_of_receipt(one.content, reasons) for one in receipts)
    return tuple(steps)


def still_open(queued: Queued) -> bool:
    """Whether the broker has yet to say that it took it."""
    return queued.state in {State.WAITING, State.SENT}


def _of_receipt(content: ReceiptContent, reasons: Mapping[str, ReasonCode]) -> Step:
    if content.outcome is IntakeOutcome.ANSWERED:
        return _fate(content)
    if content.outcome in {IntakeOutcome.REJECTED, IntakeOutcome.REFUSED}:
        return _refused(content, reasons)
    if content.outcome is IntakeOutcome.DUPLICATE:
        text = "It came twice and counts once. There is nothing to do."
        return Step("Came again", content.received_at, text)
    noted = [reasons[flag] for flag in content.flags if flag in reasons and flag not in OF_FLAGS]
    return Step(
        "Taken in",
        content.received_at,
        " ".join([_parts(content.parts), *(one.meaning for one in noted)]),
        " ".join(one.what_to_do for one in noted),
        tone="green",
    )


def _parts(parts: int) -> str:
    """How many decisions follow; a statement that takes back has none of its own."""
    if parts == 0:
        return "It is carried out."
    each = "once for each child that it is about" if parts > 1 else "now"
    return f"Who is to be told is decided {each}, by the law and the agreements in force."


def _refused(content: ReceiptContent, reasons: Mapping[str, ReasonCode]) -> Step:
    known = reasons.get(content.reason or "")
    return Step(
        "Not taken in",
        content.received_at,
        content.explanation or (known.meaning if known else "It could not be read."),
        known.what_to_do if known else "Ask the broker's duty desk.",
        tone="red",
    )


def _fate(content: ReceiptContent) -> Step:
    fate = content.fate
    if fate is None:
        return Step("Answered", content.received_at)
    who = BY.get(fate.by, "Somebody who was told")
    text = f"{who} {ANSWERS.get(fate.answer, 'has answered')}."
    return Step(
        "Answered", fate.answered_at, f"{text} {PLAN}" if fate.plan_informed else text, tone="green"
    )
