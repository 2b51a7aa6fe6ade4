"""What the data bear: breach, pass, or insufficient. Never more.

Breach only where the whole interval lies outside the band, pass only where the whole interval lies
inside it. A verdict needs enough statements on both sides, and the comparison of equal content must
not contradict it: rates that differ because other things were said are no breach, and rates that look
alike although equal content fared differently are no pass.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from broker.auditor.parity.policy import ParityPolicy
from broker.auditor.parity.rates import Ratio


class Verdict(StrEnum):
    """In the words of the policy."""

    BREACH = "breach"
    PASS = "pass"  # noqa: S105 -- no password
    INSUFFICIENT = "insufficient"


def of_interval(ratio: Ratio | None, statements: Iterable[int], policy: ParityPolicy) -> Verdict:
    """By the interval alone; `statements`: how many either side rests on."""
    if ratio is None or min(statements, default=0) < policy.least_statements:
        return Verdict.INSUFFICIENT
    if ratio.high < policy.band.low or ratio.low > policy.band.high:
        return Verdict.BREACH
    if ratio.low >= policy.band.low and ratio.high <= policy.band.high:
        return Verdict.PASS
    return Verdict.INSUFFICIENT


def together(as_counted: Verdict, equal_content: Verdict, *, same_side: bool) -> Verdict:
    """Of the raw rates and of equal content: equal content can show a breach, both make a pass.

    `same_side`: both ratios lie on one side of 1.
    """
    if equal_content is Verdict.BREACH:
        opposed = as_counted is Verdict.BREACH and not same_side
        return Verdict.INSUFFICIENT if opposed else Verdict.BREACH
    return as_counted if as_counted is equal_content else Verdict.INSUFFICIENT


def overall(verdicts: Iterable[Verdict], stages: int) -> Verdict:
    """Of all stages: one breach is a breach; a pass needs every one of so many stages to pass."""
    found = list(verdicts)
    if Verdict.BREACH in found:
        return Verdict.BREACH
    if len(found) == stages and all(one is Verdict.PASS for one in found):
        return Verdict.PASS
    return Verdict.INSUFFICIENT
