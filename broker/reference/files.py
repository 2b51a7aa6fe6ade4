"""Reading CSV files that people write: each row checked, each error with file and line."""

from __future__ import annotations

import csv
import datetime
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Generic, TypeVar

import msgspec
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, model_validator

ALWAYS = datetime.date.min
"""First day of a row without `valid_from`: since before the data begin."""


class ReferenceDataError(ValueError):
    """A file of reference data is wrong. The message says where and what to do."""

    def __init__(self, path: Path, line: int | None, what: str) -> None:
        """`line` is None when the error is not in one line of the file."""
        self.path = path
        self.line = line
        where = f"{path}:{line}" if line is not None else str(path)
        super().__init__(f"{where}: {what}")


def _blank_to_none(value: object) -> object:
    return None if isinstance(value, str) and not value.strip() else value


Day = Annotated[datetime.date | None, BeforeValidator(_blank_to_none)]
"""A date as `YYYY-MM-DD`, or blank."""


class Row(BaseModel):
    """A row: no column may be missing, unknown or padded with spaces."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=False)


class DatedRow(Row):
    """A row that holds from its first to its last day, both included."""

    valid_from: Day
    valid_to: Day

    @property
    def first_day(self) -> datetime.date:
        """`valid_from`, or the earliest day there is."""
        return self.valid_from or ALWAYS

    @model_validator(mode="after")
    def _in_order(self) -> DatedRow:
        if self.valid_to is not None and self.valid_to < self.first_day:
            raise ValueError("valid_to is before valid_from: exchange or correct them")
        return self

    def overlaps(self, other: DatedRow) -> bool:
        """Whether there is a day on which both hold."""
        return self.first_day <= (other.valid_to or datetime.date.max) and other.first_day <= (
            self.valid_to or datetime.date.max
        )


R = TypeVar("R", bound=Row)


class Placed(msgspec.Struct, Generic[R], frozen=True):
    """A row with where it was read, so that a later check can still name the line."""

    row: R
    path: Path
    line: int

    def error(self, what: str) -> ReferenceDataError:
        """An error about this row."""
        return ReferenceDataError(self.path, self.line, what)


def read_rows(path: Path, model: type[R]) -> tuple[Placed[R], ...]:
    """Every row of the CSV file as `model`.

    Raises ReferenceDataError for a missing file, wrong columns or a row that does not fit.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ReferenceDataError(path, None, "the file is missing: restore it") from None
    except UnicodeDecodeError as error:
        raise ReferenceDataError(
            path, None, f"not UTF-8 text ({error.reason}): save it so"
        ) from None
    reader = csv.reader(text.splitlines(), strict=True)
    try:
        return tuple(_rows(reader, path, model))
    except csv.Error as error:
        what = f"not a CSV line ({error}): check its quotation marks"
        raise ReferenceDataError(path, reader.line_num, what) from None


def _rows(reader: Iterable[list[str]], path: Path, model: type[R]) -> Iterable[Placed[R]]:
    lines = enumerate(reader, start=1)
    expected = list(model.model_fields)
    header = next(lines, (1, []))[1]
    if sorted(header) != sorted(expected):
        what = f"the columns must be {', '.join(expected)}; found {', '.join(header) or 'none'}"
        raise ReferenceDataError(path, 1, what)
    for number, cells in lines:
        if len(cells) != len(header):
            what = (
                f"{len(cells)} columns instead of {len(header)}: look for a comma too many or few"
            )
            raise ReferenceDataError(path, number, what)
        yield Placed(
            _checked(dict(zip(header, cells, strict=True)), path, number, model), path, number
        )


def _checked(cells: dict[str, str], path: Path, number: int, model: type[R]) -> R:
    try:
        return model.model_validate(cells)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        column = ".".join(str(piece) for piece in first["loc"]) or "row"
        raise ReferenceDataError(path, number, f"{column}: {first['msg']}") from None
