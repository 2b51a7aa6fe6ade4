"""`broker up`: Kafka, topics, keys, the four processes, and the scenarios played on top.

One process owns all others: whatever ends it, nothing is left running. With `once` it stops after
everything is delivered and verified, and its exit code says whether all was as the scenarios say.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from broker.client.connection import ClientError
from broker.reference import load_reference
from broker.shell.closures import bring_in_line, connected, connected_today, follow
from broker.shell.demonstration import Demonstration, Verify
from broker.shell.embedded import EmbeddedKafkaError
from broker.shell.front_door import front_door
from broker.shell.key_changes import register_public
from broker.shell.key_register import PublicKey
from broker.shell.keys import KeysError, make_keys
from broker.shell.logs import configure
from broker.shell.processes import ProcessesError, Supervisor
from broker.shell.registered_keys import load_registered
from broker.shell.run import PROCESSES
from broker.shell.security import embedded_kafka, security_of_operator
from broker.shell.settings import Settings
from broker.shell.topics import TopicsError, ensure_topics
from broker.shell.watch.ports import ports_of, where, write_targets

FAILED = 1
INTERRUPTED = 130


def run_up(
    settings: Settings, *, once: bool, verify: Verify, console: Console | None = None
) -> int:
    """Runs the broker until it is told to stop (or, with `once`, until all is verified).

    Returns 0 if all went as the scenarios say, 1 if not or if something could not be started
    (with a message that says what to do), 130 after Ctrl-C before `once` was done.
    """
    out = console or Console()
    configure("up", settings.log_level if settings.log_level != "INFO" else "WARNING")
    try:
        with _told_to_stop(), _kafka(settings, out) as bootstrap:
            ready = settings.model_copy(update={"kafka_bootstrap": bootstrap})
            return asyncio.run(_serve(ready, out, verify, once=once))
    except KeyboardInterrupt:
        out.print("\nStopped; nothing is left running.")
        return INTERRUPTED if once else 0
    except (EmbeddedKafkaError, TopicsError, KeysError, ProcessesError, ClientError) as error:
        out.print(f"[red]{error}[/red]")
        return FAILED


async def _serve(settings: Settings, out: Console, verify: Verify, *, once: bool) -> int:
    organisations = connected(settings)
    own_keys = _registered(settings)
    make_keys(settings.keys_dir, organisations, own_keys)
    register_public(settings.keys_dir, own_keys)
    operator = security_of_operator(settings)
    created = await ensure_topics(settings.kafka_bootstrap, organisations, security=operator)
    rights = await _rights(settings, operator)
    out.print(
        f"Kafka at {settings.kafka_bootstrap}; {len(organisations)} organisations connected; "
        f"{len(created)} topics made; {rights}; state in {settings.data_dir}/"
    )
    ports = ports_of(settings, PROCESSES)
    write_targets(settings.data_dir, ports)
    out.print(where(ports))
    supervisor = Supervisor(_environment(settings), settings.data_dir / "log", ports)
    supervisor.start()
    doors = contextlib.ExitStack()
    if not once:
        door = doors.enter_context(front_door(_environment(settings), settings.data_dir / "log"))
        out.print(f"Pages for people: {door}")
    watching = asyncio.create_task(_watch(supervisor))
    following = asyncio.create_task(_follow(settings, operator))
    demonstration = Demonstration(settings, connected_today(settings), out, verify)
    playing = asyncio.create_task(demonstration.play(once=once))
    try:
        done, _ = await asyncio.wait({watching, playing}, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
        return playing.result()
    finally:
        for task in (watching, playing, following):
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError, ProcessesError):
            await asyncio.gather(watching, playing, following, return_exceptions=True)
        doors.close()
        supervisor.stop()


async def _rights(settings: Settings, security: Mapping[str, Any]) -> str:
    """Sets rights and quotas, and says how many there are."""
    if settings.kafka_security == "plaintext":
        return "[red]no TLS and no rights: whoever reaches this Kafka may read and write all[/red]"
    if settings.kafka_rights == "elsewhere":
        return "TLS; rights are set elsewhere"
    change = await bring_in_line(settings, security)
    return f"TLS; {change.rights} rights, {change.added} added, {change.removed} taken away"


def _registered(settings: Settings) -> dict[str, tuple[PublicKey, ...]]:
    """Keys that organisations registered themselves."""
    register = load_reference(settings.codesets_dir, settings.organisations_dir).organisations
    return load_registered(settings.organisations_dir, register)


async def _follow(settings: Settings, security: Mapping[str, Any]) -> None:
    """Rights follow the register while the broker runs, where it is the one that sets them."""
    if settings.kafka_security != "plaintext" and settings.kafka_rights != "elsewhere":
        await follow(settings, security)


async def _watch(supervisor: Supervisor) -> None:
    while True:
        supervisor.watch()
        await asyncio.sleep(0.2)


@contextlib.contextmanager
def _kafka(settings: Settings, out: Console) -> Iterator[str]:
    """The bootstrap address: the external Kafka's if one is set, else of the embedded one."""
    if settings.kafka_bootstrap:
        yield settings.kafka_bootstrap
        return
    with out.status("Starting the embedded Apache Kafka ..."):
        kafka = embedded_kafka(settings, connected_today(settings)).start()
    try:
        yield kafka.bootstrap
    finally:
        kafka.stop()


@contextlib.contextmanager
def _told_to_stop() -> Iterator[None]:
    """SIGTERM ends `broker up` in the same order as Ctrl-C does."""

    def stop(_number: int, _frame: object) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    # A shell starts a job in the background with Ctrl-C ignored: here it is heard again.
    interrupted = signal.signal(signal.SIGINT, signal.default_int_handler)
    terminated = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, terminated)
        signal.signal(signal.SIGINT, interrupted)


def _environment(settings: Settings) -> dict[str, str]:
    """What the child processes must know; paths made absolute."""
    return {
        "BROKER_KAFKA_BOOTSTRAP": settings.kafka_bootstrap,
        "BROKER_KAFKA_SECURITY": settings.kafka_security,
        "BROKER_DATA_DIR": str(Path(settings.data_dir).resolve()),
        "BROKER_SCHEMAS_DIR": str(settings.schemas_dir),
        "BROKER_POLICIES_DIR": str(settings.policies_dir),
        "BROKER_NAME": settings.name,
        "BROKER_LOG_LEVEL": settings.log_level,
        "BROKER_TRACE_SHARE": str(settings.trace_share),
        "BROKER_TRACE_ENDPOINT": settings.trace_endpoint,
    }
