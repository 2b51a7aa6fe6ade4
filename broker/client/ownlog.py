"""What a client remembers of its organisation's own logs, so that no history can be rewritten.

An alert proves that it was recorded. Over several alerts a client can see more: a log only grows,
one size has one root, one index has one entry. What breaks that is refused as `rolled_back`.
"""

from __future__ import annotations

import msgspec


class LogPosition(msgspec.Struct, frozen=True):
    """Where a checked message stands in one of the organisation's own logs."""

    origin: str
    index: int
    size: int
    """Size of the tree whose signed checkpoint came along."""
    root: bytes
    leaf_hash: str


class MissingEntries(msgspec.Struct, frozen=True):
    """Entries of one own log that no message on the organisation's topics belongs to."""

    origin: str
    size: int
    """The greatest signed size that was seen: indexes below it exist."""
    indexes: tuple[int, ...]


class _Log(msgspec.Struct):
    size: int = 0
    root: bytes = b""
    last_index: int = -1
    leaves: dict[int, str] = {}


class OwnLogs:
    """All own logs of one organisation, one a shard, as far as one client has seen them."""

    def __init__(self) -> None:
        """Nothing seen yet."""
        self._logs: dict[str, _Log] = {}

    def objection(self, position: LogPosition) -> str | None:
        """Why the position cannot be true beside what was seen before; None remembers it."""
        log = self._logs.setdefault(position.origin, _Log())
        if log.leaves.get(position.index, position.leaf_hash) != position.leaf_hash:
            return f"entry {position.index} was seen before with other content"
        if position.size == log.size and position.root != log.root:
            return f"size {position.size} was signed with another root before"
        if position.index > log.last_index and position.size < log.size:
            return (
                f"a later entry comes with size {position.size}, "
                f"but size {log.size} was signed before"
            )
        log.leaves[position.index] = position.leaf_hash
        log.last_index = max(log.last_index, position.index)
        if position.size > log.size:
            log.size, log.root = position.size, position.root
        return None

    def sizes(self) -> dict[str, int]:
        """Origin -> the greatest signed size that was seen."""
        return {origin: log.size for origin, log in self._logs.items()}

    def missing(self, sizes: dict[str, int]) -> tuple[MissingEntries, ...]:
        """For each log with a gap below the given size: the indexes that were not seen."""
        found = []
        for origin, size in sorted(sizes.items()):
            seen = self._logs.get(origin, _Log()).leaves
            gap = tuple(index for index in range(size) if index not in seen)
            if gap:
                found.append(MissingEntries(origin, size, gap))
        return tuple(found)
