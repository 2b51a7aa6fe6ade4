"""Who somebody is: signing in, the session, and what a page asks of it.

In development (on this machine alone) an invented person is chosen; else the organisation's OpenID Connect
provider says who it is (broker.desk.oidc). That somebody signed in or out is noted, by staff reference.
"""

from __future__ import annotations

import datetime
import secrets
import time
from typing import Annotated, Any

import structlog
from litestar import Request, get, post
from litestar.connection import ASGIConnection
from litestar.datastructures import Cookie
from litestar.enums import RequestEncodingType
from litestar.exceptions import NotAuthorizedException, PermissionDeniedException
from litestar.handlers import BaseRouteHandler
from litestar.params import Body, FromQuery
from litestar.response import Redirect, Response, Template
from litestar.types import Guard

from broker.desk import oidc
from broker.desk.consultations import note_session
from broker.desk.id_token import SignInRefusedError
from broker.desk.pages import page
from broker.desk.people import INVENTED, MAY, SECOND_REVIEWER, Person, Role, roles_at
from broker.desk.running import RunningDesk
from broker.desk.sessions import BEGUN
from broker.desk.settings import AUDITOR
from broker.shell.keys import DESK

Form = Annotated[dict[str, Any], Body(media_type=RequestEncodingType.URL_ENCODED)]
HOME = "/"
SIGNED_OUT = "/signed-out"
RANDOM_BYTES = 32
log = structlog.get_logger()


async def person_of(
    session: dict[str, Any], connection: ASGIConnection[Any, Any, Any, Any]
) -> Person | None:
    """The person of a session, or None where it has ended."""
    desk: RunningDesk = connection.app.state.desk
    found = session.get("person")
    started = session.get("started", 0.0)
    if not found or time.time() - started > desk.own.session_hours * 3600:
        return None
    roles = tuple(Role(one) for one in found["roles"])
    return Person(found["staff_ref"], found["name"], desk.organisation, roles)


