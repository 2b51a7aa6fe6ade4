"""Apache Kafka itself, embedded: fetched once, started and stopped with the broker.

`EmbeddedKafka(data_dir)` is all that the rest of the broker needs from here; docs/adr/0001 says
why it is the real Kafka and not an imitation.
"""

from __future__ import annotations

from broker.shell.embedded.errors import EmbeddedKafkaError
from broker.shell.embedded.server import EmbeddedKafka

__all__ = ["EmbeddedKafka", "EmbeddedKafkaError"]
