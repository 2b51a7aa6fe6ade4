"""The policies as an auditor asks about them: the decision table, one decision explained, a proposal."""

from __future__ import annotations

import asyncio
import datetime
from collections import Counter
from pathlib import Path
from typing import Any

from litestar import Request, get
from litestar.response import Template

from broker.auditor import decision_space, proposed_compared
from broker.auditor import why as explaining
from broker.auditor.asked import AskedError
from broker.desk import consultations
from broker.desk.audit_ledger import EXPECTED, UNPROCESSABLE, ledger_of, problem
from broker.desk.audit_search import ID
from broker.desk.pages import page
from broker.desk.people import Person, Role
from broker.desk.running import RunningDesk
from broker.desk.signing_in import only_for
from broker.policies.table import WITHHELD
from broker.shell.policy import load_policy
from broker.shell.settings import Settings

SHOWN = 200
PROPOSED = "proposed"
"""Folder of proposals, beside the policies in force or in the data folder."""
OUTCOMES = {
    "PERMIT CONTENT": "Told",
    "PERMIT EXISTENCE": "Only that it exists",
    "REVIEW": "A person decides",
    "DENY": "Not told",
}
Page = Request[Person, Any, Any]


@get("/audit/policy", guards=[only_for(Role.AUDITOR)])
async def table(
    request: Page, desk: RunningDesk, agreement: str = "", publisher: str = "", to: str = ""
) -> Template:
    """Who may be told what: every combination, decided by the code that decides statements."""
    today = datetime.datetime.now(datetime.UTC).date()
    policy = await asyncio.to_thread(load_policy, desk.settings)
    kinds = sorted({one.kind for one in policy.reference.organisations.values()})
    agreements = [one.id for one in policy.bundle.agreements]
    given: dict[str, Any] = {
        "kinds": kinds,
        "agreements": agreements,
        "agreement": agreement,
        "publisher": publisher or "charity",
    }
    name = ("table", agreement, given["publisher"], str(today), policy.hashes.bundle)
    try:
        made = await ledger_of(request).made(
            name,
            lambda: decision_space.make(
                desk.settings, today, agreement or None, given["publisher"]
            ),
        )
    except EXPECTED as error:
        return page(request, "audit_policy", UNPROCESSABLE, said=str(error), made=None, **given)
    counted = decision_space.by_kind(made.table)
    return page(
        request,
        "audit_policy",
        made=made,
        said="",
        outcomes=OUTCOMES,
        counts=[
            (kind, [counted[kind, one] for one in OUTCOMES])
            for kind in sorted({kind for kind, _ in counted})
        ],
        to=to,
        entries=_entries(made, to) if to else [],
        titles=sorted(made.about.titles.items()),
        **given,
    )


@get("/audit/why", guards=[only_for(Role.AUDITOR)])
async def why(request: Page, desk: RunningDesk, event: str = "", recipient: str = "") -> Template:
    """One decision in plain English, for whoever has to answer for it."""
    given: dict[str, Any] = {"event": event.strip(), "recipient": recipient.strip()}
    if not event and not recipient:
        consultations.shows_nobody()
        return page(request, "audit_why", answer=None, said="", **given)
    if not ID.fullmatch(given["event"]) or not given["recipient"]:
        consultations.shows_nobody()
        said = "Enter the id of an event, and a recipient: a code, CODE:role, or a name"
        return page(request, "audit_why", UNPROCESSABLE, answer=None, said=said, **given)
    try:
        answer = await asyncio.to_thread(
            explaining.explain, desk.settings, given["event"], given["recipient"], None, None
        )
    except EXPECTED as error:
        consultations.shows_nobody()
        return page(request, "audit_why", UNPROCESSABLE, answer=None, said=str(error), **given)
    consultations.note(desk, request.user, "search", answer.event_id, answer.organisation)
    return page(request, "audit_why", answer=answer, said="", **given)


@get("/audit/shadow", guards=[only_for(Role.AUDITOR)])
async def shadow(request: Page, desk: RunningDesk, folder: str = "") -> Template:
    """What a proposed folder of policies would have decided otherwise. Nothing is told or recorded."""
    folders = proposals(desk.settings)
    if not folder:
        consultations.shows_nobody()
        return page(request, "audit_shadow", folders=sorted(folders), folder="", compared=None)
    chosen = folders.get(folder)
    if chosen is None:
        error = AskedError(f"there is no folder {folder!r} among the proposals")
        return problem(request, "Proposed policies", error)
    try:
        compared = await asyncio.to_thread(
            proposed_compared.compare, desk.settings, chosen, None, None
        )
    except EXPECTED as error:
        return problem(request, "Proposed policies", error)
    changes = compared.found.changes
    consultations.note(
        desk, request.user, "search", *sorted({one.event_id for one in changes[:SHOWN]})
    )
    return page(
        request,
        "audit_shadow",
        folders=sorted(folders),
        folder=folder,
        compared=compared,
        summary=proposed_compared.summary(compared),
        changes=changes[:SHOWN],
        more=max(len(changes) - SHOWN, 0),
    )


def proposals(settings: Settings) -> dict[str, Path]:
    """Name -> folder of every proposal that lies where operators put them."""
    found: dict[str, Path] = {}
    for beside in (settings.policies_dir / PROPOSED, settings.data_dir / PROPOSED):
        if beside.is_dir():
            found |= {one.name: one for one in beside.iterdir() if (one / "law").is_dir()}
    return found


def _entries(made: decision_space.Made, to: str) -> list[dict[str, Any]]:
    """Rows for one kind of recipient, those decided alike together, the most frequent first."""
    together: dict[Any, Counter[str]] = {}
    for row in made.table.rows:
        if min(row.values("recipient")).partition(":")[0] == to:
            counted = together.setdefault(row.answer, Counter())
            counted["combinations"] += row.count
    return [
        {
            "outcome": OUTCOMES.get(
                f"{answer.outcome} {answer.mode}", OUTCOMES.get(answer.outcome)
            ),
            "combinations": counted["combinations"],
            "shown": sorted(
                {one.field.replace("_", " ") for one in answer.cells if _is_shown(one)}
            ),
            "by": sorted({one.by for one in answer.cells if _is_shown(one)}),
            "withheld_by": sorted({one.by for one in answer.cells if not _is_shown(one)}),
        }
        for answer, counted in sorted(together.items(), key=lambda one: -one[1]["combinations"])[
            :SHOWN
        ]
    ]


def _is_shown(cell: Any) -> bool:
    return cell.outcome != WITHHELD and "person" not in cell.outcome


HANDLERS = (table, why, shadow)
