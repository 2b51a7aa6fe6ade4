"""Ledgers in which it is known how every voice fared: real decisions, and answers as the story asks."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from broker.commands.recording import Recorder, new_ledger
from broker.model import types as t
from broker.model.values import SourcePosition
from broker.offline import OfflineFlow
from broker.record import action_record
from broker.reference import load_connected
from broker.shell.policy import load_policy
from broker.shell.settings import Settings
from tests.rounds.story import AT, WARNING

SETTINGS = Settings()
POLICY = load_policy(SETTINGS)
Answers = Callable[[t.ConcernEvent, int, int], Sequence[str]]
"""Event, its number, the alert's number -> the kinds of the recipient's answers."""
Forge = Callable[[t.DecisionSet], t.DecisionSet]
HEARD = ("acknowledge", "consider", "act")
COMMUNITY = (t.Provenance.PARENT, t.Provenance.COMMUNITY_MEMBER)
STATUTORY = (t.Provenance.POLICE, t.Provenance.SOCIAL_CARE)


def statement(number: int, provenance: t.Provenance, **changes: Any) -> t.ConcernEvent:
    """The warning again, about another invented child, first said by another voice."""
    (child,) = WARNING.subjects
    local = t.Identifier(scheme=t.IdentifierScheme.LOCAL, system="invented", value=f"C{number}")
    base = msgspec.structs.replace(
        WARNING,
        event_id=f"7f0c7a52-3b10-4f6e-9c70-{number:012d}",
        origin_id=f"origin-{number}",
        provenance=provenance,
        subjects=(msgspec.structs.replace(child, identifiers=(local,), sex="FM"[number % 2]),),
    )
    return msgspec.structs.replace(base, **changes)


def voices(each: int, *kinds: t.Provenance) -> list[t.ConcernEvent]:
    """So many equal statements from each kind of voice."""
    return [
        statement(kind * each + number, one)
        for kind, one in enumerate(kinds)
        for number in range(each)
    ]


def everyone_heard(_event: t.ConcernEvent, _number: int, _alert: int) -> Sequence[str]:
    """Every recipient acknowledges, considers and acts."""
    return HEARD


def community_ignored(event: t.ConcernEvent, number: int, alert: int) -> Sequence[str]:
    """Of what the community said two in three alerts are acknowledged and never considered."""
    if event.provenance in COMMUNITY and (number + alert) % 3:
        return ("acknowledge",)
    return HEARD


def told(
    folder: Path,
    events: Iterable[t.ConcernEvent],
    answers: Answers = everyone_heard,
    *,
    after: Iterable[t.ConcernEvent | t.Action] = (),
    forge: Forge = lambda one: one,
    policy: Any = POLICY,
) -> Path:
    """A ledger of these statements and of what came of them; its keys lie in `folder/keys`."""
    connected = load_connected(SETTINGS.organisations_dir / "connected.yaml")
    with new_ledger(folder, "test", policy.reference, connected) as recorder:
        flow = OfflineFlow(policy, recorder.reception, recorder.subject_key)
        for number, event in enumerate(events):
            sets = flow.submit(event, AT, SourcePosition("concerns.v1.test", 0, number)).sets
            recorder.take([forge(one) for one in sets])
            leaves = [json.loads(leaf) for one in sets for leaf in one.leaves]
            alerts = [one for one in leaves if one.get("outcome") == "PERMIT"]
            for place, alert in enumerate(alerts):
                kinds = answers(event, number, place)
                recorder.take([_answer(recorder, alert, n, kind) for n, kind in enumerate(kinds)])
        for number, late in enumerate(after):
            at = AT + datetime.timedelta(days=1)
            sets = flow.submit(late, at, SourcePosition("later.v1.test", 0, number)).sets
            recorder.take(list(sets))
    return folder


def _answer(recorder: Recorder, alert: dict[str, Any], n: int, kind: str) -> t.DecisionSet:
    """The recipient's own answer, hours after the alert."""
    number = int(alert["message_id"][:4], 16)
    at = AT + datetime.timedelta(hours=1 + n, minutes=number % 300)
    action = t.Action(
        action_id=f"{alert['message_id'][:24]}-{kind}",
        kind=t.ActionKind(kind),
        organisation=alert["organisation"],
        actor="staff-1",
        alert_id=alert["message_id"],
        reason=f"Read and weighed: {alert['message_id'][:12]}",
        acted_at=at,
    )
    receipt = t.ReceiptContent(
        outcome=t.IntakeOutcome.ACCEPTED, event_id=action.action_id, received_at=at
    )
    source = SourcePosition(f"actions.{alert['message_id'][:24]}", 0, n)
    return action_record(source, action, "e" * 64, receipt, recorder.reception.sealer)


def rows_key(folder: Path) -> bytes:
    """The auditors' key of that ledger."""
    return (folder / "keys" / "broker" / "rows.key").read_bytes()
