"""The auditors' console: search, who knew what and when, exports. No content of any alert is here."""

from __future__ import annotations

import asyncio
from typing import Any

from litestar import Request, Response, get
from litestar.exceptions import NotFoundException
from litestar.response import Template

from broker.desk import consultations
from broker.desk.audit_ledger import EXPECTED, UNPROCESSABLE, problem
from broker.desk.audit_search import (
    FORMS,
    OUTCOMES,
    WHAT_WORDS,
    Search,
    export,
    find,
    search_of,
    shown,
    wrong_with,
)
from broker.desk.audit_verify import verification_of
from broker.desk.pages import page
from broker.desk.people import Person, Role
from broker.desk.running import RunningDesk
from broker.desk.signing_in import only_for

TITLE = "Search the ledger"
Page = Request[Person, Any, Any]


@get("/audit", guards=[only_for(Role.AUDITOR)])
async def home(request: Page) -> Template:
    """What the console can do, and how the last verification ended."""
    return page(request, "audit_home", run=verification_of(request).last)


@get("/audit/search", guards=[only_for(Role.AUDITOR)])
async def search(request: Page, desk: RunningDesk) -> Template:
    """The form, and a page of what was found: who was told, who was not, and why, in order of time."""
    asked = search_of(request.query_params)
    given: dict[str, Any] = {"asked": asked, "whats": WHAT_WORDS, "outcomes": OUTCOMES}
    if not asked.what:
        consultations.shows_nobody()
        return page(request, "audit_search", found=None, wrong={}, **given)
    wrong = wrong_with(asked)
    if wrong:
        consultations.shows_nobody()
        return page(request, "audit_search", UNPROCESSABLE, found=None, wrong=wrong, **given)
    try:
        found = await asyncio.to_thread(find, desk, asked)
    except EXPECTED as error:
        return problem(request, TITLE, error)
    _note(request, desk, asked, {one.event_id for one in found.knew})
    items = [shown(desk, one) for one in found.knew]
    return page(request, "audit_search", found=found, items=items, wrong={}, **given)


@get("/audit/export/{form:str}", guards=[only_for(Role.AUDITOR)])
async def exported(request: Page, desk: RunningDesk, form: str) -> Response[bytes] | Template:
    """The same answer as a file: CSV, JSON lines, FHIR or Parquet."""
    asked = search_of(request.query_params)
    if form not in FORMS or wrong_with(asked):
        raise NotFoundException("there is no such export")
    try:
        data = await asyncio.to_thread(export, desk, asked, form)
    except EXPECTED as error:
        return problem(request, TITLE, error)
    consultations.note(desk, request.user, "export", form, *([asked.value] if asked.value else []))
    media_type, ending = FORMS[form]
    headers = {"Content-Disposition": f'attachment; filename="who-knew.{ending}"'}
    return Response(data, media_type=media_type, headers=headers)


def _note(request: Page, desk: RunningDesk, asked: Search, events: set[str]) -> None:
    if asked.what == "subject":
        consultations.note(desk, request.user, "subject", asked.value)
    else:
        about = [asked.value] if asked.value else []
        consultations.note(desk, request.user, "search", *about, *sorted(events - set(about)))


HANDLERS = (home, search, exported)
