"""The two tools of a proof: Cedar's command line with its analysis, and the solver cvc5.

Both lie in the cache folder and are made once. Cedar is built by cargo; cvc5 comes as a Python
package, pinned by hash, and smtlib.py makes of it the program that Cedar starts. CEDAR and CVC5 in
the environment name other ones.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import msgspec

from broker.shell.embedded.jars import cache_dir
from broker.shell.settings import PROJECT_DIR

CEDAR_VERSION = "4.14.1"
LOCK_FILE = PROJECT_DIR / "requirements" / "prove.lock"
SHIM = Path(__file__).with_name("smtlib.py")
_BUILD = ("cedar-policy-cli", "--version", CEDAR_VERSION, "--features", "analyze,tpe", "--locked")


class ToolMissingError(Exception):
    """A tool is not here. Says which, and what to do."""


class Tools(msgspec.Struct, frozen=True):
    """Where the tools are."""

    cedar: Path
    cvc5: Path
    """A cvc5 program, or the folder of its Python package."""

    def solver(self, folder: Path) -> Path:
        """The program that Cedar starts; for the Python package it is written into `folder`."""
        if not self.cvc5.is_dir():
            return self.cvc5
        program = folder / "cvc5"
        words = [sys.executable, "-I", "-S", str(SHIM), str(self.cvc5)]
        quoted = " ".join("'" + word.replace("'", "'\\''") + "'" for word in words)
        program.write_text(f'#!/bin/sh\nexec {quoted} "$@"\n', encoding="utf-8")
        program.chmod(0o700)
        return program


def find_tools() -> Tools:
    """The tools that are here already. Raises ToolMissingError naming what is not."""
    cedar, cvc5 = _cedar_path(), _cvc5_path()
    missing = [what for what in (_wrong_cedar(cedar), _wrong_cvc5(cvc5)) if what]
    if missing:
        raise ToolMissingError(f"{' and '.join(missing)}; `make prove` brings what is missing")
    return Tools(cedar, cvc5)


def install_tools(say: Callable[[str], None]) -> Tools:
    """The tools, made where they are missing. Raises ToolMissingError where that cannot be done."""
    if _wrong_cedar(_cedar_path()):
        _build_cedar(say)
    if _wrong_cvc5(_cvc5_path()):
        _install_cvc5(say)
    return find_tools()


def _cedar_path() -> Path:
    named = os.environ.get("CEDAR")
    return Path(named) if named else cache_dir() / "tools" / "bin" / "cedar"


def _cvc5_path() -> Path:
    named = os.environ.get("CVC5")
    if named:
        return Path(named)
    lock = hashlib.sha256(LOCK_FILE.read_bytes()).hexdigest()[:12]
    return cache_dir() / "tools" / f"cvc5-{sys.implementation.cache_tag}-{lock}"


def _wrong_cedar(path: Path) -> str | None:
    """What is wrong with the Cedar there: missing, another version, or without its analysis."""
    if not os.access(path, os.X_OK):
        return f"no Cedar command line at {path}"
    version = _said([str(path), "--version"])
    if version.split()[-1:] != [CEDAR_VERSION]:
        return f"{path} is not version {CEDAR_VERSION} ({version[:60]!r})"
    if "never-errors" not in _said([str(path), "symcc", "--help"]):
        return f"{path} was built without --features analyze"
    return None


def _wrong_cvc5(path: Path) -> str | None:
    if path.is_dir() or os.access(path, os.X_OK):
        return None
    return f"no cvc5 at {path}"


def _said(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.stdout.strip()


def _build_cedar(say: Callable[[str], None]) -> None:
    cargo = shutil.which("cargo")
    if os.environ.get("CEDAR"):
        raise ToolMissingError(f"CEDAR: {_wrong_cedar(_cedar_path())}: mend or unset it")
    if cargo is None:
        raise ToolMissingError(
            f"cargo is missing, and the Cedar command line {CEDAR_VERSION} is built with it. Install "
            "Rust (rustup, or your system's packages: cargo 1.89 or newer), or name a Cedar built "
            "elsewhere with --features analyze: CEDAR=/path/to/cedar make prove"
        )
    root = cache_dir() / "tools"
    say(f"prove: cargo install {' '.join(_BUILD)}")
    say(f"prove: into {root}; once, about three to six minutes on two cores")
    command = [cargo, "install", *_BUILD, "--force", "--root", str(root)]
    if subprocess.run(command, check=False).returncode != 0:
        raise ToolMissingError("cargo could not build Cedar: see what it says above")


def _install_cvc5(say: Callable[[str], None]) -> None:
    target = _cvc5_path()
    if os.environ.get("CVC5"):
        raise ToolMissingError(f"CVC5: {_wrong_cvc5(target)}: mend or unset it")
    say(f"prove: the solver cvc5 ({LOCK_FILE.relative_to(PROJECT_DIR)}) into {target}; once, 14 MB")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as staging:
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--require-hashes"]
        command += ["--no-deps", "--target", f"{staging}/cvc5", "-r", str(LOCK_FILE)]
        if subprocess.run(command, check=False).returncode != 0:
            raise ToolMissingError(
                "pip could not install cvc5: see what it says above. Or name a cvc5 program: "
                "CVC5=/usr/bin/cvc5 make prove (Debian and Ubuntu: apt install cvc5)"
            )
        Path(staging, "cvc5").rename(target)
