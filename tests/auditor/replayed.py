"""Ledgers to be replayed: scenarios, one statement of every kind, and human acts on them."""

from __future__ import annotations

import datetime
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from broker.commands.recording import new_ledger
from broker.examples import KINDS, example
from broker.examples.scenarios import load_scenarios
from broker.model import types as t
from broker.model.canonical import canonical_json
from broker.model.values import SourcePosition
from broker.offline import OfflineFlow
from broker.reference import load_connected
from broker.shell.policy import load_policy
from broker.shell.settings import Settings
from tests.rounds.story import WARNING, act, later
from tests.rounds.test_retraction import correction, retraction

SETTINGS = Settings()
POLICY = load_policy(SETTINGS)
Told = tuple[t.ConcernEvent | t.Action, datetime.datetime]
Forge = Callable[[t.DecisionSet], t.DecisionSet]
RECIPIENT = "E08000031:csc"


def fewer_agreements(folder: Path) -> Path:
    """A copy of the policies without what the region has agreed."""
    shutil.copytree(SETTINGS.policies_dir, folder)
    for name in ("schools-notices", "staffordshire-shropshire-2021", "west-midlands-region"):
        shutil.rmtree(folder / "agreements" / name)
    return folder


def scenarios() -> Iterator[Told]:
    """Every bundled scenario's events in order, then one of every kind."""
    for scenario in load_scenarios():
        yield from ((one.event, one.at) for one in scenario.publications)
    for kind in KINDS:
        event = example(kind)
        if isinstance(event, t.ConcernEvent):
            yield event, event.reported_at


def acts() -> Iterator[Told]:
    """On the first warning: a review, a break-glass and the look back on it, what is overdue; the end."""
    ask = act("release", action_id="asked", recipient=RECIPIENT)
    confirm = act(
        "release", action_id="sure", recipient=RECIPIENT, actor="desk-2", confirms="asked"
    )
    told = (
        act("review", action_id="reviewed", verdict="permit"),
        ask,
        confirm,
        act("look_back", action_id="looked", verdict="not_justified", confirms="asked"),
        act("escalate", action_id="late", recipient=RECIPIENT, reason="not_acknowledged"),
        act("expire", action_id="over"),
    )
    for minutes, one in enumerate(told, 1):
        yield one, later(minutes=minutes)
    yield correction(), later(minutes=20)
    yield retraction(), later(minutes=30)


def reviewed() -> Iterator[Told]:
    """Two warnings that wait for a person; one is permitted, one refused, both are asked about again."""
    for number, verdict in enumerate(("permit", "refuse")):
        event_id = f"4f0c7a52-3b10-4f6e-9c70-0d2f6d5b7a1{number}"
        yield (
            msgspec.structs.replace(
                WARNING, event_id=event_id, origin_id=event_id, handling=t.Handling(code="Z")
            ),
            later(hours=1),
        )
        for again in range(2):
            answer = act("review", verdict=verdict, event_id=event_id)
            yield (
                msgspec.structs.replace(answer, action_id=f"review-{number}-{again}"),
                later(hours=2),
            )


def overtaken() -> Iterator[Told]:
    """Two say the same; one takes it back before a person permits the other, which then weighs less."""
    first, second = (
        msgspec.structs.replace(WARNING, event_id=event_id, origin_id=event_id, **changes)
        for event_id, changes in (
            ("5f0c7a52-3b10-4f6e-9c70-0d2f6d5b7a10", {}),
            ("5f0c7a52-3b10-4f6e-9c70-0d2f6d5b7a11", {"handling": t.Handling(code="Z")}),
        )
    )
    yield first, later(hours=3)
    yield second, later(hours=3, minutes=1)
    back = retraction(first)
    yield (
        msgspec.structs.replace(back, event_id="5f0c7a52-3b10-4f6e-9c70-0d2f6d5b7a12"),
        later(hours=3, minutes=2),
    )
    answer = act("review", action_id="after", verdict="permit", event_id=second.event_id)
    yield answer, later(hours=3, minutes=3)


def write(
    folder: Path,
    statements: Iterable[Told],
    forge: Forge = lambda one: one,
    settings: Settings = SETTINGS,
) -> Path:
    """A ledger of these statements, signed and published; `forge` changes sets before they are signed."""
    policy = POLICY if settings is SETTINGS else load_policy(settings)
    connected = load_connected(settings.organisations_dir / "connected.yaml")
    with new_ledger(folder, "test", policy.reference, connected) as recorder:
        flow = OfflineFlow(policy, recorder.reception, recorder.subject_key, recorder.destroy_key)
        for offset, (statement, at) in enumerate(statements):
            is_act = isinstance(statement, t.Action)
            owner = statement.organisation if is_act else statement.publisher  # type: ignore[union-attr]
            topic = f"{'actions' if is_act else 'concerns'}.v1.{owner}"
            outcome = flow.submit(statement, at, SourcePosition(topic, 0, offset))
            recorder.take([forge(one) for one in outcome.sets])
    return folder


def first_permit_refused(one: t.DecisionSet) -> t.DecisionSet:
    """The set with its first PERMIT recorded as a refusal, and counts that add up: nothing else shows it."""
    leaves = [msgspec.json.decode(leaf) for leaf in one.leaves]
    told = next((leaf for leaf in leaves if leaf.get("outcome") == "PERMIT"), None)
    if told is None:
        return one
    told.update(outcome="DENY", mode=None, released=[], due=None)
    closing = leaves[-1]
    closing.update(permit=closing["permit"] - 1, deny=closing["deny"] + 1)
    return with_leaves(one, leaves)


def with_leaves(one: t.DecisionSet, leaves: Iterable[dict[str, Any]]) -> t.DecisionSet:
    """The set with other leaves."""
    return msgspec.structs.replace(one, leaves=tuple(canonical_json(leaf) for leaf in leaves))
