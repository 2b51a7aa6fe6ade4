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
REVIEW_WITHIN: dict[Severity, datetime.timedelta] = {
    Severity.IMMEDIATE: datetime.timedelta(minutes=30),
    Severity.SAME_DAY: datetime.timedelta(hours=2),
    Severity.ROUTINE: datetime.timedelta(days=1),
}
"""A person looks before others must acknowledge. When this runs out it escalates; it never releases."""
HELD_FOR = datetime.timedelta(days=6)
"""How long something waits for a person before it is closed without being shown.

A part is read again from parts.v1 when a person decides, so it waits for a day less than that keeps
it (policies/retention/; a test holds the three to each other)."""
LOOK_BACK_WITHIN = datetime.timedelta(hours=72)
"""A break-glass release is looked back on within three days, or what was shown is withdrawn."""
WINDOW_SHARE = 4
"""A quarter of the time left before a threatened window opens is for acknowledging; the rest to act."""


def acknowledge_by(
    severity: Severity, when: TimeInterval | None, received_at: datetime.datetime
) -> datetime.datetime:
    """The earlier of severity's clock and a quarter of the time until the window opens."""
    return _due(ACKNOWLEDGE_WITHIN[severity], when, received_at)


def review_by(
    severity: Severity, when: TimeInterval | None, received_at: datetime.datetime
) -> datetime.datetime:
    """The same for what waits for a person."""
    return _due(REVIEW_WITHIN[severity], when, received_at)


def _due(
    within: datetime.timedelta, when: TimeInterval | None, received_at: datetime.datetime
) -> datetime.datetime:
    due = received_at + within
    if when is not None and when.start > received_at:
        due = min(due, received_at + (when.start - received_at) / WINDOW_SHARE)
    return due.replace(microsecond=0)
