"""The HTTP door for an organisation's systems: /api/v1, described at /openapi.json.

Authenticated by a token of the organisation (broker.desk.tokens). What it takes is kept before it answers
and published by the same outbox as the pages'; what it gives was opened after its proof held.
"""

from __future__ import annotations

import datetime
import hashlib
import time
from typing import Annotated, Any

from litestar import Request, Router, get, post
from litestar.di import NamedDependency
from litestar.exceptions import (
    ClientException,
    HTTPException,
    NotAuthorizedException,
    NotFoundException,
    PermissionDeniedException,
    ValidationException,
)
from litestar.params import FromPath, QueryParameter
from litestar.response import Response
from litestar.status_codes import HTTP_202_ACCEPTED, HTTP_422_UNPROCESSABLE_ENTITY

from broker.client.opening import RefusedAlertError
from broker.client.responder import answer_to
from broker.desk import consultations, inbox, news, outbox
from broker.desk.api_reading import NotReadError, Statement, Unread, read
from broker.desk.api_values import (
    ANSWERS,
    AlertView,
    Answer,
    Entry,
    Feed,
    Kept,
    Problem,
    ProofView,
    StatementView,
    alert_view,
    proof_view,
    receipt_view,
    statement_view,
)
from broker.desk.listed import Listed, Status
from broker.desk.people import Person, Role
from broker.desk.running import RunningDesk
from broker.desk.tokens import May, Token, token_of
from broker.model.codec import decode
from broker.model.types import Action, Alert

LONGEST_WAIT_S = 30
MOST_ENTRIES = 200
BEARER = "Bearer "
After = Annotated[int, QueryParameter(ge=0, description="Number of the last entry that you have.")]
Wait = Annotated[
    int, QueryParameter(ge=0, le=LONGEST_WAIT_S, description="Seconds to wait if nothing is new.")
]
Limit = Annotated[
    int, QueryParameter(ge=1, le=MOST_ENTRIES, description="At most so many entries.")
]
Kind = Annotated[
    str | None, QueryParameter(description="Only of this kind: alert, withdrawal or receipt.")
]


async def authenticate(request: Request[Any, Any, Any]) -> None:
    """Who calls: a system with a token of this desk. Every answer without one is 401."""
    await consultations.asked(request)
    desk: RunningDesk = request.app.state.desk
    header = request.headers.get("Authorization", "")
    now = datetime.datetime.now(datetime.UTC)
    found = (
        token_of(desk.store, header.removeprefix(BEARER), now)
        if header.startswith(BEARER)
        else None
    )
    if found is None:
        raise NotAuthorizedException(
            "send `Authorization: Bearer` with a token that `broker desk token` made and that has not ended",
            headers={"WWW-Authenticate": "Bearer"},
        )
    request.scope["state"]["token"] = found


def as_problem(_: Request[Any, Any, Any], error: HTTPException) -> Response[Problem]:
    """An error as application/problem+json (RFC 9457)."""
    status = error.status_code
    detail = error.detail
    if isinstance(error, ValidationException) and error.extra:
        # Where and what is wrong, never the value that was sent.
        found = [one for one in error.extra if isinstance(one, dict)]
        detail = (
            "; ".join(f"{one.get('key', '')}: {one.get('message', '')}" for one in found) or detail
        )
    problem = Problem(status, TITLES.get(status, "Not done"), detail)
    headers = {**(error.headers or {})}
    return Response(
        problem, status_code=status, media_type="application/problem+json", headers=headers
    )


def refused(_: Request[Any, Any, Any], error: RefusedAlertError) -> Response[Problem]:
    """An alert that was listed and cannot be shown now: its proof or its key does not fit any more."""
    problem = Problem(422, TITLES[422], str(error))
    return Response(problem, status_code=422, media_type="application/problem+json")


TITLES = {
    400: "The request cannot be read",
    401: "Not signed in",
    403: "Not allowed",
    404: "Not here",
    405: "Not done this way",
    413: "Too much at once",
    415: "Not a kind of content that is taken",
    422: "Not valid",
    429: "Too many requests",
}


