"""Who looked at what: noted before it is shown, without a name, in a log that can be verified."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from litestar import Request, get
from litestar.response import Template
from litestar.testing import TestClient
from typer.testing import CliRunner

from broker.auditor.report import BadLedgerError
from broker.auditor.single_log import verify_log
from broker.cli import app as command_line
from broker.desk import oidc, sessions
from broker.desk.api import authenticate
from broker.desk.app import application_of, build
from broker.desk.consultation_log import ConsultationLog
from broker.desk.consultations import (
    ID,
    SHOWS_NOBODY,
    WHAT,
    before_it_leaves,
    note,
    shows_nobody,
    shows_nobody_at,
)
from broker.desk.pages import page
from broker.desk.parts import DeskPart
from broker.desk.people import Person, Role
from broker.desk.running import RunningDesk
from broker.desk.sealing import AtRest
from broker.desk.settings import AUDITOR, DeskSettings
from broker.desk.signing_in import only_for
from broker.desk.store import DeskStore
from broker.ledger import read_entries
from broker.reference import load_reference
from broker.shell.keys import DESK
from broker.shell.settings import Settings
from tests.desk.conftest import in_thread
from tests.desk.test_doors import token_of

SANDWELL = "E08000028"
ORIGIN = f"broker.example/desk/{SANDWELL}"
KEY = Ed25519PrivateKey.generate()
ALERT = "0192f3c4-aaaa-7bbb-8ccc-0123456789ab"
ALEX = Person("duty-1", "Alex On-Duty (invented)", SANDWELL, (Role.DUTY,))


@get("/shown", guards=[only_for(Role.DUTY)])
async def shown(request: Request[Person, Any, Any], desk: RunningDesk) -> Template:
    """A page of personal data."""
    note(desk, request.user, "alert", ALERT)
    return page(request, "error", title="What a child said", what="", said="")


@get("/forgotten", guards=[only_for(Role.DUTY)])
async def forgotten(request: Request[Person, Any, Any]) -> Template:
    """A page of personal data whose writer forgot to note it."""
    return page(request, "error", title="What a child said", what="", said="")


@get("/twice", guards=[only_for(Role.DUTY)])
async def twice(request: Request[Person, Any, Any], desk: RunningDesk) -> Template:
    """One that is noted two times over."""
    note(desk, request.user, "alert", ALERT)
    note(desk, request.user, "child", "part-1")
    return page(request, "error", title="What a child said", what="", said="")


@get("/depends", guards=[only_for(Role.DUTY)])
async def depends(request: Request[Person, Any, Any], found: str = "") -> Template:
    """One that shows somebody only where something is found."""
    shows_nobody()
    return page(request, "error", title="Nothing was found", what="", said="")


def a_desk(folder: Path) -> RunningDesk:
    """A desk without Kafka, its files in `folder`."""
    settings = Settings(data_dir=folder)
    own = DeskSettings(organisation=SANDWELL, development=True)
    at_rest = AtRest.of(settings.keys_dir, SANDWELL)
    reference = load_reference(settings.codesets_dir, settings.organisations_dir)
    return RunningDesk(
        own,
        settings,
        reference,
        DeskStore(own.folder(folder), at_rest, (sessions.SCHEMA, oidc.SCHEMA)),
    )


def opened(desk: RunningDesk) -> TestClient[Any]:
    """Its pages, in a browser of nobody."""
    app = application_of(desk, [DeskPart(handlers=(shown, forgotten, twice, depends))])
    return TestClient(app, base_url="http://localhost")


def signed_in(client: TestClient[Any]) -> None:
    """Alex signs in."""
    token = token_of(client.get("/sign-in").text)
    client.post("/sign-in", data={"person": "duty-1", "_csrf_token": token})


def written(folder: Path, *leaves: bytes) -> None:
    """Writes these leaves to the log in `folder`, all at once."""

    async def write() -> None:
        log = ConsultationLog(folder, ORIGIN, KEY)
        async with log.open_until_end():
            await asyncio.gather(*(_one(log, leaf) for leaf in leaves))

    in_thread(lambda: asyncio.run(write()))


async def _one(log: ConsultationLog, leaf: bytes) -> None:
    log.add(leaf)
    await log.settled()


def test_a_page_is_noted_before_it_is_shown_by_reference_and_id(tmp_path: Path) -> None:
    """When the answer is there its entry is on disk: who, what and which; no name, no content."""
    desk = a_desk(tmp_path)
    with opened(desk) as client:
        signed_in(client)
        before = rows_of(desk)
        assert client.get("/shown").status_code == 200
        after = rows_of(desk)
    assert len(after) == len(before) + 1
    leaf = json.loads(after[-1])
    assert (leaf["actor"], leaf["what"], leaf["about"]) == ("duty-1", "alert", [ALERT])
    assert leaf["roles"] == ["duty"]
    assert b"Alex" not in after[-1]
    assert b"child said" not in after[-1]


def rows_of(desk: RunningDesk) -> list[bytes]:
    """Every leaf that is on disk now, seen by another process's eyes."""
    path = desk.consultations.folder / "store.db"
    if not path.exists():
        return []
    with sqlite3.connect(path) as connection:
        return [row[0] for row in connection.execute("SELECT data FROM entry ORDER BY place")]


