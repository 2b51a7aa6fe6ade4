"""Tools of the npm registry for tests: installed by their lock into the cache folder, once."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest

from broker.shell.embedded.jars import cache_dir

INSTALLED_WITHIN_S = 240
WHOLE = "whole"
"""A file that says that all is there."""


def packages(folder: Path) -> Path:
    """A folder that holds `node_modules` as the lock in `folder` says.

    Skips the test, loudly, where node or npm is missing or nothing can be fetched.
    """
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip(
            f"NODE IS NOT HERE: what {folder.name} checks was NOT checked (apt install npm)"
        )
    lock = (folder / "package-lock.json").read_bytes()
    tools = cache_dir() / "tools"
    tools.mkdir(parents=True, exist_ok=True)
    target = tools / f"{folder.name}-{hashlib.sha256(lock).hexdigest()[:16]}"
    with (tools / f"{folder.name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # tests run side by side
        if not (target / WHOLE).exists():
            _install(folder, target, npm)
    return target


def _install(folder: Path, target: Path, npm: str) -> None:
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    for name in ("package.json", "package-lock.json"):
        shutil.copy(folder / name, target)
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
    try:
        done = subprocess.run(
            command,
            cwd=target,
            capture_output=True,
            text=True,
            timeout=INSTALLED_WITHIN_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        pytest.skip(f"NOT FETCHED: what {folder.name} checks was NOT checked (npm did not end)")
    if done.returncode != 0:
        pytest.skip(
            f"NOT FETCHED: what {folder.name} checks was NOT checked ({done.stderr[-400:]})"
        )
    (target / WHOLE).touch()
