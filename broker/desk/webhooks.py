"""Webhooks: what comes to the desk is sent on, signed, in order, until the other side confirms.

Each message is a CloudEvent (structured JSON) signed as Standard Webhooks describes. A webhook goes on
from the last message that was answered with 2xx, so a message may come twice and none is left out; the
receiver knows it by `webhook-id`. 410 ends a webhook. Only hosts of the settings are called, no redirect is
followed, and nothing of the answer but its status is looked at.
"""

from __future__ import annotations

import asyncio
import base64
import datetime
import secrets
import time
from typing import Any
from urllib.parse import urlsplit

import httpx
import msgspec
import structlog
from cloudevents.core.bindings.http import to_structured_event
from cloudevents.core.v1.event import CloudEvent
from standardwebhooks.webhooks import Webhook

from broker.desk import api, consultations, news
from broker.desk.api_values import Entry
from broker.desk.people import Person, Role
from broker.desk.running import RunningDesk
from broker.desk.settings import DeskSettings
from broker.desk.store import DeskStore

SCHEMA = """
CREATE TABLE IF NOT EXISTS webhook (
    name TEXT PRIMARY KEY, url TEXT NOT NULL, secret BLOB NOT NULL, made_at REAL NOT NULL,
    cursor INTEGER NOT NULL, failures INTEGER NOT NULL DEFAULT 0, next_try_at REAL NOT NULL DEFAULT 0,
    last_status INTEGER, ended INTEGER NOT NULL DEFAULT 0);
"""
AT_ONCE = 20
LOOK_AGAIN_S = 1.0
TIMEOUT_S = 10.0
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 300.0
GONE = 410
TYPE = "uk.safeguarding.{kind}.v1"

log = structlog.get_logger()


class WebhookError(ValueError):
    """An address that a webhook must not lead to; says what to do."""


class Hook(msgspec.Struct, frozen=True):
    """A webhook and how it fares, without its secret."""

    name: str
    url: str
    made_at: datetime.datetime
    cursor: int
    """Number of the last message that the other side confirmed."""
    failures: int
    """Tries in a row that were not answered with 2xx."""
    last_status: int | None
    ended: bool
    """The other side said 410: it is not called any more."""


def set_up(store: DeskStore, own: DeskSettings, name: str, url: str, *, after: int) -> str:
    """Makes a webhook (one of that name is replaced) and gives its secret, once.

    It is sent what comes after the number `after`. Raises WebhookError for an address it must not lead to.
    """
    check(own, url)
    secret = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
    store.execute(
        "INSERT OR REPLACE INTO webhook (name, url, secret, made_at, cursor) VALUES (?, ?, ?, ?, ?)",
        (name, url, store.at_rest.seal(secret.encode(), _place(name)), time.time(), after),
    )
    return secret


def remove(store: DeskStore, name: str) -> bool:
    """Removes a webhook. False where there is none of that name."""
    return store.execute("DELETE FROM webhook WHERE name = ?", (name,)).rowcount == 1


def hooks(store: DeskStore) -> list[Hook]:
    """Every webhook, by name."""
    rows = store.all(
        "SELECT name, url, made_at, cursor, failures, last_status, ended FROM webhook ORDER BY name"
    )
    return [_hook(row) for row in rows]


def check(own: DeskSettings, url: str) -> None:
    """Raises WebhookError unless the address is https and of a host that the settings allow."""
    parts = urlsplit(url)
    allowed = {one.strip() for one in own.webhook_hosts.split(",") if one.strip()}
    local = own.development and parts.scheme == "http" and parts.hostname == "127.0.0.1"
    named = bool({parts.hostname, parts.netloc} & allowed)
    if parts.username or parts.password or not (local or (parts.scheme == "https" and named)):
        raise WebhookError(
            "a webhook leads to an https address of a host that this desk's settings name "
            "(BROKER_DESK_WEBHOOK_HOSTS), without a user or password in it"
        )


