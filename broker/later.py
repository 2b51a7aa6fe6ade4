"""Later rounds of a part: the flow again, after a human act or a retraction. Pure.

`broker.flow` decides a part once; here the same steps run again on the same part, by the policy of
the day of the act, and record what came of it as a new round. Nothing of an earlier round changes.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from broker.decide import FATE_MODE, corrects
from broker.flow import DecidedPart, Policy, part_input, record_part, shown
from broker.intake import ENTRY_ONLY, act_binding, correction_binding
from broker.link import link
from broker.model.codec import decode, encode
from broker.model.sealer import Sealer
from broker.model.sealing import unseal
from broker.model.types import Action, DecisionSet, EventType, Part
from broker.model.values import (
    Decision,
    Linked,
    Observation,
    PartInput,
    PartState,
    StateEntry,
    Weight,
)
from broker.record import Decided, Ending, ending_record
from broker.rounds import Acted, Retracted, carry_out, retract
from broker.weigh import weigh


class Sealing(msgspec.Struct, frozen=True):
    """The keys that a later round is sealed with."""

    sealer: Sealer
    subject_key: bytes


class Round(msgspec.Struct, frozen=True):
    """What an act did to a part: the state after it, its record, and what was decided, if anything."""

    state: PartState
    recorded: DecisionSet
    result: DecidedPart | None = None


def act_on_part(
    action: Action,
    act_set_id: str,
    state: PartState,
    part: PartInput,
    past: Sequence[StateEntry],
    policy: Policy,
    sealing: Sealing,
) -> Round:
    """A human act on a decided part: one more round.

    `part` is the part as it was decided, received at the time of the act; `past` what lay before it.
    """
    linked = link(part, past)
    acted = carry_out(action, part.received_at, state, linked, policy.bundle, policy.reference)
    if not acted.decisions:
        recorded = _without_decisions(acted, action, act_set_id, state, part, policy, sealing)
        return Round(acted.state, recorded)
    round_of_act = msgspec.structs.replace(
        part, round=acted.round, act_set_id=act_set_id, act=encode(action)
    )
    flagged = msgspec.structs.replace(linked, part=round_of_act, flags=acted.flags)
    weight = weigh(linked.claim, policy.parameters)
    decided = tuple(_decided(acted, one, flagged, weight, sealing) for one in acted.decisions)
    result = DecidedPart(flagged, weight, decided)
    recorded = record_part(result, past, policy, sealing.sealer, sealing.subject_key)
    return Round(acted.state, recorded, result)


def _decided(
    acted: Acted, decision: Decision, linked: Linked, weight: Weight, sealing: Sealing
) -> Decided:
    """What the recipient of an alert sees, or what a publisher learns of an answer."""
    if decision.mode == FATE_MODE:
        return Decided(decision, (), fate=acted.fate)
    return shown(linked, decision, weight, sealing.sealer.pairwise)


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


class TakenBack(msgspec.Struct, frozen=True):
    """What a retraction or a correction leaves behind on one partition."""

    state: PartState | None
    mark: StateEntry
    """Of the statement that was taken back: its entry counts no more, or this is left in its place."""
    recorded: DecisionSet | None = None
    forwarded: Part | None = None
    """The part that corrects this one, with the names of those who were told."""


def take_back(
    part: Part,
    state: PartState | None,
    order: int,
    policy: Policy,
    sealing: Sealing,
    parts_key: bytes,
) -> TakenBack:
    """One retraction record: withdraws what was told of the part, and lets it weigh nothing.

    A record that is only about the entry (its token has been joined to an older one), or about a part
    that is not decided here, changes the entries alone.
    """
    mark = _mark(part, order)
    act = part.act_set_id or ""
    correcting = None
    if part.sealed:
        binding = correction_binding(part.part_id, act)
        correcting = decode(unseal(parts_key, part.sealed, binding), Part)
    if state is None or ENTRY_ONLY in part.flags:
        forwarded = correcting and msgspec.structs.replace(correcting, only_told=True)
        return TakenBack(state, mark, forwarded=forwarded)
    taken: Retracted = retract(
        state,
        act,
        part.received_at,
        corrected=correcting is not None,
        hashes=policy.hashes,
        sealer=sealing.sealer,
        subject_key=sealing.subject_key,
    )
    forwarded = correcting and msgspec.structs.replace(
        correcting,
        only_told=True,
        told=taken.told,
        flags=(*correcting.flags, corrects(EventType(state.event_type))),
    )
    return TakenBack(taken.state, mark, taken.recorded, forwarded)


def _mark(part: Part, order: int) -> StateEntry:
    """What is left where a retraction comes before what it takes back."""
    at = part.received_at
    observation = Observation(
        origin=part.event_id,
        origin_unknown=True,
        directness="not_known",
        specificity="not_stated",
        letter=None,
        doubted=False,
        observed_at=at,
    )
    return StateEntry(
        order=order,
        event_id=part.event_id,
        publisher=part.publisher,
        ids=(part.event_id,),
        harms=(),
        window=(at, at),
        observation=observation,
        retracted=True,
    )


def act_input(original: Part, act: Part, order: int, parts_key: bytes) -> PartInput:
    """The part as it was decided, received at the time of the act; `order` is its own place."""
    given = part_input(original, order, parts_key)
    return msgspec.structs.replace(given, received_at=act.received_at)


def opened_act(act: Part, parts_key: bytes) -> Action:
    """The human act that intake sealed for decide."""
    binding = act_binding(act.part_id, act.act_set_id or "")
    return decode(unseal(parts_key, act.sealed, binding), Action)
