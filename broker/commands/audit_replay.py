"""`broker audit replay`: every decision set of a ledger made again from its sealed facts, and compared."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.text import Text

from broker.auditor import all_sidecars, shards_of
from broker.auditor.compared import OF_THE_SEAL
from broker.auditor.ledger_rows import SUBJECT_KEYS, keys_dir
from broker.auditor.recorded_sets import recorded_sets
from broker.auditor.replaying import (
    FAULTS,
    Beside,
    Replayed,
    ReplayKeys,
    RuleChange,
    Verdict,
    replay_sets,
)
from broker.commands.errors import CommandError
from broker.flow import Policy
from broker.model.sealer import Sealer
from broker.policies.archive import ARCHIVE, ArchiveError, NotArchivedError, load_archived
from broker.record import PolicyHashes
from broker.shell.key_ring import KeyRing
from broker.shell.keys import KeysError, load_broker_keys, read_subject_keys
from broker.shell.policy import load_policy
from broker.shell.settings import Settings

SILENT = frozenset({Verdict.IDENTICAL, Verdict.ERASED})
"""What is counted and needs no line of its own."""
SHORT = 12
LONGEST = 160
Row = dict[str, Any]


class ReplayRun(msgspec.Struct, frozen=True):
    """Every set with its verdict."""

    replayed: tuple[Replayed, ...]
    unsealed: str
    """Why what the seal gives was not compared; empty where it was."""
    earlier: int = 0
    """Sets that were decided by other policies than the present ones, and made by those again."""

    @property
    def ok(self) -> bool:
        """Whether nothing was found that no change of rules explains."""
        return not any(one.verdict in FAULTS for one in self.replayed)

    @property
    def rules(self) -> dict[RuleChange, int]:
        """Each hash that was another then, with the number of sets that it is of."""
        return dict(Counter(change for one in self.replayed for change in one.rules))

    @property
    def counts(self) -> dict[str, int]:
        """Verdict -> how many sets; all verdicts, in their order."""
        found = Counter(one.verdict for one in self.replayed)
        return {verdict.value: found[verdict] for verdict in Verdict}


def replay(settings: Settings, ledger: Path | None, keys: Path | None) -> ReplayRun:
    """Replays a whole ledger, each set by what it was decided by; changes nothing.

    Where the ledger's archive lacks that, by the present policies. Raises CommandError where there is
    no ledger, or one that cannot be read, and KeysError where no subjects' keys lie.
    """
    folder = ledger or settings.ledger_dir
    if not shards_of(folder):
        raise CommandError(
            f"{folder} holds no ledger: give the folder above s0, or make one with "
            "`broker decide FILE --ledger DIR`"
        )
    where = keys_dir(settings, ledger, keys)
    subjects = read_subject_keys(where / SUBJECT_KEYS)
    sealer, unsealed = _sealer(where)
    beside = Beside(all_sidecars(folder, "facts"), all_sidecars(folder, "rows"))
    policy = load_policy(settings)
    try:
        sets = tuple(recorded_sets(folder))
    except ValueError as error:
        raise CommandError(
            f"{folder} holds a leaf that cannot be read ({error}): run `broker audit verify {folder}`"
        ) from error
    archived = _archived(folder, {one.hashes for one in sets})
    found = replay_sets(
        sets, beside, ReplayKeys(subjects, sealer, _of_epoch(where)), policy, archived
    )
    earlier = sum(one.hashes in archived and one.hashes != policy.hashes for one in sets)
    return ReplayRun(tuple(found), unsealed, earlier)


def _archived(folder: Path, named: Iterable[PolicyHashes]) -> dict[PolicyHashes, Policy]:
    """What the archive has of that. Raises CommandError for a damaged folder in it."""
    found: dict[PolicyHashes, Policy] = {}
    for hashes in named:
        try:
            found[hashes] = load_archived(folder / ARCHIVE, hashes)
        except NotArchivedError:
            continue
        except ArchiveError as error:
            raise CommandError(
                f"{error}; nothing is replayed from it: run `broker audit verify {folder}`"
            ) from error
    return found


def rows_of(run: ReplayRun) -> Iterator[Row]:
    """One object a decision set, then one that counts."""
    for one in run.replayed:
        yield msgspec.to_builtins(one)
    yield {
        "summary": True,
        "ok": run.ok,
        "sets": len(run.replayed),
        "counts": run.counts,
        "rules_changed": [
            {**msgspec.to_builtins(change), "sets": count} for change, count in run.rules.items()
        ],
        "by_archived_policies": run.earlier,
        "not_compared": sorted(OF_THE_SEAL) if run.unsealed else [],
    }


def show(out: Console, run: ReplayRun) -> None:
    """What needs a reader, set by set, then the rules that changed, then the counts in one line."""
    for one in run.replayed:
        if one.verdict not in SILENT:
            _show_set(out, one)
    lines = [
        f"rules changed since: {change.of} {change.recorded[:SHORT]} → {change.present[:SHORT]} "
        f"({count} sets)"
        for change, count in run.rules.items()
    ]
    if run.earlier:
        lines.append(f"{run.earlier} sets made by the archived policies that they were decided by")
    if run.unsealed:
        lines.append(f"not compared: {', '.join(sorted(OF_THE_SEAL))} ({run.unsealed})")
    for line in (*lines, summary_line(run)):
        out.print(Text(line), soft_wrap=True)


def summary_line(run: ReplayRun) -> str:
    """The counts in one line, without those that are nought."""
    counted = [f"{count} {verdict}" for verdict, count in run.counts.items() if count]
    verdict = "replay holds" if run.ok else "replay does not hold"
    return f"{verdict}: {len(run.replayed)} decision sets; {'; '.join(counted) or 'none'}"


def _show_set(out: Console, one: Replayed) -> None:
    heading = Text(f"event {one.event_id} · round {one.round} · {one.verdict}", style="bold")
    heading.append(f"  (log {one.shard}, from leaf {one.first})", style="dim")
    out.print(heading, soft_wrap=True)
    if one.detail:
        out.print(Text(f"  {one.detail}"), soft_wrap=True)
    for found in one.differences:
        said = f"recorded {_said(found.recorded)}, derived {_said(found.derived)}"
        out.print(Text(f"  {found.leaf} · {found.field}: {said}"), soft_wrap=True)


def _said(value: Any) -> str:
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def _sealer(where: Path) -> tuple[Sealer | None, str]:
    """The keys that everything is sealed with, or why they are not to be had."""
    try:
        return load_broker_keys(where).sealer, ""
    except KeysError as error:
        return None, str(error)
    except (KeyError, ValueError):
        return None, f"the broker's keys in {where} are of another version of this broker"


def _of_epoch(where: Path) -> Callable[[int], Sealer | None]:
    """The keys by which a set of a given time was sealed, if they were not destroyed since."""
    rings: list[KeyRing] = []

    def sealer(milliseconds: int) -> Sealer | None:
        moment = datetime.datetime.fromtimestamp(milliseconds / 1000, datetime.UTC)
        try:
            rings[:] = rings or [KeyRing(where)]
            return rings[0].at(moment).sealer
        except KeysError:
            return None

    return sealer
