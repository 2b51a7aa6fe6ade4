"""The duty desk as a person uses it: from a mother's words to the screen, and back to her."""

from __future__ import annotations

import asyncio
import datetime
import re
import time
import uuid
from collections.abc import Callable

import httpx
import msgspec
import pytest
from aiokafka import AIOKafkaProducer
from playwright.sync_api import Page, expect

from broker.client.connection import whole_topic
from broker.client.publisher import Publisher
from broker.client.responder import Responder
from broker.examples.samples import fresh_example
from broker.model.codec import decode, encode
from broker.model.types import Alert, ConcernEvent, EventType
from broker.shell.security import security_of_operator
from tests.desk.conftest import (
    DESK_WIDE,
    FORGED,
    PHONE,
    OpenDesk,
    assert_accessible,
    in_thread,
    sign_in,
)
from tests.desk.test_doors import token_of
from tests.simulation.harness import Broker

ADVOCATE, SANDWELL, WOLVERHAMPTON = "ADV-WM-001", "E08000028", "E08000031"
WITHIN_MS, WITHIN_S = 60_000, 60.0
expect.set_options(timeout=30_000)


def warning() -> tuple[ConcernEvent, str]:
    """A mother's warning, new, and a word by which its alerts are found."""
    word = "".join(chr(ord("a") + int(one, 16)) for one in uuid.uuid4().hex[:12])
    event = fresh_example("concern", datetime.datetime.now(datetime.UTC))
    assert isinstance(event, ConcernEvent)
    texts = tuple(
        msgspec.structs.replace(one, text=f"Word {word}. {one.text}")
        for one in event.audience_texts
    )
    return msgspec.structs.replace(event, audience_texts=texts), word


def publish(broker: Broker, *events: ConcernEvent) -> None:
    """Publishes as whoever speaks for the mother."""

    async def published() -> None:
        async with Publisher.connect(ADVOCATE, broker.settings) as publisher:
            await publisher.publish_many(list(events))

    in_thread(lambda: asyncio.run(published()))


def until(what: str, done: Callable[[], bool]) -> None:
    """Looks again and again until it is done."""
    deadline = time.monotonic() + WITHIN_S
    while not done():
        assert time.monotonic() < deadline, f"not in time: {what}"
        time.sleep(0.1)


def open_alert(page: Page, address: str, word: str) -> None:
    """From the inbox to the alert with that word, once it has come."""
    line = page.get_by_role("listitem").filter(has_text=word)
    until("the alert is listed", lambda: bool(page.goto(f"{address}/inbox")) and line.count() > 0)
    line.get_by_role("link").click()
    expect(page.get_by_text(f"Word {word}.")).to_be_visible()


def fates(broker: Broker, event_id: str) -> list[str]:
    """What the publisher was told of its statement: kinds of answers."""

    async def told() -> list[str]:
        async with Responder.connect(ADVOCATE, broker.settings) as spoke:
            return [
                one.content.fate.answer
                for one in await spoke.fates(event_id)
                if one.content.fate is not None
            ]

    found = in_thread(lambda: asyncio.run(told()))
    assert isinstance(found, list)
    return found


def test_from_a_mothers_words_to_the_screen_and_back_by_keyboard(
    page: Page, desks: OpenDesk, running: Broker
) -> None:
    """The alert is announced on the open inbox, read, acknowledged; she learns that she was heard."""
    sign_in(page, desks(SANDWELL), "Alex", "/inbox")
    expect(page.get_by_role("heading", level=1)).to_have_text("Inbox")
    event, word = warning()
    publish(running, event)
    show = page.get_by_role("link", name=re.compile("^Show (it|them)$"))
    expect(show).to_be_visible(timeout=WITHIN_MS)
    show.press("Enter")
    line = page.get_by_role("listitem").filter(has_text=word)
    expect(line).to_contain_text("Concern: weapon threat, serious violence")
    expect(line).to_contain_text("For multi-agency safeguarding hub")
    expect(line).to_contain_text("Due in")
    assert_accessible(page)
    line.get_by_role("link").press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("weapon threat")
    expect(page.get_by_text("It happened, or is expected to happen, in the area")).to_be_visible()
    expect(page.get_by_text("somebody of the family or the community")).to_be_visible()
    assert event.source is not None
    assert event.source.name is not None
    assert event.source.name not in page.content()
    assert_accessible(page)
    page.get_by_role("button", name="Acknowledge").press("Enter")
    banner = page.get_by_role("alert")
    expect(banner).to_be_focused()
    answered = page.get_by_role("region", name="Answers so far")
    expect(answered).to_contain_text("Accepted", timeout=WITHIN_MS)
    expect(banner).to_contain_text("Acknowledged: accepted", timeout=WITHIN_MS)
    expect(banner).to_be_focused()
    expect(page.get_by_role("button", name="Acknowledge")).to_have_count(0)
    assert_accessible(page)
    until("she learns of it", lambda: fates(running, event.event_id) == ["acknowledge"])


