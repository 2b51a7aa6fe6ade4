"""The state of a part: what stood before an act, and what stands after it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from broker.model.canonical import digest_text
from broker.model.types import Channel, Part
from broker.model.values import BreakGlass, Decision, Outcome, PartState, Told, Waiting
from broker.record import decision_set_id


def first_state(
    part: Part, order: int, event_type: str, decisions: Iterable[Decision]
) -> PartState:
    """The state after the first decision of a part."""
    state = PartState(
        part_id=part.part_id,
        part_key=part.part_key,
        publisher=part.publisher,
        event_id=part.event_id,
        version=part.version,
        order=order,
        receipt_set_id=part.receipt_set_id,
        event_type=event_type,
    )
    return with_decisions(state, 0, decisions)


def round_of(state: PartState, act: str) -> int:
    """The round that an act makes: its own if it was carried out before, else the next."""
    if act in state.acts:
        return state.acts.index(act) + 1
    return len(state.acts) + 1


def set_id_of(state: PartState, round_: int) -> str:
    """Set id of one round of the part."""
    return decision_set_id(state.publisher, state.event_id, state.version, state.part_key, round_)


def told_before(state: PartState, round_: int) -> tuple[Told, ...]:
    """Who had an alert that stood when this round began, in order of recipient."""
    standing = (
        one
        for one in state.told
        if one.round < round_ and (one.withdrawn is None or one.withdrawn >= round_)
    )
    return tuple(sorted(standing, key=lambda one: (one.recipient, one.round)))


def waiting_before(state: PartState, round_: int) -> tuple[Waiting, ...]:
    """What waited for a person when this round began."""
    standing = (
        one
        for one in state.waiting
        if one.round < round_ and (one.resolved is None or one.resolved >= round_)
    )
    return tuple(sorted(standing, key=lambda one: one.recipient))


def with_act(state: PartState, act: str) -> PartState:
    """The act noted, once."""
    if act in state.acts:
        return state
    return msgspec.structs.replace(state, acts=(*state.acts, act))


def with_decisions(state: PartState, round_: int, decisions: Iterable[Decision]) -> PartState:
    """What a round's decisions leave behind: who was told, and what waits. Once, however often."""
    told, waiting = list(state.told), list(state.waiting)
    set_id = set_id_of(state, round_)
    for one in decisions:
        recipient = one.candidate.recipient
        if one.outcome is Outcome.PERMIT:
            alert_id = digest_text(Channel.ALERT.value, set_id, recipient)
            told.append(
                Told(
                    recipient,
                    one.candidate.organisation,
                    alert_id,
                    round_,
                    reminds_of=one.reminds_of,
                )
            )
        elif one.outcome is Outcome.REVIEW:
            waiting.append(Waiting(recipient, one.reasons, round_))
    return msgspec.structs.replace(
        state, told=_once(state.told, told), waiting=_once(state.waiting, waiting)
    )


def with_resolved(state: PartState, round_: int, recipients: Iterable[str]) -> PartState:
    """What waited before this round for these recipients, ended by it."""
    ended = set(recipients)
    return msgspec.structs.replace(
        state,
        waiting=tuple(
            msgspec.structs.replace(one, resolved=round_)
            if one.recipient in ended and one.resolved is None and one.round < round_
            else one
            for one in state.waiting
        ),
    )


def with_withdrawn(state: PartState, round_: int, alerts: Iterable[str]) -> PartState:
    """Alerts taken back by this round."""
    taken = set(alerts)
    return msgspec.structs.replace(
        state,
        told=tuple(
            msgspec.structs.replace(one, withdrawn=round_)
            if one.alert_id in taken and one.withdrawn is None
            else one
            for one in state.told
        ),
    )


def with_release(state: PartState, release: BreakGlass) -> PartState:
    """A break-glass release, new or changed."""
    others = tuple(one for one in state.releases if one.action_id != release.action_id)
    return msgspec.structs.replace(state, releases=(*others, release))


def _once(
    before: Sequence[Told] | Sequence[Waiting], after: Sequence[Told] | Sequence[Waiting]
) -> tuple:  # type: ignore[type-arg]
    """What is new is added only if no entry of the same round and recipient is there."""
    known = {(one.recipient, one.round) for one in before}
    fresh = [one for one in after[len(before) :] if (one.recipient, one.round) not in known]
    return (*before, *fresh)
