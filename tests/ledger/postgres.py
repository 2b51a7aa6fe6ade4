"""A PostgreSQL server for tests: a cluster of its own in a temporary folder, on a unix socket alone."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psycopg

ROLE = "broker"
SYSTEM_USER = "postgres"
STARTS_WITHIN_S = 60.0
PR_SET_PDEATHSIG = 1
DEBIAN = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda one: float(one.parent.name))
BIN = os.environ.get("BROKER_POSTGRES_BIN") or os.pathsep.join(map(str, reversed(DEBIAN)))
INITDB = shutil.which("initdb", path=f"{BIN}{os.pathsep}{os.environ['PATH']}")
MISSING = (
    "POSTGRESQL IS NOT HERE: the laws of the ledger were NOT tried on its second store. Install it "
    "(Debian: apt install postgresql), or name its folder of programs in BROKER_POSTGRES_BIN"
)
OPTIONS = (
    "listen_addresses=",
    "max_connections=300",
    "shared_buffers=32MB",
    "log_min_messages=fatal",
    "max_wal_size=128MB",
    "min_wal_size=32MB",
)


MEMORY = Path("/dev/shm")
MEMORY_BYTES = 1 << 30


def _memory() -> Path | None:
    """Where files lie in memory, if there is room: nothing here is about disks."""
    try:
        free = shutil.disk_usage(MEMORY).free
    except OSError:
        return None
    return MEMORY if free >= MEMORY_BYTES and os.access(MEMORY, os.W_OK) else None


def program(name: str) -> str:
    """The path of one of PostgreSQL's programs."""
    assert INITDB, MISSING
    return str(Path(INITDB).with_name(name))


@contextmanager
def cluster() -> Iterator[str]:
    """The address of a server that runs inside the block, as an unprivileged user."""
    user = SYSTEM_USER if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="pg", dir=_memory()))
    if user:
        shutil.chown(folder, user)
    data = folder / "data"
    made = [program("initdb"), "-D", str(data), "-U", ROLE, "-A", "trust", "-E", "UTF8"]
    try:
        subprocess.run(
            [*made, "--no-locale", "--no-sync"],
            check=True,
            user=user,
            cwd=folder,
            stdout=subprocess.DEVNULL,
        )
        options = [word for one in OPTIONS for word in ("-c", one)]
        started = [program("postgres"), "-D", str(data), "-k", str(folder), *options]
        with _process(started, user):
            address = f"postgresql://{ROLE}@/postgres?host={folder}"
            _until_it_answers(address)
            yield address
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _process(command: Sequence[str], user: str | None) -> Iterator[None]:
    process = subprocess.Popen(
        command,
        user=user,
        cwd=command[2],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGQUIT),  # noqa: PLW1509 -- before any thread
    )
    try:
        yield
    finally:
        process.send_signal(signal.SIGQUIT)  # at once: nobody needs what is in it any more
        process.wait()


def _until_it_answers(address: str) -> None:
    deadline = time.monotonic() + STARTS_WITHIN_S
    while True:
        try:
            psycopg.connect(address).close()
        except psycopg.OperationalError:
            assert time.monotonic() < deadline, "PostgreSQL did not come up"
            time.sleep(0.05)
        else:
            return


def new_database(server: str, name: str) -> str:
    """The address of a new, empty database on that server."""
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    return server.replace("/postgres?", f"/{name}?")
