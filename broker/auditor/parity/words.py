"""The parity report in words: what the data say, what they do not, and how each thing is called."""

from __future__ import annotations

import msgspec

from broker.auditor.parity.counterfactual import Checked, Counterfactual
from broker.auditor.parity.figures import Comparison, Figures
from broker.auditor.parity.measures import CHAIN, NAMED, Key
from broker.auditor.parity.policy import ParityPolicy
from broker.auditor.parity.rates import Ratio

LOOK = {"breach": "bold red", "pass": "green", "insufficient": "yellow", "not shown": "dim"}
NOT_SHOWN = "not shown"
SUPPRESSED = "1-5 or hidden"
LEAST, MOST = 0.01, 100
"""Beyond these an interval says nothing that a digit would add to."""
NOTHING = "\N{EN DASH}"
OF_GROUP = {
    "family_or_community": "families and the community",
    "professional": "professionals",
}


class StageRow(msgspec.Struct, frozen=True):
    """One comparison, ready to be shown."""

    measure: str
    title: str
    who: str
    against: str
    one: float | None
    other: float | None
    of_one: str
    """Rate with its counts."""
    of_other: str
    ratio: str
    interval: str
    corrected: str
    equal: str
    verdict: str
    verdict_corrected: str


class Said(msgspec.Struct, frozen=True):
    """The top of the report."""

    verdict: str
    says: tuple[str, ...]
    does_not: tuple[str, ...]


def words(key: Key) -> str:
    """A class, group or value as people call it."""
    rest = key.removeprefix("rest of ")
    value = rest.partition(":")[2] or rest
    said = value.replace("_", " ")
    return f"all other {said}" if rest != key else said


def percent(share: float | None) -> str:
    """Of a hundred, with a digit where that says something."""
    if share is None:
        return NOTHING
    return f"{share * 100:.1f} %" if 0 < share < 1 else f"{share * 100:.0f} %"


def interval(one: Ratio | None) -> str:
    """From and to."""
    if one is None:
        return NOTHING
    low = f"{one.low:.2f}" if one.low >= LEAST else f"under {LEAST}"
    high = f"{one.high:.2f}" if one.high <= MOST else f"over {MOST}"
    return f"{low} to {high}"


def hours(value: float | None) -> str:
    """Hours with a digit where there is one."""
    return NOTHING if value is None else f"{value:.1f}".removesuffix(".0")


def p_value(value: float) -> str:
    """As it is written in reports."""
    return "below 0.001" if value < 0.001 else f"{value:.3f}"


def stage_rows(figures: Figures) -> list[StageRow]:
    """The headline, stage by stage."""
    return [row_of(one, figures) for one in figures.headlines]


def row_of(one: Comparison, figures: Figures) -> StageRow:
    """One comparison, with the rates where all their counts are shown."""
    counted = {
        count.key: (count.reached, count.at_risk)
        for count in figures.counts
        if count.measure == one.measure
        and not one.hidden
        and count.reached is not None
        and count.at_risk
    }
    rates = {key: reached / at_risk for key, (reached, at_risk) in counted.items()}
    nobody = rates.get(one.key) == 0 == rates.get(one.against)

    def with_counts(key: Key) -> str:
        if key not in counted:
            return NOT_SHOWN if one.hidden else NOTHING
        reached, at_risk = counted[key]
        return f"{percent(rates[key])} ({reached:,} of {at_risk:,})"

    return StageRow(
        measure=one.measure,
        title=NAMED[one.measure].title,
        who=words(one.key),
        against=words(one.against),
        one=rates.get(one.key),
        other=rates.get(one.against),
        of_one=with_counts(one.key),
        of_other=with_counts(one.against),
        ratio=NOTHING if one.ratio is None or nobody else f"{one.ratio.ratio:.2f}",
        interval=interval(one.ratio),
        corrected=interval(one.corrected),
        equal=_equal(one),
        verdict=NOT_SHOWN if one.hidden else one.verdict.value,
        verdict_corrected=NOT_SHOWN if one.hidden else one.verdict_corrected.value,
    )


