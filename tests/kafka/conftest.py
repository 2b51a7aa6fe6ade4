"""One whole broker for the tests that only talk to it: its three processes on the tests' Kafka."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from broker.reference import load_connected
from tests.simulation.harness import Broker

ORGANISATIONS = Path(__file__).resolve().parents[2] / "policies/organisations/connected.yaml"


@pytest.fixture(scope="session")
def running(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A broker that runs for as long as the tests do."""
    data_dir = tmp_path_factory.mktemp("broker") / "var"
    broker = Broker(kafka, data_dir, load_connected(ORGANISATIONS))
    broker.prepare()
    broker.start_all()
    try:
        yield broker
    finally:
        broker.stop()
