"""The parity report as one self-contained page: no script, and nothing from elsewhere.

Every table says in words what its colours say, and on a narrow screen each row becomes a card with
its column's name, as on the page of the decision table.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from typing import TYPE_CHECKING

from broker.auditor.parity.figures import Comparison
from broker.auditor.parity.measures import CHAIN, DIMENSIONS, EQUALITY, NAMED, counting
from broker.auditor.parity.plots import curves, rates, ratios
from broker.auditor.parity.queries import condition, median, pooled, ratio, sides_of
from broker.auditor.parity.times import Waited
from broker.auditor.parity.words import (
    NOTHING,
    SUPPRESSED,
    StageRow,
    found_out,
    hours,
    p_value,
    percent,
    row_of,
    shown,
    stage_rows,
    words,
)
from broker.commands.table_page import STYLE

if TYPE_CHECKING:
    from broker.auditor.parity.reporting import Report

OWN_STYLE = """
.verdict{display:inline-block;font-weight:700;border:2px solid;border-radius:.3rem;padding:0 .45rem}
.breach{color:#8a1c1c;background:#fbecec}
.pass{color:#0d5c2f;background:#e9f5ee;border-style:dashed}
.insufficient{color:#7a4a00;background:#fdf3e0;border-style:dotted}
.not-shown{color:#4c5866;background:#f3f6f9;border-style:dotted}
.overall{border:2px solid var(--line);border-left-width:.5rem;border-radius:.4rem;padding:.6rem 1rem;
max-width:60rem}
.overall.breach{background:#fbecec;border-color:#8a1c1c}
.overall.pass{background:#e9f5ee;border-color:#0d5c2f;border-style:solid}
.overall.insufficient{background:#fdf3e0;border-color:#7a4a00;border-style:solid}
.overall h2{margin:.2rem 0;color:var(--ink)}
.overall p,.overall li{color:var(--ink)}
.plots{display:flex;flex-wrap:wrap;gap:1rem 2rem}
figure{margin:.5rem 0 1rem;max-width:34rem;flex:1 1 22rem}
figure svg{width:100%;height:auto;display:block}
figcaption{font-size:.9rem;color:var(--quiet)}
ul{max-width:48rem}
pre{white-space:pre-wrap;overflow-wrap:anywhere;background:var(--soft);padding:.6rem;font-size:.8rem}
td,th{font-variant-numeric:tabular-nums}
@media(min-width:50.01rem){table{font-size:.88rem}th,td{padding:.4rem .45rem}}
@media(max-width:50rem){
tbody td{display:flex;justify-content:space-between;gap:.6rem;padding:.25rem .6rem;text-align:right}
tbody td[data-name]::before{text-align:left;flex:0 0 8rem}
main,header{padding:.6rem .8rem}h1{font-size:1.4rem}}
@media print{.marking{position:fixed;left:0;right:0;top:0}.marking.end{top:auto;bottom:0}
body{padding:2rem 0}details{display:block}}
"""
HEAD = (
    *("What", "Voice", "Compared with", "Rate", "Rate of the other", "Ratio"),
    *("Interval", "All together", "Equal content", "Verdict"),
)
UNITS = (
    "Units: statements up to “graded”, parts (what one statement says of one child, place or group) "
    "for “weighted”, part and recipient from “disclosed” on. A statement told to nine recipients is "
    "not nine observations: intervals are widened to what statements bear."
)
TAKEN_BACK = (
    "“Disclosed” counts recipients that have a nexus, and those told after a review. What was taken "
    "back since counts in no stage. Later answers belong to the first round of their part."
)
HABITS = ("received", "has_grade", "graded_2", "graded_d", "high_weight", "full", "withheld")
STAMPS = ("heard", "planned", "quick", "same_reason", "review_quick")


def page(report: Report) -> str:
    """The whole page."""
    title = "Parity report: was every voice heard alike?"
    marking = escape(report.about.marking)
    return (
        '<!doctype html><html lang="en-GB"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{marking}: {escape(title)}</title><style>{STYLE}{OWN_STYLE}</style></head><body>"
        f'<div class="marking">{marking}</div><header><h1>{escape(title)}</h1>{_preface(report)}'
        f"</header><main>{_top(report)}{_stages(report)}{_classes(report)}{_others(report)}"
        f"{_times(report)}{_equality(report)}{_weights(report)}{_method(report)}"
        f'</main><div class="marking end">{marking}</div></body></html>\n'
    )


def _preface(report: Report) -> str:
    about = report.about
    which = (
        "The auditor's version, with small numbers: not to be passed on."
        if about.authorised
        else "The published version: numbers of 1 to 5, and whatever would give one away, are left out."
    )
    return (
        f"<p>From the ledger as it stood on <strong>{about.until:%d %B %Y, %H:%M} UTC</strong>. "
        f"{which} Judged by parity policy version {about.policy_version} of "
        f"{about.policy_from:%d %B %Y}, <code>{about.policy_hash}</code>.</p>"
    )


def _top(report: Report) -> str:
    said = found_out(report.figures, report.weights, report.policy)
    together = report.figures.overall_corrected.value
    return (
        f'<section class="overall {report.figures.overall.value}"><h2>{escape(said.verdict)}</h2>'
        f"<p>With intervals that hold for all comparisons together: <strong>{together}</strong>.</p>"
        f"<h3>What the data say</h3>{_list(said.says)}"
        f"<h3>What they do not say</h3>{_list(said.does_not)}</section>"
    )


def _stages(report: Report) -> str:
    figures = report.figures
    rows = stage_rows(figures)
    plain = [
        (row, (one.ratio.ratio, one.ratio.low, one.ratio.high))
        for row, one in zip(rows, figures.headlines, strict=True)
        if one.ratio is not None
    ]
    plots = ""
    if plain:
        drawn = [row for row, _ in plain]
        held = ratios(drawn, [at for _, at in plain], report.about.band)
        plots = (
            f'<div class="plots">{_figure(rates(drawn), _of_rates(drawn), RATES_CAPTION)}'
            f"{_figure(held, _of_ratios(drawn), RATIOS_CAPTION)}</div>"
        )
    return _section(
        "Stage by stage",
        "Each stage has those that reached the stage before as its hundred, so that an earlier gap is "
        "not counted again. A ratio below 1 means that fewer of what families and the community said "
        "went on.",
        plots + _table(rows, "Families and the community with professionals"),
    )


RATES_CAPTION = "How many of a hundred went on, stage by stage."
RATIOS_CAPTION = (
    "Ratio of the two rates with its interval: diamond, breach; circle, pass; square, insufficient."
)


def _of_rates(rows: Sequence[StageRow]) -> str:
    said = [f"{row.title}: {percent(row.one)} against {percent(row.other)}" for row in rows]
    return "Rates of family or community against professional. " + "; ".join(said) + "."


def _of_ratios(rows: Sequence[StageRow]) -> str:
    said = [f"{row.title}: {row.ratio}, {row.interval}, {row.verdict}" for row in rows]
    return "Ratio of rates with interval. " + "; ".join(said) + "."


def _classes(report: Report) -> str:
    names = [stage.name for stage in CHAIN]
    rows = _rows(report, names, "provenance:")
    return _section(
        "Each class",
        "Each class of voice against professionals; a class of professionals against the others.",
        "".join(
            _folded(
                f"{NAMED[name].title}: {NAMED[name].says}",
                _table([row for row in rows if row.measure == name], NAMED[name].title),
            )
            for name in names
        ),
    )


def _others(report: Report) -> str:
    heads = _rows(report, (*HABITS, *STAMPS), "group:")
    tables = [_table(heads, "Families and the community with professionals")]
    for name in (*HABITS, *STAMPS):
        rows = _rows(report, (name,), "provenance:")
        tables.append(_folded(f"Each class: {NAMED[name].title.lower()}", _table(rows, name)))
    return _section(
        "Grades, weight, and how it was considered",
        "Partners are not asked to grade, and no grade is neutral: these figures show habits, not "
        "stages. A low grade is 3x5x2 evaluation 2 or assessment D, of those that have a grade. "
        f"“At once” is under {report.policy.quick_seconds} seconds; “same words” is one reason of one "
        f"organisation for {report.policy.same_reason} alerts or more.",
        "".join(tables),
    )


def _times(report: Report) -> str:
    head = ("Who said it", "Alerts", "Considered", "Median hours", "Interval")
    rows = [
        (
            words(one.key),
            SUPPRESSED if one.hidden else shown(one.alerts),
            SUPPRESSED if one.hidden else shown(one.considered),
            hours(one.median) if not one.hidden else SUPPRESSED,
            _between(one),
        )
        for one in report.figures.waited
    ]
    pair = [one for one in report.figures.waited if one.key.startswith("group:") and one.curve]
    plot = ""
    if pair and report.about.authorised:
        alt = "Share of alerts not yet considered over time. " + "; ".join(
            f"{words(one.key)}: median {hours(one.median)} hours" for one in pair
        )
        plot = _figure(curves(pair), alt, "Kaplan and Meier's estimate.")
    p = report.figures.wait_differs
    said = "" if p is None else f" Log-rank test of both waiting alike: p {p_value(p)}."
    return _section(
        "Time to consideration",
        "Hours from the alert to the first recorded consideration. Those not yet considered count as "
        f"still waiting; “{NOTHING}” means that half of them are.{said}",
        plot + _plain_table(head, rows, "Hours to consideration"),
    )


def _equality(report: Report) -> str:
    tables = []
    for column in DIMENSIONS:
        rows = _rows(report, [one.name for one in EQUALITY], f"{column}:")
        title = column.replace("_", " ").capitalize()
        tables.append(_table(rows, title) if rows else f"<p>{title}: nothing to compare.</p>")
    return _section(
        "Ethnicity, sex and age band",
        "Held apart from the flow: none of it reaches weight or decision. Each stated group against "
        "all others, on alerts, refusals and withheld fields.",
        "".join(tables),
    )


def _weights(report: Report) -> str:
    weights = report.weights
    if weights is None:
        return _section("Every weight from every voice", "No subjects' keys were at hand.", "")
    rows = [(name, shown(count)) for name, count in weights.counts.items() if count]
    body = _plain_table(("What became of it", "Weights"), rows, "Weights made again")
    if weights.differences and report.about.authorised:
        listed = [
            (one.set_id, one.what, str(one.recorded), str(one.derived))
            for one in weights.differences
        ]
        head = ("Decision set", "Voice", "Recorded", "Derived")
        body += _plain_table(head, listed, "Every difference")
    return _section(
        "Every weight from every voice",
        f"Each recorded weight was made again from the sealed facts, once for each of {weights.voices} "
        "classes of voice. Where the child's key was destroyed, only the audit row is left.",
        body,
    )


def _method(report: Report) -> str:
    policy = report.policy
    groups = "; ".join(
        f"{name.replace('_', ' ')}: {', '.join(one.value.replace('_', ' ') for one in classes)}"
        for name, classes in policy.groups.items()
    )
    compared = (
        f"Who is compared: {groups}. These are the two broad classes that recipients are shown."
    )
    verdict = (
        f"Verdict: breach if the whole {policy.level:.0%} interval lies outside {policy.band.low:g} to "
        f"{policy.band.high:g}, pass if it lies wholly inside, else insufficient; insufficient with "
        f"fewer than {policy.least_statements} statements on either side, and where equal content "
        "does not say the same."
    )
    content = (
        f"Equal content: {', '.join(policy.strata).replace('_', ' ')}; Mantel-Haenszel ratio with "
        "Greenland and Robins' interval. Nothing of who spoke makes a stratum."
    )
    lines = (compared, verdict, UNITS, content, TAKEN_BACK)
    return _section("How it was made", "", _list(lines) + _queries(report))


def _queries(report: Report) -> str:
    """Every figure's query, folded away."""
    strata = report.policy.strata
    blocks = [
        _query(f"{one.title} by group (or any other column)", counting(one, "group"))
        for one in NAMED.values()
    ]
    for one in report.figures.headlines:
        sides, measure = sides_of(one), NAMED[one.measure]
        blocks.append(_query(f"{measure.title}: ratio", ratio(measure, *sides)))
        blocks.append(_query(f"{measure.title}: equal content", pooled(measure, *sides, strata)))
    key = f"group:{report.policy.headline}"
    blocks.append(_query("Median hours to consideration", median(key)))
    return (
        "<p>Every figure can be made again from the ledger by these queries over the table of evidence, "
        "which the authorised auditor has (docs/queries/parity.md). For another comparison write its "
        f"sides in the place of <code>{escape(condition(key))}</code> and the other.</p>"
        + _folded("Queries", "".join(blocks))
    )


def _rows(report: Report, measures: Sequence[str], start: str) -> list[StageRow]:
    found: list[Comparison] = [
        one
        for name in measures
        for one in report.figures.comparisons
        if one.measure == name and one.key.startswith(start)
    ]
    return [row_of(one, report.figures) for one in found]


def _table(rows: Sequence[StageRow], caption: str) -> str:
    cells = (
        (
            escape(row.title),
            escape(row.who),
            escape(row.against),
            _kept(row.of_one),
            _kept(row.of_other),
            row.ratio,
            _kept(row.interval),
            _kept(row.corrected),
            _kept(row.equal),
            _verdict(row),
        )
        for row in rows
    )
    return _html_table(HEAD, cells, caption)


def _kept(text: str) -> str:
    """Numbers stay on one line; a bracket may go to the next."""
    kept = text.replace(" ", "&nbsp;").replace("&nbsp;(", " (")
    return kept.replace("&nbsp;over", " over").replace("under&nbsp;0.01&nbsp;", "under&nbsp;0.01 ")


def _verdict(row: StageRow) -> str:
    look = row.verdict.replace(" ", "-")
    said = f'<span class="verdict {look}">{row.verdict}</span>'
    if row.verdict != row.verdict_corrected:
        said += f' <span class="quiet">together: {row.verdict_corrected}</span>'
    return said


def _plain_table(head: Sequence[str], rows: Iterable[Sequence[str]], caption: str) -> str:
    return _html_table(head, ([escape(cell) for cell in row] for row in rows), caption)


def _html_table(head: Sequence[str], rows: Iterable[Sequence[str]], caption: str) -> str:
    top = "".join(f'<th scope="col" role="columnheader">{escape(one)}</th>' for one in head)
    return (
        f'<table role="table"><caption>{escape(caption)}</caption><thead role="rowgroup">'
        f'<tr role="row">{top}</tr></thead><tbody role="rowgroup">'
        f"{''.join(_html_rows(head, rows))}</tbody></table>"
    )


def _html_rows(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    for first, *rest in rows:
        cells = "".join(
            f'<td role="cell" data-name="{escape(name)}">{cell}</td>'
            for name, cell in zip(head[1:], rest, strict=True)
        )
        yield f'<tr role="row"><th scope="row" role="rowheader">{first}</th>{cells}</tr>'


def _figure(svg: str, alt: str, caption: str) -> str:
    return (
        f'<figure><div role="img" aria-label="{escape(alt)}">{svg}</div>'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def _section(title: str, says: str, body: str) -> str:
    said = f"<p>{escape(says)}</p>" if says else ""
    return f"<section><h2>{escape(title)}</h2>{said}{body}</section>"


def _folded(title: str, body: str) -> str:
    return f"<details><summary>{escape(title)}</summary>{body}</details>"


def _query(name: str, sql: str) -> str:
    return f"<h4>{escape(name)}</h4><pre>{escape(sql)}</pre>"


def _list(lines: Iterable[str]) -> str:
    return f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>"


def _between(one: Waited) -> str:
    if one.hidden:
        return SUPPRESSED
    if one.low is None and one.high is None:
        return NOTHING
    return f"{hours(one.low)} to {hours(one.high)}"
