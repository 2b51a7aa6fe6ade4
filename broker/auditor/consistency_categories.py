"""Whether agencies state the same category of the same subject and harm. The broker computes none.

Pure. Cohen's kappa between kinds of agency, and Fleiss' over subjects that equally many agencies have
spoken of (statsmodels.stats.inter_rater); below `ENOUGH` subjects, or where only one category occurs,
the answer is `insufficient`, and the plain share that agrees is shown with its number.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import combinations

import msgspec
from statsmodels.stats.inter_rater import cohens_kappa, fleiss_kappa

from broker.auditor.consistency_facts import Stated

ENOUGH = 30
"""Subjects below which kappa's interval says nothing."""
INSUFFICIENT = "insufficient"
Item = dict[str, Stated]
"""Publisher -> what it stated last of one subject and harm."""


class Agreement(msgspec.Struct, frozen=True):
    """How far statements agree."""

    scheme: str
    between: tuple[str, ...]
    """Two kinds of agency, or how many agencies spoke of each subject."""
    measure: str
    subjects: int
    same: int
    """Of which all state the same."""
    kappa: float | None
    low: float | None
    """Lower end of the 95 % interval, where the measure has one."""
    high: float | None
    verdict: str


def agreement(stated: Iterable[Stated]) -> tuple[Agreement, ...]:
    """By scheme: each pair of kinds that spoke of one subject, then all agencies together."""
    schemes: defaultdict[str, defaultdict[tuple[str, str], Item]] = defaultdict(
        lambda: defaultdict(dict)
    )
    for one in sorted(stated, key=lambda one: (one.decided_at, one.publisher, one.code)):
        schemes[one.scheme][one.subject, one.harm][one.publisher] = one
    found: list[Agreement] = []
    for scheme, items in sorted(schemes.items()):
        several = [one for one in items.values() if len(one) > 1]
        found += _between_kinds(scheme, several)
        found += _between_all(scheme, several)
    return tuple(found)


def _between_kinds(scheme: str, items: Sequence[Item]) -> list[Agreement]:
    pairs: defaultdict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
    for item in items:
        latest = {one.publisher_kind: one for one in item.values()}
        for one, other in combinations(sorted(latest), 2):
            pairs[one, other].append((latest[one].code, latest[other].code))
    return [_cohen(scheme, kinds, codes) for kinds, codes in sorted(pairs.items())]


def _cohen(scheme: str, kinds: tuple[str, str], codes: Sequence[tuple[str, str]]) -> Agreement:
    same = sum(one == other for one, other in codes)
    names = sorted({code for pair in codes for code in pair})
    if len(codes) < ENOUGH or len(names) < 2:
        return Agreement(scheme, kinds, "Cohen", len(codes), same, None, None, None, INSUFFICIENT)
    table = [[codes.count((one, other)) for other in names] for one in names]
    result = cohens_kappa(table)
    numbers = (float(result.kappa), float(result.kappa_low), float(result.kappa_upp))
    return _told(Agreement(scheme, kinds, "Cohen", len(codes), same, *numbers, ""))


def _between_all(scheme: str, items: Sequence[Item]) -> list[Agreement]:
    by_number: defaultdict[int, list[list[str]]] = defaultdict(list)
    for item in items:
        by_number[len(item)].append([one.code for one in item.values()])
    return [_fleiss(scheme, number, codes) for number, codes in sorted(by_number.items())]


def _fleiss(scheme: str, number: int, codes: Sequence[Sequence[str]]) -> Agreement:
    same = sum(len(set(one)) == 1 for one in codes)
    names = sorted({code for one in codes for code in one})
    between = (f"{number} agencies",)
    kappa = None
    if len(codes) >= ENOUGH and len(names) > 1:
        kappa = float(fleiss_kappa([[one.count(name) for name in names] for one in codes]))
    return _told(Agreement(scheme, between, "Fleiss", len(codes), same, kappa, None, None, ""))


def _told(one: Agreement) -> Agreement:
    """With its verdict: the words of Landis and Koch (1977), for the kappa itself."""
    if one.kappa is None or not math.isfinite(one.kappa):
        return msgspec.structs.replace(one, kappa=None, low=None, high=None, verdict=INSUFFICIENT)
    words = ((0.0, "poor"), (0.2, "slight"), (0.4, "fair"), (0.6, "moderate"), (0.8, "substantial"))
    said = next((name for limit, name in words if one.kappa <= limit), "almost perfect")
    return msgspec.structs.replace(one, verdict=said)
