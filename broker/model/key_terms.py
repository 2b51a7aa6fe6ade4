"""When a registered key may be used: from, until, and from when it was taken back.

A record is judged by Kafka's time of it (LogAppendTime), so one that is read a week later is judged
as it would have been at once. What a key signed before it was revoked stands.
"""

from __future__ import annotations

import datetime
from enum import StrEnum

import msgspec

BEGINNING = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


class Standing(StrEnum):
    """What a key is at a moment."""

    IN_FORCE = "in_force"
    NOT_YET = "not_yet"
    ENDED = "ended"
    REVOKED = "revoked"


class KeyTerm(msgspec.Struct, frozen=True):
    """`valid_from` is the first moment; `valid_to` and `revoked_at` are the first moments after."""

    valid_from: datetime.datetime = BEGINNING
    valid_to: datetime.datetime | None = None
    revoked_at: datetime.datetime | None = None

    def standing(self, at: datetime.datetime) -> Standing:
        """What the key is at that moment; revoked says more than ended."""
        if self.revoked_at is not None and self.revoked_at <= at:
            return Standing.REVOKED
        if self.valid_to is not None and self.valid_to <= at:
            return Standing.ENDED
        return Standing.NOT_YET if at < self.valid_from else Standing.IN_FORCE

    def in_force(self, at: datetime.datetime) -> bool:
        """True if the key may be used at that moment."""
        return self.standing(at) is Standing.IN_FORCE


ALWAYS = KeyTerm()
"""A key that is registered without dates."""
