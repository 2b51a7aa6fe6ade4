"""What a duty desk answers to an alert: forms to signed acts, kept with the status that they bring.

The id of an act is made with the page of its form and kept in it, so that a double click, the back
button or a reload never answers twice. What is being written is kept as a draft, sealed, until it is sent.
"""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import msgspec

from broker.client.opening import OpenedAlert
from broker.client.responder import answer_to
from broker.desk import inbox, outbox
from broker.desk.outbox import Queued, State
from broker.desk.running import RunningDesk
from broker.desk.store import DeskStore
from broker.model.types import Action, ActionKind, ConcernEvent

LOOK_AGAIN_S = 1.0
MOST_WORDS = 4_000
MOST_PLAN = 100
SCHEMA = """
CREATE TABLE IF NOT EXISTS answer_draft (
    alert_id TEXT NOT NULL, way TEXT NOT NULL, actor TEXT NOT NULL, act_id TEXT NOT NULL,
    written BLOB NOT NULL, PRIMARY KEY (alert_id, way, actor));
"""


class Way(StrEnum):
    """How an alert can be answered; the last part of the form's address."""

    ACKNOWLEDGE = "acknowledge"
    CONSIDER = "consider"
    ACT = "act"
    NO_FURTHER_ACTION = "no-further-action"
    ASK = "ask"


KINDS: Mapping[Way, ActionKind] = {
    Way.ACKNOWLEDGE: ActionKind.ACKNOWLEDGE,
    Way.CONSIDER: ActionKind.CONSIDER,
    Way.ACT: ActionKind.ACT,
    Way.NO_FURTHER_ACTION: ActionKind.NO_FURTHER_ACTION,
}
NEED_REASON = {Way.CONSIDER, Way.NO_FURTHER_ACTION}
SAID: Mapping[str, str] = {
    "acknowledge": "Acknowledged",
    "consider": "Considered",
    "act": "Acted on",
    "no_further_action": "No further action",
    "concern": "Asked for more",
}
"""Kind of a statement in the outbox -> what it is called among an alert's answers."""
STATES: Mapping[State, tuple[str, str, str]] = {
    State.WAITING: (
        "Kept here",
        "govuk-tag--yellow",
        "It goes out as soon as the broker is reached.",
    ),
    State.SENT: ("Sent", "govuk-tag--blue", "The broker has it and has not answered yet."),
    State.ACCEPTED: ("Accepted", "govuk-tag--green", "The broker took it and put it on record."),
    State.REJECTED: ("Not taken", "govuk-tag--red", "The broker could not take it."),
    State.REFUSED: ("Refused", "govuk-tag--red", "The broker must not carry it out."),
}
"""State -> tag, its colour, and what it means."""
TURNED_BACK = {State.REJECTED, State.REFUSED}
EMPTY: Mapping[Way, str] = {
    Way.CONSIDER: "Say what you considered and why",
    Way.NO_FURTHER_ACTION: "Say why nothing more is done",
}


class Written(msgspec.Struct, frozen=True):
    """What a person wrote in a form, as it was sent."""

    reason: str = ""
    plan: str = ""
    may_know: str = ""
    """`yes`, `no`, or nothing chosen."""
    purpose: str = ""
    necessity: str = ""
    wanted: tuple[str, ...] = ()
    severity: str = ""


class Given(msgspec.Struct, frozen=True):
    """An answer with what became of it."""

    queued: Queued
    title: str
    tag: str
    colour: str
    means: str
    why: str
    """What the broker said of it, where it was turned back."""
    has_ended: bool


class AnsweredError(ValueError):
    """A form that cannot be sent as it is: field -> what to do."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        """`errors` in the order of the form's fields."""
        super().__init__("; ".join(errors.values()))
        self.errors = dict(errors)


def written_of(data: Mapping[str, Any]) -> Written:
    """What was sent, as text, line ends as people mean them. A field that is sent twice is a list."""

    def text(name: str) -> str:
        found = data.get(name, "")
        return str(found[-1] if isinstance(found, list) else found).replace("\r\n", "\n").strip()

    wanted = data.get("wanted", ())
    return Written(
        reason=text("reason"),
        plan=text("plan"),
        may_know=text("may_know"),
        purpose=text("purpose"),
        necessity=text("necessity"),
        wanted=tuple(str(one) for one in (wanted if isinstance(wanted, list) else [wanted]) if one),
        severity=text("severity"),
    )


def act_id_of(stated: object) -> str:
    """The id of an act from a form's hidden field. Raises AnsweredError for what is no id of ours."""
    try:
        return str(uuid.UUID(str(stated)))
    except ValueError:
        raise AnsweredError(
            {"act_id": "Open the form again: it does not say which answer it is"}
        ) from None


