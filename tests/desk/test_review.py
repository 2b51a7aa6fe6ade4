"""The review desk as two people use it: the queue, a decision, a question to the publisher, break-glass."""

from __future__ import annotations

import asyncio
import re
import time
import uuid
from collections.abc import Callable

import httpx
import msgspec
import pytest
from playwright.sync_api import Page, expect

from broker.client import Publisher
from broker.model import types as t
from broker.shell.keys import DESK
from tests.desk.conftest import FORGED, OpenDesk, assert_accessible, in_thread, sign_in
from tests.desk.test_doors import token_of
from tests.simulation.harness import Broker, delivered, fresh_event

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(240)]
WITHIN_MS = 60_000
NEIGHBOUR = "E08000030:csc"
WORDS = "He said he would wait at the gate after school."


def publish(running: Broker, **changes: object) -> t.ConcernEvent:
    """A warning about a child of its own, accepted by intake."""
    event = msgspec.structs.replace(fresh_event(), **changes)

    async def send() -> None:
        async with Publisher.connect(event.publisher, running.settings) as publisher:
            receipt = await publisher.publish_and_wait(event)
            assert receipt.content.outcome is t.IntakeOutcome.ACCEPTED

    in_thread(lambda: asyncio.run(send()))
    return event


def held(running: Broker) -> t.ConcernEvent:
    """A warning that waits, since nobody knows its handling code."""
    text = t.AudienceText(audience=t.Audience.SOCIAL_CARE, text=f"{WORDS} {uuid.uuid4()}")
    return publish(running, handling=t.Handling(code="Z"), audience_texts=(text,))


def told(running: Broker, event: t.ConcernEvent) -> dict[str, int]:
    """Recipient -> how many alerts about the event lie on its topic."""
    settings, organisations = running.settings, running.organisations
    found = in_thread(lambda: asyncio.run(delivered(settings, organisations, (FORGED,))))
    alerts = found.alerts  # type: ignore[attr-defined]
    return {who: n for (event_id, who), n in alerts.items() if event_id == event.event_id}


def eventually(what: Callable[[], object]) -> None:
    """Returns when it holds; fails where it does not within a minute."""
    deadline = time.monotonic() + WITHIN_MS / 1000
    while not what():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.2)


def open_part(page: Page, address: str, event: t.ConcernEvent) -> None:
    """Opens the part of the event from the queue, once it waits; known by its words."""
    page.goto(f"{address}/review")
    words = event.audience_texts[0].text
    deadline = time.monotonic() + WITHIN_MS / 1000
    while True:
        links = page.locator(".review-item h2 a")
        paths = [links.nth(at).get_attribute("href") for at in range(links.count())]
        for path in reversed(paths):
            page.goto(f"{address}{path}")
            if page.get_by_text(words).count():
                return
        assert time.monotonic() < deadline, "the part did not come to wait"
        page.goto(f"{address}/review")


def test_a_reviewer_permits_for_one_and_the_alert_reaches_it(
    page: Page, desks: OpenDesk, running: Broker
) -> None:
    """Opened, decided for one of several; that one is told, nobody else; going back sends nothing twice."""
    event = held(running)
    address = desks(DESK)
    sign_in(page, address, "Robin", "/review")
    open_part(page, address, event)
    expect(page.get_by_text("Nothing is released by waiting")).to_be_visible()
    assert_accessible(page)
    radio = page.locator('input[name=recipient][value$=":csc"]').first
    recipient = radio.get_attribute("value") or ""
    page.get_by_label("Permit").check()
    radio.check()
    page.get_by_label("Why", exact=True).fill("Read the code: it means what P means.")
    page.get_by_role("button", name="Sign and send").click()
    expect(page.locator("#review-state").get_by_text("Recorded")).to_be_visible(timeout=WITHIN_MS)
    expect(page.locator("#review-state dt", has_text=recipient.split(":")[0])).to_have_count(
        0, timeout=WITHIN_MS
    )
    assert_accessible(page)
    page.go_back()
    page.reload()
    eventually(lambda: told(running, event) == {recipient: 1})
    refuse = page.get_by_label("Refuse")
    refuse.check()
    page.get_by_label("Everyone who waits").check()
    page.get_by_label("Why", exact=True).fill("Not for the others.")
    page.get_by_role("button", name="Sign and send").dblclick()
    expect(page.get_by_text("Nothing of this part waits any more")).to_be_visible(timeout=WITHIN_MS)
    expect(page.locator(".review-act")).to_have_count(2)
    assert told(running, event) == {recipient: 1}


def test_a_verdict_without_a_reason_says_what_to_do(
    page: Page, desks: OpenDesk, running: Broker
) -> None:
    """What was chosen is still chosen, nothing was sent, and each fault is named where it is."""
    event = held(running)
    address = desks(DESK)
    sign_in(page, address, "Robin", "/review")
    open_part(page, address, event)
    page.get_by_label("Refuse").check()
    page.get_by_role("button", name="Sign and send").click()
    expect(page.get_by_role("alert")).to_contain_text("There is a problem")
    expect(page.get_by_role("link", name="Write why, in a sentence")).to_be_visible()
    expect(page.get_by_label("Refuse")).to_be_checked()
    expect(page.locator(".review-act")).to_have_count(0)
    assert_accessible(page)


