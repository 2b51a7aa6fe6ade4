"""The inbox of a duty desk: what came, what nobody has yet first, 50 lines a page, and what was refused."""

from __future__ import annotations

import datetime
import time
from typing import Any

from litestar import Request, get
from litestar.response import Response, Template

from broker.client.opening import OpenedAlert, RefusedAlertError
from broker.desk import inbox
from broker.desk.alert_words import REFUSED, said
from broker.desk.consultations import note
from broker.desk.inbox_view import Line, line_of
from broker.desk.listed import Listed, Status
from broker.desk.pages import page
from broker.desk.people import Person, Role
from broker.desk.running import RunningDesk
from broker.desk.signing_in import only_for
from broker.shell.keys import DESK

A_PAGE = 50
AROUND = 1
"""So many page numbers are linked on each side of the one that is shown."""
TITLES = {
    "all": "All",
    "overdue": "Overdue",
    "new": "New",
    "open": "Open",
    "answered": "Answered",
    "withdrawn": "Withdrawn",
}
ON_DUTY = [only_for(Role.DUTY)]


@get("/inbox", guards=ON_DUTY)
async def show_inbox(
    request: Request[Person, Any, Any], desk: RunningDesk, show: str = "all", number: int = 1
) -> Template:
    """One page of the inbox; `show` is one of inbox.CHOICES, `number` counts from 1."""
    now = datetime.datetime.now(datetime.UTC)
    choice = show if show in inbox.CHOICES else "all"
    counts = inbox.how_many(desk.store, now)
    pages = max(1, -(-counts[choice] // A_PAGE))
    number = min(max(1, number), pages)
    shown = inbox.chosen(desk.store, choice, now, limit=A_PAGE, offset=(number - 1) * A_PAGE)
    note(desk, request.user, "inbox", *(one.alert_id for one in shown))
    return page(
        request,
        "inbox_list",
        lines=lines_of(desk, shown, now),
        choice=choice,
        choices=[(one, TITLES[one], counts[one]) for one in TITLES],
        count=counts[choice],
        overdue=counts["overdue"],
        refused=len(inbox.refused(desk.store)),
        pagination=pagination(choice, number, pages),
        number=number,
        pages=pages,
        first=(number - 1) * A_PAGE + 1,
        newest=inbox.newest(desk.store),
        opened_at=int(time.time()),
    )


@get("/inbox/news", guards=ON_DUTY)
async def show_news(
    request: Request[Person, Any, Any],
    desk: RunningDesk,
    since: int,
    told: int = 0,
    opened_at: int = 0,
) -> Response[Any] | Template:
    """What came after the alert with that offset; nothing (204) where that was told already.

    It ends after the time after which a session ends: a page that nobody looks at keeps none alive.
    """
    arrived = inbox.arrived_since(desk.store, since)
    is_over = time.time() - opened_at > desk.own.idle_minutes * 60
    if arrived == told and not is_over:
        return Response(None, status_code=204)
    return page(
        request, "inbox_news", arrived=arrived, since=since, opened_at=opened_at, is_over=is_over
    )


@get("/inbox/refused", guards=ON_DUTY)
async def show_refused(request: Request[Person, Any, Any], desk: RunningDesk) -> Template:
    """Messages whose proof did not hold: where each lies and what was wrong; nothing of what they say."""
    found = [
        {"topic": topic, "offset": offset, "what": said(REFUSED, check)}
        for topic, offset, check, _ in inbox.refused(desk.store)
    ]
    return page(request, "inbox_refused", refused=found, contact=contact_of_desk(desk))


def lines_of(desk: RunningDesk, shown: list[Listed], now: datetime.datetime) -> list[Line]:
    """The lines of some alerts; a withdrawn one is not opened, one that does not open says so."""
    names = names_of(desk)
    return [line_of(one, opened(desk, one), now, names) for one in shown]


def opened(desk: RunningDesk, listed: Listed) -> OpenedAlert | None:
    """The alert; None where it was withdrawn or its proof does not hold any more."""
    if listed.status is Status.WITHDRAWN:
        return None
    try:
        return desk.opened.open(listed)
    except RefusedAlertError:
        return None


def contact_of_desk(desk: RunningDesk) -> str:
    """Whom to telephone at the broker."""
    found = desk.reference.organisations.get(DESK)
    return found.contact if found is not None and found.contact else "the broker's duty desk"


def names_of(desk: RunningDesk) -> dict[str, str]:
    """Organisation code -> name."""
    return {code: one.name for code, one in desk.reference.organisations.items()}


def pagination(choice: str, number: int, pages: int) -> dict[str, Any] | None:
    """What the GOV.UK pagination needs; None where all is on one page."""
    if pages == 1:
        return None

    def link(to: int) -> dict[str, Any]:
        return {"href": f"/inbox?show={choice}&number={to}"}

    near = {1, pages, *range(number - AROUND, number + AROUND + 1)}
    items: list[dict[str, Any]] = []
    last = 0
    for one in sorted(one for one in near if 1 <= one <= pages):
        if one > last + 1:
            items.append({"ellipsis": True})
        items.append({"number": one, "current": one == number} | link(one))
        last = one
    found: dict[str, Any] = {"items": items}
    if number > 1:
        found["previous"] = link(number - 1)
    if number < pages:
        found["next"] = link(number + 1)
    return found


HANDLERS = (show_inbox, show_news, show_refused)
