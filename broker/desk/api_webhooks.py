"""The part of the HTTP door at which systems set up and remove webhooks."""

from __future__ import annotations

import datetime
from typing import Any

import msgspec
from litestar import Request, Router, delete, get, put
from litestar.di import NamedDependency
from litestar.exceptions import HTTPException, NotFoundException
from litestar.params import FromPath
from litestar.status_codes import HTTP_200_OK, HTTP_422_UNPROCESSABLE_ENTITY

from broker.desk import news, webhooks
from broker.desk.api import as_problem, authenticate, needs
from broker.desk.running import RunningDesk
from broker.desk.tokens import May
from broker.desk.webhooks import WebhookError


class WebhookAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a webhook is to be."""

    url: str
    after: int | None = None
    """Begin after this number; default: with what comes from now on."""


class WebhookMade(msgspec.Struct, frozen=True):
    """A webhook's secret: shown this once."""

    name: str
    secret: str
    """By which its messages are signed (Standard Webhooks)."""


class WebhookView(msgspec.Struct, frozen=True):
    """A webhook and how it fares."""

    name: str
    url: str
    made_at: datetime.datetime
    confirmed: int
    """Number of the last message that was confirmed."""
    failures: int
    last_status: int | None
    ended: bool


@put("/{name:str}", status_code=HTTP_200_OK, summary="Set up a webhook, or replace it")
async def set_up(
    request: Request[Any, Any, Any],
    desk: NamedDependency[RunningDesk],
    name: FromPath[str],
    data: WebhookAsked,
) -> WebhookMade:
    """What comes to the desk is sent there, signed and in order, until each is confirmed by 2xx."""
    needs(request, May.WEBHOOKS)
    after = news.last(desk.store) if data.after is None else data.after
    try:
        secret = webhooks.set_up(desk.store, desk.own, name, data.url, after=after)
    except WebhookError as error:
        raise HTTPException(str(error), status_code=HTTP_422_UNPROCESSABLE_ENTITY) from None
    await desk.tell_changed()
    return WebhookMade(name, secret)


@get("/", summary="Every webhook and how it fares")
async def listed(
    request: Request[Any, Any, Any], desk: NamedDependency[RunningDesk]
) -> list[WebhookView]:
    """Without their secrets."""
    needs(request, May.WEBHOOKS)
    return [
        WebhookView(
            name=one.name,
            url=one.url,
            made_at=one.made_at,
            confirmed=one.cursor,
            failures=one.failures,
            last_status=one.last_status,
            ended=one.ended,
        )
        for one in webhooks.hooks(desk.store)
    ]


@delete("/{name:str}", summary="Remove a webhook")
async def removed(
    request: Request[Any, Any, Any], desk: NamedDependency[RunningDesk], name: FromPath[str]
) -> None:
    """Nothing is sent there any more."""
    needs(request, May.WEBHOOKS)
    if not webhooks.remove(desk.store, name):
        raise NotFoundException("no webhook of that name")


ROUTER = Router(
    path="/api/v1/webhooks",
    route_handlers=[set_up, listed, removed],
    before_request=authenticate,
    exception_handlers={HTTPException: as_problem},
    include_in_schema=True,
    opt={"exclude_from_auth": True, "exclude_from_csrf": True, "skip_session": True},
    security=[{"token": []}],
    tags=["webhooks"],
)
