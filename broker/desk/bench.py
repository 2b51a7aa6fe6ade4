"""`broker bench desk`: from a POST at one desk to the alert on the list of another; how fast the inbox is.

A whole broker with TLS and rights, its three processes, and two desks, each a process of its own, as
`broker up` runs them. The warning goes in at the HTTP door of who speaks for a mother, and counts as
arrived when a page of the neighbour's inbox shows it to a person who is signed in. The large inbox holds
real alerts, which are opened when they are shown, each many times under an id of its own.
"""

from __future__ import annotations

import asyncio
import datetime
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import msgspec

from broker.desk.app import store_of
from broker.desk.front import free_port
from broker.desk.settings import DeskSettings
from broker.desk.tokens import May, make_token
from broker.examples.samples import fresh_example
from broker.examples.scenarios import load_scenarios
from broker.model.types import ConcernEvent, Severity
from broker.reference import load_connected
from broker.shell.access import ensure_access
from broker.shell.keys import make_keys
from broker.shell.security import embedded_kafka, security_of_operator
from broker.shell.settings import Settings
from broker.shell.topics import ensure_topics

HOST = "127.0.0.1"
STEPS = ("intake", "decide", "ledger")
WARM_UP = 5
LARGE = 10_000
A_PAGE = 50
APART_S = 10
"""Alerts of the large inbox are due one after the other, most of them overdue."""
OPENS_WITHIN_S = 120.0
ARRIVES_WITHIN_S = 60.0
LOOK_AGAIN_S = 0.01
TOKEN_OF_FORM = re.compile(r'name="_csrf_token" value="([^"]+)"')


class BenchError(RuntimeError):
    """Something did not open or arrive; the text says what."""


class Spread(msgspec.Struct, frozen=True):
    """Milliseconds."""

    p50: float
    p99: float
    most: float


class DeskFigures(msgspec.Struct, frozen=True):
    """One run on one machine."""

    warnings: int
    to_the_screen: Spread
    """From sending the POST to having the inbox page that lists the alert."""
    page_first: float
    """A page of 50 alerts just after the desk was opened: each is unsealed and its proof checked."""
    page: Spread
    """The same page again."""
    large: int
    """So many alerts lie in the large inbox."""
    large_first: Spread
    large_last: Spread
    large_filtered: Spread


