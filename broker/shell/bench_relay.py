"""One hop of the relay that `broker bench` compares latency with: `python -m broker.shell.bench_relay N`.

It carries what it reads from one topic to the next as it is. The last hop syncs it to disk first and sends it
in a Kafka transaction, as the ledger does.
"""

from __future__ import annotations

import asyncio
import os
import sys

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from broker.shell.kafka import LINGER_MS, MAX_REQUEST_BYTES
from broker.shell.run import end_with_parent
from broker.shell.settings import Settings

HOPS = ("bench-relay-0", "bench-relay-1", "bench-relay-2", "bench-relay-3")
"""As many as concerns, parts, decisions and alerts."""
BATCH = 100


async def relay(settings: Settings, hop: int) -> None:
    """Carries records from the topic of that number to the next one until it is ended."""
    is_last = hop == len(HOPS) - 2
    consumer = AIOKafkaConsumer(
        HOPS[hop],
        bootstrap_servers=settings.kafka_bootstrap,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=MAX_REQUEST_BYTES,
    )
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.kafka_bootstrap,
        acks="all",
        enable_idempotence=True,
        linger_ms=LINGER_MS,
        transactional_id="bench-relay" if is_last else None,
    )
    await consumer.start()
    await producer.start()
    with (settings.data_dir / f"relay-{hop}").open("ab", buffering=0) as kept:
        while True:
            batch = await consumer.getmany(timeout_ms=500, max_records=BATCH)
            values = [one.value for records in batch.values() for one in records]
            if not values:
                continue
            if not is_last:
                await _send(producer, HOPS[hop + 1], values)
                continue
            kept.write(b"".join(values))
            os.fsync(kept.fileno())
            async with producer.transaction():
                await _send(producer, HOPS[hop + 1], values)


async def _send(producer: AIOKafkaProducer, topic: str, values: list[bytes]) -> None:
    for future in [await producer.send(topic, one) for one in values]:
        await future


def main(arguments: list[str]) -> int:
    """Runs one hop."""
    end_with_parent()
    asyncio.run(relay(Settings(), int(arguments[0])))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
