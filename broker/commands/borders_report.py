"""What `broker audit borders` prints: words, page, CSV and JSON from one value."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from broker.auditor.borders_published import ALL, EVERYWHERE, MEASURES, Line
from broker.auditor.borders_said import (
    HEAD,
    HIDDEN,
    SHOWN,
    Made,
    beyond_neighbours,
    concerned,
    count_words,
    named,
    tables,
    time_words,
)
from broker.commands.evidence_page import figures, folded, page, table, write_tables, write_text


def write_csv(made: Made, folder: Path) -> None:
    """The tables as CSV. Raises CommandError."""
    write_tables(folder, tables(made))


def show(out: Console, made: Made) -> None:
    """Flows to those who are concerned, then what is silent and what goes beyond, in a line each."""
    grid = Table(title="Between authorities", title_justify="left")
    for name in ("from", "to", "whole", "part", "existence", "review", "refused", "acknowledged"):
        grid.add_column(name, justify="left" if name in {"from", "to"} else "right")
    names = ("whole", "partial", "existence", "review", "refused", "acknowledged")
    for one in concerned(made.between):
        grid.add_row(
            one.origin.name, one.to.name, *(count_words(one.counts[name]) for name in names)
        )
    out.print(grid)
    beyond = len(beyond_neighbours(made))
    flows = "flow" if beyond == 1 else "flows"
    out.print(f"{beyond} {flows} between authorities that do not adjoin.")
    out.print(
        f"{len(made.found.silent)} borders that nothing crossed, and that nobody asked about."
    )
    if not made.authorised:
        out.print("Numbers 1 to 5 are hidden, and what would give them back.")


def write_page(made: Made, path: Path) -> None:
    """The report as one page. Raises CommandError."""
    whole = next((one for one in made.between if _is_whole(one)), None)
    counts = whole.counts if whole else dict.fromkeys(MEASURES, 0)
    shown = [(words.lower(), count_words(counts[name])) for name, words in SHOWN[:6]]
    preface = (
        f"{figures(shown)}<p>From: the authority that published, or in whose area the publisher lies; "
        "who serves several stands for itself. To: the recipient's authority. In part: something was "
        "withheld that the law does not withhold from everyone. Times are from receipt; those who have "
        "not acknowledged yet are counted as such. The ledger does not record when a delivery reached "
        "its topic, so there is no time for it.</p>"
        + (
            "<p><strong>Not to be published: small counts are shown.</strong></p>"
            if made.authorised
            else "<p>Numbers 1 to 5 are hidden, and with them every number that would give one back: "
            f"they read <em>{HIDDEN}</em>.</p>"
        )
    )
    write_text(path, page("Across the borders", preface, _sections(made)))


def _sections(made: Made) -> list[str]:
    told = list(concerned(made.between))
    totals = [one for one in made.between if one.kind == ALL and EVERYWHERE in (one.origin, one.to)]
    others = list(concerned(made.kinds))
    pairs = [one for one in made.between if EVERYWHERE not in (one.origin, one.to)]
    rest = [one for one in pairs if one not in told]
    silent = [
        (one.one.name, one.one.code, one.other.name, one.other.code) for one in made.found.silent
    ]
    return [
        f"<h2>Between authorities</h2>{_table('Told, refused or under review', told)}",
        folded(f"{len(rest)} pairs that were only evaluated", _table("Without a nexus", rest)),
        f"<h2>Totals</h2>{_table('All from one area, all to one, everything', totals)}",
        (
            "<h2>Beyond the neighbours</h2><p>To adjoin is no reason to be told, and not to adjoin no "
            f"reason against it.</p>{_table('Authorities that do not adjoin', beyond_neighbours(made))}"
        ),
        f"<h2>To others, under the authority that they serve</h2>{_kinds(others)}",
        "<h2>Silent borders</h2><p>Authorities that adjoin, neither of which told, refused or asked a "
        "person about the other in this period.</p>"
        + folded(
            f"{len(silent)} pairs",
            table("Pairs", ("Authority", "Code", "Neighbour", "Neighbour's code"), silent),
        ),
    ]


def _table(caption: str, rows: Sequence[Line]) -> str:
    return table(caption, HEAD, [_cells(one) for one in rows])


def _kinds(rows: Sequence[Line]) -> str:
    head = (*HEAD[:2], "Kind", *HEAD[2:])
    cells = [(*_cells(one)[:2], one.kind, *_cells(one)[2:]) for one in rows]
    return table("Police, health, schools and others", head, cells)


def _cells(one: Line) -> tuple[Any, ...]:
    return (
        named(one.origin.name, one.origin.code),
        named(one.to.name, one.to.code),
        *(HIDDEN if one.counts[name] is None else one.counts[name] for name, _ in SHOWN),
        time_words(one.to_decision_s),
        time_words(one.to_acknowledgement_s),
    )


def _is_whole(one: Line) -> bool:
    return one.origin == one.to == EVERYWHERE and one.kind == ALL
