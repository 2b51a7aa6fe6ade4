"""`broker policy shadow`: what a proposed folder of policies would have decided otherwise."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.text import Text

from broker.auditor import Change, Recorded, Shadow, all_sidecars, read_recorded, shadow, shards_of
from broker.commands.errors import CommandError
from broker.commands.ledger_rows import SUBJECT_KEYS, keys_dir
from broker.commands.policy_check import with_policies
from broker.flow import Policy
from broker.shell.keys import read_subject_keys
from broker.shell.policy import load_policy
from broker.shell.settings import Settings


class Compared(msgspec.Struct, frozen=True):
    """What was found, with the names that its words need."""

    found: Shadow
    present: Policy
    proposed: Policy


def compare(settings: Settings, new_dir: Path, ledger: Path | None, keys: Path | None) -> Compared:
    """Replays every first round of the ledger under the policies of `new_dir`. Changes nothing."""
    present, proposed = load_policy(settings), load_policy(with_policies(settings, new_dir))
    folder, recorded = recorded_in(settings, ledger)
    held = read_subject_keys(keys_dir(settings, ledger, keys) / SUBJECT_KEYS)
    facts = all_sidecars(folder, "facts")
    found = shadow(
        recorded.parts,
        lambda part: facts.get(part.closing.set_id),
        held,
        present,
        proposed,
    )
    return Compared(found, present, proposed)


def recorded_in(settings: Settings, ledger: Path | None) -> tuple[Path, Recorded]:
    """The ledger's folder and what it says. Raises CommandError where there is none."""
    folder = ledger or settings.ledger_dir
    if not shards_of(folder):
        raise CommandError(
            f"{folder} holds no ledger: name its folder with --ledger, or make one with "
            "`broker decide FILE --ledger DIR`"
        )
    try:
        return folder, read_recorded(folder)
    except ValueError as error:
        raise CommandError(
            f"{folder} holds a leaf that cannot be read ({error}): run `broker audit verify {folder}`"
        ) from error


def rows_of(compared: Compared) -> Iterator[dict[str, Any]]:
    """One object a change, then one that counts."""
    for change in compared.found.changes:
        gone, new = change.clauses
        yield {
            "publisher": change.publisher,
            "event_id": change.event_id,
            "part_id": change.part_id,
            "recipient": change.recipient,
            "before": msgspec.to_builtins(change.before),
            "after": msgspec.to_builtins(change.after),
            "added": list(change.added),
            "removed": list(change.removed),
            "shown_otherwise": [list(one) for one in change.shown_otherwise],
            "withheld_otherwise": [list(one) for one in change.withheld_otherwise],
            "clauses_gone": list(gone),
            "clauses_new": list(new),
            "other_bundle": change.other_bundle,
        }
    yield summary(compared)


def summary(compared: Compared) -> dict[str, Any]:
    """All counts, and what could not be compared."""
    found = compared.found
    return {
        "present": compared.present.hashes.bundle,
        "proposed": compared.proposed.hashes.bundle,
        "replayed": found.replayed,
        "same": found.same,
        "changed": len(found.changes),
        "newly_told": found.newly_told,
        "no_longer_told": found.no_longer_told,
        "fields_added": found.fields_added,
        "fields_removed": found.fields_removed,
        "erased": found.erased,
        "no_facts": found.no_facts,
        "later_rounds": found.later_rounds,
        "other_bundle": found.other_bundle,
        "unreadable": list(found.unreadable),
        "drifted": list(found.drifted),
    }


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
