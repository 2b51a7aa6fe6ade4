"""The intake process: a Faust worker around `broker.flow.receive`.

One ordered worker (a second waits as standby) reads every `concerns.v1.<org>` and
`actions.v1.<org>`, takes records from them in turn, and stops while too much lies before decide and the
ledger: so no publisher can crowd out another, and no queue grows without end.
State first, outputs next, acknowledgement last: a crash between any two reads the record again and
produces the same bytes, which the ledger drops.
"""

from __future__ import annotations

import datetime
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import faust
import msgspec
import structlog

from broker.flow import receive
from broker.intake import AliasEntry, KnownSubject, SeenEntry, known_subject, older_of, without
from broker.model.codec import encode
from broker.model.values import Rejection, SourcePosition
from broker.reception import IntakeResult, IntakeView, RawRecord, Reception, rejected
from broker.reference import load_connected, load_reference
from broker.shell.ahead import ahead_of
from broker.shell.batches import Batcher
from broker.shell.crash import point
from broker.shell.decide_state import compact, remove, table_of
from broker.shell.kafka import (
    DECISIONS_TOPIC,
    PARTS_TOPIC,
    Headers,
    Message,
    Sender,
    make_app,
)
from broker.shell.key_ring import KeyRing
from broker.shell.keys import BrokerKeys
from broker.shell.logs import configure
from broker.shell.reference_holder import ReferenceHolder
from broker.shell.settings import Settings
from broker.shell.tables import Changelogs
from broker.shell.taking import Taking
from broker.shell.unbroken import Unbroken
from broker.shell.watch.hops import context_of
from broker.shell.watch.process import Watch
from broker.shell.watch.workers import show

NOT_PROCESSED = (
    "the broker failed while it read this record: its operators are told; "
    "publish it again with a new id if you hear nothing within a day"
)
ACTIONS_PREFIX = "actions.v1."
CONCERNS_PREFIX = "concerns.v1."
TOPIC_KINDS = ("concerns", "actions")

log = structlog.get_logger()
Taken = tuple[IntakeResult, Headers]
"""What became of a record, and what its outputs carry if it is traced."""


def make_reception(settings: Settings, keys: BrokerKeys) -> Reception:
    """Reference data as it is now, and keys of the day."""
    return Reception(
        publisher_keys=keys.publisher_keys,
        key_terms=keys.publisher_terms,
        epoch_keys=keys.epoch_keys,
        linkage_key=keys.linkage_key,
        parts_key=keys.parts_key,
        reference=load_reference(settings.codesets_dir, settings.organisations_dir),
        sealer=keys.sealer,
        registry=_registry(settings),
        max_bytes=settings.max_record_bytes,
    )


class Receptions:
    """What intake needs for a record of a given time: the reference data, with the keys of its epoch."""

    def __init__(self, settings: Settings) -> None:
        """Raises KeysError where the keys of now are missing."""
        self._ring = KeyRing(settings.keys_dir)
        self._reference = ReferenceHolder(settings)
        self._keys = self._ring.at(datetime.datetime.now(datetime.UTC))
        self._made = make_reception(settings, self._keys)

    def at(self, moment: datetime.datetime) -> Reception:
        """Sealing follows from Kafka's time of the record alone."""
        keys, reference = self._ring.at(moment), self._reference.current()
        if reference is not self._made.reference:
            self._made = msgspec.structs.replace(self._made, reference=reference)
        if keys is not self._keys:
            self._keys = keys
            self._made = msgspec.structs.replace(
                self._made,
                publisher_keys=keys.publisher_keys,
                key_terms=keys.publisher_terms,
                epoch_keys=keys.epoch_keys,
                parts_key=keys.parts_key,
                sealer=keys.sealer,
            )
        return self._made


