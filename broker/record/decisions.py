"""The record of one part in one round: a leaf for every candidate, a closing leaf, sealed alerts.

Refusals are recorded like disclosures. The leaves hold ids, outcomes, field names and reason codes;
what replay needs is sealed to the subject's key, what reports need to the auditors'; the closing
leaf commits to both, and to the policy bundle, geography and register that were used.
"""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from broker.model.canonical import canonical_json, digest_text
from broker.model.codec import encode
from broker.model.reply import ReplyTo, reply_code
from broker.model.sealer import Sealer
from broker.model.sealing import seal
from broker.model.types import (
    AlertContent,
    Channel,
    DecisionSet,
    Fate,
    Mode,
    SealedDelivery,
    SetKind,
    Sidecar,
)
from broker.model.values import Decision, Linked, LookedAt, Outcome, PartInput, StateEntry, Weight
from broker.record.age_band import age_band
from broker.record.clocks import acknowledge_by, review_by
from broker.record.considered import considered, of_candidate
from broker.record.fate import fate_receipt
from broker.record.leaves import (
    FORMAT,
    encoded_leaf,
    leaf,
    leaf_hash,
    message_id,
    milliseconds,
    sealed_delivery,
)
from broker.record.occurrence import occurrence_of
from broker.record.returned import returned_receipt
from broker.record.statement import Prover
from broker.record.subject_tag import subject_tag


class Decided(msgspec.Struct, frozen=True):
    """One candidate's decision with what redaction built from it: (field, value, transform)."""

    decision: Decision
    released: tuple[tuple[str, Any, str], ...]
    looked_at: LookedAt | None = None
    """What could matter for it; None where a person decided."""
    fate: Fate | None = None
    """Of a publisher that may learn what came of its statement: that, and no alert."""
    pseudonym: str = ""
    """By which the recipient knows this child, place or group, where redaction has made it."""


class Sent(msgspec.Struct, frozen=True):
    """What leaves with one decision: an alert, or a receipt for the publisher: refused, or answered."""

    alert: SealedDelivery | None
    receipt: SealedDelivery | None


class _DecisionLeaf(msgspec.Struct, frozen=True, kw_only=True):
    """A candidate's leaf, its fields in the order of their names, so that it is encoded canonically."""

    capacity: tuple[str, ...]
    channel: str | None
    clauses: list[str]
    due: int | None
    event_id: str
    gateways: tuple[str, ...]
    kind: str
    message_id: str | None
    mode: str | None
    n: int
    obligations: tuple[str, ...]
    organisation: str
    outcome: str
    part_id: str
    publisher: str
    reasons: tuple[str, ...]
    receipt: str | msgspec.UnsetType
    recipient: str
    recipient_leaf: str | None
    released: list[str]
    reminds_of: str | msgspec.UnsetType
    role: str
    round: int
    set_id: str
    v: int
    version: int
    weight: dict[str, Any]
    withheld: tuple[tuple[str, str], ...]


class PolicyHashes(msgspec.Struct, frozen=True):
    """By what the decision was made, content-addressed."""

    bundle: str
    geography: str
    register: str
    parameters: str


def decision_set_id(publisher: str, event_id: str, version: int, part_key: str, round_: int) -> str:
    """Hash of event id, version, token and round (and publisher: ids are the publisher's own)."""
    return digest_text("decision", publisher, event_id, str(version), part_key, str(round_))


class _Given(msgspec.Struct, frozen=True):
    """What is the same for every candidate of the part in this round."""

    linked: Linked
    weight: Weight
    hashes: PolicyHashes
    sealer: Sealer
    set_id: str
    prover: Prover
    acknowledge_by: datetime.datetime
    """When an alert must be acknowledged."""
    due: Mapping[Outcome, int]
    """The same in milliseconds, and when a person must have looked; none for a refusal."""


