"""The table of evidence and the figures as files: CSV for anyone, Parquet for those who have tools.

Only the authorised auditor gets the table: who has its lines can count as small as he likes.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from broker.auditor.parity.figures import Comparison, Figures
from broker.auditor.parity.rates import Ratio
from broker.auditor.parity.table import Line

COLUMNS = tuple(Line.__struct_fields__)
PLACES = 4
"""Digits after the point."""
HIDDEN = "suppressed"


def evidence_csv(lines: Iterable[Line]) -> str:
    """One line each, in order of rows; hours exactly, so that a query gives exactly the report's."""
    rows = ([getattr(line, one) for one in COLUMNS] for line in lines)
    return _csv(COLUMNS, rows)


def write_parquet(lines: Sequence[Line], path: Path) -> None:
    """The same table as Parquet."""
    import pyarrow as pa  # noqa: PLC0415 -- only where it is asked for
    import pyarrow.parquet as pq  # noqa: PLC0415

    columns = {one: [getattr(line, one) for line in lines] for one in COLUMNS}
    pq.write_table(pa.table(columns), path)


def counts_csv(figures: Figures) -> str:
    """Every count; what is suppressed says so."""
    rows = (
        (one.measure, *one.key.split(":"), _shown(one.reached), _shown(one.at_risk))
        for one in figures.counts
    )
    return _csv(("measure", "grouping", "value", "reached", "at_risk"), rows)


def comparisons_csv(figures: Figures) -> str:
    """Every comparison with its intervals and verdicts."""
    head = (
        *("measure", "compared", "with", "ratio", "low", "high"),
        *("corrected_low", "corrected_high", "equal_content_ratio", "equal_content_low"),
        *("equal_content_high", "verdict", "verdict_corrected"),
    )
    return _csv(head, map(_comparison, figures.comparisons))


def waited_csv(figures: Figures) -> str:
    """Median hours to consideration."""
    head = ("of", "alerts", "considered", "median_hours", "low", "high")
    rows = (
        (one.key, *([HIDDEN] * 5))
        if one.hidden
        else (one.key, one.alerts, one.considered, *map(_number, (one.median, one.low, one.high)))
        for one in figures.waited
    )
    return _csv(head, rows)


def _comparison(one: Comparison) -> tuple[Any, ...]:
    if one.hidden:
        return (one.measure, one.key, one.against, *([HIDDEN] * 10))
    return (
        *(one.measure, one.key, one.against),
        *_ratio(one.ratio),
        *_ratio(one.corrected)[1:],
        *_ratio(one.adjusted.ratio if one.adjusted else None),
        *(one.verdict.value, one.verdict_corrected.value),
    )


def _ratio(one: Ratio | None) -> tuple[Any, Any, Any]:
    if one is None:
        return "", "", ""
    return _number(one.ratio), _number(one.low), _number(one.high)


def _number(value: float | None) -> float | str:
    return "" if value is None else round(value, PLACES)


def _shown(count: int | None) -> int | str:
    return HIDDEN if count is None else count


def _csv(head: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(rows)
    return out.getvalue()


def as_plain(figures: Figures) -> Any:
    """The figures for JSON."""
    return msgspec.to_builtins(figures)
