"""Pages on which somebody tells us something: drafts, the list of parts, and one page for each part.

Every answer is kept as it was typed before anything is said about it; what is wrong is said on the page
that a GET shows, so that a reload sends nothing again.
"""

from __future__ import annotations

import datetime
import hashlib
import re
from typing import Annotated, Any, Final
from weakref import WeakKeyDictionary

from litestar import Request, get, post
from litestar.datastructures import Cookie
from litestar.exceptions import NotFoundException
from litestar.params import Parameter
from litestar.response import Redirect, Response, Template

from broker.desk import drafts
from broker.desk.consultations import note
from broker.desk.drafts import Draft
from broker.desk.pages import page as page_of
from broker.desk.pages import when
from broker.desk.people import Person, Role
from broker.desk.running import RunningDesk
from broker.desk.signing_in import only_for
from broker.desk.tell_answers import Problem
from broker.desk.tell_asking import MOST_CHILDREN, Asking, Page
from broker.desk.tell_form import is_part
from broker.desk.telling import read

TELLS = [only_for(Role.TELLS)]
TYPED_AT = "typed_at"
SEE_OTHER: Final = 303
ASKING: WeakKeyDictionary[RunningDesk, Asking] = WeakKeyDictionary()
UUID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
Asked = Request[Person, Any, Any]
DraftId = Annotated[str, Parameter(pattern=r"[0-9a-f-]{36}")]
Slug = Annotated[str, Parameter(pattern=r"[a-z]+(-[0-9]{1,2})?")]


def asking_of(desk: RunningDesk) -> Asking:
    """Who asks at this desk, today; made once a day."""
    today = datetime.datetime.now(datetime.UTC).date()
    known = ASKING.get(desk)
    if known is None or known.today != today:
        known = ASKING[desk] = Asking.of(desk.organisation, desk.reference, today)
    return known


def ticket_cookie(desk: RunningDesk) -> str:
    """Name of the cookie with the ticket of what was typed when the session had ended.

    Browsers share cookies between the ports of one machine: each desk has a name of its own.
    """
    return f"desk-parked-{hashlib.sha256(desk.organisation.encode()).hexdigest()[:8]}"


def draft_of(request: Asked, draft_id: str) -> Draft:
    """The person's own draft. Raises NotFoundException for another's as for none."""
    desk: RunningDesk = request.app.state.desk
    found = drafts.find(desk.store, draft_id, request.user.staff_ref)
    if found is None:
        raise NotFoundException("there is no such draft")
    return found


@get("/tell", guards=TELLS)
async def drafts_page(request: Asked, desk: RunningDesk) -> Template:
    """Where telling begins: a button, and what was begun before."""
    asking, now = asking_of(desk), datetime.datetime.now(datetime.UTC)
    found = drafts.of_owner(desk.store, request.user.staff_ref)
    listed = []
    for one in found:
        problems = read(one.draft.telling, asking, now).problems
        parts = one.draft.telling.pages(asking)
        done = sum(
            _is_done(part, one.draft, tuple(p for p in problems if p.page == part.slug))
            for part in parts
        )
        listed.append({"draft": one, "done": done, "parts": len(parts)})
    note(desk, request.user, "drafts", *(one.draft_id for one in found))
    return page_of(request, "tell_drafts", listed=listed)


@post("/tell", guards=TELLS, status_code=SEE_OTHER)
async def begun(request: Asked, desk: RunningDesk) -> Redirect:
    """Begins a draft."""
    draft = drafts.begin(desk.store, request.user.staff_ref)
    return Redirect(f"/tell/{draft.draft_id}/speaker", status_code=SEE_OTHER)