def bench_desk(warnings: int, pages: int, large: int = LARGE) -> DeskFigures:
    """One run: `warnings` one after the other, then each page `pages` times. Raises BenchError."""
    with tempfile.TemporaryDirectory(prefix="bench-desk-") as folder, ExitStack() as stack:
        settings = stack.enter_context(_broker(Path(folder) / "var"))
        tells, reads = _who()
        with _desk(settings, tells) as teller, _desk(settings, reads) as address:
            arrivals = _arrivals(_door(settings, tells, teller), address, warnings)
        with _desk(settings, reads) as address, _on_duty(address) as reader:
            first = _timed(lambda: _page(reader, "/inbox"))
            again = _spread([_timed(lambda: _page(reader, "/inbox")) for _ in range(pages)])
        _fill(settings, reads, large)
        last = -(-large // A_PAGE)
        with _desk(settings, reads) as address, _on_duty(address) as reader:
            found = [
                _spread([_timed(lambda path=path: _page(reader, path)) for _ in range(pages)])  # type: ignore[misc]
                for path in ("/inbox", f"/inbox?number={last}", "/inbox?show=overdue")
            ]
    return DeskFigures(warnings, _spread(arrivals), first, again, large, *found)


def _who() -> tuple[str, str]:
    """Who speaks for the mother in the first scenario, and the neighbour who is told where harm is feared."""
    scenario = load_scenarios()[0]
    _, recipient = scenario.told[1]
    return scenario.events[0].publisher, recipient.partition(":")[0]


def _door(settings: Settings, organisation: str, address: str) -> httpx.Client:
    """The HTTP door of an organisation, for a system that may publish."""
    store = store_of(DeskSettings(organisation=organisation), settings)
    now = datetime.datetime.now(datetime.UTC)
    token = make_token(store, "bench", (May.PUBLISH,), days=1, now=now)
    store.close()
    bearer = {"Authorization": f"Bearer {token}"}
    return httpx.Client(base_url=address, headers=bearer, timeout=60)


def _arrivals(door: httpx.Client, address: str, warnings: int) -> list[float]:
    """Milliseconds of each warning, told one after the other."""
    found = []
    with door, _on_duty(address) as reader:
        for number in range(WARM_UP + warnings):
            last = -(-(number + 1) // A_PAGE)
            took = _timed(lambda last=last: _told_and_shown(door, reader, last))  # type: ignore[misc]
            if number >= WARM_UP:
                found.append(took)
    return found


def _told_and_shown(door: httpx.Client, reader: httpx.Client, last: int) -> None:
    """Tells of one warning and returns when the inbox of the neighbour lists it on one of its last pages."""
    event, word = _warning()
    answered = door.post(
        "/api/v1/statements",
        content=msgspec.json.encode(event),
        headers={"Content-Type": "application/json"},
    )
    if answered.status_code != httpx.codes.ACCEPTED:
        raise BenchError(f"the statement was not taken: {answered.text[:500]}")
    deadline = time.perf_counter() + ARRIVES_WITHIN_S
    # What is due first leads, so the newest stands at the end; those due in the same second in any order.
    while not any(word in _page(reader, f"/inbox?number={one}") for one in (last, last - 1)):
        if time.perf_counter() > deadline:
            raise BenchError("a warning was not listed in time: see the log folder")
        time.sleep(LOOK_AGAIN_S)


def _page(reader: httpx.Client, path: str) -> str:
    answered = reader.get(path)
    if answered.status_code != httpx.codes.OK:
        raise BenchError(f"{path} answered {answered.status_code}")
    return answered.text


def _warning() -> tuple[ConcernEvent, str]:
    """The mother's warning of the first scenario, new, with a word by which its alert is found."""
    event = fresh_example("concern", datetime.datetime.now(datetime.UTC))
    if not isinstance(event, ConcernEvent):
        raise TypeError("the example is no statement")
    word = "".join(chr(ord("a") + int(one, 16)) for one in uuid.uuid4().hex)
    texts = tuple(
        msgspec.structs.replace(one, text=f"{word} {one.text}") for one in event.audience_texts
    )
    # Those to act on at once are due so long after they came, and so stand in the order in which they came.
    return msgspec.structs.replace(event, audience_texts=texts, severity=Severity.IMMEDIATE), word


def _fill(settings: Settings, organisation: str, large: int) -> None:
    """Makes the neighbour's inbox large: its real alerts again and again, each under an id of its own."""
    store = store_of(DeskSettings(organisation=organisation), settings)
    columns = "offset, event_id, part, recipient, severity, mode, received_at, acknowledge_by"
    with store.transaction():
        rows = store.all(f"SELECT {columns}, sealed FROM alert")  # noqa: S608 -- no input
        for number in range(max(0, large - len(rows))):
            *plain, sealed = rows[number % len(rows)]
            due = (
                float(plain[-1]) - number
            )  # Some are overdue, and each is due at a time of its own.
            store.execute(
                f"INSERT INTO alert (alert_id, {columns}, sealed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
                (uuid.uuid4().hex * 2, *plain[:-1], due, sealed),
            )
    store.close()


@contextmanager
def _broker(data_dir: Path) -> Iterator[Settings]:
    """A running broker in that folder, as `broker up` runs it."""
    plain = Settings(data_dir=data_dir)
    organisations = load_connected(plain.organisations_dir / "connected.yaml")
    with ExitStack() as stack:
        kafka = stack.enter_context(
            embedded_kafka(plain, organisations, quiet=True, full_compiler=True)
        )
        settings = plain.model_copy(
            update={"kafka_bootstrap": kafka.bootstrap, "kafka_security": "ssl"}
        )
        make_keys(settings.keys_dir, organisations)
        asyncio.run(_prepared(settings, organisations))
        for step in STEPS:
            stack.enter_context(_process(settings, step, "broker.shell.run", step))
        yield settings


async def _prepared(settings: Settings, organisations: tuple[str, ...]) -> None:
    operator = security_of_operator(settings)
    await ensure_topics(settings.kafka_bootstrap, organisations, security=operator)
    await ensure_access(settings.kafka_bootstrap, organisations, security=operator)


@contextmanager
def _desk(settings: Settings, organisation: str) -> Iterator[str]:
    """The address of a desk that serves and has read what came before."""
    port = free_port(HOST)
    given = {
        "ORGANISATION": organisation,
        "HOST": HOST,
        "PORT": str(port),
        "DEVELOPMENT": "true",
        "REQUESTS_A_MINUTE": "1000000",
    }
    own = {f"BROKER_DESK_{name}": value for name, value in given.items()}
    with _process(
        settings, f"desk-{organisation}", "broker.desk.serve", environment=own
    ) as process:
        deadline = time.monotonic() + OPENS_WITHIN_S
        while not _serves(f"http://{HOST}:{port}"):
            if process.poll() is not None or time.monotonic() > deadline:
                raise BenchError(f"the desk of {organisation} did not open")
            time.sleep(LOOK_AGAIN_S)
        yield f"http://{HOST}:{port}"


def _serves(address: str) -> bool:
    try:
        return bool(httpx.get(f"{address}/healthz", timeout=5).json()["kafka"])
    except httpx.HTTPError:
        return False


@contextmanager
def _on_duty(address: str) -> Iterator[httpx.Client]:
    """Somebody who is signed in."""
    with httpx.Client(base_url=address, timeout=60) as client:
        found = TOKEN_OF_FORM.search(client.get("/sign-in").text)
        client.post("/sign-in", data={"person": "duty-1", "_csrf_token": found[1] if found else ""})
        yield client


@contextmanager
def _process(
    settings: Settings,
    name: str,
    module: str,
    *arguments: str,
    environment: dict[str, str] | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    given = {
        **os.environ,
        "BROKER_KAFKA_BOOTSTRAP": settings.kafka_bootstrap,
        "BROKER_KAFKA_SECURITY": settings.kafka_security,
        "BROKER_DATA_DIR": str(settings.data_dir),
        **(environment or {}),
    }
    log_dir = settings.data_dir / "log"
    log_dir.mkdir(parents=True, exist_ok=True)
    with (log_dir / f"{name}.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments], env=given, stdout=log, stderr=log
        )
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _timed(work: Callable[[], object]) -> float:
    """Milliseconds that it took."""
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1000


def _spread(found: list[float]) -> Spread:
    ordered = sorted(found)
    return Spread(
        round(statistics.median(ordered), 1),
        round(ordered[max(0, -(-len(ordered) * 99 // 100) - 1)], 1),
        round(ordered[-1], 1),
    )
