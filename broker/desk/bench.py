"""`broker bench desk`: from a POST at one desk to the alert on the list of another; how fast the inbox is.

A whole broker with TLS and rights, its three processes, and two desks, each a process of its own, as
`broker up` runs them. The warning goes in at the form of who speaks for a mother (its pages filled in
beforehand, its last button timed), and counts as arrived when a page of the neighbour's inbox shows it to a
person who is signed in. The large inbox holds
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
from broker.desk.people import INVENTED, Role
from broker.desk.settings import DeskSettings
from broker.examples.scenarios import load_scenarios
from broker.examples.telling import mothers_answers
from broker.model.types import Audience, Severity
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
TELLS, ON_DUTY = (INVENTED[role][0] for role in (Role.TELLS, Role.DUTY))
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
            arrivals = _arrivals(teller, address, warnings)
        with _desk(settings, reads) as address, _signed_in(address, ON_DUTY) as reader:
            first = _timed(lambda: _page(reader, "/inbox"))
            again = _spread([_timed(lambda: _page(reader, "/inbox")) for _ in range(pages)])
        _fill(settings, reads, large)
        last = -(-large // A_PAGE)
        with _desk(settings, reads) as address, _signed_in(address, ON_DUTY) as reader:
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


def _arrivals(teller: str, reads: str, warnings: int) -> list[float]:
    """Milliseconds of each warning, told one after the other."""
    found = []
    with _signed_in(teller, TELLS) as writer, _signed_in(reads, ON_DUTY) as reader:
        for number in range(WARM_UP + warnings):
            last = -(-(number + 1) // A_PAGE)
            draft, word = _filled_in(writer)
            took = _timed(lambda at=(draft, word, last): _told_and_shown(writer, reader, *at))  # type: ignore[misc]
            if number >= WARM_UP:
                found.append(took)
    return found


def _filled_in(writer: httpx.Client) -> tuple[str, str]:
    """The path of a draft with everything answered, and a word by which its alert is found."""
    word = "".join(chr(ord("a") + int(one, 16)) for one in uuid.uuid4().hex)
    answers = mothers_answers(datetime.datetime.now(datetime.UTC).date())
    # Those to act on at once are due so long after they came, and so stand in the order in which they came.
    answers["harm"]["severity"] = (Severity.IMMEDIATE.value,)
    for one in Audience:
        answers["sharing"][f"text_{one.value}"] = (f"{word} A boy of 15 is threatened.",)
    draft = _post(writer, "/tell").rpartition("/")[0]
    for page, fields in answers.items():
        _post(writer, f"{draft}/{page}", **{name: list(values) for name, values in fields.items()})
    return draft, word


def _post(writer: httpx.Client, path: str, **fields: list[str]) -> str:
    """Sends a form with the token of its page; the address that it leads to."""
    found = TOKEN_OF_FORM.search(writer.get("/tell").text)
    token = found[1] if found else ""
    answered = writer.post(path, data={"_csrf_token": token, **fields})
    if answered.status_code != httpx.codes.SEE_OTHER or "problems" in answered.headers["location"]:
        raise BenchError(f"the form did not take {path.rpartition('/')[2]}: {answered.status_code}")
    return answered.headers["location"]


def _told_and_shown(
    writer: httpx.Client, reader: httpx.Client, draft: str, word: str, last: int
) -> None:
    """Sends a draft and returns when the inbox of the neighbour lists it on one of its last pages."""
    _post(writer, f"{draft}/send")
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
def _signed_in(address: str, person: str) -> Iterator[httpx.Client]:
    """Somebody who is signed in."""
    with httpx.Client(base_url=address, timeout=60) as client:
        found = TOKEN_OF_FORM.search(client.get("/sign-in").text)
        client.post("/sign-in", data={"person": person, "_csrf_token": found[1] if found else ""})
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
