"""The auditors' console over a real ledger: what it finds, what it reports, what is never on it."""

from __future__ import annotations

import contextlib
import csv
import datetime
import io
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import httpx
import msgspec
import pytest
from playwright.sync_api import Page, expect

from broker.auditor import read_recorded, verify_ledger
from broker.auditor.borders_said import report as borders_of
from broker.desk.settings import AUDITOR
from broker.examples.scenarios import load_scenarios
from broker.model.types import Action, ConcernEvent
from broker.shell.keys import read_subject_keys
from broker.shell.settings import Settings
from tests.cli.test_audit_queries import ORGANISATION, alert_in, rehearse
from tests.desk.conftest import assert_accessible, sign_in, start_desk
from tests.desk.test_doors import token_of
from tests.rounds.story import SW, WARNING, act, later
from tests.simulation.harness import fresh_event

pytestmark = pytest.mark.timeout(240)
WITHIN_MS = 60_000
HERE = load_scenarios()
MANY = 8
WALSALL = "E08000030"
ROOT = Path(__file__).resolve().parents[2]
PAGES = (
    "/audit",
    f"/audit/search?what=event&value={WARNING.event_id}",
    f"/audit/search?what=recipient&value={ORGANISATION}",
    "/audit/search?what=all",
    "/audit/verify",
    "/audit/parity",
    "/audit/consistency",
    "/audit/borders",
    "/audit/borders?small=true&england=true",
    "/audit/policy?publisher=charity&to=school",
    f"/audit/why?event={WARNING.event_id}&recipient={ORGANISATION}",
    "/audit/shadow?folder=other",
)
EXPORTS = ("csv", "json", "fhir", "parquet")
Console = Callable[[Path], str]
Told = list[tuple[ConcernEvent | Action, datetime.datetime]]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder: every scenario, more warnings, an acknowledgement, and a proposal beside it."""
    folder = tmp_path_factory.mktemp("console")
    told: Told = [(one.event, one.at) for found in HERE for one in found.publications]
    rehearse(folder / "first.jsonl", told, folder / "first")
    alert = alert_in(folder / "first", SW)
    acknowledged = act(
        "acknowledge",
        alert_id=alert.alert_id,
        reply=alert.content.reply,
        organisation=ORGANISATION,
    )
    shutil.copytree(folder / "first/keys", folder / "var/ledger/keys")
    more = (msgspec.structs.replace(fresh_event(), publisher=WALSALL) for _ in range(MANY))
    told += [(one, one.reported_at) for one in more]
    told.append((acknowledged, later(minutes=40)))
    rehearse(folder / "second.jsonl", told, folder / "var/ledger")
    shutil.move(folder / "var/ledger/keys", folder / "var/keys")
    shutil.copytree(ROOT / "policies", folder / "var/proposed/other")
    return folder / "var"


@pytest.fixture(scope="module")
def console() -> Iterator[Console]:
    """Opens a console over a data folder and gives its address; the second time the same."""
    opened: dict[Path, tuple[subprocess.Popen[bytes], str]] = {}

    def address(data_dir: Path) -> str:
        if data_dir not in opened:
            (data_dir / "log").mkdir(exist_ok=True)
            broker = SimpleNamespace(settings=Settings(data_dir=data_dir))
            opened[data_dir] = start_desk(broker, AUDITOR)  # type: ignore[arg-type]
        return opened[data_dir][1]

    yield address
    for process, _ in opened.values():
        process.terminate()
        process.wait(20)


@contextlib.contextmanager
def signed_in(address: str) -> Iterator[httpx.Client]:
    """A client of the console without a browser."""
    with httpx.Client(base_url=address, timeout=60) as client:
        token = token_of(client.get("/sign-in").text)
        client.post("/sign-in", data={"person": "auditor-1", "_csrf_token": token})
        yield client


def words_of(told: ConcernEvent) -> Iterator[str]:
    """What was said in an event, and whom it names: nothing of it may be on a page."""
    yield from (one.text for one in told.audience_texts)
    yield from (told.summary or "", told.place.description or "" if told.place else "")
    for one in told.subjects:
        yield from (one.given_name or "", one.family_name or "")
        yield one.child_voice.words if one.child_voice else ""
        yield from (each.value for each in one.identifiers)


def test_every_page_opens_for_everybody(page: Page, data: Path, console: Console) -> None:
    """One heading, nothing serious for axe, nothing wider than the screen; the plots are drawn."""
    address = console(data)
    sign_in(page, address, "Kit", "/audit")
    for path in PAGES:
        page.goto(f"{address}{path}")
        expect(page.get_by_role("heading", level=1)).to_have_count(1)
        expect(page.get_by_text("There is a problem")).to_have_count(0)
        assert_accessible(page)
        broken = "Array.from(document.images).filter(i => !i.naturalWidth).map(i => i.src)"
        page.wait_for_load_state("networkidle")
        assert page.evaluate(broken) == []


def test_nothing_that_was_said_is_on_any_page(data: Path, console: Console) -> None:
    """Words, names, places and numbers of every statement are looked for on each page and export."""
    words = {
        word
        for scenario in HERE
        for one in scenario.publications
        for word in words_of(one.event)
        if len(word) > 3
    }
    assert len(words) > 20
    with signed_in(console(data)) as client:
        answers = [client.get(path) for path in PAGES]
        answers += [client.get(f"/audit/export/{form}?what=all") for form in EXPORTS]
    assert {one.status_code for one in answers} == {200}
    # Names that everybody knows: of organisations, in which a place may lie.
    text = re.sub(r"[A-Z][\w' -]+\(invented\)", "", "\n".join(one.text for one in answers))
    assert [word for word in sorted(words) if re.search(rf"\b{re.escape(word)}\b", text)] == []


def test_who_knew_of_the_warning_and_who_did_not(page: Page, data: Path, console: Console) -> None:
    """Everyone who was evaluated, told or not, with the reason, the answer, and the way to explain it."""
    address = console(data)
    sign_in(page, address, "Kit", "/audit/search")
    page.get_by_label("Ask about").select_option("event")
    page.get_by_label("Id, code or token").fill(WARNING.event_id)
    page.get_by_role("button", name="Search").click()
    expected = [
        one.recipient
        for part in read_recorded(data / "ledger").parts
        if part.closing.event_id == WARNING.event_id
        for one in part.decisions
    ]
    entries = page.locator(".audit-entry")
    expect(entries).to_have_count(len(expected))
    told = entries.filter(has_text=f"({ORGANISATION})").filter(has_text="Told")
    expect(told.locator(".audit-answer")).to_contain_text("Acknowledge")
    expect(entries.filter(has_text="Not told").first).to_contain_text("Why")
    expect(page.get_by_text("Who is not named was not evaluated")).to_be_visible()
    told.get_by_role("link", name="In plain English").click()
    expect(page.get_by_text("It was told.")).to_be_visible()


def test_a_search_goes_page_by_page_and_misses_nothing(data: Path, console: Console) -> None:
    """All pages together have each decision once; the export has the same; a wrong id says what to do."""
    every = [
        (part.closing.part_id[:12], part.first + 1 + at)
        for part in read_recorded(data / "ledger").parts
        for at in range(len(part.decisions))
    ]
    with signed_in(console(data)) as client:
        seen, path = [], "/audit/search?what=all"
        while path:
            text = client.get(path).text
            seen += re.findall(r"; (s\d+, entry \d+);", text)
            found = re.search(r'rel="next" href="([^"]+)"', text)
            path = found[1].replace("&amp;", "&") if found else ""
        sheet = client.get("/audit/export/csv?what=all").text.split("\n", 1)
        wrong = client.get("/audit/search?what=event&value=<b>")
    assert len(seen) == len(set(seen)) == len(every)
    assert len(list(csv.DictReader(io.StringIO(sheet[1])))) == len(every)
    assert wrong.status_code == 422
    assert "Enter an id in full" in wrong.text


def test_a_child_is_found_by_its_token_and_a_day_narrows(data: Path, console: Console) -> None:
    """Only with the subject's key; what has none is said; a span of days keeps the rest away."""
    tokens = sorted(read_subject_keys(data / "keys/subjects.db"))
    with signed_in(console(data)) as client:
        found = client.get(f"/audit/search?what=subject&value={tokens[0]}").text
        unknown = client.get(f"/audit/search?what=subject&value={'0' * 32}").text
        day = WARNING.reported_at.date()
        on_it = client.get(f"/audit/search?what=all&since={day}&until={day}").text
        before = client.get("/audit/search?what=all&until=2020-01-01").text
        wrong = client.get(f"/audit/search?what=all&since={day}&until=2020-01-01")
    assert 'class="audit-entry"' in found
    assert 'class="audit-entry"' not in unknown
    assert "There is no key" in unknown
    assert 'class="audit-entry"' in on_it
    assert 'class="audit-entry"' not in before
    assert wrong.status_code == 422


