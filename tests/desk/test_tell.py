"""Telling something, as a person would: nothing typed is lost, nothing is sent twice."""

from __future__ import annotations

import contextlib
import datetime
import re
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect

from broker.examples.telling import mothers_answers
from tests.builders import SANDWELL
from tests.desk.conftest import OpenDesk, assert_accessible, sign_in
from tests.desk.test_doors import token_of
from tests.simulation.harness import Broker

ADVOCATE, CHARITY = "ADV-WM-001", "CHA-GM-001"
WITHIN_S, WITHIN_MS = 90.0, 60_000
TELLS = "Sam"
ORDER = (
    "speaker",
    "heard",
    "passed",
    "about",
    "child-1",
    "care-1",
    "when",
    "where",
    "harm",
    "sharing",
)


def database(running: Broker, organisation: str) -> Path:
    return running.settings.data_dir / "desk" / organisation / "desk.db"


def charity(desks: OpenDesk) -> str:
    """Address of a desk that no other test opens, where tests may ask more in a minute than people do."""
    return desks(CHARITY, requests_a_minute=100_000)


def rows(running: Broker, organisation: str, query: str, *values: str) -> list[tuple]:
    """What a desk's database says, asked from outside."""
    with contextlib.closing(sqlite3.connect(database(running, organisation), timeout=30)) as found:
        return found.execute(query, values).fetchall()


def outcomes(running: Broker, organisation: str, statement_id: str) -> Counter[str]:
    query = "SELECT outcome FROM receipt WHERE statement_id = ?"
    return Counter(outcome for (outcome,) in rows(running, organisation, query, statement_id))


def until(what, *, or_show: Sequence[Path] = ()):
    """The first true answer of `what`, asked again until it comes; else the ends of these logs."""
    deadline = time.monotonic() + WITHIN_S
    while not (found := what()):
        logs = "\n".join(one.read_text()[-1500:] for one in or_show if one.exists())
        assert time.monotonic() < deadline, f"it did not come in time: {logs}"
        time.sleep(0.1)
    return found


def today_and_later() -> dict[str, dict[str, tuple[str, ...]]]:
    """The answers of S1 with days that fit today."""
    return mothers_answers(datetime.datetime.now(datetime.UTC).date())


class Teller(httpx.Client):
    """Somebody who signed in at a desk without a browser, for what is about the server alone."""

    def sign_in(self) -> None:
        """As the person who tells."""
        data = {"person": "tells-1", "_csrf_token": token_of(self.get("/sign-in").text)}
        assert self.post("/sign-in", data=data).status_code == 303

    def send_form(self, path: str, **fields: object) -> httpx.Response:
        """Posts these fields with a token of a form."""
        token = token_of(self.get("/tell").text)
        return self.post(path, data={"_csrf_token": token, **fields})

    def draft(self, answers: dict[str, dict[str, tuple[str, ...]]] | None = None) -> str:
        """The path of a draft with everything answered."""
        draft = self.send_form("/tell").headers["location"].rpartition("/")[0]
        for page, fields in (answers or today_and_later()).items():
            found = self.send_form(f"{draft}/{page}", **{k: list(v) for k, v in fields.items()})
            assert "problems" not in found.headers["location"], page
        return draft


@contextlib.contextmanager
def teller(address: str) -> Iterator[Teller]:
    with Teller(base_url=address, timeout=60) as client:
        client.sign_in()
        yield client


def fill(page: Page, answers: dict[str, tuple[str, ...]]) -> None:
    """Types and chooses what a page asks, as it stands there."""
    for name, values in answers.items():
        inputs = page.locator(f'[name="{name}"]')
        kind = inputs.first.evaluate("(one) => one.type")
        for value in values:
            if kind in {"radio", "checkbox"}:
                page.locator(f'[name="{name}"][value="{value}"]').check()
            elif kind == "select-one":
                inputs.select_option(value)
            else:
                inputs.fill(value.replace("\r\n", "\n"))


def go_on(page: Page, button: str = "Save and continue") -> None:
    before = page.url
    page.get_by_role("button", name=button, exact=True).click()
    page.wait_for_url(lambda url: url != before, timeout=WITHIN_MS)


def begin(page: Page, address: str) -> None:
    sign_in(page, address, TELLS, "/tell")
    page.get_by_role("button", name="Start").click()
    page.wait_for_url(re.compile("/speaker$"), timeout=WITHIN_MS)


