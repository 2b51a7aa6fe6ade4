"""Pictures of the pages of desks that run: `scripts/screens ADDRESS`. All people in them are invented."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from tests.desk.conftest import CHROMIUM, DESK_WIDE, MISSING, PHONE, QUIET
from tests.desk.test_tell import ORDER, fill, go_on, today_and_later

SCREENS = Path(__file__).resolve().parents[2] / "docs/screens"
WIDTHS = {"desk": DESK_WIDE, "phone": PHONE}
ADVOCATE = "Standing By Parents and Carers, West Midlands (invented)"
PATIENCE_MS = 60_000
TALLEST = 1400
"""Of a long page its beginning is enough."""


def main(arguments: Sequence[str]) -> int:
    """Takes the pictures; 1 where there is no browser."""
    if CHROMIUM is None:
        sys.stderr.write(f"{MISSING}\n")
        return 1
    SCREENS.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        for width, size in WIDTHS.items():
            page = browser.new_page(
                viewport=size,  # type: ignore[arg-type]
                locale="en-GB",
                timezone_id="Europe/London",
            )
            page.set_default_timeout(PATIENCE_MS)
            Tour(page, arguments[0], width).go()
            page.close()
        browser.close()
    return 0


class Tour:
    """One way through the pages, at one width."""

    def __init__(self, page: Page, front: str, width: str) -> None:
        self._page = page
        self._front = front
        self._width = width
        self._desk = ""

    def go(self) -> None:
        """Every kind of page, in the order in which a story goes through them."""
        self._page.goto(self._front)
        self._take("1-front")
        self._sign_in(ADVOCATE, "Sam")
        self._see("/tell", "2-tell")
        self._tell()
        self._take("5-what-became-of-it")
        self._see("/sent", "6-sent")
        self._sign_in("Sandwell", "Alex")
        self._page.wait_for_selector("main a[href^='/alert/']")
        self._see("/inbox", "7-inbox")
        self._page.locator("main a[href^='/alert/']").first.click()
        self._take("8-alert")
        self._page.get_by_role("link", name="Timeline").first.click()
        self._take("9-child")
        self._sign_in("Duty desk of the broker (invented)", "Robin")
        self._page.wait_for_selector("main a[href^='/review/']")
        self._see("/review", "10-review")
        self._page.locator("main a[href^='/review/']").first.click()
        self._take("11-review-part")
        self._see("/break-glass", "12-break-glass")
        self._sign_in("Auditors: verify, search, reports", "Kit")
        for path, name in (
            ("/audit", "13-console"),
            ("/audit/search", "14-search"),
            ("/audit/verify", "15-verify"),
            ("/audit/parity", "16-parity"),
            ("/audit/consistency", "17-consistency"),
            ("/audit/borders", "18-borders"),
            ("/audit/policy", "19-policy"),
        ):
            self._see(path, name)

    def _tell(self) -> None:
        """A mother's words, page by page, to the end."""
        self._page.get_by_role("button", name="Start").click()
        answers = today_and_later()
        for number, slug in enumerate(ORDER):
            self._page.wait_for_url(re.compile(f"/{slug}$"))
            fill(self._page, answers[slug])
            self._take(f"3-tell-{chr(ord('a') + number)}-{slug}")
            go_on(self._page)
        self._take("4-tell-check")
        self._page.get_by_role("button", name="Send").click()
        self._page.wait_for_url(re.compile("/sent/"))
        self._page.get_by_text("Taken in", exact=True).wait_for()

    def _sign_in(self, organisation: str, name: str) -> None:
        self._page.goto(self._front)
        self._page.get_by_role("link", name=organisation, exact=True).click()
        self._desk = self._page.url.split("/sign-in")[0]
        self._page.get_by_label(name).first.check()
        self._page.get_by_role("button", name="Sign in").click()
        self._page.wait_for_load_state()

    def _see(self, path: str, name: str) -> None:
        self._page.goto(f"{self._desk}{path}")
        self._take(name)

    def _take(self, name: str) -> None:
        self._page.wait_for_load_state("networkidle")
        size = self._page.viewport_size or DESK_WIDE
        tall = int(self._page.evaluate("document.documentElement.scrollHeight"))
        clip = {"x": 0, "y": 0, "width": size["width"], "height": min(tall, TALLEST)}
        path = SCREENS / f"{name}-{self._width}.jpg"
        self._page.screenshot(path=path, full_page=True, clip=clip, type="jpeg", quality=50)  # type: ignore[arg-type]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
