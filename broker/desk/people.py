"""Who uses a desk, and what each may do there."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Role(StrEnum):
    """What a person may do at the desk of their organisation."""

    TELLS = "tells"
    """Writes down what was seen or heard, and learns what came of it."""
    DUTY = "duty"
    """Reads alerts and answers them."""
    REVIEWER = "reviewer"
    """Decides what waits for a person; only at the broker's duty desk."""
    AUDITOR = "auditor"
    """Reads the ledger and its reports; no content of any alert."""
    SYSTEM = "system"
    """A machine of the organisation, at the HTTP door."""


MAY = {
    Role.TELLS: "write down what was seen or heard, and learn what came of it",
    Role.DUTY: "read alerts and answer them",
    Role.REVIEWER: "decide what waits for a person",
    Role.AUDITOR: "read the ledger and its reports",
    Role.SYSTEM: "send and read as a system",
}
"""What each role opens, in words."""


class Person(msgspec.Struct, frozen=True):
    """Somebody who has signed in."""

    staff_ref: str
    """Staff reference: what signed acts and the log of consultations say of the person."""
    name: str
    """What the page shows to the person; recorded nowhere."""
    organisation: str
    roles: tuple[Role, ...]

    def may(self, role: Role) -> bool:
        """Whether the person has the role."""
        return role in self.roles


INVENTED = {
    Role.TELLS: ("tells-1", "Sam Writes-It-Down (invented)"),
    Role.DUTY: ("duty-1", "Alex On-Duty (invented)"),
    Role.REVIEWER: ("desk-1", "Robin Reviews (invented)"),
    Role.AUDITOR: ("auditor-1", "Kit Counts (invented)"),
}
"""Who can be chosen in development, by role."""
SECOND_REVIEWER = ("desk-2", "Jo Second-Pair-of-Eyes (invented)")
"""A break-glass release takes two."""


def roles_at(organisation: str, *, desk: str, auditor: str) -> tuple[Role, ...]:
    """The roles that there are at a desk; `desk` and `auditor` name the two that are special."""
    if organisation == auditor:
        return (Role.AUDITOR,)
    if organisation == desk:
        return (Role.REVIEWER,)
    return (Role.TELLS, Role.DUTY)
