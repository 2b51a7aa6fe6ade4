"""The broker as its operators see it: figures, readiness and traces of one that runs on real Kafka."""

from __future__ import annotations

import asyncio
import datetime
import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator

import msgspec
import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from broker.client import Publisher, Subscriber
from broker.client.connection import producer_of
from broker.examples import fresh_example
from broker.ledger import read_entries
from broker.reference import load_connected
from broker.shell.run import PROCESSES
from broker.shell.settings import Settings
from broker.shell.watch.hops import context_of_set
from broker.shell.watch.labels import CLOSED
from broker.shell.watch.ports import ask, ports_of
from tests.kafka.conftest import ORGANISATIONS
from tests.simulation.harness import Broker, delivered, secured_kafka
from tests.watch.otlp import Span, receiver

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(240)]
ADVOCATE, SANDWELL = "ADV-WM-001", "E08000028"
Key = tuple[str, tuple[tuple[str, str], ...]]


class Seen(msgspec.Struct):
    """A broker that is looked at from outside."""

    broker: Broker
    ports: dict[str, int]
    spans: list[Span]
    client: Settings
    kafka_pid: int | None

    def text(self, process: str) -> str:
        """What one process shows."""
        status, body = ask(f"127.0.0.1:{self.ports[process]}", "/metrics")
        assert status == 200
        return body

    def figures(self, process: str) -> dict[Key, float]:
        """Name and labels -> value."""
        return {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(self.text(process))
            for sample in family.samples
        }

    def ready(self, process: str) -> int:
        """The status of its readiness."""
        return ask(f"127.0.0.1:{self.ports[process]}", "/readyz")[0]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    """A broker of its own, since its Kafka is stopped; every way through it is traced."""
    data_dir = tmp_path_factory.mktemp("seen") / "var"
    organisations = load_connected(ORGANISATIONS)
    with receiver() as (address, spans), secured_kafka(data_dir, organisations) as kafka:
        broker = Broker(kafka.bootstrap, data_dir, organisations)
        broker.prepare()
        ports = dict(ports_of(broker.settings, PROCESSES))
        before = dict(os.environ)
        os.environ.update(BROKER_TRACE_SHARE="1", BROKER_TRACE_ENDPOINT=address)
        try:
            for process, port in ports.items():
                os.environ["BROKER_METRICS_PORT"] = str(port)
                broker.start(process)
        finally:
            os.environ.clear()
            os.environ.update(before)
        traced = {"trace_share": 1.0, "trace_endpoint": address}
        client = broker.settings.model_copy(update=traced)
        try:
            until(lambda: all(ask(f"127.0.0.1:{p}", "/readyz")[0] == 200 for p in ports.values()))
            yield Seen(broker, ports, spans, client, kafka.pid)
        finally:
            broker.stop()


def until(holds: Callable[[], bool], within_s: float = 60) -> None:
    """Waits for it."""
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.2)


def recorded(settings: Settings) -> list[dict[str, object]]:
    """Every leaf of every shard."""
    shards = sorted(settings.ledger_dir.glob("s*"))
    return [json.loads(leaf) for shard in shards for leaf in read_entries(shard, 0)]


@pytest.fixture(scope="module")
def published(seen: Seen) -> str:
    """Four warnings, one of them twice, and a record that is none; the set that recorded the first.

    Returned when the ledger has sent everything that it recorded.
    """
    return asyncio.run(_publish(seen))


async def _publish(seen: Seen) -> str:
    now = datetime.datetime.now(datetime.UTC)
    warnings = [fresh_example("concern", now) for _ in range(4)]
    async with producer_of(seen.client, ADVOCATE) as producer:
        await producer.send_and_wait(f"concerns.v1.{ADVOCATE}", b"no record of ours")
    async with Publisher.connect(ADVOCATE, seen.client) as publisher:
        sent = await publisher.publish_many([*warnings, warnings[0]])
        for one in sent:
            await publisher.wait_for_receipt(one, 60)
    async with (
        Subscriber.connect(SANDWELL, seen.client, from_start=True) as alerts,
        asyncio.timeout(60),
    ):
        first = await anext(alerts)
        for _ in warnings[1:]:
            await anext(alerts)
    return first.set_id


