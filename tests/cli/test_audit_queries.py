"""`broker audit event|part|recipient|agreement` over the ledger of a rehearsal."""

from __future__ import annotations

import contextlib
import csv
import datetime
import io
import json
import shutil
import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest
from rich.console import Console

from broker.auditor.exports import cell
from broker.cli import run
from broker.client.opening import OpenedAlert, open_alert
from broker.commands.audit_words import line as shown_line
from broker.examples import to_line
from broker.examples.scenarios import load_scenarios
from broker.ledger import read_entries
from broker.model.types import Action, ConcernEvent
from broker.shell.keys import load_agency_keys
from tests.cli.said import Command, Said
from tests.rounds.story import AT, SW, WARNING, act, later
from tests.rounds.test_retraction import retraction
from tests.rounds.test_review import CONSULT

CONSULTED = msgspec.structs.replace(CONSULT, event_id="61000000-0000-4000-8000-000000000009")
ORGANISATION = SW.partition(":")[0]
Statement = ConcernEvent | Action


def line(statement: Statement, at: datetime.datetime) -> str:
    return json.dumps(json.loads(to_line(statement)) | {"received_at": at.isoformat()}) + "\n"


def rehearse(file: Path, told: list[tuple[Statement, datetime.datetime]], ledger: Path) -> None:
    file.write_text("".join(line(*one) for one in told))
    assert run(["decide", str(file), "--ledger", str(ledger), "--strict", "--json"]) == 0


def rows_of(said: Said) -> list[dict[str, Any]]:
    """The rows of an export, after the line that says of what it is."""
    first, *rows = said.rows
    assert first.keys() & {"export", "parameter"}
    return rows


def leaves_of(ledger: Path) -> list[dict[str, Any]]:
    return [json.loads(data) for data in read_entries(ledger / "s0", 0)]


def alert_in(ledger: Path, recipient: str) -> OpenedAlert:
    """The alert about the warning that waits in the outbox of a ledger, opened by its recipient."""
    keys = load_agency_keys(ledger / "keys", recipient.partition(":")[0])
    with contextlib.closing(sqlite3.connect(ledger / "s0" / "store.db")) as store:
        rows = store.execute(
            "SELECT value FROM outbox WHERE topic = ?", (f"alerts.v1.{keys.identity.organisation}",)
        ).fetchall()
    opened = [open_alert(value, keys) for (value,) in rows]
    (found,) = [
        one
        for one in opened
        if (one.content.event_id, one.content.recipient) == (WARNING.event_id, recipient)
    ]
    return found