def test_a_mothers_words_come_to_the_desk_of_the_place(
    page: Page, desks: OpenDesk, running: Broker
) -> None:
    """S1 from the form at the advocate's to Sandwell's inbox: reload, back and double click lose nothing."""
    desks(SANDWELL)
    begin(page, desks(ADVOCATE))
    answers = today_and_later()
    for slug in ORDER:
        expect(page).to_have_url(re.compile(f"/{slug}$"), timeout=WITHIN_MS)
        fill(page, answers[slug])
        if slug == "heard":  # a reload in the middle, once it says that it saved
            expect(page.locator("#tell-saved")).to_contain_text(
                "Saved as a draft", timeout=WITHIN_MS
            )
            page.reload()
            expect(page.locator("#summary")).to_have_value(answers[slug]["summary"][0])
            expect(page.get_by_label("They saw, heard or read it themselves")).to_be_checked()
        if slug == "where":  # the back button of the browser, and forward again
            go_on(page)
            page.go_back()
            expect(page.locator("#description")).to_have_value(answers[slug]["description"][0])
        assert_accessible(page)
        go_on(page)
    expect(page.get_by_role("heading", level=1)).to_have_text("Check what you tell us")
    expect(page.locator("main")).to_contain_text("Anvil Cross retail park")
    assert_accessible(page)
    page.get_by_role("button", name="Send").dblclick()
    page.wait_for_url(re.compile("/sent/"), timeout=WITHIN_MS)
    expect(page.get_by_text("Taken in", exact=True)).to_be_visible(timeout=WITHIN_MS)
    assert_accessible(page)
    statement_id = page.url.rpartition("/")[2]
    query = "SELECT recipient FROM alert WHERE event_id = ?"
    logs = running.settings.data_dir / "log"
    until(
        lambda: rows(running, SANDWELL, query, statement_id),
        or_show=[logs / "decide.log", *logs.glob(f"desk-{SANDWELL}-*.log")],
    )
    assert rows(running, SANDWELL, query, statement_id) == [("E08000028:mash",)]
    assert outcomes(running, ADVOCATE, statement_id) == {"accepted": 1}
    page.go_back()  # to the page that sent it
    page.goto(f"{desks(ADVOCATE)}/sent")
    expect(page.locator(f'a[href="/sent/{statement_id}"]')).to_be_visible()
    assert_accessible(page)


