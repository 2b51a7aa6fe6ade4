"""One whole broker for the tests that only talk to it: its processes on a Kafka of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from broker.reference import load_connected
from tests.simulation.harness import Broker, secured_kafka

ORGANISATIONS = Path(__file__).resolve().parents[2] / "policies/organisations/connected.yaml"


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A broker that runs for as long as the tests do, on a Kafka with TLS and rights."""
    data_dir = tmp_path_factory.mktemp("broker") / "var"
    organisations = load_connected(ORGANISATIONS)
    with secured_kafka(data_dir, organisations) as kafka:
        broker = Broker(kafka.bootstrap, data_dir, organisations)
        broker.prepare()
        broker.start_all()
        try:
            yield broker
        finally:
            broker.stop()
