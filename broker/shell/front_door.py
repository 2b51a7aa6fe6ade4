"""Opens the desk's front door beside the broker: a process of its own, on this machine alone."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from broker.shell.run import PARENT

HOST = "127.0.0.1"
USUAL_PORT = 8450
STOP_WITHIN_S = 8.0


@contextlib.contextmanager
def front_door(environment: Mapping[str, str], log_dir: Path) -> Iterator[str]:
    """The address of the front door, which is open inside the block."""
    port = _port()
    log_dir.mkdir(parents=True, exist_ok=True)
    own = {
        "BROKER_DESK_HOST": HOST,
        "BROKER_DESK_PORT": str(port),
        PARENT: str(os.getpid()),
    }
    with (log_dir / "front.log").open("ab") as stream:
        # A session of its own: Ctrl-C at the terminal reaches the broker, which stops it.
        process = subprocess.Popen(
            [sys.executable, "-m", "broker.desk.front"],
            env={**os.environ, **environment, **own},
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        )
    try:
        yield f"http://{HOST}:{port}/"
    finally:
        process.terminate()
        try:
            process.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _port() -> int:
    """The one that BROKER_DESK_PORT names, else the usual one, else one that is free."""
    named = int(os.environ.get("BROKER_DESK_PORT") or 0)
    for port in (named,) if named else (USUAL_PORT, 0):
        with contextlib.suppress(OSError), socket.create_server((HOST, port)) as found:
            return int(found.getsockname()[1])
    return named
