"""Makes one round of a part again: the same rooms, the same record, whatever policy is given. Pure.

Round 0 needs its own facts alone. A later round needs the act that its facts hold, and the state that
the rounds before it left, which is folded from them. A retraction seals no act: that it took place
and whether a correction came with it is taken from its closing leaf, whom it reached is not.
"""

from __future__ import annotations

import datetime

import msgspec

from broker.auditor.recorded_sets import ClosingLeaf
from broker.auditor.replay import FactsError, read_facts
from broker.decide import corrected_type
from broker.flow import Policy, decide_part, record_part, undecided
from broker.later import Sealing, act_on_part
from broker.model.codec import decode
from broker.model.sealer import Sealer
from broker.model.types import Action, DecisionSet
from broker.model.values import Decision, PartInput, PartState, StateEntry
from broker.rounds import retract
from broker.rounds.retraction import CORRECTED
from broker.rounds.state import with_decisions

MILLISECONDS = 1000


class Replayable(msgspec.Struct, frozen=True):
    """A part after a round: the round's record made again, and what the next round stands on."""

    recorded: DecisionSet
    part: PartInput
    past: tuple[StateEntry, ...]
    state: PartState
    subject_key: bytes

    def __repr__(self) -> str:
        """Nothing of keys or content."""
        return f"Replayable({self.part.part_id})"


class _ActFacts(msgspec.Struct, frozen=True):
    """What the facts of a later round hold besides."""

    act: bytes
    past: tuple[StateEntry, ...] | None = None
    """What then lay before the part; None where the act decided nothing."""


_act_facts = msgspec.msgpack.Decoder(_ActFacts)


def begin(facts: bytes, policy: Policy, sealer: Sealer, subject_key: bytes) -> Replayable:
    """Round 0: link, weigh, locate, decide, redact and record, from opened facts.

    What cannot be decided is recorded as the flow records it. Raises FactsError.
    """
    part, past = read_facts(facts)
    try:
        result = decide_part(part, past, policy, sealer.pairwise)
    except Exception:  # noqa: BLE001 -- as in the decide process: an error is a refusal on record
        result = undecided(part, past)
    recorded = record_part(result, past, policy, sealer, subject_key)
    state = _state_after(part, tuple(one.decision for one in result.decided))
    return Replayable(recorded, part, past, state, subject_key)


def next_round(
    before: Replayable, facts: bytes, closing: ClosingLeaf, policy: Policy, sealer: Sealer
) -> Replayable:
    """A later round: the act carried out again on the state before it. Raises FactsError."""
    at = datetime.datetime.fromtimestamp(closing.decided_at / MILLISECONDS, datetime.UTC)
    act_set_id = closing.act_set_id or ""
    try:
        held = _act_facts.decode(facts)
        action = decode(held.act, Action) if held.act else None
    except ValueError as error:
        raise FactsError(f"the sealed act cannot be read ({error})") from error
    if action is None:
        taken = retract(
            before.state,
            act_set_id,
            at,
            corrected=CORRECTED in closing.flags,
            hashes=policy.hashes,
            sealer=sealer,
            subject_key=before.subject_key,
        )
        return msgspec.structs.replace(before, recorded=taken.recorded, state=taken.state)
    made = act_on_part(
        action,
        act_set_id,
        before.state,
        msgspec.structs.replace(before.part, received_at=at),
        before.past if held.past is None else held.past,
        policy,
        Sealing(sealer, before.subject_key),
    )
    return msgspec.structs.replace(before, recorded=made.recorded, state=made.state)


def _state_after(part: PartInput, decisions: tuple[Decision, ...]) -> PartState:
    """As decide keeps it after the first decision."""
    state = PartState(
        part_id=part.part_id,
        part_key=part.part_key,
        publisher=part.event.publisher,
        event_id=part.event.event_id,
        version=part.event.version,
        order=part.order,
        receipt_set_id=part.receipt_set_id,
        event_type=corrected_type(part),
    )
    return with_decisions(state, 0, decisions)
