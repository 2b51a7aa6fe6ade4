"""Handling as the law reads it: 3x5x2 codes and conditions, and the old 5x5x5 codes mapped to them.

The letters and numbers as received stay in the event; this only says what follows from them.
"""

from __future__ import annotations

from broker.model.types import ConcernEvent

UNKNOWN_HANDLING = "unknown"
OLD_SCHEME = "5x5x5"
CODES = frozenset({"P", "C"})
CONSULT = "consult_originator"
OLD_CODES: dict[str, tuple[str, str]] = {
    "1": ("P", "law_enforcement_only"),
    "2": ("C", "no_onward_sharing"),
    "3": ("C", CONSULT),
    "4": ("C", CONSULT),
    "5": ("C", CONSULT),
}
"""5x5x5 handling -> code and condition (domain section 2, safe map): 1 is P to police and C with
consultation to all others; 2 is C; 3 to 5 are C, and the originator is asked."""


def handling_of(event: ConcernEvent) -> tuple[str, tuple[str, ...]]:
    """(`P`, `C` or `unknown`, conditions).

    An old record carries its 5x5x5 code as its handling or in its grading; both bind. A C that
    names no condition says that there are some and not which, so the originator is asked.
    """
    stated = event.handling.code.strip()
    grading = event.grading
    old = grading is not None and grading.scheme == OLD_SCHEME
    mapped = [OLD_CODES[stated]] if old and stated in OLD_CODES else []
    if grading is not None and old:
        received = (grading.handling or "").strip()
        mapped += [OLD_CODES[received]] if received in OLD_CODES else []
    if stated not in CODES and not (old and stated in OLD_CODES):
        return UNKNOWN_HANDLING, event.handling.conditions
    code = "C" if "C" in {stated, *(code for code, _ in mapped)} else "P"
    conditions = dict.fromkeys([*event.handling.conditions, *(name for _, name in mapped)])
    if code == "C" and not conditions:
        return code, (CONSULT,)
    return code, tuple(conditions)
