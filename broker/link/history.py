"""The entries of one key in rows, so that an event costs the same however many there are.

The head holds the newest entries, fewer than `RUN`, and how many lie outside it. When it is full its
entries become a run, a row of their own, and their ids, times, harms and organisations go into indexes.
Who asks what a part rests on reads the head, a few rows of indexes and the runs that these name.

A head that has no runs is written as a list of entries, which is how all entries of a key were kept once;
such a list of any length is read, and put into runs when the next entry comes.

Writing may be cut off anywhere: the head is written last and says how many entries count. What indexes
say of others is looked over, and the record that is read again writes it anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from broker.link.about import Counts, Listed, Window
from broker.link.entries import merged
from broker.link.foremost import FIRST_SAID, LAST_STATED, Few, Foremost
from broker.link.postings import Postings, hash_of
from broker.link.rows import Gathered, Rows
from broker.link.zones import Zones, span_of
from broker.model.values import StateEntry

RUN = 16
"""Entries in a run."""
HEAD = ""
GONE = msgspec.Raw(b"\xc0")
"""In the place of an entry that was removed."""
MAP = 0x80
"""A MessagePack map of up to fifteen keys begins with this or a little more; a list with another byte."""
ODDS = 0x10


class _Head(msgspec.Struct):
    """The head of a history that has runs."""

    outside: int
    """How many entries lie in runs, those removed since included."""
    entries: tuple[StateEntry, ...]
    known: tuple[str, ...] = ()
    """Ids of these that entries outside mention too: the others need not be looked up."""


_list_decoder = msgspec.msgpack.Decoder(tuple[StateEntry, ...])
_head_decoder = msgspec.msgpack.Decoder(_Head)
_run_decoder = msgspec.msgpack.Decoder(list[msgspec.Raw])
_entry_decoder = msgspec.msgpack.Decoder(StateEntry | None)


class KeptHistory:
    """The history of one key, from its rows. Lives as long as the work on one record."""

    def __init__(self, rows: Rows) -> None:
        """Reads the head."""
        self._rows = Gathered(rows)
        self._ids = Postings(self._rows, "/i")
        self._shared = Postings(self._rows, "/h")
        self._zones = Zones(self._rows)
        self._foremost = Foremost(self._rows)
        head = _read_head(self._rows.get(HEAD))
        self._outside, self._head, self._known = head.outside, list(head.entries), {*head.known}
        self._looked_up = True
        self._in_head: dict[str, list[StateEntry]] | None = None
        self._runs: dict[int, list[msgspec.Raw]] = {}
        self._read: dict[int, StateEntry | None] = {}
        self._held: dict[str, tuple[StateEntry, ...]] = {}

    def is_empty(self) -> bool:
        """Whether nothing was ever kept, or all of it removed."""
        return not self._outside and not self._head

    def whole(self) -> tuple[StateEntry, ...]:
        """All entries. Its cost grows with their number."""
        return (*(entry for _, entry in self._all_outside()), *self._head)

    # what a part rests on

    def near(self, harms: Sequence[str], window: Window) -> Iterable[StateEntry]:
        """At least those that share one of `harms` and touch `window`."""
        yield from self._head
        wanted = frozenset(harms)
        for run in self._zones.touching(self._outside // RUN, wanted, window):
            yield from self._of_run(run)

    def mentioning(self, one: str) -> Sequence[StateEntry]:
        """Those that have the id among theirs."""
        in_head = self._head_by_id().get(one, ())
        if not self._outside or (in_head and one not in self._known):
            return in_head
        if one in self._held and not self._is_shared(one):
            return (*in_head, *self._held[one])
        found = (self._entry(number) for number in self._numbers(one))
        return (*in_head, *(entry for entry in found if entry is not None and one in entry.ids))

    def first_said(self, counts: Counts) -> Iterable[StateEntry]:
        """Of each organisation the first that counts, by time of observation."""
        found = self._foremost_of(FIRST_SAID, counts)
        some = self.whole() if found is None else (*found, *self._head)
        return Listed(some).first_said(counts)

    def last_stated(self, harms: Sequence[str], counts: Counts) -> Iterable[StateEntry]:
        """Of each organisation and harm the last that counts and states a category."""
        some: list[StateEntry] = list(self._head)
        for harm in harms:
            found = self._foremost_of(LAST_STATED + harm, counts)
            if found is None:
                return Listed(self.whole()).last_stated(harms, counts)
            some += found
        return Listed(some).last_stated(harms, counts)

    def _foremost_of(self, name: str, counts: Counts) -> list[StateEntry] | None:
        """The foremost outside the head of each organisation; None where the few do not tell it."""
        found = []
        for few in self._foremost.of(name).values() if self._outside else ():
            first = self._first_of(few, counts)
            if first is not None:
                found.append(first)
            elif few.more:
                return None
        return found

    def _first_of(self, few: Few, counts: Counts) -> StateEntry | None:
        for _, event_id, number in few.places:
            entry = self._entry(number)
            if entry is not None and entry.event_id == event_id and counts(entry):
                return entry
        return None

    # changes

    def add(self, *entries: StateEntry) -> None:
        """Adds entries, each unless its statement is known."""
        for entry in entries:
            if self._place(entry.statement) is None:
                self._append(entry)
        self._save()

    def adopt(self, entries: Iterable[StateEntry]) -> None:
        """Joins the entries of another key: of a statement that both hold the earlier place is kept."""
        for entry in entries:
            self._put(entry)
        self._save()

    def retract(self, mark: StateEntry) -> None:
        """The entry of the mark's statement counts no more; where there is none, the mark is left."""
        found = self._place(mark.statement)
        if found is None:
            self._append(mark)
        else:
            self._replace(found, msgspec.structs.replace(self._at(found), retracted=True))
        self._save()

    def remove(self, statements: Iterable[tuple[str, str]]) -> None:
        """Removes the entries of these statements, and what the indexes say of them."""
        for statement in statements:
            found = self._place(statement)
            if found is not None:
                self._replace(found, None)
        self._save()

    def forget(self) -> None:
        """Removes every row."""
        self._ids.drop()
        self._shared.drop()
        self._zones.drop(self._outside // RUN)
        self._foremost.drop()
        for run in range(self._outside // RUN):
            self._rows.drop(_run(run))
        self._rows.drop(HEAD)
        self._rows.write()

    def _put(self, entry: StateEntry) -> None:
        found = self._place(entry.statement)
        if found is None:
            self._append(entry)
            return
        known = self._at(found)
        if (both := merged(known, entry)) != known:
            self._replace(found, both)

    def _append(self, entry: StateEntry) -> None:
        self._head.append(entry)
        self._known.update(one for one in entry.ids if self._numbers(one))
        if self._in_head is not None:
            for one in entry.ids:
                self._in_head.setdefault(one, []).append(entry)

    def _place(self, statement: tuple[str, str]) -> int | None:
        """Where the statement's entry is: in the head (0, 1, ...), or outside (-1, -2, ...)."""
        _, event_id = statement
        if any(one.statement == statement for one in self._head_by_id().get(event_id, ())):
            return next(n for n, one in enumerate(self._head) if one.statement == statement)
        for number in self._numbers(event_id):
            entry = self._entry(number)
            if entry is not None and entry.statement == statement:
                return -1 - number
        return None

    def _at(self, place: int) -> StateEntry:
        entry = self._head[place] if place >= 0 else self._entry(-1 - place)
        if entry is None:
            raise LookupError(f"no entry at {place}")
        return entry

    def _replace(self, place: int, entry: StateEntry | None) -> None:
        if place < 0:
            self._replace_outside(-1 - place, self._at(place), entry)
            return
        self._head[place : place + 1] = [] if entry is None else [entry]
        self._in_head = None

    def _replace_outside(self, number: int, before: StateEntry, entry: StateEntry | None) -> None:
        """The run first; then what the indexes say of the entry as it was and as it is."""
        run, at = divmod(number, RUN)
        raws = self._raws(run)
        raws[at] = GONE if entry is None else msgspec.Raw(msgspec.msgpack.encode(entry))
        self._rows.put(_run(run), msgspec.msgpack.encode(raws))
        self._read[number] = entry
        self._held.clear()
        self._foremost.remove(number, before, self._all_outside)
        kept = () if entry is None else entry.ids
        for one in before.ids:
            if one not in kept:
                self._unmention(hash_of(one), number)
        if entry is not None:
            self._index(run, [(number, entry)], kept=before.ids)
            self._looked_up = False

    def _unmention(self, gone: bytes, number: int) -> None:
        self._ids.remove(gone, number)
        if not self._ids.find(gone):
            self._shared.remove(gone, 0)

    def _save(self) -> None:
        """Puts full runs out of the head, and writes what was changed."""
        while len(self._head) >= RUN:
            entries, self._head = self._head[:RUN], self._head[RUN:]
            run = self._outside // RUN
            self._rows.put(_run(run), msgspec.msgpack.encode(entries))
            self._index(run, list(enumerate(entries, start=self._outside)))
            self._outside += RUN
            self._in_head = None
            self._looked_up = False
        if not self._looked_up:
            self._known = {one for entry in self._head for one in entry.ids if self._numbers(one)}
        self._rows.put(HEAD, self._written())
        self._rows.write()

    def _index(
        self, run: int, entries: list[tuple[int, StateEntry]], kept: Sequence[str] = ()
    ) -> None:
        """Puts entries that lie outside the head into the indexes; ids in `kept` are there already."""
        pairs: list[tuple[bytes, int]] = []
        shared: dict[bytes, None] = {}
        new: set[bytes] = set()
        for number, entry in entries:
            for one in entry.ids:
                if one in kept:
                    continue
                wanted = hash_of(one)
                if wanted in new or any(n < self._outside for n in self._ids.find(wanted)):
                    shared[wanted] = None
                new.add(wanted)
                pairs.append((wanted, number))
        self._ids.insert(pairs)
        self._shared.insert([(one, 0) for one in shared])
        self._zones.widen(run, span_of(entry for _, entry in entries))
        self._foremost.add(entries)

    # reading and writing

    def _written(self) -> bytes:
        if not self._outside:
            return msgspec.msgpack.encode(self._head)
        known = tuple(sorted(self._known))
        return msgspec.msgpack.encode(_Head(self._outside, tuple(self._head), known))

    def _numbers(self, one: str) -> Iterable[int]:
        """Numbers of entries outside the head that may mention the id."""
        if not self._outside:
            return ()
        return sorted(n for n in self._ids.find(hash_of(one)) if n < self._outside)

    def _is_shared(self, one: str) -> bool:
        """Whether more than one entry outside the head mentions the id."""
        return not self._shared.is_empty() and bool(self._shared.find(hash_of(one)))

    def _head_by_id(self) -> dict[str, list[StateEntry]]:
        if self._in_head is None:
            self._in_head = {}
            for entry in self._head:
                for one in entry.ids:
                    self._in_head.setdefault(one, []).append(entry)
        return self._in_head

    def _entry(self, number: int) -> StateEntry | None:
        """An entry outside the head; None where it was removed, or is none that counts."""
        if number in self._read:
            return self._read[number]
        if number >= self._outside:
            return None
        run, at = divmod(number, RUN)
        entry: StateEntry | None = _entry_decoder.decode(self._raws(run)[at])
        self._read[number] = entry
        if entry is not None:
            for one in entry.ids:
                self._held[one] = (entry,)
        return entry

    def _raws(self, run: int) -> list[msgspec.Raw]:
        if run not in self._runs:
            row = self._rows.get(_run(run))
            # a removal that was cut off: what is gone is gone
            self._runs[run] = [GONE] * RUN if row is None else _run_decoder.decode(row)
        return self._runs[run]

    def _of_run(self, run: int) -> Iterator[StateEntry]:
        for number in range(run * RUN, run * RUN + RUN):
            entry = self._entry(number)
            if entry is not None:
                yield entry

    def _all_outside(self) -> Iterator[tuple[int, StateEntry]]:
        for number in range(self._outside):
            entry = self._entry(number)
            if entry is not None:
                yield number, entry


def _run(run: int) -> str:
    return f"/r{run}"


def _read_head(row: bytes | None) -> _Head:
    if row is None:
        return _Head(0, ())
    if MAP <= row[0] < MAP + ODDS:
        return _head_decoder.decode(row)
    return _Head(0, _list_decoder.decode(row))
