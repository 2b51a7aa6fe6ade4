"""The front door of a demonstration: a page on which somebody picks whose desk to open.

It has no key of anybody. Each desk is a process of its own, started when it is first asked for, and
ends with this one.
"""

from __future__ import annotations

import asyncio
import datetime
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from litestar import Litestar, Request, get
from litestar.datastructures import State
from litestar.exceptions import NotFoundException, ServiceUnavailableException
from litestar.response import Redirect, Template
from litestar.static_files import create_static_files_router
from litestar.template import TemplateConfig

from broker.desk.headers import refuse_other_sites, with_headers
from broker.desk.pages import STATIC, engine
from broker.desk.settings import AUDITOR, DeskSettings
from broker.examples.scenarios import fresh_scenarios
from broker.reference import load_connected, load_reference
from broker.shell.keys import DESK
from broker.shell.logs import configure
from broker.shell.run import PARENT, end_with_parent
from broker.shell.settings import Settings

OPENS_WITHIN_S = 30.0
LOOK_AGAIN_S = 0.1


class Desks:
    """The desks that are open, each a process on a port of its own."""

    def __init__(self, settings: Settings, host: str) -> None:
        """`settings` are the broker's, given on to each desk by the environment."""
        self._settings = settings
        self._host = host
        self._open: dict[str, tuple[subprocess.Popen[bytes], int]] = {}
        self._opening = asyncio.Lock()

    async def address_of(self, organisation: str) -> str:
        """Where that desk listens; it is started if it is not open. Raises ServiceUnavailableException."""
        async with self._opening:
            process, port = self._open.get(organisation, (None, 0))
            if process is None or process.poll() is not None:
                process, port = self._start(organisation)
                self._open[organisation] = process, port
                await self._until_it_serves(process, port, organisation)
        return f"http://{self._host}:{port}/"

    def close(self) -> None:
        """Ends every desk."""
        for process, _ in self._open.values():
            process.send_signal(signal.SIGTERM)
        for process, _ in self._open.values():
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()

    def _start(self, organisation: str) -> tuple[subprocess.Popen[bytes], int]:
        port = free_port(self._host)
        log_dir = Path(self._settings.data_dir) / "log"
        log_dir.mkdir(parents=True, exist_ok=True)
        given = {
            "BROKER_DESK_ORGANISATION": organisation,
            "BROKER_DESK_HOST": self._host,
            "BROKER_DESK_PORT": str(port),
            "BROKER_DESK_DEVELOPMENT": "true",
            PARENT: str(os.getpid()),
        }
        with (log_dir / f"desk-{organisation}.log").open("ab") as stream:
            process = subprocess.Popen(
                [sys.executable, "-m", "broker.desk.serve"],
                env={**os.environ, **given},
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
            )
        return process, port

    async def _until_it_serves(
        self, process: subprocess.Popen[bytes], port: int, organisation: str
    ) -> None:
        async with httpx.AsyncClient() as client:
            for _ in range(round(OPENS_WITHIN_S / LOOK_AGAIN_S)):
                if process.poll() is not None:
                    break
                try:
                    await client.get(f"http://{self._host}:{port}/healthz")
                except httpx.HTTPError:
                    await asyncio.sleep(LOOK_AGAIN_S)
                else:
                    return
        raise ServiceUnavailableException(
            f"the desk of {organisation} did not open: see desk-{organisation}.log in the log folder"
        )


def build(settings: Settings, host: str) -> Litestar:
    """The front door as an application."""
    reference = load_reference(settings.codesets_dir, settings.organisations_dir)
    connected = load_connected(settings.organisations_dir / "connected.yaml")
    names = {code: reference.organisations[code].name for code in connected}
    names[AUDITOR] = "Auditors: verify, search, reports"
    first = [code for code in shown_first(settings) if code in names]
    desks = Desks(settings, host)

    @asynccontextmanager
    async def closing(_: Litestar) -> AsyncIterator[None]:
        yield
        desks.close()

    return Litestar(
        route_handlers=[
            choose,
            opened,
            create_static_files_router(path="/static", directories=[STATIC]),
        ],
        before_request=refuse_other_sites,
        before_send=[with_headers],
        template_config=TemplateConfig(instance=engine()),
        lifespan=[closing],
        openapi_config=None,
        logging_config=None,
        state=State({"names": names, "first": first, "desks": desks}),
    )


def shown_first(settings: Settings) -> list[str]:
    """Who is in the first scenario: who publishes, who is told; then the duty desk and the auditors."""
    story = fresh_scenarios(datetime.datetime.now(datetime.UTC), "0", settings.scenarios_dir)[0]
    told = (recipient.partition(":")[0] for _, recipient in story.told)
    return list(dict.fromkeys((story.events[0].publisher, *told, DESK, AUDITOR)))


@get("/")
async def choose(request: Request[Any, Any, Any]) -> Template:
    """The page on which an organisation is picked."""
    names, first = request.app.state.names, request.app.state.first
    rest = sorted((names[code], code) for code in names if code not in first)
    return Template(
        "front.html",
        context={"first": [(names[code], code) for code in first], "rest": rest},
    )


@get("/open/{organisation:str}")
async def opened(request: Request[Any, Any, Any], organisation: str) -> Redirect:
    """Opens the desk of an organisation and goes there.

    A link, not a form: the policy of these pages lets no form lead to another address.
    """
    if organisation not in request.app.state.names:
        raise NotFoundException("no organisation of that code is connected here")
    return Redirect(await request.app.state.desks.address_of(organisation), status_code=303)


def free_port(host: str) -> int:
    """A port that is free now."""
    with socket.create_server((host, 0)) as found:
        return int(found.getsockname()[1])


def main() -> int:
    """Serves the front door until it is told to stop; it ends with its parent."""
    end_with_parent()
    own, settings = DeskSettings(), Settings()
    configure("front", settings.log_level)
    listening = socket.create_server((own.host, own.port))
    application = build(settings, own.host)
    config = uvicorn.Config(application, log_config=None, access_log=False, server_header=False)
    uvicorn.Server(config).run(sockets=[listening])
    return 0


if __name__ == "__main__":
    sys.exit(main())
