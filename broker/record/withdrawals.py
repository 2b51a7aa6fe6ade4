"""The record of a round that takes something back: one leaf for each recipient that was told.

Made from ids alone: it must work when the child's key is gone, and nothing of content is needed.
"""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Mapping, Sequence

import msgspec

from broker.model.canonical import canonical_json
from broker.model.codec import encode
from broker.model.sealer import Sealer
from broker.model.sealing import seal
from broker.model.types import (
    Channel,
    DecisionSet,
    SealedDelivery,
    SetKind,
    Sidecar,
    Withdrawal,
)
from broker.model.values import PartState, Told, Waiting
from broker.record.decisions import PolicyHashes, decision_set_id
from broker.record.leaves import leaf, leaf_hash, milliseconds, sealed_delivery
from broker.record.subject_tag import subject_tag

ACKNOWLEDGE_WITHDRAWAL_WITHIN = datetime.timedelta(hours=4)
"""A thing that was wrong must stop being used: sooner than most alerts must be acknowledged."""
NO_WEIGHT = {"value": 0, "band": "not_weighed"}


class Ending(msgspec.Struct, frozen=True):
    """What a round ends, why, when, and by which act."""

    round: int
    reason: str
    at: datetime.datetime
    act_set_id: str
    flags: tuple[str, ...] = ()
    act: bytes = b""
    """The act's own bytes, for the subject's sealed facts; empty for a retraction."""


def ending_record(
    state: PartState,
    ending: Ending,
    told: Sequence[Told],
    waiting: Sequence[Waiting],
    hashes: PolicyHashes,
    sealer: Sealer,
    subject_key: bytes,
) -> DecisionSet:
    """The decision set of a round that withdraws alerts and ends what waited."""
    set_id = decision_set_id(
        state.publisher, state.event_id, state.version, state.part_key, ending.round
    )
    deliveries = [_withdrawal(one, ending, sealer, set_id) for one in told]
    again = {one.recipient for one in told}
    ended = [one for one in waiting if one.recipient not in again]
    leaves = [
        *(
            _leaf(state, ending, set_id, n, one.recipient, delivery)
            for n, (one, delivery) in enumerate(zip(told, deliveries, strict=True))
        ),
        *(
            _leaf(state, ending, set_id, n, one.recipient, None)
            for n, one in enumerate(ended, len(told))
        ),
    ]
    facts = act_facts(ending, set_id, subject_key)
    held = {
        "reason": ending.reason,
        "told": len(told),
        "subject_tag": subject_tag(subject_key),
    }
    rows = sealer.seal_rows(canonical_json(held), set_id)
    counts = {"permit": 0, "deny": len(leaves), "review": 0}
    leaves.append(closing(state, ending, set_id, counts, hashes, facts, rows))
    return DecisionSet(
        set_id=set_id,
        kind=SetKind.DECISION,
        leaves=tuple(leaves),
        deliveries=tuple(deliveries),
        sidecars=(Sidecar(name="facts", content=facts), Sidecar(name="rows", content=rows)),
    )


def act_facts(ending: Ending, set_id: str, subject_key: bytes) -> bytes:
    """The act that made a round, sealed to the subject: what replay needs besides round 0."""
    held = {"round": ending.round, "act": ending.act, "act_set_id": ending.act_set_id}
    return seal(subject_key, msgspec.msgpack.encode(held), b"facts\n" + set_id.encode())


def closing(
    state: PartState,
    ending: Ending,
    set_id: str,
    counts: Mapping[str, int],
    hashes: PolicyHashes,
    facts: bytes,
    rows: bytes,
) -> bytes:
    """The closing leaf of a round that was made from ids."""
    return leaf(
        "closing",
        set_id,
        **_identity(state, ending.round),
        count=sum(counts.values()),
        **counts,
        decided_at=milliseconds(ending.at),
        receipt_set_id=state.receipt_set_id,
        act_set_id=ending.act_set_id,
        flags=list(ending.flags),
        facts_hash=hashlib.sha256(facts).hexdigest(),
        rows_hash=hashlib.sha256(rows).hexdigest(),
        policy_bundle=hashes.bundle,
        geography=hashes.geography,
        register=hashes.register,
        parameters=hashes.parameters,
    )


def _identity(state: PartState, round_: int) -> dict[str, object]:
    return {
        "event_id": state.event_id,
        "version": state.version,
        "publisher": state.publisher,
        "part_id": state.part_id,
        "round": round_,
    }


def _leaf(
    state: PartState,
    ending: Ending,
    set_id: str,
    number: int,
    recipient: str,
    delivery: SealedDelivery | None,
) -> bytes:
    organisation, _, role = recipient.partition(":")
    due = ending.at + ACKNOWLEDGE_WITHDRAWAL_WITHIN
    return leaf(
        "decision",
        set_id,
        **_identity(state, ending.round),
        n=number,
        recipient=recipient,
        organisation=organisation,
        role=role,
        capacity=[],
        outcome="DENY",
        mode=None,
        released=[],
        clauses=[],
        withheld=[],
        reasons=[ending.reason],
        obligations=[],
        weight=NO_WEIGHT,
        recipient_leaf=leaf_hash(delivery.leaf) if delivery else None,
        channel=delivery.channel.value if delivery else None,
        message_id=delivery.message_id if delivery else None,
        due=milliseconds(due) if delivery else None,
    )


def _withdrawal(told: Told, ending: Ending, sealer: Sealer, set_id: str) -> SealedDelivery:
    """Tells one recipient that its alert no longer stands; it holds nothing of what was said."""
    content = Withdrawal(
        alert_id=told.alert_id,
        recipient=told.recipient,
        reason=ending.reason,
        withdrawn_at=ending.at,
    )
    return sealed_delivery(
        sealer,
        Channel.WITHDRAWAL,
        told.organisation,
        set_id,
        told.recipient,
        encode(content),
    )
