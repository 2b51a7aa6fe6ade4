"""What the observations of a claim add up to.

Within one origin the most counts; an echo adds nothing. Origins that stand alone are added. An
origin with a stated dependence adds its independent share; the rest it may have in common with what
it depends on, so of such a rest only what goes beyond counts, once for each group. A record of
unknown origin is assumed independent of nothing: it adds nothing, and the claim is worth no less.

So no record, whatever it states, takes away anything that an origin that stands alone adds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from broker.model.values import Claim, Observation
from broker.weigh.evidence import evidence_of, known_as
from broker.weigh.parameters import WHOLE, WeightParameters

FIRST_HAND = "direct"
RANK = {"direct": 3, "indirect": 2, "not_known": 1, "specific": 3, "partial": 2, "general": 1}


class Origin(msgspec.Struct):
    """What the records of one origin say together; filled while they are read."""

    evidence: int = 0
    at_first_hand: bool = False
    ties: dict[str, int] = {}
    """Origin that it may depend on -> discount per mille, the highest that any record states."""

    @property
    def common(self) -> int:
        """The evidence that it may have in common with what it depends on.

        All of it unless it was seen or heard at first hand: two people of one household are two
        witnesses only if each observed it.
        """
        rho = max(self.ties.values(), default=0) if self.at_first_hand else WHOLE
        return self.evidence * rho // WHOLE

    @property
    def independent_in_part(self) -> bool:
        """Whether some of its evidence is its own."""
        return self.common < self.evidence


class Sum(msgspec.Struct, frozen=True):
    """The evidence of a claim, and what it is made of."""

    evidence: int
    """Thousandths of log-odds above `WeightParameters.start`; never negative."""
    independent: int
    """Origins that count as independent of each other; at least 1 where there is an observation."""
    discounted: bool
    """Whether a stated dependence made some origin count only in part, or not at all."""
    strongest: Observation | None
    """What counts most; among equals the better known, the more specific, the later one."""


def total(claim: Claim, parameters: WeightParameters) -> Sum:
    """The claim's evidence; the sequence of its observations does not matter."""
    counted = [(evidence_of(one, claim.as_of, parameters), one) for one in claim.observations]
    unknown = max((evidence for evidence, one in counted if one.origin_unknown), default=0)
    origins = _by_origin(counted)
    alone = {name: one for name, one in origins.items() if not one.ties}
    groups = _groups({name: one for name, one in origins.items() if one.ties})
    evidence = sum(one.evidence for one in alone.values())
    evidence += sum(_added(group, alone) for group in groups)
    return Sum(
        evidence=max(evidence, unknown),
        independent=max(_independent(alone, groups), min(1, len(counted))),
        discounted=evidence < sum(one.evidence for one in origins.values()),
        strongest=max(counted, key=_prominence)[1] if counted else None,
    )


def _prominence(counted: tuple[int, Observation]) -> tuple[object, ...]:
    evidence, one = counted
    return (
        evidence,
        RANK[known_as(one)],
        RANK.get(one.specificity, 0),
        one.observed_at,
        one.directness != "not_stated",
    )


def _by_origin(counted: Iterable[tuple[int, Observation]]) -> dict[str, Origin]:
    """The known origins: the most that a record says, and all that records say of dependence."""
    origins: dict[str, Origin] = {}
    for evidence, one in counted:
        if one.origin_unknown:
            continue
        origin = origins.get(one.origin)
        if origin is None:
            origin = origins[one.origin] = Origin()
        origin.evidence = max(origin.evidence, evidence)
        origin.at_first_hand = origin.at_first_hand or known_as(one) == FIRST_HAND
        for other, rho in one.dependent_on:
            if other != one.origin:
                origin.ties[other] = max(rho, origin.ties.get(other, 0))
    return origins


def _added(group: Iterable[Origin], alone: Mapping[str, Origin]) -> int:
    """The evidence that a group of tied origins adds to those that stand alone."""
    own = 0
    in_common = 0
    for origin in group:
        counted_already = sum(alone[name].evidence for name in origin.ties if name in alone)
        own += origin.evidence - origin.common
        in_common = max(in_common, origin.common - counted_already)
    return own + in_common


def _independent(alone: Mapping[str, Origin], groups: Iterable[Iterable[Origin]]) -> int:
    """How many origins are independent of each other.

    Of two that are tied in part both count only if each was at first hand; a group whose members
    are wholly tied counts once, or not at all where one that it names stands alone.
    """
    second_to: set[str] = set()
    from_groups = 0
    for group in groups:
        named = {name for origin in group for name in origin.ties if name in alone}
        witnesses = [origin for origin in group if origin.independent_in_part]
        beside = {name for origin in witnesses for name in origin.ties if name in alone}
        second_to |= {name for name in beside if not alone[name].at_first_hand}
        from_groups += len(witnesses) or (0 if named - second_to else 1)
    return max(len(alone), len(alone) - len(second_to) + from_groups)


def _groups(tied: Mapping[str, Origin]) -> list[list[Origin]]:
    """Tied origins, those together that name each other or a third in common, seen or not."""
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        while parent.setdefault(name, name) != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    for name, origin in tied.items():
        for other in origin.ties:
            parent[root(other)] = root(name)
    found: dict[str, list[Origin]] = {}
    for name, origin in tied.items():
        found.setdefault(root(name), []).append(origin)
    return list(found.values())
