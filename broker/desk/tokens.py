"""Tokens of an organisation's own systems for the HTTP door: shown once, kept as a digest, with an end."""

from __future__ import annotations

import datetime
import hashlib
import secrets
from enum import StrEnum

import msgspec

from broker.desk.store import DeskStore

PREFIX = "desk_"
SCHEMA = """
CREATE TABLE IF NOT EXISTS token (
    name TEXT PRIMARY KEY, digest BLOB NOT NULL UNIQUE, may TEXT NOT NULL, made_at REAL NOT NULL,
    expires_at REAL NOT NULL);
"""


class May(StrEnum):
    """What a system may do."""

    PUBLISH = "publish"
    READ = "read"
    ANSWER = "answer"
    WEBHOOKS = "webhooks"


class Token(msgspec.Struct, frozen=True):
    """One system's right, without the token itself."""

    name: str
    may: tuple[May, ...]
    made_at: datetime.datetime
    expires_at: datetime.datetime


def make_token(
    store: DeskStore, name: str, may: tuple[May, ...], *, days: int, now: datetime.datetime
) -> str:
    """A new token of that name; one of the same name before is worth nothing any more.

    The token has 256 random bits, so its digest needs no salt.
    """
    token = PREFIX + secrets.token_urlsafe(32)
    ends = now + datetime.timedelta(days=days)
    rights = " ".join(one.value for one in may)
    store.execute(
        "INSERT OR REPLACE INTO token VALUES (?, ?, ?, ?, ?)",
        (name, _digest(token), rights, now.timestamp(), ends.timestamp()),
    )
    return token


def token_of(store: DeskStore, presented: str, now: datetime.datetime) -> Token | None:
    """Whose token that is, if it is one of this desk and has not ended."""
    row = store.one(
        "SELECT name, may, made_at, expires_at FROM token WHERE digest = ?", (_digest(presented),)
    )
    found = _row(row) if row else None
    return found if found and found.expires_at > now else None


def tokens(store: DeskStore) -> list[Token]:
    """Every token, by name."""
    rows = store.all("SELECT name, may, made_at, expires_at FROM token ORDER BY name")
    return [_row(row) for row in rows]


def revoke(store: DeskStore, name: str) -> bool:
    """Ends a token at once. False where there is none of that name."""
    return store.execute("DELETE FROM token WHERE name = ?", (name,)).rowcount == 1


def _row(row: tuple[str, str, float, float]) -> Token:
    name, may, made_at, expires_at = row
    return Token(
        name,
        tuple(May(one) for one in may.split()),
        datetime.datetime.fromtimestamp(made_at, datetime.UTC),
        datetime.datetime.fromtimestamp(expires_at, datetime.UTC),
    )


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