@post("/statements", status_code=HTTP_202_ACCEPTED, summary="Publish one or several statements")
async def publish(
    request: Request[Any, Any, Any], desk: NamedDependency[RunningDesk]
) -> list[Kept]:
    """Keeps statements for publishing, in order; each with its own outcome.

    They are on disk when this answers, and published until Kafka confirms. Sent again they count once: their
    ids are the key. See /api/v1/statements/{statement_id} for what became of one.
    """
    needs(request, May.PUBLISH)
    try:
        found = read(dict(request.headers.items()), await request.body())
    except NotReadError as error:
        raise HTTPException(str(error), status_code=error.status) from None
    actor = f"system:{_token(request).name}"
    kept = [_keep(desk, one, actor) for one in found]
    if len(kept) == 1 and (problem := kept[0].problem):
        raise HTTPException(problem.detail, status_code=HTTP_422_UNPROCESSABLE_ENTITY)
    await desk.tell_changed()
    return kept


@get("/statements/{statement_id:str}", summary="How far a statement has come, with its receipts")
async def statement(
    request: Request[Any, Any, Any], desk: NamedDependency[RunningDesk], statement_id: FromPath[str]
) -> StatementView:
    """State and every receipt, those that say what came of it too."""
    needs(request, May.READ)
    found = outbox.find(desk.store, statement_id)
    if found is None:
        raise NotFoundException("no statement of that id was sent from this desk")
    consultations.note(desk, _person(request, desk), "statement", statement_id)
    return statement_view(found, outbox.receipts_of(desk.store, statement_id))


@get("/news", summary="Alerts, withdrawals and receipts as they came; waits for the next")
async def feed(
    request: Request[Any, Any, Any],
    desk: NamedDependency[RunningDesk],
    after: After = 0,
    wait: Wait = 0,
    limit: Limit = 50,
    kind: Kind = None,
) -> Feed:
    """What came after a number, in order. Asked with `wait`, it answers as soon as something comes."""
    needs(request, May.READ)
    if kind is not None and kind not in news.KINDS:
        raise ClientException(f"kind is one of {', '.join(news.KINDS)}")
    kinds = (kind,) if kind else news.KINDS
    ends = time.monotonic() + wait
    while not (found := news.after(desk.store, after, limit=limit, kinds=kinds)):
        left = ends - time.monotonic()
        if left <= 0:
            break
        await desk.wait_for_change(left)
    person = _person(request, desk)
    if any(one.kind == "alert" for one in found):
        shown = (one.ref for one in found if one.kind == "alert")
        consultations.note(desk, person, "alert", *shown)
    elif receipts := [one.ref for one in found]:
        consultations.note(desk, person, "statement", *receipts)
    else:
        consultations.shows_nobody()
    entries = [entry_of(desk, one) for one in found]
    return Feed(entries, entries[-1].number if entries else after)


@get("/alerts/{alert_id:str}", summary="One alert, opened after its proof held")
async def alert(
    request: Request[Any, Any, Any], desk: NamedDependency[RunningDesk], alert_id: FromPath[str]
) -> AlertView:
    """The alert; of one that no longer stands the content is not shown."""
    needs(request, May.READ)
    found = _found(desk, alert_id)
    consultations.note(desk, _person(request, desk), "alert", alert_id)
    return _alert(desk, found)


@get("/alerts/{alert_id:str}/proof", summary="Proof that an alert was recorded before it was sent")
async def proof(
    request: Request[Any, Any, Any], desk: NamedDependency[RunningDesk], alert_id: FromPath[str]
) -> ProofView:
    """Leaf, inclusion proof and signed checkpoint of the organisation's own log, and the record itself."""
    needs(request, May.READ)
    found = _found(desk, alert_id)
    consultations.note(desk, _person(request, desk), "alert", alert_id)
    record = decode(found.sealed, Alert)
    return proof_view(found.sealed, record, hashlib.sha256(record.sealed).hexdigest())


