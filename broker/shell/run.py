"""Starts one process of the broker: `python -m broker.shell.run intake|decide|ledger|clock`.

A process ends with its parent: `broker up` leaves nothing running, however it ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from broker.shell.settings import Settings

PROCESSES = ("intake", "decide", "ledger", "clock")
PR_SET_PDEATHSIG = 1
PARENT = "BROKER_PARENT"
"""Environment variable: number of the process that starts this one, and with which it must end."""


def main(arguments: list[str]) -> int:
    """Runs the named process until it is told to stop; 2 for a name that is none of PROCESSES."""
    if len(arguments) != 1 or arguments[0] not in PROCESSES:
        sys.stderr.write(f"usage: python -m broker.shell.run {'|'.join(PROCESSES)}\n")
        return 2
    end_with_parent()
    name = arguments[0]
    settings = Settings().model_copy(update={"process": name})
    if name in {"ledger", "clock"}:
        if name == "ledger":
            from broker.shell.ledger_worker import run  # noqa: PLC0415 -- each process loads only its own step
        else:
            from broker.shell.clock_worker import run  # noqa: PLC0415 -- see above

        with contextlib.suppress(KeyboardInterrupt, asyncio.CancelledError):
            asyncio.run(_until_told(run(settings)))
        return 0
    _run_faust(name, settings)
    return 0


def _run_faust(name: str, settings: Settings) -> None:
    if name == "intake":
        from broker.shell.intake_worker import build  # noqa: PLC0415 -- see above
    else:
        from broker.shell.decide_worker import build  # noqa: PLC0415 -- see above
    app = build(settings)
    app.finalize()
    # Faust draws a spinner on stdout, which is nobody's here; the logs go to stderr.
    sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 -- for the life of the process
    # The app setting alone does not keep Faust from opening its web port; the option does.
    # Above info Faust sets the root logger to DEBUG, for its spinner, and every debug line of every library
    # becomes a record that nobody reads; our own logging configuration holds in any case.
    sys.argv = [name, "--quiet", "worker", "--without-web", "--loglevel", "info"]
    app.main()


async def _until_told(work: Coroutine[Any, Any, None]) -> None:
    """Runs `work` until it ends or SIGTERM asks for an orderly stop."""
    task = asyncio.get_running_loop().create_task(work)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    await task


def end_with_parent() -> None:
    """On Linux, asks the kernel to kill this process when its parent has gone.

    Not to stop it in order: that would wait for a Kafka that may have gone too, and a kill is
    harmless here (tests/simulation).
    """
    if not sys.platform.startswith("linux"):
        return
    # Who started it says who it is: the parent may have gone while this process was being loaded.
    parent = int(os.environ.get(PARENT) or os.getppid())
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
