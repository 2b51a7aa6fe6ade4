"""Break-glass: a release on vital interests, asked by one person, confirmed by another, looked back on."""

from __future__ import annotations

import datetime
import re
import uuid
from typing import Any

from litestar import Request, get, post
from litestar.exceptions import NotFoundException
from litestar.response import Redirect, Template

from broker.desk import consultations, outbox
from broker.desk.break_glass_state import Release, Stage, releases
from broker.desk.pages import page
from broker.desk.people import Person, Role
from broker.desk.review import UNPROCESSABLE, act_id_or_refuse, queue_of
from broker.desk.review_acts import Wrong, act, reason_wrong, send, text_of
from broker.desk.review_words import due_words, name_of, recipient_words
from broker.desk.running import RunningDesk
from broker.desk.signing_in import Form, only_for
from broker.model.types import ActionKind

SOUND = re.compile(r"[A-Za-z0-9._:/-]{1,128}")
JUSTIFIED = {"justified", "not_justified"}
SAME_PERSON = "You asked for this release: a second person must confirm it, signed in as themselves"
TOO_LATE = "More than an hour has passed since it was asked for: ask again"
CONFIRMED = "It was confirmed already"
Page = Request[Person, Any, Any]


@get("/break-glass", guards=[only_for(Role.REVIEWER)])
async def every(request: Page, desk: RunningDesk) -> Template:
    """Every release that this desk knows of, by what must be done next."""
    now = datetime.datetime.now(datetime.UTC)
    shown = [_shown(desk, one, now, request.user) for one in _releases(request, desk)]
    newest = [str(one["ask_id"]) for one in shown][: consultations.MOST_IDS]
    consultations.note(desk, request.user, "break_glass", *newest)
    to_do = [one for one in shown if one["stage"] in {Stage.WAITS, Stage.SHOWN}]
    to_do.sort(key=lambda one: (one["due"] or now, one["ask_id"]))
    done = [one for one in shown if one["stage"] not in {Stage.WAITS, Stage.SHOWN}]
    return page(request, "break_glass_list", to_do=to_do, done=done)


@get("/break-glass/ask", guards=[only_for(Role.REVIEWER)])
async def ask_page(
    request: Page, desk: RunningDesk, publisher: str = "", event: str = "", part: str = ""
) -> Template:
    """The first person's form; a waiting part gives publisher, event and part."""
    return _ask_page(request, desk, {"publisher": publisher, "event": event, "part": part}, [])


@post("/break-glass/ask", guards=[only_for(Role.REVIEWER)], status_code=303)
async def ask(request: Page, desk: RunningDesk, data: Form) -> Redirect | Template:
    """Asks, as the first of two people. Nothing is shown yet."""
    act_id = act_id_or_refuse(data)
    if outbox.find(desk.store, act_id):
        return Redirect(f"/break-glass/{act_id}", status_code=303)
    wrong = _ask_wrong(desk, data)
    if wrong:
        return _ask_page(request, desk, data, wrong)
    action = act(
        request.user,
        ActionKind.RELEASE,
        act_id,
        text_of(data, "reason"),
        event_publisher=text_of(data, "publisher"),
        event_id=text_of(data, "event"),
        part_id=text_of(data, "part") or None,
        recipient=text_of(data, "recipient"),
    )
    await send(desk, action, act_id)
    return Redirect(f"/break-glass/{act_id}", status_code=303)


@get("/break-glass/{ask_id:str}", guards=[only_for(Role.REVIEWER)])
async def one(request: Page, desk: RunningDesk, ask_id: str) -> Template:
    """One release: what was asked, why, and what the next person must do."""
    return _one_page(request, desk, _find(request, desk, ask_id), {}, [])


@get("/break-glass/{ask_id:str}/state", guards=[only_for(Role.REVIEWER)])
async def state(request: Page, desk: RunningDesk, ask_id: str) -> Template:
    """How far it has come, as a piece of the page: asked for again until it is settled."""
    now = datetime.datetime.now(datetime.UTC)
    found = _find(request, desk, ask_id)
    consultations.note(desk, request.user, "break_glass", found.ask_id)
    return page(request, "break_glass_state", one=_shown(desk, found, now, request.user))


@post("/break-glass/{ask_id:str}/confirm", guards=[only_for(Role.REVIEWER)], status_code=303)
async def confirm(request: Page, desk: RunningDesk, ask_id: str, data: Form) -> Redirect | Template:
    """Confirms, as the second person, within the hour; who asked is refused."""
    found = _find(request, desk, ask_id)
    act_id = act_id_or_refuse(data)
    if outbox.find(desk.store, act_id):
        return Redirect(f"/break-glass/{ask_id}", status_code=303)
    refusal = _not_confirmable(found, request.user)
    wrong = [Wrong("reason", refusal)] if refusal else reason_wrong(text_of(data, "reason"))
    if wrong:
        return _one_page(request, desk, found, data, wrong)
    return await _next_step(request, desk, found, ActionKind.RELEASE, act_id, data)