def decision_record(
    linked: Linked,
    weight: Weight,
    decided: Sequence[Decided],
    past: Sequence[StateEntry],
    hashes: PolicyHashes,
    sealer: Sealer,
    subject_key: bytes,
) -> DecisionSet:
    """The decision set of one part in one round; the same input gives the same bytes."""
    part, event = linked.part, linked.part.event
    set_id = decision_set_id(
        event.publisher, event.event_id, event.version, part.part_key, part.round
    )
    facts = seal(subject_key, _facts(linked, past), b"facts\n" + set_id.encode())
    held = _rows(linked, weight, decided) | {"subject_tag": subject_tag(subject_key)}
    rows = sealer.seal_rows(canonical_json(held), set_id)
    acknowledged = acknowledge_by(event.severity, event.when, part.received_at)
    looked_at = review_by(event.severity, event.when, part.received_at)
    given = _Given(
        linked=linked,
        weight=weight,
        hashes=hashes,
        sealer=sealer,
        set_id=set_id,
        prover=Prover(part),
        acknowledge_by=acknowledged,
        due={
            Outcome.PERMIT: milliseconds(acknowledged),
            Outcome.REVIEW: milliseconds(looked_at),
        },
    )
    deliveries: list[SealedDelivery] = []
    leaves: list[bytes] = []
    for number, one in enumerate(decided):
        sent = _sent(given, one)
        deliveries.extend(
            delivery for delivery in (sent.alert, sent.receipt) if delivery is not None
        )
        leaves.append(_decision_leaf(given, one.decision, number, sent))
    leaves.append(_closing_leaf(linked, decided, hashes, set_id, facts, rows))
    return DecisionSet(
        set_id=set_id,
        kind=SetKind.DECISION,
        leaves=tuple(leaves),
        deliveries=tuple(deliveries),
        sidecars=(Sidecar(name="facts", content=facts), Sidecar(name="rows", content=rows)),
    )


def _sent(given: _Given, one: Decided) -> Sent:
    """What leaves with one candidate's decision, sealed."""
    linked, sealer, set_id = given.linked, given.sealer, given.set_id
    if one.fate is not None:
        return Sent(None, fate_receipt(linked, one.decision, one.fate, sealer, set_id))
    returned = returned_receipt(linked, one.decision, sealer, set_id)
    if one.decision.outcome is Outcome.PERMIT and one.decision.mode is not None:
        return Sent(_alert(given, one), returned)
    return Sent(None, returned)


def _identity(linked: Linked) -> dict[str, Any]:
    part = linked.part
    return {
        "event_id": part.event.event_id,
        "version": part.event.version,
        "publisher": part.event.publisher,
        "part_id": part.part_id,
        "round": part.round,
    }


def _decision_leaf(given: _Given, decision: Decision, number: int, sent: Sent) -> bytes:
    candidate, delivery, part = decision.candidate, sent.alert, given.linked.part
    return encoded_leaf(
        _DecisionLeaf(
            kind="decision",
            v=FORMAT,
            set_id=given.set_id,
            event_id=part.event.event_id,
            version=part.event.version,
            publisher=part.event.publisher,
            part_id=part.part_id,
            round=part.round,
            n=number,
            recipient=candidate.recipient,
            organisation=candidate.organisation,
            role=candidate.role,
            capacity=candidate.capacity,
            outcome=decision.outcome,
            mode=decision.mode,
            released=[ruling.field for ruling in decision.released],
            clauses=sorted({ruling.clause for ruling in decision.released}),
            gateways=decision.gateways,
            withheld=decision.withheld,
            reasons=decision.reasons,
            obligations=decision.obligations,
            weight={"band": given.weight.band, "value": given.weight.value},
            recipient_leaf=leaf_hash(delivery.leaf) if delivery else None,
            channel=delivery.channel if delivery else None,
            message_id=delivery.message_id if delivery else None,
            due=None if sent.receipt else given.due.get(decision.outcome),
            receipt=leaf_hash(sent.receipt.leaf) if sent.receipt else msgspec.UNSET,
            reminds_of=decision.reminds_of or msgspec.UNSET,
        )
    )


def _closing_leaf(
    linked: Linked,
    decided: Sequence[Decided],
    hashes: PolicyHashes,
    set_id: str,
    facts: bytes,
    rows: bytes,
) -> bytes:
    outcomes = [one.decision.outcome for one in decided]
    return leaf(
        "closing",
        set_id,
        **_identity(linked),
        count=len(decided),
        permit=outcomes.count(Outcome.PERMIT),
        deny=outcomes.count(Outcome.DENY),
        review=outcomes.count(Outcome.REVIEW),
        decided_at=milliseconds(linked.part.received_at),
        receipt_set_id=linked.part.receipt_set_id,
        act_set_id=linked.part.act_set_id,
        flags=list(linked.flags),
        facts_hash=hashlib.sha256(facts).hexdigest(),
        rows_hash=hashlib.sha256(rows).hexdigest(),
        policy_bundle=hashes.bundle,
        geography=hashes.geography,
        register=hashes.register,
        parameters=hashes.parameters,
    )


