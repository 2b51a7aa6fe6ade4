"""What `broker audit consistency` reads and prints: words, page, CSV and JSON from one value."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

from rich.console import Console
from rich.text import Text

from broker.auditor.consistency import Disagreement, Why
from broker.auditor.consistency_categories import Agreement
from broker.auditor.consistency_facts import DISCLOSURE
from broker.auditor.consistency_said import (
    SHORT,
    Made,
    counts_of,
    findings_first,
    group_in_words,
    heading,
    outcome_words,
    said,
    short,
    some,
    summary_line,
    tables,
    value_words,
)
from broker.commands.evidence_page import figures, folded, page, table, write_tables, write_text


def write_csv(made: Made, folder: Path) -> None:
    """The tables as CSV. Raises CommandError."""
    write_tables(folder, tables(made))


def show(out: Console, made: Made) -> None:
    """Findings first, then what is explained, then the counts in one line."""
    for one in sorted(made.found.disagreements, key=findings_first):
        out.print(Text(heading(one), style="bold"), soft_wrap=True)
        for line in said(one):
            out.print(Text(f"  {line}"), soft_wrap=True)
    for each in made.categories:
        out.print(Text(f"categories: {_category(each)}"), soft_wrap=True)
    out.print(Text(summary_line(made.found)), soft_wrap=True)


def _category(one: Agreement) -> str:
    kappa = f"kappa {one.kappa:.2f}" if one.kappa is not None else "no kappa"
    return (
        f"{one.scheme}, {' and '.join(one.between)}: {one.same} of {one.subjects} the same, {kappa}, "
        f"{one.verdict}"
    )


def write_page(made: Made, path: Path) -> None:
    """The report as one page. Raises CommandError."""
    counts = counts_of(made.found)
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
    ordered = sorted(made.found.disagreements, key=findings_first)
    sections = [f"<h2>Differences</h2>{''.join(_card(one) for one in ordered) or NONE}"]
    sections.append(f"<h2>Stated categories</h2>{_categories(made.categories)}")
    sections.append(f"<h2>Over policy versions</h2>{_rates(made)}")
    write_text(path, page("Same facts, same outcome", preface, sections))


NONE = '<p class="plain">None: every group of equal facts has one outcome.</p>'


def _card(one: Disagreement) -> str:
    kind = "finding" if one.why is Why.NOTHING else "plain"
    notes = [f"Between {', '.join(map(short, one.explained_by))}."] if one.explained_by else []
    notes += [one.confirmed] if one.confirmed else []
    rows = [
        (
            some(variant.publishers),
            some(variant.recipients) or "all",
            outcome_words(one, variant),
            some([name[:SHORT] for name in variant.sets]),
        )
        for variant in one.variants
    ]
    facts = "; ".join(f"{name}: {value_words(value)}" for name, value in one.facts.items())
    return (
        f'<section class="{kind}"><h3>{escape(heading(one))}</h3>'
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
            group_in_words(facts[one.group]),
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
