"""What is written for those who put a desk up: held to the code."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from broker.desk.doors import check
from broker.desk.id_token import REASONS
from broker.desk.settings import DeskSettings
from broker.shell.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
RUNBOOK = (ROOT / "docs" / "runbooks" / "desk.md").read_text(encoding="utf-8")
MANIFEST = ROOT / "deploy" / "kubernetes" / "desk.yaml"


def objects() -> dict[str, dict[str, Any]]:
    """Every object of the manifest, by its kind."""
    every = YAML(typ="safe").load_all(MANIFEST.read_text(encoding="utf-8"))
    return {one["kind"]: one for one in every}


def test_every_setting_stands_in_the_runbook_as_it_is() -> None:
    """Name and words of each, and none that there is not."""
    rows = dict(re.findall(r"^\| `([A-Z_]+)` \| .+? \| (.+) \|$", RUNBOOK, re.MULTILINE))
    wanted = {name.upper(): one.description for name, one in DeskSettings.model_fields.items()}
    assert rows == wanted


def test_reasons_that_the_runbook_explains_are_reasons() -> None:
    """Whoever looks a word of the log up finds it."""
    explained = set(re.findall(r"`([a-z]+_(?:wrong|weak|reference))`", RUNBOOK))
    assert explained
    assert explained <= REASONS.keys()


def test_the_manifest_makes_a_desk_that_opens(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names are those of the settings; together they make a desk that only its own people enter."""
    given = objects()["ConfigMap"]["data"]
    for name, value in given.items():
        monkeypatch.setenv(name, value)
        of_desk = name.removeprefix("BROKER_DESK_").lower() in DeskSettings.model_fields
        assert of_desk or name.removeprefix("BROKER_").lower() in Settings.model_fields, name
    own = DeskSettings()
    check(own)
    assert Settings().name == given["BROKER_NAME"]
    assert own.is_https
    spec = objects()["StatefulSet"]["spec"]
    (container,) = spec["template"]["spec"]["containers"]
    mounted = {one["name"]: one["mountPath"] for one in container["volumeMounts"]}
    assert spec["replicas"] == 1
    assert mounted["desk-data"] == given["BROKER_DATA_DIR"]
    assert str(own.oidc_client_secret_file).startswith(f"{mounted['oidc']}/")
    assert container["ports"][0]["containerPort"] == own.port
    assert objects()["Service"]["spec"]["ports"][0]["port"] == own.port
