"""`broker decide`: the whole flow over a file, without Kafka; what was decided, and why, as values.

Everything printed is a dict with fixed keys, one for each candidate and one that closes each part,
so that the numbers can be checked from outside.
"""

from __future__ import annotations

import datetime
import secrets
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from broker.commands.recording import new_ledger
from broker.commands.statements import StatementLine
from broker.flow import DecidedPart, Policy
from broker.model.sealer import Sealer
from broker.model.sealing import DataKey
from broker.model.types import Action, DecisionSet
from broker.model.values import Outcome, PartInput, Rejection, SourcePosition, Weight
from broker.offline import OfflineFlow
from broker.offline import Outcome as FlowOutcome
from broker.reception import Reception
from broker.record import Decided
from broker.reference import load_connected
from broker.shell.policy import archive_in, load_policy
from broker.shell.settings import Settings

SECRET_BYTES = 32
LATER_FIELDS = (
    *("event_id", "part_id", "round", "recipient", "mode", "reasons", "obligations", "channel"),
    *("count", "permit", "deny", "review", "flags"),
)
"""What is printed of the leaves of a later round, with `later_outcome`: ids and reasons, no content."""
Row = dict[str, Any]
"""One object of the output."""


class DecidedLine(msgspec.Struct, frozen=True):
    """What became of one line: objects to print, and sets that a ledger would record."""

    line: StatementLine
    rows: tuple[Row, ...]
    sets: tuple[DecisionSet, ...] = ()
    rejected: bool = False


@contextmanager
def decider(
    settings: Settings, now: datetime.datetime | None, ledger: Path | None
) -> Iterator[Callable[[Iterable[StatementLine]], Iterator[DecidedLine]]]:
    """What decides lines by the policies of `settings`, in order, each knowing those before it.

    `now`: when all of them are taken to be received. With `ledger`, everything is recorded in a new
    ledger in that folder, which is published when the block ends. Raises CommandError where one
    lies there.
    """
    policy = load_policy(settings)
    connected = load_connected(settings.organisations_dir / "connected.yaml")
    if ledger is None:
        reception = passing_reception(policy, connected)
        flow = OfflineFlow(policy, reception, passing_subject_keys())
        yield lambda lines: decide_lines(lines, flow, policy, now)
        return
    with new_ledger(ledger, settings.name, policy.reference, connected) as recorder:
        archive_in(ledger, settings, policy)
        recording = OfflineFlow(
            policy, recorder.reception, recorder.subject_key, recorder.destroy_key
        )

        def decide_and_record(lines: Iterable[StatementLine]) -> Iterator[DecidedLine]:
            for decided in decide_lines(lines, recording, policy, now):
                recorder.take(decided.sets)
                yield decided

        yield decide_and_record


def passing_reception(policy: Policy, connected: Sequence[str]) -> Reception:
    """A reception with random keys that nobody keeps: what is sealed in this run stays sealed."""

    def key() -> DataKey:
        return DataKey("this-run", secrets.token_bytes(SECRET_BYTES), b"")

    return Reception(
        publisher_keys={},
        epoch_keys={},
        linkage_key=secrets.token_bytes(SECRET_BYTES),
        parts_key=secrets.token_bytes(SECRET_BYTES),
        reference=policy.reference,
        sealer=Sealer(
            data_keys={code: key() for code in connected},
            desk=key(),
            rows_key=secrets.token_bytes(SECRET_BYTES),
            pairwise_secret=secrets.token_bytes(SECRET_BYTES),
        ),
    )


def passing_subject_keys() -> Callable[[str], bytes]:
    """A random key for each subject, kept for this run only."""

    @cache
    def key_of(_part_key: str) -> bytes:
        return secrets.token_bytes(SECRET_BYTES)

    return key_of


def decide_lines(
    lines: Iterable[StatementLine],
    flow: OfflineFlow,
    policy: Policy,
    now: datetime.datetime | None,
) -> Iterator[DecidedLine]:
    """Each line through the flow, in order. `now`: when all of them are taken to be received."""
    offsets: Counter[str] = Counter()
    for line in lines:
        received_at = now or line.received_at or line.stated_at
        if line.statement is None or received_at is None:
            yield _rejected(line, line.rejection or Rejection("not_valid", "it says nothing"))
            continue
        kind = "actions" if isinstance(line.statement, Action) else "concerns"
        topic = f"{kind}.v1.{line.publisher}"
        source = SourcePosition(topic, 0, offsets[topic])
        offsets[topic] += 1
        try:
            outcome = flow.submit(line.statement, received_at, source, line.data)
        except Exception as error:  # noqa: BLE001 -- a line that cannot be decided is a refusal with a reason, never a lost line
            failure = Rejection("policy_error", f"it could not be decided ({type(error).__name__})")
            yield _rejected(line, failure)
        else:
            yield _decided(line, outcome, policy)


