"""`Verify now`: the whole ledger read again from its files, with how far it is while one waits."""

from __future__ import annotations

import asyncio
import datetime
from typing import Any

import structlog
from litestar import Request, get, post
from litestar.response import Redirect, Template

from broker.auditor.report import Report
from broker.auditor.verify import verify_ledger
from broker.desk.pages import page
from broker.desk.people import Person, Role
from broker.desk.running import RunningDesk
from broker.desk.signing_in import Form, only_for

log = structlog.get_logger()
Page = Request[Person, Any, Any]


class Run:
    """One verification: begun when, how far, and what it found."""

    def __init__(self) -> None:
        """Begins now."""
        self.began = datetime.datetime.now(datetime.UTC)
        self.ended: datetime.datetime | None = None
        self.report: Report | None = None
        self.failed = False
        self._read: dict[str, tuple[int, int]] = {}

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self.ended is None

    def progress(self, shard: str, done: int, all_: int) -> None:
        """Takes how far a shard was read; called from the thread that reads."""
        self._read = {**self._read, shard: (done, all_)}

    @property
    def done(self) -> int:
        """Entries that were read."""
        return sum(done for done, _ in self._read.values())

    @property
    def all(self) -> int:
        """Entries of the logs that were begun."""
        return sum(all_ for _, all_ in self._read.values())

    @property
    def took_s(self) -> float:
        """Seconds from beginning to end, or until now."""
        ended = self.ended or datetime.datetime.now(datetime.UTC)
        return (ended - self.began).total_seconds()


class Verification:
    """The verifications of this console, one at a time; the last is kept in memory."""

    def __init__(self, desk: RunningDesk) -> None:
        """`desk` is the auditors'."""
        self._desk = desk
        self._task: asyncio.Task[None] | None = None
        self.last: Run | None = None

    def begin(self) -> None:
        """Begins one unless one runs: a second click does nothing."""
        if self.last is not None and self.last.is_running:
            return
        self.last = Run()
        self._task = asyncio.create_task(self._verify(self.last))

    async def _verify(self, run: Run) -> None:
        try:
            run.report = await asyncio.to_thread(
                verify_ledger,
                self._desk.settings.ledger_dir,
                allow_open=True,
                progress=run.progress,
            )
        except Exception as error:  # noqa: BLE001 -- a page says that it failed; the desk goes on
            log.error("desk_page_failed", error=type(error).__name__)
            run.failed = True
        finally:
            run.ended = datetime.datetime.now(datetime.UTC)


@get("/audit/verify", guards=[only_for(Role.AUDITOR)])
async def verify(request: Page) -> Template:
    """The last verification, and the button that begins one."""
    return page(request, "audit_verify", run=verification_of(request).last)


@get("/audit/verify/state", guards=[only_for(Role.AUDITOR)])
async def state(request: Page) -> Template:
    """How far it is, as a piece of the page."""
    return page(request, "audit_verify_state", run=verification_of(request).last)


@post("/audit/verify", guards=[only_for(Role.AUDITOR)], status_code=303)
async def begin(request: Page, data: Form) -> Redirect:  # noqa: ARG001 -- only the form's token is in it
    """Begins one."""
    verification_of(request).begin()
    return Redirect("/audit/verify", status_code=303)


def verification_of(request: Request[Any, Any, Any]) -> Verification:
    """The verifications of this console; made once."""
    state_ = request.app.state
    if not hasattr(state_, "verification"):
        state_.verification = Verification(state_.desk)
    found: Verification = state_.verification
    return found


HANDLERS = (verify, state, begin)
