"""The review desk: what waits for a person, opened, decided, and asked about at who published it."""

from __future__ import annotations

import datetime
import uuid
from typing import Any

from litestar import Request, Response, get, post
from litestar.exceptions import NotFoundException, ValidationException
from litestar.response import Redirect, Template

from broker.client.desk import HeldPart
from broker.desk import consultations, outbox, review_queue
from broker.desk.outbox import Queued, State
from broker.desk.pages import page
from broker.desk.people import Person, Role
from broker.desk.review_acts import (
    EVERYONE,
    Wrong,
    about_part,
    act,
    act_id_of,
    reason_wrong,
    send,
    several_of,
    text_of,
    verdict_wrong,
)
from broker.desk.review_queue import Queue
from broker.desk.review_words import (
    due_words,
    field_choices,
    name_of,
    reason_words,
    recipient_words,
    title_of,
)
from broker.desk.running import RunningDesk
from broker.desk.signing_in import Form, only_for
from broker.model.fields import FIELD_GROUP
from broker.model.types import Action, ActionKind

ON_A_PAGE = 50
CARRIED_OUT_WITHIN = datetime.timedelta(minutes=2)
"""So long a page goes on looking whether an accepted act has changed the queue."""
UNPROCESSABLE = 422
ASK_PUBLISHER, ANSWERED = ActionKind.REQUEST, ActionKind.CONSULT
Page = Request[Person, Any, Any]


@get("/review", guards=[only_for(Role.REVIEWER)])
async def queue(request: Page, desk: RunningDesk, show: str = "", at: int = 0) -> Template:
    """Everything that waits, due first in front; `show=consult`: where the publisher is to be asked."""
    consult, start = show == "consult", max(at, 0) * ON_A_PAGE
    now = datetime.datetime.now(datetime.UTC)
    found = queue_of(request).page(desk.store, limit=ON_A_PAGE + 1, offset=start, consult=consult)
    shown = found[:ON_A_PAGE]
    consultations.note(desk, request.user, "reviews", *(one.content.part_id for one in shown))
    return page(
        request,
        "review_queue",
        items=[_item(desk, one, now) for one in shown],
        counts=review_queue.counts(desk.store, now),
        unopened=review_queue.unopened(desk.store),
        mark=review_queue.mark(desk.store),
        consult=consult,
        at=max(at, 0),
        more=len(found) > ON_A_PAGE,
    )


@get("/review/changed", guards=[only_for(Role.REVIEWER)])
async def changed(desk: RunningDesk, mark: str = "") -> Response[str]:
    """Tells a page whether the queue is another by now: reload it (`HX-Refresh`), or nothing."""
    if review_queue.mark(desk.store) == mark:
        return Response("", status_code=204)
    return Response("", status_code=200, headers={"HX-Refresh": "true"})


@get("/review/{part_id:str}", guards=[only_for(Role.REVIEWER)])
async def one_part(request: Page, desk: RunningDesk, part_id: str) -> Template:
    """One part: what was said, who waits and why, and the form; once it is decided, by whom and how."""
    return _part_page(request, desk, part_id)


@get("/review/{part_id:str}/state", guards=[only_for(Role.REVIEWER)])
async def part_state(request: Page, desk: RunningDesk, part_id: str) -> Template:
    """Who waits now and what was done, as a piece of the page: asked for again until it is settled."""
    held = queue_of(request).find(desk.store, part_id)
    state = _state(desk, part_id, held)
    if state["acts"] or held is not None:
        consultations.note(desk, request.user, "review", part_id)
    else:
        consultations.shows_nobody()
    return page(request, "review_state", **state)


@post("/review/{part_id:str}/decide", guards=[only_for(Role.REVIEWER)], status_code=303)
async def decide(request: Page, desk: RunningDesk, part_id: str, data: Form) -> Redirect | Template:
    """Permits or refuses, for one recipient or for all that wait."""
    held = queue_of(request).find(desk.store, part_id)
    act_id = act_id_or_refuse(data)
    if held is None or outbox.find(desk.store, act_id):
        return Redirect(f"/review/{part_id}", status_code=303)
    wrong = verdict_wrong(data, _decidable(held))
    if wrong:
        return _part_page(request, desk, part_id, data, wrong)
    recipient = text_of(data, "recipient")
    chosen = tuple(one for one in several_of(data, "fields") if one in FIELD_GROUP)
    verdict = text_of(data, "verdict")
    action = act(
        request.user,
        ActionKind.REVIEW,
        act_id,
        text_of(data, "reason"),
        recipient=None if recipient == EVERYONE else recipient,
        verdict=verdict,
        fields=chosen if verdict == "permit" else (),
        **about_part(held),
    )
    await send(desk, action, part_id)
    return Redirect(f"/review/{part_id}", status_code=303)