class Keys:
    """A person with a keyboard and no mouse."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def tab_to(self, selector: str) -> None:
        """Goes on with Tab until what matches has the focus."""
        for _ in range(80):
            if self.page.evaluate("(one) => document.activeElement.matches(one)", selector):
                return
            self.page.keyboard.press("Tab")
        raise AssertionError(f"{selector} is not reached")

    def choose(self, **answers: str) -> None:
        """Chooses one of several, each by name, with the arrow keys."""
        for name, value in answers.items():
            self.tab_to(f'input[name="{name}"]')
            for _ in range(30):
                if self.page.evaluate("document.activeElement.value") == value:
                    break
                self.page.keyboard.press("ArrowDown")
            self.page.keyboard.press("Space")
            assert self.page.evaluate("document.activeElement.value") == value

    def write(self, name: str, text: str) -> None:
        """Types into an input."""
        self.tab_to(f'[name="{name}"]')
        self.page.keyboard.type(text)

    def press(self, text: str) -> None:
        """Presses a button with Enter and waits for the page behind it."""
        self.tab_to("main button, main a.govuk-button")
        while text not in self.page.evaluate("document.activeElement.textContent"):
            self.page.keyboard.press("Tab")
        before = self.page.url
        self.page.keyboard.press("Enter")
        self.page.wait_for_url(lambda url: url != before, timeout=WITHIN_MS)


def test_a_worry_about_a_place_by_keyboard_alone(page: Page, desks: OpenDesk) -> None:
    """From the first page to the receipt without a mouse; what is missing is said and reached by a link."""
    keys = Keys(page)
    sign_in(page, charity(desks), TELLS, "/tell")
    keys.press("Start")
    keys.press("Save and continue")
    expect(page.locator(".govuk-error-summary").first).to_be_focused(timeout=WITHIN_MS)
    expect(page.locator(".govuk-error-summary").first).to_contain_text("There is a problem")
    assert_accessible(page)
    keys.tab_to('a[href="#provenance"]')
    page.keyboard.press("Enter")
    keys.choose(provenance="charity", not_named="no", identifiable="no")
    keys.press("Save and continue")
    keys.write("summary", "Third week in which young people are threatened at the interchange.")
    keys.choose(directness="direct")
    yesterday = datetime.datetime.now(datetime.UTC).date() - datetime.timedelta(days=1)
    for part in ("day", "month", "year"):
        keys.write(f"observed-{part}", str(getattr(yesterday, part)))
    keys.press("Save and continue")
    keys.choose(came="first")
    keys.press("Save and continue")
    keys.choose(about="place")
    keys.press("Save and continue")
    keys.choose(when="not_known")
    keys.press("Save and continue")
    keys.write("description", "Bus interchange (invented)")
    keys.choose(precision="public_place")
    keys.choose(kind="transport")
    keys.tab_to("#area")
    page.keyboard.type("Dud")
    keys.tab_to("#beside")
    page.keyboard.type("Sandw")
    keys.press("Save and continue")
    keys.choose(type="context_concern")
    keys.tab_to('input[name="harms"][value="weapon_threat"]')
    page.keyboard.press("Space")
    keys.choose(severity="routine")
    keys.press("Save and continue")
    keys.choose(handling="P")
    keys.press("Save and continue")
    expect(page.locator("main")).to_contain_text("You wrote nothing that others may read")
    assert_accessible(page)
    keys.press("Send")
    expect(page.get_by_text("Taken in", exact=True)).to_be_visible(timeout=WITHIN_MS)


def test_a_broken_network_keeps_the_form_and_sends_once(
    page: Page, desks: OpenDesk, running: Broker
) -> None:
    """What was typed stays on the page, which says so; sending again sends once."""
    address = charity(desks)
    with teller(address) as client:
        draft = client.draft()
    sign_in(page, address, TELLS, f"{draft}/sharing")
    page.wait_for_load_state("networkidle", timeout=WITHIN_MS)
    page.context.set_offline(True)
    page.locator("#text_health").fill("Words typed on a train.")
    expect(page.locator("#tell-saved")).to_contain_text("Not saved", timeout=WITHIN_MS)
    page.get_by_role("button", name="Save and continue").click()
    expect(page.locator("#tell-offline")).to_be_focused(timeout=WITHIN_MS)
    expect(page.locator("#text_health")).to_have_value("Words typed on a train.")
    expect(page.get_by_role("heading", level=1)).to_have_text("What others may be told")
    page.context.set_offline(False)
    go_on(page)
    expect(page.locator("main")).to_contain_text("Words typed on a train.")
    page.wait_for_load_state("networkidle", timeout=WITHIN_MS)
    page.context.set_offline(True)
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_text("It was not sent.")).to_be_visible(timeout=WITHIN_MS)
    page.context.set_offline(False)
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_text("Taken in", exact=True)).to_be_visible(timeout=WITHIN_MS)
    assert outcomes(running, CHARITY, draft.rpartition("/")[2]) == {"accepted": 1}


def test_what_is_typed_when_the_session_has_ended_is_put_back(
    page: Page, desks: OpenDesk, running: Broker
) -> None:
    """Sent after the session's end it is kept sealed, and is there again once the same person signs in."""
    address = charity(desks)
    begin(page, address)
    page.locator("#source_name").fill("Quiet Neighbour-Invented")
    expect(page.locator("#tell-saved")).to_contain_text("Saved", timeout=WITHIN_MS)
    end_sessions(running, CHARITY)
    page.get_by_label("What they are to the child").fill("lives next door")
    page.get_by_role("button", name="Save and continue").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Sign in", timeout=WITHIN_MS)
    assert "Quiet" not in page.url
    page.get_by_label(TELLS).check()
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_text("Nothing was lost")).to_be_visible(timeout=WITHIN_MS)
    expect(page.get_by_label("What they are to the child")).to_have_value("lives next door")
    expect(page.locator("#source_name")).to_have_value("Quiet Neighbour-Invented")
    assert_accessible(page)
    parked = rows(running, CHARITY, "SELECT count(*) FROM parked WHERE page = 'speaker'")
    assert parked == [(0,)]


