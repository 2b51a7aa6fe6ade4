"""The ledger as the auditors' console reads it: in a thread, and once for each state of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from litestar import Request
from litestar.response import Template

from broker.auditor.asked import AskedError
from broker.auditor.recorded import shards_of
from broker.auditor.report import BadLedgerError
from broker.desk import consultations
from broker.desk.pages import page
from broker.desk.running import RunningDesk
from broker.ledger import LedgerError
from broker.policies.errors import PolicyFileError
from broker.shell.keys import KeysError

EXPECTED = (AskedError, BadLedgerError, LedgerError, KeysError, PolicyFileError, OSError)
"""Errors whose message is for people."""
UNPROCESSABLE = 422
KEPT = 24
ValueT = TypeVar("ValueT")


class LedgerDesk:
    """Reports of one state of the ledger are made once and kept in memory until it is another."""

    def __init__(self, desk: RunningDesk) -> None:
        """`desk` is the auditors'."""
        self.folder = desk.settings.ledger_dir
        self._made: dict[tuple[str, ...], tuple[str, Any]] = {}
        self._one_at_a_time = asyncio.Lock()

    async def made(self, name: tuple[str, ...], work: Callable[[], ValueT]) -> ValueT:
        """What `work` makes of the ledger as it stands; in a thread, and one report at a time."""
        async with self._one_at_a_time:
            state = await asyncio.to_thread(state_of, self.folder)
            kept = self._made.get(name)
            if kept is None or kept[0] != state:
                kept = (state, await asyncio.to_thread(work))
                self._made.pop(name, None)
                self._made[name] = kept
                if len(self._made) > KEPT:
                    self._made.pop(next(iter(self._made)))
        value: ValueT = kept[1]
        return value


def state_of(folder: Path) -> str:
    """The published checkpoints, one after another: another text once the ledger has grown."""
    return "\n".join((shard / "checkpoint").read_text("utf-8") for shard in shards_of(folder))


def ledger_of(request: Request[Any, Any, Any]) -> LedgerDesk:
    """The ledger of this console; made once."""
    state = request.app.state
    if not hasattr(state, "ledger_desk"):
        state.ledger_desk = LedgerDesk(state.desk)
    found: LedgerDesk = state.ledger_desk
    return found


def problem(request: Request[Any, Any, Any], title: str, error: Exception) -> Template:
    """The page that says why something cannot be shown, and what to do."""
    consultations.shows_nobody()
    said = " ".join(str(error).split()) or type(error).__name__
    return page(request, "audit_problem", UNPROCESSABLE, title=title, said=said)
