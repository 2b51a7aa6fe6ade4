"""Answers to alerts: each in a round of its own, whatever came before it, and what its publisher learns.

Intake has opened the reply code, so the act names the part, the recipient and the alert. Nothing that
stands is changed by an answer; it is noted, and one decision says whether the publisher is told.
"""

from __future__ import annotations

import msgspec

from broker.decide import FATE, decide_fate
from broker.locate import candidates
from broker.model.types import Fate
from broker.model.values import Answered, Candidate, Decision, Outcome, Told
from broker.rounds.ground import Acted, Ground, nothing

ANSWERED, AFTER_WITHDRAWAL, NOTHING_TOLD = "answered", "answered_after_withdrawal", "nothing_told"
ORIGINATOR = "originator"


def answer(ground: Ground) -> Acted:
    """One answer, in any order and however often: noted, and decided for the publisher."""
    alert = alert_of(ground, ground.action.alert_id)
    flags: tuple[str, ...] = (ANSWERED,)
    if alert is None:
        flags = (ANSWERED, NOTHING_TOLD)
    elif alert.withdrawn is not None and alert.withdrawn < ground.round:
        flags = (ANSWERED, AFTER_WITHDRAWAL)
    decision = _for_publisher(ground, alert, flags)
    if decision is None:
        return nothing(ground, ANSWERED)
    noted = Answered(
        alert.alert_id if alert else ground.action.alert_id or "",
        _organisation(ground),
        ground.action.kind.value,
        ground.round,
        told=bool(decision.released),
    )
    others = tuple(one for one in ground.state.answers if one.round != ground.round)
    answers = tuple(sorted((*others, noted), key=lambda one: one.round))
    state = msgspec.structs.replace(ground.state, answers=answers)
    return Acted(state, ground.round, (decision,), flags=flags, fate=_fate(ground, decision))


def alert_of(ground: Ground, alert_id: str | None) -> Told | None:
    """The alert of that id from a round before this one; of a reminder, the alert it reminds of."""
    told = {one.alert_id: one for one in ground.state.told if one.round < ground.round}
    found = told.get(alert_id or "")
    return told.get(found.reminds_of, found) if found and found.reminds_of else found


def answered_before(ground: Ground, alert: Told) -> bool:
    """True if the recipient answered the alert, or a reminder of it, before this round."""
    return any(
        one.alert_id == alert.alert_id and one.round < ground.round for one in ground.state.answers
    )


def _organisation(ground: Ground) -> str:
    """Whose answer it is, also where the duty desk gives it for an organisation that it serves."""
    return (ground.action.recipient or ground.action.organisation).partition(":")[0]


def _for_publisher(ground: Ground, alert: Told | None, flags: tuple[str, ...]) -> Decision | None:
    """What the publisher may learn of it; None where it is in the register no more."""
    found = {one.recipient: one for one in candidates(ground.linked, ground.reference)}
    publisher = next((one for one in found.values() if ORIGINATOR in one.capacity), None)
    if publisher is None:
        return None
    if not ground.action.originator_may_know:
        return _refused(publisher, "originator_not_to_know")
    if alert is None or len(flags) > 1:
        return _refused(publisher, flags[-1])
    if _told_before(ground, alert):
        return _refused(publisher, "fate_told_before")
    recipient = found.get(alert.recipient)
    return decide_fate(ground.facts, publisher, recipient, ground.bundle, ground.reference)


def _refused(publisher: Candidate, reason: str) -> Decision:
    return Decision(publisher, Outcome.DENY, None, (), ((FATE, reason),), (reason,), ())


def _told_before(ground: Ground, alert: Told) -> bool:
    """The publisher was told of an answer of this kind by this organisation before."""
    return any(
        one.told
        and one.round < ground.round
        and one.organisation == alert.organisation
        and one.kind == ground.action.kind.value
        for one in ground.state.answers
    )


def _fate(ground: Ground, decision: Decision) -> Fate | None:
    """By kind of organisation: never a name, never a word of the answer."""
    if not decision.released:
        return None
    found = ground.reference.organisation(_organisation(ground), ground.at.date())
    return Fate(
        answer=ground.action.kind.value,
        by=found.kind if found else "organisation",
        answered_at=ground.at,
        plan_informed=bool(ground.action.plan),
    )
