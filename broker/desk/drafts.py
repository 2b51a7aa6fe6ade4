"""Drafts of what somebody tells us: kept sealed, step by step, so that nothing typed is lost.

A draft belongs to whoever began it. It has the id of the statement that it becomes, so that sending it
twice publishes once. What was posted after a session had ended is parked under a random ticket, and taken
in when the owner of the draft signs in again.
"""

from __future__ import annotations

import datetime
import secrets
import time
import uuid
from collections.abc import Iterable, Mapping

import msgspec

from broker.desk.store import DeskStore
from broker.desk.telling import Telling

SCHEMA = """
CREATE TABLE IF NOT EXISTS draft (
    draft_id TEXT PRIMARY KEY, owner TEXT NOT NULL, corrects TEXT, changed_at REAL NOT NULL,
    sealed BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS draft_owner ON draft (owner, changed_at);
CREATE TABLE IF NOT EXISTS told (statement_id TEXT PRIMARY KEY, sealed BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS parked (
    ticket TEXT PRIMARY KEY, draft_id TEXT NOT NULL, page TEXT NOT NULL, parked_at REAL NOT NULL,
    sealed BLOB NOT NULL);
"""
LETTERS = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Of a reference that people read to each other: nothing that looks like something else."""
LETTERS_OF_REFERENCE = 6
PARKED_FOR_S = 3600
MOST_PARKED = 200
MOST_LISTED = 100
MOST_VALUES, MOST_CHARACTERS = 50, 20_000
Fields = Mapping[str, tuple[str, ...]]


class Draft(msgspec.Struct, frozen=True):
    """A statement while it is being written, and when each page was last typed on."""

    telling: Telling
    typed: Mapping[str, int] = {}
    """Page -> the browser's own count of when it was typed on: an older copy never replaces a newer."""

    @property
    def draft_id(self) -> str:
        """Its id, which is that of the statement that it becomes."""
        return self.telling.event_id


class ListedDraft(msgspec.Struct, frozen=True):
    """A draft as a list needs it."""

    draft_id: str
    changed_at: datetime.datetime
    draft: Draft


def begin(store: DeskStore, owner: str) -> Draft:
    """A new draft of `owner`; the one that is still empty where there is one."""
    for listed in of_owner(store, owner):
        if not listed.draft.telling.answers and listed.draft.telling.corrects is None:
            return listed.draft
    return _made(store, owner, Telling(str(uuid.uuid4()), str(uuid.uuid4())))


def begin_correction(store: DeskStore, owner: str, told: Telling) -> Draft:
    """A draft that corrects what was told, with the same answers; the one that there is already."""
    row = store.one(
        "SELECT draft_id FROM draft WHERE owner = ? AND corrects = ?", (owner, told.event_id)
    )
    if row is not None and (found := find(store, str(row[0]), owner)) is not None:
        return found
    changed = msgspec.structs.replace(told, event_id=str(uuid.uuid4()), corrects=told.event_id)
    return _made(store, owner, changed)


def begin_again(store: DeskStore, owner: str, told: Telling) -> Draft:
    """A draft with the answers of what was not taken in, under a new id."""
    return _made(store, owner, msgspec.structs.replace(told, event_id=str(uuid.uuid4())))


def find(store: DeskStore, draft_id: str, owner: str) -> Draft | None:
    """The draft, if it is that person's."""
    row = store.one("SELECT sealed FROM draft WHERE draft_id = ? AND owner = ?", (draft_id, owner))
    return None if row is None else _opened(store, draft_id, row[0])


def of_owner(store: DeskStore, owner: str) -> list[ListedDraft]:
    """The drafts of a person, the one that was changed last first; the oldest of very many are left out."""
    rows = store.all(
        "SELECT draft_id, changed_at, sealed FROM draft WHERE owner = ? ORDER BY changed_at DESC LIMIT ?",
        (owner, MOST_LISTED),
    )
    return [
        ListedDraft(
            str(draft_id),
            datetime.datetime.fromtimestamp(changed_at, datetime.UTC),
            _opened(store, str(draft_id), sealed),
        )
        for draft_id, changed_at, sealed in rows
    ]


def save(store: DeskStore, draft: Draft) -> None:
    """Keeps a draft that there is; on disk when this returns. One that was sent meanwhile stays gone."""
    store.execute(
        "UPDATE draft SET changed_at = ?, sealed = ? WHERE draft_id = ?",
        (time.time(), _sealed(store, draft), draft.draft_id),
    )


def with_answers(draft: Draft, page: str, fields: Fields, typed_at: int = 0) -> Draft:
    """The draft with the answers of one page; the others stay. A first child comes with its question."""
    telling = draft.telling
    answers = {**telling.answers, page: fields}
    changed = msgspec.structs.replace(telling, answers=answers)
    if page == "about" and "children" in fields.get("about", ()) and not telling.children:
        changed = _with_child(changed)
    typed = {**draft.typed, page: max(typed_at, draft.typed.get(page, 0))}
    return Draft(changed, typed)


def with_child(draft: Draft) -> Draft:
    """The draft with one child more, and a reference made for it."""
    return msgspec.structs.replace(draft, telling=_with_child(draft.telling))


