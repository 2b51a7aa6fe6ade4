"""What all tests share: one real Kafka for a test run (one for each worker of pytest-xdist)."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import docker
import hypothesis
import pytest
from docker.errors import DockerException
from testcontainers.community.kafka import KafkaContainer

from broker.shell.embedded import EmbeddedKafka
from broker.shell.embedded.configuration import BEHAVIOUR

# No law depends on how fast this machine is today, nor on which examples this run happened to draw: the
# same tree gives the same answer. `make search` draws new ones, more of them.
hypothesis.settings.register_profile("laws", deadline=None, derandomize=True)
hypothesis.settings.register_profile("search", deadline=None, derandomize=False, max_examples=500)
hypothesis.settings.load_profile("laws")


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The address of a PostgreSQL server of this test run; skips, loudly, where it is not installed."""
    from tests.ledger import postgres as server

    if not server.INITDB:
        pytest.skip(server.MISSING)
    with server.cluster() as address:
        yield address


KAFKA_IMAGE = "apache/kafka:4.3.0"


class ApacheKafkaContainer(KafkaContainer):
    """The official Apache Kafka image, one KRaft node with the same behaviour as the embedded one.

    testcontainers' own class knows the layout of another vendor's image: this one says how the
    official image is started and takes its KRaft settings as they are.
    """

    def __init__(self) -> None:
        super().__init__(KAFKA_IMAGE)
        self.env.pop("KAFKA_BROKER_ID", None)
        for name, value in BEHAVIOUR.items():
            self.with_env("KAFKA_" + name.upper().replace(".", "_"), value)

    def configure(self) -> None:
        """Set the KRaft environment; the image formats its own storage."""
        self._configure_kraft()

    def tc_start(self) -> None:
        """Start Kafka once the port that Docker gave is known."""
        address = self.get_bootstrap_server()
        script = (
            "export KAFKA_ADVERTISED_LISTENERS="
            f"{self.listener_name}://{address},BROKER://localhost:9092\n"
            "exec /etc/kafka/docker/run\n"
        )
        self.create_file(script.encode(), KafkaContainer.TC_START_SCRIPT)


def docker_answers() -> bool:
    """Whether a Docker engine answers here."""
    try:
        client = docker.from_env(timeout=3)
        try:
            return bool(client.ping())
        finally:
            client.close()
    except DockerException:
        return False


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`host:port` of a running Kafka: a container where Docker answers, else the embedded one."""
    container = _started_container() if docker_answers() else None
    if container is not None:
        with container:
            yield container.get_bootstrap_server()
        return
    folder: Path = tmp_path_factory.mktemp("kafka")
    with EmbeddedKafka(folder) as embedded:
        yield embedded.bootstrap


def _started_container() -> ApacheKafkaContainer | None:
    container = ApacheKafkaContainer()
    try:
        return container.start(timeout=120)
    except Exception as error:  # noqa: BLE001 -- whatever Docker says, the tests can go on
        warnings.warn(f"Docker answers, but {KAFKA_IMAGE} does not run: {error}", stacklevel=2)
        container.stop()
        return None
