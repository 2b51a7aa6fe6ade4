"""The bundled scenarios, played as the agencies in them, with a live table of who was told what.

The table shows what an auditor sees (every candidate, with outcome and reason, read from the
ledger's files) beside what arrived (alerts, opened by their recipients' clients after their proofs
held). With `once`, deliveries must be exactly those that the scenarios name.
"""

from __future__ import annotations

import asyncio
import datetime
import os
import time
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaProducer, TopicPartition
from rich.console import Console, Group
from rich.live import Live

from broker.client.connection import consumer_of, producer_of
from broker.client.opening import OpenedAlert, RefusedAlertError, open_alert
from broker.client.responder import Responder
from broker.examples.scenarios import Scenario, fresh_scenarios
from broker.model.envelope import seal_statement
from broker.reference import load_reference
from broker.shell.keys import AgencyKeys, load_agency_keys
from broker.shell.settings import Settings
from broker.shell.table import Arrival, Auditing, tables_of

PATIENCE_S = 60.0
POLL_S = 0.1
ANSWER_POLLS = 50

Verify = Callable[[Path], tuple[bool, str]]
"""Verifies a ledger folder: (does it hold, the line that says so)."""


class Demonstration:
    """Publishes, watches, compares."""

    def __init__(
        self, settings: Settings, organisations: Sequence[str], out: Console, verify: Verify
    ) -> None:
        """Keys of all connected organisations are read from the demonstration's key folder."""
        self._settings = settings
        self._out = out
        self._verify = verify
        self._keys: dict[str, AgencyKeys] = {
            code: load_agency_keys(settings.keys_dir, code) for code in organisations
        }
        # Played anew each time, so that it can be played again on the same state.
        self._scenarios: tuple[Scenario, ...] = fresh_scenarios(
            datetime.datetime.now(datetime.UTC), uuid.uuid4().hex, settings.scenarios_dir
        )
        reference = load_reference(settings.codesets_dir, settings.organisations_dir)
        self._names = {code: one.name for code, one in reference.organisations.items()}
        self._auditing = Auditing(settings.ledger_dir)
        self._arrived: dict[tuple[str, str], Arrival] = {}
        self._counted: Counter[tuple[str, str]] = Counter()
        self._opened: dict[tuple[str, str], OpenedAlert] = {}
        self._refused: list[str] = []
        self._started = time.monotonic()
        self._first_alert_s: float | None = None

    async def play(self, *, once: bool) -> int:
        """Publishes all scenarios and shows the table; with `once` returns the exit code."""
        # Each agency with its own certificate: nobody, not even this, may read for all of them.
        ready = {code: asyncio.Event() for code in self._keys}
        listening: asyncio.Future[Any] = asyncio.gather(
            *(self._listen(*one) for one in ready.items())
        )
        all_ready: asyncio.Future[Any] = asyncio.gather(*(event.wait() for event in ready.values()))
        try:
            await asyncio.wait({listening, all_ready}, return_when=asyncio.FIRST_COMPLETED)
            if listening.done():
                await listening
            with Live(console=self._out, refresh_per_second=4, transient=False) as live:
                await self._publish()
                finished = await self._watch(live, listening)
            self._out.print(await self._heard(), soft_wrap=True, highlight=False)
            if once:
                await asyncio.sleep(0.5)
                return self._verdict(finished=finished)
            self._out.print(self._state(finished=finished))
            self._out.print(self._next_steps(), highlight=False)
            await listening
            return 0
        finally:
            all_ready.cancel()
            listening.cancel()
            with suppress(asyncio.CancelledError):
                await listening

    async def _heard(self) -> str:
        """The neighbour of the first scenario acts; what its publisher then learns, by its own receipt."""
        scenario = self._scenarios[0]
        event_id, recipient = scenario.told[1]
        alert = self._opened.get((event_id, recipient))
        publisher = scenario.events[0].publisher
        if alert is None:
            return ""
        async with (
            Responder.connect(recipient.partition(":")[0], self._settings) as desk,
            Responder.connect(publisher, self._settings) as spoke,
        ):
            await desk.act(alert, actor="duty-1", plan="PLAN-1")
            for _ in range(ANSWER_POLLS):
                if told := await spoke.fates(event_id):
                    break
                await asyncio.sleep(POLL_S)
        said = told[0].content.explanation if told else "Nothing came back in time."
        return f"{recipient} answered its alert, and {self._names[publisher]} was told: {said}"

    async def _listen(self, organisation: str, ready: asyncio.Event) -> None:
        """Opens every alert of one organisation from now on with its key, after its proof held."""
        place = TopicPartition(f"alerts.v1.{organisation}", 0)
        async with consumer_of(self._settings, organisation) as consumer:
            consumer.assign([place])
            await consumer.seek_to_end(place)
            await consumer.position(place)
            ready.set()
            async for record in consumer:
                try:
                    alert = open_alert(record.value, self._keys[organisation])
                except RefusedAlertError as error:
                    self._refused.append(f"{organisation}: {error}")
                    continue
                self._first_alert_s = self._first_alert_s or time.monotonic() - self._started
                content = alert.content
                key = (content.event_id, content.recipient)
                decided_ms = round(content.decided_at.timestamp() * 1000)
                self._counted[key] += 1
                self._opened[key] = alert
                self._arrived[key] = Arrival(
                    milliseconds=record.timestamp - decided_ms,
                    fields=tuple(one.field for one in content.released),
                )

    async def _publish(self) -> None:
        """Every statement, in the scenarios' order, signed and sealed as its publisher."""
        async with AsyncExitStack() as stack:
            producers: dict[str, AIOKafkaProducer] = {}
            for event in (event for scenario in self._scenarios for event in scenario.events):
                publisher = event.publisher
                if publisher not in producers:
                    opening = producer_of(self._settings, publisher)
                    producers[publisher] = await stack.enter_async_context(opening)
                keys = self._keys[publisher]
                data = seal_statement(event, keys.identity, keys.epoch, os.urandom(32))
                await producers[publisher].send_and_wait(f"concerns.v1.{publisher}", data)
                # One after the other: a scenario is a story, and its order is part of it.
                await self._accounted_for(event.event_id)

    async def _accounted_for(self, event_id: str) -> None:
        """Returns when every part of an event is closed in the ledger, or patience ends."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            self._auditing.read()
            if self._auditing.closed(event_id):
                return
            await asyncio.sleep(POLL_S / 4)

    async def _watch(self, live: Live, listening: asyncio.Future[Any]) -> bool:
        """Redraws until all is delivered; True if it was within patience."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            self._auditing.read()
            live.update(self._tables())
            if listening.done():
                listening.result()
            if self._complete():
                return True
            await asyncio.sleep(POLL_S)
        return False

    def _tables(self) -> Group:
        return tables_of(self._scenarios, self._auditing, self._arrived, self._names)

    def _complete(self) -> bool:
        """Every event closed and every recorded disclosure to a connected recipient arrived."""
        mine = {event.event_id for scenario in self._scenarios for event in scenario.events}
        sent = Counter(
            row.key
            for row in self._auditing.rows
            if row.event_id in mine and row.channel == "alert"
        )
        return all(self._auditing.closed(one) for one in mine) and sent <= self._counted

    def _verdict(self, *, finished: bool) -> int:
        """Prints the summary, ending with the ledger's line; 0 only if all is as it should be."""
        told = Counter(pair for scenario in self._scenarios for pair in scenario.told)
        missing = sorted((told - self._counted).elements())
        unexpected = sorted((self._counted - told).elements())
        self._out.print(self._state(finished=finished))
        for what, pairs in (("MISSING", missing), ("UNEXPECTED", unexpected)):
            for event_id, recipient in pairs:
                self._out.print(f"[red]{what} delivery: {recipient} of event {event_id}[/red]")
        for one in self._refused:
            self._out.print(f"[red]REFUSED by its recipient: {one}[/red]")
        holds, line = self._verify(self._settings.ledger_dir)
        self._out.print(line, soft_wrap=True, highlight=False, style=None if holds else "red")
        sound = finished and holds and not (missing or unexpected or self._refused)
        return 0 if sound else 1

    def _next_steps(self) -> str:
        """What a newcomer can do while it runs."""
        settings = self._settings
        neighbour = self._scenarios[0].told[1][1].partition(":")[0]
        name = self._names[neighbour]
        lines = [
            "\nStill running; Ctrl-C stops it. In a second terminal:",
            f"  export BROKER_KAFKA_BOOTSTRAP={settings.kafka_bootstrap}",
            f"  .venv/bin/broker subscribe {neighbour}        # {name} listens",
            "and in a third, with the same export:",
            "  .venv/bin/broker example concern --fresh > warning.jsonl",
            f"  .venv/bin/broker publish warning.jsonl      # and watch it arrive at {name}",
        ]
        if settings.data_dir != Path("var"):
            lines.insert(2, f"  export BROKER_DATA_DIR={settings.data_dir}")
        return "\n".join(lines)

    def _state(self, *, finished: bool) -> str:
        """A few lines on what happened."""
        outcomes = Counter(row.outcome for row in self._auditing.rows)
        delays = sorted(one.milliseconds for one in self._arrived.values())
        middle = delays[len(delays) // 2] if delays else 0
        first = f"{self._first_alert_s:.1f} s" if self._first_alert_s else "never"
        events = sum(len(scenario.events) for scenario in self._scenarios)
        counts = (
            f"{events} events; {outcomes['PERMIT']} disclosures, {outcomes['DENY']} refusals and "
            f"{outcomes['REVIEW']} reviews recorded; {self._counted.total()} alerts delivered "
            "and opened after their proofs held"
        )
        speed = (
            f"first alert {first} after the processes were started; delivered in {middle} ms "
            f"(median), {delays[-1] if delays else 0} ms (slowest)"
        )
        lines = ["", counts, speed, "Every person, school, charity and board in them is invented."]
        if not finished:
            lines.append("[red]not everything was delivered in time[/red]")
        return "\n".join(lines)
