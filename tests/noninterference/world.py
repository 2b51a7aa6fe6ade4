"""A whole broker without Kafka but with a real ledger, and what one party can see of it.

Everything that depends on anything is fixed: keys, times, order. So a party that must not be able to
tell whether something happened must see the same bytes, and no mask is needed to compare them.
"""

from __future__ import annotations

import datetime
import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from broker.ledger import Message, ShardStore
from broker.model import types as t
from broker.model.values import SourcePosition
from broker.shell.ledger_worker import record_set, render
from tests.oracle import offline_flow

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
NAME = "broker.example/s0"
BUCKET = datetime.timedelta(milliseconds=50)
"""Records of one bucket are one batch of the ledger: the finest time that a party can see."""
Statement = t.ConcernEvent | t.Action


class Happening(msgspec.Struct, frozen=True):
    """A statement and when Kafka took it."""

    at: datetime.datetime
    statement: Statement

    @property
    def owner(self) -> str:
        """Who published it."""
        one = self.statement
        return one.organisation if isinstance(one, t.Action) else one.publisher


class World(msgspec.Struct, frozen=True):
    """All that a run left: messages in the order in which they were sent, with their buckets; files."""

    sent: tuple[tuple[int, Message], ...]
    files: dict[str, tuple[tuple[str, bytes], ...]]
    """Organisation -> the files of its own log."""
    reached: frozenset[str]
    """Organisations that were sent anything at all."""

    def __repr__(self) -> str:
        """Short: the messages are megabytes."""
        return f"World({len(self.sent)} messages)"


class Seen(msgspec.Struct, frozen=True):
    """What one party can see: its own topics, in order and by bucket, and its own published log."""

    messages: tuple[tuple[int, str, bytes, bytes], ...]
    files: tuple[tuple[str, bytes], ...]

    def __repr__(self) -> str:
        """Short."""
        return f"Seen({len(self.messages)} messages, {len(self.files)} files)"

    @property
    def sizes(self) -> tuple[int, ...]:
        """Lengths of what it got."""
        return tuple(len(value) for *_, value in self.messages)


def play(happenings: Iterable[Happening], folder: Path, start: datetime.datetime) -> World:
    """Everything through intake, decide and a real ledger, batch by batch."""
    flow, offsets = offline_flow(), Counter[str]()
    store = ShardStore.open(folder, NAME, KEY)
    epoch = store.take_epoch()
    sent: list[tuple[int, Message]] = []
    last = 0

    def bucket_of(one: Happening) -> int:
        return (one.at - start) // BUCKET

    ordered = sorted(happenings, key=lambda one: one.at)
    for bucket, together in itertools.groupby(ordered, key=bucket_of):
        sets: list[t.DecisionSet] = []
        for one in together:
            kind = "actions" if isinstance(one.statement, t.Action) else "concerns"
            topic = f"{kind}.v1.{one.owner}"
            source = SourcePosition(topic, 0, offsets[topic])
            offsets[topic] += 1
            sets.extend(flow.submit(one.statement, one.at, source).sets)
        store.commit(
            [record_set(one) for one in sets], epoch=epoch, next_offset=bucket, render=render
        )
        new = store.outbox_after(last, 10_000)
        last = new[-1][0] if new else last
        sent.extend((bucket, message) for _, message in new)
    store.publish_tiles()
    store.close()
    reached = frozenset(message.topic.rpartition(".")[2] for _, message in sent)
    files = {one.name: _files_of(one) for one in (folder / "recipients").iterdir()}
    return World(tuple(sent), files, reached)


def _files_of(folder: Path) -> tuple[tuple[str, bytes], ...]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return tuple((str(path.relative_to(folder)), path.read_bytes()) for path in files)


def seen_by(world: World, organisation: str) -> Seen:
    """What that organisation can read: its own topics and its own log, and nothing of anyone else's."""
    return Seen(
        messages=tuple(
            (bucket, message.topic, message.key, message.value)
            for bucket, message in world.sent
            if message.topic.endswith(f".{organisation}")
        ),
        files=world.files.get(organisation, ()),
    )


def about_someone_else(event: t.ConcernEvent, mark: str) -> t.ConcernEvent:
    """The event with ids and children of its own: it has nothing to do with any other."""
    names = {one.subject_ref: f"{mark}-{number}" for number, one in enumerate(event.subjects)}
    return msgspec.structs.replace(
        event,
        event_id=f"{mark}-event",
        origin_id=f"{mark}-origin",
        derived_from=(),
        dependence=(),
        relates_to=None,
        answers=None,
        group=None,
        place=None if event.subjects else event.place,
        subjects=tuple(
            msgspec.structs.replace(
                one,
                identifiers=(
                    t.Identifier(
                        scheme=t.IdentifierScheme.LOCAL,
                        system="invented",
                        value=names[one.subject_ref],
                    ),
                ),
            )
            for one in event.subjects
        ),
    )


def spaced(statements: Sequence[Statement], start: datetime.datetime) -> list[Happening]:
    """One statement a second."""
    return [
        Happening(start + datetime.timedelta(seconds=number), one)
        for number, one in enumerate(statements)
    ]