def raw_record(message: Any) -> RawRecord:
    """A Faust message as the flow knows it; its time is Kafka's LogAppendTime."""
    topic = message.topic
    is_action = topic.startswith(ACTIONS_PREFIX)
    owner = topic.removeprefix(ACTIONS_PREFIX if is_action else CONCERNS_PREFIX)
    return RawRecord(
        source=SourcePosition(topic, message.partition, message.offset),
        owner=owner,
        received_at=log_append_time(message),
        data=message.value,
        is_action=is_action,
    )


def log_append_time(message: Any) -> datetime.datetime:
    """Kafka's time of the record, to the millisecond, in UTC."""
    milliseconds = round(message.timestamp * 1000)
    return datetime.datetime.fromtimestamp(milliseconds / 1000, tz=datetime.UTC)


class IntakeState:
    """Intake's two tables: accepted ids, and alias rows. Values are MessagePack, without names."""

    def __init__(self, app: faust.App) -> None:
        """One partition: intake is one ordered worker."""
        self._seen = table_of(app, "seen", 1)
        self._aliases = table_of(app, "aliases", 1)

    def view(self) -> IntakeView:
        """Look-ups for the flow."""
        return IntakeView(seen=self.seen, aliases=self.aliases, subject=self.subject)

    def seen(self, key: str) -> SeenEntry | None:
        """What is remembered of an accepted id."""
        held = self._seen.get(key.encode())
        return None if held is None else msgspec.msgpack.decode(held, type=SeenEntry)

    def aliases(self, tokens: tuple[str, ...]) -> Mapping[str, AliasEntry]:
        """Rows of these tokens and of all that they point to."""
        found: dict[str, AliasEntry] = {}
        wanted = list(tokens)
        while wanted:
            token = wanted.pop()
            held = self._aliases.get(token.encode()) if token not in found else None
            if held is not None:
                found[token] = msgspec.msgpack.decode(held, type=AliasEntry)
                wanted.append(found[token].canonical)
        return found

    def subject(self, token: str) -> KnownSubject | None:
        """Everything known under a token; looks through both tables."""
        rows = {
            name.decode(): msgspec.msgpack.decode(row, type=AliasEntry)
            for name, row in self._aliases.items()
        }
        return known_subject(token, rows, self._all_seen())

    def forget(self, tokens: Sequence[str]) -> None:
        """Removes these tokens from both tables, in this order, and from their files."""
        changed = [
            (key, less)
            for key, entry in self._all_seen()
            if (less := without(entry, tokens)) != entry
        ]
        for key, less in changed:
            self._seen[key.encode()] = msgspec.msgpack.encode(less)
        for token in tokens:
            remove(self._aliases, token.encode())

    def compact(self) -> None:
        """Rewrites the tables' files, so that what was removed is no longer in them."""
        for table in (self._seen, self._aliases):
            compact(table)

    def _all_seen(self) -> Iterator[tuple[str, SeenEntry]]:
        for key, packed in self._seen.items():
            yield key.decode(), msgspec.msgpack.decode(packed, type=SeenEntry)

    def keep(self, result: IntakeResult) -> None:
        """Writes what a record leaves behind; alias rows only ever move to an older token."""
        known = self.aliases(tuple(token for token, _ in result.aliases))
        for token, entry in result.aliases:
            row = older_of(known.get(token), entry)
            if row != known.get(token):
                self._aliases[token.encode()] = msgspec.msgpack.encode(row)
        for kept in (result.seen, result.mark):
            if kept is not None:
                key, seen = kept
                packed = msgspec.msgpack.encode(seen)
                if self._seen.get(key.encode()) != packed:
                    self._seen[key.encode()] = packed


