"""How far intake is ahead of what decide and the ledger have finished, and waiting where it is too far.

Asked of Kafka beside the loop: where both have come (decide by its group; the ledger, which stands in its own
store, says it here under a group of its own), and where their topics end. Nobody's answer is waited for
while there is room. Where Kafka does not say, intake stands still at the bound, and after a while takes a
trickle: what cannot be counted may not pile up, and nobody's warning may lie there for ever.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import faust
import structlog
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from broker.shell.kafka import DECISIONS_TOPIC, PARTS_TOPIC
from broker.shell.security import security_of_process
from broker.shell.settings import Settings
from broker.shell.topics import load_topics
from broker.shell.turns import Window
from broker.shell.watch.probe import WITHIN_S, Probe
from broker.shell.watch.process import Watch

ASK_EVERY_S = 0.1
UNKNOWN_AFTER_S = 10.0
TRICKLE_EVERY_S = 1.0
TRICKLE = 20
"""Records a second in the inner queues, of some ten events: what the slowest decide worker that was measured
does many times over, and more than all of England's busiest second brings (docs/capacity.md)."""
HELD_S = 10.0
"""So long without taking anything in because of the bound, and intake is not ready."""

log = structlog.get_logger()


class InnerQueues:
    """The queues between intake and the ledger, as Kafka knows them."""

    def __init__(self, settings: Settings) -> None:
        """Connects at the first question."""
        self._settings = settings
        self._probe = Probe(settings)
        self._admin: AIOKafkaAdminClient | None = None
        topics = load_topics()
        groups = topics.access.every_group
        specs = topics.named([])
        self._places = {
            groups[process]: [TopicPartition(topic, n) for n in range(specs[topic].partitions)]
            for process, topic in (("decide", PARTS_TOPIC), ("ledger", DECISIONS_TOPIC))
        }

    async def behind(self) -> int | None:
        """Records in both that are not finished; None where Kafka does not say.

        Decide is asked about first: what it hands on meanwhile is counted twice and not left out.
        """
        found = 0
        for group, places in self._places.items():
            positions = await self._positions(group, places)
            behind = None if positions is None else await self._probe.ends(positions)
            if behind is None:
                return None
            found += sum(behind.values())
        return found

    async def close(self) -> None:
        """Ends the connections."""
        await self._probe.close()
        admin, self._admin = self._admin, None
        if admin is not None:
            with contextlib.suppress(KafkaError, OSError):
                await admin.close()

    async def _positions(
        self, group: str, places: list[TopicPartition]
    ) -> Mapping[TopicPartition, int | None] | None:
        try:
            async with asyncio.timeout(WITHIN_S):
                admin = await self._connected()
                said = await admin.list_consumer_group_offsets(group, partitions=places)
        except (KafkaError, OSError, TimeoutError, AttributeError):
            # aiokafka looks for the reason of a refusal where older answers have none.
            await self.close()
            return None
        if not said.keys() >= set(places):
            return None  # A group that this process may not see looks as if it had no partitions.
        return {one: None if said[one].offset < 0 else said[one].offset for one in places}

    async def _connected(self) -> AIOKafkaAdminClient:
        if self._admin is None:
            admin = AIOKafkaAdminClient(
                bootstrap_servers=self._settings.kafka_bootstrap,
                request_timeout_ms=int(WITHIN_S * 1000),
                **security_of_process(self._settings, self._settings.process),
            )
            try:
                await admin.start()
            except BaseException:
                with contextlib.suppress(KafkaError, OSError):
                    await admin.close()
                raise
            self._admin = admin
        return self._admin


class Ahead:
    """The window of intake, kept up to date by a task; `room` waits for it."""

    def __init__(
        self,
        window: Window,
        behind: Callable[[], Awaitable[int | None]],
        watch: Watch,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`behind` asks how much lies in the inner queues."""
        self._window, self._behind, self._watch, self._clock = window, behind, watch, clock
        self._changed = asyncio.Event()
        self._answered = self._trickled = clock()
        self._held_since: float | None = None
        self._told_unknown = self._told_held = False

    async def room(self) -> None:
        """Returns when a record may be taken in."""
        while not self._window.has_room:
            self._changed.clear()
            await self._changed.wait()

    def took(self, made: int) -> None:
        """A record was taken in that makes so many in the inner queues."""
        self._window.took(made)
        self._held_since = None

    def sent(self, made: int) -> None:
        """So many lie there."""
        self._window.sent(made)

    def begin(self) -> None:
        """Another may have put records there meanwhile: no room until it is known what lies there."""
        self._window.unknown(0)

    async def keep(self) -> None:
        """Asks and tells until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(ASK_EVERY_S)

    async def look(self) -> None:
        """Asks once, if anything was taken in that may not be finished."""
        if self._window.ahead:
            mark = self._window.mark()
            behind = await self._behind()
            if behind is None:
                self._do_without()
            else:
                self._answered, self._told_unknown = self._clock(), False
                self._window.found(behind, mark)
        else:
            self._answered = self._clock()
        if self._window.has_room:
            self._changed.set()
        self._tell()

    def _do_without(self) -> None:
        """Kafka does not say: nothing for a while, then a trickle."""
        now = self._clock()
        if now - self._answered < UNKNOWN_AFTER_S:
            return
        if not self._told_unknown:
            log.error("queues_not_known")
            self._told_unknown = True
        if now - self._trickled >= TRICKLE_EVERY_S:
            self._window.unknown(TRICKLE)
            self._trickled = now

    def _tell(self) -> None:
        now = self._clock()
        if self._window.has_room:
            self._held_since = None
        elif self._held_since is None:
            self._held_since = now
        held = 0.0 if self._held_since is None else now - self._held_since
        self._watch.figures.ahead.set(self._window.ahead)
        self._watch.figures.held.set(held)
        self._watch.health.say("room", held < HELD_S)
        if held >= HELD_S and not self._told_held:
            log.error("intake_held")
        self._told_held = held >= HELD_S


def ahead_of(app: faust.App, settings: Settings, watch: Watch) -> Ahead:
    """The window of a worker, kept for as long as it runs. To be made before the app starts."""
    queues = InnerQueues(settings)
    ahead = Ahead(Window(settings.ahead), queues.behind, watch)

    @app.task  # type: ignore[untyped-decorator]
    async def keep() -> None:
        await ahead.keep()

    @app.on_partitions_assigned.connect
    async def begin(*_: Any, **__: Any) -> None:
        ahead.begin()

    @app.on_before_shutdown.connect
    async def close(*_: Any, **__: Any) -> None:
        await queues.close()

    return ahead
