"""Subscriber: verified alerts, one after the other, each handed over at least once.

An alert is shown only if its proof holds and it is not withdrawn. What is refused is kept in
`refused` (and given to a callback), never dropped in silence, and never stops those that follow.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, Self

import msgspec
from aiokafka import TopicPartition
from aiokafka.errors import CommitFailedError

from broker.client.connection import (
    HoldsKeys,
    address_of,
    assign,
    consumer_of,
    partition_of,
    read_to_end,
)
from broker.client.opening import (
    OpenedAlert,
    RefusedAlertError,
    open_alert,
    open_receipt,
    open_withdrawal,
)
from broker.client.ownlog import LogPosition, MissingEntries, OwnLogs
from broker.model.types import Withdrawal
from broker.shell.acls import group_of
from broker.shell.key_ring import OwnKeys
from broker.shell.keys import AgencyKeys
from broker.shell.settings import Settings
from broker.shell.watch.hops import OFF, Traces, context_of, context_of_set

LOOKS = 4
"""How often the topics are read before an entry is called missing: others may be on their way."""
LOOK_AGAIN_S = 0.5


class Refusal(msgspec.Struct, frozen=True):
    """A record that was not shown: where it lies, which check failed, and what to do."""

    topic: str
    offset: int
    check: str
    explanation: str


class Subscriber(HoldsKeys):
    """One organisation's alerts as an async iterator. Open it with `Subscriber.connect`."""

    def __init__(
        self,
        keys: AgencyKeys | OwnKeys,
        settings: Settings,
        alerts: Any,
        withdrawals: tuple[Any, TopicPartition],
        on_refusal: Callable[[Refusal], None] | None = None,
    ) -> None:
        """`alerts` and `withdrawals` are started consumers; `connect` makes them."""
        super().__init__(keys)
        self._settings = settings
        self._alerts = alerts
        self._withdrawals, self._withdrawn_at = withdrawals
        self._on_refusal = on_refusal
        self._logs = OwnLogs()
        self._commits = False
        self._traces: Traces = OFF
        self._handed_over: dict[TopicPartition, int] = {}
        self.refused: list[Refusal] = []
        """Records whose proof did not hold, in order."""
        self.withdrawn: dict[str, Withdrawal] = {}
        """Alert id -> withdrawal, as far as known; also of alerts that were handed over before."""
        self.held_back: list[str] = []
        """Ids of alerts that came and were withdrawn, so that they were not handed over."""

    @classmethod
    @asynccontextmanager
    async def connect(
        cls,
        organisation: str,
        settings: Settings | None = None,
        *,
        from_start: bool = False,
        on_refusal: Callable[[Refusal], None] | None = None,
    ) -> AsyncIterator[Self]:
        """A subscriber for `organisation`, with its keys from the key folder of `settings`.

        It goes on where the organisation's group `<organisation>.alerts` left off; with
        `from_start` it reads all that is kept, without the group. An alert counts as handed over
        when the next one is asked for or the block ends without an error. Raises ClientError where
        Kafka or the topics are missing, KeysError where the keys are.
        """
        used = settings or Settings()
        address_of(used)
        keys = OwnKeys(used.keys_dir, organisation)
        group = None if from_start else group_of(organisation, "alerts")
        async with (
            consumer_of(used, organisation, group) as alerts,
            consumer_of(used, organisation) as withdrawals,
        ):
            alerts_at = await partition_of(alerts, f"alerts.v1.{organisation}", used)
            withdrawn_at = await partition_of(withdrawals, f"withdrawn.v1.{organisation}", used)
            assign(withdrawals, withdrawn_at)
            found = cls(keys, used, alerts, (withdrawals, withdrawn_at), on_refusal)
            found._traces = Traces.of(used, "client")
            await found._read_withdrawals()
            found._commits = group is not None
            if group is None:
                alerts.assign([alerts_at])
                await alerts.seek_to_beginning(alerts_at)
            else:
                alerts.subscribe([alerts_at.topic])
            yield found
            await found._commit()
            found._traces.close()

    def __aiter__(self) -> Self:
        """The subscriber itself: it never ends of its own accord."""
        return self

    async def __anext__(self) -> OpenedAlert:
        """The next alert whose proof holds and that is not withdrawn; waits for one."""
        await self._commit()
        while True:
            record = await self._alerts.getone()
            alert = self._opened(record)
            await self._read_withdrawals()
            self._handed_over[TopicPartition(record.topic, record.partition)] = record.offset + 1
            if alert is None:
                continue
            if alert.alert_id in self.withdrawn:
                self.held_back.append(alert.alert_id)
                continue
            self._traced(record, alert)
            return alert

    def _traced(self, record: Any, alert: OpenedAlert) -> None:
        """The last step of its way. A context other than the set's own is nobody's that may be believed."""
        context = context_of(record.headers)
        if context == context_of_set(alert.set_id):
            self._traces.go_on("read", context).end(channel="alert")

    async def missing_from_own_log(self) -> tuple[MissingEntries, ...]:
        """Indexes of the organisation's own logs that no alert, receipt or withdrawal came for.

        Reads the three topics from their start. Kafka keeps them for a time (deploy/topics.yaml),
        so entries older than that are named too. Empty: nothing that was recorded is missing.
        """
        logs = OwnLogs()
        organisation = self._keys.identity.organisation
        async with consumer_of(self._settings, organisation) as consumer:
            partitions = [
                await partition_of(consumer, f"{kind}.v1.{organisation}", self._settings)
                for kind in ("alerts", "receipts", "withdrawn")
            ]
            assign(consumer, *partitions)
            await consumer.seek_to_beginning(*partitions)
            self._remember_all(await read_to_end(consumer, *partitions), logs)
            sizes = logs.sizes()
            for _ in range(LOOKS - 1):
                if not logs.missing(sizes):
                    break
                await asyncio.sleep(LOOK_AGAIN_S)
                self._remember_all(await read_to_end(consumer, *partitions), logs)
        return logs.missing(sizes)

    def _remember_all(self, records: list[Any], logs: OwnLogs) -> None:
        """Takes note of every entry whose proof holds; the others are refused."""
        positions = [(record, self._position_of(record)) for record in records]
        # Topics are read side by side: only in the order of the log is a smaller size suspicious.
        proved = sorted(
            ((record, at) for record, at in positions if at is not None),
            key=lambda pair: (pair[1].origin, pair[1].index),
        )
        for record, position in proved:
            self._seen(record, position, logs)

    def _position_of(self, record: Any) -> LogPosition | None:
        try:
            if record.topic.startswith("receipts."):
                return open_receipt(record.value or b"", self._keys).position
            if record.topic.startswith("alerts."):
                return open_alert(record.value or b"", self._keys).position
            return open_withdrawal(record.value, self._keys).position if record.value else None
        except RefusedAlertError as error:
            self._refuse(record, error)
            return None

    def _opened(self, record: Any) -> OpenedAlert | None:
        """The alert, or None if it was refused."""
        try:
            alert = open_alert(record.value or b"", self._keys)
        except RefusedAlertError as error:
            self._refuse(record, error)
            return None
        return alert if self._seen(record, alert.position, self._logs) else None

    def _seen(self, record: Any, position: LogPosition, logs: OwnLogs) -> bool:
        """Whether the position fits what was seen of the log before; refuses it if not."""
        objection = logs.objection(position)
        if objection is not None:
            self._refuse(record, RefusedAlertError("rolled_back", objection))
        return objection is None

    def _refuse(self, record: Any, error: RefusedAlertError) -> None:
        refusal = Refusal(record.topic, record.offset, error.check, str(error))
        self.refused.append(refusal)
        if self._on_refusal is not None:
            self._on_refusal(refusal)

    async def _read_withdrawals(self) -> None:
        """Everything on the withdrawn topic up to its end as of now."""
        for record in await read_to_end(self._withdrawals, self._withdrawn_at):
            if record.value is None:
                continue
            try:
                withdrawal = open_withdrawal(record.value, self._keys).content
            except RefusedAlertError as error:
                self._refuse(record, error)
            else:
                self.withdrawn[withdrawal.alert_id] = withdrawal

    async def _commit(self) -> None:
        """Tells the group what was handed over."""
        if self._commits and self._handed_over:
            # If another of the organisation's subscribers took over, it hands over again.
            with suppress(CommitFailedError):
                await self._alerts.commit(self._handed_over)
            self._handed_over = {}
