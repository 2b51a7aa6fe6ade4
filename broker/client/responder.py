"""Answers to alerts, and what came of one's own statements.

async with Responder.connect("SCH-SW-001") as desk:
    alert = await desk.find(alert_id)
    await desk.acknowledge(alert, actor="duty-worker-07")
    await desk.act(alert, actor="duty-worker-07", plan="CP-2026-118")
"""

from __future__ import annotations

import datetime
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Self

from broker.client.connection import ClientError, HoldsKeys, whole_topic
from broker.client.opening import (
    OpenedAlert,
    OpenedReceipt,
    RefusedAlertError,
    open_alert,
    open_receipt,
)
from broker.client.publisher import Publisher
from broker.model.types import Action, ActionKind, IntakeOutcome
from broker.shell.key_ring import OwnKeys
from broker.shell.keys import AgencyKeys
from broker.shell.settings import Settings


class Responder(HoldsKeys):
    """One organisation's answers. Open it with `Responder.connect`."""

    def __init__(
        self, keys: AgencyKeys | OwnKeys, settings: Settings, publisher: Publisher
    ) -> None:
        """`publisher` publishes as the organisation."""
        super().__init__(keys)
        self._settings = settings
        self._publisher = publisher

    @classmethod
    @asynccontextmanager
    async def connect(
        cls, organisation: str, settings: Settings | None = None
    ) -> AsyncIterator[Self]:
        """Raises ClientError where Kafka or the topics are missing, KeysError where the keys are."""
        used = settings or Settings()
        async with Publisher.connect(organisation, used) as publisher:
            yield cls(OwnKeys(used.keys_dir, organisation), used, publisher)

    async def find(self, alert_id: str) -> OpenedAlert:
        """The alert on the organisation's topic whose id begins so, its proof checked.

        Raises ClientError for none or several, RefusedAlertError where its proof does not hold.
        """
        found: dict[str, OpenedAlert] = {}
        for record in await self._records("alerts"):
            # The key is the alert's id: others need not be opened.
            if record.key and record.key.decode().startswith(alert_id):
                alert = open_alert(record.value or b"", self._keys)
                found[alert.alert_id] = alert
        if len(found) == 1:
            return next(iter(found.values()))
        several = "several alerts lie" if found else "no alert lies"
        organisation = self._keys.identity.organisation
        raise ClientError(
            f"{several} on alerts.v1.{organisation} whose id begins with {alert_id!r}: see "
            f"`broker subscribe {organisation} --from-start`"
        )

    async def acknowledge(
        self, alert: OpenedAlert, *, actor: str, originator_may_know: bool = True
    ) -> OpenedReceipt:
        """Somebody has it: stops the clock. Returns the receipt of the answer."""
        return await self._answer(ActionKind.ACKNOWLEDGE, alert, actor, originator_may_know)

    async def consider(
        self, alert: OpenedAlert, *, actor: str, reason: str, originator_may_know: bool = True
    ) -> OpenedReceipt:
        """It was weighed, and why so."""
        return await self._answer(
            ActionKind.CONSIDER, alert, actor, originator_may_know, reason=reason
        )

    async def act(
        self,
        alert: OpenedAlert,
        *,
        actor: str,
        reason: str | None = None,
        plan: str | None = None,
        originator_may_know: bool = True,
    ) -> OpenedReceipt:
        """Something was done; `plan` is the reference of the plan or assessment that it went into."""
        return await self._answer(
            ActionKind.ACT, alert, actor, originator_may_know, reason=reason, plan=plan
        )

    async def no_further_action(
        self, alert: OpenedAlert, *, actor: str, reason: str, originator_may_know: bool = True
    ) -> OpenedReceipt:
        """Nothing more will be done, and why not."""
        return await self._answer(
            ActionKind.NO_FURTHER_ACTION, alert, actor, originator_may_know, reason=reason
        )

    async def fates(self, event_id: str | None = None) -> tuple[OpenedReceipt, ...]:
        """What came of the organisation's own statements, as far as it may know, in order.

        Receipts whose proof does not hold are left out. Kafka keeps them for a time (deploy/topics.yaml).
        """
        found = []
        for record in await self._records("receipts"):
            try:
                receipt = open_receipt(record.value or b"", self._keys)
            except RefusedAlertError:
                continue
            mine = event_id is None or (receipt.content.event_id or "").startswith(event_id)
            if mine and receipt.content.outcome is IntakeOutcome.ANSWERED:
                found.append(receipt)
        return tuple(found)

    async def _answer(
        self,
        kind: ActionKind,
        alert: OpenedAlert,
        actor: str,
        originator_may_know: bool,
        **said: Any,
    ) -> OpenedReceipt:
        action = answer_to(alert, kind, actor, originator_may_know=originator_may_know, **said)
        return await self._publisher.publish_and_wait(action)

    async def _records(self, kind: str) -> list[Any]:
        """All records of one of the organisation's topics, in order."""
        own = self._keys.identity.organisation
        return await whole_topic(self._settings, own, f"{kind}.v1.{own}")


def answer_to(
    alert: OpenedAlert, kind: ActionKind, actor: str, action_id: str | None = None, **said: Any
) -> Action:
    """The signed act by which the organisation of an alert answers it; not published yet.

    `action_id` of an act that may be sent again; a new one without it.
    """
    return Action(
        action_id=action_id or str(uuid.uuid4()),
        kind=kind,
        organisation=alert.content.recipient.partition(":")[0],
        actor=actor,
        alert_id=alert.alert_id,
        reply=alert.content.reply,
        acted_at=datetime.datetime.now(datetime.UTC).replace(microsecond=0),
        **said,
    )
