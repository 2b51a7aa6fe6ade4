"""What a consistency report says: read from a ledger and its rows, as values and in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from broker.auditor.consistency import Consistency, Disagreement, Rate, Variant, Why, consistency
from broker.auditor.consistency_categories import Agreement, agreement
from broker.auditor.consistency_facts import Gathered, Item, gather
from broker.auditor.consistency_replay import Tried, confirmed
from broker.auditor.ledger_rows import (
    SUBJECT_KEYS,
    LedgerRows,
    beside,
    keys_dir,
    opening_rows,
    rows_in,
)
from broker.auditor.proposed import with_policies
from broker.model.canonical import canonical_json
from broker.shell.keys import KeysError, read_subject_keys
from broker.shell.policy import load_policy
from broker.shell.settings import Settings

SHORT = 12
NAMED = 4
WHY_IN_WORDS = {
    Why.NOTHING: "Unexplained: a finding",
    Why.AGREEMENT: "Explained by another agreement in force",
    Why.VERSION: "Explained by another version of the rules",
}


class Request(msgspec.Struct, frozen=True):
    """What the auditor asked for."""

    directory: Path | None
    rows_key: Path | None
    policies: tuple[Path, ...] = ()
    keys: Path | None = None


class Made(msgspec.Struct, frozen=True):
    """The report."""

    gathered: Gathered
    found: Consistency
    categories: tuple[Agreement, ...]


def report(settings: Settings, asked: Request) -> Made:
    """Reads, compares, and tries other versions where they are at hand. Raises AskedError."""
    folder = asked.directory or settings.ledger_dir
    key_file = asked.rows_key or settings.keys_dir / "broker" / "rows.key"
    ledger = rows_in(folder, key_file)
    with opening_rows(folder, key_file):
        gathered = gather(ledger.recorded.parts, ledger.sealed, ledger.key)
    found = consistency(gathered)
    if any(one.why is Why.VERSION for one in found.disagreements):
        at_hand = _at_hand(settings, asked, ledger)
        tried = tuple(confirmed(one, at_hand) for one in found.disagreements)
        found = msgspec.structs.replace(found, disagreements=tried)
    return Made(gathered, found, agreement(gathered.stated))


def _at_hand(settings: Settings, asked: Request, ledger: LedgerRows) -> Tried:
    """Keys and versions that are there; what is not there is not tried."""
    try:
        keys = read_subject_keys(keys_dir(settings, asked.directory, asked.keys) / SUBJECT_KEYS)
    except KeysError:
        keys = {}
    folders = [with_policies(settings, one) for one in asked.policies]
    policies = [load_policy(one) for one in (settings, *folders)] if keys else []
    return Tried(
        parts={one.closing.set_id: one for one in ledger.recorded.parts},
        facts=beside(ledger.folder, "facts"),
        keys=keys,
        policies={one.hashes.bundle: one for one in policies},
    )


def tables(made: Made) -> dict[str, list[dict[str, Any]]]:
    """What docs/queries/consistency.md asks: each decision, rate, disagreement and category."""
    return {
        "items": [_item(one) for one in made.gathered.items],
        "rates": [_rate(one) for one in made.found.rates],
        "disagreements": [_line(one) for one in made.found.disagreements],
        "categories": [
            {**msgspec.to_builtins(one), "between": " / ".join(one.between)}
            for one in made.categories
        ],
    }


def _item(one: Item) -> dict[str, Any]:
    return {
        "question": one.question,
        "facts_group": one.group,
        "facts": canonical_json(one.facts).decode(),
        "outcome": canonical_json(one.outcome).decode(),
        "decision": one.decision,
        "set_id": one.set_id,
        "publisher": one.publisher,
        "recipient": one.recipient,
        "decided_at": one.decided_at,
        "agreements": " ".join(one.agreements),
        **msgspec.to_builtins(one.hashes),
    }


def _rate(one: Rate) -> dict[str, Any]:
    held = msgspec.to_builtins(one)
    return {"facts_group": held.pop("group"), **held}


def _line(one: Disagreement) -> dict[str, Any]:
    return {
        "question": one.question,
        "facts_group": one.group,
        "why": one.why.value,
        "differs": " ".join(one.differs),
        "explained_by": "; ".join(one.explained_by),
        "confirmed": one.confirmed,
        "variants": len(one.variants),
        "sets": " ".join(sorted({name for each in one.variants for name in each.sets})),
        "publishers": " ".join(sorted({name for each in one.variants for name in each.publishers})),
        "recipients": " ".join(sorted({name for each in one.variants for name in each.recipients})),
    }


def rows_of(made: Made) -> Iterator[dict[str, Any]]:
    """One object a disagreement, category and rate, then one that counts."""
    yield from ({"disagreement": msgspec.to_builtins(one)} for one in made.found.disagreements)
    yield from ({"category": msgspec.to_builtins(one)} for one in made.categories)
    yield from ({"rate": msgspec.to_builtins(one)} for one in made.found.rates)
    yield {"summary": True, "consistent": not made.found.unexplained, **counts_of(made.found)}


def counts_of(found: Consistency) -> dict[str, int]:
    """How many of each kind."""
    by_why = {why.name.lower(): sum(one.why is why for one in found.disagreements) for why in Why}
    names = (
        "sets",
        "decisions",
        "groups",
        "shared",
        "across",
        "by_people",
        "without_rows",
        "older",
    )
    return {**{name: getattr(found, name) for name in names}, **by_why}


def summary_line(found: Consistency) -> str:
    """The counts in one line."""
    counts = counts_of(found)
    verdict = "no unexplained difference" if not found.unexplained else "UNEXPLAINED DIFFERENCES"
    return (
        f"{verdict}: {counts['decisions']} decisions of {counts['sets']} parts in {counts['groups']} "
        f"groups of equal facts, {counts['across']} of them across authorities; {counts['nothing']} "
        f"unexplained, {counts['agreement']} by agreement, {counts['version']} by version; not "
        f"compared: {counts['by_people']} later rounds, {counts['without_rows']} without rows, "
        f"{counts['older']} older"
    )


def findings_first(one: Disagreement) -> tuple[int, str, str]:
    """Order: what is a finding first."""
    return tuple(Why).index(one.why) * -1, one.question, one.group


def heading(one: Disagreement) -> str:
    """What a difference is about, in words."""
    return f"{WHY_IN_WORDS[one.why]} · {one.question} · differs in {', '.join(one.differs)}"


def said(one: Disagreement) -> Iterator[str]:
    """Lines that say a difference."""
    if one.explained_by:
        yield f"between {', '.join(short(name) for name in one.explained_by)}"
    if one.confirmed:
        yield one.confirmed
    for variant in one.variants:
        yield (
            f"{some(variant.publishers)} → {some(variant.recipients) or 'all'}: "
            f"{outcome_words(one, variant)} "
            f"(sets {some([name[:SHORT] for name in variant.sets])})"
        )


def outcome_words(one: Disagreement, variant: Variant) -> str:
    """What differs; of a list only what not every variant has."""
    return "; ".join(
        f"{name}: {value_words(_own(variant.outcome[name], [v.outcome[name] for v in one.variants]))}"
        for name in one.differs
    )


def _own(value: Any, every: Sequence[Any]) -> Any:
    if not isinstance(value, list):
        return value
    return [one for one in value if not all(one in other for other in every)] or ["nothing more"]


def short(name: str) -> str:
    """The beginning of a hash."""
    what, _, value = name.partition(" ")
    return f"{what} {value[:SHORT]}" if value else name


def some(names: Sequence[str]) -> str:
    """The first few names, and how many more."""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def value_words(value: Any) -> str:
    """A fact in words."""
    if isinstance(value, list):
        return ", ".join(" ".join(one) if isinstance(one, list) else str(one) for one in value)
    return str(value)


def group_in_words(facts: Any) -> str:
    """A group of equal facts in words."""
    role, kind = facts["recipient_role"], facts["recipient_kind"]
    concerned = ", ".join(facts["recipient_capacity"])
    return f"{facts['event_type']} by {facts['publisher_kind']} to {kind} {role} as {concerned}"
