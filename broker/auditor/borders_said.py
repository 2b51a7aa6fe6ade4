"""What a borders report says: read from a ledger's leaves, as values for one kind of reader."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from broker.auditor.borders import Borders, Fate, Flow, Silent, borders
from broker.auditor.borders_published import ALL, EVERYWHERE, MEASURES, Line, lines
from broker.auditor.ledger_rows import recorded_in
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
    """Reads and counts. `period`: UTC milliseconds since 1970. Raises AskedError."""
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
        "beyond": [_flat(one) for one in beyond_neighbours(made)],
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


def beyond_neighbours(made: Made) -> list[Line]:
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


def named(name: str, code: str) -> str:
    """Name and code of an area."""
    return name if code == EVERYWHERE.code else f"{name} {code}"


def time_words(seconds: float | None) -> str:
    """So many seconds in words."""
    if seconds is None:
        return "none"
    size, unit = next((one for one in UNITS if seconds >= one[0]), UNITS[-1])
    return f"{seconds / size:.1f}".removesuffix(".0") + f" {unit}"


def concerned(found: Sequence[Line]) -> Iterator[Line]:
    """Rows that are no total, of which somebody was concerned."""
    for one in found:
        counted = (one.counts[name.value] for name in Fate if name not in (Fate.NO_NEXUS, Fate.OWN))
        if EVERYWHERE not in (one.origin, one.to) and any(count != 0 for count in counted):
            yield one


def count_words(count: int | None) -> str:
    """A count, or that it is hidden."""
    return HIDDEN if count is None else f"{count:,}"
