"""What a proposed folder of policies would have decided otherwise, over a whole ledger."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from broker.auditor.asked import AskedError
from broker.auditor.ledger_rows import SUBJECT_KEYS, keys_dir
from broker.auditor.proposed import with_policies
from broker.auditor.recorded import Recorded, read_recorded, shards_of
from broker.auditor.shadow import Shadow, shadow
from broker.auditor.sidecars import all_sidecars
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
    """The ledger's folder and what it says. Raises AskedError where there is none."""
    folder = ledger or settings.ledger_dir
    if not shards_of(folder):
        raise AskedError(
            f"{folder} holds no ledger: name its folder with --ledger, or make one with "
            "`broker decide FILE --ledger DIR`"
        )
    try:
        return folder, read_recorded(folder)
    except ValueError as error:
        raise AskedError(
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
