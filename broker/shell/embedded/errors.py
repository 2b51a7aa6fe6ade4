"""What can go wrong with the embedded Kafka, said so that a person can act on it."""

from __future__ import annotations


class EmbeddedKafkaError(RuntimeError):
    """The embedded Kafka cannot be fetched, started or kept; the message says what to do."""
