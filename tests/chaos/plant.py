"""A whole broker that faults are done to: Kafka behind a proxy, its processes, its disks, its clocks."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from broker.shell.certificates import make_certificates
from broker.shell.embedded import EmbeddedKafka, EmbeddedKafkaError
from broker.shell.security import CHECK_REVOCATION, server_properties
from tests.chaos.disks import Disks
from tests.chaos.proxy import Proxy, wait_for_port
from tests.simulation.harness import Broker

WORKERS = ("intake", "decide", "ledger")
SECOND = "second"
SOURCE = Path(__file__).with_name("preloaded.c")
SHIFT_BYTES = 8
KAFKA_STARTS = 5


class Plant:
    """Starts, kills and revives; nothing here knows of events."""

    def __init__(self, folder: Path, organisations: Sequence[str], *, mount: bool) -> None:
        """Everything lies in `folder`. Nothing runs before `start`."""
        self.folder, self.data_dir = folder, folder / "var"
        self.organisations = tuple(organisations)
        self.ended: list[str] = []
        """Processes that ended by themselves, with their exit codes."""
        self.disks = Disks(
            [self.data_dir / one for one in ("ledger", "state", "kafka")], mount=mount
        )
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._zombies: list[subprocess.Popen[bytes]] = []
        self.library = _library(folder)
        make_certificates(self.data_dir / "keys", organisations)
        self.proxy = Proxy()
        self.kafka = EmbeddedKafka(
            self.data_dir / "kafka",
            properties={
                **server_properties(self.data_dir / "keys"),
                "advertised.listeners": f"SSL://127.0.0.1:{self.proxy.port}",
            },
            java=CHECK_REVOCATION,
            min_free_mb=1,
            quiet=True,
        )
        self.bootstrap = f"127.0.0.1:{self.proxy.port}"
        self.broker = Broker(self.bootstrap, self.data_dir, organisations)

    # -------------------------------------------------------------------------- all of it

    def start(self) -> None:
        """Kafka, keys, topics, rights and the three processes."""
        self.start_kafka()
        self.broker.prepare()
        for name in WORKERS:
            self.start_worker(name)

    def stop(self) -> None:
        """Ends everything that was started here."""
        for one in [*self._processes.values(), *self._zombies]:
            with contextlib.suppress(ProcessLookupError):
                one.send_signal(signal.SIGCONT)
                one.kill()
            one.wait()
        if (pid := self.kafka.pid) is not None:
            os.kill(pid, signal.SIGCONT)
        self.kafka.kill()
        self.proxy.close()
        self.disks.close()

    def watch(self) -> None:
        """As the supervisor of `broker up` does: starts again whatever has ended."""
        if not self.kafka.alive():
            self.ended.append("kafka")
            self.start_kafka()
        for name in WORKERS:
            code = self._processes[name].poll()
            if code is not None:
                self.ended.append(f"{name} ({code})")
                self.start_worker(name)

    # ------------------------------------------------------------------------------- Kafka

    def start_kafka(self) -> None:
        """Starts Kafka, again where it is still busy with its own past."""
        with self._clock_of("kafka"):
            for attempt in range(KAFKA_STARTS):
                try:
                    self.kafka.start()
                    break
                except EmbeddedKafkaError:
                    if attempt == KAFKA_STARTS - 1:
                        raise
                    time.sleep(1)
        self.proxy.upstream = int(self.kafka.bootstrap.rpartition(":")[2])
        wait_for_port(self.proxy.upstream, 10)

    # ----------------------------------------------------------------------------- workers

    def start_worker(
        self,
        name: str,
        crash_at: str = "",
        more: Mapping[str, str] | None = None,
        *,
        second: bool = False,
    ) -> None:
        """Starts a process, armed to die at `crash_at`; a `second` one beside it has its own folder."""
        data_dir = self._second_folder() if second else self.data_dir
        environment = {
            **os.environ,
            "BROKER_KAFKA_BOOTSTRAP": self.bootstrap,
            "BROKER_DATA_DIR": str(data_dir),
            "BROKER_CRASH_AT": crash_at,
            **(more or {}),
        }
        logs = self.folder / "logs"
        logs.mkdir(exist_ok=True)
        key = f"{SECOND}-{name}" if second else name
        with (logs / f"{key}.log").open("ab") as log:
            self._processes[key] = subprocess.Popen(
                [sys.executable, "-m", "broker.shell.run", name],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def kill(self, name: str) -> None:
        """`kill -9`, of a stopped process too."""
        process = self._processes[name]
        process.kill()
        process.wait()

    def ask_to_end(self, name: str, within_s: float = 10.0) -> None:
        """SIGTERM, and `kill -9` for who does not listen."""
        process = self._processes[name]
        process.terminate()
        try:
            process.wait(within_s)
        except subprocess.TimeoutExpired:
            self.kill(name)

    def died(self, name: str, within_s: float) -> bool:
        """Whether the process ends within the time."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._processes[name].wait(within_s)
            return True
        return False

    def forget_second(self, name: str) -> None:
        """A second worker that has gone is not looked for again."""
        self._processes.pop(f"{SECOND}-{name}")

    def pid(self, name: str) -> int | None:
        """Number of a process; of Kafka that of Java."""
        return self.kafka.pid if name == "kafka" else self._processes[name].pid

    def signal(self, name: str, what: signal.Signals) -> None:
        """Sends a signal to a process if it lives."""
        if (pid := self.pid(name)) is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, what)

    def set_aside(self, name: str) -> subprocess.Popen[bytes]:
        """The process under a name, which a new one can take: the old one lives on."""
        process = self._processes.pop(name)
        self._zombies.append(process)
        return process

    def preload(self, name: str) -> dict[str, str]:
        """What puts a process on a clock that can be moved."""
        if self.library is None:
            return {}
        self._clock_file(name).write_bytes(bytes(SHIFT_BYTES))
        return {"LD_PRELOAD": str(self.library), "CLOCK_SHIFT": str(self._clock_file(name))}

    def slow(self, milliseconds: int) -> dict[str, str]:
        """What makes every sync of a process take so much longer."""
        return {"LD_PRELOAD": str(self.library), "SLOW_DISK_MS": str(milliseconds)}

    def set_clock(self, name: str, shift_s: int) -> None:
        """The wall clock of a process that was started with `preload` is so far ahead from now on."""
        with self._clock_file(name).open("r+b") as shift:
            shift.write(shift_s.to_bytes(SHIFT_BYTES, sys.byteorder, signed=True))

    def _clock_file(self, name: str) -> Path:
        return self.folder / f"{name}.clock"

    @contextlib.contextmanager
    def _clock_of(self, name: str) -> Iterator[None]:
        """Kafka's guard takes this process's environment along."""
        more = self.preload(name)
        before = {key: os.environ.get(key) for key in more}
        os.environ.update(more)
        try:
            yield
        finally:
            for key, value in before.items():
                os.environ.pop(key, None) if value is None else os.environ.update({key: value})

    def _second_folder(self) -> Path:
        folder = self.folder / SECOND
        folder.mkdir(exist_ok=True)
        for name in ("keys", "ledger"):
            if not (folder / name).exists():
                (folder / name).symlink_to(self.data_dir / name)
        return folder


def _library(folder: Path) -> Path | None:
    """The preloaded library of moved clocks and slow disks, where there is a compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / "preloaded.so"
    command = [compiler, "-O1", "-shared", "-fPIC", "-o", str(target), str(SOURCE), "-ldl"]
    done = subprocess.run(command, check=False, capture_output=True)
    return target if done.returncode == 0 else None
