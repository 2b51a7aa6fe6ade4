"""Alarms and dashboards ask only for what the broker shows, and every alarm says what to do."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from ruamel.yaml import YAML

from broker.shell.watch.figures import Figure, Figures
from broker.shell.watch.labels import CLOSED

ROOT = Path(__file__).resolve().parents[2]
MONITORING = ROOT / "deploy" / "monitoring"
RUNBOOK = ROOT / "docs" / "runbooks" / "alarms.md"
NAME = re.compile(r"\b(?:broker|process)_[a-z_]+")
SELECTED = re.compile(r'(\w+)=~?"([^"]*)"')
GIVEN_BY_PROMETHEUS = {"job"}
PROMTOOL = os.environ.get("PROMTOOL") or shutil.which("promtool")


def shown() -> set[str]:
    """Names of all samples that the processes can show."""
    names = set()
    for process in CLOSED["process"]:
        figures = Figures(process)
        for one in vars(figures).values():
            if isinstance(one, Figure):
                one.begin()
        text = figures.text().decode()
        names |= {s.name for f in text_string_to_metric_families(text) for s in f.samples}
    return names


def rules() -> Iterator[dict[str, Any]]:
    """Every alarm."""
    file = YAML(typ="safe").load((MONITORING / "alerts.yaml").read_text(encoding="utf-8"))
    for group in file["groups"]:
        yield from group["rules"]


def dashboards() -> list[Path]:
    """The files for Grafana."""
    return sorted((MONITORING / "grafana").glob("*.json"))


def queries() -> list[str]:
    """Everything that is asked of Prometheus."""
    asked = [rule["expr"] for rule in rules()]
    for path in dashboards():
        for panel in json.loads(path.read_text(encoding="utf-8"))["panels"]:
            asked += [target["expr"] for target in panel["targets"]]
    return asked


def test_every_metric_that_is_asked_for_is_one_that_is_shown() -> None:
    """A query for a figure that is gone would be silent for ever."""
    labels = set(CLOSED)
    asked = {name for query in queries() for name in NAME.findall(query)} - labels

    assert len(asked) > 20
    assert asked <= shown()


def test_every_value_that_is_asked_for_is_one_that_there_can_be() -> None:
    """Likewise for what stands in braces."""
    pairs = [
        (label, value)
        for query in queries()
        for label, values in SELECTED.findall(query)
        for value in values.split("|")
        if label not in GIVEN_BY_PROMETHEUS
    ]

    assert pairs
    assert [pair for pair in pairs if pair[1] not in CLOSED[pair[0]]] == []


def test_every_figure_is_on_a_dashboard_or_in_an_alarm() -> None:
    """What nobody looks at need not be measured."""
    asked = " ".join(queries())
    own = {
        re.sub(r"_(bucket|sum|count)$", "", name) for name in shown() if name.startswith("broker_")
    }

    assert [name for name in sorted(own) if name not in asked] == []


@pytest.mark.parametrize("rule", list(rules()), ids=lambda rule: rule["alert"])
def test_every_alarm_has_its_place_in_the_runbook(rule: dict[str, Any]) -> None:
    """Under its name: what it means, and what to do."""
    name = rule["alert"]
    text = RUNBOOK.read_text(encoding="utf-8")
    (section,) = re.findall(rf"^## {name}\n(.+?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)

    assert rule["annotations"]["runbook"] == f"docs/runbooks/alarms.md#{name.lower()}"
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert "**Do:**" in section


def test_the_runbook_names_no_alarm_that_there_is_not() -> None:
    """And nothing is explained that cannot happen."""
    named = re.findall(r"^## (Broker\w+)$", RUNBOOK.read_text(encoding="utf-8"), re.MULTILINE)

    assert sorted(named) == sorted(rule["alert"] for rule in rules())


def test_the_dashboards_are_what_the_script_writes(tmp_path: Path) -> None:
    """`scripts/dashboards` is their source."""
    subprocess.run([sys.executable, ROOT / "scripts" / "dashboards", tmp_path], check=True)

    assert {p.name: p.read_text() for p in dashboards()} == {
        p.name: p.read_text() for p in tmp_path.iterdir()
    }


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed here")
def test_promtool_accepts_the_rules_and_they_fire_when_they_should() -> None:
    """Prometheus's own check, and its own test of the rules over time."""
    for arguments in (("check", "rules", "alerts.yaml"), ("test", "rules", "alerts_test.yaml")):
        done = subprocess.run(
            [str(PROMTOOL), *arguments], cwd=MONITORING, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