def test_the_figures_are_those_of_the_ledger_and_of_the_topics(seen: Seen, published: str) -> None:
    """Records by outcome, decisions by outcome and mode, leaves, entries, messages: counted elsewhere."""
    settings = seen.broker.settings
    leaves = recorded(settings)
    kinds = Counter(str(leaf["kind"]) for leaf in leaves)
    decided = Counter(
        (str(leaf["outcome"]), str(leaf["mode"] or "none"))
        for leaf in leaves
        if leaf["kind"] == "decision"
    )
    taken = {"accepted": 4, "duplicate": 1, "rejected": 1}
    sent = asyncio.run(delivered(settings, seen.broker.organisations))
    until(lambda: seen.figures("clock")["broker_waiting", (("due", "acknowledgement"),)] > 0)
    ledger, intake, decide = (seen.figures(name) for name in ("ledger", "intake", "decide"))

    assert {k: kinds[k] for k in taken} == taken
    assert taken == {
        k: intake["broker_records_taken_total", (("record", "concern"), ("taken", k))]
        for k in taken
    }
    assert decide["broker_parts_total", (("step", "decide"),)] == kinds["closing"] == 4
    assert {
        k: ledger["broker_decisions_total", (("decision", k[0]), ("mode", k[1]))] for k in decided
    } == decided
    assert {k: ledger["broker_leaves_total", (("leaf", k),)] for k in kinds} == kinds
    assert sum(v for (name, _), v in ledger.items() if name == "broker_ledger_entries") == len(
        leaves
    )
    assert ledger["broker_deliveries_total", (("channel", "alert"),)] == sent.alerts.total()
    assert ledger["broker_deliveries_total", (("channel", "receipt"),)] == 6
    assert ledger["broker_published_to_recorded_seconds_count", ()] == 4 + 6
    assert ledger["broker_recorded_to_delivered_seconds_count", ()] == sent.alerts.total() + 6
    assert intake["broker_lag_records", (("topic", "concerns"),)] >= 0


def test_no_label_says_more_than_the_closed_list(seen: Seen, published: str) -> None:
    """Of a running broker too: no organisation, no id, no text, whatever was published."""
    for process in PROCESSES:
        text = seen.text(process)
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                for label, value in sample.labels.items():
                    assert label == "le" or value in CLOSED[label], (sample.name, label, value)
        assert not [code for code in seen.broker.organisations if code in text]


def way_of(seen: Seen, delivered_in: str) -> list[Span] | None:
    """The publishing, then the delivery that led to that trace and all above it; None while one lacks."""
    deliver = [one for one in seen.spans if one.name == "deliver" and delivered_in in one.links]
    if not deliver:
        return None
    by_id = {one.id: one for one in seen.spans if one.trace == deliver[0].trace}
    way = [deliver[0]]
    while way[-1].parent:
        if way[-1].parent not in by_id:
            return None
        way.append(by_id[way[-1].parent])
    publish = [one for one in seen.spans if one.name == "publish" and one.trace in way[-1].links]
    return [*publish, *way] if len(publish) == 1 else None


def test_a_warning_is_traced_through_every_hop_in_three_stretches(
    seen: Seen, published: str
) -> None:
    """Publisher, broker, recipient: each stretch whole, joined to the next by a link and not by an id."""
    delivered_in = f"{context_of_set(published)[0]:032x}"
    # Each process sends its spans when it likes: what is asked for is there when the last one came.
    until(lambda: any(one.name == "read" and one.trace == delivered_in for one in seen.spans))
    until(lambda: way_of(seen, delivered_in) is not None)
    publish, *way = way_of(seen, delivered_in) or []

    assert [one.name for one in way] == ["deliver", "record", "decide", "intake"]
    assert len({publish.trace, way[0].trace, delivered_in}) == 3
    assert {one.service for one in (publish, *way)} == {
        "broker-client",
        "broker-intake",
        "broker-decide",
        "broker-ledger",
    }
    for one in seen.spans:
        for name, value in one.attributes.items():
            assert value in CLOSED[name.removeprefix("broker.")]


def test_a_process_is_not_ready_while_kafka_stands_still_and_is_again_afterwards(
    seen: Seen, published: str
) -> None:
    """Not ready, and all the same healthy: to start it anew would mend nothing."""
    kafka = psutil.Process(seen.kafka_pid)
    kafka.suspend()
    try:
        until(lambda: all(seen.ready(name) == 503 for name in PROCESSES))
        healthy = [ask(f"127.0.0.1:{port}", "/healthz")[0] for port in seen.ports.values()]
    finally:
        kafka.resume()
    until(lambda: all(seen.ready(name) == 200 for name in PROCESSES))

    assert healthy == [200] * len(PROCESSES)
