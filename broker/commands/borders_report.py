"""What `broker audit borders` prints: words, page, CSV and JSON from one value."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from broker.auditor.borders import Borders, Fate, Flow, Silent, borders
from broker.auditor.borders_published import ALL, EVERYWHERE, MEASURES, Line, lines
from broker.commands.evidence_page import figures, folded, page, table, write_tables, write_text
from broker.commands.ledger_rows import recorded_in
from broker.reference import load_reference
from broker.shell.settings import Settings

HIDDEN = "hidden"
SHOWN = (
    ("whole", "Whole"),
    ("partial", "In part"),
    ("existence", "Existence only"),
    ("withdrawn", "Withdrawn"),
    ("review", "Under review"),
    ("refused", "Refused"),
    ("no_nexus", "No nexus"),
    ("own", "Own statement"),
    ("acknowledged", "Acknowledged"),
    ("not_acknowledged", "Not yet"),
)
HEAD = ("From", "To", *(words for _, words in SHOWN), "To decision", "To acknowledgement")
UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


class Made(msgspec.Struct, frozen=True):
    """The report for one kind of reader."""

    found: Borders
    between: tuple[Line, ...]
    kinds: tuple[Line, ...]
    authorised: bool


def report(
    settings: Settings,
    directory: Path | None,
    period: tuple[int | None, int | None],
    *,
    authorised: bool,
) -> Made:
    """Reads and counts. `period`: UTC milliseconds since 1970. Raises CommandError."""
    recorded = recorded_in(directory or settings.ledger_dir)
    reference = load_reference(settings.codesets_dir, settings.organisations_dir)
    found = borders(recorded, reference, *period)
    return Made(
        found,
        lines(found.cells, authorised=authorised),
        lines(found.kinds, authorised=authorised),
        authorised,
    )


def tables(made: Made) -> dict[str, list[dict[str, Any]]]:
    """Every table; single flows only for the authorised reader, since one flow is a small count."""
    found = {
        "matrix": [_flat(one) for one in made.between],
        "kinds": [_flat(one) for one in made.kinds],
        "silent": [_silent(one, authorised=made.authorised) for one in made.found.silent],
        "beyond": [_flat(one) for one in _beyond(made)],
    }
    if made.authorised:
        found["flows"] = [_flow(one) for one in made.found.flows]
    return found


def _flat(one: Line) -> dict[str, Any]:
    counts = {name: HIDDEN if one.counts[name] is None else one.counts[name] for name in MEASURES}
    return {
        "from_code": one.origin.code,
        "from_name": one.origin.name,
        "to_code": one.to.code,
        "to_name": one.to.name,
        "kind": one.kind,
        "adjoins": int(one.adjoins),
        **{("total" if name == ALL else name): count for name, count in counts.items()},
        "to_decision_s": one.to_decision_s,
        "to_acknowledgement_s": one.to_acknowledgement_s,
    }


def _flow(one: Flow) -> dict[str, Any]:
    return {
        "from_code": one.origin.code,
        "from_is_authority": int(one.origin.is_authority),
        "to_code": one.to.code,
        "kind": one.kind,
        "fate": one.fate.value,
        "adjoins": int(one.adjoins),
        "told": int(one.told),
        "received_at": one.received_at,
        "decided_at": one.decided_at,
        "acknowledged_at": one.acknowledged_at,
    }


def _silent(one: Silent, *, authorised: bool) -> dict[str, Any]:
    shown = {"evaluated": one.evaluated} if authorised else {}
    return {
        "code": one.one.code,
        "name": one.one.name,
        "other_code": one.other.code,
        "other_name": one.other.name,
        **shown,
    }


def _beyond(made: Made) -> list[Line]:
    """The lines of flows between authorities that do not adjoin."""
    wanted = {(one.origin, one.to, one.kind) for one in made.found.beyond}
    return [one for one in made.between if (one.origin, one.to, one.kind) in wanted]


def rows_of(made: Made) -> Iterator[dict[str, Any]]:
    """One object a line of each table, then one that counts."""
    found = tables(made)
    for name, rows in found.items():
        yield from ({"table": name, **row} for row in rows)
    yield {
        "summary": True,
        "authorised": made.authorised,
        "first": made.found.first,
        "last": made.found.last,
        **{name: len(rows) for name, rows in found.items()},
    }


def write_csv(made: Made, folder: Path) -> None:
    """The tables as CSV. Raises CommandError."""
    write_tables(folder, tables(made))


def show(out: Console, made: Made) -> None:
    """Flows to those who are concerned, then what is silent and what goes beyond, in a line each."""
    grid = Table(title="Between authorities", title_justify="left")
    for name in ("from", "to", "whole", "part", "existence", "review", "refused", "acknowledged"):
        grid.add_column(name, justify="left" if name in {"from", "to"} else "right")
    names = ("whole", "partial", "existence", "review", "refused", "acknowledged")
    for one in _concerned(made.between):
        grid.add_row(one.origin.name, one.to.name, *(_count(one.counts[name]) for name in names))
    out.print(grid)
    beyond = len(_beyond(made))
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
    shown = [(words.lower(), _count(counts[name])) for name, words in SHOWN[:6]]
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
    concerned = list(_concerned(made.between))
    totals = [one for one in made.between if one.kind == ALL and EVERYWHERE in (one.origin, one.to)]
    others = list(_concerned(made.kinds))
    pairs = [one for one in made.between if EVERYWHERE not in (one.origin, one.to)]
    rest = [one for one in pairs if one not in concerned]
    silent = [
        (one.one.name, one.one.code, one.other.name, one.other.code) for one in made.found.silent
    ]
    return [
        f"<h2>Between authorities</h2>{_table('Told, refused or under review', concerned)}",
        folded(f"{len(rest)} pairs that were only evaluated", _table("Without a nexus", rest)),
        f"<h2>Totals</h2>{_table('All from one area, all to one, everything', totals)}",
        (
            "<h2>Beyond the neighbours</h2><p>To adjoin is no reason to be told, and not to adjoin no "
            f"reason against it.</p>{_table('Authorities that do not adjoin', _beyond(made))}"
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
        _named(one.origin.name, one.origin.code),
        _named(one.to.name, one.to.code),
        *(HIDDEN if one.counts[name] is None else one.counts[name] for name, _ in SHOWN),
        _time(one.to_decision_s),
        _time(one.to_acknowledgement_s),
    )


def _named(name: str, code: str) -> str:
    return name if code == EVERYWHERE.code else f"{name} {code}"


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "none"
    size, unit = next((one for one in UNITS if seconds >= one[0]), UNITS[-1])
    return f"{seconds / size:.1f}".removesuffix(".0") + f" {unit}"


def _concerned(found: Sequence[Line]) -> Iterator[Line]:
    """Rows that are no total, of which somebody was concerned."""
    for one in found:
        counted = (one.counts[name.value] for name in Fate if name not in (Fate.NO_NEXUS, Fate.OWN))
        if EVERYWHERE not in (one.origin, one.to) and any(count != 0 for count in counted):
            yield one


def _is_whole(one: Line) -> bool:
    return one.origin == one.to == EVERYWHERE and one.kind == ALL


def _count(count: int | None) -> str:
    return HIDDEN if count is None else f"{count:,}"
