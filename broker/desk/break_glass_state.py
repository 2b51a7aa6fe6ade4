"""Break-glass releases as the desk knows them: who asked, who confirmed, who looked back, by when.

Made from the desk's own acts and from the queue, in which a release waits for its second person; so
one that was asked for elsewhere (at a terminal, at another desk) is here too.
"""

from __future__ import annotations

import datetime
from enum import StrEnum

import msgspec

from broker.client.desk import HeldPart
from broker.desk.outbox import Queued, State
from broker.desk.review_queue import release_asked
from broker.model.types import Action, ActionKind
from broker.record import LOOK_BACK_WITHIN
from broker.rounds.acts import CONFIRM_WITHIN

CARRIED_OUT_WITHIN = datetime.timedelta(minutes=2)
NOT_TAKEN = {State.REJECTED, State.REFUSED}
ON_ITS_WAY = {State.WAITING, State.SENT}


class Stage(StrEnum):
    """How far a release has come."""

    NOT_TAKEN = "not_taken"
    """The broker did not take what the first person asked."""
    WAITS = "waits"
    """For its second person. Nothing is shown yet."""
    LAPSED = "lapsed"
    """Nobody confirmed within the hour."""
    WITHOUT_EFFECT = "without_effect"
    """It was confirmed, and the broker showed nothing."""
    SHOWN = "shown"
    """Confirmed: the minimum is shown, and must be looked back on."""
    LOOKED_BACK = "looked_back"


class Release(msgspec.Struct, frozen=True):
    """One release on vital interests."""

    ask_id: str
    publisher: str
    event_id: str
    recipient: str
    part_id: str | None
    ask: Queued | None = None
    """The first person's act; None where it was asked for elsewhere."""
    confirm: Queued | None = None
    look_back: Queued | None = None
    parts: tuple[str, ...] = ()
    """Parts that wait for its second person."""

    def stage(self, now: datetime.datetime) -> Stage:
        """How far it has come."""
        if self.ask is not None and self.ask.state in NOT_TAKEN:
            return Stage.NOT_TAKEN
        if self.look_back is not None:
            return Stage.LOOKED_BACK
        if self.confirm is None:
            lapsed = self.ask is not None and now > self.ask.queued_at + CONFIRM_WITHIN
            return Stage.LAPSED if lapsed else Stage.WAITS
        if self.parts and now > self.confirm.queued_at + CARRIED_OUT_WITHIN:
            return Stage.WITHOUT_EFFECT
        return Stage.SHOWN

    def due(self, now: datetime.datetime) -> datetime.datetime | None:
        """When the next person must have acted."""
        stage = self.stage(now)
        if stage is Stage.WAITS and self.ask is not None:
            return self.ask.queued_at + CONFIRM_WITHIN
        if stage is Stage.SHOWN and self.confirm is not None:
            return self.confirm.queued_at + LOOK_BACK_WITHIN
        return None

    def is_moving(self, now: datetime.datetime) -> bool:
        """Whether an act of it is on its way, so that a page must look again."""
        acts = [one for one in (self.ask, self.confirm, self.look_back) if one is not None]
        if any(one.state in ON_ITS_WAY for one in acts):
            return True
        return self.stage(now) is Stage.SHOWN and bool(self.parts)

    def reason(self) -> str:
        """Why the first person asked; empty where that is not known here."""
        statement = self.ask.statement if self.ask else None
        return (statement.reason or "") if isinstance(statement, Action) else ""


def releases(acts: list[Queued], waiting: list[HeldPart]) -> list[Release]:
    """Every release, the newest first. `acts`: releases and look backs of this desk, in order."""
    found: dict[str, Release] = {}
    for one in acts:
        action = one.statement
        if not isinstance(action, Action):
            continue
        name = action.confirms or action.action_id
        known = found.get(name) or Release(
            name,
            action.event_publisher or "",
            action.event_id or "",
            action.recipient or "",
            action.part_id,
        )
        found[name] = _with(known, one, action)
    for held in waiting:
        for recipient, name in release_asked(held).items():
            content = held.content
            known = found.get(name) or Release(
                name, content.publisher, content.event_id, recipient, content.part_id
            )
            parts = (*known.parts, content.part_id)
            found[name] = msgspec.structs.replace(known, parts=parts)
    return list(reversed(found.values()))


def _with(known: Release, one: Queued, action: Action) -> Release:
    if action.confirms is None:
        return msgspec.structs.replace(known, ask=one)
    if one.state in NOT_TAKEN:
        return known
    if action.kind is ActionKind.RELEASE:
        return known if known.confirm else msgspec.structs.replace(known, confirm=one)
    return msgspec.structs.replace(known, look_back=one)