@get("/tell/{draft_id:str}", guards=TELLS)
async def parts_page(request: Asked, desk: RunningDesk, draft_id: DraftId) -> Template:
    """The list of parts, with how far each has come."""
    draft = draft_of(request, draft_id)
    note(desk, request.user, "draft", draft_id)
    asking = asking_of(desk)
    found = read(draft.telling, asking, datetime.datetime.now(datetime.UTC))
    parts = [
        {
            "part": part,
            "begun": part.slug in draft.telling.answers,
            "done": _is_done(part, draft, found.of_page(part.slug)),
        }
        for part in draft.telling.pages(asking)
    ]
    return page_of(
        request,
        "tell_parts",
        draft=draft,
        parts=parts,
        most_children=MOST_CHILDREN,
        ready=found.event,
    )


@get("/tell/{draft_id:str}/{slug:str}", guards=TELLS)
async def part_page(
    request: Asked, desk: RunningDesk, draft_id: DraftId, slug: Slug, problems: bool = False
) -> Response[Any]:
    """One part, with the answers so far; takes in what was typed when the session had ended."""
    draft = draft_of(request, draft_id)
    note(desk, request.user, "draft", draft_id)
    put_back = False
    ticket = request.cookies.get(ticket_cookie(desk))
    if ticket and (changed := drafts.take_in(desk.store, ticket, draft)) is not None:
        draft, put_back = changed, True
    asking = asking_of(desk)
    parts = draft.telling.pages(asking)
    part = _part(parts, slug)
    found: tuple[Problem, ...] = ()
    if problems:
        now = datetime.datetime.now(datetime.UTC)
        found = read(draft.telling, asking, now).of_page(slug)
    response = page_of(
        request,
        "tell_part",
        draft=draft,
        part=part,
        answers=draft.telling.answers.get(slug, {}),
        problems=found,
        errors={one.field: one.text for one in found},
        before=_beside(parts, part, -1),
        put_back=put_back,
        may_add=slug in {f"care-{one}" for one in draft.telling.children[-1:]},
    )
    if put_back:
        response.delete_cookie(ticket_cookie(desk))
    return response


@post("/tell/{draft_id:str}/{slug:str}", guards=TELLS, status_code=SEE_OTHER)
async def part_saved(request: Asked, desk: RunningDesk, draft_id: DraftId, slug: Slug) -> Redirect:
    """Keeps the answers of a part, then goes on, or says what is wrong with them."""
    form = await request.form()
    draft = draft_of(request, draft_id)
    asking = asking_of(desk)
    part = _part(draft.telling.pages(asking), slug)
    fields = drafts.fields_of(form.multi_items(), part.fields)
    draft = drafts.with_answers(draft, slug, fields, _typed_at(form.get(TYPED_AT)))
    drafts.save(desk.store, draft)
    then = form.get("then", "on")
    if then == "list":
        return Redirect(f"/tell/{draft_id}", status_code=SEE_OTHER)
    if read(draft.telling, asking, datetime.datetime.now(datetime.UTC)).of_page(slug):
        return Redirect(f"/tell/{draft_id}/{slug}?problems=true", status_code=SEE_OTHER)
    if then == "another":
        return _another(desk, draft)
    parts = draft.telling.pages(asking)
    return Redirect(f"/tell/{draft_id}/{_beside(parts, part, 1) or 'check'}", status_code=SEE_OTHER)


@post("/tell/{draft_id:str}/{slug:str}/autosave", guards=TELLS, status_code=200)
async def part_autosaved(
    request: Asked, desk: RunningDesk, draft_id: DraftId, slug: Slug
) -> Response[str]:
    """Keeps what is typed while it is typed; a copy that was overtaken is left aside."""
    form = await request.form()
    draft = draft_of(request, draft_id)
    part = _part(draft.telling.pages(asking_of(desk)), slug)
    typed_at = _typed_at(form.get(TYPED_AT))
    if typed_at >= draft.typed.get(slug, 0):
        fields = drafts.fields_of(form.multi_items(), part.fields)
        drafts.save(desk.store, drafts.with_answers(draft, slug, fields, typed_at))
    _, _, at = when(datetime.datetime.now(datetime.UTC)).rpartition(", ")
    return Response(f"Saved as a draft at {at}", media_type="text/plain")