def end_sessions(running: Broker, organisation: str) -> None:
    """What time does: the sessions of a desk are no longer known."""
    with contextlib.closing(sqlite3.connect(database(running, organisation), timeout=30)) as found:
        found.execute("DELETE FROM session")
        found.commit()


def test_a_draft_is_listed_and_deleted_after_asking(page: Page, desks: OpenDesk) -> None:
    """Keeping it keeps it; deleting it leaves nothing."""
    address = charity(desks)
    begin(page, address)
    page.locator("#source_name").fill("Somebody")
    go_on(page, "Save and see all parts")
    draft = page.url
    expect(page.locator("main")).to_contain_text("Incomplete")
    assert_accessible(page)
    page.get_by_role("link", name="Delete this draft").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Delete this draft?")
    assert_accessible(page)
    page.get_by_role("link", name="Keep it").click()
    page.goto(f"{address}/tell")
    listed = page.locator(f'a[href$="{draft.rpartition("/")[2]}"]')
    expect(listed).to_be_visible()
    assert_accessible(page)
    page.locator(f'a[href$="{draft.rpartition("/")[2]}/delete"]').click()
    page.get_by_role("button", name="Delete the draft").click()
    expect(listed).to_have_count(0)
    assert page.goto(draft).status == 404  # type: ignore[union-attr]


def test_what_was_sent_is_corrected_and_taken_back(
    page: Page, desks: OpenDesk, running: Broker
) -> None:
    """A correction begins with the same answers; what is taken back says why, once."""
    address = charity(desks)
    with teller(address) as client:
        draft = client.draft()
        sent = client.send_form(f"{draft}/send").headers["location"]
    sign_in(page, address, TELLS, sent)
    expect(page.get_by_text("Taken in", exact=True)).to_be_visible(timeout=WITHIN_MS)
    page.get_by_role("button", name="Correct it").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("What is to be put right")
    page.locator("#reason").fill("The place was misread.")
    go_on(page, "Save and see all parts")
    page.get_by_role("link", name="Where", exact=True).click()
    page.locator("#description").fill("Gala Wharf (invented)")
    go_on(page, "Save and see all parts")
    page.get_by_role("button", name="Check and send").click()
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_text("Taken in", exact=True)).to_be_visible(timeout=WITHIN_MS)
    expect(page.locator("main")).to_contain_text("It corrects an earlier statement")
    page.goto(f"{address}{sent}")
    expect(page.locator("main")).to_contain_text("It was corrected on")
    page.get_by_role("link", name="Take it back").click()
    page.get_by_role("button", name="Take it back").click()
    expect(page.get_by_role("alert")).to_contain_text("Say in a sentence why it is taken back")
    assert_accessible(page)
    page.locator("#reason").fill("It was about another boy.")
    page.get_by_role("button", name="Take it back").dblclick()
    expect(page.locator("main")).to_contain_text("It was taken back on", timeout=WITHIN_MS)
    expect(page.get_by_role("link", name="Take it back")).to_have_count(0)
    about = "SELECT statement_id FROM outbox WHERE about = ? ORDER BY number"
    correction, retraction = rows(running, CHARITY, about, sent.rpartition("/")[2])
    for (statement_id,) in (correction, retraction):
        until(lambda one=statement_id: outcomes(running, CHARITY, one) == {"accepted": 1})


def test_sending_twice_at_once_sends_once(desks: OpenDesk, running: Broker) -> None:
    """Two requests that ask for the same lead to the same statement; Kafka holds it once."""
    with teller(charity(desks)) as client:
        draft = client.draft()
        token = token_of(client.get(f"{draft}/check").text)
        statement_id = draft.rpartition("/")[2]
        for _ in range(3):
            answer = client.post(f"{draft}/send", data={"_csrf_token": token})
            assert answer.headers["location"] == f"/sent/{statement_id}"
        until(lambda: outcomes(running, CHARITY, statement_id))
        client.send_form("/tell")
    other = "SELECT count(*) FROM outbox WHERE statement_id = ?"
    assert rows(running, CHARITY, other, statement_id) == [(1,)]
    assert outcomes(running, CHARITY, statement_id) == {"accepted": 1}


