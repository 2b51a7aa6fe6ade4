"""A running broker, desks on it, each a process of its own, and a real browser.

While the browser is open its event loop counts as running in this thread: tests here are not async, and
what needs a loop of its own gets a thread (`in_thread`).
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Browser, Page, sync_playwright

from broker.desk.front import free_port
from broker.reference import load_connected
from tests.simulation.harness import Broker, secured_kafka

ORGANISATIONS = Path(__file__).resolve().parents[2] / "policies/organisations/connected.yaml"
HOST = "127.0.0.1"
OPENS_WITHIN_S = 60.0
CHROMIUM = os.environ.get("BROKER_CHROMIUM") or shutil.which("chromium")
MISSING = (
    "CHROMIUM IS NOT HERE: no page was tried as a person would. Install it (Debian: apt install "
    "chromium), or name its program in BROKER_CHROMIUM"
)
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
DESK_WIDE, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
SERIOUS = {"serious", "critical"}
FORGED = "f" * 64
"""Id of the one alert on these topics that a test forged."""
OpenDesk = Callable[..., str]


@pytest.fixture(scope="package")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A broker for these tests, on a Kafka of its own with TLS and rights."""
    data_dir = tmp_path_factory.mktemp("desk") / "var"
    organisations = load_connected(ORGANISATIONS)
    with secured_kafka(data_dir, organisations) as kafka:
        broker = Broker(kafka.bootstrap, data_dir, organisations)
        in_thread(broker.prepare)
        broker.start_all()
        try:
            yield broker
        finally:
            broker.stop()


@pytest.fixture(scope="package")
def desks(running: Broker) -> Iterator[OpenDesk]:
    """Opens the desk of an organisation and gives its address; the second time the same.

    Further settings by name, such as `idle_minutes=1`, make a desk of their own.
    """
    opened: dict[str, tuple[subprocess.Popen[bytes], str]] = {}

    def address(organisation: str, **settings: object) -> str:
        key = json.dumps([organisation, settings], sort_keys=True, default=str)
        if key not in opened:
            opened[key] = start_desk(running, organisation, **settings)
        return opened[key][1]

    yield address
    for process, _ in opened.values():
        process.terminate()
    for process, _ in opened.values():
        process.wait(60)


def in_thread(work: Callable[[], object]) -> object:
    """Does `work` in a thread of its own and gives what it gave."""
    with ThreadPoolExecutor(1) as threads:
        return threads.submit(work).result()


def start_desk(
    broker: Broker, organisation: str, **settings: object
) -> tuple[subprocess.Popen[bytes], str]:
    """A desk's process and address, once it serves."""
    port = int(str(settings.get("port") or free_port(HOST)))
    given = {
        "organisation": organisation,
        "host": HOST,
        "port": port,
        "development": True,
    } | settings
    environment = {
        **os.environ,
        "BROKER_KAFKA_BOOTSTRAP": broker.settings.kafka_bootstrap,
        "BROKER_DATA_DIR": str(broker.settings.data_dir),
        "BROKER_POLICIES_DIR": str(broker.settings.policies_dir),
        **{f"BROKER_DESK_{name.upper()}": str(value) for name, value in given.items()},
    }
    log = broker.settings.data_dir / "log" / f"desk-{organisation}-{port}.log"
    with log.open("ab") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "broker.desk.serve"],
            env=environment,
            stdout=stream,
            stderr=stream,
        )
    address = f"http://{HOST}:{port}"
    deadline = time.monotonic() + OPENS_WITHIN_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{address}/healthz", timeout=5).json()["kafka"]:
                return process, address
        except httpx.HTTPError:
            pass
        time.sleep(0.1)
    process.kill()
    raise AssertionError(f"the desk of {organisation} did not open: {log.read_text()[-2000:]}")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A real Chromium; skips, loudly, where there is none. Closed with its file: see above."""
    if CHROMIUM is None:
        pytest.skip(MISSING)
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        yield launched
        launched.close()


@pytest.fixture(params=[DESK_WIDE, PHONE], ids=["desk", "phone"])
def page(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page of a browser that nobody has used, at desk and at phone width; it must not complain."""
    context = browser.new_context(
        viewport=request.param, locale="en-GB", timezone_id="Europe/London"
    )
    made = context.new_page()
    complaints: list[str] = []
    made.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
    made.on("pageerror", lambda error: complaints.append(str(error)))
    yield made
    context.close()
    serious = [
        one
        for one in complaints
        if not re.search(r"status of (401|403|404|422|429)|ERR_INTERNET_DISCONNECTED", one)
    ]
    assert serious == []


def sign_in(page: Page, address: str, name: str, path: str = "/") -> None:
    """Signs in at a desk as the invented person whose name begins so."""
    page.goto(f"{address}/sign-in?next={path}")
    page.get_by_label(name).check()
    page.get_by_role("button", name="Sign in").click()


def assert_accessible(page: Page) -> None:
    """axe-core has no serious finding on what the page shows now, and nothing is wider than the screen."""
    found = Axe().run(page).response["violations"]
    serious = [
        f"{one['id']}: {one['help']}: {node['html'][:160]}"
        for one in found
        if one["impact"] in SERIOUS
        for node in one["nodes"]
    ]
    assert serious == []
    wide = page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    assert wide <= 0, f"the page is {wide} px wider than the screen"