def test_the_map_and_the_table_hide_what_the_report_hides(
    page: Page, data: Path, console: Console
) -> None:
    """Small counts are nowhere, also not in a line's words or width; the auditor may ask for them."""
    made = borders_of(Settings(data_dir=data), None, (None, None), authorised=False)
    hidden = [one for one in made.between if one.counts["told"] is None and one.kind == "authority"]
    assert hidden
    address = console(data)
    sign_in(page, address, "Kit", "/audit/borders")
    lines = page.locator(".audit-map__picture path title")
    expect(lines.first).to_be_attached()
    said = [line.text_content() or "" for line in lines.all()]
    assert not [one for one in said if re.search(r": [1-5] alerts", one)]
    assert [one for one in said if re.search(r": \d+ alerts", one)]
    assert [one for one in said if "a hidden number" in one]
    cells = page.locator(".audit-table tbody td").all_text_contents()
    assert "hidden" in cells
    assert not {"1", "2", "3", "4", "5"} & set(cells)
    page.get_by_role("link", name="Show small counts").click()
    expect(page.get_by_text("Not to be published")).to_be_visible()
    assert {"1", "2", "3", "4", "5"} & set(page.locator(".audit-table td").all_text_contents())


def test_verify_now_says_that_it_holds(page: Page, data: Path, console: Console) -> None:
    """By one click; the root is that which the command prints."""
    address = console(data)
    sign_in(page, address, "Kit", "/audit/verify")
    page.get_by_role("button", name="Verify now").dblclick()
    expect(page.get_by_text("The ledger holds")).to_be_visible(timeout=WITHIN_MS)
    expect(page.get_by_text(verify_ledger(data / "ledger").root)).to_be_visible()
    assert_accessible(page)


