"""Finds whom a decision set is about, among the keys that are held."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from broker.auditor.recorded_sets import RecordedSet
from broker.auditor.replay import subject_of


class Subjects:
    """Part keys in the order in which their keys were made, which is nearly that of the log.

    Leaves name no token, so each candidate costs a hash. The search therefore begins where the newest
    subject of the shard was found and goes outward: a few hashes for most sets, all of them for one
    whose key is gone. The order changes nothing but the time.
    """

    def __init__(self, part_keys: Iterable[str]) -> None:
        """`part_keys`: of every key that is held."""
        self._names = tuple(part_keys)
        self._places = {name: place for place, name in enumerate(self._names)}
        self._newest: dict[str, int] = {}
        self._known: dict[tuple[str, str, int, str], str] = {}

    def of(self, one: RecordedSet) -> str | None:
        """The part key; None where no held key fits."""
        found = subject_of(
            one.closing.set_id, one.part[:3], one.closing.round, self._candidates(one)
        )
        if found is not None:
            self._known[one.part] = found
            self._newest[one.shard] = max(self._newest.get(one.shard, 0), self._places[found])
        return found

    def _candidates(self, one: RecordedSet) -> Iterator[str]:
        """First that of an earlier round of the part, then outward from the newest."""
        if one.part in self._known:
            yield self._known[one.part]
        start, count = self._newest.get(one.shard, 0), len(self._names)
        for distance in range(count):
            if start + distance < count:
                yield self._names[start + distance]
            if 0 < distance <= start:
                yield self._names[start - distance]
