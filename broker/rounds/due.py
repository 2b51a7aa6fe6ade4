"""What is overdue, read from the auditors' log alone: anyone with the log can compute the same.

Leaves say when something is due. An overdue review or acknowledgement escalates, once; what waited too
long ends unseen; a release on which nobody looked back is taken back. The clock never shows anything.
"""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from broker.model.types import Action, ActionKind
from broker.record import HELD_FOR, LOOK_BACK_WITHIN

NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://safeguarding-broker.example/clock")
ANSWERS = frozenset({"acknowledge", "consider", "act", "no_further_action"})
CLOCK = "clock"
ALERT = "alert"
"""Channel of what lies on the recipient's own topic."""
EVER_BEFORE = datetime.datetime.min.replace(tzinfo=datetime.UTC)
"""Staff reference under which the desk's clock acts."""
NOT_ACKNOWLEDGED, NOT_REVIEWED = "not_acknowledged", "not_reviewed"
LOOKED_BACK = frozenset(
    {"looked_back_justified", "break_glass_not_justified", "break_glass_expired"}
)
Part = tuple[str, str, str]
"""Publisher, event id, part id."""


class _Open(msgspec.Struct, frozen=True):
    """Something that is due: of which part, for whom, when, since when."""

    part: Part
    recipient: str
    due: datetime.datetime
    decided_at: datetime.datetime
    round: int
    release: str | None = None
    alert: str | None = None
    """Of an alert on the recipient's own topic: its id, so that its next contact can be told."""
    roots: tuple[str, ...] = ()
    """Alerts whose answers stop its clock; with each, its reminders."""


class Standing(msgspec.Struct, frozen=True):
    """How many of one kind wait, how many of them are overdue, and for how long the oldest is."""

    waiting: int
    overdue: int
    longest: datetime.timedelta


