"""Which entries mention an id: hashes with numbers of entries, in rows that split as they fill.

A row holds up to `FULL` postings. When it has more, they go on to the rows below it, sixteen, by the
next four bits of their hashes, and it begins again: so a look-up reads a row for each level, and an
insertion changes the top row and seldom another. A posting that is there twice, or that belongs to an
entry that is not there, does no harm: who looks it up reads the entry.
"""

from __future__ import annotations

import hashlib

from broker.link.rows import Gathered

HASH = 8
POSTING = 12
"""Bytes of a hash, and of a hash with the number of an entry."""
FULL = 256
DEEPEST = 2 * HASH
END = b"\x00"
MORE_BELOW = b"\x01"
NIBBLES = "0123456789abcdef"


def hash_of(one: str) -> bytes:
    """By this an id is found again."""
    return hashlib.blake2b(one.encode(), digest_size=HASH).digest()


class Postings:
    """Postings under one name; rows are named by it and the hash so far."""

    def __init__(self, rows: Gathered, name: str) -> None:
        """`name` of the top row."""
        self._rows = rows
        self._name = name

    def find(self, wanted: bytes) -> set[int]:
        """Numbers of the entries that were inserted with this hash."""
        found: set[int] = set()
        path = wanted.hex()
        for depth in range(DEEPEST + 1):
            row = self._rows.get(self._name + path[:depth])
            if row is None:
                break
            at = row.find(wanted, 1)
            while at > 0:
                if (at - 1) % POSTING == 0:
                    found.add(int.from_bytes(row[at + HASH : at + POSTING], "big"))
                at = row.find(wanted, at + 1)
            if row[:1] == END:
                break
        return found

    def is_empty(self) -> bool:
        """Whether nothing was ever inserted."""
        return self._rows.get(self._name) is None

    def insert(self, pairs: list[tuple[bytes, int]]) -> None:
        """Adds postings: hash and number of an entry."""
        if pairs:
            added = b"".join(wanted + number.to_bytes(4, "big") for wanted, number in pairs)
            self._insert("", added)

    def remove(self, wanted: bytes, number: int) -> None:
        """Takes a posting out wherever it is."""
        gone = wanted + number.to_bytes(4, "big")
        path = wanted.hex()
        for depth in range(DEEPEST + 1):
            name = self._name + path[:depth]
            row = self._rows.get(name)
            if row is None:
                break
            kept = [one for one in _postings(row[1:]) if one != gone]
            self._rows.put(name, row[:1] + b"".join(kept))
            if row[:1] == END:
                break

    def drop(self, path: str = "") -> None:
        """Removes all rows."""
        row = self._rows.get(self._name + path)
        if row is None:
            return
        if row[:1] == MORE_BELOW:
            for nibble in NIBBLES:
                self.drop(path + nibble)
        self._rows.drop(self._name + path)

    def _insert(self, path: str, added: bytes) -> None:
        held = self._rows.get(self._name + path) or END
        row = held + added
        if len(row) <= 1 + FULL * POSTING or len(path) == DEEPEST:
            self._rows.put(self._name + path, row)
            return
        below: dict[str, list[bytes]] = {}
        for one in dict.fromkeys(_postings(row[1:])):
            below.setdefault(one.hex()[len(path)], []).append(one)
        for nibble, some in below.items():
            self._insert(path + nibble, b"".join(some))
        self._rows.put(self._name + path, MORE_BELOW)


def _postings(row: bytes) -> list[bytes]:
    return [row[at : at + POSTING] for at in range(0, len(row), POSTING)]
