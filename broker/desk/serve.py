"""Serves one desk: `python -m broker.desk.serve`, its settings in the environment."""

from __future__ import annotations

import socket
import sys

import uvicorn
from litestar import Litestar
from pydantic import ValidationError

from broker.desk.app import build
from broker.desk.doors import DeskError
from broker.desk.settings import DeskSettings
from broker.desk.store import DeskStoreError
from broker.shell.keys import KeysError
from broker.shell.logs import configure
from broker.shell.run import end_with_parent
from broker.shell.settings import Settings


def serve(own: DeskSettings, settings: Settings) -> int:
    """Serves until it is told to stop; 1 where the desk cannot be opened, with a sentence why."""
    configure("desk", settings.log_level)
    try:
        application = build(own, settings)
        listening = socket.create_server((own.host, own.port))
    except (DeskError, DeskStoreError, KeysError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    server = uvicorn.Server(server_of(application, own))
    server.run(sockets=[listening])
    return 0


def server_of(application: Litestar, own: DeskSettings) -> uvicorn.Config:
    """How it is served: no log of addresses, and only the proxies that are named are believed."""
    return uvicorn.Config(
        application,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(own.trusted_proxies),
        forwarded_allow_ips=own.trusted_proxies,
    )


def main() -> int:
    """The desk that the environment names; it ends with its parent."""
    end_with_parent()
    try:
        return serve(DeskSettings(), Settings())
    except ValidationError as error:
        wrong = ", ".join("_".join(map(str, one["loc"])) for one in error.errors())
        sys.stderr.write(f"settings of the desk: {wrong}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
