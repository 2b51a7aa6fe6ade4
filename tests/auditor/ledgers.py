"""Ledgers for the auditor's tests, made by the record room and the store: invented people only."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from broker.ledger import RecordSet, ShardStore
from broker.model.canonical import digest_text
from broker.model.sealer import Sealer
from broker.model.sealing import DataKey
from broker.model.types import (
    Action,
    ActionKind,
    ConcernEvent,
    DecisionSet,
    IntakeOutcome,
    PartKind,
    ReceiptContent,
)
from broker.model.values import (
    Candidate,
    Claim,
    Decision,
    FieldRuling,
    Linked,
    Outcome,
    PartInput,
    Rejection,
    SourcePosition,
    Weight,
)
from broker.record import (
    Decided,
    PolicyHashes,
    accepted_record,
    action_record,
    decision_record,
    duplicate_record,
    intake_set_id,
    link_record,
    rejected_record,
)
from broker.shell.ledger_worker import record_set, render
from tests.builders import ADVOCATE, NOW, concern, subject

NAME = "test"
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
TOPIC = f"concerns.v1.{ADVOCATE}"
DATA_KEY = DataKey("e1", bytes(32), b"wrapped")
ORGANISATIONS = ("E08000031", "E08000028", "E23000014", "SCH-TEST")
SEALER = Sealer(
    data_keys=dict.fromkeys((*ORGANISATIONS[:3], ADVOCATE), DATA_KEY),
    desk=DATA_KEY,
    rows_key=bytes(32),
    pairwise_secret=b"s",
)
HASHES = PolicyHashes("b", "g", "r", "p")
WEIGHT = Weight(500, "medium", ("One observation.",), 1)
OUTCOMES = (Outcome.PERMIT, Outcome.DENY, Outcome.REVIEW)


def source(offset: int) -> SourcePosition:
    """A record of the advocate's topic."""
    return SourcePosition(TOPIC, 0, offset)


def receipt(event_id: str, outcome: IntakeOutcome = IntakeOutcome.ACCEPTED) -> ReceiptContent:
    """A receipt without more than it needs."""
    return ReceiptContent(outcome=outcome, event_id=event_id, received_at=NOW)


def event_of(offset: int) -> ConcernEvent:
    """The event that lies at that offset."""
    return concern(event_id=f"event-{offset}", origin_id=f"origin-{offset}")


def part_id_of(offset: int, number: int) -> str:
    """The part of that event."""
    return digest_text("part", str(offset), str(number))[:32]


def accepted(offset: int, parts: int = 1) -> DecisionSet:
    """The event at that offset is accepted with so many parts."""
    ids = tuple(part_id_of(offset, number) for number in range(parts))
    event = event_of(offset)
    return accepted_record(source(offset), event, ids, "e" * 64, receipt(event.event_id), SEALER)


def decided(
    offset: int, number: int = 0, candidates: int = 5, round_: int = 0, first: int = 0
) -> DecisionSet:
    """That part, decided for so many candidates: PERMIT, DENY and REVIEW in turn."""
    event = event_of(offset)
    part = PartInput(
        part_id=part_id_of(offset, number),
        part_key=f"token-{offset}-{number}",
        kind=PartKind.SUBJECT,
        event=event,
        subject=subject(),
        received_at=NOW,
        order=offset,
        part_count=1,
        receipt_set_id=intake_set_id(source(offset)),
        round=round_,
    )
    linked = Linked(part, Claim((), NOW), 1, ())
    made = [_decision(first + one) for one in range(candidates)]
    return decision_record(linked, WEIGHT, made, (), HASHES, SEALER, bytes(32))


def _decision(number: int) -> Decided:
    organisation = ORGANISATIONS[number % len(ORGANISATIONS)]
    candidate = Candidate(organisation, f"role{number}", ("home",), "authority", "England")
    outcome = OUTCOMES[number % len(OUTCOMES)]
    decision = Decision(
        candidate=candidate,
        outcome=outcome,
        mode="CONTENT" if outcome is not Outcome.DENY else None,
        released=(FieldRuling("harms", "as_stated", "law.home"),) * (outcome is Outcome.PERMIT),
        withheld=(("source", "source_identity"),),
        reasons=("law.home",),
        obligations=(),
    )
    return Decided(decision, (("harms", ["weapon_threat"], "as_stated"),))


def rejected(offset: int) -> DecisionSet:
    """The record at that offset is refused."""
    refusal = Rejection("bad_signature", "the signature does not hold: sign again")
    return rejected_record(source(offset), ADVOCATE, refusal, "e" * 64, NOW, SEALER)


def duplicate(offset: int, of: int) -> DecisionSet:
    """The record at that offset is the same as the one at `of`."""
    return duplicate_record(
        source(offset),
        ADVOCATE,
        f"event-{of}",
        intake_set_id(source(of)),
        receipt(f"event-{of}"),
        NOW + datetime.timedelta(minutes=1),
        SEALER,
    )


def action(offset: int) -> DecisionSet:
    """A human act."""
    act = Action(
        action_id=f"action-{offset}",
        kind=ActionKind.ACKNOWLEDGE,
        organisation=ADVOCATE,
        actor="staff-1",
        event_id="event-0",
        acted_at=NOW,
    )
    return action_record(source(offset), act, "e" * 64, receipt(act.action_id), SEALER)


def story(events: int = 12) -> list[DecisionSet]:
    """So many events with one to three parts, and one record of every other kind."""
    sets: list[DecisionSet] = []
    for offset in range(events):
        parts = 1 + offset % 3
        sets.append(accepted(offset, parts))
        sets += [decided(offset, number, candidates=5 + number) for number in range(parts)]
    return [
        *sets,
        decided(0, round_=1, candidates=3),
        rejected(events),
        duplicate(events + 1, of=0),
        action(events + 2),
        link_record(source(0), "event-0", "younger", "older"),
    ]


def write_ledger(
    directory: Path,
    sets: Iterable[DecisionSet],
    *,
    shards: int = 1,
    batch: int = 5,
    forged: Callable[[RecordSet], RecordSet] = lambda one: one,
    key: Ed25519PrivateKey = KEY,
) -> Path:
    """A ledger of these sets, published and closed. `forged` changes sets before they are signed."""
    lanes: list[list[RecordSet]] = [[] for _ in range(shards)]
    for one in sets:
        lanes[int(one.set_id[:8], 16) % shards].append(forged(record_set(one)))
    for number, lane in enumerate(lanes):
        write_shard(directory / f"s{number}", lane, batch=batch, key=key)
    return directory


def write_shard(
    folder: Path,
    sets: Sequence[RecordSet],
    *,
    batch: int = 5,
    key: Ed25519PrivateKey = KEY,
) -> None:
    """One shard of a ledger, batch by batch, published after each."""
    store = ShardStore.open(folder, f"{NAME}/{folder.name}", key)
    epoch = store.take_epoch()
    store.publish_tiles()
    for start in range(0, len(sets), batch):
        store.commit(
            sets[start : start + batch], epoch=epoch, next_offset=start + batch, render=render
        )
        store.publish_tiles()
    store.close()


def changed(one: RecordSet, leaves: Sequence[bytes]) -> RecordSet:
    """The set with other leaves."""
    return msgspec.structs.replace(one, leaves=tuple(leaves))
