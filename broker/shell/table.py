"""What the live table shows: every candidate as the auditors' log has it, and what arrived."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from rich.box import SIMPLE
from rich.console import Group
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


def tables_of(
    scenarios: Sequence[Scenario],
    auditing: Auditing,
    arrived: Mapping[tuple[str, str], Arrival],
    names: Mapping[str, str],
) -> Group:
    """One table a scenario: who published, candidate, why, outcome, reason, delivered in ms.

    `names` gives the name of an organisation code. Neighbours without nexus share one row an event:
    they are many and alike.
    """
    by_event: dict[str, list[Row]] = {}
    for row in auditing.rows:
        by_event.setdefault(row.event_id, []).append(row)
    return Group(*(_table(scenario, by_event, arrived, names) for scenario in scenarios))


def _table(
    scenario: Scenario,
    by_event: Mapping[str, Sequence[Row]],
    arrived: Mapping[tuple[str, str], Arrival],
    names: Mapping[str, str],
) -> Table:
    title = f"\n{scenario.code}  {scenario.title}"
    table = Table(title=title, title_justify="left", title_style="bold", expand=True, box=SIMPLE)
    table.add_column("published by", overflow="fold", ratio=6)
    table.add_column("candidate", overflow="fold", ratio=6)
    table.add_column("why a candidate", overflow="fold", ratio=4)
    table.add_column("outcome", overflow="fold", ratio=4)
    table.add_column("reason", overflow="fold", ratio=8)
    table.add_column("ms", justify="right", min_width=5)
    for event in scenario.events:
        rows = by_event.get(event.event_id, [])
        publisher = _short(names, event.publisher)
        if not rows:
            table.add_row(publisher, "[dim]waiting ...[/]", "", "", "", "")
        # An event about forty children has forty parts: what is alike stands in one line.
        for row, count in Counter(row for row in rows if NO_NEXUS not in row.reasons).items():
            _add(table, publisher, row, count, arrived.get(row.key), names)
            publisher = ""
        without = {row.recipient for row in rows if NO_NEXUS in row.reasons}
        if without:
            told = f"{len(without)} neighbours"
            table.add_row(publisher, told, "adjacent only", "DENY", NO_NEXUS, "", style="dim")
        table.add_section()
    return table


def _add(
    table: Table,
    publisher: str,
    row: Row,
    count: int,
    arrival: Arrival | None,
    names: Mapping[str, str],
) -> None:
    """A line for `count` parts that were decided alike for this candidate."""
    parts = f" ({count} parts)" if count > 1 else ""
    outcome = f"{row.outcome} {row.mode}" if row.outcome == "PERMIT" and row.mode else row.outcome
    code, _, role = row.recipient.partition(":")
    table.add_row(
        publisher,
        f"{_short(names, code)} [dim]{role}[/]",
        ", ".join(row.capacity).replace("_", " "),
        f"[{STYLES[row.outcome]}]{outcome}{parts}[/]",
        row.reasons[0] + (f" +{len(row.reasons) - 1}" if len(row.reasons) > 1 else ""),
        str(arrival.milliseconds) if arrival and row.outcome == "PERMIT" else "",
    )


def _short(names: Mapping[str, str], code: str) -> str:
    """The name without its area and without `(invented)`, which the summary says of all of them."""
    return names.get(code, code).removesuffix(" (invented)").partition(",")[0]
