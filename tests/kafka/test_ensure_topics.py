"""Topics in Kafka are those of the file, or the broker does not start."""

from __future__ import annotations

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from broker.shell.topics import TopicsError, TopicsFile, ensure_topics, load_topics

pytestmark = pytest.mark.kafka


def only(name: str, **changes: object) -> TopicsFile:
    """A topics file with one real entry under another name, so that tests do not meet."""
    spec = next(t for t in load_topics().topics if t.name == "parts.v1")
    return TopicsFile(version=1, topics=(spec.model_copy(update={"name": name, **changes}),))


async def test_what_is_missing_is_created_once_and_nothing_else(kafka: str) -> None:
    """The first call creates and says what; the second finds all in place."""
    created = await ensure_topics(kafka, ["Once-1", "Once-2"])
    assert {name for name in created if "Once" in name} == {
        f"{kind}.v1.{org}"
        for kind in ("concerns", "actions", "alerts", "receipts", "withdrawn")
        for org in ("Once-1", "Once-2")
    }
    assert await ensure_topics(kafka, ["Once-1", "Once-2"]) == []
    more = await ensure_topics(kafka, ["Once-1", "Once-3"])
    assert len(more) == 5
    assert all(name.endswith(".Once-3") for name in more)


async def test_a_topic_with_other_partitions_is_refused_by_name(kafka: str) -> None:
    """Two partitions where the file says three: an error that says so, and nothing changed."""
    await ensure_topics(kafka, [], topics=only("several.v1"))
    with pytest.raises(TopicsError, match=r"several\.v1 has 2 partitions, not 3"):
        await ensure_topics(kafka, [], topics=only("several.v1", partitions=3))
    assert await ensure_topics(kafka, [], topics=only("several.v1")) == []


async def test_a_topic_that_keeps_longer_than_allowed_is_refused_by_name(kafka: str) -> None:
    """A topic made by hand without the file's retention is not silently used."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        await admin.create_topics([NewTopic("byhand.v1", 2, 1)])
    finally:
        await admin.close()
    with pytest.raises(TopicsError, match=r"byhand\.v1 has segment\.ms=604800000"):
        await ensure_topics(kafka, [], topics=only("byhand.v1"))


async def test_a_kafka_that_is_not_there_is_named() -> None:
    """No Kafka at the address: the message names the address and the setting."""
    with pytest.raises(TopicsError, match=r"127\.0\.0\.1:9 .*BROKER_KAFKA_BOOTSTRAP"):
        await ensure_topics("127.0.0.1:9", [])
