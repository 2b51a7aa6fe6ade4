"""However little a ledger holds, a report comes of it: it says `insufficient`, and never breaks."""

from __future__ import annotations

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.auditor.parity.figures import figures
from broker.auditor.parity.table import RECIPIENT, Evidence
from broker.auditor.parity.times import difference
from broker.auditor.parity.verdict import Verdict
from tests.auditor.parity.drawn import POLICY, random_evidence


@settings(max_examples=60)
@given(
    statements=st.integers(0, 8), seed=st.integers(0, 10_000), answered=st.sampled_from((0.05, 0.5))
)
def test_little_evidence_makes_a_report(statements: int, seed: int, answered: float) -> None:
    """Nobody answered, one answered last of all, nothing at all: figures come, and no verdict."""
    made = figures(random_evidence(statements, seed, answered=answered), POLICY)

    assert made.overall is Verdict.INSUFFICIENT


def test_one_that_considered_when_nobody_else_was_left_is_no_comparison() -> None:
    """At that moment there was one side only, so the log-rank test has nothing to say."""
    evidence: Evidence = random_evidence(4, 1)
    line = next(one for one in evidence.lines if one.unit == RECIPIENT)
    waiting = msgspec.structs.replace(line, considered=0, hours=1.0)
    last = msgspec.structs.replace(line, considered=1, hours=9.0)

    assert difference([last], [waiting, waiting]) is None
