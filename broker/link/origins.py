"""Which records go back to one first observation: union-find over the ids that they share.

A record that was made from several others is no proof that those are one: a summary of a mother's
and a teacher's report would otherwise turn two witnesses into one. Such a record joins the others
only if they are one origin already; else it is dependent on each of them and unites none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from broker.model.values import StateEntry


class Origins(msgspec.Struct, frozen=True):
    """The origin of each record, named by the smallest origin id among the records that share it."""

    names: tuple[str, ...]
    """By position of the record that was asked about."""
    holders: Mapping[str, int]
    """Id -> position of a record that holds it as its own."""
    made_from: Mapping[int, tuple[str, ...]]
    """Position of a record made from several -> the ids it names, all of other origins than its own."""

    def named(self, origin_id: str) -> str:
        """The origin that an id belongs to; the id itself where no record holds it."""
        holder = self.holders.get(origin_id)
        return origin_id if holder is None else self.names[holder]


class _Sets:
    """Disjoint sets of positions, and the ids that each position holds as its own."""

    def __init__(self, count: int) -> None:
        self.parent = list(range(count))
        self.holders: dict[str, int] = {}

    def root(self, position: int) -> int:
        """The representative of a set; halves the path on its way."""
        parent = self.parent
        while parent[position] != position:
            parent[position] = parent[parent[position]]
            position = parent[position]
        return position

    def claim(self, position: int, ids: Sequence[str]) -> None:
        """Unites the record with every record that holds one of `ids`, and lets it hold them too."""
        for one in ids:
            first = self.holders.setdefault(one, position)
            if first != position:
                self.parent[self.root(position)] = self.root(first)

    def set_of(self, held: str) -> int | str:
        """The set in which an id is held; the id itself where no record holds it."""
        holder = self.holders.get(held)
        return held if holder is None else self.root(holder)


def origins_of(entries: Sequence[StateEntry]) -> Origins:
    """The origins of `entries`, whatever their sequence; near-linear in the number of ids."""
    sets = _Sets(len(entries))
    several: dict[int, tuple[str, ...]] = {}
    for position, entry in enumerate(entries):
        if len(entry.ids) <= 2:  # the usual record: at most one id besides its event's own
            sets.claim(position, entry.ids)
            continue
        own = _own(entry)
        others = tuple(one for one in entry.ids if one not in own)
        if len(others) > 1:
            several[position] = others
        sets.claim(position, own if len(others) > 1 else entry.ids)
    _unite_those_of_one_origin(sets, several)
    roots = [sets.root(position) for position in range(len(entries))]
    smallest: dict[int, str] = {}
    for root, entry in zip(roots, entries, strict=True):
        origin = entry.observation.origin
        if origin < smallest.setdefault(root, origin):
            smallest[root] = origin
    made_from = {
        position: others
        for position, others in several.items()
        if roots[position] not in {sets.set_of(one) for one in others}
    }
    return Origins(tuple(smallest[root] for root in roots), sets.holders, made_from)


def _own(entry: StateEntry) -> tuple[str, ...]:
    """The ids that are the record's own; an origin id only if the first observation is known."""
    observation = entry.observation
    if observation.origin_unknown or observation.origin == entry.event_id:
        return (entry.event_id,)
    return entry.event_id, observation.origin


def _unite_those_of_one_origin(sets: _Sets, several: Mapping[int, tuple[str, ...]]) -> None:
    """A record made from several that are one origin belongs to that one, which may make others so.

    A record is looked at again only when sets that it names become one, the fewer of them first.
    """
    waiting: dict[int, list[int]] = {}
    for position, others in several.items():
        for held in {sets.set_of(one) for one in others}:
            if isinstance(held, int):
                waiting.setdefault(held, []).append(position)
    due = list(several)
    while due:
        position = due.pop()
        found = {sets.set_of(one) for one in several[position]}
        own, target = sets.root(position), found.pop()
        if found or not isinstance(target, int) or target == own:
            continue
        fewer, more = sorted((waiting.pop(own, []), waiting.pop(target, [])), key=len)
        sets.claim(position, several[position])
        due.extend(fewer)
        more.extend(fewer)
        waiting[sets.root(position)] = more
