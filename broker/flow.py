"""The flow: the order of the steps, in one place. Pure: no Kafka, no clock, no chance, no files.

Intake's half turns one Kafka record into its leaf, its receipt and its parts; decide's half turns
one part into decisions for every candidate. The shell feeds both and sends what they return. "Now"
is always the record's LogAppendTime, so catching up after a week decides as it would have then.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from broker.decide import (
    PolicyBundle,
    Reading,
    decide,
    looked_at,
    looked_at_of_part,
    part_facts,
    within_limits,
    within_words,
)
from broker.intake import part_binding, subject_name
from broker.link import link
from broker.locate import candidates
from broker.model.codec import decode
from broker.model.reference import Reference
from broker.model.sealer import Sealer
from broker.model.sealing import unseal
from broker.model.statement import unpack
from broker.model.types import ConcernEvent, DecisionSet, Part
from broker.model.values import Decision, Linked, PartInput, Rejection, StateEntry, Weight
from broker.reception import (
    IntakeResult,
    IntakeView,
    RawRecord,
    Reception,
    open_record,
    rejected,
    take,
)
from broker.record import Decided, PolicyHashes, decision_record
from broker.redact import Seen, release
from broker.weigh import WeightParameters, weigh

STEPS = (
    "intake",
    "verify",
    "link",
    "weigh",
    "locate",
    "decide",
    "redact",
    "record",
    "deliver",
)
"""The order of the flow. ARCHITECTURE.md and README.md tell it in this order; a test holds that."""


class Policy(msgspec.Struct, frozen=True):
    """By what parts are decided: reference data, bundle and weight parameters, with their hashes."""

    reference: Reference
    bundle: PolicyBundle
    parameters: WeightParameters
    hashes: PolicyHashes


class DecidedPart(msgspec.Struct, frozen=True):
    """One part, decided for every candidate."""

    linked: Linked
    weight: Weight
    decided: tuple[Decided, ...]


def receive(record: RawRecord, view: IntakeView, reception: Reception) -> IntakeResult:
    """intake, verify: exactly one intake leaf for one Kafka record, whatever it holds."""
    opened = open_record(record, reception)
    if isinstance(opened, Rejection):
        return rejected(record, opened, reception)
    return take(record, opened, view, reception)


def decide_part(
    part: PartInput,
    past: Sequence[StateEntry],
    policy: Policy,
    pairwise: Callable[[str, str], str],
) -> DecidedPart:
    """link, weigh, locate, then decide and redact for every candidate."""
    linked = link(part, past)
    weight = weigh(linked.claim, policy.parameters)
    facts = part_facts(linked, policy.reference)
    of_part, reading = looked_at_of_part(facts), Reading(part)
    decided, shared = [], Seen()
    for candidate in candidates(linked, policy.reference):
        decision = decide(facts, candidate, policy.bundle, policy.reference)
        decision = within_limits(part, facts, decision)
        seen = looked_at(of_part, facts, candidate, policy.bundle, policy.reference)
        made = shown(linked, decision, weight, pairwise, shared)
        if (waits := within_words(facts, decision, made.released, reading)) is not decision:
            made = Decided(waits, ())
        decided.append(Decided(made.decision, made.released, seen, pseudonym=made.pseudonym))
    return DecidedPart(linked, weight, tuple(decided))


def shown(
    linked: Linked,
    decision: Decision,
    weight: Weight,
    pairwise: Callable[[str, str], str],
    seen: Seen | None = None,
) -> Decided:
    """redact: a decision with what its recipient sees of the part, from released fields only.

    `seen` is one dict for all recipients of the part (broker.redact).
    """
    if not decision.released:
        return Decided(decision, ())
    pseudonym = pairwise(decision.candidate.organisation, linked.part.part_key)
    released = release(linked, decision, weight, pseudonym, seen)
    return Decided(decision, released, pseudonym=pseudonym)


def record_part(
    result: DecidedPart,
    past: Sequence[StateEntry],
    policy: Policy,
    sealer: Sealer,
    subject_key: bytes,
) -> DecisionSet:
    """record: the decision set of a decided part, sealed. The ledger delivers what it recorded."""
    return decision_record(
        result.linked, result.weight, result.decided, past, policy.hashes, sealer, subject_key
    )


def part_input(part: Part, order: int, parts_key: bytes) -> PartInput:
    """The part with its event opened, as the flow takes it. `order` is its place in the stream."""
    held = unpack(unseal(parts_key, part.sealed, part_binding(part.part_id)))
    event = decode(held.event, ConcernEvent)
    names = (subject_name(event.publisher, one.subject_ref) for one in event.subjects)
    named = dict(zip(names, event.subjects, strict=True))
    subject = None if part.subject_ref is None else named.get(part.subject_ref)
    return PartInput(
        part_id=part.part_id,
        part_key=part.part_key,
        kind=part.kind,
        event=event,
        encoded=held.event,
        subject=subject,
        received_at=part.received_at,
        order=order,
        part_count=part.part_count,
        receipt_set_id=part.receipt_set_id,
        flags=part.flags,
        only_told=part.only_told,
        told=part.told,
        statement=held.statement,
    )


def undecided(part: PartInput, past: Sequence[StateEntry]) -> DecidedPart:
    """A part that could not be decided: told to nobody, closed with flag `policy_error`, alarmed."""
    linked = link(part, past)
    flagged = msgspec.structs.replace(linked, flags=(*linked.flags, "policy_error"))
    nothing = Weight(0, "not_weighed", ("The part could not be weighed.",), 0)
    return DecidedPart(flagged, nothing, ())
