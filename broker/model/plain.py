"""Statements from plain values (JSON as `broker example` prints it), checked as if from Kafka."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Any

import msgspec

from broker.model.codec import CodecError, decode, encode
from broker.model.types import Action, ConcernEvent

YEARS = range(1900, 2200)
"""Years that a date or time may lie in: outside them it is a slip of the pen."""
NOT_VALID = "not_valid"


def statement_of(plain: dict[str, Any]) -> ConcernEvent | Action:
    """The statement as it comes out of Kafka: checked, and times to the millisecond.

    An object with an `action_id` is an act. Raises CodecError that says where what is wrong.
    """
    kind: type[ConcernEvent | Action] = Action if "action_id" in plain else ConcernEvent
    try:
        value = msgspec.convert(plain, kind)
    except (msgspec.ValidationError, OverflowError) as error:
        raise CodecError(NOT_VALID, f"the {kind.__name__} is not valid: {error}") from None
    for where, moment in _times(value, "$"):
        check_time(where, moment)
    try:
        return decode(encode(value), kind)
    except CodecError:
        raise
    except Exception as error:  # noqa: BLE001 -- whatever the encoder cannot hold is a fault of the line
        raise CodecError(
            NOT_VALID, f"the {kind.__name__} holds a value that Avro cannot ({error})"
        ) from None


def _times(value: Any, where: str) -> Iterator[tuple[str, datetime.date]]:
    """(path, value) of every date and time."""
    if isinstance(value, datetime.date):
        yield where, value
    elif isinstance(value, tuple):
        for index, one in enumerate(value):
            yield from _times(one, f"{where}[{index}]")
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield from _times(getattr(value, name), f"{where}.{name}")


def check_time(where: str, moment: datetime.date) -> None:
    """Raises CodecError for a time without a zone, or of a year that cannot be meant."""
    if moment.year not in YEARS:
        raise CodecError(NOT_VALID, f"{where}: the year {moment.year} cannot be meant")
    if isinstance(moment, datetime.datetime) and moment.tzinfo is None:
        raise CodecError(NOT_VALID, f"{where} has no time zone: write it as 2026-11-20T09:00:00Z")
