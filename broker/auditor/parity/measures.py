"""What is counted: each stage with the one before it as denominator, and the query that counts the same.

A measure is of those that fulfil `given` how many fulfil `reached`. It is counted here and, by the
query that is printed beside it, by anyone who has the table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum

import msgspec

from broker.auditor.parity.table import PART, RECIPIENT, Line

Key = str
"""A column and a value, such as `provenance:parent`; `all` for everybody."""
ALL: Key = "all"
PROVENANCE, GROUP = "provenance", "group"
DIMENSIONS = ("ethnicity", "sex", "age_band")


class Unit(StrEnum):
    """What is counted."""

    STATEMENT = "statements"
    PART = "parts"
    RECIPIENT = "part and recipient"
    FIELD = "fields"


class Measure(msgspec.Struct, frozen=True):
    """Of those with `given`, how many have `reached`; `of` is the name of that denominator."""

    name: str
    title: str
    says: str
    unit: Unit
    lines: str
    given: tuple[str, ...]
    reached: str
    of: str

    @property
    def missed(self) -> str:
        """Name of the count of those that did not reach it."""
        return f"not {self.name}"


class Sample(msgspec.Struct, frozen=True):
    """A count, statement by statement: (reached, at risk) of each; statements, not lines, are independent."""

    reached: int
    at_risk: int
    clusters: tuple[tuple[int, int], ...]

    @property
    def statements(self) -> int:
        """How many statements it rests on."""
        return len(self.clusters)

    @property
    def rate(self) -> float | None:
        """The share that reached it; None of nobody."""
        return self.reached / self.at_risk if self.at_risk else None


STANDING = ("standing",)
GRADED = (*STANDING, "graded")
WEIGHTED = (*GRADED, "weighted")
ELIGIBLE = (*WEIGHTED, "eligible")
TOLD = (*ELIGIBLE, "told")
ACKNOWLEDGED = (*TOLD, "acknowledged")
CONSIDERED = (*ACKNOWLEDGED, "considered")
S, P, R, F = Unit.STATEMENT, Unit.PART, Unit.RECIPIENT, Unit.FIELD

RECEIVED = Measure(
    "received", "Received", "was accepted, and not taken back since", S, PART, (), "standing",
    "accepted",
)  # fmt: skip
CHAIN = (
    Measure(
        "graded", "Graded", "its grading can be read, or it has none, which is neutral", S, PART,
        STANDING, "graded", "received",
    ),
    Measure("weighted", "Weighted", "was given a weight", P, PART, GRADED, "weighted", "parts"),
    Measure(
        "disclosed", "Disclosed", "a recipient with a nexus was told", R, RECIPIENT,
        ELIGIBLE, "told", "eligible",
    ),
    Measure(
        "acknowledged", "Acknowledged", "who was told has said that it arrived", R, RECIPIENT,
        TOLD, "acknowledged", "disclosed",
    ),
    Measure(
        "considered", "Considered", "who acknowledged has recorded a consideration", R, RECIPIENT,
        ACKNOWLEDGED, "considered", "acknowledged",
    ),
    Measure(
        "acted", "Acted", "who considered it has acted on it", R, RECIPIENT,
        CONSIDERED, "acted", "considered",
    ),
)  # fmt: skip
FURTHER = (
    RECEIVED,
    Measure("has_grade", "Has a grade", "came with a grade", S, PART, STANDING, "has_grade",
            "received"),
    Measure("graded_2", "Graded 2", "of those with a grade: source untested", S, PART,
            (*STANDING, "has_grade"), "graded_2", "has_grade"),
    Measure("graded_d", "Graded D", "of those with a grade: not known how", S, PART,
            (*STANDING, "has_grade"), "graded_d", "has_grade"),
    Measure("high_weight", "Weight considerable or more", "weighs `considerable` or `strong`", P,
            PART, WEIGHTED, "high_weight", "weighted"),
    Measure("full", "Told the content", "of those told: more than that a concern is held", R,
            RECIPIENT, TOLD, "full", "disclosed"),
    Measure("withheld", "Fields withheld", "fields that who was told was not shown", F, RECIPIENT,
            TOLD, "withheld", "fields"),
    Measure("refused", "Refused", "a recipient with a nexus was refused", R, RECIPIENT,
            ELIGIBLE, "refused", "eligible"),
    Measure("heard", "Heard by anyone", "at least one of those told has considered it", S,
            RECIPIENT, TOLD, "considered", "told statements"),
    Measure("planned", "Went into a plan", "who acted named the plan or assessment", R,
            RECIPIENT, (*CONSIDERED, "acted"), "planned", "acted"),
    Measure("quick", "Considered at once", "sooner than the policy's threshold", R, RECIPIENT,
            CONSIDERED, "quick", "considered"),
    Measure("same_reason", "Same words", "the reason was given for many alerts", R, RECIPIENT,
            CONSIDERED, "same_reason", "considered"),
    Measure("review_quick", "Reviewed at once", "a person decided sooner than the threshold", R,
            RECIPIENT, (*STANDING, "reviewed"), "review_quick", "reviewed"),
)  # fmt: skip
MEASURES = (*CHAIN, *FURTHER)
NAMED: Mapping[str, Measure] = {one.name: one for one in MEASURES}
EQUALITY = tuple(NAMED[name] for name in ("disclosed", "refused", "withheld"))


def key_of(line: Line, column: str) -> Key:
    """The line's place in a dimension."""
    return f"{column}:{getattr(line, column)}"


