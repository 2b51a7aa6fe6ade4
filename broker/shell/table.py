"""What the live table shows: every candidate as the auditors' log has it, and what arrived."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from rich.table import Table

from broker.examples.scenarios import Scenario
from broker.ledger import read_entries

NO_NEXUS = "no_nexus"
STYLES = {"PERMIT": "green", "DENY": "dim", "REVIEW": "yellow"}


class Row(msgspec.Struct, frozen=True):
    """One candidate of one part."""

    event_id: str
    publisher: str
    recipient: str
    capacity: tuple[str, ...]
    outcome: str
    mode: str | None
    channel: str | None
    reasons: tuple[str, ...]

    @property
    def key(self) -> tuple[str, str]:
        """Event and recipient."""
        return self.event_id, self.recipient


class Arrival(msgspec.Struct, frozen=True):
    """An alert that its recipient opened."""

    milliseconds: int
    """From the event's LogAppendTime to the alert's."""
    fields: tuple[str, ...]


class Auditing:
    """Follows the auditors' log through its published files."""

    def __init__(self, ledger_dir: Path) -> None:
        """`ledger_dir` holds one folder a shard; it may not exist yet."""
        self._directory = ledger_dir
        self._next: dict[Path, int] = {}
        self._parts: dict[str, int] = {}
        self._closings: Counter[str] = Counter()
        self.rows: list[Row] = []

    def read(self) -> None:
        """Takes in what was published since the last time."""
        if not self._directory.is_dir():
            return
        for shard in sorted(self._directory.glob("s*")):
            start = self._next.get(shard, 0)
            entries = read_entries(shard, start)
            for entry in entries:
                self._take(json.loads(entry))
            self._next[shard] = start + len(entries)

    def closed(self, event_id: str) -> bool:
        """True if every part of an accepted event has its closing leaf."""
        parts = self._parts.get(event_id)
        return parts is not None and self._closings[event_id] >= parts

    def _take(self, leaf: Mapping[str, Any]) -> None:
        if leaf["kind"] == "accepted":
            self._parts[leaf["event_id"]] = len(leaf["parts"])
        elif leaf["kind"] == "rejected":
            self._parts.setdefault(str(leaf.get("event_id")), 0)
        elif leaf["kind"] == "closing":
            self._closings[leaf["event_id"]] += 1
        elif leaf["kind"] == "decision":
            self.rows.append(
                Row(
                    event_id=leaf["event_id"],
                    publisher=leaf["publisher"],
                    recipient=leaf["recipient"],
                    capacity=tuple(leaf["capacity"]),
                    outcome=leaf["outcome"],
                    mode=leaf["mode"],
                    channel=leaf["channel"],
                    reasons=tuple(leaf["reasons"]),
                )
            )


def table_of(
    scenarios: Sequence[Scenario],
    auditing: Auditing,
    arrived: Mapping[tuple[str, str], Arrival],
) -> Table:
    """Who published, candidate, capacity, outcome, reason, delivered in ms; one row a candidate.

    Neighbours without nexus are counted in one row an event: they are many and alike.
    """
    table = Table(title="Who was told what, and why", title_justify="left", expand=False)
    for name in ("scenario", "published by", "candidate", "capacity", "outcome", "reason"):
        table.add_column(name, overflow="fold")
    table.add_column("ms", justify="right")
    by_event: dict[str, list[Row]] = {}
    for row in auditing.rows:
        by_event.setdefault(row.event_id, []).append(row)
    for scenario in scenarios:
        for event in scenario.events:
            for row in by_event.get(event.event_id, []):
                if NO_NEXUS not in row.reasons:
                    _add(table, scenario.code, row, arrived.get(row.key))
            without = [
                row.recipient.split(":")[0]
                for row in by_event.get(event.event_id, [])
                if NO_NEXUS in row.reasons
            ]
            if without:
                table.add_row(
                    scenario.code,
                    event.publisher,
                    f"{len(without)} neighbours",
                    "adjacent",
                    "DENY",
                    NO_NEXUS,
                    "",
                    style="dim",
                )
        table.add_section()
    return table


def _add(table: Table, code: str, row: Row, arrival: Arrival | None) -> None:
    outcome = f"{row.outcome} {row.mode}" if row.outcome == "PERMIT" and row.mode else row.outcome
    table.add_row(
        code,
        row.publisher,
        row.recipient,
        ", ".join(row.capacity),
        f"[{STYLES[row.outcome]}]{outcome}[/]",
        ", ".join(row.reasons[:2]) + (f" +{len(row.reasons) - 2}" if len(row.reasons) > 2 else ""),
        str(arrival.milliseconds) if arrival else "",
    )
