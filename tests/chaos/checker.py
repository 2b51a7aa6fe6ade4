"""The checker: shares no code with the broker, and says what is missing and what is wrong.

It reads Kafka with a client that is not ours and the ledger's files with code of its own, and asks: has
every record that was published exactly one receipt; was everything that was delivered recorded first; is
nothing there twice; is the order of each child kept; is the ledger valid. `tests/chaos/test_checker.py`
holds that it imports nothing of the broker and that it finds each fault.
"""

from __future__ import annotations

import base64
import dataclasses
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

from tests.chaos.own_kafka import Keys, Record, Schemas
from tests.chaos.own_log import Log, LogError, leaf_hash, open_note, read_log

INTAKE = ("accepted", "duplicate", "rejected", "action")
ALERT_KINDS = ("alerts", "withdrawn", "manual")


@dataclasses.dataclass(frozen=True)
class Published:
    """What the publisher of an event knows of it."""

    event_id: str
    child: str
    recipients: tuple[str, ...] | None
    """Who must be told, by an oracle; None where that is not said (its time was shifted)."""


@dataclasses.dataclass
class Findings:
    """What the checker found."""

    missing: list[str] = dataclasses.field(default_factory=list)
    """Not there yet, and may come."""
    wrong: list[str] = dataclasses.field(default_factory=list)
    """What nothing that comes can mend."""
    unrecorded: list[str] = dataclasses.field(default_factory=list)
    """Sent and not in the published log: wrong, unless the store has just lost what it had on disk."""

    def __bool__(self) -> bool:
        return bool(self.missing or self.wrong or self.unrecorded)

    def __str__(self) -> str:
        every = [*self.wrong, *self.unrecorded, *self.missing]
        return "; ".join(every[:5]) + (f"; and {len(every) - 5} more" if len(every) > 5 else "")


@dataclasses.dataclass(frozen=True)
class Sent:
    """A message to an organisation, decoded."""

    record: Record
    message: dict[str, Any]
    leaf: dict[str, Any]
    digest: bytes
    content: dict[str, Any] | None


class Source(Protocol):
    """Where records come from: Kafka, or the Kafka of the simulation."""

    records: list[Record]
    """All that was read."""

    def read(self) -> list[Record]:
        """What was not read before."""
        ...

    def close(self) -> None:
        """Disconnects."""
        ...


