"""What `broker audit consistency` reads and prints: words, page, CSV and JSON from one value."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.text import Text

from broker.auditor.consistency import Consistency, Disagreement, Rate, Variant, Why, consistency
from broker.auditor.consistency_categories import Agreement, agreement
from broker.auditor.consistency_facts import DISCLOSURE, Gathered, Item, gather
from broker.auditor.consistency_replay import Tried, confirmed
from broker.commands.evidence_page import figures, folded, page, table, write_tables, write_text
from broker.commands.ledger_rows import (
    SUBJECT_KEYS,
    LedgerRows,
    beside,
    keys_dir,
    opening_rows,
    rows_in,
)
from broker.commands.policy_check import with_policies
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
    """Reads, compares, and tries other versions where they are at hand. Raises CommandError."""
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
    yield {"summary": True, "consistent": not made.found.unexplained, **_counts(made.found)}


def _counts(found: Consistency) -> dict[str, int]:
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


def write_csv(made: Made, folder: Path) -> None:
    """The tables as CSV. Raises CommandError."""
    write_tables(folder, tables(made))


def show(out: Console, made: Made) -> None:
    """Findings first, then what is explained, then the counts in one line."""
    for one in sorted(made.found.disagreements, key=_findings_first):
        out.print(Text(_heading(one), style="bold"), soft_wrap=True)
        for line in _said(one):
            out.print(Text(f"  {line}"), soft_wrap=True)
    for each in made.categories:
        out.print(Text(f"categories: {_category(each)}"), soft_wrap=True)
    out.print(Text(summary_line(made.found)), soft_wrap=True)


def summary_line(found: Consistency) -> str:
    """The counts in one line."""
    counts = _counts(found)
    verdict = "no unexplained difference" if not found.unexplained else "UNEXPLAINED DIFFERENCES"
    return (
        f"{verdict}: {counts['decisions']} decisions of {counts['sets']} parts in {counts['groups']} "
        f"groups of equal facts, {counts['across']} of them across authorities; {counts['nothing']} "
        f"unexplained, {counts['agreement']} by agreement, {counts['version']} by version; not "
        f"compared: {counts['by_people']} later rounds, {counts['without_rows']} without rows, "
        f"{counts['older']} older"
    )


def _findings_first(one: Disagreement) -> tuple[int, str, str]:
    return tuple(Why).index(one.why) * -1, one.question, one.group


def _heading(one: Disagreement) -> str:
    return f"{WHY_IN_WORDS[one.why]} · {one.question} · differs in {', '.join(one.differs)}"


def _said(one: Disagreement) -> Iterator[str]:
    if one.explained_by:
        yield f"between {', '.join(_short(name) for name in one.explained_by)}"
    if one.confirmed:
        yield one.confirmed
    for variant in one.variants:
        yield (
            f"{_some(variant.publishers)} → {_some(variant.recipients) or 'all'}: "
            f"{_outcome(one, variant)} "
            f"(sets {_some([name[:SHORT] for name in variant.sets])})"
        )


def _outcome(one: Disagreement, variant: Variant) -> str:
    """What differs; of a list only what not every variant has."""
    return "; ".join(
        f"{name}: {_value(_own(variant.outcome[name], [v.outcome[name] for v in one.variants]))}"
        for name in one.differs
    )


def _own(value: Any, every: Sequence[Any]) -> Any:
    if not isinstance(value, list):
        return value
    return [one for one in value if not all(one in other for other in every)] or ["nothing more"]


def _short(name: str) -> str:
    what, _, value = name.partition(" ")
    return f"{what} {value[:SHORT]}" if value else name


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def _value(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(" ".join(one) if isinstance(one, list) else str(one) for one in value)
    return str(value)


def _category(one: Agreement) -> str:
    kappa = f"kappa {one.kappa:.2f}" if one.kappa is not None else "no kappa"
    return (
        f"{one.scheme}, {' and '.join(one.between)}: {one.same} of {one.subjects} the same, {kappa}, "
        f"{one.verdict}"
    )


def write_page(made: Made, path: Path) -> None:
    """The report as one page. Raises CommandError."""
    counts = _counts(made.found)
    shown = (
        ("unexplained differences", counts["nothing"]),
        ("explained by an agreement", counts["agreement"]),
        ("explained by a version", counts["version"]),
        ("decisions compared", counts["decisions"]),
        ("groups of equal facts", counts["groups"]),
        ("of them across authorities", counts["across"]),
    )
    preface = (
        f"{figures(shown)}<p>Decisions on equal facts must be equal, whoever published and whoever "
        "received. Facts are what law, agreements, weight and clocks may look at: never who said it, "
        "who an authority is, ethnicity or sex. Only first decisions are compared; "
        f"{counts['by_people']} later rounds are people's, {counts['without_rows']} parts have no rows "
        f"in this copy and {counts['older']} are older than the facts in the rows.</p>"
    )
    ordered = sorted(made.found.disagreements, key=_findings_first)
    sections = [f"<h2>Differences</h2>{''.join(_card(one) for one in ordered) or NONE}"]
    sections.append(f"<h2>Stated categories</h2>{_categories(made.categories)}")
    sections.append(f"<h2>Over policy versions</h2>{_rates(made)}")
    write_text(path, page("Same facts, same outcome", preface, sections))


NONE = '<p class="plain">None: every group of equal facts has one outcome.</p>'


def _card(one: Disagreement) -> str:
    kind = "finding" if one.why is Why.NOTHING else "plain"
    notes = [f"Between {', '.join(map(_short, one.explained_by))}."] if one.explained_by else []
    notes += [one.confirmed] if one.confirmed else []
    rows = [
        (
            _some(variant.publishers),
            _some(variant.recipients) or "all",
            _outcome(one, variant),
            _some([name[:SHORT] for name in variant.sets]),
        )
        for variant in one.variants
    ]
    facts = "; ".join(f"{name}: {_value(value)}" for name, value in one.facts.items())
    return (
        f'<section class="{kind}"><h3>{escape(_heading(one))}</h3>'
        f"{''.join(f'<p>{escape(note)}</p>' for note in notes)}"
        f"{table('Outcomes', ('Published by', 'Recipient', 'Outcome', 'Sets'), rows)}"
        f"{folded('The equal facts', f'<p>{escape(facts)}</p>')}</section>"
    )


def _categories(found: Sequence[Agreement]) -> str:
    rows = [
        (
            one.scheme,
            " and ".join(one.between),
            one.subjects,
            one.same,
            "not computed" if one.kappa is None else f"{one.kappa:.2f}",
            "" if one.low is None or one.high is None else f"{one.low:.2f} to {one.high:.2f}",
            f"{one.measure}: {one.verdict}",
        )
        for one in found
    ]
    head = ("Scheme", "Between", "Subjects", "Same", "Kappa", "95 %", "Verdict")
    note = (
        "<p>The broker computes no category; this says how far agencies state the same one of the same "
        "subject and harm. Below 30 subjects no kappa is given.</p>"
    )
    return note + table("Agreement of stated categories", head, rows)


def _rates(made: Made) -> str:
    facts = {one.group: one.facts for one in made.gathered.items if one.question == DISCLOSURE}
    rows = [
        (
            _group_in_words(facts[one.group]),
            one.bundle[:SHORT],
            one.permit,
            one.deny,
            one.review,
            one.permit + one.deny + one.review,
        )
        for one in made.found.rates
    ]
    head = ("Facts", "Bundle", "PERMIT", "DENY", "REVIEW", "All")
    return folded(f"{len(rows)} groups by bundle", table("Decisions by group", head, rows))


def _group_in_words(facts: Any) -> str:
    role, kind = facts["recipient_role"], facts["recipient_kind"]
    concerned = ", ".join(facts["recipient_capacity"])
    return f"{facts['event_type']} by {facts['publisher_kind']} to {kind} {role} as {concerned}"
