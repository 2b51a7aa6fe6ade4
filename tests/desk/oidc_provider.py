"""A real OpenID Connect provider (npm oidc-provider, certified), in a process of its own."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from broker.desk.front import free_port
from tests.desk.conftest import HOST
from tests.node import packages

FOLDER = Path(__file__).parent / "oidc"
CLIENT, SECRET = "desk", "a-secret-of-the-tests-and-of-nothing-else"


@contextlib.contextmanager
def provider(desk_address: str) -> Iterator[str]:
    """The issuer of a provider that knows the desk at that address, for as long as the block lasts."""
    folder = packages(FOLDER)
    shutil.copy(FOLDER / "provider.js", folder)
    port = free_port(HOST)
    own = [str(port), CLIENT, SECRET, f"{desk_address}/oidc/back", f"{desk_address}/sign-in"]
    process = subprocess.Popen(
        ["node", "provider.js", *own],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert any("listening" in line for line in process.stdout), "the provider did not start"
        yield f"http://{HOST}:{port}"
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
