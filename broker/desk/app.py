"""One desk as a web application: its routes, its guards, its headers, and the tasks that go with it."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any
from urllib.parse import quote, urlsplit

import structlog
from litestar import Litestar, Request, get
from litestar.datastructures import State
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.response import Redirect, Response, Template
from litestar.static_files import create_static_files_router
from litestar.status_codes import (
    HTTP_200_OK,
    HTTP_401_UNAUTHORIZED,
    HTTP_403_FORBIDDEN,
    HTTP_503_SERVICE_UNAVAILABLE,
)
from litestar.stores.memory import MemoryStore
from litestar.template import TemplateConfig

from broker.desk import consultations, description, doors, oidc, sessions, signing_in
from broker.desk.api import as_problem
from broker.desk.doors import DeskError
from broker.desk.headers import refuse_other_sites, with_headers
from broker.desk.pages import STATIC, engine, page
from broker.desk.parts import OF_AUDITORS, OF_DUTY_DESK, OF_ORGANISATION, DeskPart
from broker.desk.people import Person, Role
from broker.desk.running import RunningDesk, with_tasks
from broker.desk.sealing import AtRest
from broker.desk.settings import DeskSettings
from broker.desk.store import DeskStore
from broker.model.reference import Reference
from broker.reference import load_reference
from broker.shell.settings import Settings

FIRST_PAGE = (
    (Role.DUTY, "/inbox"),
    (Role.TELLS, "/tell"),
    (Role.REVIEWER, "/review"),
    (Role.AUDITOR, "/audit"),
)
MESSAGES = {
    400: (
        "There is a problem with what was sent",
        "Go back, look at the form again, and send it once more.",
    ),
    401: ("Your session has ended", "Sign in again; what you had written is kept as a draft."),
    403: (
        "You cannot do this here",
        "If you should be able to, ask whoever looks after accounts at your desk.",
    ),
    404: (
        "Page not found",
        "If you typed the address, check it. Alerts older than Kafka keeps are no longer here.",
    ),
    429: ("Too many requests", "Wait a minute, then try again. Nothing that you had sent is lost."),
    503: (
        "This cannot be shown now",
        "Try again in a minute. What you had written is kept. If it happens again, tell the operators.",
    ),
    500: (
        "Something went wrong",
        "Try again. What you had written is kept. If it happens again, tell the operators.",
    ),
}
SAID_WHY = {HTTP_403_FORBIDDEN, HTTP_503_SERVICE_UNAVAILABLE}
"""Refusals whose own sentence the page says."""
log = structlog.get_logger()


def build(own: DeskSettings, settings: Settings) -> Litestar:
    """The desk of `own.organisation`. Raises DeskError where it must not or cannot be opened."""
    doors.check(own)
    reference = load_reference(settings.codesets_dir, settings.organisations_dir)
    parts = parts_of(own, reference)
    desk = RunningDesk(own, settings, reference, _store(own, settings, parts))
    return application_of(desk, parts)


def store_of(own: DeskSettings, settings: Settings) -> DeskStore:
    """The database of a desk, with the tables of its parts. Raises what `parts_of` does, DeskStoreError."""
    reference = load_reference(settings.codesets_dir, settings.organisations_dir)
    return _store(own, settings, parts_of(own, reference))


def parts_of(own: DeskSettings, reference: Reference) -> Sequence[DeskPart]:
    """What this desk consists of. Raises DeskError for an organisation that the register does not have."""
    if own.is_auditors:
        return OF_AUDITORS
    if own.organisation not in reference.organisations:
        raise DeskError(
            f"{own.organisation or 'an empty code'} is no organisation of the register: name one of "
            "policies/organisations, DUTY-DESK or AUDITOR"
        )
    return OF_DUTY_DESK if own.is_duty_desk else OF_ORGANISATION


def _store(own: DeskSettings, settings: Settings, parts: Sequence[DeskPart]) -> DeskStore:
    schemas = [schema for part in parts for schema in part.schemas]
    schemas += [sessions.SCHEMA, oidc.SCHEMA]
    at_rest = AtRest.of(settings.keys_dir, own.organisation)
    return DeskStore(own.folder(settings.data_dir), at_rest, schemas)


def application_of(desk: RunningDesk, parts: Sequence[DeskPart]) -> Litestar:
    """A desk of these parts."""
    tasks = tuple(task for part in parts for task in part.tasks)
    return Litestar(
        route_handlers=[
            home,
            healthz,
            description.openapi,
            signing_in.sign_in,
            signing_in.signed_in,
            signing_in.start,
            signing_in.back,
            signing_in.sign_out,
            signing_in.signed_out,
            signing_in.account,
            create_static_files_router(
                path="/static",
                directories=[STATIC],
                opt={"exclude_from_auth": True, "skip_session": True},
            ),
            *(handler for part in parts for handler in part.handlers),
        ],
        on_app_init=[doors.sessions(desk).on_app_init],
        csrf_config=doors.forms(desk),
        middleware=doors.limits(desk.own),
        before_request=_before,
        after_request=consultations.before_it_leaves,
        before_send=[with_headers, consultations.before_a_piece_leaves],
        template_config=TemplateConfig(instance=engine()),
        exception_handlers={HTTPException: _explained, Exception: _unexpected},
        stores={"rate_limit": MemoryStore()},
        dependencies={"desk": Provide(lambda: desk, sync_to_thread=False)},
        lifespan=[
            lambda _: desk.consultations.open_until_end(),
            lambda _: with_tasks(desk, tasks),
        ],
        openapi_config=description.config(version("safeguarding-broker")),
        include_in_schema=False,
        logging_config=None,
        state=State(
            {
                "desk": desk,
                "provider": oidc.Provider(desk.own) if desk.own.oidc_issuer else None,
                "browser_cookie": doors.cookie_name(desk.own, "going"),
                "secure": desk.own.is_https,
            }
        ),
    )


async def _before(request: Request[Any, Any, Any]) -> None:
    await refuse_other_sites(request)
    await doors.refuse_other_names(request)
    await consultations.asked(request)


@get("/")
async def home(request: Request[Person, Any, Any]) -> Redirect:
    """Goes to the page that this person works on."""
    for role, path in FIRST_PAGE:
        if request.user.may(role):
            return Redirect(path)
    return Redirect("/sign-in")


@get("/healthz", exclude_from_auth=True, skip_session=True)
async def healthz(desk: RunningDesk) -> Response[dict[str, bool]]:
    """Whether the desk serves, and whether it reaches Kafka."""
    return Response({"serves": True, "kafka": desk.connected or desk.is_auditors})


def _explained(
    request: Request[Any, Any, Any], error: HTTPException
) -> Response[Any] | Redirect | Template:
    """What went wrong in words, and what to do; who is not signed in is sent to do so and comes back."""
    if request.url.path.startswith("/api/"):
        return as_problem(request, error)
    if error.status_code == HTTP_401_UNAUTHORIZED and request.method == "GET":
        return _to_sign_in(request)
    if error.status_code == HTTP_401_UNAUTHORIZED and request.url.path.startswith("/tell/"):
        # The browser sends what was typed once more, to where it is kept until the person is back.
        return Redirect(f"/parked?next={quote(request.url.path)}", status_code=307)
    title, what = MESSAGES.get(error.status_code, MESSAGES[500])
    said = error.detail if error.status_code in SAID_WHY else ""
    return page(request, "error", error.status_code, title=title, what=what, said=said)


def _to_sign_in(request: Request[Any, Any, Any]) -> Response[Any] | Redirect:
    """Where to sign in, and to come back from. A piece of a page leads the whole page there."""
    live = request.headers.get("HX-Request") == "true"
    asked = urlsplit(request.headers.get("HX-Current-URL", "")) if live else request.url
    back = asked.path + (f"?{asked.query}" if asked.query else "")
    address = f"/sign-in?next={quote(signing_in.onward(back), safe='/')}"
    if live:
        return Response("", status_code=HTTP_200_OK, headers={"HX-Redirect": address})
    return Redirect(address, status_code=303)


def _unexpected(request: Request[Any, Any, Any], error: Exception) -> Template:
    log.error("desk_page_failed", error=type(error).__name__)
    title, what = MESSAGES[500]
    return page(request, "error", 500, title=title, what=what, said="")
