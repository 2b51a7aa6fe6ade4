"""An alert's answers as the desk keeps them: the order of the inbox, statuses, drafts; without Kafka."""

from __future__ import annotations

import asyncio
import datetime
import uuid
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.client.opening import OpenedAlert, OpenedReceipt
from broker.client.ownlog import LogPosition
from broker.client.responder import answer_to
from broker.desk import answers, child_joins, inbox, outbox
from broker.desk.alert_asking import CAN_ASK, errors_in_request, request_of, whom_to_ask
from broker.desk.answers import AnsweredError, Way, Written
from broker.desk.listed import Status
from broker.desk.running import RunningDesk
from broker.desk.sealing import AtRest
from broker.desk.settings import DeskSettings
from broker.desk.store import DeskStore
from broker.model.types import (
    Action,
    ActionKind,
    AlertContent,
    IntakeOutcome,
    ReceiptContent,
    Withdrawal,
)
from broker.reference import load_reference
from broker.shell.settings import Settings
from broker.verify.requests import check_request
from tests.desk.test_alert_view import opened, told

AT = datetime.datetime(2026, 11, 21, 12, 0, tzinfo=datetime.UTC)
KINDS = st.sampled_from(list(inbox.AFTER))
SCHEMAS = (outbox.SCHEMA, inbox.SCHEMA, answers.SCHEMA)
ACTOR = "duty-1"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DeskStore]:
    """An empty database of a desk."""
    made = DeskStore(tmp_path, AtRest(bytes(32)), SCHEMAS)
    yield made
    made.close()


def add(
    store: DeskStore,
    alert_id: str,
    *,
    due_in_s: float = 0.0,
    status: Status = Status.NEW,
    reminds_of: str | None = None,
) -> None:
    """A row of an alert."""
    (row,) = store.one("SELECT count(*) FROM alert")
    store.execute(
        "INSERT INTO alert VALUES "
        "(?, ?, 'e', 'part', 'E08000028:mash', 'same_day', 'CONTENT', ?, ?, ?, x'', ?, ?)",
        (
            alert_id,
            row,
            AT.timestamp(),
            AT.timestamp() + due_in_s,
            reminds_of,
            status.value,
            inbox.RANK[status],
        ),
    )


def act(alert_id: str, kind: ActionKind = ActionKind.ACKNOWLEDGE) -> Action:
    """An answer to an alert."""
    content = msgspec.structs.replace(told()[0][1], alert_id=alert_id)
    reason = None if kind in (ActionKind.ACKNOWLEDGE, ActionKind.ACT) else "because"
    return answer_to(opened(content), kind, ACTOR, reason=reason)


def receipt(act_id: str, outcome: IntakeOutcome) -> OpenedReceipt:
    """What intake said of an act."""
    content = ReceiptContent(
        outcome=outcome, event_id=act_id, explanation="Say why.", received_at=AT
    )
    return OpenedReceipt(uuid.uuid4().hex, "set", content, LogPosition("log", 0, 1, b"", ""))


def status_of(store: DeskStore, alert_id: str) -> Status:
    """How far an alert has come."""
    found = inbox.find(store, alert_id)
    assert found is not None
    return found.status


ROWS = st.lists(st.tuples(st.integers(-9, 9), st.sampled_from(list(Status))), max_size=12)


@pytest.fixture(scope="module")
def one_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DeskStore]:
    """One database for all examples of a law."""
    made = DeskStore(tmp_path_factory.mktemp("desk"), AtRest(bytes(32)), SCHEMAS)
    yield made
    made.close()


@given(ROWS, st.integers(1, 5))
def test_what_is_overdue_leads_and_pages_hold_each_alert_once(
    one_store: DeskStore, rows: list[tuple[int, Status]], limit: int
) -> None:
    """Overdue, then what else nobody has, then what somebody has, then what ended, then what fell."""
    with one_store.transaction():
        one_store.execute("DELETE FROM alert")
        for number, (due, status) in enumerate(rows):
            add(one_store, f"a{number}", due_in_s=due, status=status)
    counts = inbox.how_many(one_store, AT)
    for choice in inbox.CHOICES:
        shown = [
            one
            for start in range(0, len(rows) + 1, limit)
            for one in inbox.chosen(one_store, choice, AT, limit=limit, offset=start)
        ]
        assert len({one.alert_id for one in shown}) == len(shown) == counts[choice]
        ranks = [(not one.is_overdue(AT), -inbox.RANK[one.status]) for one in shown]
        assert ranks == sorted(ranks)
        for rank in set(ranks):
            times = [one.acknowledge_by for one, at in zip(shown, ranks, strict=True) if at == rank]
            assert times == sorted(times, reverse=rank[1] >= 0)


