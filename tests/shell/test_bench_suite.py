"""`broker bench`: that it runs and says what it measured. No speed is asserted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from broker.cli import app
from broker.commands.bench_plots import LIMITS, reached
from broker.shell.bench_measured import measured, ratios
from broker.shell.bench_suite import PARTS, UNITS


def test_a_part_gives_its_keys_with_their_spread() -> None:
    """JSON holds the key of the part that was asked for, with median, min, max and runs; and no other."""
    done = CliRunner().invoke(app, ["bench", "--only", "history", "--quick", "--json"])

    row = json.loads(done.stdout)
    assert set(row) == {"growth_history", "machine", "seconds", "load_after"}
    figure = row["growth_history"]
    assert set(figure) == {"median", "min", "max", "runs"}
    assert 0 < figure["min"] <= figure["median"] <= figure["max"]


def test_a_part_that_does_not_exist_is_refused_with_the_names_of_those_that_do() -> None:
    """A wrong name measures nothing and says what could be named."""
    done = CliRunner().invoke(app, ["bench", "--only", "speed"])

    assert done.exit_code == 2
    assert all(name in done.output for name in ("flow", "ledger"))


def test_the_table_and_the_json_say_the_same() -> None:
    """What is shown to people has the key, its unit and what it is."""
    done = CliRunner().invoke(
        app, ["bench", "--only", "history", "--quick"], env={"COLUMNS": "200"}
    )

    assert "growth_history" in done.stdout
    assert UNITS["growth_history"][1] in done.stdout
    assert "cores" in done.stdout


def test_ratios_are_of_figures_taken_in_turn() -> None:
    """Each run asks both, the first of them in turn; the round before does not count."""
    asked: list[str] = []

    def one() -> float:
        asked.append("one")
        return 6.0

    def other() -> float:
        asked.append("other")
        return 2.0

    assert ratios(one, other, 3) == [3.0, 3.0, 3.0]
    assert asked == ["one", "other", "other", "one", "one", "other", "other", "one"]


def test_the_median_has_its_spread() -> None:
    """Median, least, most and how many; nothing at all is an error, not a guess."""
    found = measured([3.0, 1.0, 9.0])

    assert (found.median, found.min, found.max, found.runs) == (3.0, 1.0, 9.0, 3)
    with pytest.raises(ValueError, match="median"):
        measured([])
    assert PARTS


def test_plots_are_one_of_each_key_with_the_machine_and_every_figure(tmp_path: Path) -> None:
    """The folder says by itself where it was measured, and what is asked for."""
    folder = tmp_path / "speed"
    command = ["bench", "--only", "history", "--quick", "--json", "--plots", str(folder)]
    row = json.loads(CliRunner().invoke(app, command).stdout)
    page = (folder / "README.md").read_text(encoding="utf-8")

    assert {one.name for one in folder.iterdir()} == {
        "README.md",
        "results.json",
        "growth_history.svg",
    }
    assert json.loads((folder / "results.json").read_text(encoding="utf-8")) == row
    assert "<svg" in (folder / "growth_history.svg").read_text(encoding="utf-8")
    assert all(str(row["machine"][name]) in page for name in ("processor", "kafka", "java"))
    assert "| `growth_history` |" in page
    assert "<= 1.2" in page


def test_what_is_to_be_reached_is_a_key_that_is_measured() -> None:
    """A limit of a key that is gone would never be looked at."""
    assert set(LIMITS) <= set(UNITS)
    assert [reached("growth_history", one) for one in (1.2, 1.21)] == ["yes", "no"]
    assert [reached("faust_over_flow", one) for one in (0.7, 0.69)] == ["yes", "no"]
    assert reached("decide_warm_us", 1.0) == ""
