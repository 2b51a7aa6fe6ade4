"""Acts of a reviewer: made from a form, checked, and put into the outbox once."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Sequence
from typing import Any

import msgspec

from broker.client.desk import HeldPart
from broker.desk import outbox
from broker.desk.people import Person
from broker.desk.running import RunningDesk
from broker.model.types import Action, ActionKind
from broker.rounds.acts import PERMIT, REFUSE

EVERYONE = "everyone"
LONGEST_REASON = 2_000


class Wrong(msgspec.Struct, frozen=True):
    """What a person must change in a form: which field, and how to put it right."""

    field: str
    text: str


def text_of(data: dict[str, Any], name: str) -> str:
    """One field of a form, without blanks around it."""
    value = data.get(name)
    return value.strip() if isinstance(value, str) else ""


def several_of(data: dict[str, Any], name: str) -> tuple[str, ...]:
    """Every value of a field of a form that may be there more than once."""
    value = data.get(name)
    found = value if isinstance(value, list) else [] if value is None else [value]
    return tuple(one for one in found if isinstance(one, str))


def act_id_of(data: dict[str, Any]) -> str:
    """The id that the page was made with. Raises ValueError where it is none of ours."""
    return str(uuid.UUID(text_of(data, "act_id")))


def reason_wrong(reason: str) -> list[Wrong]:
    """Where a reason is missing or too long."""
    if not reason:
        return [Wrong("reason", "Write why, in a sentence: the auditors read it")]
    if len(reason) > LONGEST_REASON:
        return [Wrong("reason", f"Write no more than {LONGEST_REASON} characters")]
    return []


def verdict_wrong(data: dict[str, Any], waiting: Sequence[str]) -> list[Wrong]:
    """What is wrong with a verdict; nothing where it can be sent."""
    wrong = []
    if text_of(data, "verdict") not in {PERMIT, REFUSE}:
        wrong.append(Wrong("verdict", "Choose whether you permit or refuse"))
    if text_of(data, "recipient") not in {EVERYONE, *waiting}:
        wrong.append(Wrong("recipient", "Choose for whom you decide"))
    return [*wrong, *reason_wrong(text_of(data, "reason"))]


def act(person: Person, kind: ActionKind, act_id: str, reason: str, **about: Any) -> Action:
    """An act of that person, now."""
    return Action(
        action_id=act_id,
        kind=kind,
        organisation=person.organisation,
        actor=person.staff_ref,
        reason=reason or None,
        acted_at=datetime.datetime.now(datetime.UTC).replace(microsecond=0),
        **about,
    )


def about_part(held: HeldPart) -> dict[str, str]:
    """How an act names a part."""
    content = held.content
    return {
        "event_publisher": content.publisher,
        "event_id": content.event_id,
        "part_id": content.part_id,
    }


async def send(desk: RunningDesk, action: Action, about: str = "") -> None:
    """Keeps it for sending and wakes the sender; the second time nothing happens."""
    outbox.put(desk.store, action, actor=action.actor, about=about)
    await desk.tell_changed()