@post("/break-glass/{ask_id:str}/look-back", guards=[only_for(Role.REVIEWER)], status_code=303)
async def look_back(
    request: Page, desk: RunningDesk, ask_id: str, data: Form
) -> Redirect | Template:
    """Looks back: justified, or what was shown is withdrawn."""
    found = _find(request, desk, ask_id)
    act_id = act_id_or_refuse(data)
    now = datetime.datetime.now(datetime.UTC)
    if outbox.find(desk.store, act_id) or found.stage(now) is not Stage.SHOWN:
        return Redirect(f"/break-glass/{ask_id}", status_code=303)
    wrong = reason_wrong(text_of(data, "reason"))
    if text_of(data, "verdict") not in JUSTIFIED:
        wrong.insert(0, Wrong("verdict", "Choose whether it was justified"))
    if wrong:
        return _one_page(request, desk, found, data, wrong)
    return await _next_step(request, desk, found, ActionKind.LOOK_BACK, act_id, data)


async def _next_step(
    request: Page,
    desk: RunningDesk,
    found: Release,
    kind: ActionKind,
    act_id: str,
    data: dict[str, Any],
) -> Redirect:
    verdict = text_of(data, "verdict") if kind is ActionKind.LOOK_BACK else None
    action = act(
        request.user,
        kind,
        act_id,
        text_of(data, "reason"),
        event_publisher=found.publisher,
        event_id=found.event_id,
        part_id=found.part_id,
        recipient=found.recipient,
        confirms=found.ask_id,
        verdict=verdict,
    )
    await send(desk, action, found.ask_id)
    return Redirect(f"/break-glass/{found.ask_id}", status_code=303)


def _releases(request: Page, desk: RunningDesk) -> list[Release]:
    acts = outbox.acts_of(desk.store, ActionKind.RELEASE, ActionKind.LOOK_BACK)
    return releases(acts, queue_of(request).releases(desk.store))


def _find(request: Page, desk: RunningDesk, ask_id: str) -> Release:
    for found in _releases(request, desk):
        if found.ask_id == ask_id:
            return found
    raise NotFoundException("no release of that number was asked for")


def _not_confirmable(found: Release, person: Person) -> str:
    stage = found.stage(datetime.datetime.now(datetime.UTC))
    if stage is Stage.LAPSED:
        return TOO_LATE
    if stage is not Stage.WAITS:
        return CONFIRMED
    return SAME_PERSON if found.ask is not None and found.ask.actor == person.staff_ref else ""


def _ask_wrong(desk: RunningDesk, data: dict[str, Any]) -> list[Wrong]:
    today = datetime.datetime.now(datetime.UTC).date()
    wrong = []
    if desk.reference.organisation(text_of(data, "publisher"), today) is None:
        wrong.append(Wrong("publisher", "Enter the code of the organisation that published it"))
    if not SOUND.fullmatch(text_of(data, "event")):
        wrong.append(Wrong("event", "Enter the event id, as the receipt or the queue shows it"))
    code, _, role = text_of(data, "recipient").partition(":")
    found = desk.reference.organisation(code, today)
    if found is None or role not in found.roles:
        wrong.append(
            Wrong(
                "recipient", "Choose who is to be shown it: organisation and role, as in the list"
            )
        )
    return [*wrong, *reason_wrong(text_of(data, "reason"))]


def _ask_page(
    request: Page, desk: RunningDesk, given: dict[str, Any], wrong: list[Wrong]
) -> Template:
    return page(
        request,
        "break_glass_ask",
        UNPROCESSABLE if wrong else 200,
        given=given,
        wrong=wrong,
        act_id=given.get("act_id") or str(uuid.uuid4()),
        recipients=_recipients(desk),
    )


def _recipients(desk: RunningDesk) -> list[tuple[str, str]]:
    """Whom one can name: `E08000030:csc` and its name."""
    today = datetime.datetime.now(datetime.UTC).date()
    return sorted(
        (f"{one.code}:{role}", f"{one.name}, {role}")
        for one in desk.reference.organisations.values()
        if one.in_force(today) and one.code != desk.organisation
        for role in one.roles
    )


def _one_page(
    request: Page, desk: RunningDesk, found: Release, given: dict[str, Any], wrong: list[Wrong]
) -> Template:
    consultations.note(desk, request.user, "break_glass", found.ask_id)
    now = datetime.datetime.now(datetime.UTC)
    return page(
        request,
        "break_glass_one",
        UNPROCESSABLE if wrong else 200,
        one=_shown(desk, found, now, request.user),
        given=given,
        wrong=wrong,
        act_id=given.get("act_id") or str(uuid.uuid4()),
    )


def _shown(
    desk: RunningDesk, found: Release, now: datetime.datetime, person: Person
) -> dict[str, Any]:
    due = found.due(now)
    steps = (("Asked", found.ask), ("Confirmed", found.confirm), ("Looked back", found.look_back))
    return {
        "ask_id": found.ask_id,
        "publisher": name_of(desk, found.publisher),
        "event_id": found.event_id,
        "recipient": recipient_words(desk, found.recipient),
        "reason": found.reason(),
        "parts": found.parts,
        "stage": found.stage(now),
        "due": due,
        "due_words": due_words(due, now) if due else "",
        "overdue": due is not None and due < now,
        "is_moving": found.is_moving(now),
        "is_mine": found.ask is not None and found.ask.actor == person.staff_ref,
        "steps": [
            {
                "what": what,
                "actor": queued.actor,
                "at": queued.queued_at,
                "state": queued.state.value,
                "reason": getattr(queued.statement, "reason", "") or "",
                "verdict": getattr(queued.statement, "verdict", None),
            }
            for what, queued in steps
            if queued is not None
        ],
    }


HANDLERS = (every, ask_page, ask, one, state, confirm, look_back)
