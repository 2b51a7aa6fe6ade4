"""Single leaves by the index: acts on an alert, joins of tokens, certificates of erasure."""
# ruff: noqa: S608 -- statements are put together from texts of this module; every value is bound

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar

import msgspec

from broker.auditor.leaf_places import LeafReader, Place
from broker.auditor.recorded import RecordedIntake
from broker.auditor.subject_sets import Certificate, Join, SetName

MANY = 400
"""Values in one statement."""
T = TypeVar("T")


def acts_on(
    database: sqlite3.Connection, leaves: LeafReader, messages: Sequence[str]
) -> Iterator[RecordedIntake]:
    """Every act that names one of these alerts, in the order of the logs."""
    places: list[Place] = []
    for some in some_of(messages):
        places += [
            Place(*row)
            for row in database.execute(
                "SELECT shard, at, offset, hash FROM other "
                f"WHERE kind = 'action' AND about IN ({marks_for(some)})",
                some,
            )
        ]
    for place in sorted(places, key=lambda one: (int(one.shard[1:]), one.at)):
        yield msgspec.json.decode(leaves.read(place), type=RecordedIntake)


def indexed_joins(database: sqlite3.Connection, leaves: LeafReader) -> Iterator[Join]:
    """Every join that the ledger holds."""
    return _of_kind(database, leaves, "link", Join)


def indexed_certificates(database: sqlite3.Connection, leaves: LeafReader) -> Iterator[Certificate]:
    """Every certificate of an erasure."""
    return _of_kind(database, leaves, "certificate", Certificate)


def set_names(database: sqlite3.Connection, *, untagged_only: bool) -> Iterator[SetName]:
    """What decision sets are named by; with `untagged_only` of those that no tag finds."""
    where = "WHERE tag IS NULL OR tag = ''" if untagged_only else ""
    for row in database.execute(
        f"SELECT set_id, publisher, event_id, version, round FROM part {where}"
    ):
        yield SetName(*row)


def some_of(values: Sequence[T]) -> Iterator[Sequence[T]]:
    """The values, few enough at a time for one statement."""
    for start in range(0, len(values), MANY):
        yield values[start : start + MANY]


def marks_for(values: Iterable[Any]) -> str:
    """As many question marks as values."""
    return ",".join("?" for _ in values)


def _of_kind(
    database: sqlite3.Connection, leaves: LeafReader, kind: str, shape: type[T]
) -> Iterator[T]:
    places = database.execute(
        "SELECT shard, at, offset, hash FROM other WHERE kind = ? ORDER BY id", (kind,)
    ).fetchall()
    for row in places:
        yield msgspec.json.decode(leaves.read(Place(*row)), type=shape)