@post("/review/{part_id:str}/consult", guards=[only_for(Role.REVIEWER)], status_code=303)
async def consult(
    request: Page, desk: RunningDesk, part_id: str, data: Form
) -> Redirect | Template:
    """Records that the publisher was asked, or what it answered; it decides nothing."""
    held = queue_of(request).find(desk.store, part_id)
    act_id = act_id_or_refuse(data)
    if held is None or outbox.find(desk.store, act_id):
        return Redirect(f"/review/{part_id}", status_code=303)
    wrong = [Wrong("said", one.text) for one in reason_wrong(text_of(data, "said"))]
    if wrong:
        return _part_page(request, desk, part_id, data, wrong)
    asked = _open_request(outbox.acts_about(desk.store, part_id))
    kind = ASK_PUBLISHER if asked is None else ANSWERED
    action = act(
        request.user, kind, act_id, text_of(data, "said"), confirms=asked, **about_part(held)
    )
    await send(desk, action, part_id)
    return Redirect(f"/review/{part_id}#consult", status_code=303)


def queue_of(request: Request[Any, Any, Any]) -> Queue:
    """What opens the queue; made once for a desk."""
    state = request.app.state
    if not hasattr(state, "review_queue"):
        state.review_queue = Queue(state.desk)
    found: Queue = state.review_queue
    return found


def _part_page(
    request: Page,
    desk: RunningDesk,
    part_id: str,
    data: dict[str, Any] | None = None,
    wrong: list[Wrong] | None = None,
) -> Template:
    held = queue_of(request).find(desk.store, part_id)
    state = _state(desk, part_id, held)
    if held is None and not state["acts"]:
        raise NotFoundException("nothing of that part waits, and nothing was decided about it here")
    consultations.note(desk, request.user, "review", part_id)
    given = data or {}
    return page(
        request,
        "review_part",
        UNPROCESSABLE if wrong else 200,
        **state,
        statement=_statement(desk, held) if held else None,
        decidable=[(one, recipient_words(desk, one)) for one in _decidable(held)] if held else [],
        fields=field_choices(),
        asked=_open_request(outbox.acts_about(desk.store, part_id)),
        given=given,
        chosen=several_of(given, "fields"),
        wrong=wrong or [],
        act_id=given.get("act_id") or str(uuid.uuid4()),
        consult_id=str(uuid.uuid4()),
    )


def _item(desk: RunningDesk, held: HeldPart, now: datetime.datetime) -> dict[str, Any]:
    content = held.content
    reasons = sorted({one for some in content.waiting for one in some.reasons if "/" not in one})
    acts = outbox.acts_about(desk.store, content.part_id)
    asks = set(reasons) & review_queue.CONSULT
    return {
        "part_id": content.part_id,
        "title": title_of(held),
        "publisher": name_of(desk, content.publisher),
        "waiting": [recipient_words(desk, one.recipient) for one in content.waiting],
        "reasons": [reason_words(desk, one)[0] for one in reasons],
        "due": content.due,
        "due_words": due_words(content.due, now),
        "overdue": content.due < now,
        "consult": _consult_words(acts) if asks else "",
        "sent": any(one.kind == ActionKind.REVIEW for one in acts),
    }


def _consult_words(acts: list[Queued]) -> str:
    if _open_request(acts):
        return "Publisher asked, no answer yet"
    return "Publisher answered" if _kinds(acts, ANSWERED) else "Ask the publisher"


def _statement(desk: RunningDesk, held: HeldPart) -> dict[str, Any]:
    content, event = held.content, held.event
    publisher = desk.reference.organisations.get(content.publisher)
    return {
        "held": held,
        "event": event,
        "title": title_of(held),
        "publisher": name_of(desk, content.publisher),
        "contact": publisher.contact if publisher else "",
        "conditions": [reason_words(desk, one)[0] for one in event.handling.conditions],
    }


