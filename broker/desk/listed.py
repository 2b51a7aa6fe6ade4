"""An alert as a desk's list holds it, and how it is opened when it is shown."""

from __future__ import annotations

import datetime
from collections import OrderedDict
from enum import StrEnum

import msgspec

from broker.client.opening import OpenedAlert, open_alert
from broker.shell.key_ring import OwnKeys

OPENED_AT_ONCE = 500
"""So many opened alerts are kept in memory; the oldest are forgotten first."""


class Status(StrEnum):
    """How far the organisation has come with an alert."""

    NEW = "new"
    """Nobody has it: the clock runs."""
    ACKNOWLEDGED = "acknowledged"
    CONSIDERED = "considered"
    ACTED = "acted"
    CLOSED = "closed"
    """No further action, with reasons."""
    WITHDRAWN = "withdrawn"
    """It no longer stands."""


class Listed(msgspec.Struct, frozen=True):
    """An alert as a list needs it."""

    alert_id: str
    event_id: str
    part: str
    """Pseudonym of the child, place or group for this organisation."""
    recipient: str
    severity: str
    mode: str
    received_at: datetime.datetime
    acknowledge_by: datetime.datetime
    reminds_of: str | None
    status: Status
    sealed: bytes

    def is_overdue(self, now: datetime.datetime) -> bool:
        """Whether nobody acknowledged it in time."""
        return self.status is Status.NEW and self.acknowledge_by < now


class Opened:
    """Opens alerts with the organisation's key; remembers the last few, in memory alone."""

    def __init__(self, keys: OwnKeys) -> None:
        """`keys` of the organisation."""
        self._keys = keys
        self._opened: OrderedDict[str, OpenedAlert] = OrderedDict()

    def open(self, listed: Listed) -> OpenedAlert:
        """The alert, its proof checked. Raises RefusedAlertError."""
        known = self._opened.get(listed.alert_id)
        if known is None:
            known = self._opened[listed.alert_id] = open_alert(listed.sealed, self._keys.current())
            if len(self._opened) > OPENED_AT_ONCE:
                self._opened.popitem(last=False)
        else:
            self._opened.move_to_end(listed.alert_id)
        return known

    def forget(self, alert_id: str) -> None:
        """Removes one from memory."""
        self._opened.pop(alert_id, None)