def remember(request: Request[Any, Any, Any], person: Person) -> None:
    """Begins a session of that person; an earlier one of the same browser ends."""
    desk: RunningDesk = request.app.state.desk
    note_session(desk, person, "signed_in")
    request.set_session(
        {
            "person": {
                "staff_ref": person.staff_ref,
                "name": person.name,
                "roles": [one.value for one in person.roles],
            },
            "started": time.time(),
            BEGUN: secrets.token_hex(RANDOM_BYTES // 2),
        }
    )


def only_for(*roles: Role) -> Guard:
    """A guard: whoever has none of these roles is told so, and nothing is shown."""

    def guard(connection: ASGIConnection[Any, Person, Any, Any], _: BaseRouteHandler) -> None:
        person = connection.scope.get("user")
        if person is None:
            raise NotAuthorizedException("sign in first")
        if not any(person.may(role) for role in roles):
            raise PermissionDeniedException("your role at this desk does not open this page")

    return guard


def onward(stated: str | None) -> str:
    """Where to go after signing in: a path of this desk and nothing else."""
    # `//host` and `/\host` are other hosts to a browser, which drops tabs and line ends on its way.
    fine = (
        stated is not None
        and stated.startswith("/")
        and stated[1:2] not in {"/", "\\"}
        and stated.isprintable()
    )
    return stated if fine and stated is not None else HOME


@get("/sign-in", exclude_from_auth=True)
async def sign_in(request: Request[Any, Any, Any], next: FromQuery[str] = HOME) -> Template:  # noqa: A002 -- the word in the address
    """The page to sign in on."""
    desk: RunningDesk = request.app.state.desk
    choices = _choices(desk) if desk.own.development else []
    return page(request, "sign_in", choices=choices, onward=onward(next))


@post("/sign-in", exclude_from_auth=True, status_code=303)
async def signed_in(request: Request[Any, Any, Any], data: Form) -> Redirect:
    """Signs in as an invented person; in development only."""
    desk: RunningDesk = request.app.state.desk
    if not desk.own.development:
        raise PermissionDeniedException("sign in with your organisation's account")
    chosen = [one for one in _choices(desk) if one.staff_ref == data.get("person")]
    if not chosen:
        raise PermissionDeniedException("nobody of that reference works at this desk")
    remember(request, chosen[0])
    return Redirect(onward(data.get("next")), status_code=303)


@get("/oidc/start", exclude_from_auth=True)
async def start(request: Request[Any, Any, Any], next: FromQuery[str] = HOME) -> Response[Any]:  # noqa: A002 -- the word in the address
    """Goes to the organisation's provider."""
    desk: RunningDesk = request.app.state.desk
    provider = provider_of(request)
    browser = request.cookies.get(request.app.state.browser_cookie) or secrets.token_urlsafe(
        RANDOM_BYTES
    )
    try:
        going, state = oidc.begin(desk.store, browser, onward(next))
        address = await provider.address(going, state)
    except SignInRefusedError as error:
        return _refused(request, error)
    # Lax: the provider's answer comes from another site, and must bring it.
    cookie = Cookie(
        key=request.app.state.browser_cookie,
        value=browser,
        max_age=round(oidc.WITHIN_S),
        path="/",
        secure=desk.own.is_https,
        httponly=True,
        samesite="lax",
    )
    return Redirect(address, status_code=303, cookies=[cookie])


@get(oidc.CALLBACK, exclude_from_auth=True)
async def back(request: Request[Any, Any, Any]) -> Response[Any]:
    """Comes back from the provider, with what it states of the person."""
    desk: RunningDesk = request.app.state.desk
    provider = provider_of(request)
    query = {name: str(value) for name, value in request.query_params.items()}
    browser = request.cookies.get(request.app.state.browser_cookie)
    try:
        going = oidc.taken(desk.store, browser, query.get("state"))
        person = await provider.person(query, going)
    except SignInRefusedError as error:
        return _refused(request, error)
    if not person.roles:
        note_session(desk, person, "signed_in_without_role")
        return page(
            request,
            "no_role",
            403,
            who=person,
            there=[(one.value, MAY[one]) for one in _roles_of(desk)],
        )
    remember(request, person)
    # The address that was come to holds a code: it must not stay in the browser's history.
    return Redirect(going.onward, status_code=303)


@get("/account")
async def account(request: Request[Person, Any, Any]) -> Template:
    """Who one is at this desk, and until when."""
    desk: RunningDesk = request.app.state.desk
    began = datetime.datetime.fromtimestamp(request.session["started"], datetime.UTC)
    ends = began + datetime.timedelta(hours=desk.own.session_hours)
    return page(request, "account", ends=ends, idle_minutes=desk.own.idle_minutes)


@post("/sign-out", exclude_from_auth=True, status_code=303)
async def sign_out(request: Request[Any, Any, Any]) -> Redirect:
    """Ends the session."""
    desk: RunningDesk = request.app.state.desk
    person = await person_of(request.session or {}, request)
    if person is not None:
        note_session(desk, person, "signed_out")
    request.clear_session()
    return Redirect(SIGNED_OUT if desk.own.oidc_issuer else "/sign-in", status_code=303)


@get(SIGNED_OUT, exclude_from_auth=True)
async def signed_out(request: Request[Any, Any, Any]) -> Template:
    """Says so, and offers to sign out of the organisation's account as well."""
    # A link: the policy of these pages lets no form lead to another address.
    return page(request, "signed_out", everywhere=await provider_of(request).end_session_address())


def provider_of(request: Request[Any, Any, Any]) -> oidc.Provider:
    """The organisation's provider. Raises PermissionDeniedException where none is set."""
    provider: oidc.Provider | None = request.app.state.provider
    if provider is None:
        raise PermissionDeniedException("this desk has no organisation's sign-in")
    return provider


def _refused(request: Request[Any, Any, Any], error: SignInRefusedError) -> Response[Any]:
    log.info("sign_in_refused", reason=error.reason)
    status = 503 if error.reason == "provider_unreachable" else 403
    return page(request, "sign_in_refused", status, why=str(error))


def _roles_of(desk: RunningDesk) -> tuple[Role, ...]:
    return roles_at(desk.organisation, desk=DESK, auditor=AUDITOR)


def _choices(desk: RunningDesk) -> list[Person]:
    roles = _roles_of(desk)
    people = [Person(*INVENTED[role], desk.organisation, (role,)) for role in roles]
    if desk.is_duty_desk:
        people.append(Person(*SECOND_REVIEWER, desk.organisation, roles))
    return people
