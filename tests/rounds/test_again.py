"""An act that is read again after a crash, with later acts already in state, gives the same bytes."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.later import Sealing, act_input, act_on_part, take_back
from broker.model import types as t
from broker.model.canonical import digest_text
from broker.model.values import PartState
from broker.rounds import first_state
from broker.rounds.state import set_id_of
from broker.shell.policy import load_policy
from broker.shell.settings import Settings
from tests.oracle import SECRET, offline_flow
from tests.rounds.story import AT, SW, WARNING, act, later

POLICY = load_policy(Settings())
UNREADABLE = msgspec.structs.replace(WARNING, handling=t.Handling(code="Z"))
SEALING = Sealing(
    offline_flow()._reception.sealer,  # the tests' own keys
    SECRET,
)


def start() -> tuple[PartState, t.Part]:
    """A part that waits for a person, and its record."""
    from broker.model.values import SourcePosition

    flow = offline_flow()
    flow.submit(UNREADABLE, AT, SourcePosition("concerns.v1.ADV-WM-001", 0, 0))
    (state,) = flow._states.values()
    (part,) = flow._parts.values()
    return state, part


STATE, PART = start()
STEPS = st.lists(
    st.sampled_from(
        [
            *("permit one", "permit", "refuse", "ask", "confirm", "escalate", "retract"),
            *("acknowledge", "act", "remind"),
        ]
    ),
    min_size=1,
    max_size=6,
)


ALERT_ID = digest_text("alert", set_id_of(STATE, 1), SW)
"""The alert that Sandwell has if the first act permits it."""


def acts_of(names: list[str]) -> list[t.Action | None]:
    """The acts of a list of names, each with an id of its own; None is a retraction."""
    found: list[t.Action | None] = []
    asked = "none"
    for number, name in enumerate(names):
        given: dict[str, Any] = {"action_id": f"act-{number}"}
        if name == "retract":
            found.append(None)
        elif name == "ask":
            asked = f"act-{number}"
            found.append(act("release", recipient=SW, **given))
        elif name == "confirm":
            found.append(act("release", recipient=SW, actor="desk-2", confirms=asked, **given))
        elif name == "escalate":
            found.append(act("escalate", **given))
        elif name in ("acknowledge", "act"):
            sandwell = {"organisation": SW.partition(":")[0], "recipient": SW}
            found.append(act(name, alert_id=ALERT_ID, **sandwell, **given))
        elif name == "remind":
            found.append(act("escalate", alert_id=ALERT_ID, recipient=SW, **given))
        else:
            one = SW if name.endswith("one") else None
            verdict = name.split()[0]
            found.append(act("review", verdict=verdict, recipient=one, **given))
    return found


def run(state: PartState, number: int, one: t.Action | None) -> tuple[PartState, t.DecisionSet]:
    """One step, as the decide process takes it."""
    record = msgspec.structs.replace(PART, received_at=later(minutes=number + 1))
    if one is None:
        record = msgspec.structs.replace(record, act_set_id=f"retraction-{number}", sealed=b"")
        taken = take_back(record, state, 9, POLICY, SEALING, SECRET)
        assert taken.state is not None
        assert taken.recorded is not None
        return taken.state, taken.recorded
    given = act_input(PART, record, state.order, SECRET)
    made = act_on_part(one, f"set-{number}", state, given, (), POLICY, SEALING)
    return made.state, made.recorded


@settings(max_examples=60, deadline=None)
@given(STEPS, st.data())
def test_doing_it_again_from_any_point_gives_the_same_bytes_and_the_same_state(
    names: list[str], data: st.DataObject
) -> None:
    """All acts; then a crash, and again from any one of them: nothing differs."""
    acts = acts_of(names)
    state, recorded = STATE, []
    for number, one in enumerate(acts):
        state, made = run(state, number, one)
        recorded.append(made)
    again = data.draw(st.integers(0, len(acts) - 1))
    replayed = state
    for number in range(again, len(acts)):
        replayed, made = run(replayed, number, acts[number])
        assert made == recorded[number]

    assert replayed == state
    assert len({one.set_id for one in recorded}) == len(recorded)


def test_the_first_state_says_who_was_told_and_who_waits() -> None:
    """Made from the decisions of round 0; made again it is the same."""
    assert first_state(PART, STATE.order, STATE.event_type, ()) == msgspec.structs.replace(
        STATE, told=(), waiting=()
    )
    assert STATE.waiting
    assert not STATE.told
