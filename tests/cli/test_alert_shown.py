"""What `broker subscribe` prints says of each field how it was proved, and nothing more than was."""

from __future__ import annotations

import io
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from broker.client import OpenedAlert
from broker.commands.rendering import alert_row, show_alert
from tests.client.published import HOME, SCHOOL, Told, warning


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[OpenedAlert]]:
    """The warning, told by an honest broker."""
    folder: Path = tmp_path_factory.mktemp("told")
    return Told(folder).opened(warning())


def printed(alert: OpenedAlert) -> list[str]:
    """The lines of the terminal."""
    out = io.StringIO()
    show_alert(Console(file=out, width=140), alert)
    return out.getvalue().splitlines()


def line_of(alert: OpenedAlert, name: str) -> str:
    """The line of one field."""
    (found,) = [line for line in printed(alert) if line.startswith(f"│ {name} ")]
    return found


def test_each_field_bears_the_mark_of_its_proof(opened: dict[str, list[OpenedAlert]]) -> None:
    """Signed, committed to, made by the broker: and what a mark means stands below."""
    home, school = opened[HOME][0], opened[SCHOOL][0]

    assert "✓" in line_of(home, "given name")
    assert "+" in line_of(home, "corroboration")
    assert "○" in line_of(school, "given name")
    assert any("made by the broker" in line for line in printed(home))
    assert any("an auditor can say" in line for line in printed(school))
    assert any("root " in line for line in printed(school))
    assert not any("not proved" in line for line in printed(home))


def test_what_carries_no_proof_is_said_to_be_unproved(
    opened: dict[str, list[OpenedAlert]],
) -> None:
    """An alert from before statements were proved is shown, and the reader is told."""
    old = msgspec.structs.replace(opened[SCHOOL][0], proved={"given_name": "unproved"})
    old = msgspec.structs.replace(old, released={"given_name": "Kyle"})

    assert "?" in line_of(old, "given name")
    assert any("not proved" in line for line in printed(old))


def test_the_json_of_an_alert_holds_what_a_second_check_needs(
    opened: dict[str, list[OpenedAlert]],
) -> None:
    """How each was proved, the salts of what was released, and the statement."""
    row = alert_row(opened[HOME][0])

    assert row["proved"]["text"] == "signed"
    assert row["salts"].keys() == {f for f, how in row["proved"].items() if how == "signed"}
    assert row["statement"]["publisher"] == "ADV-WM-001"