def test_where_it_cannot_be_noted_it_is_not_shown(tmp_path: Path) -> None:
    """The page says so; once the disk is well again it is shown, and what was asked for before stands too."""
    desk = a_desk(tmp_path)
    with opened(desk) as client:
        signed_in(client)
        whole = desk.consultations.folder
        desk.consultations.folder = tmp_path / "a-file" / "below"
        (tmp_path / "a-file").write_text("")
        store, desk.consultations._store = desk.consultations._store, None
        refused = client.get("/shown")
        desk.consultations.folder, desk.consultations._store = whole, store
        assert refused.status_code == 503
        assert "What a child said" not in refused.text
        assert "be noted first" in refused.text
        before = len(rows_of(desk))
        assert "What a child said" in client.get("/shown").text
        assert len(rows_of(desk)) == before + 2


def test_a_page_that_is_not_noted_exactly_once_is_not_shown(tmp_path: Path) -> None:
    """Whoever writes a new page and forgets it sees nothing; one that says it shows nobody is shown."""
    desk = a_desk(tmp_path)
    with opened(desk) as client:
        signed_in(client)
        for path in ("/forgotten", "/twice"):
            refused = client.get(path)
            assert refused.status_code == 500
            assert "What a child said" not in refused.text
        assert "Nothing was found" in client.get("/depends").text


@pytest.mark.parametrize("organisation", [SANDWELL, DESK, AUDITOR])
def test_no_page_of_any_desk_goes_round_the_log(tmp_path: Path, organisation: str) -> None:
    """Every route for reading, walked: each is under the rule, or is in the list with what it shows."""
    own = DeskSettings(organisation=organisation, development=True)
    app = build(own, Settings(data_dir=tmp_path))
    walked = [
        (route.path_format, handler)
        for route in app.routes
        for handler in getattr(route, "route_handlers", ())
        if "GET" in handler.http_methods
    ]
    assert len(walked) > 8
    for path, handler in walked:
        layers = handler.ownership_layers
        after = [one.after_request for one in layers if one.after_request]
        before = [one.before_request for one in layers if one.before_request]
        # Of several layers the nearest counts alone: it must begin to count (`asked`).
        ruled = after == [before_it_leaves] and before[-1] in {app.before_request, authenticate}
        assert ruled or shows_nobody_at(path), path
    app.state.desk.store.close()


def test_the_list_of_pages_that_show_nobody_is_closed() -> None:
    """A page on it must be one that exists; whoever adds one changes this test and says why."""
    assert (
        {path for path, words in SHOWS_NOBODY.items() if words}
        == {
            "/",
            "/account",
            "/api/v1/webhooks",
            "/audit",  # What the console can do; its reports count, and are suppressed as they are published.
            "/audit/consistency",
            "/audit/parity",
            "/audit/policy",
            "/audit/verify",
            "/audit/verify/state",
            "/break-glass/ask",
            "/healthz",
            "/inbox/news",
            "/inbox/refused",
            "/oidc/back",
            "/oidc/start",
            "/openapi.json",
            "/review/changed",
            "/sign-in",
            "/signed-out",
        }
    )


@given(st.text(max_size=300).filter(lambda one: not ID.fullmatch(one)), st.integers(0, 2))
def test_what_is_no_id_is_never_written(text: str, place: int) -> None:
    """A sentence, a name with a space, an empty word: neither as a thing, a person nor a kind of page."""
    desk = RunningDesk.__new__(RunningDesk)
    given_as = (ALEX.staff_ref, "alert", ALERT)
    actor, what, about = (text if at == place else one for at, one in enumerate(given_as))
    with pytest.raises(ValueError, match="consultation"):
        note(desk, Person(actor, "", SANDWELL, ()), what, about)


