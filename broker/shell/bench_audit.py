"""`broker bench audit`: how long a question to the index takes, over a synthetic ledger.

The ledger is synthetic: leaves of real shape with made-up ids, hashed into a real signed log of one
shard, without recipients' logs and without a store. Figures are of one run on one machine. Cold means
a new connection after the kernel was told to forget the files; warm means asked again at once.
"""

from __future__ import annotations

import datetime
import os
import random
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from broker.auditor import read_recorded
from broker.auditor.index_build import catch_up
from broker.auditor.index_file import open_index
from broker.auditor.index_query import ask
from broker.auditor.who_knew import Question, who_knew
from broker.ledger import (
    EMPTY,
    TILE_WIDTH,
    Edge,
    Tile,
    encode_bundle,
    extend,
    leaf_hash,
    root_of,
    sign_checkpoint,
    verifier_key,
)
from broker.model.canonical import canonical_json, digest_text

ORIGIN = "synthetic.example/s0"
START = datetime.datetime(2026, 1, 5, tzinfo=datetime.UTC)
STEP_MS = 400_000
"""Between two decision sets: a year holds about 80,000."""
CANDIDATES = 12
AGREEMENTS = 60
ORGANISATIONS = 400
PAGE = 50
SCANNED = 50_000
"""Decisions of the ledger that is read whole, for comparison."""
COLD_RUNS, WARM_RUNS = 9, 60
FIELDS = ("given_name", "family_name", "address", "harms", "when", "place", "text", "safety_plan")


class Timing(msgspec.Struct, frozen=True):
    """Milliseconds of one kind of question, first page."""

    question: str
    state: str
    """`cold` or `warm`."""
    runs: int
    median: float
    least: float
    most: float
    rows: float
    """Decisions on the page, on average."""


class AuditFigures(msgspec.Struct, frozen=True):
    """One run of the benchmark."""

    synthetic: bool
    records: int
    entries: int
    generate_seconds: float
    build_seconds: float
    index_bytes: int
    ledger_bytes: int
    scan_records: int
    """Decisions of the ledger that the scan was timed on."""
    scan_seconds: float
    """A whole reading and one question, without an index."""
    timings: tuple[Timing, ...]


class _Made(msgspec.Struct, frozen=True):
    """A synthetic ledger, and what can be asked of it."""

    folder: Path
    entries: int
    events: tuple[str, ...]
    parts: tuple[str, ...]
    tags: tuple[str, ...]
    until: datetime.datetime


def bench_audit(folder: Path, records: int, scan_records: int) -> AuditFigures:
    """Makes a synthetic ledger of so many decision records under `folder`, indexes and asks it."""
    started = time.perf_counter()
    made = make_ledger(folder / "ledger", records)
    generated = time.perf_counter() - started
    file = folder / "ledger.index.db"
    started = time.perf_counter()
    with open_index(file) as database:
        catch_up(database, made.folder)
        _tag(database, made.tags)
    built = time.perf_counter() - started
    timings = [_timed(name, asked, made, file) for name, asked in _questions(made).items()]
    small = make_ledger(folder / "small", scan_records)
    started = time.perf_counter()
    who_knew(read_recorded(small.folder), Question(event_id=small.events[0]))
    scanned = time.perf_counter() - started
    return AuditFigures(
        synthetic=True,
        records=records,
        entries=made.entries,
        generate_seconds=generated,
        build_seconds=built,
        index_bytes=file.stat().st_size,
        ledger_bytes=sum(one.stat().st_size for one in made.folder.rglob("*") if one.is_file()),
        scan_records=scan_records,
        scan_seconds=scanned,
        timings=tuple(one for pair in timings for one in pair),
    )


