"""Rows in which a long history is kept: written together, and in an order that a crash may cut anywhere.

Names of rows begin at the key that they belong to; the empty name is the head. Whoever writes them puts
the head last and, of other rows, longer names first.
"""

from __future__ import annotations

from typing import Protocol


class Rows(Protocol):
    """The rows of one key, wherever they lie."""

    def get(self, name: str) -> bytes | None:
        """The row; None where there is none."""

    def put(self, name: str, row: bytes) -> None:
        """Writes the row."""

    def drop(self, name: str) -> None:
        """Removes the row, if it is there."""


class Gathered:
    """Rows that are read once and written when all changes are made."""

    def __init__(self, rows: Rows) -> None:
        """Over `rows`."""
        self._rows = rows
        self._held: dict[str, bytes | None] = {}
        self._changed: set[str] = set()

    def get(self, name: str) -> bytes | None:
        """The row as it is now."""
        try:
            return self._held[name]
        except KeyError:
            row = self._held[name] = self._rows.get(name)
            return row

    def put(self, name: str, row: bytes) -> None:
        """Writes the row when all is written."""
        self._held[name] = row
        self._changed.add(name)

    def drop(self, name: str) -> None:
        """Removes the row when all is written."""
        self._held[name] = None
        self._changed.add(name)

    def write(self) -> None:
        """Writes what was changed: longer names first, the head last."""
        for name in sorted(self._changed, key=lambda one: (-len(one), one)):
            row = self._held[name]
            if row is None:
                self._rows.drop(name)
            else:
                self._rows.put(name, row)
        self._changed.clear()
