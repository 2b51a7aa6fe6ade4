"""A dozen faults on a real broker: what `make chaos` does for an hour, for a minute."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SEED = 7
FAULTS = 12

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(600)]


def test_a_dozen_faults_lose_double_or_hide_nothing(tmp_path: Path) -> None:
    """Whatever is killed, paused, torn, filled or cut: a stranger finds everything in order."""
    report = tmp_path / "report.json"
    command = [sys.executable, "-m", "tests.chaos.run", "--quick"]
    command += ["--faults", str(FAULTS), "--seed", str(SEED), "--json", str(report)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    said = json.loads(report.read_text())
    assert said["faults"] == FAULTS
    assert said["found"] == []
    assert said["seen"]["accepted"] > FAULTS
