"""Erasure of a subject: one more round for each of its parts, made from ids alone.

On request every recipient that was told is told of the erasure too, since it may hold copies (UK GDPR
Art 19). Where only its time has run out, recipients keep their records under their own rules.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence

import msgspec

from broker.model.sealer import Sealer
from broker.model.types import DecisionSet
from broker.model.values import PartState
from broker.record import Counted, Ending, PolicyHashes, ending_record, key_of_nothing
from broker.rounds.state import round_of, told_before, waiting_before

ERASED = "erased"
RETENTION_ENDED = "retention_ended"


class ErasedPart(msgspec.Struct, frozen=True):
    """The round that ends a part, and whom it reached."""

    recorded: DecisionSet
    told: int
    """Recipients who get a withdrawal."""
    ended: int
    """Recipients for whom something still waited."""


def erase(
    state: PartState,
    act_set_id: str,
    at: datetime.datetime,
    *,
    reason: str,
    tell: bool,
    hashes: PolicyHashes,
    sealer: Sealer,
) -> ErasedPart:
    """The last round of a part. `tell`: withdraw every alert that stands, with `reason`."""
    round_ = round_of(state, act_set_id)
    told = told_before(state, round_) if tell else ()
    waiting = waiting_before(state, round_)
    flags = (ERASED,) if reason == ERASED else (ERASED, reason)
    ending = Ending(round_, reason, at, act_set_id, flags)
    recorded = ending_record(
        state, ending, told, waiting, hashes, sealer, key_of_nothing(act_set_id)
    )
    again = {one.recipient for one in told}
    ended = sum(one.recipient not in again for one in waiting)
    return ErasedPart(recorded, len(told), ended)


def counted(rounds: Sequence[ErasedPart]) -> Counted:
    """What the certificate counts of the parts of one token."""
    return Counted(
        parts=len(rounds),
        told=sum(one.told for one in rounds),
        ended=sum(one.ended for one in rounds),
    )
