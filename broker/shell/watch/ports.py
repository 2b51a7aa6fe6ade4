"""Where the processes of one `broker up` show themselves, for people, for Prometheus and for a health check.

`python -m broker.shell.watch.ports` asks every process whether it is ready: exit code 0 if all are, 1 if
one is not (its name and what is missing on stderr), 2 where nothing runs or shows itself.
"""

from __future__ import annotations

import http.client
import json
import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from broker.shell.settings import Settings

HOST = "127.0.0.1"
ANSWER_WITHIN_S = 3


def ports_of(settings: Settings, processes: Sequence[str]) -> Mapping[str, int]:
    """A port for each process: from the one that the settings name, else free ones; none with 0."""
    first = settings.metrics_port
    if first == 0:
        return {}
    if first is not None:
        return {name: first + number for number, name in enumerate(processes)}
    with ExitStack() as held:
        # All are held until all are chosen, so that no two are the same.
        sockets = [held.enter_context(socket.socket()) for _ in processes]
        for one in sockets:
            one.bind((HOST, 0))
        ports = [int(one.getsockname()[1]) for one in sockets]
    return dict(zip(processes, ports, strict=True))


def where(ports: Mapping[str, int]) -> str:
    """One line for people."""
    if not ports:
        return "No figures are shown (BROKER_METRICS_PORT=0)"
    named = ", ".join(f"{name} {port}" for name, port in ports.items())
    return f"Figures at http://{HOST}:PORT/metrics, /healthz, /readyz: {named}"


def targets_file(data_dir: Path) -> Path:
    """The ports as Prometheus's file discovery reads them."""
    return data_dir / "monitoring" / "targets.json"


def write_targets(data_dir: Path, ports: Mapping[str, int]) -> None:
    """Writes them, whole or not at all."""
    path = targets_file(data_dir)
    path.parent.mkdir(parents=True, exist_ok=True)
    groups = [{"targets": [f"{HOST}:{port}"]} for port in ports.values()]
    temporary = path.with_suffix(".new")
    temporary.write_text(json.dumps(groups, indent=1) + "\n", encoding="utf-8")
    temporary.replace(path)


def ask(address: str, path: str) -> tuple[int, str]:
    """(status, body) of one question; status 0 where nobody answers."""
    connection = http.client.HTTPConnection(address, timeout=ANSWER_WITHIN_S)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    except (OSError, http.client.HTTPException):
        return 0, ""
    finally:
        connection.close()


def main() -> int:
    """Asks every process of the data folder's last `broker up`."""
    path = targets_file(Settings().data_dir)
    groups = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    if not groups:
        sys.stderr.write(
            f"{path} names no process: start `broker up`, without BROKER_METRICS_PORT=0\n"
        )
        return 2
    code = 0
    for address in (target for group in groups for target in group["targets"]):
        status, body = ask(address, "/readyz")
        if status != http.client.OK:
            sys.stderr.write(f"not ready: {address}: {body.strip() or 'no answer'}\n")
            code = 1
    return code


if __name__ == "__main__":
    sys.exit(main())
