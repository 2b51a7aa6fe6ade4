"""`broker policy shadow`: what a proposed folder of policies would have decided otherwise."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.text import Text

from broker.auditor import Change, Shadow
from broker.auditor.proposed_compared import Compared


def show(out: Console, compared: Compared) -> None:
    """Each change with its clauses, then what it comes to, then what could not be compared."""
    for change in compared.found.changes:
        _show_change(out, change)
    found = compared.found
    old, new = compared.present.hashes.bundle[:12], compared.proposed.hashes.bundle[:12]
    lines = [
        f"present bundle {old}, proposed {new}"
        + (" (the same: comments and order do not count)" if old == new else ""),
        f"{found.replayed} parts replayed: {found.same} decisions the same, {len(found.changes)} not",
        f"disclosures added: {found.fields_added} fields, {found.newly_told} recipients newly told",
        f"disclosures removed: {found.fields_removed} fields, {found.no_longer_told} no longer told",
        *_not_compared(found),
    ]
    for line in lines:
        out.print(Text(line), soft_wrap=True)


def _not_compared(found: Shadow) -> Iterator[str]:
    counted: Sequence[tuple[int, str]] = (
        (found.erased, "parts erased: their key is gone, so nobody can decide them again"),
        (found.no_facts, "parts without sealed facts in this copy of the ledger"),
        (found.later_rounds, "later rounds, made by a person or a correction: not replayed here"),
        (found.other_bundle, "parts decided under a bundle that is neither of the two"),
    )
    yield from (f"{count} {words}" for count, words in counted if count)
    yield from (f"not decided again: {one}" for one in found.unreadable)
    yield from (
        f"decided otherwise than recorded although the bundle is the same: {one}"
        for one in found.drifted
    )


def _show_change(out: Console, change: Change) -> None:
    heading = Text(f"event {change.event_id} · {change.recipient}", style="bold")
    if change.other_bundle:
        heading.append("  (decided under another bundle)", style="yellow")
    out.print(heading, soft_wrap=True)
    gone, new = change.clauses
    lines = (
        ("decision", f"{_said(change, 'before')} → {_said(change, 'after')}"),
        ("adds", ", ".join(change.added)),
        ("removes", ", ".join(change.removed)),
        ("because", ", ".join(change.after.reasons) if change.after and change.removed else ""),
        ("shows", "; ".join(f"{a}: {b} → {c}" for a, b, c in change.shown_otherwise)),
        ("withholds", "; ".join(f"{a}: {b} → {c}" for a, b, c in change.withheld_otherwise)),
        ("no longer by", ", ".join(gone)),
        ("now by", ", ".join(new)),
    )
    for name, words in lines:
        if words:
            out.print(Text(f"  {name:>12}  {words}"), soft_wrap=True)


def _said(change: Change, which: str) -> str:
    told = change.before if which == "before" else change.after
    if told is None:
        return "no candidate"
    return " ".join(one for one in (told.outcome, told.mode) if one)
