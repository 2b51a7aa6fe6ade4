"""By which type a correction is decided: that of the statement that it corrects."""

from __future__ import annotations

from broker.model.types import EventType
from broker.model.values import PartInput

CORRECTS = "corrects/"


def corrected_type(part: PartInput) -> str:
    """The type by which a part is decided: that of what it corrects, if it is a correction."""
    for flag in part.flags:
        if flag.startswith(CORRECTS):
            return flag.removeprefix(CORRECTS)
    return part.event.event_type.value


def corrects(event_type: EventType) -> str:
    """The flag of a part that corrects a statement of this type."""
    return f"{CORRECTS}{event_type.value}"
