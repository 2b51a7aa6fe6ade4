"""What a disclosure rests on: gateways, UK GDPR Articles 6, 9 and 10, Schedule 1, Part 3.

Derived from the decision and the bundle that it was made by, so the record need hold only the
clauses: whoever has both reads the same answer again (ICO code: record the basis of each decision).
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping

import msgspec

from broker.decide.law import Permit
from broker.model.values import Decision

UK_GDPR, PART3 = "uk_gdpr", "part3"


class LegalGround(msgspec.Struct, frozen=True):
    """One row of policies/law/grounds.yaml. What is empty does not narrow it."""

    id: str
    cites: str
    """The provision as it is cited."""
    publishers: frozenset[str] = frozenset()
    recipients: frozenset[str] = frozenset()
    regimes: frozenset[str] = frozenset()
    rests_on: frozenset[str] = frozenset()
    """`duty`, `power`."""
    fields: frozenset[str] = frozenset()
    """It is cited only where one of these is released."""
    in_force_from: datetime.date | None = None
    in_force_to: datetime.date | None = None

    def holds(self, disclosure: Disclosure) -> bool:
        """Whether it is cited for that disclosure."""
        return (
            (self.in_force_from is None or self.in_force_from <= disclosure.on)
            and (self.in_force_to is None or disclosure.on <= self.in_force_to)
            and (not self.publishers or disclosure.publisher_kind in self.publishers)
            and (not self.recipients or disclosure.recipient_kind in self.recipients)
            and (not self.regimes or disclosure.regime in self.regimes)
            and (not self.rests_on or not self.rests_on.isdisjoint(disclosure.rests_on))
            and (not self.fields or not self.fields.isdisjoint(disclosure.fields))
        )


class Disclosure(msgspec.Struct, frozen=True):
    """What is disclosed, as far as data law asks."""

    publisher_kind: str
    recipient_kind: str
    regime: str
    """`part3` where police hold it for law enforcement, else `uk_gdpr`."""
    rests_on: frozenset[str]
    fields: frozenset[str]
    on: datetime.date


class LawfulBasis(msgspec.Struct, frozen=True):
    """What one disclosure rests on. Empty for a refusal: nothing was disclosed."""

    gateways: tuple[str, ...]
    """Ids of gateways.yaml."""
    cites: tuple[str, ...]
    """Provisions of data law, in the order of grounds.yaml."""


def lawful_basis(
    decision: Decision,
    publisher_kind: str,
    regime: str,
    on: datetime.date,
    permits: Mapping[str, Permit],
    grounds: Iterable[LegalGround],
) -> LawfulBasis:
    """Gateways and provisions of a decision. A clause that a person chose has no permit and no gateway."""
    named = {*decision.reasons, *(one.clause for one in decision.released)}
    used = [permits[name] for name in named if name in permits]
    if not decision.released:
        return LawfulBasis((), ())
    disclosure = Disclosure(
        publisher_kind=publisher_kind,
        recipient_kind=decision.candidate.kind,
        regime=regime,
        rests_on=frozenset("duty" if one.duty else "power" for one in used),
        fields=frozenset(one.field for one in decision.released),
        on=on,
    )
    return LawfulBasis(
        gateways=decision.gateways,
        cites=tuple(one.cites for one in grounds if one.holds(disclosure)),
    )
