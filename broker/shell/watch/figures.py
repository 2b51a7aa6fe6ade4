"""Every figure that the broker shows, in one list: counters, gauges and histograms for Prometheus.

A figure is what a process saw since it started. A counter of decide may count a part again after a
crash; those of the ledger count what it recorded, once. Times are in seconds, sizes in bytes.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

from broker.shell.watch.labels import CLOSED, closed

RECORDS = (1, 2, 5, 10, 20, 50, 100, 200, 500)
WORK_S = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
WAY_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600)
"""From a publisher's record to somebody's desk: a quarter of a second is the aim, an hour an outage."""
Owners = Sequence[str]
"""The processes that a figure is shown by."""
_Metric = Counter | Gauge | Histogram


class Figure:
    """One metric whose labels can hold nothing but what `labels.CLOSED` lists."""

    def __init__(self, metric: _Metric, labels: str) -> None:
        """`labels` are those that the metric was made with, a space between."""
        self._metric = metric
        self.labels = tuple(labels.split())
        self._known: dict[tuple[str, ...], _Metric] = {}

    def begin(self) -> None:
        """Shows every value that there can be, so that the first one counts as an increase."""
        if self.labels:
            for values in itertools.product(*(sorted(CLOSED[one]) for one in self.labels)):
                self._of(dict(zip(self.labels, values, strict=True)))

    def add(self, amount: float = 1, **labels: str) -> None:
        """Adds to a counter."""
        self._of(labels).inc(amount)  # type: ignore[union-attr]

    def set(self, value: float, **labels: str) -> None:
        """Sets a gauge."""
        self._of(labels).set(value)  # type: ignore[union-attr]

    def observe(self, value: float, **labels: str) -> None:
        """Adds one to a histogram."""
        self._of(labels).observe(value)  # type: ignore[union-attr]

    def _of(self, labels: dict[str, str]) -> _Metric:
        if not self.labels:
            return self._metric
        values = tuple(closed(label, labels[label]) for label in self.labels)
        found = self._known.get(values)
        if found is None:
            found = self._known[values] = self._metric.labels(*values)
        return found


class Figures:
    """The figures of one process: those that are its own are shown, counters from nought on."""

    def __init__(self, process: str) -> None:
        """`process` is one of `labels.CLOSED`."""
        self._name = process
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._steps()
        self._ahead("intake")
        self._batches("intake", "decide", "ledger")
        self._ledger("ledger")
        self._clock("clock")
        self._policy("decide")
        self._process("intake", "decide", "ledger", "clock")

    def _steps(self) -> None:
        self.records = self._counter(
            ("intake",),
            "broker_records_taken",
            "Records that intake read, by what became of them.",
            "record taken",
        )
        self.parts = self._counter(
            ("decide",), "broker_parts", "Records of parts.v1 worked on.", "step"
        )

    def _ahead(self, *own: str) -> None:
        self.ahead = self._gauge(
            own,
            "broker_ahead_records",
            "Records that intake is ahead of what decide and the ledger have finished.",
        )
        self.held = self._gauge(
            own, "broker_held_seconds", "For how long intake takes nothing in for that reason."
        )

    def _batches(self, *own: str) -> None:
        self.batch_records = self._histogram(
            own, "broker_batch_records", "Records in a batch.", RECORDS, "process"
        )
        self.batch_seconds = self._histogram(
            own, "broker_batch_seconds", "Time to send or record a batch.", WORK_S, "process"
        )
        self.lag = self._gauge(
            own,
            "broker_lag_records",
            "Records not yet acknowledged, all topics of a kind.",
            "topic",
        )

    def _ledger(self, *own: str) -> None:
        """Equal to what the ledger's entries say."""
        self.sets = self._counter(own, "broker_sets", "Decision sets read by the ledger.", "set")
        self.leaves = self._counter(own, "broker_leaves", "Leaves recorded, by kind.", "leaf")
        self.decisions = self._counter(
            own, "broker_decisions", "Decisions recorded, one for each candidate.", "decision mode"
        )
        self.deliveries = self._counter(
            own, "broker_deliveries", "Messages sent in committed transactions.", "channel"
        )
        self.to_record = self._histogram(
            own,
            "broker_published_to_recorded_seconds",
            "From Kafka's time of the publisher's record to the ledger's commit.",
            WAY_S,
        )
        self.to_delivery = self._histogram(
            own,
            "broker_recorded_to_delivered_seconds",
            "From the ledger's commit to Kafka's time of the message.",
            WAY_S,
        )
        self.entries = self._gauge(
            own, "broker_ledger_entries", "Entries of the auditors' log.", "shard"
        )
        self.cosigned = self._gauge(
            own, "broker_cosigned_time_seconds", "When witnesses last cosigned; Unix time.", "shard"
        )

    def _clock(self, *own: str) -> None:
        self.waiting = self._gauge(
            own, "broker_waiting", "What somebody must answer or look at.", "due"
        )
        self.overdue = self._gauge(own, "broker_overdue", "Of these, how many are overdue.", "due")
        self.longest = self._gauge(
            own, "broker_longest_overdue_seconds", "For how long the oldest of these is.", "due"
        )
        self.denials = self._gauge(
            own, "broker_kafka_denials", "Refusals in the embedded Kafka's log.", "operation"
        )
        self.epoch_age = self._gauge(own, "broker_epoch_age_seconds", "Age of the epoch in force.")
        self.key_age = self._gauge(
            own,
            "broker_oldest_key_age_seconds",
            "Age of the oldest epoch key that still exists.",
            "key",
        )

    def _policy(self, *own: str) -> None:
        self.bundle = self._gauge(
            own,
            "broker_policy_bundle",
            "First 48 bits of the hash of the policy in force, as a number.",
        )
        self.refused = self._gauge(
            own,
            "broker_policy_refused",
            "1 while the files on disk cannot be loaded: the old ones serve.",
        )

    def _process(self, *own: str) -> None:
        self.alarms = self._counter(own, "broker_alarms", "Alarms raised in the log.", "alarm")
        self.up = self._gauge(own, "broker_up", "1 while the process runs.", "process")
        self.turned = self._gauge(
            own,
            "broker_loop_turned_time_seconds",
            "When the loop last turned; Unix time.",
            "process",
        )
        self.ready = self._gauge(
            own, "broker_ready", "1 where the condition holds.", "process condition"
        )
        self.disk_free = self._gauge(
            own, "broker_disk_free_bytes", "Room where state and ledger lie."
        )
        self.disk_size = self._gauge(own, "broker_disk_size_bytes", "Size of that disk.")

    def text(self) -> bytes:
        """All figures in Prometheus's text format."""
        return generate_latest(self.registry)

    def _counter(self, own: Owners, name: str, words: str, labels: str = "") -> Figure:
        figure = Figure(Counter(name, words, labels.split(), registry=self._of(own)), labels)
        figure.begin()
        return figure

    def _gauge(self, own: Owners, name: str, words: str, labels: str = "") -> Figure:
        return Figure(Gauge(name, words, labels.split(), registry=self._of(own)), labels)

    def _histogram(
        self, own: Owners, name: str, words: str, buckets: Sequence[float], labels: str = ""
    ) -> Figure:
        made = Histogram(name, words, labels.split(), registry=self._of(own), buckets=buckets)
        return Figure(made, labels)

    def _of(self, own: Owners) -> CollectorRegistry | None:
        """Where a figure is shown: nowhere, if it is another process's."""
        return self.registry if self._name in own else None
