"""The decision space as rows that a person can read: combinations that are decided alike, in one row.

Rows are boxes: each is every combination of the values that it lists. They never overlap and together
are the whole space, so their counts add up to its size.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Sequence

import msgspec

from broker.decide import PolicyBundle
from broker.decide.law import EXPIRED, NOT_SIGNED, NOT_YET
from broker.decide.rules import NO_AGREEMENT, NOT_IN_AGREEMENT
from broker.model.fields import FIELD_GROUP
from broker.model.values import Decision, FieldRuling, Outcome
from broker.policies.space import AXES, Space, answer_of

Box = tuple[frozenset[str], ...]
FIRST_MERGED = ("facts", "handling", "part", "event_type", "publisher", "capacity", "agreements")
"""In this order values are put together: what a reader would rather have in one row comes first."""
NEEDS_PERSON = "needs a person"
WITHHELD = "withheld"
SHOWN = {
    "as_stated": "released as stated",
    "generalise": "generalised",
    "pseudonymise": "pseudonymised",
    "audience_text": "audience text",
}
"""How a released field is shown -> its outcome in the table's words."""
MAY_BE_REVIEWED = frozenset({NO_AGREEMENT, NOT_IN_AGREEMENT, EXPIRED, NOT_SIGNED, NOT_YET})
"""Reasons that are no prohibition: in a review a person may decide otherwise."""
OUTCOMES = (*SHOWN.values(), NEEDS_PERSON, WITHHELD)


class Cell(msgspec.Struct, frozen=True):
    """What becomes of one field, and the clause or reason code that decides it."""

    field: str
    outcome: str
    by: str


class Answer(msgspec.Struct, frozen=True):
    """What is decided: outcome, mode, and what becomes of every field."""

    outcome: str
    """PERMIT, DENY or REVIEW."""
    mode: str | None
    cells: tuple[Cell, ...]
    """One for each field of the catalogue, in its order."""


class Row(msgspec.Struct, frozen=True):
    """Combinations of one kind of recipient that are decided alike."""

    box: Box
    """The values of each axis, in the order of AXES."""
    answer: Answer

    @property
    def count(self) -> int:
        """How many single combinations the row stands for."""
        return math.prod(len(values) for values in self.box)

    def values(self, axis: str) -> frozenset[str]:
        """The values that it covers on one axis."""
        return self.box[AXES.index(axis)]

    def covers(self, point: tuple[str, ...]) -> bool:
        """Whether it decides the combination with these values, in the order of AXES."""
        return all(one in values for one, values in zip(point, self.box, strict=True))


class DecisionTable(msgspec.Struct, frozen=True):
    """All rows, and the size of the space that they add up to."""

    rows: tuple[Row, ...]
    size: int
    axes: tuple[tuple[str, ...], ...]
    """Every value of each axis, in the order of AXES."""


def decision_table(space: Space) -> DecisionTable:
    """Every combination of the space, decided and collapsed."""
    waits = {
        one.needs_person for one in space.bundle.conditions.values() if one.needs_person is not None
    }
    answers: dict[Hashable, Answer] = {}
    boxes: dict[tuple[str, Answer], list[Box]] = {}
    for combination in space.combinations():
        decision = combination.decision
        key = answer_of(decision)
        answer = answers.get(key)
        if answer is None:
            cells = cells_of(decision, waits)
            answer = answers[key] = Answer(decision.outcome.value, decision.mode, cells)
        kind = min(combination.values[0]).partition(":")[0]
        boxes.setdefault((kind, answer), []).append(combination.values)
    rows = [
        Row(box, answer)
        for (_, answer), found in sorted(boxes.items(), key=lambda one: one[0][0])
        for box in sorted(collapse(found), key=lambda box: [sorted(values) for values in box])
    ]
    return DecisionTable(tuple(rows), space.size, _values(rows))


def collapse(boxes: Iterable[Box]) -> list[Box]:
    """Fewer boxes that cover exactly the same combinations, each still once."""
    found = list(boxes)
    order = [AXES.index(name) for name in (*FIRST_MERGED, AXES[0])]
    before = len(found) + 1
    while len(found) < before:
        before = len(found)
        for axis in order:
            found = _merged(found, axis)
    return found


def _merged(boxes: Sequence[Box], axis: int) -> list[Box]:
    """Boxes that differ on one axis only become one, with the values of all."""
    together: dict[Box, list[frozenset[str]]] = {}
    for box in boxes:
        together.setdefault((*box[:axis], *box[axis + 1 :]), []).append(box[axis])
    return [
        (*rest[:axis], frozenset().union(*values), *rest[axis:])
        for rest, values in together.items()
    ]


def cells_of(decision: Decision, waits: Iterable[str]) -> tuple[Cell, ...]:
    """Each field's outcome. `waits`: reason codes under which a single field waits for a person."""
    released = {one.field: one for one in decision.released}
    withheld = dict(decision.withheld)
    asked = set(waits)
    return tuple(
        _cell(field, released.get(field), withheld.get(field, ""), decision, asked)
        for field in FIELD_GROUP
    )


def _cell(
    field: str, released: FieldRuling | None, reason: str, decision: Decision, asked: set[str]
) -> Cell:
    if released is not None:
        return Cell(field, SHOWN[released.transform], released.clause)
    waits = decision.outcome is Outcome.REVIEW and (
        reason in MAY_BE_REVIEWED or reason == decision.reasons[0]
    )
    if waits or reason in asked:
        return Cell(field, NEEDS_PERSON, reason)
    return Cell(field, WITHHELD, reason)


def _values(rows: Sequence[Row]) -> tuple[tuple[str, ...], ...]:
    return tuple(
        tuple(sorted(frozenset().union(*(row.box[axis] for row in rows))))
        for axis in range(len(AXES))
    )


def titles_of(bundle: PolicyBundle) -> dict[str, str]:
    """What every clause says in words: the law's @duty or @source, an agreement's `why`."""
    policies = (
        *bundle.court.law,
        *(one for found in bundle.court.clauses.values() for one in found),
    )
    return {
        one.id: one.annotations.get("duty") or one.annotations.get("source", "") for one in policies
    }
