"""`broker bench flow`: how fast the bare flow is on one core, and where the time goes.

Signature verified, body opened, commitments checked, every candidate decided, payloads sealed,
leaves made; no Kafka, no disk. The rate by processor time says what the core was given to it, whatever
else the machine did; the rate by the clock says what came of it. Figures are of one run on one machine:
read the relative order, not the third digit. Speed is never asserted in a test.
"""

from __future__ import annotations

import datetime
import os
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from broker.examples import example
from broker.flow import Policy, decide_part, part_input, receive, record_part
from broker.link import entry_of, link
from broker.locate import candidates
from broker.model.codec import decode
from broker.model.commitments import commitment_root
from broker.model.envelope import (
    IntakeEpoch,
    SigningIdentity,
    open_body,
    seal_statement,
    signature_holds,
)
from broker.model.reference import AUTHORITY, Reference
from broker.model.sealer import Sealer
from broker.model.sealing import PAD_BYTES, DataKey
from broker.model.types import ConcernEvent, Envelope, NexusKind
from broker.model.values import SourcePosition
from broker.reception import IntakeView, RawRecord, Reception
from broker.weigh import weigh

WARM_UP = 50
SECRET = bytes(32)


AREAS = 5
"""Authorities in whose area, or beside whose, an event with eight candidates lies."""


class FlowRate(msgspec.Struct, frozen=True):
    """How fast events of one shape went through."""

    candidates_per_event: float
    sealed_per_event: float
    events_per_second: float
    events_per_processor_second: float
    """By the time that the process had on its core."""


class FlowFigures(msgspec.Struct, frozen=True):
    """One run of the benchmark."""

    events: int
    at_eight: FlowRate
    at_ten: FlowRate
    microseconds_per_event: float
    """Processor time of an event with eight candidates."""
    share_of_step: dict[str, float]
    """Step -> share of that, measured by running it alone on one of the same events."""


Shape = Callable[[int], ConcernEvent]
"""The event of a number."""


class _Prepared(msgspec.Struct, frozen=True):
    """Signed events, and what is needed to take them in."""

    records: list[RawRecord]
    reception: Reception
    epoch_key: X25519PrivateKey


def _prepared(policy: Policy, count: int, shape: Shape) -> _Prepared:
    signing, epoch_key = Ed25519PrivateKey.generate(), X25519PrivateKey.generate()
    events = [shape(number) for number in range(count)]
    owner = events[0].publisher
    reception = _reception(policy, owner, signing, epoch_key)
    identity = SigningIdentity(owner, "key-1", signing)
    epoch = IntakeEpoch("epoch-1", epoch_key.public_key())
    data = [seal_statement(event, identity, epoch, os.urandom(32)) for event in events]
    received_at = events[0].reported_at
    records = [
        RawRecord(SourcePosition(f"concerns.v1.{owner}", 0, number), owner, received_at, one)
        for number, one in enumerate(data)
    ]
    return _Prepared(records, reception, epoch_key)


def _rate(prepared: _Prepared, policy: Policy) -> FlowRate:
    """The rate of all records but the first `WARM_UP`."""
    for record in prepared.records[:WARM_UP]:
        _one(record, policy, prepared.reception, Counter())
    tally: Counter[str] = Counter()
    records = prepared.records[WARM_UP:]
    by_clock, by_processor = time.perf_counter(), time.process_time()
    for record in records:
        _one(record, policy, prepared.reception, tally)
    by_clock, by_processor = time.perf_counter() - by_clock, time.process_time() - by_processor
    return FlowRate(
        candidates_per_event=tally["candidates"] / len(records),
        sealed_per_event=tally["sealed"] / len(records),
        events_per_second=len(records) / by_clock,
        events_per_processor_second=len(records) / by_processor,
    )


def flow_rates(policy: Policy, count: int, runs: int) -> list[float]:
    """Events a second of each run, with eight candidates each, by the clock."""
    prepared = _prepared(policy, count + WARM_UP, eight_candidates(policy.reference))
    return [_rate(prepared, policy).events_per_second for _ in range(runs)]


def sealed_sizes(policy: Policy) -> tuple[int, ...]:
    """Bytes of everything that one event seals, reply codes included."""
    prepared = _prepared(policy, 1, eight_candidates(policy.reference))
    (record,), reception = prepared.records, prepared.reception
    taken = receive(record, IntakeView(lambda _key: None, lambda _tokens: {}), reception)
    (part,) = taken.parts
    given = part_input(part, 0, reception.parts_key)
    result = decide_part(given, (), policy, reception.sealer.pairwise)
    recorded = record_part(result, (), policy, reception.sealer, SECRET)
    sets = (*taken.sets, recorded)
    return (
        len(part.sealed),
        *(len(one.content) for made in sets for one in made.sidecars),
        *(len(one.sealed) for made in sets for one in made.deliveries),
        *([PAD_BYTES] * len(recorded.deliveries)),
    )


def bench_flow(policy: Policy, count: int) -> FlowFigures:
    """Runs `count` signed events of each shape through the flow on this core, and times its steps."""
    prepared = _prepared(policy, count + WARM_UP, eight_candidates(policy.reference))
    at_eight = _rate(prepared, policy)
    seconds = 1 / at_eight.events_per_processor_second
    return FlowFigures(
        events=count,
        at_eight=at_eight,
        at_ten=_rate(_prepared(policy, count + WARM_UP, ten_candidates), policy),
        microseconds_per_event=seconds * 1e6,
        share_of_step=_shares(prepared, policy, seconds),
    )


