"""The page of one alert, and its answers: acknowledge with one click, everything else by a form."""

from __future__ import annotations

import datetime
import hashlib
import time
import uuid
from typing import Any

from litestar import Request, get, post
from litestar.exceptions import NotFoundException
from litestar.response import Redirect, Response, Template

from broker.client.opening import OpenedAlert, RefusedAlertError
from broker.desk import child_joins, inbox
from broker.desk.alert_asking import CAN_ASK, request_of, whom_to_ask
from broker.desk.alert_codes import codes_of
from broker.desk.alert_view import view_of, withdrawn_view
from broker.desk.alert_words import REFUSED, desk_of, said
from broker.desk.answers import (
    AnsweredError,
    Given,
    Way,
    Written,
    act_id_of,
    act_of,
    draft,
    given,
    keep,
    keep_draft,
    now,
    written_of,
)
from broker.desk.consultations import note
from broker.desk.inbox_pages import ON_DUTY, contact_of_desk, lines_of, names_of
from broker.desk.inbox_view import OVERDUE, STATUS, due_in_words
from broker.desk.listed import Listed, Status
from broker.desk.pages import page
from broker.desk.people import Person
from broker.desk.running import RunningDesk
from broker.desk.signing_in import Form

TITLES = {
    Way.CONSIDER: "What did you consider, and why?",
    Way.ACT: "What did you do?",
    Way.NO_FURTHER_ACTION: "Why is nothing more done?",
    Way.ASK: "What more do you need to know?",
}
OF_FORM = "alert_form"


@get("/alert/{alert_id:str}", guards=ON_DUTY)
async def show_alert(
    request: Request[Person, Any, Any], desk: RunningDesk, alert_id: str, said_id: str = ""
) -> Template:
    """The alert; one that was withdrawn or does not open is said to be so, and none of it is shown."""
    listed = _found(desk, alert_id)
    note(desk, request.user, "alert", alert_id)
    shown = _around(desk, listed, said_id) | {"act_id": str(uuid.uuid4())}
    withdrawal = inbox.withdrawal_of(desk.store, alert_id)
    if withdrawal is not None:
        gone = withdrawn_view(*withdrawal, codes_of(desk))
        return page(request, "alert_withdrawn", gone=gone, **shown)
    try:
        alert = desk.opened.open(listed)
    except RefusedAlertError as error:
        return page(request, "alert_refused", what=said(REFUSED, error.check), **shown)
    return page(
        request,
        "alert_shown",
        view=view_of(alert, codes_of(desk), names_of(desk)),
        alert=alert,
        can_ask=whom_to_ask(alert, desk.reference.organisations) is not None,
        **shown,
    )


@get("/alert/{alert_id:str}/live", guards=ON_DUTY)
async def show_live(
    request: Request[Person, Any, Any],
    desk: RunningDesk,
    alert_id: str,
    seen: str,
    said_id: str = "",
    opened_at: int = 0,
) -> Response[Any] | Template:
    """What changed on an open page: 204 for nothing, the answers, or all where its status changed."""
    listed = _found(desk, alert_id)
    around = _around(desk, listed, said_id) | {"opened_at": opened_at}
    if around["seen"] == seen and not around_is_over(desk, opened_at):
        return Response(None, status_code=204)
    if listed.status.value != seen.partition("-")[0]:
        # A colleague answered, an answer was turned back, or the alert fell.
        return Response(None, status_code=200, headers={"HX-Refresh": "true"})
    note(desk, request.user, "alert", alert_id)
    return page(request, "alert_live", is_over=around_is_over(desk, opened_at), **around)


def around_is_over(desk: RunningDesk, opened_at: int) -> bool:
    """Whether a page has been open so long that it is no longer kept live."""
    return time.time() - opened_at > desk.own.idle_minutes * 60


@post("/alert/{alert_id:str}/acknowledge", guards=ON_DUTY, status_code=303)
async def acknowledge(
    request: Request[Person, Any, Any], desk: RunningDesk, alert_id: str, data: Form
) -> Redirect:
    """Somebody has it: stops the clock."""
    alert = _opened(desk, _found(desk, alert_id))
    try:
        act_id = act_id_of(data.get("act_id"))
    except AnsweredError:
        return Redirect(f"/alert/{alert_id}", status_code=303)
    act = act_of(alert, Way.ACKNOWLEDGE, act_id, request.user.staff_ref, Written())
    return await _kept(desk, request.user, alert_id, act.action_id, act)


@get("/alert/{alert_id:str}/answer/{way:str}", guards=ON_DUTY)
async def show_form(
    request: Request[Person, Any, Any], desk: RunningDesk, alert_id: str, way: str
) -> Template | Redirect:
    """The form of one way to answer, with what was written before."""
    chosen, listed = _way(way), _found(desk, alert_id)
    if listed.status is Status.WITHDRAWN:
        return Redirect(f"/alert/{alert_id}", status_code=303)
    act_id, written = draft(desk.store, alert_id, chosen, request.user.staff_ref)
    note(desk, request.user, "alert", alert_id)
    return _form(request, desk, listed, chosen, act_id, written, {})


@post("/alert/{alert_id:str}/answer/{way:str}", guards=ON_DUTY, status_code=303)
async def answer(
    request: Request[Person, Any, Any], desk: RunningDesk, alert_id: str, way: str, data: Form
) -> Template | Redirect:
    """Keeps the answer for sending; the form again where something is missing."""
    chosen, listed = _way(way), _found(desk, alert_id)
    written, actor = written_of(data), request.user.staff_ref
    try:
        act_id = act_id_of(data.get("act_id"))
    except AnsweredError as error:
        fresh, _ = draft(desk.store, alert_id, chosen, actor)
        return _form(request, desk, listed, chosen, fresh, written, error.errors)
    alert = _opened(desk, listed)
    try:
        if chosen is Way.ASK:
            statement: Any = _request(desk, alert, act_id, written)
        else:
            statement = act_of(alert, chosen, act_id, actor, written)
    except AnsweredError as error:
        keep_draft(desk.store, alert_id, chosen, actor, act_id, written)
        return _form(request, desk, listed, chosen, act_id, written, error.errors)
    return await _kept(desk, request.user, alert_id, act_id, statement)


