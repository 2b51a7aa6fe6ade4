"""Reading it once more, sending it, and what became of it, as far as its receipts say."""

from __future__ import annotations

import datetime
import uuid
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from litestar import get, post
from litestar.exceptions import NotFoundException
from litestar.params import Parameter
from litestar.response import Redirect, Response, Template

from broker.client.opening import OpenedReceipt
from broker.desk import drafts, outbox
from broker.desk.consultations import note
from broker.desk.outbox import Queued, State
from broker.desk.pages import page as page_of
from broker.desk.running import RunningDesk
from broker.desk.tell_answers import printable
from broker.desk.tell_asking import LONG
from broker.desk.tell_fate import Step, still_open, story
from broker.desk.tell_pages import SEE_OTHER, TELLS, Asked, DraftId, asking_of, draft_of
from broker.desk.tell_shown import shown, warnings
from broker.desk.telling import read
from broker.model.types import ConcernEvent, Directness, EventType, Specificity
from broker.reference import ReasonCode, load_reason_codes
from broker.verify import TAKES_BACK

LISTED = 20
SentId = Annotated[str, Parameter(pattern=r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}")]


@get("/tell/{draft_id:str}/check", guards=TELLS)
async def check_page(request: Asked, desk: RunningDesk, draft_id: DraftId) -> Template:
    """Everything that was answered, what is missing, and the button that sends it."""
    draft = draft_of(request, draft_id)
    note(desk, request.user, "draft", draft_id)
    asking = asking_of(desk)
    found = read(draft.telling, asking, datetime.datetime.now(datetime.UTC))
    return page_of(
        request,
        "tell_check",
        draft=draft,
        parts=shown(draft.telling, asking),
        problems=found.problems,
        warnings=warnings(found.event) if found.event else (),
    )


@post("/tell/{draft_id:str}/send", guards=TELLS, status_code=SEE_OTHER)
async def sent(request: Asked, desk: RunningDesk, draft_id: DraftId) -> Redirect:
    """Sends it: once, however often it is asked to."""
    person = request.user
    if drafts.find(desk.store, draft_id, person.staff_ref) is None:
        already = outbox.find(desk.store, draft_id)
        if already is not None and already.actor == person.staff_ref:
            return Redirect(f"/sent/{draft_id}", status_code=SEE_OTHER)
    draft = draft_of(request, draft_id)
    found = read(draft.telling, asking_of(desk), datetime.datetime.now(datetime.UTC))
    if found.event is None:
        return Redirect(f"/tell/{draft_id}/check", status_code=SEE_OTHER)
    with desk.store.transaction():
        outbox.put(
            desk.store, found.event, actor=person.staff_ref, about=draft.telling.corrects or ""
        )
        drafts.keep_told(desk.store, draft.telling)
        drafts.delete(desk.store, draft_id)
    await desk.tell_changed()
    return Redirect(f"/sent/{draft_id}", status_code=SEE_OTHER)


@get("/sent", guards=TELLS)
async def sent_list(request: Asked, desk: RunningDesk, before: int | None = None) -> Template:
    """What the organisation told, the newest first."""
    found = outbox.concerns(desk.store, limit=LISTED + 1, before=before)
    listed = found[:LISTED]
    note(desk, request.user, "sent", *(one.statement_id for one in listed))
    rows = [{"sent": one, "last": _story(desk, one)[-1], "type": _type(one)} for one in listed]
    more = listed[-1].number if len(found) > LISTED else None
    return page_of(request, "sent_list", rows=rows, more=more, first=before is None)


@get("/sent/{statement_id:str}", guards=TELLS)
async def sent_page(
    request: Asked, desk: RunningDesk, statement_id: SentId, problem: bool = False
) -> Template:
    """One statement: what was told, and what became of it so far."""
    queued = _told(desk, statement_id)
    note(desk, request.user, "statement", statement_id)
    told = drafts.told(desk.store, statement_id)
    back = outbox.find(desk.store, _retraction_id(statement_id))
    return page_of(
        request,
        "sent_one",
        sent=queued,
        type=_type(queued),
        parts=shown(told, asking_of(desk)) if told else (),
        can_be_corrected=told is not None and _stands(queued) and back is None,
        can_be_retracted=_stands(queued) and back is None,
        can_begin_again=told is not None and _failed(queued),
        corrections=outbox.concerns_about(desk.store, statement_id),
        steps=_story(desk, queued),
        open=still_open(queued),
        problem=problem,
    )


@get("/sent/{statement_id:str}/steps", guards=TELLS)
async def sent_steps(
    request: Asked, desk: RunningDesk, statement_id: SentId, seen: int = 0
) -> Response[Any]:
    """What became of it, for a page that is open; empty where there is nothing new."""
    queued = _told(desk, statement_id)
    steps = _story(desk, queued)
    if len(steps) == seen:
        return Response("", status_code=204)
    note(desk, request.user, "statement", statement_id)
    return page_of(request, "sent_steps", sent=queued, steps=steps, open=still_open(queued))


@post("/sent/{statement_id:str}/correct", guards=TELLS, status_code=SEE_OTHER)
async def corrected(request: Asked, desk: RunningDesk, statement_id: SentId) -> Redirect:
    """Begins a correction, with the same answers to start from."""
    queued, told = _told(desk, statement_id), drafts.told(desk.store, statement_id)
    if told is None or not _stands(queued):
        raise NotFoundException("that statement cannot be corrected here")
    draft = drafts.begin_correction(desk.store, request.user.staff_ref, told)
    return Redirect(f"/tell/{draft.draft_id}/why", status_code=SEE_OTHER)


@post("/sent/{statement_id:str}/again", guards=TELLS, status_code=SEE_OTHER)
async def begun_again(request: Asked, desk: RunningDesk, statement_id: SentId) -> Redirect:
    """Begins anew with the answers of what was not taken in: nobody types it twice."""
    queued, told = _told(desk, statement_id), drafts.told(desk.store, statement_id)
    if told is None or not _failed(queued):
        raise NotFoundException("that statement was taken in: correct it instead")
    draft = drafts.begin_again(desk.store, request.user.staff_ref, told)
    return Redirect(f"/tell/{draft.draft_id}/check", status_code=SEE_OTHER)


@get("/sent/{statement_id:str}/take-back", guards=TELLS)
async def retract_page(
    request: Asked, desk: RunningDesk, statement_id: SentId, problems: bool = False
) -> Template:
    """Asks why a statement is taken back."""
    queued = _told(desk, statement_id)
    note(desk, request.user, "statement", statement_id)
    return page_of(request, "sent_take_back", sent=queued, type=_type(queued), problems=problems)


@post("/sent/{statement_id:str}/take-back", guards=TELLS, status_code=SEE_OTHER)
async def retracted(request: Asked, desk: RunningDesk, statement_id: SentId) -> Redirect:
    """Takes a statement back: once, since what takes it back has an id that follows from it."""
    queued = _told(desk, statement_id)
    form = await request.form()
    reason = printable(str(form.get("reason", "")))
    if not 0 < len(reason) <= LONG:
        return Redirect(f"/sent/{statement_id}/take-back?problems=true", status_code=SEE_OTHER)
    if _stands(queued):
        now = datetime.datetime.now(datetime.UTC)
        outbox.put(
            desk.store,
            retraction(_event(queued), reason, now),
            actor=request.user.staff_ref,
            about=statement_id,
        )
        await desk.tell_changed()
    return Redirect(f"/sent/{statement_id}", status_code=SEE_OTHER)


def retraction(event: ConcernEvent, reason: str, now: datetime.datetime) -> ConcernEvent:
    """What takes a statement back: it says which and why, and nothing again of what is taken back."""
    return ConcernEvent(
        event_id=_retraction_id(event.event_id),
        event_type=EventType.RETRACTION,
        publisher=event.publisher,
        observed_at=now,
        reported_at=now,
        handling=event.handling,
        provenance=event.provenance,
        directness=Directness.NOT_STATED,
        specificity=Specificity.NOT_STATED,
        origin_id=event.origin_id,
        relates_to=event.event_id,
        reason=reason,
    )


def _retraction_id(statement_id: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"retraction of {statement_id}"))


