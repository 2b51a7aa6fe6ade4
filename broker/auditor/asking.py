"""Who is asked, how and of which ledger: the index beside it, or with `--no-verify` its files as they lie."""

from __future__ import annotations

import base64
import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import msgspec

from broker.auditor import keys_from_file, read_recorded, shards_of
from broker.auditor.asked import AskedError
from broker.auditor.index_build import Progress, Reached, catch_up
from broker.auditor.index_file import index_path, open_index
from broker.auditor.index_leaves import indexed_certificates, indexed_joins, set_names
from broker.auditor.index_query import ask, ask_all
from broker.auditor.index_tags import add_tags
from broker.auditor.leaf_places import LeafReader
from broker.auditor.ledger_rows import SUBJECT_KEYS, read_rows_key
from broker.auditor.report import BadLedgerError
from broker.auditor.subject_sets import (
    Certificate,
    Join,
    SetName,
    Tokens,
    sets_named,
    tags_of,
    tokens_of,
)
from broker.auditor.who_knew import Knew, Question, who_knew
from broker.ledger import NoteError, read_entries
from broker.model.sealing import SealError
from broker.shell.keys import read_subject_keys

BESIDE = ", by the key that lies beside it"


class Ledger(msgspec.Struct, frozen=True):
    """Which ledger is asked, by which keys, and whether it is verified."""

    directory: Path
    key: Path | None = None
    """The log's public key."""
    unverified: bool = False
    index: Path | None = None
    rows_key: Path | None = None
    """The auditors' key of the sealed rows."""


class Asked(msgspec.Struct, frozen=True):
    """A question, and which of its answers."""

    question: Question
    subject: str | None = None
    """A token, or the key of a place or group."""
    keys: Path | None = None
    """Folder of the subjects' keys."""
    limit: int | None = None
    after: str | None = None


class Answers(msgspec.Struct):
    """What was found, read as it is taken, and how sure it is."""

    found: Iterator[Knew]
    reached: tuple[Reached, ...]
    assurance: str
    tokens: Tokens | None = None
    after: str | None = None
    """For the next page. Known once `found` was read to its end."""


@contextmanager
def answers(asked: Asked, ledger: Ledger) -> Iterator[Answers]:
    """The answers, as long as the block lasts.

    Raises AskedError where there is no ledger, where it does not hold, or for an `after` of nothing.
    """
    with _source(ledger) as source:
        question, tags, tokens = asked.question, None, None
        if asked.subject is not None:
            keys = read_subject_keys((asked.keys or _no_keys()) / SUBJECT_KEYS)
            tokens = tokens_of(asked.subject, keys, source.joins(), tuple(source.certificates()))
            tags = tags_of(tokens.held, keys) if source.tagged else ()
            named = sets_named(tokens.held, source.untagged())
            question = msgspec.structs.replace(question, set_ids=named)
        found = Answers(iter(()), source.reached, source.assurance, tokens)
        found.found = _taken(found, source.pages(question, asked.limit, asked.after, tags))
        yield found


@contextmanager
def caught_up(
    ledger: Ledger, progress: Progress = lambda _shard, _done, _all: None
) -> Iterator[tuple[sqlite3.Connection, tuple[Reached, ...]]]:
    """The index of a ledger, at the checkpoints that are published now.

    Where nothing can be written beside the ledger it is made for this once. Raises AskedError.
    """
    if not shards_of(ledger.directory):
        raise AskedError(_nowhere(ledger.directory))
    with ExitStack() as stack:
        file = ledger.index or index_path(ledger.directory)
        if ledger.index is None and not os.access(file if file.exists() else file.parent, os.W_OK):
            file = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "index.db"
        database = stack.enter_context(open_index(file))
        keys = keys_from_file(ledger.key) if ledger.key else None
        yield database, catch_up(database, ledger.directory, keys, progress)


class _Source(msgspec.Struct, frozen=True):
    """One way to look something up."""

    reached: tuple[Reached, ...]
    assurance: str
    tagged: bool
    joins: Callable[[], Iterator[Join]]
    certificates: Callable[[], Iterator[Certificate]]
    untagged: Callable[[], Iterator[SetName]]
    """Sets that are found by no tag."""
    pages: Callable[..., Iterator[tuple[Knew, str | None]]]


