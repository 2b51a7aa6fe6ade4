"""CloudEvents on Kafka, binary mode: what a record is, in headers that every CloudEvents library reads.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/kafka-protocol-binding.md. The value
stays what it was: Avro, signed and sealed. The headers say nothing that topic and record do not say, nobody
relies on them, and the broker reads none.
"""

from __future__ import annotations

from broker.shell.watch.hops import Headers

SPEC_VERSION = b"1.0"
AVRO = b"avro/binary"
TYPES = {
    "concerns": b"uk.safeguarding.concern.v1",
    "actions": b"uk.safeguarding.action.v1",
    "alerts": b"uk.safeguarding.alert.v1",
    "receipts": b"uk.safeguarding.receipt.v1",
    "withdrawn": b"uk.safeguarding.withdrawal.v1",
    "manual": b"uk.safeguarding.manual.v1",
}
"""First word of a topic -> type of its events."""


def attributes(topic: str, event_id: str, source: str) -> Headers:
    """Headers of a record for that topic. `source`: the organisation or the broker that it is from."""
    return (
        ("ce_specversion", SPEC_VERSION),
        ("ce_id", event_id.encode()),
        ("ce_source", f"/{source}".encode()),
        ("ce_type", TYPES[topic.partition(".")[0]]),
        ("content-type", AVRO),
    )
