"""Reads what others publish into concern events. Pure functions over lines: the caller opens files."""

from broker.imports.police_uk import ImportedRow, NotPoliceUkError, read_rows

__all__ = ["ImportedRow", "NotPoliceUkError", "read_rows"]
