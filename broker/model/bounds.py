"""How many values a record would become, counted over its bytes before any of them is made.

A megabyte of Avro can hold a million list entries of one byte each, and every entry becomes objects of
hundreds of bytes. So a large record is walked first, without making anything, and refused once it holds
more entries than any honest one. The walk follows the writer's schema, which is always one of our own:
it is not recursive, so depth is bounded by the schema.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

SCAN_ABOVE_BYTES = 65_536
"""Smaller records cannot grow to more than some megabytes and are not walked."""
MAX_ITEMS = 50_000
"""List entries of one record, all lists together. An event about 40 children has some hundreds."""
_VARINT_BYTES = 10
Walk = Callable[[bytes, int, list[int]], int]
"""(data, where the value begins, entries that are left) -> where it ends."""


class TooManyItemsError(ValueError):
    """The record holds more list entries than are allowed."""


class NotReadableError(ValueError):
    """The bytes end, or go on, where the schema does not let them."""


def walker(schema: Any) -> Walk:
    """The walk over one value of a parsed schema."""
    return _walk_of(schema, {})


def check_items(walk: Walk, data: bytes, start: int, limit: int = MAX_ITEMS) -> None:
    """Raises TooManyItemsError or NotReadableError; makes nothing of what it walks over."""
    try:
        end = walk(data, start, [limit])
    except IndexError:
        raise NotReadableError from None
    if end > len(data):
        raise NotReadableError


def _walk_of(schema: Any, named: dict[str, Walk]) -> Walk:
    if isinstance(schema, list):
        return _union([_walk_of(branch, named) for branch in schema])
    if isinstance(schema, dict):
        kind = schema["type"]
        if kind == "record":
            walk = _record([_walk_of(field["type"], named) for field in schema["fields"]])
            return named.setdefault(schema["name"], walk)
        if kind == "enum":
            return named.setdefault(schema["name"], _long)
        if kind == "array":
            return _array(_walk_of(schema["items"], named))
        return _walk_of(kind, named)
    return named[schema] if schema in named else _PRIMITIVES[schema]


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    for place in range(at, at + _VARINT_BYTES):
        byte = data[place]
        value |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return (value >> 1) ^ -(value & 1), place + 1
        shift += 7
    raise NotReadableError


def _long(data: bytes, at: int, _left: list[int]) -> int:
    return _varint(data, at)[1]


def _bytes(data: bytes, at: int, _left: list[int]) -> int:
    length, body = _varint(data, at)
    if length < 0 or body + length > len(data):
        raise NotReadableError
    return body + length


def _record(fields: list[Walk]) -> Walk:
    def walk(data: bytes, at: int, left: list[int]) -> int:
        for field in fields:
            at = field(data, at, left)
        return at

    return walk


def _union(branches: list[Walk]) -> Walk:
    def walk(data: bytes, at: int, left: list[int]) -> int:
        index, at = _varint(data, at)
        if not 0 <= index < len(branches):
            raise NotReadableError
        return branches[index](data, at, left)

    return walk


def _array(item: Walk) -> Walk:
    def walk(data: bytes, at: int, left: list[int]) -> int:
        while True:
            count, at = _varint(data, at)
            if count == 0:
                return at
            if count < 0:
                count = -count
                _, at = _varint(data, at)
            left[0] -= count
            if left[0] < 0:
                raise TooManyItemsError
            for _ in range(count):
                at = item(data, at, left)

    return walk


_PRIMITIVES: dict[str, Walk] = {
    "null": lambda _data, at, _left: at,
    "boolean": lambda _data, at, _left: at + 1,
    "int": _long,
    "long": _long,
    "float": lambda _data, at, _left: at + 4,
    "double": lambda _data, at, _left: at + 8,
    "bytes": _bytes,
    "string": _bytes,
}
