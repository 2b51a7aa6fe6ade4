"""`broker audit consistency` and `broker audit borders` end to end, and the documented queries."""

from __future__ import annotations

import csv
import re
import sqlite3
from pathlib import Path

import pytest
from typer.testing import CliRunner

from broker.commands.groups import audit_app
from tests.auditor.regions import both_regions, ledger_with_key

QUERIES = Path("docs/queries")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every output of both reports, of the scenarios in two regions."""
    folder = tmp_path_factory.mktemp("evidence")
    ledger, key = ledger_with_key(folder, both_regions())
    for name, options in (
        ("consistency", ["--rows-key", str(key), "--strict"]),
        ("borders", ["--authorised"]),
        ("borders", []),
    ):
        out = folder / f"{name}{'-authorised' if '--authorised' in options else ''}"
        files = ["--html", f"{out}.html", "--csv", str(out)]
        result = CliRunner().invoke(audit_app, [name, str(ledger), *options, *files])
        assert result.exit_code == 0, result.output
    return folder


def loaded(folder: Path) -> sqlite3.Connection:
    """The tables as SQLite has them: numbers as numbers."""
    database = sqlite3.connect(":memory:")
    for path in folder.glob("*.csv"):
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file))
        if rows:
            names = ", ".join(f'"{name}" NUMERIC' for name in rows[0])
            database.execute(f"CREATE TABLE {path.stem} ({names})")
            marks = ", ".join("?" * len(rows[0]))
            database.executemany(f"INSERT INTO {path.stem} VALUES ({marks})", rows[1:])
    return database


def query(report: str, name: str) -> str:
    """The documented query of that name."""
    text = (QUERIES / f"{report}.md").read_text(encoding="utf-8")
    found = dict(re.findall(r"```sql\n-- (\w+)\n(.*?)```", text, re.DOTALL))
    return str(found[name])


def test_the_queries_of_consistency_give_its_figures(made: Path) -> None:
    """Counts, differences, findings and rates, recomputed from the items alone."""
    database = loaded(made / "consistency")

    def listed(sql: str) -> list[tuple]:
        return database.execute(sql).fetchall()

    differences = listed("SELECT DISTINCT question, facts_group FROM disagreements ORDER BY 1, 2")
    assert listed(query("consistency", "differences")) == differences != []
    assert listed(query("consistency", "unexplained")) == []
    rates = "SELECT facts_group, bundle, permit, deny, review FROM rates"
    assert listed(query("consistency", "rates")) == listed(rates)
    ((decisions, groups),) = listed(query("consistency", "counts"))
    page = (made / "consistency.html").read_text(encoding="utf-8")
    assert f"<b>{decisions}</b>decisions compared" in page
    assert f"<b>{groups}</b>groups of equal facts" in page


def test_the_queries_of_borders_give_its_figures(made: Path) -> None:
    """Matrix, medians and flows beyond the neighbours, recomputed from the single flows."""
    database = loaded(made / "borders-authorised")
    names = (
        "from_code, to_code, kind, whole, partial, existence, withdrawn, review, refused, no_nexus,"
        "own, acknowledged, not_acknowledged, total"
    )
    inner = "FROM matrix WHERE 'all' NOT IN (from_code, to_code)"
    matrix = database.execute(f"SELECT {names} {inner} ORDER BY 1, 2, 3").fetchall()
    medians = f"SELECT from_code, to_code, kind, to_decision_s {inner} AND to_decision_s <> ''"
    beyond = "SELECT from_code, to_code FROM beyond ORDER BY 1, 2"

    assert database.execute(query("borders", "matrix")).fetchall() == matrix != []
    found = database.execute(query("borders", "to_decision")).fetchall()
    assert found == database.execute(f"{medians} ORDER BY 1, 2, 3").fetchall() != []
    assert database.execute(query("borders", "beyond")).fetchall() == (
        database.execute(beyond).fetchall()
    )


def test_what_is_published_shows_no_small_number(made: Path) -> None:
    """In no column of counts of any table, and no single flow; the authorised reader sees them."""
    counted = {"whole", "partial", "review", "refused", "no_nexus", "told", "total", "acknowledged"}

    def small(folder: str) -> list[str]:
        found = []
        for path in (made / folder).glob("*.csv"):
            with path.open(encoding="utf-8", newline="") as file:
                for row in csv.DictReader(file):
                    found += [name for name in counted & row.keys() if row[name] in set("12345")]
        return found

    assert small("borders-authorised")
    assert small("borders") == []
    assert not (made / "borders" / "flows.csv").exists()


@pytest.mark.parametrize("name", ["consistency", "borders", "borders-authorised"])
def test_a_page_is_one_file_without_script_or_anything_from_elsewhere(
    made: Path, name: str
) -> None:
    """It can be read anywhere and runs nothing."""
    page = (made / f"{name}.html").read_text(encoding="utf-8")

    assert "<script" not in page
    assert not re.search(r"(src|href)=\"(?!#)", page)
    assert page.count("<h1>") == 1


def test_a_wrong_key_says_so(made: Path, tmp_path: Path) -> None:
    """The rows are the auditors': another key opens none of them."""
    key = tmp_path / "other.key"
    key.write_bytes(bytes(range(32)))
    result = CliRunner().invoke(
        audit_app, ["consistency", str(made / "ledger"), "--rows-key", str(key)]
    )

    assert "is not the key" in str(result.exception)


@pytest.mark.parametrize("report", ["place-counts", "consistency", "parity"])
def test_after_the_rows_key_changed_a_report_reads_the_rows_of_then(
    tmp_path: Path, report: str
) -> None:
    """The auditors' file holds every key in turn (ADR 19): a later one in it hides no earlier row."""
    ledger, key = ledger_with_key(tmp_path, both_regions())
    more = tmp_path / "rows-after-rotation.key"
    more.write_bytes(key.read_bytes() + b"a later key, of thirty-two bytes")
    other = tmp_path / "another.key"
    other.write_bytes(b"a key of somebody else, 32 bytes")

    def said(path: Path) -> tuple[int, str]:
        out = ["--out", str(tmp_path / "out")] if report == "parity" else []
        found = CliRunner().invoke(
            audit_app, [report, str(ledger), "--rows-key", str(path), *out, "--json"]
        )
        return found.exit_code, found.output

    assert said(more) == said(key)
    assert said(key)[0] == 0
    assert said(other)[0] != 0
