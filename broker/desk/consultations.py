"""Who looked at what, and who signed in: every page with personal data is an entry of the desk's own log.

An entry says the person's staff reference and roles, what kind of page it was, the ids of what it showed
and when. It can hold no name and no content: whatever is not an id is refused. No answer leaves before its
entry is on disk; where it cannot be written, nothing is shown.
"""

from __future__ import annotations

import datetime
import re
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import structlog
from litestar.exceptions import InternalServerException, ServiceUnavailableException
from litestar.response import Redirect, Response, Template

from broker.ledger import LedgerError
from broker.model.canonical import canonical_json

if TYPE_CHECKING:
    from litestar import Request
    from litestar.types import Message, Scope

    from broker.desk.people import Person
    from broker.desk.running import RunningDesk

VERSION = 1
CONSULTATION, SESSION = "consultation", "session"
WHAT = {
    "alert": "one alert",
    "inbox": "a list of alerts",
    "child": "what was told about one child",
    "draft": "one draft",
    "drafts": "a list of drafts",
    "statement": "one statement that was sent, with its receipts",
    "sent": "a list of statements that were sent",
    "review": "one part that waits for a person",
    "reviews": "a list of parts that wait for a person",
    "break_glass": "a release on vital interests",
    "subject": "everything recorded about one subject",
    "search": "what a search found",
    "export": "an export",
}
"""Every kind of consultation, in words."""
SESSIONS = {
    "signed_in": "signed in",
    "signed_in_without_role": "signed in without a role at this desk: nothing was shown",
    "signed_out": "signed out",
}
"""Every kind of entry about a session, in words."""
Answer = Any
"""What Litestar makes of a page: a response, or an ASGI application."""
NOT_WRITTEN = (
    "what this page shows must be noted first, and the log of consultations cannot be written"
)
ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/~-]{0,199}")
MOST_IDS = 500


SHOWS_NOBODY = {
    "/": "leads on",
    "/healthz": "whether the desk serves",
    "/openapi.json": "the description of the HTTP door",
    "/sign-in": "the page to sign in on",
    "/oidc/start": "leads to the organisation's provider",
    "/oidc/back": "leads on, or says why somebody was not signed in",
    "/signed-out": "that one is signed out",
    "/account": "what a person's own account says",
    "/inbox/news": "how many alerts came",
    "/inbox/refused": "where messages lie that could not be opened",
    "/api/v1/webhooks": "addresses of the organisation's own systems",
    "/review/changed": "whether the queue changed",
    "/break-glass/ask": "an empty form",
    "/audit": "what the auditors' console can do",
    "/audit/verify": "whether the ledger holds",
    "/audit/verify/state": "how far its verification is",
    "/audit/parity": "rates by class of voice, small numbers left out",
    "/audit/consistency": "facts and outcomes by group",
    "/audit/policy": "what the policies decide of nobody",
}
"""Paths whose pages show nothing about anybody, and what they show. Any other page is noted or not shown."""
SHOW_NOBODY_BELOW = ("/static/", "/schema", "/audit/parity/plot/")


class _Current:
    """The answer that is being made."""

    def __init__(self, desk: RunningDesk, path: str, *, must: bool) -> None:
        self.desk = desk
        self.path = path
        self.must = must
        self.noted = 0


CURRENT: ContextVar[_Current] = ContextVar("consultation")
log = structlog.get_logger()


def note(desk: RunningDesk, person: Person, what: str, *about: str) -> None:
    """Notes that this answer shows `person` a page of the kind `what` with the things of these ids.

    Call it once in each handler that shows personal data, before it returns; for a list, with the ids that
    the page lists. Raises ValueError for a kind that is not in WHAT, or for what is no id.
    """
    if what not in WHAT:
        raise ValueError(f"{what!r} is no kind of consultation: add it to WHAT with its words")
    _add(desk, CONSULTATION, person, what, about)
    _count()


def shows_nobody() -> None:
    """Says that this answer shows nothing about anybody, where that depends on what was found."""
    _count()


def note_session(desk: RunningDesk, person: Person, what: str) -> None:
    """Notes that somebody signed in or out. Raises ValueError for a kind that is not in SESSIONS."""
    if what not in SESSIONS:
        raise ValueError(f"{what!r} is no kind of entry about a session")
    _add(desk, SESSION, person, what, ())


async def asked(request: Request[Any, Any, Any]) -> None:
    """Hook before every request: from here on `note` counts for this answer."""
    path = str(request.scope.get("path_template", ""))
    must = request.method == "GET" and not shows_nobody_at(path)
    CURRENT.set(_Current(request.app.state.desk, path, must=must))


async def before_it_leaves(answer: Answer) -> Answer:
    """Hook after every request: no answer leaves before what it shows is noted on disk.

    Where that cannot be written nothing is shown: it raises ServiceUnavailableException. Nor is a page that
    was not noted, and is not in SHOWS_NOBODY: whoever wrote it forgot to (InternalServerException).
    """
    current = CURRENT.get()
    if current.must and current.noted != 1 and not _is_empty(answer):
        log.error("consultation_missing", path=current.path, count=current.noted)
        raise InternalServerException("a page of personal data is noted exactly once")
    try:
        await current.desk.consultations.settled()
    except LedgerError as error:
        log.error("consultation_unwritten", error=type(error).__name__)
        raise ServiceUnavailableException(NOT_WRITTEN) from error
    return answer


def shows_nobody_at(path: str) -> bool:
    """Whether no page of that path, as its route is written, shows anything about anybody."""
    return path in SHOWS_NOBODY or any(path.startswith(one) for one in SHOW_NOBODY_BELOW)


async def before_a_piece_leaves(message: Message, scope: Scope) -> None:
    """The same for each piece of an answer that is sent in pieces; the connection ends where it fails."""
    if message["type"] == "http.response.body" and message["more_body"]:
        desk: RunningDesk = scope["litestar_app"].state.desk
        await desk.consultations.settled()


def _count() -> None:
    current = CURRENT.get(None)
    if current is not None:
        current.noted += 1


def _is_empty(answer: Answer) -> bool:
    """Whether nothing is shown: a redirect, or an answer without a body."""
    if isinstance(answer, Template):
        return False
    if isinstance(answer, Redirect):
        return True
    body = answer.content if isinstance(answer, Response) else getattr(answer, "body", answer)
    return body is None or (isinstance(body, str | bytes) and not body)


def _add(desk: RunningDesk, kind: str, person: Person, what: str, about: tuple[str, ...]) -> None:
    wrong = [one for one in (person.staff_ref, *about) if not ID.fullmatch(one)]
    if wrong or len(about) > MOST_IDS:
        raise ValueError("a consultation names things by their ids, and no more than a page shows")
    leaf: dict[str, Any] = {
        "kind": kind,
        "v": VERSION,
        "actor": person.staff_ref,
        "roles": sorted(one.value for one in person.roles),
        "what": what,
        "about": list(about),
        "at": datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds"),
    }
    desk.consultations.add(canonical_json(leaf))