def _alert(given: _Given, one: Decided) -> SealedDelivery:
    """The alert, built from released fields only: an unreleased one has no way in."""
    part, decision, weight = given.linked.part, one.decision, given.weight
    candidate, sealer = decision.candidate, given.sealer
    in_full = decision.mode == Mode.CONTENT
    recipient = candidate.recipient
    alert_id = message_id(Channel.ALERT, given.set_id, recipient)
    content = AlertContent(
        alert_id=alert_id,
        event_id=part.event.event_id,
        part=one.pseudonym or sealer.pairwise(candidate.organisation, part.part_key),
        recipient=recipient,
        capacity=candidate.capacity,
        mode=Mode.CONTENT if in_full else Mode.EXISTENCE,
        released=given.prover.fields(decision, one.released),
        statement=given.prover.proof(decision),
        obligations=decision.obligations,
        reasons=decision.reasons,
        weight_band=weight.band if in_full else "not_released",
        weight_explanation=weight.explanation if in_full else (),
        severity=part.event.severity,
        acknowledge_by=given.acknowledge_by,
        decided_at=part.received_at,
        policy_bundle=given.hashes.bundle,
        marking=part.event.marking,
        reply=reply_code(_reply_to(part, recipient, alert_id), sealer),
        reminds_of=decision.reminds_of,
    )
    return sealed_delivery(
        sealer,
        Channel.ALERT,
        candidate.organisation,
        given.set_id,
        recipient,
        encode(content),
        alert_id,
    )


def _reply_to(part: PartInput, recipient: str, alert_id: str) -> ReplyTo:
    return ReplyTo(
        publisher=part.event.publisher,
        event_id=part.event.event_id,
        version=part.event.version,
        part_id=part.part_id,
        part_key=part.part_key,
        recipient=recipient,
        round=part.round,
        alert_id=alert_id,
    )


def _facts(linked: Linked, past: Sequence[StateEntry]) -> bytes:
    """Everything that replay needs to decide again: the event, the part and the past that was used."""
    part = linked.part
    return msgspec.msgpack.encode(
        {
            "event": part.encoded or encode(part.event),
            "part_id": part.part_id,
            "part_key": part.part_key,
            "kind": part.kind.value,
            "subject_ref": part.subject.subject_ref if part.subject else None,
            "received_at": milliseconds(part.received_at),
            "order": part.order,
            "part_count": part.part_count,
            "receipt_set_id": part.receipt_set_id,
            "flags": part.flags,
            "round": part.round,
            "act": part.act,
            "only_told": part.only_told,
            "told": part.told,
            "statement": part.statement,
            "past": [entry for entry in past if entry.order < part.order],
        }
    )


def _rows(linked: Linked, weight: Weight, decided: Sequence[Decided]) -> dict[str, Any]:
    """Categories, stages and times for reports, without identifiers; they survive erasure.

    Of a place that names no person also where and when, so that incidents can be counted.
    """
    event, subject = linked.part.event, linked.part.subject
    grading = event.grading
    return {
        "event_type": event.event_type.value,
        "provenance": event.provenance.value,
        "directness": event.directness.value,
        "specificity": event.specificity.value,
        "severity": event.severity.value,
        "grading_scheme": grading.scheme if grading else None,
        "grading": [grading.source_evaluation, grading.information_assessment] if grading else None,
        "observed_at": milliseconds(event.observed_at),
        "reported_at": milliseconds(event.reported_at),
        "received_at": milliseconds(linked.part.received_at),
        "weight": weight.value,
        "band": weight.band,
        "explanation": list(weight.explanation),
        "origins": weight.independent_origins,
        "ethnicity": subject.ethnicity.code if subject and subject.ethnicity else None,
        "sex": subject.sex if subject else None,
        "age_band": (
            age_band(subject.date_of_birth, linked.part.received_at.date()) if subject else None
        ),
        "occurrence": occurrence_of(linked),
        "facts": considered(linked, decided[0].looked_at if decided else None),
        "candidates": [
            {
                "recipient": one.decision.candidate.recipient,
                "capacity": list(one.decision.candidate.capacity),
                "outcome": one.decision.outcome,
                "released": len(one.released),
                "withheld": [field for field, _ in one.decision.withheld],
                "facts": of_candidate(linked, one.decision.candidate, one.looked_at),
            }
            for one in decided
        ],
    }
