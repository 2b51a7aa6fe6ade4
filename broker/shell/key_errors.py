"""What is said of a key that cannot be used."""

from __future__ import annotations


class KeysError(RuntimeError):
    """A key that is missing or cannot be read; says which and what to do."""