@post("/tell/{draft_id:str}/children/add", guards=TELLS, status_code=SEE_OTHER)
async def child_added(request: Asked, desk: RunningDesk, draft_id: DraftId) -> Redirect:
    """Adds a child to the statement."""
    return _another(desk, draft_of(request, draft_id))


@post("/tell/{draft_id:str}/children/remove", guards=TELLS, status_code=SEE_OTHER)
async def child_removed(request: Asked, desk: RunningDesk, draft_id: DraftId) -> Redirect:
    """Removes a child and what was written of it."""
    slot = str((await request.form()).get("child", ""))
    drafts.save(desk.store, drafts.without_child(draft_of(request, draft_id), slot))
    return Redirect(f"/tell/{draft_id}", status_code=SEE_OTHER)


@get("/tell/{draft_id:str}/delete", guards=TELLS)
async def delete_page(request: Asked, desk: RunningDesk, draft_id: DraftId) -> Template:
    """Asks whether a draft is to be deleted."""
    draft = draft_of(request, draft_id)
    note(desk, request.user, "draft", draft_id)
    return page_of(request, "tell_delete", draft=draft)


@post("/tell/{draft_id:str}/delete", guards=TELLS, status_code=SEE_OTHER)
async def deleted(request: Asked, desk: RunningDesk, draft_id: DraftId) -> Redirect:
    """Deletes a draft; once more does nothing."""
    if drafts.find(desk.store, draft_id, request.user.staff_ref) is not None:
        with desk.store.transaction():
            drafts.delete(desk.store, draft_id)
    return Redirect("/tell", status_code=SEE_OTHER)


@post("/parked", exclude_from_auth=True, status_code=SEE_OTHER)
async def parked(request: Request[Any, Any, Any], desk: RunningDesk, next: str = "/") -> Redirect:  # noqa: A002 -- the word in the address
    """Where what was typed goes when the session had ended: kept sealed, and the person signs in again."""
    form = await request.form()
    response = Redirect("/sign-in", status_code=SEE_OTHER)
    _, tell, draft_id, slug, *_ = (*next.split("/"), "", "", "", "")
    if tell != "tell" or not UUID.fullmatch(draft_id):
        return response
    back = slug if is_part(slug) else "check"
    response = Redirect(f"/sign-in?next=/tell/{draft_id}/{back}", status_code=SEE_OTHER)
    if back != slug:
        return response
    names = (name for name in form if name not in {TYPED_AT, "then", "_csrf_token"})
    ticket = drafts.park(desk.store, draft_id, slug, drafts.fields_of(form.multi_items(), names))
    if ticket is not None:
        response.set_cookie(
            Cookie(
                ticket_cookie(desk),
                value=ticket,
                max_age=drafts.PARKED_FOR_S,
                httponly=True,
                samesite="lax",
                secure=desk.own.base_url.startswith("https://"),
            )
        )
    return response


def _another(desk: RunningDesk, draft: Draft) -> Redirect:
    if len(draft.telling.children) < MOST_CHILDREN:
        draft = drafts.with_child(draft)
        drafts.save(desk.store, draft)
    return Redirect(
        f"/tell/{draft.draft_id}/child-{draft.telling.children[-1]}", status_code=SEE_OTHER
    )


def _is_done(part: Page, draft: Draft, problems: tuple[Problem, ...]) -> bool:
    return part.slug in draft.telling.answers and not problems


def _part(parts: tuple[Page, ...], slug: str) -> Page:
    for one in parts:
        if one.slug == slug:
            return one
    raise NotFoundException("the form has no such part")


def _beside(parts: tuple[Page, ...], part: Page, step: int) -> str:
    """Slug of the part before or after; empty where there is none."""
    at = [one.slug for one in parts].index(part.slug) + step
    return parts[at].slug if 0 <= at < len(parts) else ""


def _typed_at(given: object) -> int:
    text = given if isinstance(given, str) else ""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 18 else 0


HANDLERS = (
    drafts_page,
    begun,
    parts_page,
    part_page,
    part_saved,
    part_autosaved,
    child_added,
    child_removed,
    delete_page,
    deleted,
    parked,
)
