"""Every figure of the report, from the table alone. Pure.

The headline compares what families and the community said with what statutory professionals said.
Each class is compared with the same reference; a class within the reference with the rest of it, so
that nobody is compared with themselves. Equality groups are each compared with all other stated ones.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from broker.auditor.parity.measures import (
    ALL,
    CHAIN,
    DIMENSIONS,
    EQUALITY,
    GROUP,
    MEASURES,
    PROVENANCE,
    TOLD,
    Key,
    Measure,
    Sample,
    counted,
    key_of,
)
from broker.auditor.parity.policy import NOT_STATED, ParityPolicy
from broker.auditor.parity.rates import Ratio, corrected_level, relative_rate, z_of
from broker.auditor.parity.strata import Adjusted, Stratum, adjusted
from broker.auditor.parity.table import NO_CHILD, RECIPIENT, Evidence, Line
from broker.auditor.parity.times import Waited, difference, waited
from broker.auditor.parity.verdict import Verdict, of_interval, overall, together

NOT_COMPARED = frozenset({NOT_STATED, NO_CHILD, "not_listed", "U"})
"""Values of equality groups that say nothing of a child: counted, and compared with nobody."""


class Count(msgspec.Struct, frozen=True):
    """Of so many at risk so many reached it. A number that is None is suppressed."""

    measure: str
    key: Key
    reached: int | None
    at_risk: int | None


class Comparison(msgspec.Struct, frozen=True):
    """One rate held against another. Where `hidden`, there are no numbers and no verdict."""

    measure: str
    key: Key
    against: Key
    """`rest of ...` where the key itself is part of that."""
    ratio: Ratio | None
    corrected: Ratio | None
    """With the interval that holds together with those of all other comparisons."""
    adjusted: Adjusted | None
    as_counted: Verdict
    equal_content: Verdict
    verdict: Verdict
    verdict_corrected: Verdict
    hidden: bool = False
    rests_on: tuple[Key, ...] = ()
    """Keys whose counts must all be shown for this to be shown."""


class Figures(msgspec.Struct, frozen=True):
    """All of them."""

    counts: tuple[Count, ...]
    comparisons: tuple[Comparison, ...]
    waited: tuple[Waited, ...]
    wait_differs: float | None
    """p of the log-rank test between headline and reference."""
    overall: Verdict
    overall_corrected: Verdict
    first_gap: str | None
    """Name of the first stage at which there is a breach."""
    complete: bool
    """Whether every part of every accepted statement was decided for every candidate."""
    listed: int | None
    decided: int | None

    @property
    def headlines(self) -> tuple[Comparison, ...]:
        """The headline comparison of each stage, in order."""
        first = self.comparisons[0].key if self.comparisons else ""
        return tuple(
            one
            for stage in CHAIN
            for one in self.comparisons
            if (one.measure, one.key) == (stage.name, first)
        )


def figures(evidence: Evidence, policy: ParityPolicy) -> Figures:
    """The figures of a table under a policy."""
    work = _Work(evidence, policy)
    comparisons = work.comparisons()
    heads = judged(comparisons, work.headline)
    return Figures(
        counts=tuple(work.counts()),
        comparisons=comparisons,
        waited=tuple(work.waited()),
        wait_differs=difference(
            *(work.told(f"{GROUP}:{one}") for one in (policy.headline, policy.reference))
        ),
        overall=overall((one.verdict for one in heads), len(CHAIN)),
        overall_corrected=overall((one.verdict_corrected for one in heads), len(CHAIN)),
        first_gap=first_gap(heads),
        complete=evidence.listed == evidence.decided,
        listed=evidence.listed,
        decided=evidence.decided,
    )


def judged(comparisons: Iterable[Comparison], headline: Key) -> list[Comparison]:
    """The headline comparisons, one a stage, in the order of stages."""
    found = {one.measure: one for one in comparisons if one.key == headline}
    return [found[stage.name] for stage in CHAIN if stage.name in found]


def first_gap(heads: Iterable[Comparison]) -> str | None:
    """The first stage with a breach."""
    return next((one.measure for one in heads if one.verdict is Verdict.BREACH), None)


class _Side(msgspec.Struct, frozen=True):
    whole: Sample
    strata: Mapping[Stratum, Sample]


EMPTY = Sample(0, 0, ())


class _Work:
    def __init__(self, evidence: Evidence, policy: ParityPolicy) -> None:
        self._lines = evidence.lines
        self._policy = policy
        self.headline = f"{GROUP}:{policy.headline}"
        self._reference = f"{GROUP}:{policy.reference}"
        self._sides: dict[tuple[str, str], dict[Key, _Side]] = {}
        self._told: defaultdict[Key, list[Line]] = defaultdict(list)
        for line in self._lines:
            if line.unit == RECIPIENT and all(getattr(line, one) for one in TOLD):
                self._told[key_of(line, GROUP)].append(line)
                self._told[key_of(line, PROVENANCE)].append(line)

    def told(self, key: Key) -> list[Line]:
        """Recipients that were told, of a class or group."""
        return self._told.get(key, [])

    def sides(self, measure: Measure, column: str) -> dict[Key, _Side]:
        """The measure for each value of a column, whole and by stratum."""
        known = self._sides.get((measure.name, column))
        if known is not None:
            return known
        names = self._policy.strata
        whole = counted(self._lines, measure, lambda line: key_of(line, column))
        placed: dict[tuple[Key, Stratum], str] = {}

        def place(line: Line) -> str:
            at = (key_of(line, column), tuple(getattr(line, name) for name in names))
            return placed.setdefault(at, str(len(placed)))

        by_stratum = counted(self._lines, measure, place)
        strata: dict[Key, dict[Stratum, Sample]] = {key: {} for key in whole}
        for (key, stratum), number in placed.items():
            strata[key][stratum] = by_stratum[number]
        made = {key: _Side(whole[key], strata[key]) for key in whole}
        self._sides[measure.name, column] = made
        return made

    def counts(self) -> Iterator[Count]:
        """Every count, by class, group and equality group."""
        columns = {measure.name: [GROUP, PROVENANCE] for measure in MEASURES}
        for measure in EQUALITY:
            columns[measure.name] += DIMENSIONS
        for measure in MEASURES:
            for column in columns[measure.name]:
                for key, side in sorted(self.sides(measure, column).items()):
                    yield Count(measure.name, key, side.whole.reached, side.whole.at_risk)

    def waited(self) -> Iterator[Waited]:
        """Time to consideration by group, then by class."""
        keys = sorted(self._told, key=lambda key: (not key.startswith(GROUP), key))
        for key in keys:
            yield waited(key, self._told[key], self._policy.level)

    def comparisons(self) -> tuple[Comparison, ...]:
        """All of them, the headline's stages first."""
        pairs = [
            *(pair for measure in CHAIN for pair in self._headline(measure)),
            *(pair for measure in MEASURES for pair in self._classes(measure)),
            *(pair for measure in EQUALITY for pair in self._equality(measure)),
        ]
        made = [pair for pair in pairs if pair[3].whole.at_risk and pair[4].whole.at_risk]
        level = corrected_level(self._policy.level, len(made))
        return tuple(self._compared(*pair, z_of(level)) for pair in made)

    def _headline(self, measure: Measure) -> Iterator[tuple[Measure, Key, Key, _Side, _Side]]:
        sides = self.sides(measure, GROUP)
        nobody = _Side(EMPTY, {})
        yield (
            measure,
            self.headline,
            self._reference,
            sides.get(self.headline, nobody),
            sides.get(self._reference, nobody),
        )

    def _classes(self, measure: Measure) -> Iterator[tuple[Measure, Key, Key, _Side, _Side]]:
        if measure not in CHAIN:
            yield from self._headline(measure)
        sides = self.sides(measure, PROVENANCE)
        members = [f"{PROVENANCE}:{one}" for one in self._policy.groups[self._policy.reference]]
        for key, side in sorted(sides.items()):
            others = [sides[one] for one in members if one in sides and one != key]
            against = f"rest of {self._reference}" if key in members else self._reference
            yield measure, key, against, side, _merged(others)

    def _equality(self, measure: Measure) -> Iterator[tuple[Measure, Key, Key, _Side, _Side]]:
        for column in DIMENSIONS:
            stated = {
                key: side
                for key, side in sorted(self.sides(measure, column).items())
                if key.partition(":")[2] not in NOT_COMPARED
            }
            for key, side in stated.items():
                others = [other for one, other in stated.items() if one != key]
                yield measure, key, f"rest of {column}", side, _merged(others)

    def _compared(
        self, measure: Measure, key: Key, against: Key, one: _Side, other: _Side, z: float
    ) -> Comparison:
        policy = self._policy
        plain = z_of(policy.level)
        ratio = relative_rate(one.whole, other.whole, plain)
        assert ratio is not None, "only sides with somebody at risk are compared"
        equal = adjusted(one.strata, other.strata, plain, ratio.widened)
        statements = (one.whole.statements, other.whole.statements)
        shared = (equal and equal.statements) or (0, 0)
        same_side = equal is not None and (equal.ratio.ratio > 1) == (ratio.ratio > 1)

        def judge(first: Ratio, second: Ratio | None) -> tuple[Verdict, Verdict, Verdict]:
            as_counted = of_interval(first, statements, policy)
            of_equal = of_interval(second, shared, policy)
            return as_counted, of_equal, together(as_counted, of_equal, same_side=same_side)

        as_counted, of_equal, verdict = judge(ratio, equal.ratio if equal else None)
        corrected = ratio.at(z)
        *_, verdict_corrected = judge(corrected, equal.ratio.at(z) if equal else None)
        return Comparison(
            measure=measure.name,
            key=key,
            against=against,
            ratio=ratio,
            corrected=corrected,
            adjusted=equal,
            as_counted=as_counted,
            equal_content=of_equal,
            verdict=verdict,
            verdict_corrected=verdict_corrected,
            rests_on=self._rests_on(measure, key, against),
        )

    def _rests_on(self, measure: Measure, key: Key, against: Key) -> tuple[Key, ...]:
        column = key.partition(":")[0]
        if column in DIMENSIONS:
            stated = self.sides(measure, column)
            return tuple(sorted(one for one in stated if one.partition(":")[2] not in NOT_COMPARED))
        return (key, against.removeprefix("rest of "))


def _merged(sides: Iterable[_Side]) -> _Side:
    """Several as one."""
    found = list(sides)
    strata: dict[Stratum, list[Sample]] = {}
    for side in found:
        for stratum, sample in side.strata.items():
            strata.setdefault(stratum, []).append(sample)
    return _Side(
        _sum(side.whole for side in found), {one: _sum(held) for one, held in strata.items()}
    )


def _sum(samples: Iterable[Sample]) -> Sample:
    found = list(samples)
    return Sample(
        sum(one.reached for one in found),
        sum(one.at_risk for one in found),
        tuple(cluster for one in found for cluster in one.clusters),
    )


__all__ = ["ALL", "Comparison", "Count", "Figures", "figures", "first_gap", "judged"]
