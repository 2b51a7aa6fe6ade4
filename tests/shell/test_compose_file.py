"""docker-compose.yml gives the broker the same Kafka as the embedded one."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from broker.shell.embedded.configuration import BEHAVIOUR
from broker.shell.embedded.jars import read_lock

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def services() -> dict[str, Any]:
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    return dict(YAML(typ="safe").load(text)["services"])


def test_kafka_is_the_pinned_version_with_the_same_behaviour(services: dict[str, Any]) -> None:
    """What the broker needs of a Kafka is said alike in both places."""
    kafka = services["kafka"]
    assert kafka["image"] == f"apache/kafka:{read_lock().kafka}"
    own_to_embedding = {
        "log.cleaner.dedupe.buffer.size",
        "log.index.size.max.bytes",
        "broker.session.timeout.ms",
        "broker.heartbeat.interval.ms",
        "num.network.threads",
        "num.io.threads",
    }
    expected = {
        "KAFKA_" + name.upper().replace(".", "_"): value
        for name, value in BEHAVIOUR.items()
        if name not in own_to_embedding
    }
    assert expected.items() <= kafka["environment"].items()
    assert len(base64.urlsafe_b64decode(kafka["environment"]["CLUSTER_ID"] + "==")) == 16


def test_the_broker_is_told_where_kafka_is_and_runs_without_privileges(
    services: dict[str, Any],
) -> None:
    """The broker's container uses that Kafka, waits for it, and is not root."""
    broker = services["broker"]
    assert broker["environment"]["BROKER_KAFKA_BOOTSTRAP"] == "kafka:9092"
    assert broker["depends_on"]["kafka"]["condition"] == "service_healthy"
    dockerfile = (ROOT / broker["build"]["dockerfile"]).read_text(encoding="utf-8")
    instructions = [line.split()[:2] for line in dockerfile.splitlines() if line.split()]
    assert ["USER", "broker"] in instructions
    for line in instructions:
        if line[0] == "COPY":
            assert line[1].startswith("--chown=broker")


def test_everything_that_the_image_copies_is_in_the_repository() -> None:
    """A COPY of something that is not there would fail only when someone builds."""
    for line in (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8").splitlines():
        if line.startswith("COPY "):
            sources = line.split()[2:-1]
            missing = [source for source in sources if not (ROOT / source).exists()]
            assert not missing
