"""Human acts on a part, each in a round of its own: review, break-glass, look back, escalate, expire.

An act that does not fit what stands (nothing waits, the second person is the first one, too late)
changes nothing, and its round says so in its flags: every step is on record, also the futile one.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence

import msgspec

from broker.decide import PolicyBundle, part_facts
from broker.decide.person import (
    permitted_by_person,
    permitted_for_life,
    refused_by_person,
    waits_for_second_person,
)
from broker.model.reference import DESK, Reference
from broker.model.types import Action, ActionKind
from broker.model.values import (
    BreakGlass,
    Candidate,
    Decision,
    FieldRuling,
    Linked,
    Outcome,
    PartState,
    Told,
)
from broker.record import ANSWERS, LOOK_BACK_WITHIN
from broker.rounds.answers import alert_of, answer, answered_before
from broker.rounds.ground import Acted, Ground, nothing
from broker.rounds.state import (
    round_of,
    told_before,
    waiting_before,
    with_act,
    with_decisions,
    with_release,
    with_resolved,
    with_withdrawn,
)

CONFIRM_WITHIN = datetime.timedelta(hours=1)
"""A break-glass that nobody confirms within an hour lapses: ask again."""
PERMIT, REFUSE = "permit", "refuse"
ESCALATED = "escalated"
STANDS_ALWAYS = ANSWERS | {ActionKind.LOOK_BACK}
"""Acts that are carried out also on a statement that was taken back."""
NOT_ACKNOWLEDGED = "not_acknowledged"
PUBLISHERS_OWN = frozenset(
    {"consult_originator", "handling_unknown", "condition_unknown", "grading_unlabelled"}
)
"""What a publisher can answer about its own statement. Everything else waits for the duty desk: nobody
approves its own placement, and nobody but the desk speaks for another country's law."""


def carry_out(
    action: Action,
    at: datetime.datetime,
    state: PartState,
    linked: Linked,
    bundle: PolicyBundle,
    reference: Reference,
) -> Acted:
    """The act `action`, received `at`, on the part that `linked` holds."""
    act = act_name(action)
    round_ = round_of(state, act)
    noted = with_act(state, act)
    facts = part_facts(linked, reference)
    ground = Ground(action, at, noted, round_, linked, facts, bundle, reference)
    retracted = state.retracted is not None and state.retracted < round_
    if retracted and action.kind not in STANDS_ALWAYS:
        return nothing(ground, "retracted")
    return _ACTS.get(action.kind, _unknown)(ground)


def act_name(action: Action) -> str:
    """By this a part knows an act again. Answers come from many organisations, whose ids are their own."""
    if action.kind in ANSWERS:
        return f"{action.organisation}/{action.action_id}"
    return action.action_id


def _review(ground: Ground) -> Acted:
    """A person permits or refuses what waits, for one recipient or for all."""
    action = ground.action
    waiting = [
        one.recipient
        for one in waiting_before(ground.state, ground.round)
        if action.recipient in (None, one.recipient) and _may_review(ground, one.reasons)
    ]
    if not waiting:
        return nothing(ground, "nothing_waits")
    decisions = []
    for recipient in waiting:
        candidate = ground.candidate(recipient)
        if candidate is not None:
            decisions.append(_reviewed(ground, candidate))
    return _decided(ground, decisions, waiting)


def _may_review(ground: Ground, reasons: Sequence[str]) -> bool:
    """Whether this person can answer for these reasons; a break-glass needs its second person."""
    if "second_person_needed" in reasons:
        return False
    is_publisher = ground.action.organisation == ground.state.publisher
    return not is_publisher or set(reasons) <= PUBLISHERS_OWN


def _reviewed(ground: Ground, candidate: Candidate) -> Decision:
    if ground.action.verdict != PERMIT:
        return refused_by_person(ground.facts, candidate, ground.name)
    return permitted_by_person(
        ground.facts,
        candidate,
        ground.bundle,
        ground.reference,
        ground.action.fields,
        ground.name,
    )


def _release(ground: Ground) -> Acted:
    """Break-glass: the first person asks, a second one of the same organisation confirms."""
    action = ground.action
    candidate = ground.candidate(action.recipient or "")
    if candidate is None:
        return nothing(ground, "unknown_recipient")
    if action.confirms is None:
        asked = BreakGlass(
            action_id=action.action_id,
            actor=action.actor,
            organisation=action.organisation,
            recipient=candidate.recipient,
            asked_at=ground.at,
            round=ground.round,
        )
        waits = waits_for_second_person(ground.facts, candidate, ground.name)
        acted = _decided(ground, [waits], ())
        return msgspec.structs.replace(acted, state=with_release(acted.state, asked))
    return _confirmed(ground, candidate, action.confirms)


def _confirmed(ground: Ground, candidate: Candidate, first_id: str) -> Acted:
    asked = next((one for one in ground.state.releases if one.action_id == first_id), None)
    refusal = _not_confirmable(ground, candidate, asked)
    if asked is None or refusal is not None:
        return nothing(ground, refusal or "nothing_to_confirm")
    act = f"release/{first_id}/{ground.action.action_id}"
    decision = permitted_for_life(ground.facts, candidate, ground.bundle, ground.reference, act)
    acted = _decided(ground, [decision], (candidate.recipient,))
    confirmed = msgspec.structs.replace(asked, confirmed=ground.round)
    return msgspec.structs.replace(acted, state=with_release(acted.state, confirmed))


