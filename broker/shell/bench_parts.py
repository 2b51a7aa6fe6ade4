"""What the benchmarks of the decide step work on: keys, and parts of events about children apart.

All in a folder that its caller removes. Every event is the parent's warning of scenario S1 (10 candidates, 4
sealed alerts) with ids and a child of its own.
"""

from __future__ import annotations

import datetime
import os
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
from rocksdict import Options, Rdict

from broker.examples import example
from broker.flow import Policy, receive
from broker.model.envelope import seal_statement
from broker.model.types import ConcernEvent, DecisionSet, IdentifierScheme, Part
from broker.model.values import SourcePosition
from broker.reception import IntakeView, RawRecord, Reception
from broker.reference import load_connected
from broker.shell.decide_state import DecideState
from broker.shell.decide_worker import Decider, Work
from broker.shell.intake_worker import make_reception
from broker.shell.kafka import Message
from broker.shell.key_ring import KeyRing
from broker.shell.keys import AgencyKeys, load_agency_keys, load_broker_keys, make_keys
from broker.shell.policy import load_policy
from broker.shell.settings import Settings
from broker.shell.subject_keys import SubjectKeys

BATCH = 100
NOT_AGO = datetime.timedelta(0)
Ago = Callable[[int], datetime.timedelta]


class MemoryTables:
    """Stands for the Faust app where tables may lie in memory."""

    def Table(self, _name: str, **_options: Any) -> dict[bytes, bytes]:  # noqa: N802 -- Faust's name
        """An empty table."""
        return {}


class RocksTables:
    """Stands for the Faust app: tables in RocksDB under a folder, as Faust has them, no changelog."""

    def __init__(self, folder: Path) -> None:
        """`folder` is made."""
        self._folder = folder

    def Table(self, name: str, **_options: Any) -> Rdict:  # noqa: N802 -- Faust's name
        """An empty table."""
        return Rdict(str(self._folder / name), Options(raw_mode=True))


class Workshop:
    """Keys, policy and intake of one benchmark."""

    def __init__(self, settings: Settings) -> None:
        """Makes keys for everyone who is connected, under the data folder of `settings`."""
        self.settings = settings
        connected = load_connected(settings.organisations_dir / "connected.yaml")
        make_keys(settings.keys_dir, connected)
        self.policy: Policy = load_policy(settings)
        self._reception: Reception = make_reception(settings, load_broker_keys(settings.keys_dir))
        self._base = _warning()
        self._agency: AgencyKeys = load_agency_keys(settings.keys_dir, self._base.publisher)
        self._taken = 0

    def taken_in(
        self, count: int, ago: Ago = lambda _number: NOT_AGO
    ) -> Iterator[tuple[tuple[DecisionSet, ...], Part]]:
        """Intake's record and the part of each of `count` events, signed, sealed and received.

        `ago`: by how much the n-th was observed before the warning that all are like.
        """
        view = IntakeView(seen=lambda _key: None, aliases=lambda _tokens: {})
        for number in range(count):
            event = _earlier(self._fresh(), ago(number))
            data = seal_statement(event, self._agency.identity, self._agency.epoch, os.urandom(32))
            source = SourcePosition(f"concerns.v1.{event.publisher}", 0, self._taken)
            record = RawRecord(source, event.publisher, event.reported_at, data)
            taken = receive(record, view, self._reception)
            self._taken += 1
            yield taken.sets, taken.parts[0]

    @property
    def publisher(self) -> str:
        """Whose events they are."""
        return self._base.publisher

    def sealed(self, count: int) -> Iterator[tuple[str, bytes]]:
        """Id and signed, sealed envelope of each of `count` events."""
        for _ in range(count):
            event = self._fresh()
            agency = self._agency
            yield (
                event.event_id,
                seal_statement(event, agency.identity, agency.epoch, os.urandom(32)),
            )

    def parts(self, count: int, ago: Ago = lambda _number: NOT_AGO) -> list[Part]:
        """The parts alone."""
        return [part for _, part in self.taken_in(count, ago)]

    def decider(self, tables: Any, subjects: SubjectKeys) -> Decider:
        """A decider with state of its own in `tables`."""
        return Decider(DecideState(tables, 1), KeyRing(self.settings.keys_dir), subjects)

    def decide(self, decider: Decider, parts: Sequence[Part], first: int) -> list[Message]:
        """Decides parts in batches, as the worker does; `first` is the offset of the first."""
        messages: list[Message] = []
        for start in range(0, len(parts), BATCH):
            work: list[Work] = [
                decider.work_on(part, first + start + number, self.policy, None)
                for number, part in enumerate(parts[start : start + BATCH])
            ]
            messages += decider.messages(work)
        return messages

    def _fresh(self) -> ConcernEvent:
        """The warning with ids and a child of its own."""
        (child, *_) = self._base.subjects
        number = str(uuid.uuid4())
        known_as = msgspec.structs.replace(
            child.identifiers[0],
            scheme=IdentifierScheme.LOCAL,
            value=f"case-{number}",
            system="bench",
        )
        return msgspec.structs.replace(
            self._base,
            event_id=number,
            origin_id=f"origin-{number}",
            subjects=(msgspec.structs.replace(child, identifiers=(known_as,)),),
        )


def _earlier(event: ConcernEvent, ago: datetime.timedelta) -> ConcernEvent:
    """The same, observed and happened so long before."""
    when = event.when
    if when is not None:
        end = None if when.end is None else when.end - ago
        when = msgspec.structs.replace(when, start=when.start - ago, end=end)
    return msgspec.structs.replace(event, observed_at=event.observed_at - ago, when=when)


def _warning() -> ConcernEvent:
    event = example("concern")
    if not isinstance(event, ConcernEvent):
        raise TypeError("the example of a concern is a ConcernEvent")
    return event
