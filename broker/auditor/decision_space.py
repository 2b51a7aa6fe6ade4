"""The enumerated decision space of the policies in force, with what is said of it."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from broker.auditor.asked import AskedError
from broker.flow import Policy
from broker.policies.space import Space
from broker.policies.table import DecisionTable, decision_table, titles_of
from broker.reference import ReasonCode, load_reason_codes
from broker.shell.policy import load_policy
from broker.shell.settings import Settings


class About(msgspec.Struct, frozen=True):
    """What the page says of itself."""

    bundle_hash: str
    on: datetime.date
    narrowed: str
    """Which part of the space it is, in words; empty for the whole."""
    titles: Mapping[str, str]
    """Clause -> what it says."""
    meanings: Mapping[str, ReasonCode]
    gates: Sequence[tuple[str, str, str]]
    """(fact, decision, reason code) of what is settled before any clause is read."""


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
    """Enumerates the space of the policies of `settings`. Raises AskedError for unknown names."""
    policy = load_policy(settings)
    space = Space(policy.bundle, policy.reference, on, agreement=agreement, publisher=publisher)
    if not space.relations:
        raise AskedError(_nothing_there(policy, agreement, publisher, on))
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
            for (kind, outcome), count in sorted(by_kind(made.table).items())
        },
    }


def by_kind(table: DecisionTable) -> Counter[tuple[str, str]]:
    """(kind of recipient, outcome with its mode) -> how many combinations."""
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
