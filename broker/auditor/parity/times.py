"""How long it took until an alert was considered; those not yet considered count as still waiting.

Kaplan and Meier's estimate, by statsmodels: an alert that nobody has considered when the ledger ends
has waited at least that long, and leaving it out would make slow recipients look quick.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, isfinite, isnan
from typing import Any

import msgspec

from broker.auditor.parity.measures import Key
from broker.auditor.parity.table import Line

HALF = 0.5 + 1e-9
"""The median is the first time at which half or less is left; so much is lost to rounding."""


class Waited(msgspec.Struct, frozen=True):
    """Hours from alert to consideration. A median that half of them have not reached yet is None."""

    key: Key
    alerts: int | None
    considered: int | None
    median: float | None
    low: float | None
    high: float | None
    curve: tuple[tuple[float, float], ...] = ()
    """(hours, share not yet considered), for the authorised auditor only."""
    hidden: bool = False

    def published(self) -> Waited:
        """With whole hours, rounded up: a median is the time of one alert."""
        return msgspec.structs.replace(
            self,
            median=_whole(self.median),
            low=_whole(self.low),
            high=_whole(self.high),
            curve=(),
        )

    def suppressed(self) -> Waited:
        """Nothing of it."""
        return Waited(self.key, None, None, None, None, None, hidden=True)


def waited(key: Key, lines: Sequence[Line], level: float) -> Waited:
    """Of these told recipients: when they considered it."""
    considered = sum(line.considered for line in lines)
    if not considered:
        return Waited(key, len(lines), 0, None, None, None)
    found = _estimate([line.hours or 0.0 for line in lines], [line.considered for line in lines])
    low, high = _interval(found, level)
    curve = tuple(
        (float(time), float(left))
        for time, left in zip(found.surv_times, found.surv_prob, strict=True)
    )
    return Waited(
        key,
        len(lines),
        considered,
        next((time for time, left in curve if left <= HALF), None),
        _known(low),
        _known(high),
        curve,
    )


def difference(one: Sequence[Line], other: Sequence[Line]) -> float | None:
    """The p of the log-rank test that both waited alike; None where there is nothing to compare.

    That is where nobody has considered anything, or only when nobody of the other side was left waiting.
    """
    lines = [*one, *other]
    if not one or not other or not any(line.considered for line in lines):
        return None
    from numpy.linalg import LinAlgError  # noqa: PLC0415 -- only reports need it
    from statsmodels.duration.survfunc import survdiff  # noqa: PLC0415 -- likewise

    try:
        _, p = survdiff(
            [line.hours or 0.0 for line in lines],
            [line.considered for line in lines],
            [0] * len(one) + [1] * len(other),
        )
    except LinAlgError:
        return None
    return None if isnan(p) else float(p)


def _estimate(hours: list[float], status: list[int]) -> Any:
    from statsmodels.duration.survfunc import SurvfuncRight  # noqa: PLC0415

    return SurvfuncRight(hours, status)


def _whole(hours: float | None) -> float | None:
    return None if hours is None else float(ceil(hours))


def _interval(found: Any, level: float) -> tuple[float, float]:
    import numpy as np  # noqa: PLC0415

    with np.errstate(divide="ignore", invalid="ignore"):
        # At 0 and 1 the transformed share is infinite, and those times are rightly left out.
        low, high = found.quantile_ci(0.5, alpha=1 - level)
    return float(low), float(high)


def _known(value: float) -> float | None:
    return float(value) if isfinite(value) else None
