"""Reports of the console: parity with its plots, consistency, and what crossed the borders of authorities."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, get
from litestar.exceptions import NotFoundException
from litestar.response import Template

from broker.auditor import borders_said, consistency_said
from broker.auditor.borders_said import Made as Borders
from broker.auditor.borders_said import concerned
from broker.auditor.parity import reporting
from broker.auditor.parity.plots import rates, ratios
from broker.auditor.parity.words import found_out, hours, percent, shown, stage_rows, words
from broker.desk import consultations
from broker.desk.audit_ledger import EXPECTED, ledger_of, problem
from broker.desk.audit_map import between_authorities, map_of
from broker.desk.pages import page
from broker.desk.people import Person, Role
from broker.desk.running import RunningDesk
from broker.desk.signing_in import only_for

PLOTS = ("rates", "ratios")
SHOWN = 100
"""So many differences on a page at most."""
Page = Request[Person, Any, Any]


@get("/audit/parity", guards=[only_for(Role.AUDITOR)])
async def parity(request: Page, desk: RunningDesk) -> Template:
    """Whether every voice fared alike: the published version, small numbers left out."""
    try:
        report = await _parity(request, desk)
    except EXPECTED as error:
        return problem(request, "Parity", error)
    figures = report.figures
    rows = stage_rows(figures)
    return page(
        request,
        "audit_parity",
        about=report.about,
        overall=figures.overall.value,
        said=found_out(figures, report.weights, report.policy),
        rows=rows,
        plotted=any(one.ratio is not None for one in figures.headlines),
        percent=percent,
        waited=[
            (
                words(one.key),
                "hidden" if one.hidden else shown(one.alerts),
                "hidden" if one.hidden else shown(one.considered),
                "hidden" if one.hidden else hours(one.median),
            )
            for one in figures.waited
        ],
    )


@get("/audit/parity/plot/{name:str}", guards=[only_for(Role.AUDITOR)])
async def plot(request: Page, desk: RunningDesk, name: str) -> Response[bytes]:
    """One of the plots of the same report, as a picture."""
    if name not in PLOTS:
        raise NotFoundException("there is no such plot")
    try:
        report = await _parity(request, desk)
    except EXPECTED:
        raise NotFoundException("there is no report to draw") from None
    figures = report.figures
    plain = [
        (row, (one.ratio.ratio, one.ratio.low, one.ratio.high))
        for row, one in zip(stage_rows(figures), figures.headlines, strict=True)
        if one.ratio is not None
    ]
    if not plain:
        raise NotFoundException("there is nothing to draw")
    drawn = [row for row, _ in plain]

    def picture() -> str:
        points = [at for _, at in plain]
        return rates(drawn) if name == "rates" else ratios(drawn, points, report.about.band)

    svg = await ledger_of(request).made(("plot", name), picture)
    return Response(svg.encode(), media_type="image/svg+xml")


@get("/audit/consistency", guards=[only_for(Role.AUDITOR)])
async def consistency(request: Page, desk: RunningDesk) -> Template:
    """Whether equal facts had equal outcomes, whoever published and received."""
    asked = consistency_said.Request(None, None)
    try:
        made = await ledger_of(request).made(
            ("consistency",), lambda: consistency_said.report(desk.settings, asked)
        )
    except EXPECTED as error:
        return problem(request, "Consistency", error)
    ordered = sorted(made.found.disagreements, key=consistency_said.findings_first)
    return page(
        request,
        "audit_consistency",
        counts=consistency_said.counts_of(made.found),
        differences=[
            {
                "heading": consistency_said.heading(one),
                "why": consistency_said.WHY_IN_WORDS[one.why],
                "notes": [f"Between {', '.join(map(consistency_said.short, one.explained_by))}."]
                if one.explained_by
                else [],
                "confirmed": one.confirmed,
                "variants": [
                    (
                        consistency_said.some(each.publishers),
                        consistency_said.some(each.recipients) or "all",
                        consistency_said.outcome_words(one, each),
                    )
                    for each in one.variants
                ],
                "facts": [
                    (name.replace("_", " "), consistency_said.value_words(value))
                    for name, value in one.facts.items()
                ],
            }
            for one in ordered[:SHOWN]
        ],
        more=max(len(ordered) - SHOWN, 0),
        categories=made.categories,
    )


@get("/audit/borders", guards=[only_for(Role.AUDITOR)])
async def borders(
    request: Page, desk: RunningDesk, small: bool = False, england: bool = False
) -> Template:
    """What crossed the borders of authorities: a map, and the same figures as a table."""

    def counted() -> Borders:
        return borders_said.report(desk.settings, None, (None, None), authorised=small)

    try:
        made = await ledger_of(request).made(("borders", str(small)), counted)
    except EXPECTED as error:
        return problem(request, "Across the borders", error)
    if small:
        consultations.note(desk, request.user, "search", "borders")
    else:
        consultations.shows_nobody()
    between = between_authorities(made.between)
    return page(
        request,
        "audit_borders",
        drawn=map_of(between, whole=england),
        rows=[_row(one) for one in _told_first(concerned(made.between))],
        head=[words_ for name, words_ in borders_said.SHOWN if name not in ("no_nexus", "own")],
        silent=len(made.found.silent),
        small=small,
        england=england,
    )


def _told_first(lines: Any) -> list[Any]:
    return sorted(lines, key=lambda one: (-(one.counts["told"] or 0), one.origin, one.to))


def _row(one: Any) -> dict[str, Any]:
    return {
        "from": borders_said.named(one.origin.name, one.origin.code),
        "to": borders_said.named(one.to.name, one.to.code),
        "told": borders_said.count_words(one.counts["told"]),
        "counts": [
            borders_said.count_words(one.counts[name])
            for name, _ in borders_said.SHOWN
            if name not in ("no_nexus", "own")
        ],
        "acknowledged_after": borders_said.time_words(one.to_acknowledgement_s),
    }


async def _parity(request: Page, desk: RunningDesk) -> reporting.Report:
    return await ledger_of(request).made(("parity",), lambda: reporting.made(desk.settings, None))


HANDLERS = (parity, plot, consistency, borders)
