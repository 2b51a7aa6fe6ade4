"""The clock: reads the published logs, and publishes what is overdue as signed acts of the duty desk.

It decides nothing: each act goes through intake, decide and ledger like any other, as a round of its
own. Its acts have ids made of what they are about, so doing it again after a crash adds nothing.
"""

from __future__ import annotations

import asyncio
import datetime
import json
import os
from pathlib import Path

import msgspec
import structlog
from aiokafka import AIOKafkaProducer, TopicPartition

from broker.ledger import read_entries
from broker.model.envelope import seal_statement
from broker.model.types import Action
from broker.policies import PolicyFileError
from broker.policies.retention import load_retention
from broker.rounds import DueBook
from broker.shell.kafka import make_producer
from broker.shell.key_ring import IntakeEpochs, OwnKeys, keys_now
from broker.shell.keys import DESK, AgencyKeys, KeysError
from broker.shell.logs import configure
from broker.shell.retention_run import due_acts, keep_epochs
from broker.shell.settings import Settings
from broker.shell.watch.overdue import Overdue
from broker.shell.watch.process import Watch, watching

LOOK_EVERY_S = 1.0
KEEP_EVERY = datetime.timedelta(hours=1)
"""How often the retention run is made; what is due on a day is due all day."""
CLOCK = "clock"
"""Staff reference under which the desk's clock erases."""

log = structlog.get_logger()


class Clock:
    """Follows every shard's auditors' log and acts for what is due."""

    def __init__(self, settings: Settings, keys: AgencyKeys | OwnKeys) -> None:
        """`keys` are the duty desk's."""
        self._directory = settings.ledger_dir
        self._ahead = datetime.timedelta(seconds=settings.clock_ahead_s)
        self._keys = keys
        self._epochs = IntakeEpochs(settings.keys_dir)
        # One book for all shards: an answer may be recorded on another shard than its question.
        self.book = DueBook(DESK)
        self._read: dict[Path, int] = {}
        self._sent: set[str] = set()
        self._settings = settings
        self._kept_at: datetime.datetime | None = None

    def read(self) -> None:
        """Takes in what was published since the last look."""
        if not self._directory.is_dir():
            return
        for shard in sorted(self._directory.glob("s*")):
            start = self._read.get(shard, 0)
            # A checkpoint never ends within a set, so the decisions of one come with their closing.
            entries = read_entries(shard, start)
            for entry in entries:
                self.book.take(json.loads(entry))
            self._read[shard] = start + len(entries)

    async def act(self, producer: AIOKafkaProducer) -> None:
        """Publishes what is due and was not published by this process before."""
        now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
        for action in (*self.book.due(now + self._ahead), *self._retention(now)):
            if action.action_id in self._sent:
                continue
            stamped = msgspec.structs.replace(action, acted_at=now)
            data = seal_statement(
                stamped, keys_now(self._keys).identity, self._epochs.current(), os.urandom(32)
            )
            await producer.send_and_wait(f"actions.v1.{DESK}", data)
            self._sent.add(action.action_id)
            log.info("overdue", reason=action.reason)

    def _retention(self, now: datetime.datetime) -> tuple[Action, ...]:
        """Once an hour, if the policy says so: epochs that have had their time, and subjects too."""
        if self._kept_at is not None and now - self._kept_at < KEEP_EVERY:
            return ()
        self._kept_at = now
        try:
            if not load_retention(self._settings.policies_dir).run_daily:
                return ()
            done = keep_epochs(self._settings, now)
            log.info("epochs_kept", count=len(done.destroyed))
            return due_acts(self._settings, now, CLOCK)
        except (PolicyFileError, KeysError) as error:
            # What else is overdue must not wait for a file to be mended.
            log.error("retention_not_run", error=type(error).__name__)
            return ()


async def run(settings: Settings) -> None:
    """Looks and acts until cancelled."""
    watch = Watch(settings, "clock", ("kafka",))
    configure("clock", settings.log_level, watch.alarm)
    watch.serve()
    clock = Clock(settings, OwnKeys(settings.keys_dir, DESK))
    overdue = Overdue(watch, settings, clock.book)

    def look() -> None:
        ahead = datetime.timedelta(seconds=settings.clock_ahead_s)
        overdue.look(datetime.datetime.now(datetime.UTC) + ahead)

    async with watching(watch.keep(look, lambda: {TopicPartition(f"actions.v1.{DESK}", 0): 0})):
        producer = await make_producer(settings)
        try:
            while True:
                clock.read()
                await clock.act(producer)
                await asyncio.sleep(LOOK_EVERY_S)
        finally:
            await producer.stop()