def _told(desk: RunningDesk, statement_id: str) -> Queued:
    """A statement that this desk sent. Raises NotFoundException."""
    queued = outbox.find(desk.store, statement_id)
    if queued is None or queued.kind != "concern":
        raise NotFoundException("nothing of that reference was sent from here")
    return queued


def _story(desk: RunningDesk, queued: Queued) -> tuple[Step, ...]:
    receipts: list[OpenedReceipt] = outbox.receipts_of(desk.store, queued.statement_id)
    return story(queued, receipts, _reasons(desk.settings.codesets_dir))


@cache
def _reasons(codesets_dir: Path) -> Any:
    found: dict[str, ReasonCode] = dict(load_reason_codes(codesets_dir))
    return found


def _event(queued: Queued) -> ConcernEvent:
    event = queued.statement
    if not isinstance(event, ConcernEvent):
        raise NotFoundException("that is no statement")
    return event


def _type(queued: Queued) -> EventType:
    return _event(queued).event_type


def _stands(queued: Queued) -> bool:
    """Whether it can still be taken back or corrected: what was not taken in never counted."""
    return queued.state in outbox.STANDING and _type(queued) not in TAKES_BACK


def _failed(queued: Queued) -> bool:
    return queued.state in {State.REJECTED, State.REFUSED}


HANDLERS = (
    check_page,
    sent,
    sent_list,
    sent_page,
    sent_steps,
    corrected,
    begun_again,
    retract_page,
    retracted,
)
