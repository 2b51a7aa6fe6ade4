"""A correction or a retraction: it must say what it takes back, and why."""

from __future__ import annotations

from broker.model.types import ConcernEvent, EventType
from broker.model.values import Rejection

TAKES_BACK = frozenset({EventType.CORRECTION, EventType.RETRACTION})


def check_correction(event: ConcernEvent) -> Rejection | None:
    """None for every other event, and for one that names another statement and gives a reason."""
    if event.event_type not in TAKES_BACK:
        return None
    if not event.relates_to or event.relates_to == event.event_id:
        return Rejection(
            "correction_without_object",
            "relates_to does not name another event: say which statement this takes back",
            event.event_id,
        )
    if not (event.reason or "").strip():
        return Rejection(
            "correction_without_reason",
            "reason is empty: say in a sentence why the statement is taken back",
            event.event_id,
        )
    return None
