"""`broker up --once`: the whole broker as a newcomer runs it, on its own Kafka and on another's."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from broker.shell.embedded import EmbeddedKafka

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(240)]
SCENARIOS = Path(__file__).resolve().parents[1] / "scenarios"
BROKER = str(Path(sys.executable).with_name("broker"))
LAST_LINE = re.compile(r"ledger verified: \d+ entries, root \S+")


def up(data_dir: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """`broker up` with its state in `data_dir`."""
    return subprocess.run(
        [BROKER, "up", *arguments],
        env={**os.environ, "BROKER_DATA_DIR": str(data_dir), "COLUMNS": "160", **environment},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


def test_once_delivers_what_the_scenarios_name_verifies_the_ledger_and_exits_zero(
    tmp_path: Path,
) -> None:
    """The last line is the ledger's, and a second run on the same state does as well."""
    first = up(tmp_path, "--once")
    second = up(tmp_path, "--once")

    for done in (first, second):
        assert done.returncode == 0, done.stdout + done.stderr
        assert LAST_LINE.fullmatch(done.stdout.rstrip().splitlines()[-1])


def test_a_missing_or_an_unexpected_delivery_is_named_and_exits_one(tmp_path: Path) -> None:
    """The scenarios are the measure: a wrong expectation of either kind is a failure."""
    folder = tmp_path / "scenarios"
    folder.mkdir()
    text = (SCENARIOS / "S1.yaml").read_text(encoding="utf-8")
    assert "SCH-WV-001:school:\n        mode" in text
    wrong = text.replace("SCH-WV-001:school:\n        mode", "SCH-SW-001:school:\n        mode", 1)
    (folder / "S1.yaml").write_text(wrong, encoding="utf-8")
    done = up(tmp_path / "var", "--once", BROKER_SCENARIOS_DIR=str(folder))

    assert done.returncode == 1
    assert "MISSING delivery: SCH-SW-001:school" in done.stdout
    assert "UNEXPECTED delivery: SCH-WV-001:school" in done.stdout


def test_an_external_kafka_is_used_where_one_is_named(tmp_path: Path) -> None:
    """With BROKER_KAFKA_BOOTSTRAP set no Kafka is embedded, and all goes as before."""
    with EmbeddedKafka(tmp_path / "theirs") as theirs:
        theirs_is_open = {
            "BROKER_KAFKA_BOOTSTRAP": theirs.bootstrap,
            "BROKER_KAFKA_SECURITY": "plaintext",
        }
        done = up(tmp_path / "ours", "--once", **theirs_is_open)

    assert done.returncode == 0, done.stdout + done.stderr
    assert not (tmp_path / "ours" / "kafka").exists()
    assert LAST_LINE.fullmatch(done.stdout.rstrip().splitlines()[-1])


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_running_however_it_ends(tmp_path: Path, ending: signal.Signals) -> None:
    """Ctrl-C, a polite request, or `kill -9`: Kafka and the broker's processes go too."""
    process = subprocess.Popen(
        [BROKER, "up"],
        env={**os.environ, "BROKER_DATA_DIR": str(tmp_path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    family = _family_of(process.pid, at_least=5)
    process.send_signal(ending)
    process.wait(40)

    _, alive = psutil.wait_procs(family, timeout=20)
    assert not alive


def _family_of(pid: int, *, at_least: int) -> list[psutil.Process]:
    """All descendants, once there are as many as the broker has when it is up."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        family = psutil.Process(pid).children(recursive=True)
        if len(family) >= at_least:
            return family
        time.sleep(0.2)
    raise AssertionError("the broker did not come up within a minute")