@given(st.lists(KINDS, max_size=6))
def test_an_answer_never_takes_a_step_back(kinds: list[ActionKind]) -> None:
    """A later acknowledgement undoes nothing; of what ends an alert the last word stands."""
    before = Status.NEW
    order = [Status.NEW, Status.ACKNOWLEDGED, Status.CONSIDERED, Status.ACTED, Status.CLOSED]
    for end in range(1, len(kinds) + 1):
        after = inbox.status_after(kinds[:end])
        assert inbox.RANK[after] <= inbox.RANK[before]
        ended = {before, after} <= {Status.ACTED, Status.CLOSED}
        assert ended or order.index(after) >= order.index(before)
        before = after


def test_one_answer_is_kept_once_however_often_it_is_sent(store: DeskStore) -> None:
    """A double click, the back button and a reload send the same id."""
    add(store, "a1")
    answer = act("a1")
    assert answers.keep(store, "a1", answer, ACTOR)
    assert not answers.keep(store, "a1", answer, ACTOR)
    assert [one.title for one in answers.given(store, "a1")] == ["Acknowledged"]
    assert status_of(store, "a1") is Status.ACKNOWLEDGED


@pytest.mark.parametrize("outcome", [IntakeOutcome.REJECTED, IntakeOutcome.REFUSED])
def test_an_answer_that_is_turned_back_counts_no_more(
    store: DeskStore, outcome: IntakeOutcome
) -> None:
    """The alert stands as before, and the answer says what was wrong with it."""
    add(store, "a1")
    first, second = act("a1"), act("a1", ActionKind.ACT)
    answers.keep(store, "a1", first, ACTOR)
    answers.keep(store, "a1", second, ACTOR)
    assert status_of(store, "a1") is Status.ACTED
    outbox.note_receipt(store, receipt(second.action_id, outcome))
    inbox.settle(store, "a1")
    assert status_of(store, "a1") is Status.ACKNOWLEDGED
    assert [one.why for one in answers.given(store, "a1")] == ["", "Say why."]
    outbox.note_receipt(store, receipt(first.action_id, outcome))
    inbox.settle(store, "a1")
    assert status_of(store, "a1") is Status.NEW


def test_a_running_desk_takes_back_what_was_turned_back(store: DeskStore) -> None:
    """By itself, within a moment of the receipt."""
    settings = Settings()
    reference = load_reference(settings.codesets_dir, settings.organisations_dir)
    desk = RunningDesk(DeskSettings(organisation="SCH-SW-001"), settings, reference, store)
    add(store, "a1")
    answer = act("a1")
    answers.keep(store, "a1", answer, ACTOR)
    outbox.note_receipt(store, receipt(answer.action_id, IntakeOutcome.REJECTED))

    async def until_new() -> None:
        task = asyncio.create_task(answers.settle_turned_back(desk))
        async with asyncio.timeout(60):
            while status_of(store, "a1") is not Status.NEW:
                await desk.wait_for_change(0.01)
        task.cancel()

    asyncio.run(until_new())


def test_an_answer_to_a_reminder_answers_the_alert_and_its_other_reminders(
    store: DeskStore,
) -> None:
    """And the other way round; what one of them was done with says nothing of the others."""
    for alert_id, reminds_of in (("a1", None), ("r1", "a1"), ("r2", "a1"), ("other", None)):
        add(store, alert_id, reminds_of=reminds_of)
    answers.keep(store, "r1", act("r1", ActionKind.ACT), ACTOR)
    found = {one: status_of(store, one) for one in ("a1", "r1", "r2", "other")}
    assert found == {
        "a1": Status.ACKNOWLEDGED,
        "r1": Status.ACTED,
        "r2": Status.ACKNOWLEDGED,
        "other": Status.NEW,
    }


def test_an_answer_to_a_withdrawn_alert_does_not_bring_it_back(store: DeskStore) -> None:
    """It stays withdrawn."""
    add(store, "a1", status=Status.WITHDRAWN)
    store.execute("INSERT INTO withdrawn VALUES ('a1', 'retracted', 0)")
    answers.keep(store, "a1", act("a1"), ACTOR)
    assert status_of(store, "a1") is Status.WITHDRAWN


def test_what_is_being_written_is_kept_sealed_until_it_is_sent(store: DeskStore) -> None:
    """Each person's own draft, under the id of the act that it will be."""
    add(store, "a1")
    sent = act("a1", ActionKind.CONSIDER)
    written = Written(reason="She is met at the gate.")
    answers.keep_draft(store, "a1", Way.CONSIDER, ACTOR, sent.action_id, written)
    assert answers.draft(store, "a1", Way.CONSIDER, ACTOR) == (sent.action_id, written)
    assert answers.draft(store, "a1", Way.CONSIDER, "duty-2")[1] == Written()
    ((kept,),) = store.all("SELECT written FROM answer_draft")
    assert b"gate" not in kept
    answers.keep(store, "a1", sent, ACTOR)
    answers.keep_draft(store, "a1", Way.CONSIDER, ACTOR, sent.action_id, written)
    act_id, left = answers.draft(store, "a1", Way.CONSIDER, ACTOR)
    assert act_id != sent.action_id
    assert left == Written()


