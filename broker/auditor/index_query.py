"""Questions to the index: a page of decisions, found by it and read from the ledger's own leaves.

The index finds which decisions; what is told of them is made by `who_knew` from the same leaves that a
reading of the whole ledger would give it, so both say the same (a law of the tests).
"""
# ruff: noqa: S608 -- statements are put together from texts of this module; every value is bound

from __future__ import annotations

import datetime
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from broker.auditor.index_leaves import acts_on, marks_for, some_of
from broker.auditor.leaf_places import LeafReader, Place
from broker.auditor.recorded import Recorded, RecordedClosing, RecordedDecision, RecordedPart
from broker.auditor.who_knew import Knew, Question, who_knew

PAGE = 500
"""Decisions of one page where nobody says how many."""
ORDER = "{clock}, p.publisher, p.event_id, p.part_id, p.round, p.shard, d.at"
"""As `who_knew.in_order`."""
IN_PART = "d.id >= p.decisions AND d.id < p.decisions + p.count"
Where = list[tuple[str, Sequence[Any]]]


class Page(msgspec.Struct, frozen=True):
    """Some decisions in order, and where to read on."""

    found: tuple[Knew, ...]
    after: str | None
    """For the next page: the place of the last decision; None where this is the last page."""


def ask(
    database: sqlite3.Connection,
    ledger_dir: Path,
    asked: Question,
    *,
    limit: int = PAGE,
    after: str | None = None,
    tags: Iterable[str] | None = None,
) -> Page:
    """One page of what the question is about. The index must have caught up.

    `tags`: only parts of these subject tags, besides the sets that the question names. Raises
    BadLedgerError where a leaf is no longer what was indexed, ValueError for an `after` that is no place.
    """
    rows = _selected(database, asked, limit + 1, after, None if tags is None else tuple(tags))
    more = len(rows) > limit
    rows = rows[:limit]
    with LeafReader(ledger_dir) as leaves:
        found = _told(database, leaves, rows)
    last = f"{found[-1].log}/{rows[-1][2]}" if found and more else None
    return Page(found, last)


def ask_all(
    database: sqlite3.Connection,
    ledger_dir: Path,
    asked: Question,
    *,
    after: str | None = None,
    tags: Iterable[str] | None = None,
) -> Iterator[Knew]:
    """Every decision that the question is about, page by page."""
    wanted = None if tags is None else tuple(tags)
    while True:
        page = ask(database, ledger_dir, asked, after=after, tags=wanted)
        yield from page.found
        if page.after is None:
            return
        after = page.after


def _selected(
    database: sqlite3.Connection,
    asked: Question,
    limit: int,
    after: str | None,
    tags: tuple[str, ...] | None,
) -> list[tuple[int, int, int]]:
    """(decision, part, index of the leaf) in order."""
    of_part = _of_part(asked, tags)
    of_decision = _of_decision(database, asked)
    if of_decision is None:
        return []
    source, clock = _source(asked, bool(of_part), bool(of_decision))
    where = [*of_part, *of_decision, *_times(asked, clock)]
    order = ORDER.format(clock=clock)
    if after is not None:
        last = _last(database, after)
        where += [(f"{clock} >= ?", last[:1]), (f"({order}) > (?, ?, ?, ?, ?, ?, ?)", last)]
    text = " AND ".join(one for one, _ in where) or "1"
    values = [value for _, some in where for value in some]
    return database.execute(
        f"SELECT d.id, d.part, d.at FROM {source} WHERE {text} ORDER BY {order} LIMIT ?",
        [*values, limit],
    ).fetchall()


def _source(asked: Question, of_part: bool, of_decision: bool) -> tuple[str, str]:
    """What to read through first, by what narrows most, and the column that holds its time.

    Each way is in order of that time, so that a page ends the reading.
    """
    named = "named n ON n.decision = d.id AND n.decided_at = d.decided_at"
    if of_part:
        source = f"part p CROSS JOIN decision d ON {IN_PART}"
        if asked.agreement is not None:
            source += f" CROSS JOIN {named}"
        return source, "p.decided_at"
    if asked.agreement is not None:
        joined = "CROSS JOIN decision d ON d.id = n.decision CROSS JOIN part p ON p.id = d.part"
        return f"named n {joined}", "n.decided_at"
    if of_decision:
        return "decision d CROSS JOIN part p ON p.id = d.part", "d.decided_at"
    return f"part p CROSS JOIN decision d ON {IN_PART}", "p.decided_at"


def _of_decision(database: sqlite3.Connection, asked: Question) -> Where | None:
    """Conditions on single decisions; None where a name is not in the ledger at all."""
    where: Where = []
    if asked.agreement is not None:
        where.append(("n.name = ?", (_name(database, asked.agreement),)))
    if asked.recipient is not None:
        known = _name(database, asked.recipient)
        columns = [] if known is None else _recipient_columns(database, known)
        if not columns:
            return None
        text = " OR ".join(f"d.{one} = ?" for one in columns)
        where.append((f"({text})", [known] * len(columns)))
    if asked.outcome is not None:
        # `+` keeps it from being read through where another condition narrows more.
        column = "+d.outcome" if where else "d.outcome"
        where.append((f"{column} = ?", (_name(database, asked.outcome),)))
    return where