def _equal(one: Comparison) -> str:
    if one.adjusted is None:
        return NOTHING
    return f"{one.adjusted.ratio.ratio:.2f} ({interval(one.adjusted.ratio)})"


def found_out(figures: Figures, weights: Counterfactual | None, policy: ParityPolicy) -> Said:
    """Plain sentences for the top; never more than the figures bear."""
    verdicts = {
        "breach": f"Breach: a gap opens at the stage “{_title(figures.first_gap)}”.",
        "pass": "Pass: at every stage both fared alike, within the band.",
        "insufficient": "Insufficient: the data do not bear a verdict over all stages.",
    }
    rows = stage_rows(figures)
    says = [*_gap(figures, rows), *_open(rows), _completeness(figures), *_of_weights(weights)]
    return Said(verdicts[figures.overall.value], tuple(says), _limits(figures, policy))


def _title(stage: str | None) -> str:
    return NAMED[stage].title.lower() if stage else ""


def _gap(figures: Figures, rows: list[StageRow]) -> list[str]:
    found = [row for row in rows if row.verdict == "breach"]
    said = []
    for row in found:
        first = (
            "It is the first gap that the data show. " if row.measure == figures.first_gap else ""
        )
        held = "holds" if row.verdict_corrected == "breach" else "does not hold"
        said.append(
            f"{row.title}: {percent(row.one)} for what families and the community said, "
            f"{percent(row.other)} for what professionals said; ratio {row.ratio} "
            f"({row.interval}). {first}It {held} when all comparisons are taken together."
        )
    return said


def _open(rows: list[StageRow]) -> list[str]:
    """Which stages pass, and which nobody can judge."""
    said = []
    for verdict, words_ in (
        ("pass", "Alike within the band: {}."),
        ("insufficient", "Too little, or too uncertain, to say either way: {}."),
        (NOT_SHOWN, "Not shown, because a number of 1 to 5 could be worked out from it: {}."),
    ):
        found = [row.title.lower() for row in rows if row.verdict == verdict]
        if found:
            said.append(words_.format(", ".join(found)))
    missing = [
        stage.title.lower() for stage in CHAIN if stage.name not in {r.measure for r in rows}
    ]
    if missing:
        said.append(f"Nothing to compare on one side or both: {', '.join(missing)}.")
    return said


def _completeness(figures: Figures) -> str:
    if figures.complete:
        return "Every part of every accepted statement was decided for every candidate (100 %)."
    said = "Not every part of every accepted statement was decided in full, and 100 % is expected"
    if figures.listed and figures.decided is not None:
        return f"{said}: {figures.decided} of {figures.listed}."
    return f"{said}."


def _of_weights(weights: Counterfactual | None) -> list[str]:
    if weights is None:
        return ["No subjects' keys are here, so no weight could be made again from another voice."]
    counts = weights.counts
    same = counts[Checked.SAME]
    if weights.differences:
        return [
            (
                "Weights: NOT all the same from every voice. The set ids are listed for the "
                "authorised auditor."
            )
        ]
    said = f"Weights: {shown(same)} made again from each of {weights.voices} voices, none differs"
    erased = [
        f"{shown(counts[one])} {one.value}"
        for one in (Checked.FROM_ROW, Checked.ERASED, Checked.UNREADABLE)
        if counts[one]
    ]
    return [f"{said}{'; ' + ', '.join(erased) if erased else ''}."]


def shown(count: int | None) -> str:
    """A count; suppressed ones say so."""
    return SUPPRESSED if count is None or count < 0 else f"{count:,}"


def _limits(figures: Figures, policy: ParityPolicy) -> tuple[str, ...]:
    compared = len(figures.comparisons)
    return (
        "Why a gap is there: a difference is a reason to look, not a finding against anyone.",
        "What was never stated to the broker, or not accepted by it.",
        "That two voices fare alike where the verdict is “insufficient”: it is no pass.",
        (
            f"{compared} comparisons were made. At {policy.level:.0%} about "
            f"{compared * (1 - policy.level):.0f} of so many intervals miss by chance alone, so "
            "each verdict is also given for intervals that hold together (Bonferroni)."
        ),
    )
