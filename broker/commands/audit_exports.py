"""Answers for machines: JSON lines, CSV, FHIR and Parquet, each saying of which ledger and question it is."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable
from typing import Any

import msgspec

from broker.auditor.index_build import Reached
from broker.auditor.who_knew import Knew, Question
from broker.commands.words import write

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


def write_json(found: Iterable[Knew], export: dict[str, Any]) -> int:
    """One object with `export` first, then one a decision; how many decisions."""
    write({"export": export})
    return _counted(found, write)


def write_fhir(found: Iterable[Knew], export: dict[str, Any]) -> int:
    """NDJSON: a Parameters resource that says of what, then one AuditEvent a decision."""
    from broker.auditor.fhir import audit_event, export_parameters  # noqa: PLC0415

    write(export_parameters(export))
    return _counted(found, lambda one: write(audit_event(one)))


def write_csv(found: Iterable[Knew], export: dict[str, Any]) -> int:
    """A line `# {export}`, a heading, then one line a decision.

    RFC 4180 but for the first line, and the line end, which is this system's.
    """
    sys.stdout.write(f"# {msgspec.json.encode(export).decode()}\n")
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(Knew.__struct_fields__)

    def row(one: Knew) -> None:
        plain = msgspec.to_builtins(one)
        out.writerow([cell(plain[name]) for name in Knew.__struct_fields__])

    count = _counted(found, row)
    sys.stdout.flush()
    return count


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


def _counted(found: Iterable[Knew], each: Any) -> int:
    count = 0
    for one in found:
        each(one)
        count += 1
    return count
