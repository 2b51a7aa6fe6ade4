"""What one command said, as a shell would see it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec


class Said(msgspec.Struct, frozen=True):
    """Exit code, standard output and standard error."""

    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The lines of standard output as JSON."""
        return [msgspec.json.decode(line) for line in self.out.splitlines()]


Command = Callable[..., Said]
"""`broker(*arguments, given=bytes of standard input)`."""
