"""Crash points: places where the fault tests end a process as `kill -9` would.

A point does nothing unless BROKER_CRASH_AT names it. The tests arm one point at a time and check
from outside that nothing was lost, sent twice or left unrecorded.
"""

from __future__ import annotations

import os
import signal
from collections import Counter

POINTS = (
    "intake.received",
    "intake.state_flushed",
    "intake.parts_sent",
    "intake.sets_sent",
    "intake.acknowledged",
    "decide.received",
    "decide.decided",
    "decide.state_flushed",
    "decide.sent",
    "decide.acknowledged",
    "ledger.epoch_taken",
    "ledger.received",
    "ledger.before_commit",
    "ledger.committed",
    "ledger.witnessed",
    "ledger.cosigned",
    "ledger.tiles_published",
    "ledger.transaction_begun",
    "ledger.outbox_sent",
    "ledger.transaction_committed",
    "ledger.pruned",
)
"""Every point, in the order in which an event passes them."""
ERASURE_POINTS = (
    "intake.erasure_sent",
    "intake.forgotten",
    "decide.erasure_sent",
    "decide.key_destroyed",
    "decide.state_erased",
    "decide.certificate_sent",
)
"""Points that only an erasure passes, in order."""

_passed: Counter[str] = Counter()


def point(name: str, armed: str) -> None:
    """Kill this process with SIGKILL if `armed` is `<name>:<n>` and this is the n-th passing."""
    if not armed:
        return
    wanted, _, count = armed.partition(":")
    if wanted != name:
        return
    _passed[name] += 1
    if _passed[name] >= int(count or 1):
        os.kill(os.getpid(), signal.SIGKILL)