def _of_part(asked: Question, tags: tuple[str, ...] | None) -> Where:
    where: Where = []
    if asked.event_id is not None:
        where.append(("p.event_id = ?", (asked.event_id,)))
    if asked.part_id is not None:
        where.append(("p.part_id = ?", (asked.part_id,)))
    among: Where = []
    if tags is not None:
        among.append((f"p.tag IN ({marks_for(tags)})", tags))
    if asked.set_ids is not None:
        among.append((f"p.set_id IN ({marks_for(asked.set_ids)})", sorted(asked.set_ids)))
    if among:
        text = " OR ".join(one for one, _ in among)
        where.append((f"({text})", [value for _, some in among for value in some]))
    return where


def _times(asked: Question, clock: str) -> Where:
    return [
        (f"{clock} {sign} ?", (_milliseconds_from(moment),))
        for sign, moment in ((">=", asked.since), ("<", asked.until))
        if moment is not None
    ]


def _last(database: sqlite3.Connection, after: str) -> tuple[Any, ...]:
    """The decision at that place, as the order has it. Raises ValueError."""
    shard, _, at = after.partition("/")
    row = None
    if at.isdecimal():
        row = database.execute(
            "SELECT p.decided_at, p.publisher, p.event_id, p.part_id, p.round, p.shard, d.at "
            "FROM (SELECT * FROM part WHERE shard = ? AND at > ? ORDER BY at LIMIT 1) p "
            f"CROSS JOIN decision d ON {IN_PART} WHERE d.at = ?",
            (shard, int(at), int(at)),
        ).fetchone()
    if row is None:
        raise ValueError(f"{after!r} is the place of no decision: take it as the last page gave it")
    return tuple(row)


def _name(database: sqlite3.Connection, text: str) -> int | None:
    row = database.execute("SELECT id FROM name WHERE text = ?", (text,)).fetchone()
    return None if row is None else int(row[0])


def _recipient_columns(database: sqlite3.Connection, name: int) -> list[str]:
    """An organisation is asked for, or an organisation and its role: where that name stands."""
    return [
        column
        for column in ("organisation", "recipient")
        if database.execute(
            f"SELECT 1 FROM decision WHERE {column} = ? LIMIT 1",
            (name,),
        ).fetchone()
    ]


def _told(
    database: sqlite3.Connection, leaves: LeafReader, rows: Sequence[tuple[int, int, int]]
) -> tuple[Knew, ...]:
    """The decisions of these rows, with what later rounds and answers made of them."""
    if not rows:
        return ()
    wanted = {row[0] for row in rows}
    recipients = _recipients_of(database, rows)
    parts: list[RecordedPart] = []
    chosen: set[tuple[str, int]] = set()
    for part in _rounds_of(database, sorted({row[1] for row in rows})):
        closing = msgspec.json.decode(leaves.read(Place(part[1], *part[3:6])), type=RecordedClosing)
        decisions = []
        for own in _decisions_of(database, part, recipients[part[6]]):
            data = leaves.read(Place(part[1], *own[1:4]))
            one = msgspec.json.decode(data, type=RecordedDecision)
            decisions.append(one)
            if own[0] in wanted:
                chosen.add((part[1], part[2] + one.n))
        parts.append(RecordedPart(part[1], part[2], closing, tuple(decisions)))
    messages = [one.message_id for part in parts for one in part.decisions if one.message_id]
    answers = tuple(acts_on(database, leaves, messages))
    told = who_knew(Recorded(tuple(parts), answers), Question())
    return tuple(one for one in told if (one.log, one.entry) in chosen)


def _recipients_of(
    database: sqlite3.Connection, rows: Sequence[tuple[int, int, int]]
) -> dict[str, set[int]]:
    """Part id -> the recipients whose decisions are asked for: theirs in other rounds matter too."""
    found: defaultdict[str, set[int]] = defaultdict(set)
    for some in some_of([row[0] for row in rows]):
        for part_id, recipient in database.execute(
            "SELECT p.part_id, d.recipient FROM decision d JOIN part p ON p.id = d.part "
            f"WHERE d.id IN ({marks_for(some)})",
            some,
        ):
            found[part_id].add(recipient)
    return found


def _rounds_of(database: sqlite3.Connection, parts: Sequence[int]) -> list[tuple[Any, ...]]:
    """All rounds of these parts, each once."""
    found: dict[int, tuple[Any, ...]] = {}
    for some in some_of(parts):
        for row in database.execute(
            "SELECT r.id, r.shard, r.first, r.at, r.offset, r.hash, r.part_id, r.decisions, r.count "
            "FROM part p CROSS JOIN part r ON r.part_id = p.part_id AND r.event_id = p.event_id "
            "AND r.publisher = p.publisher AND r.version = p.version "
            f"WHERE p.id IN ({marks_for(some)})",
            some,
        ):
            found[row[0]] = row
    return sorted(found.values(), key=lambda row: (int(row[1][1:]), row[3]))


def _decisions_of(
    database: sqlite3.Connection, part: tuple[Any, ...], recipients: set[int]
) -> list[tuple[Any, ...]]:
    first, count = part[7], part[8]
    rows = database.execute(
        "SELECT id, at, offset, hash, recipient FROM decision WHERE id >= ? AND id < ? ORDER BY id",
        (first, first + count),
    )
    return [row for row in rows if row[4] in recipients]


def _milliseconds_from(moment: datetime.datetime) -> int:
    """The first whole millisecond that is not before it: leaves hold no finer time."""
    micro = (moment - datetime.datetime.fromtimestamp(0, datetime.UTC)) // datetime.timedelta(
        microseconds=1
    )
    return -(-micro // 1000)
