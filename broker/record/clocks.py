"""When a recipient must acknowledge: severity and the event's own time window, nothing else.

Transport has one speed for all; only these clocks differ (design: Weight). Who said it is not asked.
"""

from __future__ import annotations

import datetime

from broker.model.types import Severity, TimeInterval

ACKNOWLEDGE_WITHIN: dict[Severity, datetime.timedelta] = {
    Severity.IMMEDIATE: datetime.timedelta(hours=1),
    Severity.SAME_DAY: datetime.timedelta(hours=8),
    Severity.ROUTINE: datetime.timedelta(days=3),
}
WINDOW_SHARE = 4
"""A quarter of the time left before a threatened window opens is for acknowledging; the rest to act."""


def acknowledge_by(
    severity: Severity, when: TimeInterval | None, received_at: datetime.datetime
) -> datetime.datetime:
    """The earlier of severity's clock and a quarter of the time until the window opens."""
    due = received_at + ACKNOWLEDGE_WITHIN[severity]
    if when is not None and when.start > received_at:
        due = min(due, received_at + (when.start - received_at) / WINDOW_SHARE)
    return due.replace(microsecond=0)
