"""`broker audit subject`, `decisions`, `index`, pages and Parquet, over a ledger of every kind of act."""

from __future__ import annotations

import datetime
import io
import sqlite3
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from broker.auditor.parquet import SCHEMA, read_export
from broker.auditor.recorded import (
    Recorded,
    RecordedClosing,
    RecordedDecision,
    RecordedIntake,
    RecordedPart,
    RecordedWeight,
)
from broker.auditor.who_knew import Knew, Question, who_knew
from broker.commands.audit_words import show
from broker.shell.keys import read_subject_keys
from tests.auditor.replayed import acts, scenarios, write
from tests.cli.said import Command
from tests.rounds.story import WARNING


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All scenarios and every kind of act, with the keys beside."""
    return write(tmp_path_factory.mktemp("subject") / "ledger", (*scenarios(), *acts()))


@pytest.fixture(scope="module")
def token(ledger: Path) -> str:
    """Of the child of the first warning: its key was made first."""
    return next(iter(read_subject_keys(ledger / "keys" / "subjects.db")))


def plain(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return rows[1:]


def test_every_question_is_the_same_by_index_and_by_reading_all(
    broker: Command, ledger: Path, token: str
) -> None:
    """Each command, as JSON: what the index answers is what `--no-verify` reads from the files."""
    for asked in (
        ("event", WARNING.event_id),
        ("recipient", "E08000031"),
        ("recipient", "E08000028:mash", "--outcome", "PERMIT"),
        ("agreement", "national-baseline"),
        ("agreement", "ca1989-sch2-4-2"),
        ("decisions", "--from", "2026-11-15T00:00:00Z", "--to", "2026-11-20T00:00:00Z"),
        ("subject", token),
    ):
        command = ("audit", *asked, "--ledger", ledger, "--json")
        found, read = broker(*command), broker(*command, "--no-verify")
        assert found.code == read.code == 0
        assert plain(found.rows) == plain(read.rows) != []
        assert (found.rows[0]["export"]["verified"], read.rows[0]["export"]["verified"]) == (
            True,
            False,
        )
        assert found.rows[0]["export"]["logs"] == read.rows[0]["export"]["logs"]


def test_a_subject_in_words(broker: Command, ledger: Path, token: str) -> None:
    """Who was told, who not, why and when, event by event; no name, no number."""
    said = broker("audit", "subject", token, "--ledger", ledger)
    words = " ".join(said.out.split())

    assert (said.code, said.err) == (0, "")
    assert f"Subject {token}." in words
    assert f"Event {WARNING.event_id} of {WARNING.publisher}" in words
    assert "decided Thu 2026-11-19 17:20:00 UTC" in words
    assert "told and later withdrawn" in words
    assert "(adjacent): not told because: no_nexus" in words
    child = WARNING.subjects[0]
    for hidden in (child.given_name, child.family_name, child.identifiers[0].value):
        assert hidden
        assert hidden not in said.out


def test_without_its_key_nothing_is_told_of_a_subject(
    broker: Command, ledger: Path, token: str, tmp_path: Path
) -> None:
    """The key destroyed: no decision, and a sentence that says so."""
    keys = ledger / "keys" / "subjects.db"
    with sqlite3.connect(keys) as source, sqlite3.connect(tmp_path / "subjects.db") as copy:
        source.backup(copy)
        copy.execute("DELETE FROM subject_key WHERE part_key = ?", (token,))
    said = broker("audit", "subject", token, "--ledger", ledger, "--keys", tmp_path, "--json")

    assert said.code == 0
    assert plain(said.rows) == []
    assert "no key here" in said.err


def test_pages_follow_each_other(broker: Command, ledger: Path) -> None:
    """Three at a time, each page named by the one before: together all, in order."""
    command = ("audit", "recipient", "E08000031", "--ledger", ledger, "--json")
    whole = plain(broker(*command).rows)
    found: list[dict[str, Any]] = []
    after: tuple[str, ...] = ()
    while True:
        said = broker(*command, "--limit", 3, *after)
        found += plain(said.rows)
        if "--after" not in said.err:
            break
        after = ("--after", said.err.rpartition("--after ")[2].strip())
    wrong = broker(*command, "--after", "s0/99999")

    assert found == whole
    assert (wrong.code, "place of no decision" in wrong.err) == (1, True)


def test_parquet_read_back_is_the_json(broker: Command, ledger: Path, tmp_path: Path) -> None:
    """Typed, zstd, times in UTC; the same decisions, and the same words about the export."""
    file = tmp_path / "all.parquet"
    written = broker("audit", "decisions", "--ledger", ledger, "--parquet", file)
    said = broker("audit", "decisions", "--ledger", ledger, "--json")
    table = pq.read_table(file)
    rows = table.to_pylist()
    for row in rows:
        row["withheld"] = [[one["field"], one["reason"]] for one in row["withheld"]]

    assert written.code == 0
    assert f"{len(rows)} decisions" in written.out
    assert msgspec.convert(rows, list[Knew]) == msgspec.convert(plain(said.rows), list[Knew]) != []
    assert table.schema.equals(SCHEMA)
    assert table.schema.names == list(Knew.__struct_fields__)
    assert table.schema.field("decided_at").type == pa.timestamp("ms", tz="UTC")
    assert all(row["decided_at"].utcoffset() == datetime.timedelta(0) for row in rows)
    assert read_export(file) == said.rows[0]["export"]
    assert pq.ParquetFile(file).metadata.row_group(0).column(0).compression == "ZSTD"


def test_the_index_lies_beside_the_ledger_and_goes_on(broker: Command, ledger: Path) -> None:
    """Made once; the second time nothing is read anew. With the auditors' key it holds the tags."""
    rows_key = ledger / "keys" / "broker" / "rows.key"
    command = ("audit", "index", "--ledger", ledger, "--json")
    (made,), (again,) = broker(*command, "--rows-key", rows_key).rows, broker(*command).rows

    assert Path(made["index"]) == ledger.with_name("ledger.index.db")
    assert made["decisions"] == again["decisions"] > 1000
    assert again["tags_added"] == 0
    assert not list(ledger.rglob("*index*"))


