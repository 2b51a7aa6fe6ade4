"""The queries by which anyone who has the table can make every figure again.

SQL for SQLite with its mathematical functions; docs/queries/parity.md explains the table. Text only:
nothing here is run, and no value in it comes from outside the policy and the code.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from broker.auditor.parity.figures import NOT_COMPARED, Comparison
from broker.auditor.parity.measures import (
    CHAIN,
    DIMENSIONS,
    GROUP,
    MEASURES,
    NAMED,
    PROVENANCE,
    TOLD,
    Key,
    Measure,
    counting,
    units,
)
from broker.auditor.parity.table import RECIPIENT

Z = "1.959963984540054"
"""For a level of 0.95."""


def sides_of(one: Comparison) -> tuple[str, str]:
    """Which lines are on either side of a comparison, as SQL conditions."""
    mine = condition(one.key)
    if not one.against.startswith("rest of "):
        return mine, condition(one.against)
    of = one.against.removeprefix("rest of ")
    if of in DIMENSIONS:
        value = one.key.partition(":")[2]
        left = ", ".join(f"'{name}'" for name in sorted({*NOT_COMPARED, value}))
        return mine, f'"{of}" NOT IN ({left})'
    return mine, f"{condition(of)} AND NOT {mine}"


def condition(key: Key) -> str:
    """That a line has this key."""
    column, _, value = key.partition(":")
    return f"\"{column}\" = '{value}'"


def ratio(measure: Measure, one: str, other: str, column: str = PROVENANCE) -> str:
    """Relative rate index with its interval; `widened` is at least 1.

    `column`: of what is compared; of one statement, what differs in it counts on its own.
    """
    part = units(measure)
    return f"""WITH units AS (
  SELECT ({one}) AS one, statement, {part["reached"]} AS a, {part["at_risk"]} AS n
  FROM evidence WHERE {part["where"]}
    AND (({one}) OR ({other}))
  GROUP BY 1, statement, "{column}"),
sides AS (SELECT one, SUM(a) * 1.0 AS a, SUM(n) * 1.0 AS n FROM units GROUP BY one),
spread AS (
  SELECT one, SUM((u.a - s.a / s.n * u.n) * (u.a - s.a / s.n * u.n)) / (s.a * s.a) AS v
  FROM units u JOIN sides s USING (one) GROUP BY one),
cells AS (
  SELECT x.a AS a1, x.n AS n1, y.a AS a0, y.n AS n0, (SELECT SUM(v) FROM spread) AS v,
         0 IN (x.a, x.n - x.a, y.a, y.n - y.a) AS nought
  FROM sides x JOIN sides y ON x.one = 1 AND y.one = 0),
filled AS (
  SELECT a1 + nought * 0.5 AS a1, n1 + nought AS n1, a0 + nought * 0.5 AS a0, n0 + nought AS n0,
         CASE nought WHEN 1 THEN 0.0 ELSE v END AS v FROM cells),
errors AS (
  SELECT (a1 / n1) / (a0 / n0) AS ratio, 1 / a1 - 1 / n1 + 1 / a0 - 1 / n0 AS plain, v FROM filled)
SELECT ratio, exp(ln(ratio) - {Z} * sqrt(max(plain, v))) AS low,
       exp(ln(ratio) + {Z} * sqrt(max(plain, v))) AS high, max(1.0, v / plain) AS widened
FROM errors"""  # noqa: S608


def pooled(measure: Measure, one: str, other: str, strata: Sequence[str]) -> str:
    """Mantel and Haenszel's ratio over equal content, and Greenland and Robins' standard error.

    The report's interval is exp(ln ratio +- z * se * sqrt(widened)), `widened` from `ratio`.
    """
    part, by = units(measure), ", ".join(strata)
    return f"""WITH units AS (
  SELECT ({one}) AS one, {by}, statement, {part["reached"]} AS a, {part["at_risk"]} AS n
  FROM evidence WHERE {part["where"]}
    AND (({one}) OR ({other}))
  GROUP BY 1, {by}, statement),
tables AS (
  SELECT SUM(one * a) * 1.0 AS a, SUM(one * (n - a)) * 1.0 AS b,
         SUM((1 - one) * a) * 1.0 AS c, SUM((1 - one) * (n - a)) * 1.0 AS d, SUM(n) * 1.0 AS n
  FROM units GROUP BY {by} HAVING SUM(one * n) > 0 AND SUM((1 - one) * n) > 0),
whole AS (SELECT SUM(n) AS n, 0 IN (SUM(a), SUM(b), SUM(c), SUM(d)) AS nought FROM tables),
filled AS (
  SELECT a + 0.5 * nought * t.n / w.n AS a, b + 0.5 * nought * t.n / w.n AS b,
         c + 0.5 * nought * t.n / w.n AS c, d + 0.5 * nought * t.n / w.n AS d,
         t.n + 2.0 * nought * t.n / w.n AS n
  FROM tables t JOIN whole w),
sums AS (
  SELECT SUM(a * (c + d) / n) AS x, SUM(c * (a + b) / n) AS y,
         SUM(((a + c) * (a + b) * (c + d) - a * c * n) / (n * n)) AS v FROM filled)
SELECT x / y AS ratio, sqrt(v / (x * y)) AS se FROM sums"""  # noqa: S608


def median(key: Key) -> str:
    """Kaplan and Meier's median of hours to consideration; no row where half have not got there."""
    where = " AND ".join([f"unit = '{RECIPIENT}'", *(f"{one} = 1" for one in TOLD)])
    return f"""WITH times AS (
  SELECT hours, SUM(considered) AS d FROM evidence WHERE {where}
    AND {condition(key)} GROUP BY hours),
risk AS (
  SELECT t.hours, t.d, (SELECT COUNT(*) FROM evidence WHERE {where}
    AND {condition(key)} AND hours >= t.hours) AS n FROM times t WHERE d > 0),
left_over AS (
  SELECT hours, MIN(1.0 - d * 1.0 / n) OVER (ORDER BY hours) AS least,
         SUM(ln(max(1.0 - d * 1.0 / n, 1e-300))) OVER (ORDER BY hours) AS log_share FROM risk)
SELECT MIN(hours) AS median FROM left_over WHERE least <= 0 OR exp(log_share) <= 0.5 + 1e-9"""  # noqa: S608


def documented(headline: Key, reference: Key, strata: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Every query of docs/queries/parity.md with its name."""
    for measure in MEASURES:
        yield f"{measure.name} by group", counting(measure, GROUP)
    one, other = condition(headline), condition(reference)
    for measure in CHAIN:
        yield f"{measure.name}: relative rate index", ratio(measure, one, other)
        yield f"{measure.name}: equal content", pooled(measure, one, other, strata)
    yield "time to consideration", median(headline)


__all__ = [
    "NAMED",
    "PROVENANCE",
    "condition",
    "documented",
    "median",
    "pooled",
    "ratio",
    "sides_of",
]