@post("/alert/{alert_id:str}/draft/{way:str}", guards=ON_DUTY, status_code=204)
async def keep_written(
    request: Request[Person, Any, Any], desk: RunningDesk, alert_id: str, way: str, data: Form
) -> None:
    """Keeps what is being written, as it is written."""
    _found(desk, alert_id)
    try:
        act_id = act_id_of(data.get("act_id"))
    except AnsweredError:
        return
    actor = request.user.staff_ref
    keep_draft(desk.store, alert_id, _way(way), actor, act_id, written_of(data))


@get("/child/{part:str}", guards=ON_DUTY)
async def show_child(request: Request[Person, Any, Any], desk: RunningDesk, part: str) -> Template:
    """Everything that this organisation was told under one pseudonym, the oldest first, with its answers."""
    every = inbox.of_child(desk.store, part)
    if not every:
        raise NotFoundException
    note(desk, request.user, "child", part)
    lines = lines_of(desk, every, datetime.datetime.now(datetime.UTC))
    events = [
        {
            "line": line,
            "answers": given(desk.store, line.alert_id),
            "withdrawn": _withdrawal(desk, line.alert_id),
        }
        for line in lines
    ]
    others = [
        (other, len(inbox.of_child(desk.store, other)))
        for other in child_joins.same_child(desk.store, part)
    ]
    return page(request, "child_timeline", events=events, part=part, others=others)


def _withdrawal(desk: RunningDesk, alert_id: str) -> Any:
    found = inbox.withdrawal_of(desk.store, alert_id)
    return withdrawn_view(*found, codes_of(desk)) if found else None


def _found(desk: RunningDesk, alert_id: str) -> Listed:
    listed = inbox.find(desk.store, alert_id)
    if listed is None:
        raise NotFoundException
    return listed


def _opened(desk: RunningDesk, listed: Listed) -> OpenedAlert:
    """To answer it; also one that was withdrawn, whose withdrawal is acknowledged so."""
    try:
        return desk.opened.open(listed)
    except RefusedAlertError:
        raise NotFoundException from None


def _way(stated: str) -> Way:
    try:
        return Way(stated)
    except ValueError:
        raise NotFoundException from None


def _request(desk: RunningDesk, alert: OpenedAlert, event_id: str, written: Written) -> Any:
    organisations = desk.reference.organisations
    asked = whom_to_ask(alert, organisations)
    if asked is None:
        raise AnsweredError(
            {"purpose": "Telephone the broker's duty desk: it passes the question on"}
        )
    return request_of(alert, asked, organisations[desk.organisation], event_id, written, now())


async def _kept(
    desk: RunningDesk, person: Person, alert_id: str, act_id: str, statement: Any
) -> Redirect:
    keep(desk.store, alert_id, statement, person.staff_ref)
    await desk.tell_changed()
    return Redirect(f"/alert/{alert_id}?said_id={act_id}", status_code=303)


def _form(
    request: Request[Person, Any, Any],
    desk: RunningDesk,
    listed: Listed,
    way: Way,
    act_id: str,
    written: Written,
    errors: dict[str, str],
) -> Template:
    asked = whom_to_ask(_opened(desk, listed), desk.reference.organisations)
    if way is Way.ASK and asked is None:
        return page(request, "alert_telephone", listed=listed, contact=contact_of_desk(desk))
    return page(
        request,
        "alert_ask" if way is Way.ASK else OF_FORM,
        422 if errors else 200,
        listed=listed,
        way=way.value,
        title=TITLES.get(way, "Acknowledge this alert"),
        act_id=act_id,
        written=written,
        errors=errors,
        asked=asked,
        can_ask_for={name: text for name, (text, _) in CAN_ASK.items()},
    )


def _around(desk: RunningDesk, listed: Listed, said_id: str) -> dict[str, Any]:
    """What stands around an alert whatever it says: its clock, its answers, what it reminds of."""
    answers = given(desk.store, listed.alert_id)
    moment = datetime.datetime.now(datetime.UTC)
    overdue = listed.is_overdue(moment)
    status, colour = OVERDUE if overdue else STATUS[listed.status]
    banner = next((one for one in answers if one.queued.statement_id == said_id), None)
    return {
        "listed": listed,
        "desk_name": desk_of(listed.recipient),
        "due": due_in_words(listed, moment),
        "is_overdue": overdue,
        "state": status,
        "colour": colour,
        "answers": answers,
        "said": banner,
        "said_id": banner.queued.statement_id if banner else "",
        "seen": f"{listed.status.value}-{_digest(listed, answers, status)}",
        "opened_at": int(time.time()),
        "contact": contact_of_desk(desk),
        "others": len(inbox.of_child(desk.store, listed.part)) - 1,
    }


def _digest(listed: Listed, answers: list[Given], status: str) -> str:
    """Of what a live page shows: another one means that something changed."""
    told = [
        status,
        listed.status.value,
        *(f"{one.queued.statement_id}{one.tag}" for one in answers),
    ]
    return hashlib.sha256("\n".join(told).encode()).hexdigest()[:16]


HANDLERS = (
    show_alert,
    show_live,
    acknowledge,
    show_form,
    answer,
    keep_written,
    show_child,
)
