"""What the commands show on a terminal. Text that comes from statements is never read as markup."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from broker.client import OpenedAlert
from broker.client.proving import COMMITTED, DERIVED_BY_BROKER, SIGNED, UNPROVED
from broker.commands.deciding import DecidedLine, Row
from broker.model.projections import AREAS_STATED
from broker.reference import ReasonCode

NO_NEXUS = "no_nexus"
STYLES = {"PERMIT": "green", "DENY": "dim", "REVIEW": "yellow"}
FIRST_FIELDS = ("event_type", "harms", "severity", "text", "when", "place")
"""What a duty worker reads first; the other released fields follow."""

MARKS: Mapping[str, tuple[str, str]] = {
    SIGNED: ("✓", "as its publisher signed it: checked"),
    COMMITTED: (
        "○",
        "of the root named below: checked; whose signature it bears, an auditor can say",
    ),
    DERIVED_BY_BROKER: ("+", "made by the broker, not stated by the publisher"),
    UNPROVED: ("?", "not proved: nobody signed the statement, or it is older than such proofs"),
}
"""How a field was proved -> its mark, and what that means."""


def show_decided(out: Console, decided: DecidedLine, meanings: Mapping[str, ReasonCode]) -> None:
    """One line's outcome: who is told what of each part, and why; or a sentence."""
    waiting: list[Row] = []
    for row in decided.rows:
        if "rejected" in row:
            out.print(Text(f"{row['explanation']} ({row['rejected']})", style="red"))
        elif "duplicate" in row:
            out.print(Text(f"line {row['line']}: event {row['event_id']} again: counted once"))
        elif "recorded" in row:
            name = row.get("action_id") or row["event_id"]
            out.print(Text(f"line {row['line']}: {row['recorded']} {name} recorded"))
        elif "round" in row:
            _show_later(out, row)
        elif "closing" in row:
            _show_part(out, decided, waiting, row)
            _show_closing(out, row)
            _show_meanings(out, waiting, meanings)
            waiting = []
        else:
            waiting.append(row)


def show_alert(out: Console, alert: OpenedAlert) -> None:
    """One verified alert: what, when, where, why us, how it weighs, and what to do by when."""
    content = alert.content
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    fields = [*(one for one in FIRST_FIELDS if one in alert.released)]
    fields += [one for one in alert.released if one not in FIRST_FIELDS]
    for field in fields:
        mark = MARKS[alert.proved[field]][0]
        table.add_row(_words(field), mark, Text(_in_words(field, alert.released[field])))
    if not fields:
        table.add_row("what", "", "only that a concern is held; ask its duty desk")
    table.add_row("why us", "", ", ".join(_words(one) for one in content.capacity))
    weight = " ".join(content.weight_explanation)
    table.add_row("weight", "", Text(f"{_words(content.weight_band)}. {weight}".strip()))
    if content.obligations:
        table.add_row("observe", "", ", ".join(_words(one) for one in content.obligations))
    table.add_row("permitted by", "", Text(", ".join(content.reasons)))
    table.add_row("acknowledge by", "", Text(_moment(content.acknowledge_by), style="bold yellow"))
    for how in (one for one in MARKS if one in alert.proved.values()):
        table.add_row("", MARKS[how][0], Text(MARKS[how][1], style="dim"))
    title = f"{content.marking} · {content.recipient} · {content.severity}"
    proof = (
        f"alert {alert.alert_id[:16]}… · entry {alert.position.index} of {alert.position.origin}"
    )
    if content.statement is not None and COMMITTED in alert.proved.values():
        proof += f" · root {content.statement.root.hex()[:16]}…"
    out.print(Panel(table, title=Text(title), subtitle=Text(proof), title_align="left"))


def alert_row(alert: OpenedAlert) -> Row:
    """The alert as one JSON-ready object."""
    content: Row = msgspec.to_builtins(alert.content)
    content["released"] = alert.released
    content["proved"] = alert.proved
    content["salts"] = {one.field: one.salt.hex() for one in alert.content.released if one.salt}
    content["set_id"] = alert.set_id
    content["proof"] = {
        "origin": alert.position.origin,
        "index": alert.position.index,
        "size": alert.position.size,
        "root": alert.position.root.hex(),
    }
    return content


def _show_part(out: Console, decided: DecidedLine, rows: Sequence[Row], closing: Row) -> None:
    """Every candidate with a nexus, each with what it gets and what not; the others counted."""
    line = decided.line
    heading = f"line {line.number} · {line.publisher} · event {closing['event_id']}"
    out.print(Text(f"{heading} · {closing['part']}", style="bold"))
    named = [row for row in rows if NO_NEXUS not in row["reasons"]]
    for row in named:
        outcome = " ".join(one for one in (row["outcome"], row["mode"]) if one)
        title = Text(f"  {outcome:<17} ", style=STYLES[row["outcome"]])
        title.append(f"{row['recipient']}  {row['name']}", style="bold")
        title.append(f"  as {', '.join(row['capacity'])}")
        out.print(title)
        out.print(_details(row))
    if len(rows) > len(named):
        without = f"  DENY              {len(rows) - len(named)} neighbours: {NO_NEXUS}"
        out.print(Text(without, style="dim"))