def errors_in(way: Way, written: Written) -> dict[str, str]:
    """Field -> what to do about it; empty where the form can be sent."""
    found = {}
    if way in NEED_REASON and not written.reason:
        found["reason"] = EMPTY[way]
    if len(written.reason) > MOST_WORDS:
        found["reason"] = f"Say it in {MOST_WORDS:,} characters or fewer"
    if len(written.plan) > MOST_PLAN:
        found["plan"] = f"The reference must be {MOST_PLAN} characters or fewer"
    if way is not Way.ACKNOWLEDGE and written.may_know not in ("yes", "no"):
        found["may_know"] = "Choose whether whoever published it may learn of your answer"
    return found


def act_of(alert: OpenedAlert, way: Way, act_id: str, actor: str, written: Written) -> Action:
    """The act that a form says. Raises AnsweredError."""
    errors = errors_in(way, written)
    if errors:
        raise AnsweredError(errors)
    return answer_to(
        alert,
        KINDS[way],
        actor,
        act_id,
        reason=written.reason or None,
        plan=(written.plan or None) if way is Way.ACT else None,
        originator_may_know=written.may_know != "no",
    )


def keep(store: DeskStore, alert_id: str, statement: Action | ConcernEvent, actor: str) -> bool:
    """Puts an answer into the outbox, sets the status and drops the draft: all of it or nothing.

    False where that answer was kept before.
    """
    with store.transaction():
        is_new = outbox.put(store, statement, actor=actor, about=alert_id)
        inbox.settle(store, alert_id)
        _drop_draft(store, alert_id, actor)
    return is_new


def given(store: DeskStore, alert_id: str) -> list[Given]:
    """Every answer to an alert, the oldest first, each with what became of it."""
    rows = store.all("SELECT statement_id FROM outbox WHERE about = ? ORDER BY number", (alert_id,))
    found = [outbox.find(store, str(statement_id)) for (statement_id,) in rows]
    return [given_of(store, one) for one in found if one is not None]


def given_of(store: DeskStore, queued: Queued) -> Given:
    """One answer with what became of it; the reason of a refusal as its receipt explains it."""
    tag, colour, means = STATES[queued.state]
    receipts = outbox.receipts_of(store, queued.statement_id) if queued.state in TURNED_BACK else []
    explained = [one.content.explanation for one in receipts if one.content.explanation]
    return Given(
        queued=queued,
        title=SAID.get(queued.kind, queued.kind),
        tag=tag,
        colour=colour,
        means=means,
        why=explained[-1] if explained else "",
        has_ended=queued.state not in (State.WAITING, State.SENT),
    )


def keep_draft(
    store: DeskStore, alert_id: str, way: Way, actor: str, act_id: str, written: Written
) -> None:
    """Keeps what is being written, sealed; an answer that was sent already is no draft any more."""
    if outbox.find(store, act_id) is not None:
        return
    sealed = store.at_rest.seal(msgspec.msgpack.encode(written), _place(alert_id, way, actor))
    store.execute(
        "INSERT INTO answer_draft VALUES (?, ?, ?, ?, ?) ON CONFLICT (alert_id, way, actor) "
        "DO UPDATE SET act_id = excluded.act_id, written = excluded.written",
        (alert_id, way.value, actor, act_id, sealed),
    )


def draft(store: DeskStore, alert_id: str, way: Way, actor: str) -> tuple[str, Written]:
    """Id and words of the draft of a form; a new id and nothing where there is none."""
    query = "SELECT act_id, written FROM answer_draft WHERE alert_id = ? AND way = ? AND actor = ?"
    row = store.one(query, (alert_id, way.value, actor))
    if row is None:
        return str(uuid.uuid4()), Written()
    opened = store.at_rest.open(row[1], _place(alert_id, way, actor))
    return str(row[0]), msgspec.msgpack.decode(opened, type=Written)


async def settle_turned_back(desk: RunningDesk) -> None:
    """Task: where an answer is turned back, its alert stands again as it did before."""
    settled: set[str] = set()
    query = "SELECT statement_id, about FROM outbox WHERE state IN ('rejected', 'refused') AND about <> ''"
    while True:
        turned_back = [row for row in desk.store.all(query) if row[0] not in settled]
        with desk.store.transaction():
            for _, about in turned_back:
                inbox.settle(desk.store, str(about))
        settled |= {str(row[0]) for row in turned_back}
        if turned_back:
            await desk.tell_changed()
        await desk.wait_for_change(LOOK_AGAIN_S)


def now() -> datetime.datetime:
    """The time of an act, to the second."""
    return datetime.datetime.now(datetime.UTC).replace(microsecond=0)


def _drop_draft(store: DeskStore, alert_id: str, actor: str) -> None:
    store.execute("DELETE FROM answer_draft WHERE alert_id = ? AND actor = ?", (alert_id, actor))


def _place(alert_id: str, way: Way, actor: str) -> str:
    return f"answer {alert_id} {way.value} {actor}"
