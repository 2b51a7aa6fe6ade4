"""What a line of the inbox says: what, for whom, roughly where and when, by when, how far it is. Pure."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from enum import StrEnum

import msgspec

from broker.client.opening import OpenedAlert
from broker.desk.alert_fields import Names
from broker.desk.alert_view import said_of, title_of, where_when, who_of
from broker.desk.alert_words import SEVERITY, desk_of, said
from broker.desk.listed import Listed, Status
from broker.desk.pages import LONDON, when
from broker.model.types import Mode

WITHDRAWN = "This alert no longer stands"
CANNOT_OPEN = "This alert could not be verified, so it is not shown"
MINUTE, HOUR, DAY = 60, 3600, 86_400
STATUS: Mapping[Status, tuple[str, str]] = {
    Status.NEW: ("New", "govuk-tag--blue"),
    Status.ACKNOWLEDGED: ("Acknowledged", "govuk-tag--turquoise"),
    Status.CONSIDERED: ("Considered", "govuk-tag--purple"),
    Status.ACTED: ("Acted on", "govuk-tag--green"),
    Status.CLOSED: ("No further action", "govuk-tag--grey"),
    Status.WITHDRAWN: ("Withdrawn", "govuk-tag--orange"),
}
"""Status -> what it is called, and the colour of its tag: the word says it, the colour helps."""
OVERDUE = ("Overdue", "govuk-tag--red")


class Line(msgspec.Struct, frozen=True):
    """One alert in the inbox."""

    alert_id: str
    title: str
    said: str
    """The beginning of what was said."""
    who: str
    where_when: str
    severity: str
    desk: str
    due: str
    is_overdue: bool
    status: str
    colour: str
    received_at: datetime.datetime
    is_reminder: bool = False


def line_of(
    listed: Listed, alert: OpenedAlert | None, now: datetime.datetime, names: Names
) -> Line:
    """`alert` is None where it was withdrawn or does not open: then nothing of its content is said."""
    overdue = listed.is_overdue(now)
    status, colour = OVERDUE if overdue else STATUS[listed.status]
    stands = alert is not None and listed.status is not Status.WITHDRAWN
    return Line(
        alert_id=listed.alert_id,
        title=title_of(alert) if stands and alert else _instead(listed),
        said=said_of(alert) if stands and alert else "",
        who=_who(alert) if stands and alert else "",
        where_when=where_when(alert, names) if stands and alert else "",
        severity=said(SEVERITY, listed.severity),
        desk=desk_of(listed.recipient),
        due=due_in_words(listed, now),
        is_overdue=overdue,
        status=status,
        colour=colour,
        received_at=listed.received_at,
        is_reminder=listed.reminds_of is not None,
    )


def due_in_words(listed: Listed, now: datetime.datetime) -> str:
    """`Overdue by 2 hours`, `Due in 40 minutes`, `Due by Monday, 5pm`; empty where the clock has stopped."""
    if listed.status is not Status.NEW:
        return ""
    seconds = (listed.acknowledge_by - now).total_seconds()
    if seconds < 0:
        return f"Overdue by {span(-seconds)}"
    if seconds < DAY:
        return f"Due in {span(seconds)}"
    return f"Due by {when(listed.acknowledge_by.astimezone(LONDON))}"


def span(seconds: float) -> str:
    """A length of time as people say it, in its greatest unit, never rounded up."""
    for size, name in ((DAY, "day"), (HOUR, "hour"), (MINUTE, "minute")):
        count = int(seconds // size)
        if count:
            return f"{count} {name}{'' if count == 1 else 's'}"
    return "less than a minute"


def _instead(listed: Listed) -> str:
    return WITHDRAWN if listed.status is Status.WITHDRAWN else CANNOT_OPEN


def _who(alert: OpenedAlert) -> str:
    return "" if alert.content.mode is Mode.EXISTENCE else who_of(alert)


class Filter(StrEnum):
    """Which alerts an inbox shows."""

    ALL = "all"
    OVERDUE = "overdue"
    NEW = "new"
    OPEN = "open"
    """Somebody has it, and it is not ended."""
    ANSWERED = "answered"
    WITHDRAWN = "withdrawn"