def without_child(draft: Draft, slot: str) -> Draft:
    """The draft without that child; nothing that was written of it stays."""
    telling = draft.telling
    gone = {f"child-{slot}", f"care-{slot}"}
    return msgspec.structs.replace(
        draft,
        telling=msgspec.structs.replace(
            telling,
            children=tuple(one for one in telling.children if one != slot),
            answers={page: given for page, given in telling.answers.items() if page not in gone},
        ),
    )


def delete(store: DeskStore, draft_id: str) -> None:
    """Removes a draft and what is parked for it; nothing of either stays."""
    store.execute("DELETE FROM parked WHERE draft_id = ?", (draft_id,))
    store.execute("DELETE FROM draft WHERE draft_id = ?", (draft_id,))


def keep_told(store: DeskStore, telling: Telling) -> None:
    """Keeps the answers of what is sent, so that it can be corrected."""
    store.execute(
        "INSERT INTO told VALUES (?, ?) ON CONFLICT DO NOTHING",
        (
            telling.event_id,
            store.at_rest.seal(msgspec.msgpack.encode(telling), f"told {telling.event_id}"),
        ),
    )


def told(store: DeskStore, statement_id: str) -> Telling | None:
    """The answers from which a statement was made; None for one that was made otherwise."""
    row = store.one("SELECT sealed FROM told WHERE statement_id = ?", (statement_id,))
    if row is None:
        return None
    opened = store.at_rest.open(row[0], f"told {statement_id}")
    return msgspec.msgpack.decode(opened, type=Telling)


def park(store: DeskStore, draft_id: str, page: str, fields: Fields) -> str | None:
    """Keeps what was typed on a page of a draft by somebody whose session had ended; gives a ticket.

    None where there is no such draft: nobody fills the disk who does not know the id of one.
    """
    if store.one("SELECT 1 FROM draft WHERE draft_id = ?", (draft_id,)) is None:
        return None
    store.execute("DELETE FROM parked WHERE parked_at < ?", (time.time() - PARKED_FOR_S,))
    store.execute(
        "DELETE FROM parked WHERE ticket NOT IN "
        "(SELECT ticket FROM parked ORDER BY parked_at DESC LIMIT ?)",
        (MOST_PARKED - 1,),
    )
    ticket = secrets.token_urlsafe(32)
    sealed = store.at_rest.seal(msgspec.msgpack.encode(fields), f"parked {ticket}")
    store.execute(
        "INSERT INTO parked VALUES (?, ?, ?, ?, ?)", (ticket, draft_id, page, time.time(), sealed)
    )
    return ticket


def take_in(store: DeskStore, ticket: str, draft: Draft) -> Draft | None:
    """The draft with what was parked for it under that ticket, saved; None where nothing was.

    Who asks must be the owner of the draft; a ticket is good once.
    """
    row = store.one(
        "SELECT page, sealed FROM parked WHERE ticket = ? AND draft_id = ? AND parked_at >= ?",
        (ticket, draft.draft_id, time.time() - PARKED_FOR_S),
    )
    if row is None:
        return None
    opened = store.at_rest.open(row[1], f"parked {ticket}")
    fields = msgspec.msgpack.decode(opened, type=dict[str, tuple[str, ...]])
    changed = with_answers(draft, str(row[0]), fields)
    with store.transaction():
        save(store, changed)
        store.execute("DELETE FROM parked WHERE ticket = ?", (ticket,))
    return changed


def fields_of(pairs: Iterable[tuple[str, object]], names: Iterable[str]) -> Fields:
    """What was sent for these inputs, as text that can be kept, in bounds; nothing else of the form."""
    wanted = set(names)
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        if name in wanted and isinstance(value, str) and len(found.get(name, ())) < MOST_VALUES:
            text = value.encode("utf-8", "replace").decode()[:MOST_CHARACTERS]
            found.setdefault(name, []).append(text)
    return {name: tuple(values) for name, values in found.items()}


def _with_child(telling: Telling) -> Telling:
    slot = str(max([0, *map(int, telling.made_references)]) + 1)
    made = "CHILD-" + "".join(secrets.choice(LETTERS) for _ in range(LETTERS_OF_REFERENCE))
    return msgspec.structs.replace(
        telling,
        children=(*telling.children, slot),
        made_references={**telling.made_references, slot: made},
    )


def _made(store: DeskStore, owner: str, telling: Telling) -> Draft:
    draft = Draft(telling)
    store.execute(
        "INSERT INTO draft VALUES (?, ?, ?, ?, ?)",
        (draft.draft_id, owner, telling.corrects, time.time(), _sealed(store, draft)),
    )
    return draft


def _sealed(store: DeskStore, draft: Draft) -> bytes:
    return store.at_rest.seal(msgspec.msgpack.encode(draft), f"draft {draft.draft_id}")


def _opened(store: DeskStore, draft_id: str, sealed: bytes) -> Draft:
    return msgspec.msgpack.decode(store.at_rest.open(sealed, f"draft {draft_id}"), type=Draft)