def test_the_publisher_is_asked_and_answers(page: Page, desks: OpenDesk, running: Broker) -> None:
    """Both are signed acts on record; the queue says how far it is; neither decides anything."""
    event = held(running)
    address = desks(DESK)
    sign_in(page, address, "Robin", "/review?show=consult")
    open_part(page, address, event)
    part = page.url.rsplit("/", 1)[1]
    page.get_by_label("Whom you asked, how, and what").fill(
        "Their duty line: what does code Z mean?"
    )
    page.get_by_role("button", name="Record that they were asked").click()
    expect(page.locator(".review-act")).to_contain_text("Recorded", timeout=WITHIN_MS)
    page.goto(f"{address}/review?show=consult")
    own = page.locator(".review-item", has=page.locator(f'a[href="/review/{part}"]'))
    expect(own).to_contain_text("Publisher asked, no answer yet")
    expect(own).to_contain_text(re.compile("due in|overdue by", re.IGNORECASE))
    assert_accessible(page)
    own.get_by_role("link").click()
    page.get_by_label("What they answered").fill("It means the same as P.")
    page.get_by_role("button", name="Record the answer").click()
    expect(page.locator(".review-act").nth(1)).to_contain_text("Recorded", timeout=WITHIN_MS)
    expect(page.locator("#review-state dt").first).to_be_visible()
    assert not told(running, event)


def test_two_people_break_the_glass_and_one_alone_does_not(
    page: Page, desks: OpenDesk, running: Broker
) -> None:
    """Who asked is refused in words; the second person's word shows it; looked back on, it is done."""
    event = publish(running)
    address = desks(DESK)
    sign_in(page, address, "Robin", "/break-glass/ask")
    page.get_by_label("Who published it").fill(event.publisher)
    page.get_by_label("Event id").fill(event.event_id)
    page.get_by_label("Who must know").fill(NEIGHBOUR)
    page.get_by_label("Why a life is at risk").fill("He is on his way there.")
    assert_accessible(page)
    page.get_by_role("button", name="Ask for the release").dblclick()
    expect(page.locator(".review-act")).to_contain_text("Recorded", timeout=WITHIN_MS)
    expect(page.get_by_text("Another person of this desk must confirm")).to_be_visible()
    ask_id = page.url.rsplit("/", 1)[1]
    assert "a second person must confirm it" in confirmed_by_who_asked(page, address, ask_id)
    page.get_by_role("button", name="Sign out").click()
    sign_in(page, address, "Jo", f"/break-glass/{ask_id}")
    assert_accessible(page)
    page.get_by_label("Why you agree").fill("I agree: nobody can reach them otherwise.")
    page.get_by_role("button", name="Confirm the release").click()
    expect(page.get_by_text("Confirmed by two people")).to_be_visible(timeout=WITHIN_MS)
    eventually(lambda: told(running, event).get(NEIGHBOUR) == 1)
    page.goto(f"{address}/break-glass")
    expect(page.locator(f'.review-item:has(a[href$="{ask_id}"])')).to_contain_text("Due in 2 days")
    assert_accessible(page)
    page.goto(f"{address}/break-glass/{ask_id}")
    page.get_by_label("Yes").check()
    page.get_by_label("Why", exact=True).fill("They were there.")
    page.get_by_role("button", name="Record the look back").click()
    expect(page.get_by_text("It was justified")).to_be_visible()
    expect(page.locator(".review-act")).to_have_count(3)


def confirmed_by_who_asked(page: Page, address: str, ask_id: str) -> str:
    """What the desk answers when who asked sends the second person's form all the same."""
    cookies = {one["name"]: one["value"] for one in page.context.cookies()}
    with httpx.Client(base_url=address, cookies=cookies) as client:
        token = token_of(client.get(f"/break-glass/{ask_id}").text)
        answer = client.post(
            f"/break-glass/{ask_id}/confirm",
            data={"_csrf_token": token, "act_id": str(uuid.uuid4()), "reason": "I agree with me"},
        )
    assert answer.status_code == 422
    return answer.text


def test_a_release_of_an_unknown_recipient_is_not_asked_for(page: Page, desks: OpenDesk) -> None:
    """Each field that is wrong is named, with how to put it right; what was written stays."""
    address = desks(DESK)
    sign_in(page, address, "Robin", "/break-glass/ask")
    page.get_by_label("Who must know").fill("Walsall")
    page.get_by_label("Why a life is at risk").fill("He is on his way there.")
    page.get_by_role("button", name="Ask for the release").click()
    expect(page.get_by_role("alert").get_by_role("link")).to_have_count(3)
    expect(page.get_by_label("Why a life is at risk")).to_have_value("He is on his way there.")
    assert_accessible(page)


def test_only_a_reviewer_opens_the_queue(desks: OpenDesk) -> None:
    """An organisation's desk has no review pages at all, whatever the role."""
    with httpx.Client(base_url=desks("E08000028"), follow_redirects=True) as client:
        token = token_of(client.get("/sign-in").text)
        client.post("/sign-in", data={"person": "duty-1", "_csrf_token": token})
        assert client.get("/review").status_code == 404
        assert client.get("/break-glass").status_code == 404
