"""Decision sets as their bytes lie in the auditors' log; nothing is verified here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from broker.auditor.recorded import RecordedClosing, shards_of
from broker.ledger import read_entries
from broker.record import PolicyHashes


class ClosingLeaf(RecordedClosing, frozen=True):
    """The end of a set, with what it commits to."""

    facts_hash: str
    rows_hash: str
    act_set_id: str | None = None


class RecordedSet(msgspec.Struct, frozen=True):
    """One decision set as its bytes lie in the auditors' log."""

    shard: str
    first: int
    """Index of its first leaf."""
    closing: ClosingLeaf
    leaves: tuple[bytes, ...]

    @property
    def part(self) -> tuple[str, str, int, str]:
        """Identity of the part, the same in each of its rounds."""
        one = self.closing
        return one.publisher, one.event_id, one.version, one.part_id

    @property
    def hashes(self) -> PolicyHashes:
        """By what it was decided."""
        one = self.closing
        return PolicyHashes(one.policy_bundle, one.geography, one.register, one.parameters)


class _Head(msgspec.Struct, frozen=True):
    kind: str
    set_id: str


def recorded_sets(ledger_dir: Path) -> Iterator[RecordedSet]:
    """Every decision set, shard by shard in the order of its log.

    Raises LedgerError for files that are no log, ValueError for a leaf that cannot be read.
    """
    for shard in shards_of(ledger_dir):
        begun: dict[str, tuple[int, list[bytes]]] = {}
        for index, data in enumerate(read_entries(shard, 0)):
            head = msgspec.json.decode(data, type=_Head)
            if head.kind not in {"decision", "closing"}:
                continue
            first, leaves = begun.setdefault(head.set_id, (index, []))
            leaves.append(data)
            if head.kind == "closing":
                closing = msgspec.json.decode(data, type=ClosingLeaf)
                del begun[head.set_id]
                yield RecordedSet(shard.name, first, closing, tuple(leaves))
