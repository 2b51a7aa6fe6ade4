"""`broker policy table`: the enumerated decision space, made from the policies and written down."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from broker.commands.errors import CommandError
from broker.commands.table_page import About, as_csv, page
from broker.flow import Policy
from broker.policies.space import Space
from broker.policies.table import DecisionTable, decision_table, titles_of
from broker.reference import load_reason_codes
from broker.shell.policy import load_policy
from broker.shell.settings import Settings

HTML, CSV = "decision-table.html", "decision-table.csv"
GATES: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("it is only a neighbour", "adjacent", {}),
    ("it published this itself", "originator", {}),
    ("it is on the list of those who must not be told", "home", {"unsafe": True}),
    ("the handling code is not known", "home", {"handling": "unknown"}),
    ("a handling condition is not known", "home", {"conditions": ("nobody knows it",)}),
    ("the grading does not say of which scheme it is", "home", {"grading_unlabelled": True}),
    ("the person is 18 or over", "home", {"adult": True}),
    (
        "a placement at a distance lacks its care plan",
        "home",
        {"missing_for_placement": ("care_plan_missing",)},
    ),
    (
        "a placement at a distance lacks a director's approval",
        "home",
        {"missing_for_placement": ("at_a_distance",)},
    ),
)
"""(fact in words, capacity, what it changes in the facts of an ordinary statement)."""


class Made(msgspec.Struct, frozen=True):
    """The table with what its page says of it."""

    table: DecisionTable
    about: About


def make(
    settings: Settings, on: datetime.date, agreement: str | None, publisher: str | None
) -> Made:
    """Enumerates the space of the policies of `settings`. Raises CommandError for unknown names."""
    policy = load_policy(settings)
    space = Space(policy.bundle, policy.reference, on, agreement=agreement, publisher=publisher)
    if not space.relations:
        raise CommandError(_nothing_there(policy, agreement, publisher, on))
    narrowed = [f"agreement {agreement}" if agreement else "", _published_by(publisher)]
    about = About(
        bundle_hash=policy.hashes.bundle,
        on=on,
        narrowed=", ".join(one for one in narrowed if one),
        titles=titles_of(policy.bundle),
        meanings=load_reason_codes(settings.codesets_dir),
        gates=_gates(space),
    )
    return Made(decision_table(space), about)


def written(made: Made, out: Path) -> tuple[Path, Path]:
    """Writes page and CSV into a folder; returns where they lie."""
    out.mkdir(parents=True, exist_ok=True)
    html, table = out / HTML, out / CSV
    html.write_text(page(made.table, made.about), encoding="utf-8")
    table.write_text(as_csv(made.table), encoding="utf-8")
    return html, table


def summary(made: Made) -> dict[str, Any]:
    """Counts, as one JSON-ready object."""
    rows = made.table.rows
    return {
        "bundle": made.about.bundle_hash,
        "on": made.about.on.isoformat(),
        "combinations": made.table.size,
        "rows": len(rows),
        "counted": sum(row.count for row in rows),
        "decisions": {
            f"{kind} {outcome}": count
            for (kind, outcome), count in sorted(_by_kind(made.table).items())
        },
    }


def show(out: Console, made: Made) -> None:
    """How many combinations of each kind of recipient are decided how."""
    by_kind = _by_kind(made.table)
    table = Table(
        "recipient", "told", "only that it exists", "a person decides", "not told", box=None
    )
    for kind in sorted({kind for kind, _ in by_kind}):
        counts = [
            by_kind[kind, one] for one in ("PERMIT CONTENT", "PERMIT EXISTENCE", "REVIEW", "DENY")
        ]
        table.add_row(kind, *(f"{one:,}" for one in counts))
    out.print(table)
    out.print(
        f"{made.table.size:,} combinations in {len(made.table.rows):,} rows, by bundle "
        f"{made.about.bundle_hash[:12]} on {made.about.on}"
    )


def _by_kind(table: DecisionTable) -> Counter[tuple[str, str]]:
    counted: Counter[tuple[str, str]] = Counter()
    for row in table.rows:
        kind = min(row.values("recipient")).partition(":")[0]
        answer = row.answer
        mode = f" {answer.mode}" if answer.outcome == "PERMIT" else ""
        counted[kind, answer.outcome + mode] += row.count
    return counted


def _gates(space: Space) -> Sequence[tuple[str, str, str]]:
    """What is decided for each fact of GATES, asked of the same code."""
    relation = next(
        one for one in space.relations if one.recipient.country == one.publisher.country
    )
    found = []
    for fact, capacity, changes in GATES:
        facts = space.facts(relation)
        if changes.get("unsafe"):
            changes = {"withheld_from": frozenset({relation.recipient.code})}  # noqa: PLW2901 -- said in words above
        facts = msgspec.structs.replace(facts, **changes)
        decision = space.decide(relation, relation.recipient.roles[0], capacity, facts)
        said = "a person decides" if decision.outcome.value == "REVIEW" else "not told"
        found.append((fact, said, decision.reasons[0]))
    return tuple(found)


def _published_by(publisher: str | None) -> str:
    return f"published by {publisher}" if publisher else ""


def _nothing_there(
    policy: Policy, agreement: str | None, publisher: str | None, on: datetime.date
) -> str:
    names = ", ".join(one.id for one in policy.bundle.agreements)
    kinds = ", ".join(sorted({one.kind for one in policy.reference.organisations.values()}))
    asked = " and ".join(
        one
        for one in (
            f"agreement {agreement}" if agreement else "",
            f"publisher {publisher}" if publisher else "",
        )
        if one
    )
    return (
        f"nothing is decided for {asked} on {on}: agreements are {names} (one that is not in force "
        f"on that day decides nothing); kinds of publisher are {kinds}"
    )
