"""Getting in and out: signing in, what is shut to whom, what every answer carries."""

from __future__ import annotations

import re

import httpx
from playwright.sync_api import Page, expect

from tests.desk.conftest import OpenDesk, assert_accessible

SANDWELL = "E08000028"


def token_of(html: str) -> str:
    """The token of a form."""
    found = re.search(r'name="_csrf_token" value="([^"]+)"', html)
    assert found
    return found[1]


def test_a_person_signs_in_and_out(page: Page, desks: OpenDesk) -> None:
    """By keyboard alone; afterwards the desk is shut again."""
    address = desks(SANDWELL)
    page.goto(f"{address}/account")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Sign in to the desk of Sandwell")
    assert_accessible(page)
    page.get_by_label("Alex").focus()
    page.keyboard.press("Space")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    page.goto(f"{address}/account")
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()


def test_a_form_without_its_token_and_one_of_another_site_are_refused(desks: OpenDesk) -> None:
    """Neither a guess nor another site's page signs anybody in."""
    with httpx.Client(base_url=desks(SANDWELL)) as client:
        token = token_of(client.get("/sign-in").text)
        assert client.post("/sign-in", data={"person": "duty-1"}).status_code == 403
        data = {"person": "duty-1", "_csrf_token": token}
        foreign = client.post("/sign-in", data=data, headers={"Sec-Fetch-Site": "cross-site"})
        assert foreign.status_code == 403
        assert client.post("/sign-in", data=data).status_code == 303


def test_after_signing_in_one_comes_to_this_desk_and_nowhere_else(desks: OpenDesk) -> None:
    """An address behind `next` that leads to another host is not followed."""
    for elsewhere in ("//evil.example", "/\\evil.example", "https://evil.example", "evil"):
        with httpx.Client(base_url=desks(SANDWELL)) as client:
            token = token_of(client.get("/sign-in").text)
            data = {"person": "duty-1", "_csrf_token": token, "next": elsewhere}
            assert client.post("/sign-in", data=data).headers["location"] == "/"


def test_every_answer_says_what_may_run_and_that_nothing_is_kept(desks: OpenDesk) -> None:
    """Pages, errors and redirects alike; static files alone may be kept, and are for everybody the same."""
    with httpx.Client(base_url=desks(SANDWELL)) as client:
        for path in ("/sign-in", "/nothing", "/account", "/healthz"):
            headers = client.get(path).headers
            assert headers["cache-control"] == "no-store"
            assert "'unsafe" not in headers["content-security-policy"]
            assert "default-src 'none'" in headers["content-security-policy"]
        static = client.get("/static/desk.css").headers
        assert "immutable" in static["cache-control"]
        assert "set-cookie" not in static


def test_cookies_cannot_be_read_by_scripts_or_sent_by_others(desks: OpenDesk) -> None:
    """HttpOnly and SameSite on each; behind an https address Secure as well."""
    for settings, secure in (({}, False), ({"base_url": "https://localhost:8443"}, True)):
        with httpx.Client(base_url=desks(SANDWELL, **settings)) as client:
            for cookie in client.get("/sign-in").headers.get_list("set-cookie"):
                lower = cookie.lower()
                assert "httponly" in lower
                assert "samesite" in lower
                assert ("secure" in lower) is secure
