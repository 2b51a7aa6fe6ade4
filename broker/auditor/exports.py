"""Answers for machines: JSON lines, CSV and FHIR, each saying of which ledger and question it is."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from broker.auditor.fhir import audit_event, export_parameters
from broker.auditor.index_build import Reached
from broker.auditor.who_knew import Knew, Question

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the beginning of a formula."""


def export_of(
    reached: Iterable[Reached], asked: dict[str, Any], *, verified: bool
) -> dict[str, Any]:
    """What an export says of itself: logs with size and root, the question, and whether they hold."""
    return {
        "logs": [msgspec.to_builtins(one) for one in reached],
        "question": asked,
        "verified": verified,
    }


def stated(question: Question, **more: Any) -> dict[str, Any]:
    """The question, JSON-ready, without what was not asked. A subject's sets are not listed."""
    plain = msgspec.to_builtins(msgspec.structs.replace(question, set_ids=None))
    return {name: one for name, one in (plain | more).items() if one is not None}


def json_lines(found: Iterable[Knew], export: dict[str, Any]) -> Iterator[str]:
    """One object with `export` first, then one a decision."""
    yield _line({"export": export})
    for one in found:
        yield _line(one)


def fhir_lines(found: Iterable[Knew], export: dict[str, Any]) -> Iterator[str]:
    """NDJSON: a Parameters resource that says of what, then one AuditEvent a decision."""
    yield _line(export_parameters(export))
    for one in found:
        yield _line(audit_event(one))


def csv_lines(found: Iterable[Knew], export: dict[str, Any]) -> Iterator[str]:
    """A line `# {export}`, a heading, then one line a decision.

    RFC 4180 but for the first line, and the line end, which is that of Unix.
    """
    yield f"# {msgspec.json.encode(export).decode()}\n"
    yield _row(Knew.__struct_fields__)
    for one in found:
        plain = msgspec.to_builtins(one)
        yield _row([cell(plain[name]) for name in Knew.__struct_fields__])


def cell(value: Any) -> str:
    """One cell: lists by blanks, pairs and values inside by `=`; never what a spreadsheet executes."""
    if value is None:
        return ""
    if isinstance(value, dict):
        text = " ".join(f"{name}={cell(one)}" for name, one in value.items())
    elif isinstance(value, list | tuple):
        pairs = all(isinstance(one, list | tuple) for one in value)
        text = " ".join("=".join(one) if pairs else cell(one) for one in value)
    else:
        text = str(value)
    return f"'{text}" if text.startswith(FORMULA) else text


def _line(value: Any) -> str:
    return msgspec.json.encode(value).decode() + "\n"


def _row(cells: Iterable[str]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow(cells)
    return out.getvalue()