def build(settings: Settings) -> faust.App:
    """The intake app, ready to run."""
    watch = Watch(settings, "intake", ("kafka", "state", "room"), TOPIC_KINDS)
    configure("intake", settings.log_level, watch.alarm)
    watch.serve()
    app = make_app("intake", settings, partitions=1)
    receptions = Receptions(settings)
    topic = app.topic(*_topics(settings), key_type=bytes, value_type=bytes)
    state, ahead = IntakeState(app), ahead_of(app, settings, watch)
    taking = Taking(app, ahead.room)
    unbroken = Unbroken(app, settings, TOPIC_KINDS, taking.holds)
    armed = settings.crash_at
    show(app, watch, TOPIC_KINDS)
    sender = Sender(settings)
    changelogs = Changelogs(app, sender.producer)

    async def send(results: list[Taken]) -> None:
        started = time.perf_counter()
        await changelogs.keep()
        point("intake.state_flushed", armed)
        await _send(sender, results, armed)
        ahead.sent(sum(map(_made, results)))
        watch.batch(len(results), time.perf_counter() - started)
        parts = sum(len(one.parts) for one, _ in results)
        log.info("batch_sent", records=len(results), parts=parts)

    batcher = Batcher[Taken](
        send,
        size=settings.batch_size,
        acknowledged=lambda: point("intake.acknowledged", armed),
    )

    @app.on_before_shutdown.connect
    async def close(*_: Any, **__: Any) -> None:
        await sender.stop()

    @app.agent(topic, name="intake")
    async def take(stream: Any) -> None:
        async for event in taking.in_turn(unbroken.events(stream)):
            point("intake.received", armed)
            record = raw_record(event.message)
            hop = watch.traces.begin("intake", context_of(event.message.headers))
            result = _received(record, state, receptions.at(record.received_at))
            state.keep(result)
            ahead.took(_made((result, hop.headers)))
            kind, taken = "action" if record.is_action else "concern", _taken(result)
            watch.figures.records.add(record=kind, taken=taken)
            hop.end(record=kind, taken=taken)
            if not result.erased:
                await batcher.add(event, (result, hop.headers))
                continue
            # All that came before is confirmed first, then decide is told; only then is it forgotten.
            await batcher.flush()
            await send([(result, hop.headers)])
            point("intake.erasure_sent", armed)
            state.forget(result.erased)
            await changelogs.keep()
            state.compact()
            point("intake.forgotten", armed)
            event.ack()

    return app


async def _send(sender: Sender, results: Sequence[Taken], armed: str) -> None:
    """Parts first, and their receipts when these are safe."""
    await sender.send([message for one in results for message in _parts(one)])
    point("intake.parts_sent", armed)
    await sender.send([message for one in results for message in _sets(one)])
    point("intake.sets_sent", armed)


def _topics(settings: Settings) -> list[str]:
    """Two of each connected organisation."""
    return [
        f"{prefix}{code}"
        for code in load_connected(settings.organisations_dir / "connected.yaml")
        for prefix in (CONCERNS_PREFIX, ACTIONS_PREFIX)
    ]


def _received(record: RawRecord, state: IntakeState, reception: Reception) -> IntakeResult:
    """What becomes of one record. A fault of ours is a rejection and an alarm, never a lost record."""
    try:
        return receive(record, state.view(), reception)
    except Exception as error:  # noqa: BLE001 -- one record must not stop those behind it
        log.error(
            "not_processed",
            error=type(error).__name__,
            topic=record.source.topic,
            offset=record.source.offset,
        )
        return rejected(record, Rejection("not_processed", NOT_PROCESSED), reception)


def _taken(result: IntakeResult) -> str:
    if result.rejection is not None:
        return "rejected"
    return "duplicate" if result.duplicate else "accepted"


def _made(taken: Taken) -> int:
    """Records that it makes in the inner queues."""
    return len(taken[0].parts) + len(taken[0].sets)


def _parts(taken: Taken) -> list[Message]:
    result, headers = taken
    return [(PARTS_TOPIC, one.part_key.encode(), encode(one), headers) for one in result.parts]


def _sets(taken: Taken) -> list[Message]:
    result, headers = taken
    return [(DECISIONS_TOPIC, one.set_id.encode(), encode(one), headers) for one in result.sets]


def _registry(settings: Settings) -> dict[int, bytes] | None:
    if settings.registry_map is None:
        return None
    rows = json.loads(settings.registry_map.read_text(encoding="utf-8"))
    return {int(schema_id): bytes.fromhex(value) for schema_id, value in rows.items()}
