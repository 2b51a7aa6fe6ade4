"""Witnesses for tests: a small one that checks what the protocol asks for, and litewitness where it is built.

The small one is a test instrument: it forgets everything when it ends, so it protects nobody.
"""

from __future__ import annotations

import base64
import os
import shutil
import socket
import sqlite3
import subprocess
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from broker.ledger import (
    EMPTY_ROOT,
    NoteError,
    WitnessKey,
    consistency_holds,
    cosign,
    open_checkpoint,
    witness_key,
)
from broker.shell.witnesses_file import Witness

NAME = "witness.example/test"
TOOLS = Path.home() / ".cache" / "safeguarding-broker" / "tools"
LITEWITNESS = os.environ.get("BROKER_LITEWITNESS") or shutil.which(
    "litewitness",
    path=f"{TOOLS}{os.pathsep}{Path.home() / 'go/bin'}{os.pathsep}{os.environ['PATH']}",
)
MISSING = (
    "LITEWITNESS IS NOT HERE: no witness that we did not write has cosigned our checkpoints. Build it "
    f"with `GOBIN={TOOLS} go install filippo.io/torchwood/cmd/litewitness@v0.9.0`, or name it in "
    "BROKER_LITEWITNESS"
)


class SmallWitness:
    """Cosigns over HTTP what does nothing but grow; remembers size and root of each log."""

    def __init__(self, logs: dict[str, str], name: str = NAME) -> None:
        """`logs`: origin -> verifier key of the logs that it knows."""
        self.logs = logs
        self.seen: dict[str, tuple[int, bytes]] = {}
        self.delay_s = 0.0
        self.asked = 0
        self._name = name
        self._private = Ed25519PrivateKey.generate()
        self._lock = threading.Lock()
        self.key: WitnessKey = witness_key(name, self._private.public_key())
        self._server: ThreadingHTTPServer | None = None
        self._port = 0

    @property
    def witness(self) -> Witness:
        """Where and who it is."""
        return Witness(self.key, f"http://127.0.0.1:{self._port}/")

    def start(self) -> SmallWitness:
        """Listens, at the port that it had before if it was stopped; it still knows what it saw."""
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                time.sleep(owner.delay_s)
                status, text = owner.answer(body.decode(), self.path)
                with suppress(OSError):
                    self.send_response(status)
                    self.send_header("Content-Length", str(len(text.encode())))
                    self.end_headers()
                    self.wfile.write(text.encode())

            def log_message(self, *_: object) -> None:
                """Says nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), Handler)
        self._server.daemon_threads = True
        self._port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def stop(self) -> None:
        """Is reachable no more."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def answer(self, body: str, path: str = "/add-checkpoint") -> tuple[int, str]:
        """Status and text for one request (C2SP tlog-witness)."""
        self.asked += 1
        head, _, note = body.partition("\n\n")
        first, *lines = head.split("\n")
        origin = note.split("\n")[0]
        if path != "/add-checkpoint" or not first.startswith("old "):
            return 400, "no request\n"
        if origin not in self.logs:
            return 404, "unknown log\n"
        try:
            checkpoint = open_checkpoint(note, self.logs[origin])
        except NoteError:
            return 403, "no signature of the log\n"
        old = int(first.removeprefix("old "))
        if old > checkpoint.size:
            return 400, "old is above the checkpoint\n"
        with self._lock:
            size, root = self.seen.get(origin, (0, EMPTY_ROOT))
            if old != size:
                return 409, f"{size}\n"
            proof = [base64.b64decode(line) for line in lines]
            if not consistency_holds(size, root, checkpoint.size, checkpoint.root, proof):
                return 422, "bad consistency proof\n"
            self.seen[origin] = checkpoint.size, checkpoint.root
        return 200, cosign(note, self._name, self._private, int(time.time())) + "\n"


@contextmanager
def small_witness(logs: dict[str, str], name: str = NAME) -> Iterator[SmallWitness]:
    """The small one, listening."""
    small = SmallWitness(logs, name).start()
    try:
        yield small
    finally:
        small.stop()


@contextmanager
def litewitness(logs: dict[str, str]) -> Iterator[Witness]:
    """The C2SP witness that others wrote, with a key of its own in an ssh-agent of its own."""
    assert LITEWITNESS
    with tempfile.TemporaryDirectory(prefix="lw") as name, _processes() as started:
        folder = Path(name)
        private = Ed25519PrivateKey.generate()
        fingerprint = _write_ssh_key(folder / "key", private)
        agent = folder / "agent"
        started.append(
            subprocess.Popen(["ssh-agent", "-D", "-a", agent], stdout=subprocess.DEVNULL)
        )
        _until(agent.exists)
        subprocess.run(
            ["ssh-add", "-q", folder / "key"],
            env={**os.environ, "SSH_AUTH_SOCK": str(agent)},
            check=True,
            stderr=subprocess.DEVNULL,
        )
        port = _free_port()
        database = folder / "witness.db"
        command = [LITEWITNESS, f"-name={NAME}", f"-db={database}", f"-ssh-agent={agent}"]
        command += [f"-listen=127.0.0.1:{port}", f"-key={fingerprint}"]
        started.append(subprocess.Popen(command, stderr=subprocess.DEVNULL))
        url = f"http://127.0.0.1:{port}/"
        _until(lambda: _answers(url))
        with closing(sqlite3.connect(database, isolation_level=None, timeout=5)) as rows:
            for origin, key in logs.items():
                empty = base64.b64encode(EMPTY_ROOT).decode()
                rows.execute("INSERT INTO log VALUES (?, 0, ?)", (origin, empty))
                rows.execute("INSERT INTO key VALUES (?, ?)", (origin, key))
        yield Witness(witness_key(NAME, private.public_key()), url)


@contextmanager
def _processes() -> Iterator[list[subprocess.Popen[bytes]]]:
    started: list[subprocess.Popen[bytes]] = []
    try:
        yield started
    finally:
        for one in reversed(started):
            one.kill()
            one.wait()


def _write_ssh_key(path: Path, private: Ed25519PrivateKey) -> str:
    path.write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.OpenSSH,
            serialization.NoEncryption(),
        )
    )
    path.chmod(0o600)
    said = subprocess.run(["ssh-keygen", "-lf", path], check=True, capture_output=True, text=True)
    return said.stdout.split()[1]


def _answers(url: str) -> bool:
    with suppress(OSError), urllib.request.urlopen(url, timeout=1):
        return True
    return False


def _until(true: object, within_s: float = 20.0) -> None:
    deadline = time.monotonic() + within_s
    while not true():  # type: ignore[operator]
        assert time.monotonic() < deadline, "the witness did not come up"
        time.sleep(0.02)


def _free_port() -> int:
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
