"""Writes an auditor's answer for machines on standard output, and counts its decisions."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Any

from broker.auditor.exports import csv_lines, fhir_lines, json_lines
from broker.auditor.who_knew import Knew


def write_json(found: Iterable[Knew], export: dict[str, Any]) -> int:
    """One object with `export` first, then one a decision; how many decisions."""
    return _written(json_lines(found, export)) - 1


def write_fhir(found: Iterable[Knew], export: dict[str, Any]) -> int:
    """NDJSON: a Parameters resource that says of what, then one AuditEvent a decision."""
    return _written(fhir_lines(found, export)) - 1


def write_csv(found: Iterable[Knew], export: dict[str, Any]) -> int:
    """A line `# {export}`, a heading, then one line a decision."""
    return _written(csv_lines(found, export)) - 2


def _written(lines: Iterator[str]) -> int:
    count = 0
    for count, line in enumerate(lines, 1):  # noqa: B007 -- the last number is the answer
        sys.stdout.write(line)
    sys.stdout.flush()
    return count
