"""Decisions as a Parquet file: typed columns, UTC timestamps, zstd, and in its metadata what it is of."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from broker.auditor.who_knew import Knew

METADATA = b"safeguarding_broker.export"
"""Key of the file's metadata: JSON with the logs' origins, sizes and roots, and the question."""
ROWS = 5000
"""Decisions in one row group."""
_TIME = pa.timestamp("ms", tz="UTC")
_TEXTS = pa.list_(pa.field("item", pa.string(), nullable=False))
_SHORT = pa.dictionary(pa.int32(), pa.string())


def _required(name: str, kind: pa.DataType) -> pa.Field:
    return pa.field(name, kind, nullable=False)


SCHEMA = pa.schema(
    [
        _required("publisher", pa.string()),
        _required("event_id", pa.string()),
        _required("version", pa.int32()),
        _required("part_id", pa.string()),
        _required("round", pa.int32()),
        _required("decided_at", _TIME),
        _required("recipient", pa.string()),
        _required("organisation", pa.string()),
        _required("role", pa.string()),
        _required("capacity", _TEXTS),
        _required("outcome", _SHORT),
        pa.field("mode", _SHORT),
        _required("standing", _SHORT),
        _required("reasons", _TEXTS),
        _required("clauses", _TEXTS),
        _required("released", _TEXTS),
        _required(
            "withheld",
            pa.list_(
                pa.struct([_required("field", pa.string()), _required("reason", pa.string())])
            ),
        ),
        _required("obligations", _TEXTS),
        _required(
            "weight",
            pa.struct([_required("value", pa.int32()), _required("band", pa.string())]),
        ),
        pa.field("channel", _SHORT),
        pa.field("message_id", pa.string()),
        pa.field("due", _TIME),
        pa.field("acknowledged_at", _TIME),
        _required(
            "answers",
            pa.list_(
                pa.struct(
                    [
                        _required("kind", pa.string()),
                        _required("organisation", pa.string()),
                        _required("at", _TIME),
                        _required("plan", pa.bool_()),
                    ]
                )
            ),
        ),
        pa.field(
            "withdrawn",
            pa.struct(
                [
                    _required("at", _TIME),
                    _required("round", pa.int32()),
                    _required("reasons", _TEXTS),
                ]
            ),
        ),
        _required("flags", _TEXTS),
        _required("policy_bundle", pa.string()),
        _required("log", pa.string()),
        _required("entry", pa.int64()),
    ]
)
"""One column a field of `Knew`, in its order."""


def write_parquet(path: Path, found: Iterable[Knew], export: dict[str, Any]) -> int:
    """Writes all of them; how many. `export` says of which ledger and question it is.

    Raises OSError where the file cannot be written; then none is left behind.
    """
    schema = SCHEMA.with_metadata({METADATA: msgspec.json.encode(export)})
    count = 0
    temporary = path.with_name(f"{path.name}.new")
    try:
        with pq.ParquetWriter(temporary, schema, compression="zstd") as writer:
            for some in _groups(found):
                rows = [_plain(one) for one in some]
                writer.write_table(pa.Table.from_pylist(rows, schema=schema))
                count += len(rows)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return count


def read_export(path: Path) -> dict[str, Any]:
    """What the file says of itself. Raises ValueError for one that is no export of this broker."""
    held = pq.read_schema(path).metadata or {}
    if METADATA not in held:
        raise ValueError(f"{path} is no export of this broker")
    found: dict[str, Any] = msgspec.json.decode(held[METADATA])
    return found


def _plain(one: Knew) -> dict[str, Any]:
    row = msgspec.to_builtins(one, builtin_types=(datetime.datetime,))
    row["withheld"] = [{"field": field, "reason": reason} for field, reason in one.withheld]
    return {name: row[name] for name in SCHEMA.names}


def _groups(found: Iterable[Knew]) -> Iterator[Sequence[Knew]]:
    some: list[Knew] = []
    for one in found:
        some.append(one)
        if len(some) == ROWS:
            yield some
            some = []
    if some:
        yield some