def test_what_was_not_taken_in_is_put_right_without_typing_it_again(
    desks: OpenDesk, running: Broker
) -> None:
    """The same answers under a new id; what was taken in cannot be sent anew, only corrected."""
    with teller(charity(desks)) as client:
        draft = client.draft()
        statement_id = draft.rpartition("/")[2]
        client.send_form(f"{draft}/send")
        until(lambda: outcomes(running, CHARITY, statement_id))
        assert client.send_form(f"/sent/{statement_id}/again").status_code == 404
        with contextlib.closing(sqlite3.connect(database(running, CHARITY), timeout=30)) as found:
            query = "UPDATE outbox SET state = 'rejected' WHERE statement_id = ?"
            found.execute(query, (statement_id,))
            found.commit()
        assert "Put it right and send it again" in client.get(f"/sent/{statement_id}").text
        again = client.send_form(f"/sent/{statement_id}/again").headers["location"]
        assert statement_id not in again
        assert "Anvil Cross retail park" in client.get(again).text
        client.send_form(again.replace("/check", "/delete"))


def test_children_are_added_and_removed(desks: OpenDesk) -> None:
    """Each has pages and a reference of its own; of one that is removed nothing stays."""
    with teller(charity(desks)) as client:
        draft = client.draft()
        second = client.send_form(f"{draft}/children/add").headers["location"]
        assert second == f"{draft}/child-2"
        client.send_form(second, given_name="Second Invented", home="not_known", then="list")
        assert "Second Invented" in client.get(f"{draft}/check").text
        client.send_form(f"{draft}/children/remove", child="2")
        assert "Second Invented" not in client.get(f"{draft}/check").text
        assert client.send_form(f"{draft}/children/add").headers["location"].endswith("child-3")
        client.send_form(f"{draft}/delete")


def test_a_name_in_what_others_read_is_pointed_out(desks: OpenDesk) -> None:
    """The words are read as the broker reads them before they leave; the person decides what to do."""
    answers = today_and_later()
    answers["sharing"]["text_police"] = ("Dawn Invented-Harper says that a boy is threatened.",)
    with teller(charity(desks)) as client:
        draft = client.draft(answers)
        assert "names the person who told you" in client.get(f"{draft}/check").text
        client.send_form(f"{draft}/delete")


def test_an_older_copy_never_replaces_what_was_typed_later(desks: OpenDesk) -> None:
    """Requests overtake each other on the way: what was typed last stays."""
    with teller(charity(desks)) as client:
        draft = client.send_form("/tell").headers["location"].rpartition("/")[0]
        for typed_at, text in ((200, "the later words"), (100, "the earlier words")):
            client.send_form(f"{draft}/heard/autosave", typed_at=typed_at, summary=text)
        assert "the later words" in client.get(f"{draft}/heard").text
        client.send_form(f"{draft}/delete")


def test_a_draft_is_its_owners_alone_and_sealed(desks: OpenDesk, running: Broker) -> None:
    """Without signing in, as somebody else, or from the disk nobody reads it."""
    words = "Words that nobody else may read"
    with teller(charity(desks)) as client:
        draft = client.send_form("/tell").headers["location"].rpartition("/")[0]
        client.send_form(f"{draft}/heard", summary=words, then="list")
        assert words in client.get(f"{draft}/heard").text
        folder = database(running, CHARITY).parent
        files = [*folder.rglob("*"), *(running.settings.data_dir / "log").glob("desk-*")]
        for file in files:
            assert not file.is_file() or words.encode() not in file.read_bytes(), file.name
        client.send_form(f"{draft}/delete")
    with httpx.Client(base_url=charity(desks)) as stranger:
        assert stranger.get(f"{draft}/heard").headers["location"].startswith("/sign-in")
    with httpx.Client(base_url=charity(desks)) as duty:
        data = {"person": "duty-1", "_csrf_token": token_of(duty.get("/sign-in").text)}
        assert duty.post("/sign-in", data=data).status_code == 303
        assert duty.get(f"{draft}/heard").status_code == 403


@pytest.mark.parametrize("path", ["/tell", "/sent", "/tell/nothing", "/sent/nothing", "/tell/x/y"])
def test_what_is_not_there_is_said_in_words(desks: OpenDesk, path: str) -> None:
    """No address of the form breaks it."""
    with teller(charity(desks)) as client:
        assert client.get(path).status_code in {200, 400, 404}
