"""Load that is no fault: one publisher floods, and everything was stopped for a while.

`python -m tests.chaos.load` prints by how much a flood of one publisher delays another, and how fast what
came during a stop is worked off. All times are Kafka's own, of the records.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from broker.reference import load_connected
from tests.chaos.disks import own_namespace
from tests.chaos.own_kafka import Keys, Reader, Record, Schemas
from tests.chaos.plant import WORKERS, Plant
from tests.chaos.traffic import PUBLISHERS, Child, Traffic

ROOT = Path(__file__).resolve().parents[2]
FLOODS, SUFFERS = PUBLISHERS
DONE_WITHIN_S = 240.0
EVERY_S = 0.5


class Measured:
    """One broker, and when what happened on it by Kafka's clock."""

    def __init__(self, folder: Path) -> None:
        """Starts everything."""
        organisations = load_connected(ROOT / "policies/organisations/connected.yaml")
        self.plant = Plant(folder, organisations, mount=own_namespace())
        self.plant.start()
        self.traffic = Traffic(self.plant, 1)
        keys_dir = self.plant.data_dir / "keys"
        self._reader = Reader(self.plant.bootstrap, keys_dir)
        self._schemas, self._keys = Schemas(ROOT / "schemas"), Keys(keys_dir)
        self.taken: dict[str, int] = {}
        """Event -> when its publisher's record was taken by Kafka, UTC milliseconds."""
        self.receipt: dict[str, int] = {}
        self.alerts: dict[str, list[int]] = {}

    def close(self) -> None:
        """Ends everything."""
        self._reader.close()
        self.plant.stop()

    def sealed(self, publisher: str, count: int) -> list[tuple[str, bytes]]:
        """Events about as many children: (id, bytes)."""
        events = [Child(publisher, number).concern() for number in range(count)]
        return [(one.event_id, self.traffic.sealed(one)) for one in events]

    def publish(self, publisher: str, events: Sequence[tuple[str, bytes]]) -> None:
        """At once."""
        for _, data in events:
            self.traffic.send(f"concerns.v1.{publisher}", data)

    def wait(self, ids: Sequence[str], alerts: int) -> None:
        """Until each of these has its receipt and `alerts` alerts."""
        deadline = time.monotonic() + DONE_WITHIN_S
        while any(one not in self.receipt or len(self.alerts.get(one, ())) < alerts for one in ids):
            if time.monotonic() > deadline:
                raise TimeoutError("not all was delivered")
            for record in self._reader.read():
                self._note(record)

    def _note(self, record: Record) -> None:
        value = record.value or b""
        if record.kind == "concerns":
            envelope = self._schemas.decode(value, "envelope") or {}
            self.taken.setdefault(envelope["event_id"], record.at_ms)
        if record.kind in {"alerts", "receipts"}:
            message = self._schemas.decode(value, record.kind[:-1])
            assert message is not None
            content = self._schemas.decode(self._keys.open(message), f"{record.kind[:-1]}_content")
            assert content is not None
            if record.kind == "receipts":
                self.receipt[content["event_id"]] = record.at_ms
            else:
                self.alerts.setdefault(content["event_id"], []).append(record.at_ms)

    def delays(self, ids: Sequence[str]) -> dict[str, float]:
        """Median and longest time from publication to receipt and to the last alert, ms."""
        receipts = [self.receipt[one] - self.taken[one] for one in ids]
        alerts = [max(self.alerts[one]) - self.taken[one] for one in ids]
        return {
            "receipt_median_ms": statistics.median(receipts),
            "receipt_max_ms": max(receipts),
            "alert_median_ms": statistics.median(alerts),
            "alert_max_ms": max(alerts),
        }


def flooded(measured: Measured, count: int, told: int) -> dict[str, object]:
    """What one publisher waits without and with another's flood, and how fast that is worked off."""
    steady = measured.sealed(SUFFERS, 40)
    flood = measured.sealed(FLOODS, count)
    calm, during = steady[:20], steady[20:]
    for one in calm:
        measured.publish(SUFFERS, [one])
        time.sleep(EVERY_S)
    measured.wait([one for one, _ in calm], told)
    measured.publish(FLOODS, flood)
    for one in during:
        measured.publish(SUFFERS, [one])
        time.sleep(EVERY_S / 5)
    ids = [one for one, _ in flood]
    measured.wait([*ids, *(one for one, _ in during)], told)
    without, under = (measured.delays([one for one, _ in some]) for some in (calm, during))
    own = measured.delays(ids)
    return {
        "flood_events": count,
        "without": without,
        "during": under,
        "of_the_flood": own,
        "longest_of_others_over_longest_of_flood": under["alert_max_ms"] / own["alert_max_ms"],
        "receipt_median_over_without": under["receipt_median_ms"] / without["receipt_median_ms"],
        "alert_median_over_without": under["alert_median_ms"] / without["alert_median_ms"],
    }


def caught_up(measured: Measured, count: int, told: int) -> dict[str, object]:
    """All processes stand still while events come; then how long until all is delivered."""
    for name in WORKERS:
        measured.plant.kill(name)
    events = measured.sealed(SUFFERS, count)
    measured.publish(SUFFERS, events)
    measured.traffic.confirm()
    started = time.time() * 1000
    for name in WORKERS:
        measured.plant.start_worker(name)
    ids = [one for one, _ in events]
    measured.wait(ids, told)
    seconds = (max(max(measured.alerts[one]) for one in ids) - started) / 1000
    return {
        "events": count,
        "seconds_from_start_of_processes": round(seconds, 1),
        "events_per_s": round(count / seconds, 1),
        "an_hour_is_caught_up_in_20_minutes_up_to_events_per_s": round(count / seconds / 3, 1),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--events", type=int, default=2000)
    chosen = parser.parse_args(arguments)
    told = len(Child(SUFFERS, 0).expected(Child(SUFFERS, 0).concern()))
    with tempfile.TemporaryDirectory(prefix="load-") as folder:
        measured = Measured(Path(folder) / "run")
        try:
            report = {
                "flood": flooded(measured, chosen.events, told),
                "stop": caught_up(measured, chosen.events, told),
            }
        finally:
            measured.close()
    print(json.dumps(report, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
