"""A story told to the flow without Kafka: events and acts in order, and what every log then holds."""

from __future__ import annotations

import datetime
import json
import uuid
from typing import Any

from broker.examples.scenarios import load_scenarios
from broker.model import types as t
from broker.model.codec import decode
from broker.model.sealer import sealed_for
from broker.model.sealing import unpad, unseal
from broker.model.values import SourcePosition
from broker.offline import Outcome
from tests.oracle import SECRET, offline_flow

S1 = load_scenarios()[0]
WARNING = S1.events[0]
AT = S1.publications[0].at
DESK = "DUTY-DESK"
WV, SW, WMP, SCHOOL = "E08000031:csc", "E08000028:mash", "E23000014:police", "SCH-WV-001:school"
TOLD = {WV, SW, WMP, SCHOOL}


class Story:
    """One flow; keeps every leaf and every delivery in order."""

    def __init__(self) -> None:
        self.flow = offline_flow()
        self.leaves: list[dict[str, Any]] = []
        self.alerts: list[t.AlertContent] = []
        self.withdrawals: list[t.Withdrawal] = []
        self.receipts: list[tuple[str, t.ReceiptContent]] = []
        self._offset = 0

    def tell(self, statement: t.ConcernEvent | t.Action, at: datetime.datetime = AT) -> Outcome:
        """One statement, received then."""
        is_action = isinstance(statement, t.Action)
        owner = statement.organisation if isinstance(statement, t.Action) else statement.publisher
        kind = "actions" if is_action else "concerns"
        self._offset += 1
        outcome = self.flow.submit(
            statement, at, SourcePosition(f"{kind}.v1.{owner}", 0, self._offset)
        )
        for one in outcome.sets:
            self.leaves += [json.loads(leaf) for leaf in one.leaves]
            for delivery in one.deliveries:
                plain = unpad(
                    unseal(SECRET, delivery.sealed, sealed_for(delivery.recipient, one.set_id))
                )
                kind_of = json.loads(delivery.leaf)["kind"]
                if kind_of == "alert":
                    self.alerts.append(decode(plain, t.AlertContent))
                elif kind_of == "receipt":
                    self.receipts.append((delivery.recipient, decode(plain, t.ReceiptContent)))
                elif kind_of == "withdrawal":
                    self.withdrawals.append(decode(plain, t.Withdrawal))
        return outcome

    def decisions(self, round_: int, event_id: str = WARNING.event_id) -> list[dict[str, Any]]:
        """Decision leaves of one round of the event's parts."""
        return [
            one
            for one in self.leaves
            if one["kind"] == "decision" and one["round"] == round_ and one["event_id"] == event_id
        ]

    def closing(self, round_: int, event_id: str = WARNING.event_id) -> dict[str, Any]:
        """The closing leaf of one round."""
        (found,) = [
            one
            for one in self.leaves
            if one["kind"] == "closing" and one["round"] == round_ and one["event_id"] == event_id
        ]
        return found

    def alert(self, recipient: str) -> t.AlertContent:
        """The last alert to a recipient."""
        return next(one for one in reversed(self.alerts) if one.recipient == recipient)

    def answer(self, recipient: str, kind: str, **changes: Any) -> t.Action:
        """What the recipient of the last such alert answers."""
        alert = self.alert(recipient)
        given: dict[str, Any] = {
            "action_id": str(uuid.uuid4()),
            "kind": t.ActionKind(kind),
            "organisation": recipient.partition(":")[0],
            "actor": "desk-4",
            "alert_id": alert.alert_id,
            "reply": alert.reply,
            "reason": "Read with the allocated worker.",
            "acted_at": AT,
        }
        return t.Action(**(given | changes))

    def fates(self) -> list[tuple[str, t.Fate]]:
        """What publishers learnt of what came of their statements: (publisher, fate)."""
        return [(who, one.fate) for who, one in self.receipts if one.fate is not None]

    def told(self) -> list[str]:
        """Recipients of every alert so far."""
        return [one.recipient for one in self.alerts]


def act(kind: str, **changes: Any) -> t.Action:
    """An act of the duty desk on the warning."""
    given: dict[str, Any] = {
        "action_id": str(uuid.uuid4()),
        "kind": t.ActionKind(kind),
        "organisation": DESK,
        "actor": "desk-1",
        "event_publisher": WARNING.publisher,
        "event_id": WARNING.event_id,
        "reason": "as the procedure asks",
        "acted_at": AT,
    }
    return t.Action(**(given | changes))


def later(**delta: float) -> datetime.datetime:
    """A moment after the warning."""
    return AT + datetime.timedelta(**delta)