def test_another_key_is_not_that_of_the_rows(broker: Command, ledger: Path, tmp_path: Path) -> None:
    """A refusal that names the file."""
    (tmp_path / "rows.key").write_bytes(bytes(32))
    said = broker(
        *("audit", "subject", "x", "--ledger", ledger, "--index", tmp_path / "index.db"),
        *("--rows-key", tmp_path / "rows.key"),
    )

    assert said.code == 1
    assert "is not the key of this ledger's rows" in said.err


def test_an_answer_says_what_it_came_to_and_by_when() -> None:
    """In the paragraph of who was told: acknowledged late, and taken into a plan."""
    at = datetime.datetime(2026, 11, 20, 9, tzinfo=datetime.UTC)
    hour = datetime.timedelta(hours=1)
    decision = RecordedDecision(
        *("set", 0, "E1:csc", "E1", "csc", ("home",), "PERMIT", "CONTENT", (), (), (), (), ()),
        weight=RecordedWeight(1, "low"),
        channel="alert",
        recipient_leaf="leaf",
        message_id="alert",
        due=int((at + hour).timestamp() * 1000),
    )
    closing = RecordedClosing(
        *("set", "P1", "event", 1, "part", 0, int(at.timestamp() * 1000), (), "b", "g", "r", "p")
    )
    answer = RecordedIntake(
        *("action", "act", "E1", int((at + 2 * hour).timestamp() * 1000)),
        action="act",
        alert_id="alert",
        plan=True,
    )
    recorded = Recorded((RecordedPart("s0", 0, closing, (decision,)),), (answer,))
    out = io.StringIO()
    show(Console(file=out, width=200), who_knew(recorded, Question()))

    assert "acknowledged Fri 2026-11-20 11:00:00 UTC, LATE: due Fri 2026-11-20 10:00:00" in (
        out.getvalue()
    )
    assert "11:00:00 UTC: act, and it went into a plan" in out.getvalue()
