"""Sessions: rows of the desk's database, sealed; the browser has a random number and nothing else.

A number that a browser made up is no session. Whoever signs in gets a new number, and what was under the
old one is gone. A session that was ended does not come back through an answer that was still under way.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from dataclasses import dataclass
from typing import Any, cast

from litestar.connection import ASGIConnection
from litestar.datastructures import Cookie, MutableScopeHeaders
from litestar.middleware.session.server_side import (
    ServerSideSessionBackend,
    ServerSideSessionConfig,
)
from litestar.types import Empty, Message, ScopeSession

from broker.desk.settings import DeskSettings
from broker.desk.store import DeskStore
from broker.model.sealing import SealError

SCHEMA = """
CREATE TABLE IF NOT EXISTS session (
    number_hash TEXT PRIMARY KEY, sealed BLOB NOT NULL, idle_until REAL NOT NULL, ends_at REAL NOT NULL);
"""
NUMBER_BYTES = 32
RENEW_AFTER_S = 30.0
"""A session is not written again for each of many requests."""
LOADED = "desk_session"
BEGUN = "begun"
"""What changes in a session whenever somebody signs in: it then gets a new number."""


class Sessions(ServerSideSessionBackend):
    """Sessions of one desk."""

    async def load_from_connection(
        self, connection: ASGIConnection[Any, Any, Any, Any]
    ) -> dict[str, Any]:
        """What the session holds; nothing where there is none or it has ended."""
        number = connection.cookies.get(self.config.key)
        found = self._read(number) if number else None
        # Sessions are never shared between the answers of one browser: each has what lay there.
        connection.scope.setdefault("state", {})[LOADED] = (number, found)
        return json.loads(found) if found else {}

    async def store_in_message(
        self,
        scope_session: ScopeSession,
        message: Message,
        connection: ASGIConnection[Any, Any, Any, Any],
    ) -> None:
        """Keeps what changed. The cookie is set when somebody signs in, and taken when a session ends."""
        number, before = connection.scope.get("state", {}).get(LOADED, (None, None))
        headers = MutableScopeHeaders.from_message(message)
        if scope_session is Empty or not scope_session:
            if number:
                self._end(number)
                headers.add("Set-Cookie", self._cookie("", 0))
            return
        session = cast("dict[str, Any]", scope_session)
        after = json.dumps(session)
        begun_before = json.loads(before).get(BEGUN) if before else None
        if number is None or before is None or begun_before != session.get(BEGUN):
            if number:
                self._end(number)
            headers.add("Set-Cookie", self._cookie(self._begin(after), None))
        else:
            self._keep(number, after if after != before else None)

    @property
    def _settings(self) -> tuple[DeskStore, float, float]:
        config = self.config
        assert isinstance(config, SessionConfig)
        assert config.desk_store is not None
        return config.desk_store, config.idle_s, config.longest_s

    def _read(self, number: str) -> str | None:
        store, _, _ = self._settings
        now = time.time()
        row = store.one(
            "SELECT sealed FROM session WHERE number_hash = ? AND idle_until > ? AND ends_at > ?",
            (_hash(number), now, now),
        )
        if row is None:
            return None
        try:
            return store.at_rest.open(row[0], _place(number)).decode()
        except SealError:
            return None

    def _begin(self, content: str) -> str:
        store, idle_s, longest_s = self._settings
        now = time.time()
        number = secrets.token_urlsafe(NUMBER_BYTES)
        with store.transaction():
            store.execute("DELETE FROM session WHERE idle_until <= ? OR ends_at <= ?", (now, now))
            store.execute(
                "INSERT INTO session VALUES (?, ?, ?, ?)",
                (_hash(number), self._sealed(number, content), now + idle_s, now + longest_s),
            )
        return number

    def _keep(self, number: str, content: str | None) -> None:
        """Puts the end off, and keeps what changed; what was ended meanwhile stays so."""
        store, idle_s, _ = self._settings
        until = time.time() + idle_s
        renew_after = min(RENEW_AFTER_S, idle_s / 4)
        if content is not None:
            store.execute(
                "UPDATE session SET sealed = ?, idle_until = ? WHERE number_hash = ?",
                (self._sealed(number, content), until, _hash(number)),
            )
            return
        (current,) = store.one(
            "SELECT max(idle_until) FROM session WHERE number_hash = ?", (_hash(number),)
        )
        if current is not None and current < until - renew_after:
            store.execute(
                "UPDATE session SET idle_until = ? WHERE number_hash = ?", (until, _hash(number))
            )

    def _end(self, number: str) -> None:
        store, _, _ = self._settings
        if store.one("SELECT 1 FROM session WHERE number_hash = ?", (_hash(number),)):
            store.execute("DELETE FROM session WHERE number_hash = ?", (_hash(number),))

    def _sealed(self, number: str, content: str) -> bytes:
        store, _, _ = self._settings
        return store.at_rest.seal(content.encode(), _place(number))

    def _cookie(self, value: str, max_age: int | None) -> str:
        config = self.config
        return Cookie(
            key=config.key,
            value=value,
            max_age=max_age,
            path="/",
            secure=config.secure,
            httponly=True,
            samesite="lax",
        ).to_header(header="")


@dataclass
class SessionConfig(ServerSideSessionConfig):
    """Where sessions lie and how long they last, besides what the cookie says."""

    _backend_class = Sessions
    desk_store: DeskStore | None = None
    idle_s: float = 0.0
    longest_s: float = 0.0


def sessions_of(own: DeskSettings, store: DeskStore, cookie: str) -> SessionConfig:
    """How the sessions of a desk are kept; `cookie` is the name of the browser's number."""
    return SessionConfig(
        key=cookie,
        secure=own.is_https,
        desk_store=store,
        idle_s=own.idle_minutes * 60.0,
        longest_s=own.session_hours * 3600.0,
    )


def _hash(number: str) -> str:
    """Whoever reads the database cannot take a session over."""
    return hashlib.sha256(number.encode()).hexdigest()


def _place(number: str) -> str:
    return f"session {_hash(number)}"
