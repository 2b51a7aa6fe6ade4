"""The numbers of the weight, as one value that every record names by its hash."""

from __future__ import annotations

import msgspec

WHOLE = 1000


class WeightParameters(msgspec.Struct, frozen=True):
    """Integers only. Evidence is in thousandths of natural log-odds, shares are per mille.

    Raises ValueError for numbers under which better evidence would weigh less than worse.
    """

    start: int = -1500
    """Log-odds of a claim before anything is counted; 182 of 1000."""
    direct: int = 2600
    """Evidence of a specific, recent observation at first hand: seen or heard by the observer."""
    indirect: int = 1300
    """The same at second hand; half, so that two such make one at first hand."""
    not_known: int = 800
    """The same where nobody says how it is known."""
    specific: int = 1000
    partial: int = 800
    general: int = 500
    """Shares that count; where specificity is not stated it counts as general."""
    recency: tuple[tuple[int, int], ...] = ((7, 1000), (28, 900), (91, 750), (365, 550))
    """(days since it was observed, up to and including; share that counts), days ascending."""
    older: int = 400
    """Share that counts beyond the last of `recency`. Old is not nothing: harm adds up."""
    doubted: int = 300
    """Share that counts of a record that is doubted with a written reason and a reviewer."""
    strong: int = 850
    considerable: int = 600
    some: int = 350
    """Least values of the bands; below `some` it is `slight`."""

    def __post_init__(self) -> None:
        recent = tuple(share for _, share in self.recency)
        days = tuple(day for day, _ in self.recency)
        _falls("direct, indirect, not_known", (self.direct, self.indirect, self.not_known, 0))
        _falls("specific, partial, general", (WHOLE, self.specific, self.partial, self.general, 0))
        _falls("shares of recency, older", (WHOLE, *recent, self.older, 0))
        _falls("days of recency, last to first", (*reversed(days), 0))
        _falls("doubted", (WHOLE, self.doubted, 0))
        _falls("strong, considerable, some", (WHOLE, self.strong, self.considerable, self.some, 0))


def _falls(names: str, numbers: tuple[int, ...]) -> None:
    if list(numbers) != sorted(numbers, reverse=True):
        raise ValueError(
            f"weight parameters: {names}: must not rise from one to the next nor leave their range, "
            f"got {numbers}: correct the parameters"
        )


DEFAULT_PARAMETERS = WeightParameters()
"""What is in force; docs/adr/0005-weight.md says why."""
