"""What lies on Kafka against what the ledger says: nothing undelivered, nothing twice, nothing besides.

Pure: records in, the first fault out. Kafka forgets, so what is older than a topic keeps is asked for no
more; what is younger must be there. Run after the files were verified: leaves are taken as they lie.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import msgspec

from broker.auditor.leaves import OwnLeaf, read_own_leaf
from broker.auditor.message import KIND_OF, MANUAL, Sent, check_message, kind_of
from broker.auditor.recorded import RECIPIENTS, shards_of
from broker.auditor.report import BadLedgerError, KafkaCount
from broker.auditor.snapshot import VERIFIER_KEY
from broker.ledger import (
    VerifierKey,
    leaf_hash,
    parse_verifier_keys,
    read_entries,
)
from broker.model.codec import CodecError, decode
from broker.model.types import DecisionSet, Part
from broker.model.values import SourcePosition
from broker.record import intake_set_id

CONCERNS, ACTIONS, DECISIONS, PARTS = "concerns.v1", "actions.v1", "decisions.v1", "parts.v1"
DELIVERIES = frozenset(KIND_OF)
TOPIC_OF = {kind: topic for topic, kind in KIND_OF.items()}


class KafkaRecord(msgspec.Struct, frozen=True):
    """One committed record."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None

    def __str__(self) -> str:
        return f"{self.topic}, partition {self.partition}, offset {self.offset}"


class OnKafka(msgspec.Struct, frozen=True):
    """Everything that Kafka keeps of a broker's topics, and for how long it promises to."""

    records: Sequence[KafkaRecord]
    topics: frozenset[str]
    keeps_ms: Mapping[str, int | None]
    """Kind of topic -> how long; None: the newest record of every key, for ever."""
    now_ms: int


class _Own(msgspec.Struct, frozen=True):
    """A delivery as the log of its organisation has it."""

    shard: str
    folder: str
    index: int
    leaf: OwnLeaf

    def __str__(self) -> str:
        return f"log {self.shard}/{RECIPIENTS}/{self.folder}, leaf {self.index}"


class _Timed(msgspec.Struct, frozen=True):
    set_id: str
    kind: str
    source: SourcePosition | None = None
    decided_at: int | None = None
    received_at: int | None = None


_timed = msgspec.json.Decoder(_Timed)


class Said:
    """What a ledger's files say that must be on Kafka. Raises BadLedgerError or LedgerError."""

    def __init__(self, ledger_dir: Path) -> None:
        """Reads the published files."""
        self.keys: dict[str, VerifierKey] = {}
        self.own: dict[bytes, _Own] = {}
        self.sets: dict[str, set[str]] = {}
        self.sources: set[tuple[str, int, int]] = set()
        self.times: dict[str, int] = {}
        for shard in shards_of(ledger_dir):
            self._read(shard)

    def key_of(self, origin: str, folder: str) -> VerifierKey:
        """The key of the log that a proof names. Raises ValueError where there is no such log."""
        above, _, last = origin.rpartition("/")
        if above not in self.keys or last != folder:
            raise ValueError(f"has a proof of {origin!r}, which is no log of this ledger for it")
        return self.keys[above].named(origin)

    def _read(self, shard: Path) -> None:
        key = parse_verifier_keys((shard / VERIFIER_KEY).read_text(encoding="utf-8").strip())
        self.keys[key.origin] = key
        sets = self.sets.setdefault(shard.name, set())
        for data in read_entries(shard, 0):
            leaf = _timed.decode(data)
            sets.add(leaf.set_id)
            if leaf.source is not None and leaf.kind != "link":
                self.sources.add((leaf.source.topic, leaf.source.partition, leaf.source.offset))
            at = leaf.decided_at if leaf.decided_at is not None else leaf.received_at
            if at is not None:
                self.times[leaf.set_id] = at
        folders = shard / RECIPIENTS
        for folder in sorted(folders.iterdir()) if folders.is_dir() else ():
            for index, data in enumerate(read_entries(folder, 0)):
                own = _Own(shard.name, folder.name, index, read_own_leaf(data))
                self.own[leaf_hash(data)] = own


