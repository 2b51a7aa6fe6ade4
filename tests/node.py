"""Tools of the npm registry for tests: installed by their lock into the cache folder, once."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from broker.shell.embedded.jars import cache_dir

INSTALLED_WITHIN_S = 150


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
    target = cache_dir() / "tools" / f"{folder.name}-{hashlib.sha256(lock).hexdigest()[:16]}"
    if not (target / "node_modules").is_dir():
        made = target.with_name(f"{target.name}.{os.getpid()}")
        made.mkdir(parents=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(folder / name, made)
        command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
        done = subprocess.run(
            command,
            cwd=made,
            capture_output=True,
            text=True,
            timeout=INSTALLED_WITHIN_S,
            check=False,
        )
        if done.returncode != 0:
            shutil.rmtree(made, ignore_errors=True)
            pytest.skip(
                f"NOT FETCHED: what {folder.name} checks was NOT checked ({done.stderr[-200:]})"
            )
        if not target.exists():
            made.rename(target)
    return target
