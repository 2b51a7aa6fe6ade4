"""Files of statements to values: JSON lines as `broker example` prints them, or police.uk files.

Every line that is not blank gives one `StatementLine`, whatever is wrong with it, so that nothing
that was handed in can go missing without a word.
"""

from __future__ import annotations

import csv
import datetime
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from broker.commands.errors import CommandError
from broker.imports import read_rows
from broker.model.codec import CodecError
from broker.model.plain import NOT_VALID, check_time, statement_of
from broker.model.reference import Reference
from broker.model.types import Action, ConcernEvent
from broker.model.values import Rejection

STANDARD_INPUT = "-"
RECEIVED_AT = "received_at"
REPORTED_BY = "Reported by"
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class StatementLine(msgspec.Struct, frozen=True):
    """One line of a file: a statement, or why it could not be read."""

    number: int
    data: bytes
    statement: ConcernEvent | Action | None
    received_at: datetime.datetime | None = None
    """When it was received, if the line says so."""
    rejection: Rejection | None = None

    @property
    def statement_id(self) -> str | None:
        """The event's or the action's id, where it could be read."""
        if isinstance(self.statement, Action):
            return self.statement.action_id
        return self.statement.event_id if self.statement else None

    @property
    def publisher(self) -> str:
        """The organisation that makes the statement; empty where it could not be read."""
        if isinstance(self.statement, Action):
            return self.statement.organisation
        return self.statement.publisher if self.statement else ""

    @property
    def stated_at(self) -> datetime.datetime | None:
        """When it was reported, or acted."""
        if isinstance(self.statement, Action):
            return self.statement.acted_at
        return self.statement.reported_at if self.statement else None


def lines_of(file: str) -> list[bytes]:
    """The lines of a file, or of standard input for `-`. Raises CommandError."""
    try:
        data = sys.stdin.buffer.read() if file == STANDARD_INPUT else Path(file).read_bytes()
    except OSError as error:
        raise CommandError(f"{file} cannot be read: {error.strerror}") from None
    return data.split(b"\n")


def read_statements(lines: Sequence[bytes]) -> Iterator[StatementLine]:
    """JSON lines to statements; LF or CRLF, blank lines are passed over."""
    for number, line in enumerate(lines, start=1):
        data = line.removeprefix(BYTE_ORDER_MARK).strip()
        if data:
            yield _read_line(number, data)


def read_police_uk(
    lines: Sequence[bytes],
    reference: Reference,
    lsoa_map: Mapping[str, str],
    publisher: str | None,
) -> Iterator[StatementLine]:
    """Street-level rows to statements of `publisher`, by default of the force that reports them.

    Raises NotPoliceUkError, or CommandError where no publisher can be told.
    """
    owner = publisher or _reporting_force(lines, reference)
    for row in read_rows(lines, lsoa_map, owner, reference.successors):
        rejection = Rejection(row.reason, row.explanation) if row.reason else None
        yield StatementLine(row.line, lines[row.line - 1], row.event, None, rejection)


def _read_line(number: int, data: bytes) -> StatementLine:
    try:
        plain = msgspec.json.decode(data)
        if not isinstance(plain, dict):
            raise CodecError(NOT_VALID, "it is not a JSON object")
        received_at = _moment(plain.pop(RECEIVED_AT, None))
        statement = statement_of(plain)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return _unread(number, data, NOT_VALID, f"it is not JSON: {error}")
    except CodecError as error:
        return _unread(number, data, error.reason, str(error))
    return StatementLine(number, data, statement, received_at)


def _unread(number: int, data: bytes, reason: str, what: str) -> StatementLine:
    explanation = f"line {number}: {what}: correct the line and send it again"
    return StatementLine(number, data, None, None, Rejection(reason, explanation))


def _moment(stated: Any) -> datetime.datetime | None:
    if stated is None:
        return None
    try:
        moment = msgspec.convert(stated, datetime.datetime)
    except msgspec.ValidationError as error:
        raise CodecError(NOT_VALID, f"{RECEIVED_AT} is not a time: {error}") from None
    check_time(RECEIVED_AT, moment)
    return moment


def _reporting_force(lines: Sequence[bytes], reference: Reference) -> str:
    """The force whose name stands in `Reported by` of the first row that names one; "" if none does."""
    forces = {one.name: one.code for one in reference.organisations.values()}
    rows = (cells for line in lines if (cells := _cells(line)))
    header = next(rows, [])
    column = header.index(REPORTED_BY) if REPORTED_BY in header else len(header)
    name = next((cells[column].strip() for cells in rows if _names_force(cells, column)), "")
    if name and name not in forces:
        raise CommandError(
            f"the register has no organisation called {name!r}: name the publisher with "
            "--publisher CODE"
        )
    return forces.get(name, "")


def _names_force(cells: Sequence[str], column: int) -> bool:
    return len(cells) > column and bool(cells[column].strip())


def _cells(line: bytes) -> list[str]:
    text = line.removeprefix(BYTE_ORDER_MARK).decode("utf-8", errors="replace").strip()
    try:
        return next(csv.reader([text]), [])
    except csv.Error:
        return []
