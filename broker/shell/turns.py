"""Who is taken in next, and whether anybody is: publishers in turn, under a bound on what lies ahead.

Pure. The queues between the steps are first in, first out: what is put there lies before all that comes
later. So intake takes in no more than a bounded number ahead of what decide and the ledger have finished;
what waits beyond that waits in its publisher's own topic, where a flood waits for itself alone.
"""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

KeyT = TypeVar("KeyT")
ItemT = TypeVar("ItemT")


class Turns(Generic[KeyT, ItemT]):
    """Items that wait, by whose they are; each of whose wait gives one, then it is the next one's turn.

    An item with n of its own before it is taken after at most n + 1 turns of each other.
    """

    def __init__(self) -> None:
        """Nobody waits."""
        self._waiting: dict[KeyT, deque[ItemT]] = {}

    def __bool__(self) -> bool:
        """Whether anything waits."""
        return bool(self._waiting)

    def count(self, key: KeyT) -> int:
        """How many of these wait."""
        return len(self._waiting.get(key, ()))

    def put(self, key: KeyT, item: ItemT) -> None:
        """Behind what waits of the same; who had nothing waiting has its turn after all others."""
        self._waiting.setdefault(key, deque()).append(item)

    def take(self) -> tuple[KeyT, ItemT]:
        """The next one. Raises KeyError where nothing waits."""
        key = next(iter(self._waiting), None)
        if key is None:
            raise KeyError("nothing waits")
        items = self._waiting.pop(key)
        item = items.popleft()
        if items:
            self._waiting[key] = items
        return key, item

    def clear(self) -> None:
        """Forgets all that waits."""
        self._waiting.clear()


class Window:
    """How many records may lie in the inner queues, or be on their way there, before none is taken in.

    What is there is known now and then; what was taken since is added. So the count is never too low,
    as long as a record that is worked off leaves at most one in the queue behind it. One record that is
    taken in may make several: the bound is passed by what the last one made and no more.
    """

    def __init__(self, most: int) -> None:
        """Nothing is known yet: no room until it is. Else each start would put `most` on top."""
        self._most = most
        self._taken = self._sent = self._counted_from = 0
        self._behind = most

    @property
    def ahead(self) -> int:
        """Records that lie there, or may."""
        return self._behind + self._taken - self._counted_from

    @property
    def has_room(self) -> bool:
        """Whether a record may be taken in."""
        return self.ahead < self._most

    def took(self, made: int) -> None:
        """A record was taken in that makes so many in the inner queues."""
        self._taken += made

    def sent(self, made: int) -> None:
        """So many of them lie there now: whoever counts from here on sees them."""
        self._sent += made

    def mark(self) -> int:
        """To be had before the queues are looked at, and given with what was found."""
        return self._sent

    def found(self, behind: int, mark: int) -> None:
        """So many lay there unfinished, of all that was sent before the mark and perhaps later."""
        self._behind, self._counted_from = behind, mark

    def unknown(self, allowed: int) -> None:
        """Nobody knows what lies there: as if there were room for so many more."""
        self._behind, self._counted_from = max(0, self._most - allowed), self._taken
