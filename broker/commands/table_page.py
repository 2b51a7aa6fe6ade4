"""The decision table as one self-contained page and as CSV: what a data protection officer reads.

The page needs no script and nothing from elsewhere. It says everything in words, so that colour is
never the only sign, and on a narrow screen each row becomes a card with its column's name.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from html import escape
from itertools import groupby

from broker.auditor.decision_space import About
from broker.model.fields import FIELD_GROUP
from broker.policies.space import AXES
from broker.policies.table import WITHHELD, Answer, Box, Cell, DecisionTable, Row

MARKING = "OFFICIAL"
ANY = "any"
AT_ONCE = 3
"""Boxes of an entry that are shown without opening the rest."""
RANK = {("PERMIT", "CONTENT"): 0, ("PERMIT", "EXISTENCE"): 1, ("REVIEW", "CONTENT"): 2}
HEADINGS = ("No.", "When", "Decision", "Shown", "Not shown", "Combinations")
SAID = {
    ("PERMIT", "CONTENT"): "Told",
    ("PERMIT", "EXISTENCE"): "Told only that a concern is held",
    ("REVIEW", "CONTENT"): "A person decides",
}
AXIS_IN_WORDS = {
    "recipient": "door",
    "agreements": "agreements",
    "capacity": "concerned as",
    "event_type": "statement",
    "part": "about",
    "handling": "handling",
    "facts": "special fact",
    "publisher": "published by",
}
STYLE = """
:root{--ink:#1d2733;--quiet:#4c5866;--line:#c9d1da;--soft:#f3f6f9;--accent:#0b4f8a}
*{box-sizing:border-box}
body{margin:0;font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:#fff}
.marking{background:#1d2733;color:#fff;text-align:center;font-weight:700;padding:.3rem}
main,header{max-width:92rem;margin:0 auto;padding:1rem 1.25rem}
h1{font-size:1.7rem;line-height:1.2;margin:.4rem 0}
h2{font-size:1.3rem;margin:2.2rem 0 .5rem}
p{max-width:48rem}
a{color:var(--accent)}
code{font-size:.88em;overflow-wrap:anywhere}
nav ul{display:flex;flex-wrap:wrap;gap:.4rem 1.2rem;padding:0;list-style:none}
table{border-collapse:collapse;width:100%;margin:.5rem 0 1.5rem}
caption{text-align:left;font-weight:600;padding:.4rem 0}
th,td{border:1px solid var(--line);padding:.5rem .6rem;text-align:left;vertical-align:top}
thead th{background:var(--soft);position:sticky;top:0}
.entries thead th:nth-child(2){width:34%}
.entries thead th:nth-child(3){width:9rem}
.entries thead th:nth-child(4),.entries thead th:nth-child(5){width:24%}
.count{text-align:right;font-variant-numeric:tabular-nums}
td ul{margin:0;padding-left:1.1rem}
td li{margin-bottom:.25rem}
.quiet{color:var(--quiet)}
.decision{display:inline-block;font-weight:700;border:2px solid;border-radius:.3rem;padding:0 .45rem}
.told{color:#0d5c2f;background:#e9f5ee}
.existence{color:#0b4f8a;background:#e8f1fa;border-style:dashed}
.person{color:#7a4a00;background:#fdf3e0;border-style:double}
.not{color:#8a1c1c;background:#fbecec;border-style:dotted}
summary{cursor:pointer;color:var(--accent);padding:.25rem 0}
dt{font-weight:600;margin-top:.5rem}
dd{margin-left:1rem}
@media(max-width:50rem){
thead{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
table,tbody,tr,th,td,caption{display:block;width:100%}
tr{border:2px solid var(--line);border-radius:.4rem;margin-bottom:1rem}
tbody th,tbody td{border:0;border-bottom:1px solid var(--line)}
.count{text-align:left}
[data-name]::before{content:attr(data-name);display:block;font-size:.8rem;font-weight:600;
color:var(--quiet)}
}
@media print{thead th{position:static}}
"""


def page(table: DecisionTable, about: About) -> str:
    """The whole page."""
    sections = [(kind, list(rows)) for kind, rows in groupby(table.rows, _kind_of)]
    body: list[str] = []
    number = 0
    for kind, rows in sections:
        entries = _entries(rows)
        body.append(_section(kind, rows, entries, number))
        number += len(entries)
    links = "".join(
        f'<li><a href="#{escape(kind)}">{escape(_words(kind))}</a></li>' for kind, _ in sections
    )
    title = f"Who may be told what: {about.narrowed or 'all combinations'}"
    return (
        '<!doctype html><html lang="en-GB"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>"
        f'<div class="marking">{MARKING}</div><header><h1>{escape(title)}</h1>'
        f"{_preface(table, about, number)}"
        f'<nav aria-label="Recipients"><ul>{links}<li><a href="#before">settled before any clause</a>'
        '</li><li><a href="#words">clauses and reasons</a></li></ul></nav></header><main>'
        f"{_gates(about)}{''.join(body)}{_glossary(table, about)}</main>"
        f'<div class="marking">{MARKING}</div></body></html>\n'
    )


def as_csv(table: DecisionTable) -> str:
    """One line for each row and field; `combinations` is how many single ones the row stands for.

    `any` stands for every value that the axis has.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    head = ("row", *AXES, "combinations", "decision", "mode", "field", "outcome", "decided_by")
    writer.writerow(head)
    for number, row in enumerate(table.rows, 1):
        answer = row.answer
        axes = [
            ANY if len(values) == len(whole) else "; ".join(sorted(values))
            for values, whole in zip(row.box, table.axes, strict=True)
        ]
        start = (number, *axes, row.count, answer.outcome, answer.mode or "")
        writer.writerows((*start, one.field, one.outcome, one.by) for one in answer.cells)
    return out.getvalue()


def _kind_of(row: Row) -> str:
    return min(row.values("recipient")).partition(":")[0]


def _entries(rows: Iterable[Row]) -> list[tuple[Answer, list[Row]]]:
    """Rows of one kind of recipient by what is decided: disclosures first, the widest first."""
    found: dict[Answer, list[Row]] = {}
    for row in rows:
        found.setdefault(row.answer, []).append(row)
    return sorted(
        found.items(),
        key=lambda one: (
            RANK.get((one[0].outcome, one[0].mode or ""), len(RANK)),
            -sum(row.count for row in one[1]),
        ),
    )


def _preface(table: DecisionTable, about: About, entries: int) -> str:
    counted = sum(row.count for row in table.rows)
    return (
        f"<p>Law and agreements as they stand on <strong>{about.on:%d %B %Y}</strong>, bundle "
        f"<code>{escape(about.bundle_hash)}</code>. Made by the code that decides real statements, "
        "for a statement that holds every field.</p>"
        f"<p><strong>{table.size:,} combinations</strong> of recipient, agreements in force, reason of "
        "concern, type of statement, subject, handling, special fact and kind of publisher. "
        f"Those decided alike are put together: {entries:,} numbered entries, whose counts add up to "
        f"{counted:,}. An organisation that is concerned in more than one way is asked about once, with "
        "all of them. What a line does not mention does not matter in it.</p>"
    )


def _section(
    kind: str, rows: Sequence[Row], entries: Sequence[tuple[Answer, list[Row]]], before: int
) -> str:
    whole: Box = tuple(
        frozenset().union(*(row.box[axis] for row in rows)) for axis in range(len(AXES))
    )
    head = "".join(f'<th scope="col" role="columnheader">{one}</th>' for one in HEADINGS)
    lines = "".join(
        _entry(number, answer, found, whole)
        for number, (answer, found) in enumerate(entries, before + 1)
    )
    total = sum(row.count for row in rows)
    return (
        f'<section aria-labelledby="{escape(kind)}"><h2 id="{escape(kind)}">'
        f'Recipient: {escape(_words(kind))}</h2><table role="table" class="entries"><caption>'
        f"{len(entries)} entries for {total:,} combinations</caption>"
        f'<thead role="rowgroup"><tr role="row">{head}</tr></thead>'
        f'<tbody role="rowgroup">{lines}</tbody></table></section>'
    )


def _entry(number: int, answer: Answer, rows: Sequence[Row], whole: Box) -> str:
    name, look = _decision(answer)
    shown = [one for one in answer.cells if one.outcome != WITHHELD and "person" not in one.outcome]
    hidden = [one for one in answer.cells if one not in shown]
    count = sum(row.count for row in rows)
    cells = (
        _when([row.box for row in rows], whole),
        f'<span class="decision {look}">{escape(name)}</span>',
        _fields(shown) or '<span class="quiet">nothing</span>',
        _fields(hidden) or '<span class="quiet">nothing</span>',
    )
    middle = "".join(
        f'<td role="cell" data-name="{head}">{cell}</td>'
        for head, cell in zip(HEADINGS[1:5], cells, strict=True)
    )
    return (
        f'<tr role="row"><th scope="row" role="rowheader" data-name="{HEADINGS[0]}">{number}</th>'
        f'{middle}<td role="cell" class="count" data-name="{HEADINGS[5]}">{count:,}</td></tr>'
    )


def _decision(answer: Answer) -> tuple[str, str]:
    key = (answer.outcome, answer.mode or "")
    look = ("told", "existence", "person", "not")[RANK.get(key, len(RANK))]
    return SAID.get(key, "Not told"), look


def _when(boxes: Sequence[Box], whole: Box) -> str:
    lines = [f"<li>{_box(box, whole)}</li>" for box in boxes]
    if len(lines) <= AT_ONCE + 1:
        return f"<ul>{''.join(lines)}</ul>"
    return (
        f"<ul>{''.join(lines[:AT_ONCE])}</ul><details><summary>and {len(lines) - AT_ONCE} more"
        f"</summary><ul>{''.join(lines[AT_ONCE:])}</ul></details>"
    )


def _box(box: Box, whole: Box) -> str:
    """What a box asks for; what it takes whole is left out."""
    said = [
        f'<span class="quiet">{AXIS_IN_WORDS[name]}:</span> {escape(_some(values, all_))}'
        for name, values, all_ in zip(AXES, box, whole, strict=True)
        if values != all_
    ]
    return "; ".join(said) or "always"


def _some(values: frozenset[str], whole: frozenset[str]) -> str:
    """The values in words, or those that are left out where these are few."""
    left = whole - values
    if len(left) * 2 < len(values):
        return "any but " + ", ".join(_words(one) for one in sorted(left))
    return ", ".join(_words(one) for one in sorted(values))


def _fields(cells: Iterable[Cell]) -> str:
    """Fields by what becomes of them and what decides it."""
    together: dict[tuple[str, str], list[str]] = {}
    for cell in cells:
        together.setdefault((cell.outcome, cell.by), []).append(_words(cell.field))
    whole = any(len(fields) == len(FIELD_GROUP) for fields in together.values())
    lines = [
        f'<li><strong>{escape(outcome)}</strong> (<a href="#{_anchor(by)}"><code>{escape(by)}'
        f"</code></a>): {'every field' if whole else escape(', '.join(fields))}</li>"
        for (outcome, by), fields in together.items()
    ]
    return f"<ul>{''.join(lines)}</ul>" if lines else ""


def _gates(about: About) -> str:
    rows = "".join(
        f'<tr role="row"><th scope="row" role="rowheader" data-name="If">{escape(fact)}</th>'
        f'<td role="cell" data-name="Then">{escape(decision)}</td>'
        f'<td role="cell" data-name="Reason"><a href="#{_anchor(code)}"><code>{escape(code)}</code>'
        "</a></td></tr>"
        for fact, decision, code in about.gates
    )
    head = "".join(
        f'<th scope="col" role="columnheader">{one}</th>' for one in ("If", "Then", "Reason")
    )
    return (
        '<section aria-labelledby="before"><h2 id="before">Settled before any clause</h2>'
        '<table role="table"><caption>Whoever is asked about, and whatever the agreements say</caption>'
        f'<thead role="rowgroup"><tr role="row">{head}</tr></thead>'
        f'<tbody role="rowgroup">{rows}</tbody></table></section>'
    )


def _glossary(table: DecisionTable, about: About) -> str:
    used = {cell.by for row in table.rows for cell in row.answer.cells}
    used |= {code for _, _, code in about.gates}
    lines = []
    for name in sorted(used):
        reason = about.meanings.get(name)
        words = f"{reason.meaning} {reason.what_to_do}" if reason else about.titles.get(name, "")
        lines.append(
            f'<dt id="{_anchor(name)}"><code>{escape(name)}</code></dt><dd>{escape(words)}</dd>'
        )
    return (
        '<section aria-labelledby="words"><h2 id="words">Clauses and reasons in words</h2>'
        f"<dl>{''.join(lines)}</dl></section>"
    )


def _anchor(name: str) -> str:
    return "by-" + "".join(one if one.isalnum() else "-" for one in name)


def _words(name: str) -> str:
    return name.replace("_", " ").replace(":", " ")