@contextmanager
def _source(ledger: Ledger) -> Iterator[_Source]:
    if ledger.unverified:
        yield _scanned(ledger.directory)
        return
    try:
        with caught_up(ledger) as (database, reached), LeafReader(ledger.directory) as leaves:
            tagged = ledger.rows_key is not None
            if ledger.rows_key is not None:
                add_tags(database, ledger.directory, read_rows_key(ledger.rows_key))
            yield _Source(
                reached,
                verified_words(reached, ledger.key),
                tagged,
                lambda: indexed_joins(database, leaves),
                lambda: indexed_certificates(database, leaves),
                lambda: set_names(database, untagged_only=tagged),
                lambda *some: _indexed_pages(database, ledger.directory, *some),
            )
    except SealError as error:
        raise AskedError(f"{ledger.rows_key} is not the key of this ledger's rows") from error
    except BadLedgerError as error:
        raise AskedError(
            f"ledger NOT verified: {error}; nothing is told from it: see `broker audit verify "
            f"{ledger.directory}`, or take it as it lies with --no-verify"
        ) from error


def verified_words(reached: tuple[Reached, ...], key: Path | None) -> str:
    """How sure an answer from the index is, and to which checkpoint it goes."""
    logs = "; ".join(f"{one.origin} to entry {one.size}, root {one.root}" for one in reached)
    return (
        f"ledger verified: every leaf gives the signed root ({logs}){'' if key else BESIDE}; "
        "`broker audit verify` also closes the accounts"
    )


def _indexed_pages(
    database: sqlite3.Connection,
    ledger_dir: Path,
    asked: Question,
    limit: int | None,
    after: str | None,
    tags: tuple[str, ...] | None,
) -> Iterator[tuple[Knew, str | None]]:
    if limit is None:
        for one in ask_all(database, ledger_dir, asked, after=after, tags=tags):
            yield one, None
        return
    page = ask(database, ledger_dir, asked, limit=limit, after=after, tags=tags)
    for one in page.found:
        yield one, page.after


def _scanned(folder: Path) -> _Source:
    """Everything read and nothing verified."""
    if not shards_of(folder):
        raise AskedError(_nowhere(folder))
    try:
        recorded = read_recorded(folder)
    except ValueError as error:
        raise AskedError(
            f"{folder} holds a leaf that cannot be read ({error}): run `broker audit verify {folder}`"
        ) from error

    def pages(
        asked: Question, limit: int | None, after: str | None, _tags: object
    ) -> Iterator[tuple[Knew, str | None]]:
        found = who_knew(recorded, asked)
        start = 0
        if after is not None:
            places = [f"{one.log}/{one.entry}" for one in found]
            if after not in places:
                raise ValueError(f"{after!r} is the place of no decision of this answer")
            start = places.index(after) + 1
        page = found[start:] if limit is None else found[start : start + limit]
        more = start + len(page) < len(found)
        for one in page:
            yield one, f"{page[-1].log}/{page[-1].entry}" if more else None

    return _Source(
        tuple(_stated(one) for one in shards_of(folder)),
        "the ledger was NOT verified (--no-verify): its files are taken as they lie",
        False,
        lambda: (msgspec.convert(one, Join) for one in _of_kind(folder, "link")),
        lambda: (msgspec.convert(one, Certificate) for one in _of_kind(folder, "certificate")),
        lambda: (
            SetName(one.set_id, one.publisher, one.event_id, one.version, one.round)
            for one in (part.closing for part in recorded.parts)
        ),
        pages,
    )


def _of_kind(folder: Path, kind: str) -> Iterator[Mapping[str, Any]]:
    for shard in shards_of(folder):
        for data in read_entries(shard, 0):
            leaf = msgspec.json.decode(data)
            if leaf["kind"] == kind:
                yield leaf


def _stated(shard: Path) -> Reached:
    """What a checkpoint states, its signature not looked at."""
    try:
        origin, size, root = (shard / "checkpoint").read_text(encoding="utf-8").splitlines()[:3]
        base64.b64decode(root, validate=True)
        return Reached(origin, int(size), root)
    except (OSError, ValueError, NoteError):
        return Reached(shard.name, 0, "")


def _taken(answered: Answers, pages: Iterator[tuple[Knew, str | None]]) -> Iterator[Knew]:
    try:
        for one, answered.after in pages:
            yield one
    except ValueError as error:
        raise AskedError(str(error)) from error


def _nowhere(folder: Path) -> str:
    return (
        f"{folder} holds no ledger: name its folder with --ledger, or make one with "
        "`broker decide FILE --ledger DIR`"
    )


def _no_keys() -> Path:
    raise AskedError("the subject's key is needed to find what is about it: name --keys")
