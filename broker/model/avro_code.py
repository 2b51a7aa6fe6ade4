"""Avro readers and writers made for one type each, from its schema, as source that is compiled once.

fastavro walks the schema for every value and goes through dicts; these go straight between the bytes and
the Structs of `broker.model.types`, several times as fast. They are an equal, quick way and no second
opinion: what a reader here finds in any way unusual it leaves to fastavro, which says what is wrong with
it (`broker.model.codec`). tests/model/test_avro_code.py holds the two to each other.

The source is made of our own schemas and of nothing that comes from outside.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from typing import Any

import fastavro.write
import msgspec

from broker.model import types

Pieces = dict[int, tuple[object, bytes]]
"""Encoded records of SHARED types by the id of the value, with the value, so that its id stays its own."""
Reader = Callable[[bytes, int], tuple[Any, int]]
"""(bytes, where to begin) -> value, where it ended. Raises anything for what it does not read."""
Writer = Callable[[msgspec.Struct, bytearray, Pieces], None]

SHARED = frozenset({"ReleasedField"})
"""Records that go into several messages alike: encoded once where the caller keeps the pieces."""
SHORT = 8192
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
FIRST_DAY = datetime.date(1970, 1, 1).toordinal()
_milliseconds = fastavro.write.LOGICAL_WRITERS["long-timestamp-millis"]


class UnusualError(ValueError):
    """Bytes that a reader of this module leaves to fastavro."""


def compiled(schema: dict[str, Any]) -> tuple[Reader, Writer]:
    """Reader and writer of a parsed record schema that has a Struct of its name."""
    names: dict[str, Any] = {
        "Unusual": UnusualError,
        "EPOCH": EPOCH,
        "delta": datetime.timedelta,
        "day": datetime.date.fromordinal,
        "millis": _milliseconds,
        "varint": _varint,
        "varint32": _varint32,
        "number": _number,
        "LENGTHS": _LENGTHS,
    }
    name = _short(schema["name"])
    source = "\n".join(_Source(names).of(schema))
    exec(compile(source, f"<avro {name}>", "exec"), names)  # noqa: S102 -- of our own schemas
    return names[f"read_{name}"], names[f"write_{name}"]


def _varint32(number: int) -> bytes:
    """An Avro int. Raises ValueError for what is none."""
    if not -(1 << 31) <= number < 1 << 31:
        raise ValueError(f"{number} does not fit into an int of 32 bits")
    return _varint(number)


def _varint(number: int) -> bytes:
    """Zigzag, seven bits a byte. Raises ValueError for what does not fit into 64 bits."""
    if not -(1 << 63) <= number < 1 << 63:
        raise ValueError(f"{number} does not fit into a long of 64 bits")
    left = (number << 1) ^ (number >> 63)
    found = bytearray()
    while left > 127:
        found.append(left & 127 | 128)
        left >>= 7
    found.append(left)
    return bytes(found)


def _number(data: bytes, at: int) -> tuple[int, int]:
    """A zigzag number of any length, and where it ended."""
    found = shift = 0
    while True:
        one = data[at]
        at += 1
        found |= (one & 127) << shift
        if one < 128:
            break
        shift += 7
        if shift > 63:
            raise UnusualError
    if found >> 64:
        raise UnusualError
    return (found >> 1) ^ -(found & 1), at


_LENGTHS = tuple(_varint(one) for one in range(SHORT))


def _short(name: str) -> str:
    return name.rpartition(".")[2]


class _Source:
    """Source of the functions of one schema and the records in it; `names` are its globals."""

    def __init__(self, names: dict[str, Any]) -> None:
        self._names = names
        self._schemas: dict[str, Any] = {}
        self._lines: list[str] = []
        self._locals = 0

    def of(self, schema: dict[str, Any]) -> list[str]:
        """Lines of `read_<Name>` and `write_<Name>`, nested records before it."""
        name, fields = _short(schema["name"]), [one["name"] for one in schema["fields"]]
        self._schemas[name] = schema
        self._names[name] = getattr(types, name)
        reading = [f"def read_{name}(d, p):"]
        writing = [f"def write_{name}(v, out, memo):"]
        for field in schema["fields"]:
            reading += _indented(self._read(field["type"], f"f_{field['name']}"))
            writing += _indented([f"x = v.{field['name']}", *self._write(field["type"], "x")])
        given = ", ".join(f"{one}=f_{one}" for one in fields)
        reading.append(f"    return {name}({given}), p")
        self._lines += [*reading, *writing]
        return self._lines

    def _nested(self, schema: Any) -> tuple[str, Any]:
        """Kind and schema of what may be a name, a primitive or a definition."""
        if isinstance(schema, str):
            known = self._schemas.get(_short(schema))
            return (schema, None) if known is None else (known["type"], known)
        if isinstance(schema, list):
            return "union", schema
        kind = schema.get("logicalType") or schema["type"]
        if kind in ("record", "enum") and _short(schema["name"]) not in self._schemas:
            self._define(kind, schema)
        return kind, schema

    def _define(self, kind: str, schema: Any) -> None:
        name = _short(schema["name"])
        if kind == "record":
            self.of(schema)
            return
        self._schemas[name] = schema
        members = tuple(getattr(types, name)(one) for one in schema["symbols"])
        self._names[f"{name}_members"] = members
        self._names[f"{name}_places"] = {
            one: _varint(place) for place, one in enumerate(schema["symbols"])
        }

    def _read(self, schema: Any, to: str) -> Iterator[str]:
        """Statements that read one value from `d` at `p` into the variable `to`."""
        kind, schema = self._nested(schema)
        if kind in _READ:
            yield from (one.format(to=to) for one in _READ[kind])
        elif kind == "record":
            yield f"{to}, p = read_{_short(schema['name'])}(d, p)"
        elif kind == "enum":
            yield from (one.format(to="n") for one in _LENGTH)
            yield f"{to} = {_short(schema['name'])}_members[n]"
        elif kind == "union":
            yield from self._read_union(schema, to)
        elif kind == "array":
            yield from self._read_array(schema["items"], to)
        else:
            raise ValueError(f"no code for Avro type {kind!r}: teach broker.model.avro_code")

    def _read_union(self, branches: list[Any], to: str) -> Iterator[str]:
        null, other = _branches(branches)
        yield from ("n = d[p]", "p += 1", f"if n == {2 * null}:", f"    {to} = None")
        yield from (f"elif n == {2 * (1 - null)}:", *_indented(self._read(other, to)))
        yield from ("else:", "    raise Unusual")

    def _read_array(self, items: Any, to: str) -> Iterator[str]:
        self._locals += 1
        values, one = f"list_{self._locals}", f"one_{self._locals}"
        left = f"left_{self._locals}"
        yield f"{values} = []"
        yield from (line.format(to=left) for line in _LENGTH)
        yield f"while {left}:"
        yield f"    for _ in range({left}):"
        yield from _indented(_indented([*self._read(items, one), f"{values}.append({one})"]))
        yield from _indented(line.format(to=left) for line in _LENGTH)
        yield f"{to} = tuple({values})"

    def _write(self, schema: Any, value: str) -> Iterator[str]:
        """Statements that append the value of the expression `value` to `out`."""
        kind, schema = self._nested(schema)
        if kind in _WRITE:
            yield from (one.format(value=value) for one in _WRITE[kind])
        elif kind == "record":
            yield from _write_record(_short(schema["name"]), value)
        elif kind == "enum":
            yield f"out += {_short(schema['name'])}_places[str({value})]"
        elif kind == "union":
            null, other = _branches(schema)
            yield from (f"if {value} is None:", f"    out += {_varint(null)!r}", "else:")
            yield f"    out += {_varint(1 - null)!r}"
            yield from _indented(self._write(other, value))
        elif kind == "array":
            self._locals += 1
            one = f"one_{self._locals}"
            yield f"if {value}:"
            yield f"    n = len({value})"
            yield f"    out += {_SIZE}"
            yield f"    for {one} in {value}:"
            yield from _indented(_indented(self._write(schema["items"], one)))
            yield "out += b'\\x00'"


def _write_record(name: str, value: str) -> list[str]:
    if name not in SHARED:
        return [f"write_{name}({value}, out, memo)"]
    return [
        f"known = memo.get(id({value}))",
        "if known is None:",
        "    piece = bytearray()",
        f"    write_{name}({value}, piece, memo)",
        f"    known = memo[id({value})] = ({value}, bytes(piece))",
        "out += known[1]",
    ]


def _branches(union: list[Any]) -> tuple[int, Any]:
    """Place of null among the two branches, and the other branch."""
    null = union.index("null")
    if len(union) != 2:
        raise ValueError("a union other than of null and one type: teach broker.model.avro_code")
    return null, union[1 - null]


def _indented(lines: Any) -> list[str]:
    return [f"    {one}" for one in lines]


_LENGTH = (
    "{to} = d[p]",
    # More than one byte, or negative.
    "if {to} & 129:",
    "    {to}, p = number(d, p)",
    "    if {to} < 0: raise Unusual",
    "else:",
    "    {to} >>= 1",
    "    p += 1",
)
_BLOB = (*(one.format(to="n") for one in _LENGTH), "q = p + n")
_LONG = (
    "n = d[p]",
    "if n & 128:",
    "    n, p = number(d, p)",
    "else:",
    "    n = (n >> 1) ^ -(n & 1)",
    "    p += 1",
)
_READ: dict[str, tuple[str, ...]] = {
    "string": (*_BLOB, "{to} = d[p:q].decode()", "p = q"),
    "bytes": (*_BLOB, "{to} = d[p:q]", "p = q"),
    "boolean": ("n = d[p]", "p += 1", "if n > 1: raise Unusual", "{to} = n == 1"),
    "int": (*_LONG, "{to} = n"),
    "long": (*_LONG, "{to} = n"),
    "timestamp-millis": (*_LONG, "{to} = EPOCH + delta(0, 0, 1000 * n)"),
    "date": (*_LONG, f"{{to}} = day(n + {FIRST_DAY})"),
}
_SIZE = f"LENGTHS[n] if n < {SHORT} else varint(n)"
_SIZED = (
    "n = len(b)",
    f"out += {_SIZE}",
    "out += b",
)
_WRITE: dict[str, tuple[str, ...]] = {
    "string": ("b = {value}.encode()", *_SIZED),
    "bytes": ("b = {value}", *_SIZED),
    "boolean": ("out += b'\\x01' if {value} else b'\\x00'",),
    "int": ("out += varint32({value})",),
    "long": ("out += varint({value})",),
    "timestamp-millis": ("out += varint(millis({value}, {{}}))",),
    "date": (f"out += varint({{value}}.toordinal() - {FIRST_DAY})",),
}
