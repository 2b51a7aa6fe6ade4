"""Same facts, same outcome: whether authorities were treated alike, and what explains where not.

Pure. Decisions with equal facts (`consistency_facts`) form a group. Where outcomes differ within one,
the difference is explained by another agreement in force, by another version of policy, geography,
register or parameters, or by nothing: that is a finding.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any

import msgspec

from broker.auditor.consistency_facts import Gathered, Item
from broker.model.canonical import canonical_json

VERSIONS = ("bundle", "geography", "register", "parameters")
OUTCOMES = ("PERMIT", "DENY", "REVIEW")


class Why(StrEnum):
    """What explains a difference."""

    AGREEMENT = "agreement"
    VERSION = "policy version"
    NOTHING = "unexplained"


class Variant(msgspec.Struct, frozen=True):
    """One of the outcomes that equal facts had, and where."""

    outcome: Mapping[str, Any]
    agreements: tuple[tuple[str, ...], ...]
    """Sets of agreements in force under which it came about."""
    versions: tuple[str, ...]
    """What differs in version from the other variants, as `bundle <hash>`."""
    publishers: tuple[str, ...]
    recipients: tuple[str, ...]
    sets: tuple[str, ...]


class Disagreement(msgspec.Struct, frozen=True):
    """Equal facts with unequal outcomes."""

    question: str
    group: str
    why: Why
    differs: tuple[str, ...]
    """Which parts of the outcome."""
    facts: Mapping[str, Any]
    variants: tuple[Variant, ...]
    explained_by: tuple[str, ...] = ()
    """Agreements, or hashes as `bundle <hash>`, that some have and others have not."""
    confirmed: str = ""
    """What replay under the other version showed; empty where it was not or could not be tried."""


class Rate(msgspec.Struct, frozen=True):
    """How often a group was told, refused or put before a person, under one policy bundle."""

    group: str
    bundle: str
    first_decided_at: int
    permit: int
    deny: int
    review: int


class Consistency(msgspec.Struct, frozen=True):
    """What was compared and found."""

    sets: int
    decisions: int
    groups: int
    shared: int
    """Groups with at least two members: only those can agree or differ."""
    across: int
    """Groups that more than one authority's statements or recipients are in."""
    disagreements: tuple[Disagreement, ...]
    rates: tuple[Rate, ...]
    by_people: int
    without_rows: int
    older: int

    @property
    def unexplained(self) -> tuple[Disagreement, ...]:
        """The findings."""
        return tuple(one for one in self.disagreements if one.why is Why.NOTHING)


def consistency(gathered: Gathered) -> Consistency:
    """Every group compared. The order of the ledger changes nothing."""
    groups: defaultdict[tuple[str, str], list[Item]] = defaultdict(list)
    for item in gathered.items:
        groups[item.question, item.group].append(item)
    members = [groups[key] for key in sorted(groups)]
    return Consistency(
        sets=gathered.sets,
        decisions=sum(1 for one in gathered.items if one.question == "disclosure"),
        groups=len(members),
        shared=sum(len(one) > 1 for one in members),
        across=sum(_several(one) for one in members),
        disagreements=tuple(found for one in members for found in _disagreements(one)),
        rates=tuple(_rates(gathered.items)),
        by_people=gathered.by_people,
        without_rows=gathered.without_rows,
        older=gathered.older,
    )


def _several(items: Sequence[Item]) -> bool:
    organisations = {one.recipient.partition(":")[0] for one in items}
    return len(organisations) > 1 or len({one.publisher for one in items}) > 1