def test_every_kind_has_words() -> None:
    """Whoever reads the log is told in words what was looked at."""
    assert all(ID.fullmatch(kind) and len(words) > len(kind) for kind, words in WHAT.items())


def test_what_many_look_at_at_once_stands_each_once(tmp_path: Path) -> None:
    """Two hundred pages at the same time, and a second desk process on the same log in between."""
    first = [b'{"n":%d}' % number for number in range(200)]
    written(tmp_path, *first)
    written(tmp_path, b'{"n":200}')
    found = verify_log(tmp_path, ORIGIN)
    assert sorted(found.entries) == sorted([*first, b'{"n":200}'])


def test_two_processes_of_one_desk_write_one_log(tmp_path: Path) -> None:
    """While a desk is replaced by the next one both note what they show, in turn, and nothing is lost."""

    async def write() -> None:
        logs = [ConsultationLog(tmp_path, ORIGIN, KEY) for _ in range(2)]
        async with logs[0].open_until_end(), logs[1].open_until_end():
            for number in range(6):
                await _one(logs[number % 2], b'{"n":%d}' % number)

    in_thread(lambda: asyncio.run(write()))
    assert verify_log(tmp_path, ORIGIN).entries == tuple(b'{"n":%d}' % one for one in range(6))


@pytest.mark.parametrize("name", ["entries", "tile", "checkpoint", "removed", "replaced"])
def test_whatever_is_changed_in_the_log_is_seen(tmp_path: Path, name: str) -> None:
    """An entry, a hash, the signed line; a page that never was looked at; a log signed by another."""
    written(tmp_path, *(b'{"n":%d}' % number for number in range(5)))
    entries = tmp_path / "tile/entries/000.p/5"
    match name:
        case "entries":
            entries.write_bytes(entries.read_bytes().replace(b'"n":3', b'"n":9'))
        case "tile":
            tile = tmp_path / "tile/0/000.p/5"
            tile.write_bytes(bytes(32) + tile.read_bytes()[32:])
        case "checkpoint":
            checkpoint = tmp_path / "checkpoint"
            checkpoint.write_text(checkpoint.read_text().replace("\n5\n", "\n4\n"))
        case "removed":
            entries.unlink()
        case "replaced":
            other = tmp_path / "other"
            other.mkdir()
            log = ConsultationLog(other, ORIGIN, Ed25519PrivateKey.generate())

            async def forge() -> None:
                async with log.open_until_end():
                    await _one(log, b'{"n":0}')

            in_thread(lambda: asyncio.run(forge()))
            checkpoint = tmp_path / "checkpoint"
            checkpoint.write_text((other / "checkpoint").read_text())
    with pytest.raises(BadLedgerError):
        verify_log(tmp_path, ORIGIN)


def test_the_log_of_another_desk_is_not_taken_for_this_one(tmp_path: Path) -> None:
    """A folder that was exchanged is seen by the name that its checkpoint is signed under."""
    written(tmp_path, b"{}")
    with pytest.raises(BadLedgerError, match="exchanged"):
        verify_log(tmp_path, "broker.example/desk/E08000025")


def test_the_log_is_listed_verified_and_exported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By person and by thing; and at the first bad entry the command says so and fails."""
    desk = a_desk(tmp_path)
    with opened(desk) as client:
        signed_in(client)
        client.get("/shown")
    monkeypatch.setenv("BROKER_DATA_DIR", str(tmp_path))
    run = CliRunner()
    listed = run.invoke(
        command_line, ["desk", "consultations", SANDWELL, "--about", ALERT, "--json"]
    )
    (only,) = map(json.loads, listed.output.splitlines())
    assert (only["actor"], only["what"]) == ("duty-1", "alert")
    none = run.invoke(command_line, ["desk", "consultations", SANDWELL, "--actor", "x", "--json"])
    assert none.output == ""
    table = run.invoke(command_line, ["desk", "consultations", SANDWELL, "--csv"]).output
    assert table.splitlines()[0] == "index,at,kind,actor,roles,what,about"
    assert table.splitlines()[-1].endswith(f"consultation,duty-1,duty,alert,{ALERT}")
    verdict = run.invoke(command_line, ["desk", "verify", SANDWELL]).output
    assert (
        f"consultations verified: {ORIGIN}, {len(read_entries(desk.consultations.folder, 0))} "
        in verdict
    )
    bundle = next((desk.consultations.folder / "tile/entries").rglob("*.p/*"))
    bundle.write_bytes(bundle.read_bytes().replace(b"duty-1", b"duty-2"))
    assert run.invoke(command_line, ["desk", "verify", SANDWELL]).exit_code != 0