def test_what_is_missing_is_said_and_what_was_written_is_kept(
    page: Page, desks: OpenDesk, running: Broker
) -> None:
    """An empty form, a session that ends while one writes, then the answer with its reasons."""
    address = desks(SANDWELL)
    sign_in(page, address, "Alex", "/inbox")
    event, word = warning()
    publish(running, event)
    open_alert(page, address, word)
    alert = page.url
    page.get_by_role("link", name="Say what you considered, and why").click()
    assert_accessible(page)
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("heading", name="There is a problem")).to_be_visible()
    assert_accessible(page)
    page.get_by_role("link", name="Say what you considered and why").click()
    field = page.get_by_label("What you considered")
    expect(field).to_be_focused()
    with page.expect_response(lambda one: "/draft/" in one.url and one.status == 204):
        page.keyboard.type("He is met at the gate.")
    form = page.url
    page.context.clear_cookies()
    sign_in(page, address, "Alex", "/inbox")
    page.goto(form)
    expect(page.get_by_label("What you considered")).to_have_value("He is met at the gate.")
    page.get_by_label("No", exact=True).check()
    page.get_by_role("button", name="Send").click()
    expect(page).to_have_url(re.compile(re.escape(alert)))
    answered = page.get_by_role("region", name="Answers so far")
    expect(answered).to_contain_text("He is met at the gate.")
    expect(answered).to_contain_text("Whoever published it is not told")
    expect(answered).to_contain_text("Accepted", timeout=WITHIN_MS)
    page.get_by_role("link", name=re.compile("^Timeline")).click()
    expect(page.get_by_role("listitem").filter(has_text=word)).to_contain_text("Considered")
    assert_accessible(page)


@pytest.mark.parametrize("page", [DESK_WIDE], indirect=True)
def test_a_double_click_and_the_back_button_answer_once(
    page: Page, desks: OpenDesk, running: Broker
) -> None:
    """However often it is sent, one act is put on record."""
    address = desks(SANDWELL)
    sign_in(page, address, "Alex", "/inbox")
    event, word = warning()
    publish(running, event)
    open_alert(page, address, word)
    page.get_by_role("link", name="Say what you did").click()
    page.get_by_label("Reference of the plan").fill("CP-2026-118")
    page.get_by_label("Yes", exact=True).check()
    # The same form twice beside the button, whose own guard stops what a double click would send.
    sent: dict[str, str | float | bool] = {
        name: page.locator(f"input[name={name}]").first.input_value()
        for name in ("_csrf_token", "act_id", "plan")
    }
    sent["may_know"] = "yes"
    for _ in range(2):
        assert page.request.post(page.url, form=sent, max_redirects=0).status == 303
    page.get_by_role("button", name="Send").dblclick()
    answered = page.get_by_role("region", name="Answers so far")
    expect(answered).to_contain_text("CP-2026-118", timeout=WITHIN_MS)
    expect(answered).to_contain_text("Accepted", timeout=WITHIN_MS)
    expect(answered.get_by_role("listitem")).to_have_count(1)
    page.go_back()
    page.go_forward()
    page.reload()
    expect(answered.get_by_role("listitem")).to_have_count(1)
    until("she learns that it went into a plan", lambda: fates(running, event.event_id) == ["act"])


@pytest.mark.parametrize("page", [PHONE], indirect=True)
def test_an_alert_that_is_withdrawn_while_one_reads_it_is_gone(
    page: Page, desks: OpenDesk, running: Broker
) -> None:
    """The open page says that it no longer stands, and why; none of its words is left."""
    address = desks(SANDWELL)
    sign_in(page, address, "Alex", "/inbox")
    event, word = warning()
    publish(running, event)
    open_alert(page, address, word)
    now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    publish(
        running,
        msgspec.structs.replace(
            event,
            event_id=str(uuid.uuid4()),
            event_type=EventType.RETRACTION,
            reported_at=now,
            subjects=(),
            place=None,
            summary=None,
            audience_texts=(),
            source=None,
            relates_to=event.event_id,
            reason="It was about somebody else.",
        ),
    )
    heading = page.get_by_role("heading", name="This alert no longer stands")
    expect(heading).to_be_visible(timeout=WITHIN_MS)
    expect(page.get_by_role("heading", name="Why")).to_be_visible()
    assert word not in page.content()
    assert_accessible(page)
    page.goto(f"{address}/inbox?show=withdrawn")
    expect(page.get_by_role("link", name="This alert no longer stands").first).to_be_visible()
    assert word not in page.content()