@pytest.fixture(scope="module")
def tampered(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same data folder with one letter of one leaf changed."""
    folder = tmp_path_factory.mktemp("tampered") / "var"
    shutil.copytree(data, folder, ignore=shutil.ignore_patterns("desk", "log", "*.index.db*"))
    leaf, other = b'"outcome":"DENY"', b'"outcome":"DENI"'
    bundles = sorted((folder / "ledger/s0/tile/entries").rglob("*"))
    file = next(one for one in bundles if one.is_file() and leaf in one.read_bytes())
    file.chmod(0o644)
    file.write_bytes(file.read_bytes().replace(leaf, other, 1))
    return folder


def test_a_tampered_ledger_does_not_hold_and_tells_nothing(
    page: Page, tampered: Path, console: Console
) -> None:
    """The page names the first bad entry as the command does; a search shows no decision of it."""
    address = console(tampered)
    first_bad = verify_ledger(tampered / "ledger").first_bad
    assert first_bad
    sign_in(page, address, "Kit", "/audit/verify")
    page.get_by_role("button", name="Verify now").click()
    expect(page.get_by_text("The ledger does not hold")).to_be_visible(timeout=WITHIN_MS)
    expect(page.get_by_text(first_bad)).to_be_visible()
    assert_accessible(page)
    page.goto(f"{address}/audit/search?what=all")
    expect(page.get_by_text("There is a problem")).to_be_visible()
    expect(page.locator(".audit-entry")).to_have_count(0)


def test_a_download_and_a_search_are_noted(data: Path, console: Console) -> None:
    """Each is an entry of the console's own log before it leaves."""
    log = data / "desk" / AUDITOR
    with signed_in(console(data)) as client:
        client.get(f"/audit/search?what=event&value={WARNING.event_id}")
        client.get(f"/audit/export/csv?what=recipient&value={ORGANISATION}")
    text = b"".join(one.read_bytes() for one in log.rglob("*") if one.is_file())
    assert b'"export"' in text
    assert b'"search"' in text


def test_nobody_else_opens_the_console(data: Path, console: Console) -> None:
    """Who has not signed in is sent to do so, also for a download or a plot."""
    with httpx.Client(base_url=console(data)) as client:
        for path in (*PAGES, "/audit/export/csv?what=all", "/audit/parity/plot/rates"):
            assert client.get(path).status_code == 303, path