def counted(
    lines: Iterable[Line], measure: Measure, key: Callable[[Line], Key]
) -> dict[Key, Sample]:
    """The measure for each key that somebody at risk has."""
    found: dict[Key, dict[int, tuple[int, int]]] = {}
    whole = measure.unit is Unit.STATEMENT
    for line in lines:
        if line.unit != measure.lines or not all(getattr(line, one) for one in measure.given):
            continue
        reached, at_risk = getattr(line, measure.reached), 1
        if measure.unit is Unit.FIELD:
            at_risk = line.released + line.withheld
        of_key = found.setdefault(key(line), {})
        before = of_key.get(line.statement, (0, 0))
        now = (before[0] + reached, before[1] + at_risk)
        of_key[line.statement] = (min(now[0], 1), 1) if whole else now
    return {
        one: Sample(
            sum(a for a, _ in clusters.values()),
            sum(n for _, n in clusters.values()),
            tuple(clusters.values()),
        )
        for one, clusters in found.items()
    }


def counting(measure: Measure, column: str) -> str:
    """The query for the same counts: one row a value of the column."""
    where = " AND ".join([f"unit = '{measure.lines}'", *(f"{one} = 1" for one in measure.given)])
    reached, at_risk = f"SUM({measure.reached})", "COUNT(*)"
    if measure.unit is Unit.FIELD:
        at_risk = "SUM(withheld + released)"
    elif measure.unit is Unit.STATEMENT:
        reached = f"COUNT(DISTINCT CASE WHEN {measure.reached} = 1 THEN statement END)"
        at_risk = "COUNT(DISTINCT statement)"
    return (
        f'SELECT "{column}", {reached} AS reached, {at_risk} AS at_risk\n'
        f'FROM evidence\nWHERE {where}\nGROUP BY "{column}" ORDER BY "{column}"'
    )


def units(measure: Measure) -> Mapping[str, str]:
    """What a query of ratios needs: the lines at risk, and how many of each statement count."""
    where = " AND ".join([f"unit = '{measure.lines}'", *(f"{one} = 1" for one in measure.given)])
    if measure.unit is Unit.STATEMENT:
        return {"where": where, "reached": f"MAX({measure.reached})", "at_risk": "1"}
    if measure.unit is Unit.FIELD:
        return {"where": where, "reached": "SUM(withheld)", "at_risk": "SUM(withheld + released)"}
    return {"where": where, "reached": f"SUM({measure.reached})", "at_risk": "COUNT(*)"}


__all__ = [
    "ALL",
    "CHAIN",
    "DIMENSIONS",
    "EQUALITY",
    "FURTHER",
    "GROUP",
    "MEASURES",
    "NAMED",
    "PART",
    "PROVENANCE",
    "RECEIVED",
    "RECIPIENT",
    "TOLD",
    "Key",
    "Measure",
    "Sample",
    "Unit",
    "counted",
    "counting",
    "key_of",
    "units",
]