@pytest.mark.parametrize("page", [PHONE], indirect=True)
def test_what_cannot_be_verified_is_listed_and_not_shown(
    page: Page, desks: OpenDesk, running: Broker
) -> None:
    """A record whose seal was changed on Kafka: said plainly, with what to do, and nothing of it."""
    address = desks(SANDWELL)
    sign_in(page, address, "Alex", "/inbox")
    event, word = warning()
    publish(running, event)
    open_alert(page, address, word)
    topic = f"alerts.v1.{SANDWELL}"

    async def forged() -> int:
        records = await whole_topic(running.settings, SANDWELL, topic)
        alert = decode(records[-1].value, Alert)
        sealed = bytes([alert.sealed[0] ^ 1, *alert.sealed[1:]])
        changed = msgspec.structs.replace(alert, alert_id=FORGED, sealed=sealed)
        own = security_of_operator(running.settings)
        bootstrap = running.settings.kafka_bootstrap
        async with AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", **own) as producer:
            sent = await producer.send_and_wait(topic, encode(changed), key=FORGED.encode())
        return int(sent.offset)

    offset = in_thread(lambda: asyncio.run(forged()))
    link = page.get_by_role("link", name="See what to do")
    until("it is refused", lambda: bool(page.goto(f"{address}/inbox")) and link.count() > 0)
    assert_accessible(page)
    link.click()
    row = page.get_by_role("row").filter(has_text=f"{topic}, {offset}")
    expect(row).to_contain_text("record is about something else")
    assert_accessible(page)
    assert page.goto(f"{address}/alert/{FORGED}").status == 404  # type: ignore[union-attr]


@pytest.mark.parametrize("page", [PHONE], indirect=True)
def test_who_may_know_the_publisher_can_ask_for_more(
    page: Page, desks: OpenDesk, running: Broker
) -> None:
    """The home authority asks by a form; the neighbour, who may not, is told whom to telephone."""
    event, word = warning()
    publish(running, event)
    home = desks(WOLVERHAMPTON)
    sign_in(page, home, "Alex", "/inbox")
    open_alert(page, home, word)
    page.get_by_role("link", name="Ask for more").click()
    assert_accessible(page)
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("heading", name="There is a problem")).to_be_visible()
    page.get_by_label("What is done to keep the child safe").check()
    page.get_by_label("What do you need it for?").fill("To plan with the school.")
    page.get_by_label("Why must you ask").fill("He is named in a threat.")
    page.get_by_label("Today").check()
    page.get_by_role("button", name="Send").click()
    answered = page.get_by_role("region", name="Answers so far")
    expect(answered).to_contain_text("Asked for more")
    expect(answered).to_contain_text("Accepted", timeout=WITHIN_MS)
    neighbour = desks(SANDWELL)
    sign_in(page, neighbour, "Alex", "/inbox")
    open_alert(page, neighbour, word)
    page.get_by_role("link", name="Ask for more").click()
    expect(page.get_by_text("duty desk of the broker, day and night")).to_be_visible()
    assert_accessible(page)


def test_without_the_role_nothing_is_shown(desks: OpenDesk) -> None:
    """Who tells the organisation's own statements does not read its alerts."""
    with httpx.Client(base_url=desks(SANDWELL)) as client:
        data = {"person": "tells-1", "_csrf_token": token_of(client.get("/sign-in").text)}
        assert client.post("/sign-in", data=data).status_code == 303
        for path in ("/inbox", "/inbox/news?since=0", "/inbox/refused", "/alert/x", "/child/x"):
            assert client.get(path).status_code == 403


def test_pages_that_are_kept_live_end_with_the_session(desks: OpenDesk) -> None:
    """A page that nobody looks at is not kept live for ever, and so keeps no session alive."""
    with httpx.Client(base_url=desks(SANDWELL)) as client:
        data = {"person": "duty-1", "_csrf_token": token_of(client.get("/sign-in").text)}
        client.post("/sign-in", data=data)
        news = "/inbox/news?since=1000000&opened_at="
        assert client.get(f"{news}{int(time.time())}").status_code == 204
        over = client.get(f"{news}{int(time.time()) - 3600}")
        assert over.status_code == 200
        assert "hx-get" not in over.text
