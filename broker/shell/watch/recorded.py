"""What the ledger shows: counted from the leaves that it recorded, so that the figures say what they say."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from broker.deliver.messages import MANUAL_TOPIC, TOPIC_OF_CHANNEL
from broker.ledger import Message
from broker.model.types import Channel, DecisionSet
from broker.shell.settings import Settings
from broker.shell.watch.hops import (
    UNTRACED,
    Context,
    Hop,
    context_of,
    context_of_set,
    header_of,
)
from broker.shell.watch.labels import NO_MODE
from broker.shell.watch.process import Watch

MS = 1000
CHANNELS = {
    topic.partition(".")[0]: channel.value for channel, topic in TOPIC_OF_CHANNEL.items()
} | {MANUAL_TOPIC.partition(".")[0]: Channel.MANUAL.value}
"""First word of a topic's name -> channel."""
ROOM_BYTES = 64 * 1024 * 1024
"""With less room than this a store counts as one that cannot be written."""


class _Leaf(msgspec.Struct):
    """What is counted of a leaf; the rest of it is not looked at."""

    kind: str
    outcome: str = ""
    mode: str | None = None
    received_at: int | None = None
    decided_at: int | None = None


_LEAVES = msgspec.json.Decoder(_Leaf)


class Seen:
    """What one shard's writer shows, a batch at a time."""

    def __init__(self, watch: Watch, shard: str) -> None:
        """`shard` as in `s0`."""
        self._figures = watch.figures
        self._traces = watch.traces
        self._shard = shard
        self._recorded_at: float | None = None
        self._underway: dict[bytes, tuple[Context, str]] = {}
        """Key of a traced message that is to be sent -> the step that recorded it, and its set."""

    def begin(self, records: Sequence[Any], sets: Sequence[DecisionSet]) -> dict[str, Hop]:
        """Set id -> its step, for the sets that are traced."""
        if not self._traces.on:
            return {}
        hops = {
            one.set_id: self._traces.go_on("record", context_of(record.headers))
            for record, one in zip(records, sets, strict=True)
        }
        return {set_id: hop for set_id, hop in hops.items() if hop}

    def recorded(
        self,
        sets: Iterable[DecisionSet],
        ids: Sequence[str],
        hops: Mapping[str, Hop],
        now: float,
    ) -> None:
        """A batch was committed at `now`: of `sets` those with these `ids` are on record."""
        left, leaves, decisions = set(ids), Counter[str](), Counter[tuple[str, str]]()
        dropped = 0
        for one in sets:
            if one.set_id not in left:
                dropped += 1
                continue
            left.remove(one.set_id)
            stated: int | None = None
            for leaf in map(_looked_at, one.leaves):
                leaves[leaf.kind] += 1
                if leaf.kind == "decision":
                    decisions[leaf.outcome, leaf.mode or NO_MODE] += 1
                stated = stated or leaf.received_at or leaf.decided_at
            if stated is not None:
                self._figures.to_record.observe(max(0.0, now - stated / MS))
            self._note(one, hops.get(one.set_id, UNTRACED))
        self._recorded_at = now
        self._count(len(ids), dropped, leaves, decisions)

    def headers(self, message: Message) -> list[tuple[str, bytes]] | None:
        """Of one message: a context that anybody can compute from its set's id, where it is traced."""
        found = self._underway.get(message.key)
        return None if found is None else list(header_of(context_of_set(found[1])))

    def sent(self, messages: Sequence[Message], sent: Sequence[Any], seconds: float) -> None:
        """A transaction was committed; `sent` is Kafka's word for each message, it took `seconds`."""
        channels = Counter(CHANNELS.get(one.topic.partition(".")[0], "") for one in messages)
        for channel, count in channels.items():
            self._figures.deliveries.add(count, channel=channel)
        if self._recorded_at is not None:
            for said in sent:
                way = said.timestamp / MS - self._recorded_at
                self._figures.to_delivery.observe(max(0.0, way))
        for one in messages if self._underway else ():
            if (found := self._underway.pop(one.key, None)) is not None:
                links = (context_of_set(found[1]),)
                hop = self._traces.go_on("deliver", found[0], links, ago_s=seconds)
                hop.end(channel=CHANNELS.get(one.topic.partition(".")[0], ""))

    def size(self, entries: int) -> None:
        """Entries of the auditors' log as they are now."""
        self._figures.entries.set(entries, shard=self._shard)

    def _note(self, one: DecisionSet, hop: Hop) -> None:
        if hop:
            for delivery in one.deliveries:
                self._underway[delivery.message_id.encode()] = (hop.context, one.set_id)
            hop.end(set="recorded", shard=self._shard)

    def _count(
        self,
        recorded: int,
        dropped: int,
        leaves: Counter[str],
        decisions: Counter[tuple[str, str]],
    ) -> None:
        self._figures.sets.add(recorded, set="recorded")
        self._figures.sets.add(dropped, set="dropped")
        for kind, count in leaves.items():
            self._figures.leaves.add(count, leaf=kind)
        for (decision, mode), count in decisions.items():
            self._figures.decisions.add(count, decision=decision, mode=mode)


def _looked_at(leaf: bytes) -> _Leaf:
    """A leaf that cannot be read counts as `other`: to count must never stop what is counted."""
    try:
        return _LEAVES.decode(leaf)
    except msgspec.MsgspecError:
        return _Leaf(kind="")


def look_at_store(watch: Watch, settings: Settings, shards: Mapping[str, bool]) -> None:
    """Whether every shard has begun and can be written, and when witnesses last cosigned each."""
    folder = settings.ledger_dir
    room = os.statvfs(folder) if folder.is_dir() else None
    writable = room is not None and room.f_bavail * room.f_frsize > ROOM_BYTES
    watch.health.say(
        "store", all(shards.values()) and bool(shards) and writable and os.access(folder, os.W_OK)
    )
    for shard in shards:
        cosigned = settings.witnessed_dir / f"{shard}.checkpoint"
        if cosigned.exists():
            watch.figures.cosigned.set(cosigned.stat().st_mtime, shard=shard)