def _not_confirmable(ground: Ground, candidate: Candidate, asked: BreakGlass | None) -> str | None:
    """Why this second person confirms nothing; None if all is as it must be."""
    action = ground.action
    if asked is None or asked.round >= ground.round or asked.recipient != candidate.recipient:
        return "nothing_to_confirm"
    if asked.confirmed is not None and asked.confirmed < ground.round:
        return "confirmed_already"
    if action.organisation != asked.organisation or action.actor == asked.actor:
        return "second_person_needed"
    if ground.at - asked.asked_at > CONFIRM_WITHIN:
        return "break_glass_lapsed"
    return None


def _look_back(ground: Ground) -> Acted:
    """The forced look back: justified, or what was shown is withdrawn."""
    action = ground.action
    release = _open_release(ground, action.confirms)
    if release is None:
        return nothing(ground, "nothing_to_look_back_on")
    looked = msgspec.structs.replace(release, looked_back=ground.round)
    state = with_release(ground.state, looked)
    if action.verdict == "justified":
        return Acted(state, ground.round, (), flags=("looked_back_justified",))
    return _taken_back(ground, state, release, "break_glass_not_justified")


def _open_release(ground: Ground, first_id: str | None) -> BreakGlass | None:
    """A confirmed release on which nobody has looked back before this round."""
    for one in ground.state.releases:
        confirmed = one.confirmed is not None and one.confirmed < ground.round
        looked = one.looked_back is not None and one.looked_back < ground.round
        if one.action_id == first_id and confirmed and not looked:
            return one
    return None


def _taken_back(ground: Ground, state: PartState, release: BreakGlass, reason: str) -> Acted:
    alerts = tuple(
        one.alert_id
        for one in told_before(ground.state, ground.round)
        if one.recipient == release.recipient and one.round == release.confirmed
    )
    return Acted(
        with_withdrawn(state, ground.round, alerts),
        ground.round,
        (),
        withdrawn=alerts,
        reason=reason,
        flags=(reason,),
    )


def _expire(ground: Ground) -> Acted:
    """The clock: an unseen release is withdrawn, a long wait ends. Nothing is ever shown by it."""
    release = _open_release(ground, ground.action.confirms)
    if release is not None and ground.at - release.asked_at > LOOK_BACK_WITHIN:
        looked = msgspec.structs.replace(release, looked_back=ground.round)
        state = with_release(ground.state, looked)
        return _taken_back(ground, state, release, "break_glass_expired")
    waiting = tuple(
        one.recipient
        for one in waiting_before(ground.state, ground.round)
        if ground.action.recipient in (None, one.recipient)
    )
    if not waiting:
        return nothing(ground, "nothing_waits")
    state = with_resolved(ground.state, ground.round, waiting)
    reason = "held_expired"
    return Acted(state, ground.round, (), ended=waiting, reason=reason, flags=(reason,))


def _escalate(ground: Ground) -> Acted:
    """Something is overdue: the recipient's next contact is told, after the last one the duty desk."""
    if ground.action.alert_id is not None:
        alert = alert_of(ground, ground.action.alert_id)
        if alert is None or (alert.withdrawn is not None and alert.withdrawn < ground.round):
            return nothing(ground, "nothing_told")
        if answered_before(ground, alert):
            return nothing(ground, "answered_meanwhile")
        reminder = _reminder(ground, alert)
        if reminder is not None:
            state = with_decisions(ground.state, ground.round, [reminder])
            return Acted(state, ground.round, (reminder,), flags=(ESCALATED,))
    return _to_desk(ground)


def _reminder(ground: Ground, alert: Told) -> Decision | None:
    """A pointer to the alert for the next contact of the same organisation; None after the last."""
    organisation = ground.reference.organisation(alert.organisation, ground.at.date())
    role = (ground.action.recipient or alert.recipient).partition(":")[2]
    if organisation is None:
        return None
    contact = ground.reference.next_contact(organisation, role)
    if contact is None:
        return None
    return Decision(
        candidate=Candidate(
            organisation.code, contact, ("next_contact",), organisation.kind, organisation.country
        ),
        outcome=Outcome.PERMIT,
        mode="EXISTENCE",
        released=(FieldRuling("existence", "as_stated", ground.name),),
        withheld=(),
        reasons=(NOT_ACKNOWLEDGED, ground.name),
        obligations=("onward_prohibited",),
        contact=ground.bundle.desk,
        reminds_of=alert.alert_id,
    )


def _to_desk(ground: Ground) -> Acted:
    """The duty desk is told which recipient, and nothing else."""
    desk = next(
        (
            one
            for one in ground.reference.organisations.values()
            if one.kind == DESK and one.in_force(ground.at.date())
        ),
        None,
    )
    if desk is None:
        return nothing(ground, ESCALATED)
    candidate = Candidate(desk.code, desk.roles[0], ("duty_desk",), desk.kind, desk.country)
    overdue = ground.action.reason or "overdue"
    pointer = FieldRuling("existence", "as_stated", ground.name)
    decision = Decision(
        candidate, Outcome.PERMIT, "EXISTENCE", (pointer,), (), (overdue, ground.name), ()
    )
    return Acted(ground.state, ground.round, (decision,), flags=(ESCALATED,))


def _decided(ground: Ground, decisions: Sequence[Decision], resolved: Sequence[str]) -> Acted:
    state = with_resolved(ground.state, ground.round, resolved)
    state = with_decisions(state, ground.round, decisions)
    return Acted(state, ground.round, tuple(decisions))


def _unknown(ground: Ground) -> Acted:
    return nothing(ground, "no_effect")


_ACTS: dict[ActionKind, Callable[[Ground], Acted]] = {
    ActionKind.REVIEW: _review,
    ActionKind.RELEASE: _release,
    ActionKind.LOOK_BACK: _look_back,
    ActionKind.EXPIRE: _expire,
    ActionKind.ESCALATE: _escalate,
    **dict.fromkeys(ANSWERS, answer),
}
