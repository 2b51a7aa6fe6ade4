"""Two rates held against each other: the relative rate index with its interval.

RRI = (a1/n1) / (a0/n0). SE of ln RRI = sqrt(1/a1 - 1/n1 + 1/a0 - 1/n0); the interval is
exp(ln RRI +- z SE). Where any of reached and not reached is nought, 0.5 is added to each of the four:
with none missing on either side the formula would otherwise claim to know the ratio exactly.

A statement that was told to nine recipients is not nine independent observations. So the standard
error is also taken over statements (linearised, of a ratio of sums), and the larger one counts; where
every statement has one line the two are the same number.
"""

from __future__ import annotations

from math import exp, log, sqrt
from statistics import NormalDist

import msgspec

from broker.auditor.parity.measures import Sample

HALF = 0.5


class Ratio(msgspec.Struct, frozen=True):
    """A ratio of two rates, its interval, and the standard error of its logarithm."""

    ratio: float
    low: float
    high: float
    se: float
    widened: float = 1.0
    """Variance over statements divided by that over lines, at least 1."""

    def at(self, z: float) -> Ratio:
        """The same ratio with the interval of another z."""
        low, high = interval(self.ratio, self.se, z)
        return Ratio(self.ratio, low, high, self.se, self.widened)


def z_of(level: float) -> float:
    """Normal quantile of a two-sided interval: 1.96 for 0.95."""
    return NormalDist().inv_cdf(0.5 + level / 2)


def corrected_level(level: float, comparisons: int) -> float:
    """Bonferroni: the level of each of so many intervals that all hold together at `level`."""
    return 1 - (1 - level) / max(comparisons, 1)


def interval(ratio: float, se: float, z: float) -> tuple[float, float]:
    """Around a ratio, on the scale of its logarithm."""
    return exp(log(ratio) - z * se), exp(log(ratio) + z * se)


def relative_rate(one: Sample, other: Sample, z: float) -> Ratio | None:
    """The rate of `one` over that of `other`; None where one of them has nobody at risk."""
    if not one.at_risk or not other.at_risk:
        return None
    a1, n1, a0, n0 = (float(x) for x in (one.reached, one.at_risk, other.reached, other.at_risk))
    if 0 in {a1, n1 - a1, a0, n0 - a0}:
        a1, n1, a0, n0 = a1 + HALF, n1 + 2 * HALF, a0 + HALF, n0 + 2 * HALF
        clustered = 0.0
    else:
        clustered = _clustered(one) + _clustered(other)
    variance = 1 / a1 - 1 / n1 + 1 / a0 - 1 / n0
    ratio, se = (a1 / n1) / (a0 / n0), sqrt(max(variance, clustered))
    low, high = interval(ratio, se, z)
    return Ratio(ratio, low, high, se, max(1.0, clustered / variance))


def _clustered(sample: Sample) -> float:
    """Variance of the logarithm of the rate, over statements."""
    rate = sample.reached / sample.at_risk
    return sum((a - rate * n) ** 2 for a, n in sample.clusters) / sample.reached**2
