"""A report as one self-contained page: no script, nothing from elsewhere, readable on a telephone."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from broker.commands.errors import CommandError
from broker.commands.table_page import MARKING, STYLE

Row = Mapping[str, Any]
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the beginning of a formula."""
MANY = 8
"""Columns above which a row's card is two columns wide on a narrow screen."""
MORE = """
.finding{border-left:.35rem solid #8a1c1c;padding:.2rem .8rem;margin:.8rem 0}
.plain{border-left:.35rem solid var(--line);padding:.2rem .8rem;margin:.8rem 0}
.figures{display:flex;flex-wrap:wrap;gap:.6rem 2rem;padding:0;margin:1rem 0;list-style:none}
.figures b{display:block;font-size:1.6rem;line-height:1.1;font-variant-numeric:tabular-nums}
.wide{overflow-x:auto}
.many{font-size:.92rem}
.many thead th{position:static}
.many th,.many td{padding:.35rem .45rem}
.many tbody th{min-width:13rem}
.many tbody td:nth-child(2){min-width:8rem}
@media(max-width:50rem){
.many tbody tr{display:grid;grid-template-columns:1fr 1fr}
.many tbody th,.many tbody td:nth-child(2){grid-column:1/-1}
}
"""


def page(title: str, preface: str, sections: Sequence[str]) -> str:
    """The whole page; `preface` and `sections` are HTML already."""
    return (
        '<!doctype html><html lang="en-GB"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}{MORE}</style></head><body>"
        f'<div class="marking">{MARKING}</div><header><h1>{escape(title)}</h1>{preface}</header>'
        f'<main>{"".join(sections)}</main><div class="marking">{MARKING}</div></body></html>\n'
    )


def figures(found: Iterable[tuple[str, Any]]) -> str:
    """The few numbers that come first."""
    lines = (f"<li><b>{escape(str(value))}</b>{escape(name)}</li>" for name, value in found)
    return f'<ul class="figures">{"".join(lines)}</ul>'


def table(caption: str, head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table whose rows become cards on a narrow screen. The first column names the row."""
    columns = "".join(f'<th scope="col" role="columnheader">{escape(one)}</th>' for one in head)
    body = "".join(_row(head, row) for row in rows)
    if not body:
        return f'<p class="quiet">{escape(caption)}: none.</p>'
    look = "wide many" if len(head) > MANY else "wide"
    return (
        f'<div class="{look}"><table role="table"><caption>{escape(caption)}</caption>'
        f'<thead role="rowgroup"><tr role="row">{columns}</tr></thead>'
        f'<tbody role="rowgroup">{body}</tbody></table></div>'
    )


def folded(summary: str, inner: str) -> str:
    """Something long, closed until it is asked for."""
    return f"<details><summary>{escape(summary)}</summary>{inner}</details>"


def _row(head: Sequence[str], row: Sequence[Any]) -> str:
    cells = []
    for number, (name, value) in enumerate(zip(head, row, strict=True)):
        counted = ' class="count"' if isinstance(value, int | float) else ""
        mark, role = ("th", "rowheader") if number == 0 else ("td", "cell")
        scope = ' scope="row"' if number == 0 else ""
        cells.append(
            f'<{mark}{scope} role="{role}"{counted} data-name="{escape(name)}">'
            f"{escape(str(value))}</{mark}>"
        )
    return f'<tr role="row">{"".join(cells)}</tr>'


def write_text(path: Path, text: str) -> None:
    """The file, anew. Raises CommandError where it cannot be written."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CommandError(f"{path} cannot be written ({error.strerror})") from error


def write_tables(folder: Path, tables: Mapping[str, Sequence[Row]]) -> None:
    """One CSV file a table, `NAME.csv`. An empty table has a file without lines."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, rows in tables.items():
            with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
                writer = csv.writer(file, lineterminator="\n")
                if rows:
                    writer.writerow(rows[0])
                writer.writerows([_cell(value) for value in row.values()] for row in rows)
    except OSError as error:
        raise CommandError(f"{folder} cannot be written ({error.strerror})") from error


def _cell(value: Any) -> Any:
    """As it is; text that a spreadsheet would run as a formula is quoted."""
    if isinstance(value, str) and value.startswith(FORMULA):
        return f"'{value}"
    return "" if value is None else value