class DueBook:
    """Takes leaves in the order of their log, and says what the clock must do by a given moment."""

    def __init__(self, desk: str) -> None:
        """`desk` is the organisation code under which the clock acts."""
        self._desk = desk
        self._set: list[Mapping[str, Any]] = []
        self._waiting: dict[tuple[Part, str], _Open] = {}
        self._alerts: dict[str, _Open] = {}
        self._chains: dict[str, list[str]] = {}
        """Alert -> itself and its reminders."""
        self._told: dict[tuple[Part, str], list[str]] = {}
        """Part and recipient -> the alerts that it had."""
        self._answers: dict[tuple[str, str], datetime.datetime] = {}
        """Alert or reminder, and who answered -> when last. Kept: its shard may be read first."""
        self._releases: dict[tuple[Part, str], _Open] = {}
        self._done: set[str] = set()

    def take(self, leaf: Mapping[str, Any]) -> None:
        """One leaf of an auditors' log, decoded."""
        if leaf["kind"] == "decision":
            self._set.append(leaf)
        elif leaf["kind"] == "closing":
            self._close(leaf)
        elif leaf["kind"] == "action":
            self._done.add(leaf["action_id"])
            if leaf["action"] in ANSWERS:
                self._answered(leaf)

    def due(self, now: datetime.datetime) -> Iterator[Action]:
        """Acts that the clock owes by `now`, each with an id that is always the same."""
        for one in self._waiting.values():
            if now >= one.decided_at + HELD_FOR:
                yield from self._act(ActionKind.EXPIRE, one, "held_expired", now)
            elif now >= one.due:
                yield from self._act(ActionKind.ESCALATE, one, NOT_REVIEWED, now)
        # What is answered stays answered.
        self._alerts = {
            name: one for name, one in self._alerts.items() if not self._is_answered(one)
        }
        for one in self._alerts.values():
            if now >= one.due:
                yield from self._act(ActionKind.ESCALATE, one, NOT_ACKNOWLEDGED, now)
        for one in self._releases.values():
            if now >= one.due:
                yield from self._act(ActionKind.EXPIRE, one, "break_glass_expired", now)

    def standing(self, now: datetime.datetime) -> Mapping[str, Standing]:
        """What is open, by kind: whether the clock has acted for it already or not."""
        asked = [one for one in self._alerts.values() if not self._is_answered(one)]
        kinds = {
            "acknowledgement": [one.due for one in asked],
            "review": [one.due for one in self._waiting.values()],
            "look_back": [one.due for one in self._releases.values()],
        }
        return {kind: _standing(moments, now) for kind, moments in kinds.items()}

    def _act(
        self, kind: ActionKind, one: _Open, reason: str, now: datetime.datetime
    ) -> Iterator[Action]:
        publisher, event_id, part_id = one.part
        name = "/".join((kind.value, *one.part, one.recipient, str(one.round), reason))
        action_id = str(uuid.uuid5(NAMESPACE, name))
        if action_id in self._done:
            return
        yield Action(
            action_id=action_id,
            kind=kind,
            organisation=self._desk,
            actor=CLOCK,
            event_id=event_id,
            part_id=part_id,
            event_publisher=publisher,
            recipient=one.recipient,
            confirms=one.release,
            alert_id=one.alert if reason == NOT_ACKNOWLEDGED else None,
            reason=reason,
            acted_at=now,
        )

    def _answered(self, leaf: Mapping[str, Any]) -> None:
        key = (leaf.get("alert_id") or "", leaf["publisher"])
        at = _moment(leaf["received_at"])
        self._answers[key] = max(at, self._answers.get(key, at))

    def _is_answered(self, one: _Open) -> bool:
        """By the recipient itself, or by the desk that passed the alert on; since it was decided."""
        organisation = one.recipient.partition(":")[0]
        return any(
            self._answers.get((alert, who), EVER_BEFORE) >= one.decided_at
            for root in one.roots
            for alert in self._chains[root]
            for who in (organisation, self._desk)
        )

    def _close(self, closing: Mapping[str, Any]) -> None:
        decided_at = _moment(closing["decided_at"])
        part: Part = (closing["publisher"], closing["event_id"], closing["part_id"])
        for leaf in self._set:
            self._decided(part, leaf, decided_at)
        self._set.clear()
        if LOOKED_BACK & set(closing["flags"]):
            for key in [key for key in self._releases if key[0] == part]:
                del self._releases[key]

    def _decided(self, part: Part, leaf: Mapping[str, Any], decided_at: datetime.datetime) -> None:
        recipient = leaf["recipient"]
        self._waiting.pop((part, recipient), None)
        if leaf["outcome"] == "DENY" and leaf.get("message_id"):
            self._withdrawn(part, recipient)
        if leaf.get("due") is None:
            return
        one = _Open(part, recipient, _moment(leaf["due"]), decided_at, leaf["round"])
        if leaf["outcome"] == "REVIEW":
            self._waiting[part, recipient] = one
            return
        if recipient.partition(":")[0] != self._desk:
            self._alerts[leaf["message_id"]] = self._sent(part, leaf, one)
        if "look_back_due" in leaf["obligations"]:
            self._releases[part, recipient] = msgspec.structs.replace(
                one, due=decided_at + LOOK_BACK_WITHIN, release=_first_of(leaf["reasons"])
            )

    def _sent(self, part: Part, leaf: Mapping[str, Any], one: _Open) -> _Open:
        """An alert, a reminder or a withdrawal that must be acknowledged."""
        name, had = leaf["message_id"], self._told.setdefault((part, one.recipient), [])
        if leaf["outcome"] == "DENY":
            return msgspec.structs.replace(one, roots=tuple(had))
        root = leaf.get("reminds_of") or name
        self._chains.setdefault(root, []).append(name)
        had.append(root)
        # One that is served by hand has no topic for a reminder: the desk is told at once.
        own = name if leaf["channel"] == ALERT else None
        return msgspec.structs.replace(one, alert=own, roots=(root,))

    def _withdrawn(self, part: Part, recipient: str) -> None:
        """What the recipient had of the part needs no acknowledgement any more; the withdrawal does."""
        gone = [
            name
            for name, one in self._alerts.items()
            if one.part == part and one.recipient == recipient
        ]
        for name in gone:
            del self._alerts[name]


def _standing(moments: Sequence[datetime.datetime], now: datetime.datetime) -> Standing:
    late = [now - due for due in moments if now >= due]
    return Standing(len(moments), len(late), max(late, default=datetime.timedelta()))


def _first_of(reasons: list[str]) -> str | None:
    """The first act of the two that released: `release/<first>/<second>`."""
    for reason in reasons:
        kind, _, rest = reason.partition("/")
        if kind == "release":
            return rest.partition("/")[0]
    return None


def _moment(milliseconds: int) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(milliseconds / 1000, datetime.UTC)