def _disagreements(items: Sequence[Item]) -> list[Disagreement]:
    """At most one of each kind: within like circumstances, between agreements, between versions."""
    if len({_said(one) for one in items}) == 1:
        return []
    alike: defaultdict[tuple[Any, ...], list[Item]] = defaultdict(list)
    by_version: defaultdict[tuple[Any, ...], list[Item]] = defaultdict(list)
    by_agreement: defaultdict[tuple[Any, ...], list[Item]] = defaultdict(list)
    for one in items:
        version = msgspec.structs.astuple(one.hashes)
        alike[one.agreements, version].append(one)
        by_version[version].append(one)
        by_agreement[one.agreements].append(one)
    unlike = [one for one in alike.values() if len({_said(item) for item in one}) > 1]
    if unlike:
        return [_disagreement(Why.NOTHING, [item for one in unlike for item in one])]
    found = []
    between = [one for one in by_version.values() if len({_said(item) for item in one}) > 1]
    if between:
        found.append(_disagreement(Why.AGREEMENT, [item for one in between for item in one]))
    over = [one for one in by_agreement.values() if len({_said(item) for item in one}) > 1]
    if over:
        found.append(_disagreement(Why.VERSION, [item for one in over for item in one]))
    if found:
        return found
    # Both changed together, so neither alone can be held responsible: both are named.
    both = _disagreement(Why.AGREEMENT, items)
    named = (*both.explained_by, *_versions(items))
    return [msgspec.structs.replace(both, explained_by=named)]


def _disagreement(why: Why, items: Sequence[Item]) -> Disagreement:
    by_outcome: defaultdict[str, list[Item]] = defaultdict(list)
    for one in items:
        by_outcome[_said(one)].append(one)
    first = items[0]
    ordered = sorted(by_outcome.values(), key=lambda one: (-len(one), _said(one[0])))
    outcomes = [one[0].outcome for one in ordered]
    differs = tuple(
        name for name in first.outcome if len({_text(one[name]) for one in outcomes}) > 1
    )
    return Disagreement(
        question=first.question,
        group=first.group,
        why=why,
        differs=differs,
        facts=first.facts,
        variants=tuple(_variant(one, items) for one in ordered),
        explained_by=_explained_by(why, items),
    )


def _variant(mine: Sequence[Item], every: Sequence[Item]) -> Variant:
    changed = _versions(every)
    return Variant(
        outcome=mine[0].outcome,
        agreements=tuple(sorted({one.agreements for one in mine})),
        versions=tuple(one for one in _versions_of(mine) if one in changed),
        publishers=_each(one.publisher for one in mine),
        recipients=_each(one.recipient for one in mine),
        sets=_each(one.set_id for one in mine),
    )


def _explained_by(why: Why, items: Sequence[Item]) -> tuple[str, ...]:
    if why is Why.AGREEMENT:
        every = {name for one in items for name in one.agreements}
        shared = set.intersection(*(set(one.agreements) for one in items))
        return tuple(sorted(every - shared))
    return _versions(items) if why is Why.VERSION else ()


def _versions(items: Sequence[Item]) -> tuple[str, ...]:
    """Hashes of what is not the same for all, named."""
    found = _versions_of(items)
    counted = Counter(one.partition(" ")[0] for one in found)
    return tuple(one for one in found if counted[one.partition(" ")[0]] > 1)


def _versions_of(items: Sequence[Item]) -> tuple[str, ...]:
    return _each(f"{name} {getattr(one.hashes, name)}" for one in items for name in VERSIONS)


def _rates(items: Iterable[Item]) -> list[Rate]:
    found: defaultdict[tuple[str, str], list[Item]] = defaultdict(list)
    for one in items:
        if one.question == "disclosure":
            found[one.group, one.hashes.bundle].append(one)
    rates = []
    for (group, bundle), members in found.items():
        counted = Counter(one.decision for one in members)
        first = min(one.decided_at for one in members)
        rates.append(Rate(group, bundle, first, *(counted[one] for one in OUTCOMES)))
    return sorted(rates, key=lambda one: (one.group, one.first_decided_at, one.bundle))


def _each(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({one for one in values if one}))


def _said(item: Item) -> str:
    return _text(item.outcome)


def _text(value: Any) -> str:
    return canonical_json(value).decode()
