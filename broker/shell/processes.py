"""The broker's processes, started, watched, restarted and stopped by one supervisor."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO

import structlog

from broker.shell.run import PARENT, PROCESSES

STOP_WITHIN_S = 10.0
RESTARTS_A_MINUTE = 10
MINUTE_S = 60.0

log = structlog.get_logger()


class ProcessesError(RuntimeError):
    """A process that cannot be kept running; names its log."""


class Supervisor:
    """Starts each process once and again when it ends; each logs to `<log_dir>/<name>.log`."""

    def __init__(
        self, environment: Mapping[str, str], log_dir: Path, ports: Mapping[str, int]
    ) -> None:
        """`environment` is added to this process's own; each process shows itself on its port."""
        self._ports = ports
        self._environment = {**os.environ, **environment}
        self._log_dir = log_dir
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._starts: dict[str, list[float]] = {name: [] for name in PROCESSES}
        self._logs: list[IO[bytes]] = []

    def start(self) -> None:
        """Starts all processes."""
        self._log_dir.mkdir(parents=True, exist_ok=True)
        for name in PROCESSES:
            self._start(name)

    def watch(self) -> None:
        """Starts again what has ended. Raises ProcessesError where a process cannot stay up."""
        for name, process in list(self._running.items()):
            code = process.poll()
            if code is None:
                continue
            log.warning("process_ended", process=name, returncode=code)
            now = time.monotonic()
            recent = [moment for moment in self._starts[name] if now - moment < MINUTE_S]
            if len(recent) >= RESTARTS_A_MINUTE:
                raise ProcessesError(
                    f"the {name} process ended {len(recent)} times within a minute: "
                    f"see {self._log_dir / name}.log"
                )
            self._start(name)

    def pids(self) -> dict[str, int]:
        """Process numbers by name."""
        return {name: process.pid for name, process in self._running.items()}

    def stop(self) -> None:
        """Asks each to end, waits, and ends by force what does not."""
        for process in self._running.values():
            process.terminate()
        deadline = time.monotonic() + STOP_WITHIN_S
        for process in self._running.values():
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._running.clear()
        for stream in self._logs:
            stream.close()
        self._logs.clear()

    def _start(self, name: str) -> None:
        stream = (self._log_dir / f"{name}.log").open("ab")
        self._logs.append(stream)
        self._starts[name].append(time.monotonic())
        # A session of its own: Ctrl-C at the terminal reaches the supervisor, which stops them.
        self._running[name] = subprocess.Popen(
            [sys.executable, "-m", "broker.shell.run", name],
            env={
                **self._environment,
                "BROKER_METRICS_PORT": str(self._ports.get(name, 0)),
                PARENT: str(os.getpid()),
            },
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        )
