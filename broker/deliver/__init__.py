"""Deliver: a recorded delivery and its proof become the final bytes of a Kafka message."""

from broker.deliver.messages import DeliveryBody, body_of, message_of, topic_of

__all__ = ["DeliveryBody", "body_of", "message_of", "topic_of"]