def _state(desk: RunningDesk, part_id: str, held: HeldPart | None) -> dict[str, Any]:
    now = datetime.datetime.now(datetime.UTC)
    acts = outbox.acts_about(desk.store, part_id)
    return {
        "part_id": part_id,
        "acts": [_act_shown(desk, one) for one in acts],
        "waiting": _waiting(desk, held) if held else [],
        "due": held.content.due if held else None,
        "due_words": due_words(held.content.due, now) if held else "",
        "overdue": held is not None and held.content.due < now,
        "expires": held.content.expires_at if held else None,
        "is_moving": _is_moving(acts, held, now),
        "needs_consult": held is not None
        and any(set(one.reasons) & review_queue.CONSULT for one in held.content.waiting),
    }


def _waiting(desk: RunningDesk, held: HeldPart) -> list[dict[str, Any]]:
    """Who waits, by why: those for the same reasons together, in the order of the queue."""
    together: dict[tuple[str, ...], list[str]] = {}
    for one in held.content.waiting:
        together.setdefault(one.reasons, []).append(one.recipient)
    return [
        {
            "names": [recipient_words(desk, one) for one in recipients],
            "reasons": [reason_words(desk, one) for one in reasons if "/" not in one],
            "release": next(
                (one.partition("/")[2] for one in reasons if one.startswith("release/")), ""
            ),
        }
        for reasons, recipients in together.items()
    ]


def _act_shown(desk: RunningDesk, one: Queued) -> dict[str, Any]:
    action = one.statement
    assert isinstance(action, Action)
    return {
        "what": _act_words(desk, action),
        "actor": one.actor,
        "at": one.queued_at,
        "reason": action.reason or "",
        "state": one.state.value,
        "explanation": " ".join(reason_words(desk, one.reason)) if one.reason else "",
    }


def _act_words(desk: RunningDesk, action: Action) -> str:
    if action.kind is ASK_PUBLISHER:
        return "Publisher asked"
    if action.kind is ANSWERED:
        return "Publisher's answer"
    whom = recipient_words(desk, action.recipient) if action.recipient else "everyone who waits"
    return f"{'Permitted' if action.verdict == 'permit' else 'Refused'} for {whom}"


def _is_moving(acts: list[Queued], held: HeldPart | None, now: datetime.datetime) -> bool:
    """Whether something that was sent is still on its way, so that the page must look again."""
    if any(one.state in {State.WAITING, State.SENT} for one in acts):
        return True
    waiting = {one.recipient for one in held.content.waiting} if held else set()
    return any(
        one.kind == ActionKind.REVIEW
        and one.state is State.ACCEPTED
        and isinstance(one.statement, Action)
        and (one.statement.recipient is None or one.statement.recipient in waiting)
        and now - one.queued_at < CARRIED_OUT_WITHIN
        for one in acts
        if waiting
    )


def _decidable(held: HeldPart) -> list[str]:
    """Who waits for one reviewer; a break-glass waits for its second person instead."""
    return [
        one.recipient
        for one in held.content.waiting
        if review_queue.SECOND_PERSON not in one.reasons
    ]


def _open_request(acts: list[Queued]) -> str | None:
    """The last time that the publisher was asked, if it was not answered."""
    asked = _kinds(acts, ASK_PUBLISHER)
    answered = {
        one.statement.confirms
        for one in _kinds(acts, ANSWERED)
        if isinstance(one.statement, Action)
    }
    return asked[-1].statement_id if asked and asked[-1].statement_id not in answered else None


def _kinds(acts: list[Queued], kind: ActionKind) -> list[Queued]:
    rejected = {State.REJECTED, State.REFUSED}
    return [one for one in acts if one.kind == kind and one.state not in rejected]


def act_id_or_refuse(data: dict[str, Any]) -> str:
    """The id that a form was made with. Raises ValidationException where it has none."""
    try:
        return act_id_of(data)
    except ValueError:
        raise ValidationException("the form has lost its number: open the page again") from None


HANDLERS = (queue, changed, one_part, part_state, decide, consult)
SCHEMAS = (review_queue.SCHEMA,)
TASKS = (review_queue.follow_held,)