@pytest.fixture(scope="module")
def rehearsal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All scenarios, an acknowledgement, a review and a retraction, by `broker decide --ledger`.

    Told twice under the same keys: the acknowledgement names an alert of the first telling.
    """
    folder = tmp_path_factory.mktemp("rehearsal")
    told: list[tuple[Statement, datetime.datetime]] = [
        (one.event, one.at) for found in load_scenarios() for one in found.publications
    ]
    told.append((CONSULTED, later(minutes=5)))
    review = act("review", verdict="permit", recipient=SW, event_id=CONSULTED.event_id)
    told.append((review, later(minutes=30)))
    rehearse(folder / "first.jsonl", told, folder / "first")
    told_first = alert_in(folder / "first", SW)
    acknowledgement = act(
        "acknowledge",
        alert_id=told_first.alert_id,
        reply=told_first.content.reply,
        organisation=ORGANISATION,
    )
    told += [(acknowledgement, later(minutes=40)), (retraction(), later(hours=2))]
    shutil.copytree(folder / "first" / "keys", folder / "ledger" / "keys")
    rehearse(folder / "second.jsonl", told, folder / "ledger")
    return folder / "ledger"


def test_an_event_in_words(broker: Command, rehearsal: Path) -> None:
    """Who was told, withdrawn, acknowledged, who not and why; verified, and by which key."""
    said = broker("audit", "event", WARNING.event_id, "--ledger", rehearsal)
    words = " ".join(said.out.split())

    assert (said.code, said.err) == (0, "")
    assert f"{SW} (harm_place): told and later withdrawn" in words
    assert "withdrawn Thu 2026-11-19 19:20:00 UTC in round 2: retracted" in words
    assert "acknowledged Thu 2026-11-19 18:00:00 UTC, in time: due " in words
    assert "ADV-WM-001:advocate (originator): told what came of it" in words
    assert "E08000025:csc (adjacent): not told because: no_nexus" in words
    assert "15 decisions: 4 told and later withdrawn, 1 told what came of it" in words
    assert "Who is not named was not evaluated" in words
    assert "Ledger verified: " in words
    assert "by the key that lies beside it" in words


def test_every_closing_leaf_is_answered_in_full(broker: Command, rehearsal: Path) -> None:
    """Asked part by part, JSON has as many of each outcome as the closing leaves state."""
    stated: Counter[tuple[str, str]] = Counter()
    for one in leaves_of(rehearsal):
        if one["kind"] == "closing":
            for outcome in ("permit", "deny", "review"):
                stated[one["part_id"], outcome.upper()] += one[outcome]
    found: Counter[tuple[str, str]] = Counter()
    for part_id in {part_id for part_id, _ in stated}:
        said = broker("audit", "part", part_id, "--ledger", rehearsal, "--json", "--no-verify")
        found.update((row["part_id"], row["outcome"]) for row in rows_of(said))

    assert found == +stated


def test_a_recipient_as_csv_is_the_same_as_json(broker: Command, rehearsal: Path) -> None:
    """One line a decision under a heading, the same decisions; a role narrows it."""
    asked = ("audit", "recipient", ORGANISATION, "--ledger", rehearsal)
    heading, sheet = broker(*asked, "--csv").out.split("\n", 1)
    table = list(csv.DictReader(io.StringIO(sheet)))
    said = broker(*asked, "--json")
    rows = rows_of(said)
    of_role = rows_of(broker("audit", "recipient", SW, "--ledger", rehearsal, "--json"))

    assert json.loads(heading.removeprefix("# ")) == said.rows[0]["export"]
    assert len(rows) > len(of_role) > 3
    assert of_role == [row for row in rows if row["recipient"] == SW]
    assert list(table[0]) == list(rows[0])
    for name in ("event_id", "part_id", "decided_at", "recipient", "outcome", "standing", "log"):
        assert [one[name] for one in table] == [row[name] for row in rows]
    assert [one["reasons"] for one in table] == [" ".join(row["reasons"]) for row in rows]
    assert [bool(one["withdrawn"]) for one in table] == [bool(row["withdrawn"]) for row in rows]


@pytest.mark.parametrize("bad", ["=1+1", "\x1b[2Jgone"])
def test_an_id_that_would_act_in_a_sheet_or_a_terminal_never_gets_into_a_log(
    broker: Command, tmp_path: Path, bad: str
) -> None:
    """Such ids are refused at the door; the exports would quote them all the same."""
    event = msgspec.structs.replace(WARNING, event_id=bad)
    file, ledger = tmp_path / "told.jsonl", tmp_path / "ledger"
    file.write_text(line(event, AT))
    said = broker("decide", file, "--ledger", ledger, "--json")

    assert [row["rejected"] for row in said.rows] == ["not_valid"]
    assert not [leaf for leaf in leaves_of(ledger) if leaf["kind"] == "decision"]


def test_what_a_spreadsheet_would_execute_is_quoted_and_what_steers_a_terminal_is_marked() -> None:
    """Whatever a log of another time may hold."""
    out = io.StringIO()
    shown_line(Console(file=out), "\x1b[2Jgone")

    assert cell("=1+1") == "'=1+1"
    assert "\x1b" not in out.getvalue()
    assert "[2Jgone" in out.getvalue()


def test_an_agreement_as_fhir_is_one_audit_event_a_decision(
    broker: Command, rehearsal: Path
) -> None:
    """NDJSON of AuditEvents; the clause that permits stands where BALP has the consent."""
    asked = ("audit", "agreement", "national-baseline", "--ledger", rehearsal)
    events, rows = rows_of(broker(*asked, "--fhir")), rows_of(broker(*asked, "--json"))

    assert len(events) == len(rows) > 0
    assert {one["resourceType"] for one in events} == {"AuditEvent"}
    assert [one["outcome"] == "0" for one in events] == [row["outcome"] == "PERMIT" for row in rows]
    clauses = [[one["what"]["identifier"]["value"] for one in e["entity"][2:]] for e in events]
    assert clauses == [row["clauses"] for row in rows]


def test_a_range_of_time_narrows_every_question(broker: Command, rehearsal: Path) -> None:
    """From the moment of the review on there is only what was decided then or later."""
    asked = ("audit", "recipient", SW, "--ledger", rehearsal, "--json")
    since = later(minutes=30).isoformat()
    rows = rows_of(broker(*asked))
    after, before = (rows_of(broker(*asked, option, since)) for option in ("--from", "--to"))

    assert after
    assert before
    assert before + after == rows
    assert any(reason.startswith("review/") for row in after for reason in row["reasons"])


def test_nothing_is_told_from_a_ledger_that_does_not_hold(
    broker: Command, rehearsal: Path, tmp_path: Path
) -> None:
    """One changed byte: a refusal that says what to do; taken as it lies, that is said."""
    damaged = Path(shutil.copytree(rehearsal, tmp_path / "ledger"))
    (entries,) = (damaged / "s0" / "tile" / "entries").rglob("*.p/*")
    entries.write_bytes(entries.read_bytes().replace(b'"n":1,', b'"n":2,', 1))
    asked = ("audit", "event", WARNING.event_id, "--ledger", damaged, "--json")
    refused, taken = broker(*asked), broker(*asked, "--no-verify")

    assert (refused.code, refused.out) == (1, "")
    assert "NOT verified" in refused.err
    assert "--no-verify" in refused.err
    assert taken.code == 0
    assert rows_of(taken)
    assert "NOT verified (--no-verify)" in taken.err


def test_another_key_is_no_assurance(broker: Command, rehearsal: Path, tmp_path: Path) -> None:
    """With the key got on another way nothing is said of the one beside it; a wrong one refuses."""
    rehearse(tmp_path / "told.jsonl", [(WARNING, AT)], tmp_path / "other")
    asked = ("audit", "event", WARNING.event_id, "--ledger", rehearsal, "--json", "--key")
    own = broker(*asked, rehearsal / "s0" / "log.vkey")
    other = broker(*asked, tmp_path / "other" / "s0" / "log.vkey")

    assert own.code == 0
    assert "ledger verified" in own.err
    assert "beside" not in own.err
    assert (other.code, other.out) == (1, "")


def test_what_is_not_there_is_said(broker: Command, rehearsal: Path, tmp_path: Path) -> None:
    """An unknown id is an empty answer with a sentence; no ledger is a refusal."""
    nobody = broker("audit", "recipient", "E08", "--ledger", rehearsal, "--json")
    nowhere = broker("audit", "event", "x", "--ledger", tmp_path)

    assert nobody.code == 0
    assert rows_of(nobody) == []
    assert "no decision in this ledger and range is about E08" in nobody.err
    assert nowhere.code == 1
    assert "--ledger" in nowhere.err


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--json", "--csv"), "--fhir"),
        (("--from", "yesterday"), "2026-11-20T09:00:00Z"),
        (("--to", "2026-11-20T09:00:00"), "2026-11-20T09:00:00Z"),
        (("--from", "2026-11-20T09:00:00Z", "--to", "2026-11-20T09:00:00Z"), "later"),
    ],
)
def test_wrong_usage_says_what_to_write(
    broker: Command, options: tuple[str, ...], named: str
) -> None:
    """Two forms at once, a time without its zone, a range that is empty."""
    said = broker("audit", "event", "x", *options)

    assert said.code == 2
    assert named in said.err