def _one(record: RawRecord, policy: Policy, reception: Reception, tally: Counter[str]) -> None:
    view = IntakeView(seen=lambda _key: None, aliases=lambda _tokens: {})
    taken = receive(record, view, reception)
    if taken.rejection is not None:
        raise ValueError(f"refused, so nothing is measured: {taken.rejection.explanation}")
    for part in taken.parts:
        given = part_input(part, record.source.offset, reception.parts_key)
        result = decide_part(given, (), policy, reception.sealer.pairwise)
        recorded = record_part(result, (), policy, reception.sealer, SECRET)
        tally["candidates"] += len(result.decided)
        tally["sealed"] += len(recorded.deliveries)


def _shares(prepared: _Prepared, policy: Policy, whole: float) -> dict[str, float]:
    """Share of each step in the whole, each timed alone on one event."""
    record, reception = prepared.records[WARM_UP], prepared.reception
    epoch_key = prepared.epoch_key
    view = IntakeView(seen=lambda _key: None, aliases=lambda _tokens: {})
    envelope = decode(record.data or b"", Envelope)
    body = open_body(envelope, {"epoch-1": epoch_key})
    event = decode(body.payload, ConcernEvent)
    public = next(iter(reception.publisher_keys.values()))
    part = receive(record, view, reception).parts[0]
    given = part_input(part, 0, reception.parts_key)
    linked = link(given, ())
    result = decide_part(given, (), policy, reception.sealer.pairwise)
    steps: dict[str, Callable[[], Any]] = {
        "signature": lambda: signature_holds(envelope, public),
        "open body": lambda: open_body(envelope, {"epoch-1": epoch_key}),
        "read event": lambda: decode(body.payload, ConcernEvent),
        "commitments": lambda: commitment_root(event, body.seed),
        "intake and verify, whole": lambda: receive(record, view, reception),
        "open part": lambda: part_input(part, 0, reception.parts_key),
        "link": lambda: (link(given, ()), entry_of(given)),
        "weigh": lambda: weigh(linked.claim, policy.parameters),
        "locate": lambda: candidates(linked, policy.reference),
        "link to redact, whole": lambda: decide_part(given, (), policy, reception.sealer.pairwise),
        "record and seal": lambda: record_part(result, (), policy, reception.sealer, SECRET),
    }
    return {name: _seconds(step) / whole for name, step in steps.items()}


def _seconds(step: Callable[[], Any], times: int = 200) -> float:
    """Median seconds of processor time of one run."""
    taken = []
    for _ in range(times):
        started = time.process_time()
        step()
        taken.append(time.process_time() - started)
    return sorted(taken)[times // 2]


def ten_candidates(number: int) -> ConcernEvent:
    """The parent's warning of scenario S1 with an id of its own: ten candidates, four alerts."""
    event = example("concern")
    if not isinstance(event, ConcernEvent):
        raise TypeError("the example of a concern is a ConcernEvent")
    return msgspec.structs.replace(
        event, event_id=f"bench-{number}", origin_id=f"bench-origin-{number}"
    )


def eight_candidates(reference: Reference) -> Shape:
    """The same of a child and a place whose authorities have fewer neighbours: as many alerts."""
    home, harm_place = _few_neighbours(reference, ten_candidates(0).reported_at.date())

    def shape(number: int) -> ConcernEvent:
        event = ten_candidates(number)
        (child,) = event.subjects
        nexus = tuple(
            msgspec.structs.replace(one, organisation=home) if one.kind is NexusKind.HOME else one
            for one in child.nexus
        )
        return msgspec.structs.replace(
            event,
            place=event.place and msgspec.structs.replace(event.place, la_gss=harm_place),
            subjects=(msgspec.structs.replace(child, nexus=nexus),),
        )

    return shape


def _few_neighbours(reference: Reference, on: datetime.date) -> tuple[str, str]:
    """The first two bordering authorities under one force that with their neighbours are `AREAS`."""
    authorities = sorted(
        one.code
        for one in reference.organisations.values()
        if one.kind == AUTHORITY and one.in_force(on)
    )
    return next(
        (code, other)
        for code in authorities
        for other in sorted(reference.neighbours(code, on).intersection(authorities))
        if len({code, other} | reference.neighbours(code, on) | reference.neighbours(other, on))
        == AREAS
        and reference.serving(code, on) == reference.serving(other, on)
    )


def _reception(
    policy: Policy, owner: str, signing: Ed25519PrivateKey, epoch_key: X25519PrivateKey
) -> Reception:
    """Keys made for this run; every organisation of the register has a data key."""
    data_key = DataKey("epoch-1", SECRET, bytes(80))
    return Reception(
        publisher_keys={(owner, "key-1"): signing.public_key()},
        epoch_keys={"epoch-1": epoch_key},
        linkage_key=SECRET,
        parts_key=SECRET,
        reference=policy.reference,
        sealer=Sealer(
            data_keys=dict.fromkeys(policy.reference.organisations, data_key),
            desk=data_key,
            rows_key=SECRET,
            pairwise_secret=SECRET,
        ),
    )