class Checker:
    """Looks at one broker as often as it is asked to."""

    def __init__(self, reader: Source, data_dir: Path, schemas_dir: Path) -> None:
        """`data_dir` holds `keys/` and `ledger/`."""
        self._reader, self._data_dir = reader, data_dir
        self._schemas, self._keys = Schemas(schemas_dir), Keys(data_dir / "keys")
        self._sent: list[Sent] = []
        self._unproved: list[Sent] = []
        self._broken: list[str] = []
        self._seen: dict[str, tuple[int, bytes]] = {}
        """Origin -> the largest tree that was ever seen of it."""
        self._notes: dict[str, tuple[int, bytes]] = {}
        self.counts: Counter[str] = Counter()

    def close(self) -> None:
        """Disconnects."""
        self._reader.close()

    def check(self, journal: Iterable[Published]) -> Findings:
        """Kafka first, the files after: so what was sent must be found in the files."""
        found = Findings()
        for record in self._reader.read():
            self._take(record)
        found.wrong += self._broken
        try:
            shards = self._shards()
        except (LogError, OSError) as error:
            found.missing.append(f"the ledger cannot be read: {error}")
            return found
        self._grown(shards, found)
        self._proved(shards, found)
        self._once(found)
        leaves = [
            (shard, index, json.loads(entry))
            for shard, logs in shards.items()
            for index, entry in enumerate(logs[""].entries)
        ]
        outcomes = self._taken_in(leaves, found)
        self._decided(leaves, found)
        self._journal(list(journal), outcomes, found)
        self.counts = Counter(leaf["kind"] for _, _, leaf in leaves)
        self.counts["messages"] = len(self._sent)
        return found

    # --------------------------------------------------------------------------- what is read

    def _take(self, record: Record) -> None:
        if record.kind not in {"receipts", *ALERT_KINDS} or record.value is None:
            return
        message = self._decoded(record)
        if message is None:
            self._broken.append(f"{record} is no message of the broker")
            return
        content = self._opened(record, message)
        leaf = json.loads(message["leaf"])
        one = Sent(record, message, leaf, leaf_hash(message["leaf"]), content)
        self._sent.append(one)
        self._unproved.append(one)

    def _decoded(self, record: Record) -> dict[str, Any] | None:
        value = record.value or b""
        names = ["receipt"] if record.kind == "receipts" else ["alert"]
        if record.kind == "manual":
            names = ["alert", "receipt"]
        found = (self._schemas.decode(value, name) for name in names)
        return next((one for one in found if one is not None), None)

    def _opened(self, record: Record, message: dict[str, Any]) -> dict[str, Any] | None:
        """The content, as its recipient opens it; of what a person passes on by hand none."""
        if record.kind not in {"alerts", "receipts"}:
            return None
        if message["recipient"] != record.owner:
            self._broken.append(f"{record} is for {message['recipient']}")
            return None
        name = "alert_content" if record.kind == "alerts" else "receipt_content"
        try:
            return self._schemas.decode(self._keys.open(message), name)
        except Exception as error:  # noqa: BLE001 -- whatever it is, its recipient cannot read it
            self._broken.append(f"{record} does not open ({type(error).__name__})")
            return None

    def _shards(self) -> dict[str, dict[str, Log]]:
        """Shard -> owner ("" the auditors' log) -> its log."""
        key = _public_key(self._data_dir / "keys" / "directory.json")
        found: dict[str, dict[str, Log]] = {}
        for folder in sorted((self._data_dir / "ledger").glob("s[0-9]*")):
            origin = f"broker.example/{folder.name}"
            logs = {"": read_log(folder, origin, key)}
            own = folder / "recipients"
            for one in sorted(own.iterdir()) if own.is_dir() else ():
                if (one / "checkpoint").exists():
                    logs[one.name] = read_log(one, f"{origin}/{one.name}", key)
            found[folder.name] = logs
        return found

    # ------------------------------------------------------------------------ what must hold

    def _grown(self, shards: Mapping[str, Mapping[str, Log]], found: Findings) -> None:
        """A log only ever grows."""
        for log in (one for logs in shards.values() for one in logs.values()):
            size, root = self._seen.get(log.origin, (0, b""))
            if len(log.entries) < size:
                found.missing.append(f"{log.origin} had {size} entries and has {len(log.entries)}")
            elif size and log.root(size) != root:
                found.wrong.append(f"{log.origin}: its first {size} entries are others than before")
            else:
                self._seen[log.origin] = len(log.entries), log.root(len(log.entries))

    def _proved(self, shards: Mapping[str, Mapping[str, Log]], found: Findings) -> None:
        """Everything that was sent is in the log of its recipient, by a proof that holds."""
        still: list[Sent] = []
        for one in self._unproved:
            proof = one.message["proof"]
            shard, _, owner = proof["origin"].removeprefix("broker.example/").partition("/")
            log = shards.get(shard, {}).get(owner)
            fault = "its log is not there" if log is None else self._fault_of(one, log)
            if fault:
                still.append(one)
                found.unrecorded.append(f"{one.record} was not recorded: {fault}")
        self._unproved = still

    def _fault_of(self, one: Sent, log: Log) -> str:
        proof, message, leaf = one.message["proof"], one.message, one.leaf
        message_id = message.get("alert_id") or message.get("receipt_id")
        if (leaf["message_id"], leaf["set_id"]) != (message_id, message["set_id"]):
            return "its leaf is of another message"
        if one.record.key != str(message_id).encode():
            return "its key is not its id"
        if _sha(message["sealed"]) != leaf["content_hash"]:
            return "its leaf commits to other content"
        note = proof["checkpoint"]
        if note not in self._notes:
            self._notes[note] = open_note(note, log.origin, log.key)
        size, root = self._notes[note]
        if size != proof["size"] or size > len(log.entries) or log.root(size) != root:
            return "its checkpoint is not of the published log"
        if log.entries[proof["index"]] != message["leaf"]:
            return "the published log has another leaf there"
        if log.path(proof["index"], size) != list(proof["hashes"]):
            return "its path does not lead to the root"
        return ""

    def _once(self, found: Findings) -> None:
        """No message is there twice."""
        ids = Counter((one.record.topic, one.record.key) for one in self._sent)
        digests = Counter(one.digest for one in self._sent)
        found.wrong += [
            f"{topic}: {key!r} is there {n} times" for (topic, key), n in ids.items() if n > 1
        ]
        found.wrong += [f"a leaf was delivered {n} times" for n in digests.values() if n > 1]

    def _taken_in(
        self, leaves: list[tuple[str, int, dict[str, Any]]], found: Findings
    ) -> dict[tuple[str, int, int], str]:
        """Each record that was published has one leaf and one receipt. Position -> outcome."""
        receipts = defaultdict(list)
        for one in self._sent:
            receipts[one.digest.hex()].append(one)
        outcomes: dict[tuple[str, int, int], str] = {}
        for shard, index, leaf in leaves:
            if leaf["kind"] not in INTAKE:
                continue
            source = leaf["source"]
            at = source["topic"], source["partition"], source["offset"]
            if at in outcomes:
                found.wrong.append(f"{at} has a second leaf: {shard}, {index}")
            outcomes[at] = leaf["kind"]
            told = receipts.get(leaf["receipt"], [])
            if not told:
                found.missing.append(f"{at} is recorded ({leaf['kind']}) and has no receipt yet")
            for one in told:
                said = (one.content or {}).get("outcome")
                if one.record.owner != at[0].split(".v1.")[1]:
                    found.wrong.append(f"the receipt of {at} went to {one.record.topic}")
                if leaf["kind"] != "action" and said != leaf["kind"]:
                    found.wrong.append(f"{at} is {leaf['kind']} and its receipt says {said}")
        published = {
            (one.topic, one.partition, one.offset)
            for one in self._reader.records
            if one.kind in {"concerns", "actions"}
        }
        found.missing += [f"{at} has no leaf yet" for at in sorted(published - set(outcomes))]
        found.missing += [
            f"{at} has a leaf and was not read yet" for at in set(outcomes) - published
        ]
        return outcomes

    def _decided(self, leaves: list[tuple[str, int, dict[str, Any]]], found: Findings) -> None:
        """Each accepted part is closed once, with all its decisions, and each permit was sent."""
        sent = {one.digest.hex(): one for one in self._sent}
        closings: Counter[tuple[str, int]] = Counter()
        decisions = Counter(leaf["set_id"] for _, _, leaf in leaves if leaf["kind"] == "decision")
        for _, _, leaf in leaves:
            if leaf["kind"] == "closing":
                closings[leaf["part_id"], leaf["round"]] += 1
                if decisions[leaf["set_id"]] != leaf["count"]:
                    found.wrong.append(f"set {leaf['set_id']} has not the decisions that it closes")
            told = leaf["recipient_leaf"] if leaf["kind"] == "decision" else None
            if told is not None and told not in sent:
                found.missing.append(f"{leaf['recipient']} was not sent set {leaf['set_id']}")
        found.wrong += [f"part {part} is closed {n} times" for part, n in closings.items() if n > 1]
        for _, _, leaf in leaves:
            if leaf["kind"] == "accepted":
                for part in leaf["parts"]:
                    if not closings[part, 0] and not closings[part, 1]:
                        found.missing.append(
                            f"part {part} of {leaf['event_id']} is not decided; {self._lies(part)}"
                        )

    def _lies(self, part_id: str) -> str:
        """Where a part waits, for whoever looks into it."""
        places = [
            str(one)
            for one in self._reader.records
            if one.kind == "parts"
            and (self._schemas.decode(one.value or b"", "part") or {}).get("part_id") == part_id
        ]
        return f"it lies at {', '.join(places)}" if places else "it is nowhere on parts.v1"

    def _journal(
        self,
        journal: list[Published],
        outcomes: Mapping[tuple[str, int, int], str],
        found: Findings,
    ) -> None:
        """Who must be told was told, once, and about each child in the order of publication."""
        told: dict[str, Counter[str]] = defaultdict(Counter)
        for one in self._sent:
            if one.record.kind == "alerts" and one.content is not None:
                told[one.content["event_id"]][one.content["recipient"]] += 1
        first: dict[str, tuple[str, int]] = {}
        for record in self._reader.records:
            if record.kind == "concerns":
                envelope = self._schemas.decode(record.value or b"", "envelope") or {}
                at = (record.topic, record.partition, record.offset)
                if outcomes.get(at) == "accepted":
                    first.setdefault(envelope["event_id"], (record.topic, record.offset))
        child_of = {one.event_id: one.child for one in journal}
        for event in journal:
            if event.recipients is None:
                continue
            due, got = Counter(event.recipients), told[event.event_id]
            if event.event_id not in first:
                found.missing.append(f"event {event.event_id} is not accepted yet")
            elif got != due:
                into = found.wrong if got - due else found.missing
                into.append(f"event {event.event_id}: told {dict(got)}")
        self._in_order(child_of, first, found)

    def _in_order(
        self, child_of: Mapping[str, str], first: Mapping[str, tuple[str, int]], found: Findings
    ) -> None:
        last: dict[tuple[str, str, str], int] = {}
        for one in self._sent:
            if one.record.kind != "alerts" or one.content is None:
                continue
            event = one.content["event_id"]
            if event not in child_of or event not in first:
                continue
            topic, offset = first[event]
            place = one.record.topic, child_of[event], topic
            if last.get(place, -1) > offset:
                found.wrong.append(f"{one.record}: a child's earlier event came after a later one")
            last[place] = max(last.get(place, -1), offset)


def _public_key(directory: Path) -> bytes:
    """The ledger's public key, as the public register gives it to everybody."""
    return base64.b64decode(json.loads(directory.read_text(encoding="utf-8"))["ledger"])


def _sha(data: bytes) -> str:
    return sha256(data).hexdigest()
