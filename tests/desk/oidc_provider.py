"""A real OpenID Connect provider (npm oidc-provider, certified), in a process of its own.

Its packages are put into a cache outside the tree at the first use, exactly as the lock file says and
without running any of their scripts.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from broker.desk.front import free_port
from tests.desk.conftest import HOST

FOLDER = Path(__file__).parent / "oidc"
CLIENT, SECRET = "desk", "a-secret-of-the-tests-and-of-nothing-else"
MISSING = (
    "NO OPENID CONNECT PROVIDER: nobody was signed in by one. It needs node (20 or newer) and npm, and at "
    "the first use a package registry: "
)
INSTALLED_WITHIN_S = 240


def packages() -> Path:
    """The folder with the provider and its packages; skips, loudly, where they cannot be had."""
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip(f"{MISSING}neither may be missing")
    lock = (FOLDER / "package-lock.json").read_bytes()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "safeguarding-broker"
    folder = cache / f"oidc-{hashlib.sha256(lock).hexdigest()[:16]}"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "oidc.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if not (folder / "whole").exists():
            _install(folder)
    shutil.copy(FOLDER / "provider.js", folder / "provider.js")
    return folder


def _install(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name in ("package.json", "package-lock.json"):
        shutil.copy(FOLDER / name, folder / name)
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=INSTALLED_WITHIN_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        pytest.skip(f"{MISSING}`npm ci` did not end")
    if done.returncode:
        pytest.skip(f"{MISSING}{done.stderr[-400:]}")
    (folder / "whole").touch()


@contextlib.contextmanager
def provider(desk_address: str) -> Iterator[str]:
    """The issuer of a provider that knows the desk at that address, for as long as the block lasts."""
    folder = packages()
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
