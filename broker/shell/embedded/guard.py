"""A small process between the broker and Kafka, so that Kafka never outlives the broker.

Run by path with the plain interpreter (`python -I -S guard.py OUTPUT GRACE_S COMMAND...`): only the
standard library may be imported here. It starts COMMAND with its output going to the file OUTPUT,
prints the process number, and then obeys the pipe on its standard input: `stop` asks COMMAND to
end, `kill` ends it at once, and the end of the pipe, which is what is left of a parent that was
killed, means the same as `stop`. After GRACE_S seconds a polite request becomes a `kill`. It
exits with COMMAND's exit status. A guard that is itself killed takes COMMAND along (on Linux, by
the parent-death signal).
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_POLL_S = 0.2


def die_with_parent() -> None:
    """Ask Linux to kill this process when the thread that started it ends; elsewhere do nothing."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def wanted(parent: int, asked_to_end: list[int]) -> str:
    """What is asked of the guard within the next fifth of a second: "", "stop" or "kill"."""
    readable, _, _ = select.select([sys.stdin], [], [], _POLL_S)
    if readable:
        word = os.read(sys.stdin.fileno(), 64)
        return "kill" if b"kill" in word else "stop"
    # A forked child of the parent may hold the pipe open; a changed parent tells all the same.
    return "stop" if asked_to_end or os.getppid() != parent else ""


def end(child: subprocess.Popen[bytes], grace_s: float, *, at_once: bool) -> None:
    """End `child`, by request unless `at_once`, by force after `grace_s` seconds."""
    if not at_once:
        child.terminate()
        try:
            child.wait(grace_s)
        except subprocess.TimeoutExpired:
            pass
        else:
            return
    child.kill()
    child.wait()


def main(arguments: list[str]) -> int:
    """Guard one command until it ends; returns its exit status."""
    parent = os.getppid()
    output, grace_s, command = Path(arguments[0]), float(arguments[1]), arguments[2:]
    asked_to_end: list[int] = []
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the broker, which then says stop
    signal.signal(signal.SIGTERM, lambda number, _frame: asked_to_end.append(number))
    with output.open("ab") as log:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            close_fds=False,  # the claim on Kafka's folder is to last as long as Java does
            preexec_fn=die_with_parent,  # noqa: PLW1509 -- the guard has one thread
        )
    sys.stdout.write(f"{child.pid}\n")
    sys.stdout.flush()
    while child.poll() is None:
        word = wanted(parent, asked_to_end)
        if word:
            end(child, grace_s, at_once=word == "kill")
    return child.returncode & 0xFF


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