async def deliver(desk: RunningDesk) -> None:
    """Task: sends what is due to each webhook, side by side; one that fails holds up no other."""
    async with httpx.AsyncClient(
        timeout=TIMEOUT_S, follow_redirects=False, trust_env=False
    ) as client:
        running: dict[str, asyncio.Task[None]] = {}
        while True:
            running = {name: task for name, task in running.items() if not task.done()}
            for name in _due(desk.store):
                if name not in running:
                    running[name] = asyncio.create_task(send_due(desk, client, name))
            await desk.wait_for_change(LOOK_AGAIN_S)


async def send_due(desk: RunningDesk, client: httpx.AsyncClient, name: str) -> None:
    """Sends one webhook what it does not have yet, in order, until all is sent or one try fails."""
    store = desk.store
    row = store.one("SELECT url, secret, cursor FROM webhook WHERE name = ?", (name,))
    if row is None:
        return
    url, sealed, cursor = row
    try:
        check(desk.own, url)
    except WebhookError:
        _failed(store, name, None)
        return
    signer = Webhook(store.at_rest.open(sealed, _place(name)).decode())
    person = Person(f"webhook:{name}", name, desk.organisation, (Role.SYSTEM,))
    for one in news.after(store, cursor, limit=AT_ONCE):
        entry = api.entry_of(desk, one)
        if one.kind == "alert":
            consultations.note(desk, person, "alert", one.ref)
            await desk.consultations.settled()
        status = await _post(client, url, signer, desk, entry)
        if status == GONE:
            store.execute(
                "UPDATE webhook SET ended = 1, last_status = ? WHERE name = ?", (GONE, name)
            )
            return
        if status is None or not 200 <= status < 300:
            _failed(store, name, status)
            return
        store.execute(
            "UPDATE webhook SET cursor = ?, failures = 0, next_try_at = 0, last_status = ? WHERE name = ?",
            (one.number, status, name),
        )


def message(desk: RunningDesk, entry: Entry) -> tuple[dict[str, str], bytes]:
    """Headers and body of one message, not signed yet: a CloudEvent in structured mode."""
    came = entry.receipt or entry.alert
    assert came is not None
    event = CloudEvent(
        {
            "id": f"{desk.organisation}.{entry.number}",
            "source": f"/{desk.settings.name}/desk/{desk.organisation}",
            "type": TYPE.format(kind=entry.kind),
            "specversion": "1.0",
            "time": came.received_at,
            "datacontenttype": "application/json",
        },
        msgspec.to_builtins(entry),
    )
    made = to_structured_event(event)
    return dict(made.headers), made.body


async def _post(
    client: httpx.AsyncClient, url: str, signer: Any, desk: RunningDesk, entry: Entry
) -> int | None:
    """The status of one try; None where nothing answered."""
    headers, body = message(desk, entry)
    now = datetime.datetime.now(datetime.UTC)
    message_id = f"{desk.organisation}.{entry.number}"
    signed = {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": signer.sign(message_id, now, body.decode()),
    }
    try:
        answered = await client.post(url, content=body, headers={**headers, **signed})
    except httpx.HTTPError as error:
        log.warning("webhook_not_sent", error=type(error).__name__)
        return None
    return answered.status_code


def _due(store: DeskStore) -> list[str]:
    rows = store.all(
        "SELECT name FROM webhook WHERE ended = 0 AND next_try_at <= ? "
        "AND cursor < (SELECT coalesce(max(number), 0) FROM news)",
        (time.time(),),
    )
    return [str(name) for (name,) in rows]


def _failed(store: DeskStore, name: str, status: int | None) -> None:
    (failures,) = store.one("SELECT failures FROM webhook WHERE name = ?", (name,)) or (0,)
    pause = min(FIRST_PAUSE_S * 2**failures, LONGEST_PAUSE_S)
    store.execute(
        "UPDATE webhook SET failures = failures + 1, next_try_at = ?, last_status = ? WHERE name = ?",
        (time.time() + pause, status, name),
    )


def _hook(row: tuple[Any, ...]) -> Hook:
    name, url, made_at, cursor, failures, last_status, ended = row
    return Hook(
        name=name,
        url=url,
        made_at=datetime.datetime.fromtimestamp(made_at, datetime.UTC),
        cursor=cursor,
        failures=failures,
        last_status=last_status,
        ended=bool(ended),
    )


def _place(name: str) -> str:
    return f"webhook {name}"