def make_ledger(folder: Path, records: int) -> _Made:
    """A signed log of synthetic decision sets, a tenth of the alerts answered. No store, no own logs."""
    shard = folder / "s0"
    shard.mkdir(parents=True)
    key = Ed25519PrivateKey.generate()
    (shard / "log.vkey").write_text(f"{verifier_key(ORIGIN, key.public_key())}\n")
    edge, number = EMPTY, 0
    waiting: list[bytes] = []
    sets = -(-records // CANDIDATES)
    for leaves in _sets(sets):
        waiting += leaves
        while len(waiting) >= TILE_WIDTH:
            edge = _write(shard, Tile(0, number, TILE_WIDTH), waiting[:TILE_WIDTH], edge)
            del waiting[:TILE_WIDTH]
            number += 1
    if waiting:
        edge = _write(shard, Tile(0, number, len(waiting)), waiting, edge)
    note = sign_checkpoint(ORIGIN, edge.size, root_of(edge), key)
    (shard / "checkpoint").write_text(note)
    return _Made(
        folder,
        edge.size,
        tuple(_event(one) for one in range(sets)),
        tuple(_part(one) for one in range(sets)),
        tuple(digest_text("tag", str(one // 5))[:32] for one in range(sets)),
        START + datetime.timedelta(milliseconds=STEP_MS * sets),
    )


def _write(shard: Path, tile: Tile, entries: Sequence[bytes], edge: Edge) -> Edge:
    path = shard / tile.entries_path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_bundle(entries))
    return extend(edge, [leaf_hash(one) for one in entries]).edge


def _sets(count: int) -> Iterator[list[bytes]]:
    """Decision sets in order of time, made from one seed; every tenth alert has its answer behind."""
    chance = random.Random(1)  # noqa: S311 -- a synthetic ledger, nothing secret
    for number in range(count):
        set_id = digest_text("set", str(number))
        same = {
            "v": 1,
            "set_id": set_id,
            "event_id": _event(number),
            "version": 1,
            "publisher": _organisation(chance.randrange(ORGANISATIONS)),
            "part_id": _part(number),
            "round": 0,
        }
        at = _milliseconds(number)
        leaves, answers = [], []
        for n, who in enumerate(chance.sample(range(ORGANISATIONS), CANDIDATES)):
            one = _decision(same, n, who, chance)
            leaves.append(canonical_json(one))
            if one["message_id"] and chance.random() < 0.1:
                answers.append(canonical_json(_answer(one, at)))
        outcomes = {"permit": 4, "deny": 7, "review": 1}
        leaves.append(canonical_json({**same, **_closing(at), **outcomes, "count": CANDIDATES}))
        yield [*leaves, *answers]


def _decision(same: dict[str, Any], n: int, who: int, chance: random.Random) -> dict[str, Any]:
    outcome = ("PERMIT", "DENY", "DENY")[n % 3] if n else "REVIEW"
    clause = f"agreement-{chance.randrange(AGREEMENTS)}/clause-{chance.randrange(8)}"
    told = outcome == "PERMIT"
    reasons = [clause] if outcome != "DENY" else ["no_nexus"]
    return {
        **same,
        "kind": "decision",
        "n": n,
        "recipient": f"{_organisation(who)}:csc",
        "organisation": _organisation(who),
        "role": "csc",
        "capacity": ["home"] if told else ["adjacent"],
        "outcome": outcome,
        "mode": "CONTENT" if told else None,
        "released": list(FIELDS[:5]) if told else [],
        "clauses": [clause] if told else [],
        "gateways": [],
        "withheld": [[one, "not_in_agreement" if told else reasons[0]] for one in FIELDS[5:]],
        "reasons": reasons,
        "obligations": [],
        "weight": {"value": 750, "band": "considerable"},
        "recipient_leaf": digest_text("leaf", same["set_id"], str(n)) if told else None,
        "channel": "alert" if told else None,
        "message_id": digest_text("message", same["set_id"], str(n)) if told else None,
        "due": None,
    }


def _closing(at: int) -> dict[str, Any]:
    hashes = ("facts_hash", "rows_hash", "policy_bundle", "geography", "register", "parameters")
    return {
        "kind": "closing",
        "decided_at": at,
        "receipt_set_id": "0" * 64,
        "act_set_id": None,
        "flags": [],
        **dict.fromkeys(hashes, "0" * 64),
    }


def _answer(one: dict[str, Any], at: int) -> dict[str, Any]:
    return {
        "kind": "action",
        "v": 1,
        "set_id": digest_text("answer", one["message_id"]),
        "publisher": one["organisation"],
        "received_at": at + 1000,
        "action": "acknowledge",
        "alert_id": one["message_id"],
        "event_id": None,
    }


def _tag(database: Any, tags: Sequence[str]) -> None:
    """Tags as the sealed rows would give them: five parts a subject."""
    database.execute("BEGIN")
    database.executemany(
        "UPDATE part SET tag = ? WHERE id = ?", [(one, at) for at, one in enumerate(tags, 1)]
    )
    database.execute("COMMIT")


Asked = Callable[[random.Random], tuple[Question, tuple[str, ...] | None]]


def _questions(made: _Made) -> dict[str, Asked]:
    """Kinds of question; each call asks another one of its kind."""
    day = datetime.timedelta(days=1)

    def moment(chance: random.Random) -> datetime.datetime:
        return START + (made.until - START) * chance.random()

    def span(since: datetime.datetime) -> Question:
        return Question(since=since, until=since + day)

    def clause(chance: random.Random) -> str:
        return f"agreement-{chance.randrange(AGREEMENTS)}"

    def who(chance: random.Random) -> str:
        return _organisation(chance.randrange(ORGANISATIONS))

    return {
        "event": lambda one: (Question(event_id=one.choice(made.events)), None),
        "part": lambda one: (Question(part_id=one.choice(made.parts)), None),
        "subject tag": lambda one: (Question(), (one.choice(made.tags),)),
        "recipient": lambda one: (Question(recipient=who(one)), None),
        "recipient, a day on": lambda one: (Question(recipient=who(one), since=moment(one)), None),
        "recipient and outcome": lambda one: (Question(recipient=who(one), outcome="REVIEW"), None),
        "agreement": lambda one: (Question(agreement=clause(one)), None),
        "agreement clause": lambda one: (Question(agreement=f"{clause(one)}/clause-3"), None),
        "agreement and recipient": lambda one: (
            Question(agreement=clause(one), recipient=who(one)),
            None,
        ),
        "outcome": lambda one: (Question(outcome="REVIEW", since=moment(one)), None),
        "a day": lambda one: (span(moment(one)), None),
    }


def _timed(name: str, asked: Asked, made: _Made, file: Path) -> tuple[Timing, Timing]:
    chance = random.Random(2)  # noqa: S311 -- which questions are asked
    cold: list[tuple[float, int]] = []
    for _ in range(COLD_RUNS):
        question, tags = asked(chance)
        _forget(made.folder, file)
        started = time.perf_counter()
        with open_index(file) as database:
            page = ask(database, made.folder, question, limit=PAGE, tags=tags)
        cold.append((time.perf_counter() - started, len(page.found)))
    warm: list[tuple[float, int]] = []
    with open_index(file) as database:
        for _ in range(WARM_RUNS):
            question, tags = asked(chance)
            ask(database, made.folder, question, limit=PAGE, tags=tags)
            started = time.perf_counter()
            page = ask(database, made.folder, question, limit=PAGE, tags=tags)
            warm.append((time.perf_counter() - started, len(page.found)))
    return _timing(name, "cold", cold), _timing(name, "warm", warm)


def _timing(name: str, state: str, taken: Sequence[tuple[float, int]]) -> Timing:
    times = [seconds * 1000 for seconds, _ in taken]
    rows = statistics.fmean(rows for _, rows in taken)
    return Timing(name, state, len(times), statistics.median(times), min(times), max(times), rows)


def _forget(folder: Path, file: Path) -> None:
    """Tells the kernel that these files will not be needed: what it then still holds is its affair."""
    os.sync()
    for path in (file, *(one for one in folder.rglob("*") if one.is_file())):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)


def _event(number: int) -> str:
    name = digest_text("event", str(number))
    return f"{name[:8]}-0000-4000-8000-{name[8:20]}"


def _part(number: int) -> str:
    return digest_text("part", str(number))[:32]


def _organisation(number: int) -> str:
    return f"ORG-{number:03d}"


def _milliseconds(number: int) -> int:
    return int(START.timestamp() * 1000) + number * STEP_MS
