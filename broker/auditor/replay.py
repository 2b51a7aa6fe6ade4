"""Decides a recorded part again from its sealed facts: the same rooms, whatever bundle is given.

Pure: bytes and values in, values out. What was sealed for replay is everything that the flow was
given, so the same policy gives the same decisions, and another one shows what it would change.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable

import msgspec

from broker.flow import DecidedPart, Policy, decide_part
from broker.model.codec import decode
from broker.model.sealing import unseal
from broker.model.statement import Statement
from broker.model.types import ConcernEvent, PartKind
from broker.model.values import PartInput, StateEntry
from broker.record import decision_set_id

MILLISECONDS = 1000


class FactsError(ValueError):
    """Sealed facts that open and cannot be read; says what is wrong with them."""


class Facts(msgspec.Struct, frozen=True):
    """What was sealed for replay. The rest may grow."""

    event: bytes
    part_id: str
    part_key: str
    kind: PartKind
    subject_ref: str | None
    received_at: int
    """UTC milliseconds since 1970."""
    order: int
    part_count: int
    receipt_set_id: str
    flags: tuple[str, ...]
    round: int
    past: tuple[StateEntry, ...]
    only_told: bool = False
    told: tuple[str, ...] = ()
    statement: Statement | None = None


_decoder = msgspec.msgpack.Decoder(Facts)


def open_facts(sealed: bytes, subject_key: bytes, set_id: str) -> bytes:
    """The facts of a decision set. Raises SealError where the key is not that of its subject."""
    return unseal(subject_key, sealed, b"facts\n" + set_id.encode())


def read_facts(facts: bytes) -> tuple[PartInput, tuple[StateEntry, ...]]:
    """The part and its past, as the flow was given them. Raises FactsError."""
    try:
        held = _decoder.decode(facts)
        event = decode(held.event, ConcernEvent)
    except ValueError as error:
        raise FactsError(f"the sealed facts cannot be read ({error})") from error
    part = PartInput(
        part_id=held.part_id,
        part_key=held.part_key,
        kind=held.kind,
        event=event,
        encoded=held.event,
        subject=next((one for one in event.subjects if one.subject_ref == held.subject_ref), None),
        received_at=datetime.datetime.fromtimestamp(held.received_at / MILLISECONDS, datetime.UTC),
        order=held.order,
        part_count=held.part_count,
        receipt_set_id=held.receipt_set_id,
        flags=held.flags,
        round=held.round,
        only_told=held.only_told,
        told=held.told,
        statement=held.statement,
    )
    return part, held.past


def replay_part(facts: bytes, policy: Policy, pairwise: Callable[[str, str], str]) -> DecidedPart:
    """The part decided again under `policy`. `pairwise` as in the flow. Raises FactsError."""
    part, past = read_facts(facts)
    return decide_part(part, past, policy, pairwise)


def subject_of(
    set_id: str, statement: tuple[str, str, int], round_: int, part_keys: Iterable[str]
) -> str | None:
    """Which of the part keys the decision set is about; None where the key is gone.

    `statement`: publisher, event id, version. Leaves name no token, so that an auditor without keys
    cannot join one child's parts; who has the keys finds it by the hash that a set is named by.
    """
    publisher, event_id, version = statement
    return next(
        (
            key
            for key in part_keys
            if decision_set_id(publisher, event_id, version, key, round_) == set_id
        ),
        None,
    )
