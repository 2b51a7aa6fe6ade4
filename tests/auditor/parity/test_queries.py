"""Every figure again, by the documented query over the exported table, in another program."""

from __future__ import annotations

import csv
import math
import re
import sqlite3
from pathlib import Path

import pytest

from broker.auditor.parity.export import COLUMNS, evidence_csv
from broker.auditor.parity.figures import Figures, figures
from broker.auditor.parity.measures import CHAIN, DIMENSIONS, EQUALITY, MEASURES, NAMED
from broker.auditor.parity.queries import condition, documented, median, pooled, ratio, sides_of
from broker.auditor.parity.table import Evidence
from tests.auditor.parity.drawn import POLICY, random_evidence

DOC = Path(__file__).resolve().parents[3] / "docs" / "queries" / "parity.md"
TEXT = {
    *("unit", "provenance", "group", "event_type", "severity", "directness", "specificity"),
    *("ethnicity", "sex", "age_band", "recipient_kind"),
}
HEADLINE, REFERENCE = f"group:{POLICY.headline}", f"group:{POLICY.reference}"


@pytest.fixture(scope="module")
def evidence() -> Evidence:
    """A table with every class, grade and answer in it."""
    return random_evidence(300, seed=7)


@pytest.fixture(scope="module")
def report(evidence: Evidence) -> Figures:
    """Its figures."""
    return figures(evidence, POLICY)


@pytest.fixture(scope="module")
def table(evidence: Evidence) -> sqlite3.Connection:
    """The exported CSV, read back by SQLite."""
    database = sqlite3.connect(":memory:")
    kinds = (f'"{one}" {"TEXT" if one in TEXT else "NUMERIC"}' for one in COLUMNS)
    database.execute(f"CREATE TABLE evidence ({', '.join(kinds)})")
    rows = list(csv.DictReader(evidence_csv(evidence.lines).splitlines()))
    database.executemany(
        f"INSERT INTO evidence VALUES ({', '.join('?' * len(COLUMNS))})",
        [[row[one] if row[one] != "" else None for one in COLUMNS] for row in rows],
    )
    return database


def queries_of_the_document() -> dict[str, str]:
    """Heading -> SQL."""
    found = re.findall(r"### (.+)\n(?:\n.+\n)?```sql\n((?:.+\n)+?)```", DOC.read_text())
    return {name: sql.rstrip("\n") for name, sql in found}


def test_the_document_holds_every_query_as_it_is() -> None:
    """What is documented is what the report prints, and nothing is missing."""
    assert queries_of_the_document() == dict(documented(HEADLINE, REFERENCE, POLICY.strata))


def test_every_count_can_be_made_again(report: Figures, table: sqlite3.Connection) -> None:
    """By group, class and equality group: the documented query gives exactly the report's counts."""
    document = queries_of_the_document()
    counts = {(one.measure, one.key): (one.reached, one.at_risk) for one in report.counts}
    found = {}
    for measure in MEASURES:
        columns = ("group", "provenance", *(DIMENSIONS if measure in EQUALITY else ()))
        for column in columns:
            query = document[f"{measure.name} by group"].replace('"group"', f'"{column}"')
            for value, reached, at_risk in table.execute(query):
                found[measure.name, f"{column}:{value}"] = (reached, at_risk)
    assert found == counts


def test_every_ratio_can_be_made_again(report: Figures, table: sqlite3.Connection) -> None:
    """Each comparison's ratio, its interval, and that of equal content."""
    assert len(report.comparisons) > 200
    for one in report.comparisons:
        measure, sides = NAMED[one.measure], sides_of(one)
        assert one.ratio is not None
        found = table.execute(ratio(measure, *sides, one.key.partition(":")[0])).fetchone()
        mine = (one.ratio.ratio, one.ratio.low, one.ratio.high, one.ratio.widened)
        assert found == pytest.approx(mine, rel=1e-9)
        equal, se = table.execute(pooled(measure, *sides, POLICY.strata)).fetchone()
        if one.adjusted is None:
            assert equal is None
            continue
        kept = one.adjusted.ratio
        assert equal == pytest.approx(kept.ratio, rel=1e-9)
        low = math.exp(math.log(equal) - 1.959963984540054 * se * math.sqrt(kept.widened))
        assert low == pytest.approx(kept.low, rel=1e-9)


def test_the_documented_ratios_are_those_of_the_headline(
    report: Figures, table: sqlite3.Connection
) -> None:
    """As they stand in the document, without a change."""
    document = queries_of_the_document()
    heads = {one.measure: one for one in report.headlines}
    for stage in CHAIN:
        found = table.execute(document[f"{stage.name}: relative rate index"]).fetchone()
        mine = heads[stage.name].ratio
        assert mine is not None
        assert found[:3] == pytest.approx((mine.ratio, mine.low, mine.high), rel=1e-9)


def test_every_median_can_be_made_again(report: Figures, table: sqlite3.Connection) -> None:
    """Hours to consideration by group and class."""
    assert len(report.waited) > 8
    for one in report.waited:
        (found,) = table.execute(median(one.key)).fetchone()
        assert found == pytest.approx(one.median)
    assert condition(HEADLINE) in median(HEADLINE)
