"""Signing in by an organisation's own provider: a real one in a real browser."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from broker.auditor.single_log import verify_log
from broker.desk.front import free_port
from tests.desk.conftest import HOST, OpenDesk, assert_accessible
from tests.desk.oidc_provider import CLIENT, SECRET, provider
from tests.simulation.harness import Broker

DUDLEY = "E08000027"
COOKIE = re.compile("desk-session")
ELSEWHERE = re.compile(rf"^https?://(?!{re.escape(HOST)}[:/])")
ROLES = {"safeguarding-duty": ["duty", "tells"], "reports": ["auditor"]}


@pytest.fixture(scope="module")
def address(desks: OpenDesk) -> Iterator[str]:
    """The desk of Dudley, which leaves it to a provider to say who somebody is."""
    port = free_port(HOST)
    with provider(f"http://{HOST}:{port}") as issuer:
        yield desks(
            DUDLEY,
            port=port,
            base_url=f"http://{HOST}:{port}",
            development=False,
            oidc_issuer=issuer,
            oidc_client_id=CLIENT,
            oidc_client_secret=SECRET,
            oidc_roles_claim="groups",
            oidc_roles=json.dumps(ROLES),
        )


def sign_in_as(page: Page, name: str) -> None:
    """Through the pages of desk and provider, from the desk's page to sign in on."""
    # The provider's pages ask another host for a typeface.
    page.route(ELSEWHERE, lambda route: route.fulfill(body="", content_type="text/css"))
    page.get_by_role("button", name="Sign in with your organisation").click()
    page.get_by_placeholder("Enter any login").fill(name)
    page.get_by_placeholder("and password").fill("any")
    page.get_by_role("button", name="Sign-in").click()
    page.get_by_role("button", name="Continue").click()


def session_of(page: Page) -> str:
    """The number of the browser's session; empty where it has none."""
    found = [one["value"] for one in page.context.cookies() if COOKIE.search(one["name"])]
    return found[0] if found else ""


def folder_of_desk(running: Broker) -> Path:
    """Where the desk keeps what it keeps."""
    return running.settings.data_dir / "desk" / DUDLEY


def test_somebody_signs_in_by_the_account_of_the_organisation_and_out(
    page: Page, address: str, running: Broker
) -> None:
    """Name and reference as the provider states, roles as the desk gives for them; both are signed out of."""
    page.goto(f"{address}/account?from=a-link")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Sign in to the desk of Dudley")
    assert_accessible(page)
    sign_in_as(page, "both-3")
    expect(page).to_have_url(f"{address}/account?from=a-link", timeout=30_000)
    expect(page.locator("main")).to_contain_text("both-3: what you sign is recorded under it")
    expect(page.locator("main")).to_contain_text("tells, duty")
    assert session_of(page)
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("You are signed out of this desk")
    assert_accessible(page)
    assert not session_of(page)
    page.get_by_role("link", name="sign out of it as well").click()
    page.get_by_role("button", name="Yes, sign me out").click()
    expect(page).to_have_url(f"{address}/sign-in", timeout=30_000)
    noted = verify_log(
        folder_of_desk(running) / "consultations", f"{running.settings.name}/desk/{DUDLEY}"
    ).entries
    mine = [json.loads(one) for one in noted]
    assert [one["what"] for one in mine if one["actor"] == "both-3"][-2:] == [
        "signed_in",
        "signed_out",
    ]
    assert not any(b"invented" in one for one in noted)


def test_somebody_without_a_role_is_told_so_and_sees_nothing(page: Page, address: str) -> None:
    """The page says who the account is and what to ask for; there is no session."""
    page.goto(f"{address}/sign-in?next=/inbox")
    sign_in_as(page, "clerk-1")
    expect(page.get_by_role("heading", level=1)).to_contain_text("You have no role at this desk")
    expect(page.locator("main")).to_contain_text("clerk-1")
    assert_accessible(page)
    assert not session_of(page)


def test_a_session_that_ended_leads_back_to_where_one_was(
    browser: Browser, address: str, running: Broker
) -> None:
    """The provider still knows the person: one press of the button, and the same page is there again."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{address}/account")
    sign_in_as(page, "duty-4")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Your account")
    first = session_of(page)
    with sqlite3.connect(folder_of_desk(running) / "desk.db", timeout=30) as rows:
        rows.execute("UPDATE session SET idle_until = 0")
    page.goto(f"{address}/account?page=2")
    page.get_by_role("button", name="Sign in with your organisation").click()
    expect(page).to_have_url(f"{address}/account?page=2", timeout=30_000)
    assert session_of(page) not in {"", first}
    context.close()


def test_a_number_that_was_planted_is_no_session_afterwards(browser: Browser, address: str) -> None:
    """Whoever put a cookie into somebody's browser before is not signed in with them."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{address}/sign-in")
    sign_in_as(page, "duty-5")
    expect(page).to_have_url(re.compile(r"/(inbox|tell)"), timeout=30_000)
    name = next(one["name"] for one in context.cookies() if COOKIE.search(one["name"]))
    context.close()
    context = browser.new_context()
    context.add_cookies([{"name": name, "value": "planted", "url": address}])
    page = context.new_page()
    page.goto(f"{address}/account")
    sign_in_as(page, "duty-6")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Your account")
    assert session_of(page) not in {"", "planted"}
    context.close()
    context = browser.new_context()
    context.add_cookies([{"name": name, "value": "planted", "url": address}])
    page = context.new_page()
    page.goto(f"{address}/account")
    expect(page).to_have_url(re.compile("/sign-in"))
    context.close()
