"""What is written for clusters, and the capacity plan: held to the code, since no cluster has run them."""

from __future__ import annotations

import subprocess
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from broker.shell.run import PROCESSES
from broker.shell.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
MANIFEST = ROOT / "deploy" / "kubernetes" / "broker.yaml"
SCRIPT = ROOT / "scripts" / "capacity"
PLAN = ROOT / "docs" / "capacity.md"
FOREIGN = {"PGPASSFILE"}
"""Variables that a library reads."""


def objects() -> list[dict[str, Any]]:
    """Every object of the manifest."""
    return list(YAML(typ="safe").load_all(MANIFEST.read_text(encoding="utf-8")))


def workloads() -> dict[str, dict[str, Any]]:
    """Those that run something, by the process that they run."""
    return {
        one["spec"]["template"]["spec"]["containers"][0]["name"]: one["spec"]
        for one in objects()
        if one["kind"] in {"Deployment", "StatefulSet"}
    }


def container(process: str) -> dict[str, Any]:
    """The one container of a process's pods."""
    (found,) = workloads()[process]["template"]["spec"]["containers"]
    return dict(found)


def test_every_process_is_there_with_the_replicas_that_it_may_have() -> None:
    """One active intake with a standby, one clock; several deciders and ledger writers."""
    replicas = {name: spec["replicas"] for name, spec in workloads().items()}
    assert set(replicas) == set(PROCESSES)
    assert (replicas["intake"], replicas["clock"]) == (2, 1)
    assert min(replicas["decide"], replicas["ledger"]) >= 2
    for name, spec in workloads().items():
        labels = spec["template"]["metadata"]["labels"]
        assert spec["selector"]["matchLabels"].items() <= labels.items()
        assert container(name)["command"] == [".venv/bin/python", "-m", "broker.shell.run", name]


def test_every_setting_is_one_and_every_value_is_accepted() -> None:
    """Names are those of the settings; the values together make settings."""
    (shared,) = (one["data"] for one in objects() if one["kind"] == "ConfigMap")
    for name in PROCESSES:
        given = dict(shared)
        for one in container(name)["env"]:
            given[one["name"]] = one.get("value", "postgresql://db/ledger")
        own = {
            key.removeprefix("BROKER_").lower(): v for key, v in given.items() if key not in FOREIGN
        }
        assert own.keys() <= Settings.model_fields.keys()
        made = Settings.model_validate(own)
        assert made.metrics_port
        assert f":{made.metrics_port}/readyz" in str(container(name)["readinessProbe"])
        assert bool(made.ledger_store.get_secret_value()) == (name == "ledger")
        assert bool(made.state_dir) == (name in {"intake", "decide"})


def test_every_volume_that_is_mounted_is_there() -> None:
    """And what the ledger may write is what it writes."""
    claims = {
        one["metadata"]["name"] for one in objects() if one["kind"] == "PersistentVolumeClaim"
    }
    for name, spec in workloads().items():
        volumes = {one["name"]: one for one in spec["template"]["spec"]["volumes"]}
        own = {one["metadata"]["name"] for one in spec.get("volumeClaimTemplates", ())}
        assert {one["name"] for one in container(name)["volumeMounts"]} == volumes.keys() | own
        assert volumes["data"]["persistentVolumeClaim"]["claimName"] in claims
    settings = Settings(data_dir=Path("/var/lib/broker"))
    mounted = {one["mountPath"]: one for one in container("ledger")["volumeMounts"]}
    for path in (settings.keys_dir, settings.ledger_dir, settings.witnessed_dir):
        assert mounted[str(path)]["subPath"] == path.name
    assert mounted[str(settings.keys_dir)]["readOnly"]


def test_what_locks_files_is_kept_on_one_machine_and_writers_of_the_ledger_apart() -> None:
    """Subjects' keys and tables are files with locks; the ledger's rows are in PostgreSQL."""
    rules = "requiredDuringSchedulingIgnoredDuringExecution"
    for name, spec in workloads().items():
        kind = "podAntiAffinity" if name == "ledger" else "podAffinity"
        (rule,) = spec["template"]["spec"]["affinity"][kind][rules]
        wanted = rule["labelSelector"]["matchLabels"]
        assert wanted.items() <= spec["template"]["metadata"]["labels"].items()


def test_the_image_is_that_of_the_dockerfile() -> None:
    """Its user, its data folder and its programs; the version is the package's."""
    text = (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8")
    version = (ROOT / "pyproject.toml").read_text(encoding="utf-8").split('version = "')[1]
    for name, spec in workloads().items():
        user = spec["template"]["spec"]["securityContext"]["runAsUser"]
        assert f"--uid {user}" in text
        assert container(name)["image"] == f"safeguarding-broker:{version.split(chr(34))[0]}"
    assert "ENV BROKER_DATA_DIR=/var/lib/broker" in text


def capacity() -> Any:
    """The script, as a module."""
    loader = SourceFileLoader("capacity", str(SCRIPT))
    spec = spec_from_loader("capacity", loader)
    assert spec
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module


def ran(*options: str) -> subprocess.CompletedProcess[str]:
    """The script with these options."""
    command = [sys.executable, str(SCRIPT), *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_every_figure_of_the_capacity_plan_is_what_its_formula_gives() -> None:
    """So that a reader can change a number and see what follows."""
    done = ran("--check")
    assert done.returncode == 0, done.stderr


def test_a_changed_number_changes_what_follows_from_it(tmp_path: Path) -> None:
    """Twice the referrals, more of everything behind them; --check says so and writes nothing."""
    plan = tmp_path / "plan.md"
    now, doubled = "| `referrals` | 633,000 |", "| `referrals` | 1,266,000 |"
    text = PLAN.read_text(encoding="utf-8").replace(now, doubled)
    plan.write_text(text, encoding="utf-8")
    checked = ran("--document", str(plan), "--check")
    assert (checked.returncode, plan.read_text(encoding="utf-8")) == (1, text)
    assert "events_a_year" in checked.stderr
    assert ran("--document", str(plan)).returncode == 0
    _, before = capacity().computed(PLAN.read_text(encoding="utf-8"))
    _, after = capacity().computed(plan.read_text(encoding="utf-8"))
    assert after["events_a_year"] == before["events_a_year"] + 3 * 633_000
    assert after["gigabytes_a_year"] > before["gigabytes_a_year"]


@pytest.mark.parametrize("formula", ["unknown*2", "__import__('os')", "2**9", "1/0", "2 2"])
def test_what_is_no_arithmetic_is_refused(tmp_path: Path, formula: str) -> None:
    """In words, and nothing is written."""
    plan = tmp_path / "plan.md"
    plan.write_text(f"| `one` | 1 | `={formula}` | what |\n", encoding="utf-8")
    done = ran("--document", str(plan))
    assert (done.returncode, done.stderr.startswith("capacity: ")) == (1, True)
    assert "Traceback" not in done.stderr


def test_every_number_says_where_it_comes_from() -> None:
    """A count with its publication, a measurement, an estimate that is called one, or a choice of ours."""
    origins = (
        "count:",
        "measured",
        "estimate",
        "the aim",
        "default of",
        "three brokers",
        "an ordinary",
    )
    for line in PLAN.read_text(encoding="utf-8").splitlines():
        found = capacity().ROW.match(line)
        if found and not found["origin"].strip().startswith("`="):
            assert found["origin"].strip().startswith(origins), found["name"]
    _, figures = capacity().computed(PLAN.read_text(encoding="utf-8"))
    assert figures["batch"] == Settings().batch_size
