"""The one error of this package: a policy file that is not as it must be."""

from __future__ import annotations

from pathlib import Path


class PolicyFileError(ValueError):
    """Says the file, the line, the clause or key in it, what is wrong and what to do."""

    def __init__(self, path: Path, where: str, what: str, line: int | None = None) -> None:
        """`where` names a clause or a key and may be empty; `line` counts from 1, if it is known."""
        place = f"{path}:{line}" if line else str(path)
        super().__init__(f"{place}{': ' if where else ''}{where}: {what}")
        self.path = path
        self.where = where
        self.what = what
        self.line = line
