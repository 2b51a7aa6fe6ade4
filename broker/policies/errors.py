"""The one error of this package: a policy file that is not as it must be."""

from __future__ import annotations

from pathlib import Path


class PolicyFileError(ValueError):
    """Says the file, the clause or key in it, what is wrong and what to do."""

    def __init__(self, path: Path, where: str, what: str) -> None:
        """`where` names a clause, a key or a line; it may be empty."""
        super().__init__(f"{path}{': ' if where else ''}{where}: {what}")
        self.path = path
        self.where = where
