"""The age band of a child for the audit rows: never a date of birth, and never an input to a decision."""

from __future__ import annotations

import datetime

BANDS: tuple[tuple[int, str], ...] = (
    (5, "0-4"),
    (10, "5-9"),
    (13, "10-12"),
    (16, "13-15"),
    (18, "16-17"),
)
"""Age below which a band ends, and its name."""
GROWN = "18+"
NOT_STATED = "not_stated"


def age_band(born: datetime.date | None, on: datetime.date) -> str:
    """The band of whole years on that day; `not_stated` without a date of birth or before it."""
    if born is None or born > on:
        return NOT_STATED
    years = on.year - born.year - ((on.month, on.day) < (born.month, born.day))
    return next((name for below, name in BANDS if years < below), GROWN)
