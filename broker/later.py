"""Later rounds of a part: the flow again, after a human act or a retraction. Pure.

`broker.flow` decides a part once; here the same steps run again on the same part, by the policy of
the day of the act, and record what came of it as a new round. Nothing of an earlier round changes.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence

import msgspec

from broker.flow import DecidedPart, Policy, record_part, shown
from broker.link import link
from broker.model.codec import encode
from broker.model.sealer import Sealer
from broker.model.types import Action, DecisionSet
from broker.model.values import PartInput, PartState, StateEntry
from broker.record import Ending, ending_record
from broker.rounds import Acted, Retracted, carry_out, retract
from broker.weigh import weigh


class Sealing(msgspec.Struct, frozen=True):
    """The keys that a later round is sealed with."""

    sealer: Sealer
    subject_key: bytes


def act_on_part(
    action: Action,
    act_set_id: str,
    state: PartState,
    part: PartInput,
    past: Sequence[StateEntry],
    policy: Policy,
    sealing: Sealing,
) -> tuple[PartState, DecisionSet]:
    """A human act on a decided part: one more round.

    `part` is the part as it was decided, received at the time of the act; `past` what lay before it.
    """
    linked = link(part, past)
    acted = carry_out(action, part.received_at, state, linked, policy.bundle, policy.reference)
    if not acted.decisions:
        return acted.state, _without_decisions(
            acted, action, act_set_id, state, part, policy, sealing
        )
    round_of_act = msgspec.structs.replace(
        part, round=acted.round, act_set_id=act_set_id, act=encode(action)
    )
    flagged = msgspec.structs.replace(linked, part=round_of_act, flags=acted.flags)
    weight = weigh(linked.claim, policy.parameters)
    decided = tuple(
        shown(flagged, decision, weight, sealing.sealer.pairwise) for decision in acted.decisions
    )
    result = DecidedPart(flagged, weight, decided)
    return acted.state, record_part(result, past, policy, sealing.sealer, sealing.subject_key)


def _without_decisions(
    acted: Acted,
    action: Action,
    act_set_id: str,
    state: PartState,
    part: PartInput,
    policy: Policy,
    sealing: Sealing,
) -> DecisionSet:
    """The record of an act that only takes back, ends a wait, or has no effect."""
    at = part.received_at
    ending = Ending(acted.round, acted.reason, at, act_set_id, acted.flags, encode(action))
    told = [one for one in state.told if one.alert_id in acted.withdrawn]
    waiting = [
        one for one in state.waiting if one.recipient in acted.ended and one.round < acted.round
    ]
    return ending_record(
        state, ending, told, waiting, policy.hashes, sealing.sealer, sealing.subject_key
    )


def retract_part(
    state: PartState,
    act_set_id: str,
    at: datetime.datetime,
    *,
    corrected: bool,
    policy: Policy,
    sealing: Sealing,
) -> Retracted:
    """A retraction or a correction of a decided part: everyone who was told, and nobody else."""
    return retract(
        state,
        act_set_id,
        at,
        corrected=corrected,
        hashes=policy.hashes,
        sealer=sealing.sealer,
        subject_key=sealing.subject_key,
    )