def _details(row: Row) -> Table:
    table = Table.grid(padding=(0, 1))
    table.add_column(width=18, justify="right", style="dim")
    table.add_column(overflow="fold")
    if row["released"]:
        table.add_row("released", Text(", ".join(row["released"])))
        by_reason: dict[str, list[str]] = {}
        for one in row["withheld"]:
            by_reason.setdefault(one["reason"], []).append(one["field"])
        for reason, fields in by_reason.items():
            table.add_row("withheld", Text(f"{', '.join(fields)}: {reason}"))
    table.add_row("because", Text(", ".join(row["reasons"])))
    if row["obligations"]:
        table.add_row("must", Text(", ".join(row["obligations"])))
    return table


def _show_later(out: Console, row: Row) -> None:
    """One decision, or the end, of a later round."""
    if "later_outcome" in row:
        reasons = ", ".join(row["reasons"])
        sent = f" ({row['channel']})" if row["channel"] else ""
        out.print(Text(f"  {row['later_outcome']:<17} {row['recipient']}{sent}  {reasons}"))
        return
    flags = f": {', '.join(row['flags'])}" if row["flags"] else ""
    out.print(Text(f"  round {row['round']}, {row['count']} decisions{flags}", style="bold"))


def _show_closing(out: Console, row: Row) -> None:
    weight = row["weight"]
    counts = f"{row['permit']} permit, {row['deny']} deny, {row['review']} review"
    flags = f"; flags: {', '.join(row['flags'])}" if row["flags"] else ""
    out.print(Text(f"  {row['candidates']} candidates: {counts}{flags}", style="bold"))
    explained = " ".join(weight["explanation"])
    out.print(Text(f"  weight {weight['value']} of 1000, {weight['band']}. {explained}"))


def _show_meanings(out: Console, rows: Sequence[Row], meanings: Mapping[str, ReasonCode]) -> None:
    """What the reason codes that occurred mean."""
    codes = {reason for row in rows for reason in row["reasons"]}
    codes |= {one["reason"] for row in rows if row["released"] for one in row["withheld"]}
    for code in sorted(codes & meanings.keys()):
        out.print(Text(f"  {code}: {meanings[code].meaning}", style="dim"))
    out.print()


def _in_words(field: str, value: Any) -> str:
    """A released value as a person would say it."""
    say = SAID_SO.get(field)
    return _plain(value) if say is None or not isinstance(value, Mapping) else say(value)


def _window(when: Mapping[str, Any]) -> str:
    if "date" in when:
        return f"{datetime.date.fromisoformat(when['date']):%A %d %B %Y}"
    start = datetime.datetime.fromisoformat(when["start"])
    if not when.get("end"):
        return _moment(start)
    end = datetime.datetime.fromisoformat(when["end"])
    if end.date() == start.date():
        return f"{start:%A %d %B %Y, %H:%M} to {end:%H:%M} UTC"
    return f"{_moment(start)} to {_moment(end)}"


def _where(place: Mapping[str, Any]) -> str:
    stated = [place.get("description"), place.get("lsoa"), place.get("la_gss")]
    known = f"{_words(place['kind'])}, known as {_words(place['precision'])}"
    written = place.get(AREAS_STATED, {}).get("la_gss")
    known += f", stated as {written}" if written and written != place.get("la_gss") else ""
    return f"{', '.join(one for one in stated if one)} ({known})".strip()


def _told_safely(answers: Mapping[str, Any]) -> str:
    said = [
        f"{who}: {_words(answers.get(name, 'not_known'))}"
        for name, who in (("child", "child"), ("parents_or_carers", "parents or carers"))
    ]
    return "; ".join([*said, *([answers["reason"]] if answers.get("reason") else [])])


SAID_SO: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "when": _window,
    "place": _where,
    "safe_to_tell": _told_safely,
    "corroboration": lambda value: str(value["in_words"]),
}
"""Fields that have words of their own; every other one is shown part by part."""


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return "; ".join(
            f"{_words(name)}: {_plain(one)}" for name, one in value.items() if one not in (None, [])
        )
    if isinstance(value, list | tuple):
        return ", ".join(_plain(one) for one in value)
    return str(value)


def _words(name: str) -> str:
    return name.replace("_", " ")


def _moment(moment: datetime.datetime) -> str:
    return f"{moment:%A %d %B %Y, %H:%M} UTC"