def _decided(line: StatementLine, outcome: FlowOutcome, policy: Policy) -> DecidedLine:
    if outcome.rejection is not None:
        rejected = _rejected(line, outcome.rejection)
        return msgspec.structs.replace(rejected, sets=outcome.sets)
    if outcome.duplicate:
        row: Row = {"line": line.number, "duplicate": True, "event_id": line.statement_id}
        return DecidedLine(line, (row,), outcome.sets)
    later = _later_rows(line, outcome.sets)
    if not outcome.parts and not isinstance(line.statement, Action):
        kind = line.statement.event_type.value if line.statement else ""
        row = {"line": line.number, "recorded": kind, "event_id": line.statement_id}
        return DecidedLine(line, (row, *later), outcome.sets)
    if isinstance(line.statement, Action):
        row = {
            "line": line.number,
            "recorded": line.statement.kind.value,
            "action_id": line.statement_id,
        }
        return DecidedLine(line, (row, *later), outcome.sets)
    rows = [row for part in outcome.parts for row in _part_rows(line, part, policy)]
    return DecidedLine(line, (*later, *rows), outcome.sets)


def _later_rows(line: StatementLine, sets: Sequence[DecisionSet]) -> tuple[Row, ...]:
    """What an act or a retraction did to parts that were decided before, as their leaves say it."""
    rows: list[Row] = []
    for one in sets:
        for encoded in one.leaves:
            leaf = msgspec.json.decode(encoded)
            if leaf.get("round"):
                shown: Row = {name: leaf[name] for name in LATER_FIELDS if name in leaf}
                closing: Row = {"later_round_closed": True} if leaf["kind"] == "closing" else {}
                outcome: Row = {"later_outcome": leaf["outcome"]} if "outcome" in leaf else {}
                rows.append({"line": line.number} | shown | outcome | closing)
    return tuple(rows)


def _rejected(line: StatementLine, rejection: Rejection) -> DecidedLine:
    explanation = rejection.explanation
    if not explanation.startswith("line "):
        explanation = f"line {line.number}: {explanation}"
    row = {
        "line": line.number,
        "rejected": rejection.reason,
        "explanation": explanation,
        "event_id": rejection.event_id or line.statement_id,
    }
    return DecidedLine(line, (row,), rejected=True)


def _part_rows(line: StatementLine, part: DecidedPart, policy: Policy) -> Iterator[Row]:
    """One object for each candidate, then the closing one."""
    given = part.linked.part
    for one in part.decided:
        yield {"line": line.number, **_candidate_row(part, one, policy)}
    outcomes = [one.decision.outcome for one in part.decided]
    yield {
        "line": line.number,
        "closing": True,
        "event_id": given.event.event_id,
        "part": _part_name(given),
        "candidates": len(outcomes),
        "permit": outcomes.count(Outcome.PERMIT),
        "deny": outcomes.count(Outcome.DENY),
        "review": outcomes.count(Outcome.REVIEW),
        "flags": list(part.linked.flags),
        "weight": _weight_row(part.weight),
        "decided_at": given.received_at.isoformat().replace("+00:00", "Z"),
        "policy": msgspec.to_builtins(policy.hashes),
    }


def _candidate_row(part: DecidedPart, one: Decided, policy: Policy) -> Row:
    decision, given = one.decision, part.linked.part
    candidate = decision.candidate
    return {
        "event_id": given.event.event_id,
        "part": _part_name(given),
        "recipient": candidate.recipient,
        "organisation": candidate.organisation,
        "name": policy.reference.organisations[candidate.organisation].name,
        "role": candidate.role,
        "capacity": list(candidate.capacity),
        "outcome": decision.outcome.value,
        "mode": decision.mode,
        "released": {field: msgspec.to_builtins(value) for field, value, _ in one.released},
        "withheld": [{"field": field, "reason": reason} for field, reason in decision.withheld],
        "reasons": list(decision.reasons),
        "obligations": list(decision.obligations),
        "weight": _weight_row(part.weight),
    }


def _part_name(part: PartInput) -> str:
    """What the event itself calls the part: the same each time, and nobody's identifier."""
    return part.subject.subject_ref if part.subject is not None else part.kind.value


def _weight_row(weight: Weight) -> Row:
    return {
        "value": weight.value,
        "band": weight.band,
        "explanation": list(weight.explanation),
    }