@post("/alerts/{alert_id:str}/answers", status_code=HTTP_202_ACCEPTED, summary="Answer an alert")
async def answer(
    request: Request[Any, Any, Any],
    desk: NamedDependency[RunningDesk],
    alert_id: FromPath[str],
    data: Answer,
) -> Kept:
    """Keeps an answer for publishing. See /api/v1/statements/{action_id} for what became of it."""
    needs(request, May.ANSWER)
    found = _found(desk, alert_id)
    if data.kind not in ANSWERS:
        raise ClientException(f"kind is one of {', '.join(one.value for one in ANSWERS)}")
    if found.status is Status.WITHDRAWN:
        raise ClientException("the alert was withdrawn: it no longer stands and cannot be answered")
    opened = desk.opened.open(found)
    said = {
        "reason": data.reason,
        "plan": data.plan,
        "originator_may_know": data.originator_may_know,
    }
    act = answer_to(opened, data.kind, data.actor, action_id=data.action_id, **said)
    with desk.store.transaction():
        new = outbox.put(desk.store, act, actor=data.actor, about=alert_id)
        if new:
            inbox.answered(desk.store, alert_id, data.kind)
    await desk.tell_changed()
    return Kept(
        data.action_id, kept=True, repeated=not new, location=f"/api/v1/statements/{data.action_id}"
    )


def needs(request: Request[Any, Any, Any], right: May) -> None:
    """Raises PermissionDeniedException where the caller's token does not have the right."""
    if right not in _token(request).may:
        raise PermissionDeniedException(
            f"this token may {' and '.join(_token(request).may)}, not {right.value}"
        )


def entry_of(desk: RunningDesk, one: news.News) -> Entry:
    """What came, as it is given out."""
    if one.kind == "receipt":
        statement_id, receipt = outbox.receipt(desk.store, one.ref)
        return Entry(one.number, one.kind, receipt=receipt_view(receipt), statement_id=statement_id)
    found = inbox.find(desk.store, one.ref)
    return Entry(one.number, one.kind, alert=_alert(desk, found) if found else None)


def _alert(desk: RunningDesk, found: Listed) -> AlertView:
    withdrawn = inbox.withdrawal_of(desk.store, found.alert_id)
    opened = None if withdrawn else desk.opened.open(found)
    return alert_view(found, opened, withdrawn[0] if withdrawn else None)


def _found(desk: NamedDependency[RunningDesk], alert_id: FromPath[str]) -> Listed:
    found = inbox.find(desk.store, alert_id)
    if found is None:
        raise NotFoundException("no alert of that id came to this desk")
    return found


def _keep(desk: RunningDesk, found: Statement | Unread, actor: str) -> Kept:
    if isinstance(found, Unread):
        problem = Problem(422, TITLES[422], found.explanation, reason=found.reason)
        return Kept(None, kept=False, problem=problem)
    is_act = isinstance(found, Action)
    statement_id = found.action_id if isinstance(found, Action) else found.event_id
    owner = found.organisation if isinstance(found, Action) else found.publisher
    if owner != desk.organisation:
        what = f"the {'act' if is_act else 'statement'} is another organisation's: each publishes its own"
        return Kept(statement_id, kept=False, problem=Problem(422, TITLES[422], what))
    new = outbox.put(desk.store, found, actor=actor)
    place = f"/api/v1/statements/{statement_id}"
    return Kept(statement_id, kept=True, repeated=not new, location=place)


def _token(request: Request[Any, Any, Any]) -> Token:
    token: Token = request.scope["state"]["token"]
    return token


def _person(request: Request[Any, Any, Any], desk: RunningDesk) -> Person:
    name = _token(request).name
    return Person(f"system:{name}", name, desk.organisation, (Role.SYSTEM,))


ROUTER = Router(
    path="/api/v1",
    route_handlers=[publish, statement, feed, alert, proof, answer],
    before_request=authenticate,
    exception_handlers={HTTPException: as_problem, RefusedAlertError: refused},
    include_in_schema=True,
    opt={"exclude_from_auth": True, "exclude_from_csrf": True, "skip_session": True},
    security=[{"token": []}],
    tags=["systems"],
)
