"""What of a grading may count: the assessment letter, and a doubt that somebody answers for.

Source evaluation 1, 2 and no evaluation at all are the same here, so an officer's habitual 1 is
worth no more than a mother's missing grade (docs/adr/0005-weight.md). The grading itself is
never changed: the event keeps it as received.
"""

from __future__ import annotations

from broker.model.types import Directness, Grading

LABELLED = frozenset({"3x5x2", "5x5x5", "ungraded"})
"""Schemes that the letters can be read in. The letters of the two scales mean opposite axes."""
LETTERS = frozenset("ABCDE")
LETTER_OF_5X5X5 = {"1": "A", "2": "A", "3": "B", "4": "D", "5": "E"}
EVALUATION_OF_5X5X5 = {"A": "1", "B": "1", "C": "2", "D": "3", "E": "2"}
NOT_RELIABLE = "3"
SUSPECTED_FALSE = "E"


def letter_of(grading: Grading | None, directness: Directness) -> str | None:
    """The 3x5x2 assessment, A to E; None where directness is stated, for then no letter counts."""
    if directness is not Directness.NOT_STATED:
        return None
    return _assessment(grading)


def is_doubted(grading: Grading | None) -> bool:
    """True for source evaluation 3 or assessment E, with a written reason and a reviewer; else False."""
    if (
        grading is None
        or not _written(grading.doubt_reason)
        or not _written(grading.doubt_reviewer)
    ):
        return False
    return _evaluation(grading) == NOT_RELIABLE or _assessment(grading) == SUSPECTED_FALSE


def is_unlabelled(grading: Grading | None) -> bool:
    """True for a grading of which nobody can say in which scheme it is written."""
    return grading is not None and grading.scheme not in LABELLED


def _assessment(grading: Grading | None) -> str | None:
    if grading is None:
        return None
    stated = _code(grading.information_assessment)
    if grading.scheme == "3x5x2":
        return stated if stated in LETTERS else None
    if grading.scheme == "5x5x5":
        return LETTER_OF_5X5X5.get(stated)
    return None


def _evaluation(grading: Grading) -> str | None:
    stated = _code(grading.source_evaluation)
    if grading.scheme == "3x5x2":
        return stated
    if grading.scheme == "5x5x5":
        return EVALUATION_OF_5X5X5.get(stated)
    return None


def _code(stated: str | None) -> str:
    return (stated or "").strip().upper()


def _written(text: str | None) -> bool:
    return bool(text and text.strip())