def compare(said: Said, kafka: OnKafka, waiting: frozenset[str] = frozenset()) -> KafkaCount:
    """Everything on Kafka against everything that the ledger says. Raises BadLedgerError.

    `waiting`: ids of messages that the ledger process has recorded and not sent yet.
    """
    found = _deliveries(said, kafka)
    forgotten = _undelivered(said, kafka, found, waiting)
    taken_in = _taken_in(said, kafka)
    return KafkaCount(
        deliveries=len(found),
        forgotten=forgotten,
        taken_in=taken_in,
        parts=_parts(said, kafka),
        sets=_sets(said, kafka),
    )


def _of_kinds(kafka: OnKafka, kinds: Iterable[str]) -> Iterable[KafkaRecord]:
    wanted = frozenset(kinds)
    return (one for one in kafka.records if kind_of(one.topic)[0] in wanted)


def _deliveries(said: Said, kafka: OnKafka) -> dict[bytes, KafkaRecord]:
    """Digest of the own leaf -> its one record. Every message is recorded, whole, and there once."""
    found: dict[bytes, KafkaRecord] = {}
    wrapped: dict[tuple[str, str], tuple[bytes, KafkaRecord]] = {}
    for record in _of_kinds(kafka, (*DELIVERIES, MANUAL)):
        if record.value is None:
            continue
        try:
            sent = check_message(record.topic, record.key, record.value, said.key_of)
        except ValueError as error:
            raise BadLedgerError(f"{record}: {error}") from error
        own = said.own.get(sent.digest)
        if own is None or not _is_it(own, sent):
            raise BadLedgerError(
                f"{record}: was not recorded: its leaf is in no log of this ledger"
            )
        before = found.setdefault(sent.digest, record)
        if before is not record:
            raise BadLedgerError(f"{record}: was delivered before ({before}; {own})")
        key, first = wrapped.setdefault((record.topic, sent.wrapped[0]), (sent.wrapped[1], record))
        if key != sent.wrapped[1]:
            raise BadLedgerError(
                f"{record}: has another wrapped key than {first} of the same key id"
            )
    return found


def _is_it(own: _Own, sent: Sent) -> bool:
    shard = sent.origin.split("/")[-2]
    return (own.shard, own.folder, own.index) == (shard, sent.folder, sent.index)


def _undelivered(
    said: Said, kafka: OnKafka, found: Mapping[bytes, KafkaRecord], waiting: frozenset[str]
) -> int:
    """How many recorded deliveries Kafka has forgotten; a younger one must be there."""
    forgotten = 0
    for digest, own in said.own.items():
        if digest in found or own.leaf.message_id in waiting:
            continue
        topic = f"{TOPIC_OF[own.leaf.kind]}.{own.folder}"
        kind = TOPIC_OF[own.leaf.kind] if topic in kafka.topics else MANUAL
        keeps = kafka.keeps_ms.get(kind)
        if keeps is not None and said.times.get(own.leaf.set_id, 0) + keeps <= kafka.now_ms:
            forgotten += 1
            continue
        where = topic if kind != MANUAL else MANUAL
        raise BadLedgerError(f"{own}: was recorded as delivered and is not on {where}")
    return forgotten


def _taken_in(said: Said, kafka: OnKafka) -> int:
    count = 0
    for record in _of_kinds(kafka, (CONCERNS, ACTIONS)):
        if (record.topic, record.partition, record.offset) not in said.sources:
            raise BadLedgerError(f"{record}: has no leaf: it was neither accepted nor refused")
        count += 1
    return count


def _parts(said: Said, kafka: OnKafka) -> int:
    known = set().union(*said.sets.values()) if said.sets else set()
    count = 0
    for record in _of_kinds(kafka, (PARTS,)):
        try:
            part = decode(record.value or b"", Part)
        except CodecError as error:
            raise BadLedgerError(f"{record}: is no part ({error.reason})") from error
        source = SourcePosition(part.source_topic, part.source_partition, part.source_offset)
        if intake_set_id(source) not in known:
            raise BadLedgerError(f"{record}: is a part of a record that has no leaf")
        count += 1
    return count


def _sets(said: Said, kafka: OnKafka) -> int:
    count = 0
    for record in _of_kinds(kafka, (DECISIONS,)):
        try:
            one = decode(record.value or b"", DecisionSet)
        except CodecError as error:
            raise BadLedgerError(f"{record}: is no decision set ({error.reason})") from error
        if one.leaves and one.set_id not in said.sets.get(f"s{record.partition}", ()):
            raise BadLedgerError(f"{record}: its set {one.set_id} is not recorded")
        count += 1
    return count
