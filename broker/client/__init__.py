"""For agencies: publish statements signed and sealed, get alerts whose proof was checked.

async with Publisher.connect("ADV-WM-001") as publisher:
    await publisher.publish(event)
async with Subscriber.connect("SCH-WV-001") as alerts:
    async for alert in alerts:
        print(alert.content.recipient, alert.released)
"""

from broker.client.connection import ClientError, NotConnectedError
from broker.client.opening import (
    OpenedAlert,
    OpenedReceipt,
    RefusedAlertError,
    open_alert,
    open_receipt,
)
from broker.client.ownlog import MissingEntries
from broker.client.publisher import PublishedRecord, Publisher
from broker.client.subscriber import Refusal, Subscriber

__all__ = [
    "ClientError",
    "MissingEntries",
    "NotConnectedError",
    "OpenedAlert",
    "OpenedReceipt",
    "PublishedRecord",
    "Publisher",
    "Refusal",
    "RefusedAlertError",
    "Subscriber",
    "open_alert",
    "open_receipt",
]
