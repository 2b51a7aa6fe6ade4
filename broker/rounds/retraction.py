"""A retraction: reaches exactly those who were told, and ends whatever still waits.

Made from ids alone, so it works when nothing can be opened any more. Round and recipients are those
that stood before it, so the same retraction read again gives the same bytes.
"""

from __future__ import annotations

import datetime

import msgspec

from broker.model.sealer import Sealer
from broker.model.types import DecisionSet
from broker.model.values import PartState
from broker.record import Ending, PolicyHashes, ending_record
from broker.rounds.state import (
    round_of,
    told_before,
    waiting_before,
    with_act,
    with_resolved,
    with_withdrawn,
)

RETRACTED = "retracted"
CORRECTED = "corrected"


class Retracted(msgspec.Struct, frozen=True):
    """What a retraction did to one part."""

    state: PartState
    recorded: DecisionSet
    told: tuple[str, ...]
    """Recipients who had been told: the only ones whom a correction reaches by itself."""


def retract(
    state: PartState,
    act_set_id: str,
    at: datetime.datetime,
    *,
    corrected: bool,
    hashes: PolicyHashes,
    sealer: Sealer,
    subject_key: bytes,
) -> Retracted:
    """Withdraws every alert of the part that stands and ends what waits, in a round of its own."""
    reason = CORRECTED if corrected else RETRACTED
    round_ = round_of(state, act_set_id)
    told, waiting = told_before(state, round_), waiting_before(state, round_)
    ending = Ending(round_, reason, at, act_set_id, flags=(reason,))
    recorded = ending_record(state, ending, told, waiting, hashes, sealer, subject_key)
    after = with_act(state, act_set_id)
    after = with_withdrawn(after, round_, (one.alert_id for one in told))
    after = with_resolved(after, round_, (one.recipient for one in waiting))
    first = round_ if state.retracted is None else min(round_, state.retracted)
    return Retracted(
        msgspec.structs.replace(after, retracted=first),
        recorded,
        tuple(one.recipient for one in told),
    )