@pytest.mark.parametrize(
    ("way", "written", "wrong"),
    [
        (Way.CONSIDER, Written(), {"reason", "may_know"}),
        (Way.NO_FURTHER_ACTION, Written(reason="seen", may_know="perhaps"), {"may_know"}),
        (Way.ACT, Written(plan="x" * 101, may_know="yes"), {"plan"}),
        (Way.CONSIDER, Written(reason="x" * 4_001, may_know="no"), {"reason"}),
        (Way.ACT, Written(may_know="no"), set()),
        (Way.ACKNOWLEDGE, Written(), set()),
    ],
)
def test_a_form_says_what_is_missing(way: Way, written: Written, wrong: set[str]) -> None:
    """Each field that must be mended is named, and nothing is signed before."""
    alert = opened(told()[0][1])
    if wrong:
        with pytest.raises(AnsweredError) as caught:
            answers.act_of(alert, way, "id", ACTOR, written)
        assert set(caught.value.errors) == wrong
    else:
        made = answers.act_of(alert, way, "id", ACTOR, written)
        assert made.originator_may_know is (written.may_know != "no")
        assert made.reply == alert.content.reply


def test_what_is_no_id_of_an_act_is_refused() -> None:
    """The hidden field of a form holds an id and nothing else."""
    with pytest.raises(AnsweredError):
        answers.act_id_of("x' OR 1=1")


def to_home() -> AlertContent:
    """An alert that names the child's numbers and its publisher."""
    return next(
        content
        for _, content in told()
        if {"publisher", "identifiers"} <= {one.field for one in content.released}
    )


def test_a_request_for_more_is_one_that_the_broker_takes() -> None:
    """It names the child as the alert does, and asks its publisher for the fields that were chosen."""
    settings = Settings()
    reference = load_reference(settings.codesets_dir, settings.organisations_dir)
    alert = opened(to_home())
    asked = whom_to_ask(alert, reference.organisations)
    assert asked is not None
    assert asked.code == alert.released["publisher"]
    written = Written(
        purpose="To plan", necessity="A threat", wanted=tuple(CAN_ASK), severity="routine"
    )
    asking = reference.organisations[alert.content.recipient.partition(":")[0]]
    event = request_of(alert, asked, asking, str(uuid.uuid4()), written, AT)
    assert check_request(event, reference) is None
    assert event.subjects[0].given_name == alert.released.get("given_name")
    assert set(errors_in_request(Written())) == {"purpose", "necessity", "wanted", "severity"}


def test_nobody_is_asked_where_the_publisher_is_withheld() -> None:
    """The page says whom to telephone instead."""
    settings = Settings()
    reference = load_reference(settings.codesets_dir, settings.organisations_dir)
    content = to_home()
    kept = tuple(one for one in content.released if one.field != "publisher")
    alert = opened(msgspec.structs.replace(content, released=kept))
    assert whom_to_ask(alert, reference.organisations) is None


def numbered(alert_id: str, part: str, *numbers: str) -> OpenedAlert:
    """An alert under a reference that names these numbers."""
    alert = opened(msgspec.structs.replace(told()[0][1], alert_id=alert_id, part=part))
    named = [{"scheme": "nhs_number", "value": one} for one in numbers]
    own = {"scheme": "pairwise", "value": part}
    return msgspec.structs.replace(alert, released={"identifiers": [*named, own]})


def test_references_that_name_the_same_number_are_one_child(store: DeskStore) -> None:
    """However the number is written and over however many steps; not by an alert that was withdrawn."""
    for alert_id, part, numbers in (
        ("a1", "one", ("943 476 5919",)),
        ("a2", "two", ("9434765919", "9999999999")),
        ("a3", "three", ("9999999999",)),
        ("a4", "other", ()),
    ):
        child_joins.note_numbers(store, numbered(alert_id, part, *numbers))
    assert child_joins.same_child(store, "one") == ["three", "two"]
    assert child_joins.same_child(store, "other") == []
    assert "9434765919" not in str(store.all("SELECT * FROM child_number"))
    child_joins.forget_numbers(store, "a2")
    assert child_joins.same_child(store, "one") == []


def test_of_an_alert_that_was_erased_nothing_is_kept(store: DeskStore) -> None:
    """Not even sealed; of another withdrawal the sealed alert stays."""
    for alert_id, reason in (("a1", "erased"), ("a2", "retracted")):
        add(store, alert_id)
        store.execute("UPDATE alert SET sealed = x'01' WHERE alert_id = ?", (alert_id,))
        withdrawal = Withdrawal(alert_id=alert_id, recipient="r", reason=reason, withdrawn_at=AT)
        inbox.note_withdrawal(store, withdrawal)
    assert [len(one) for (one,) in store.all("SELECT sealed FROM alert ORDER BY alert_id")] == [
        0,
        1,
    ]
    assert status_of(store, "a1") is status_of(store, "a2") is Status.WITHDRAWN
