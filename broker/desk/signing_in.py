"""Who somebody is: signing in, the session, and what a page asks of it.

Sessions lie on the server; the cookie is a random number. In development (on this machine alone) an
invented person is chosen; else the organisation's OpenID Connect provider says who it is (broker.desk.oidc).
"""

from __future__ import annotations

import datetime
import time
from typing import Annotated, Any

from litestar import Request, get, post
from litestar.connection import ASGIConnection
from litestar.enums import RequestEncodingType
from litestar.exceptions import NotAuthorizedException, PermissionDeniedException
from litestar.handlers import BaseRouteHandler
from litestar.params import Body
from litestar.response import Redirect, Template
from litestar.types import Guard

from broker.desk.pages import page
from broker.desk.people import INVENTED, SECOND_REVIEWER, Person, Role, roles_at
from broker.desk.running import RunningDesk
from broker.desk.settings import AUDITOR
from broker.shell.keys import DESK

Form = Annotated[dict[str, Any], Body(media_type=RequestEncodingType.URL_ENCODED)]
HOME = "/"


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
    request.clear_session()
    request.set_session(
        {
            "person": {
                "staff_ref": person.staff_ref,
                "name": person.name,
                "roles": [one.value for one in person.roles],
            },
            "started": time.time(),
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
    # `//host` and `/\host` are other hosts to a browser.
    fine = (
        bool(stated)
        and stated is not None
        and stated.startswith("/")
        and stated[1:2] not in {"/", "\\"}
    )
    return stated if fine and stated else HOME


@get("/sign-in", exclude_from_auth=True)
async def sign_in(request: Request[Any, Any, Any], next: str = HOME) -> Template:  # noqa: A002 -- the word in the address
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
    request.clear_session()
    return Redirect("/sign-in", status_code=303)


def _choices(desk: RunningDesk) -> list[Person]:
    roles = roles_at(desk.organisation, desk=DESK, auditor=AUDITOR)
    people = [Person(*INVENTED[role], desk.organisation, (role,)) for role in roles]
    if desk.is_duty_desk:
        people.append(Person(*SECOND_REVIEWER, desk.organisation, roles))
    return people
