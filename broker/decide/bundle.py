"""The policy bundle: law and agreements as loaded, with what was already answered.

Immutable in what it says. It keeps parsed policy sets, profiles and rulings: answers that it would
give again, so that a warm decision asks Cedar nothing.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from broker.decide.cedar import EXISTENCE, FATE, Court, Verdict
from broker.decide.facts import PartFacts, Recipient
from broker.decide.grounds import LawfulBasis, LegalGround, lawful_basis
from broker.decide.law import (
    Agreement,
    AgreementIndex,
    Condition,
    Gateway,
    Permit,
    Profile,
    Use,
    resolve_profile,
)
from broker.decide.rules import Circumstances, Ruling, rule
from broker.model.fields import GROUPS
from broker.model.reference import Organisation, Reference
from broker.model.values import Decision, FieldRuling

QUESTIONS = (*GROUPS, EXISTENCE)
_KEPT = 50_000
"""Profiles and rulings that are kept; beyond that the memory is emptied and filled anew."""


Withheld = tuple[tuple[str, str], ...]
"""(field, reason code)."""


class Settled(msgspec.Struct, frozen=True):
    """What a ruling comes to for the fields that an event holds."""

    ruling: Ruling
    agreements: tuple[str, ...]
    """Those that have a say."""
    released: tuple[FieldRuling, ...]
    withheld: Withheld
    clauses: tuple[str, ...]
    """By which it is released, duties first."""
    gateways: tuple[str, ...]
    """On which it is released."""
    reasons: tuple[str, ...]
    """Why it is withheld, the most frequent first; equality fields left out."""


class Legislation(msgspec.Struct, frozen=True):
    """The law besides its Cedar text."""

    gateways: tuple[Gateway, ...]
    conditions: Mapping[str, Condition]
    grounds: tuple[LegalGround, ...]
    desk: str


class PolicyBundle:
    """Law, gateways, conditions and agreements of one version."""

    def __init__(
        self,
        *,
        court: Court,
        permits: Mapping[str, Permit],
        law: Legislation,
        agreements: Sequence[Agreement],
        bundle_hash: str,
    ) -> None:
        """Made by `broker.policies.load_bundle`, which checks that the pieces fit."""
        self.court = court
        self.permits = permits
        self.gateways = law.gateways
        self.conditions = law.conditions
        self.agreements = tuple(agreements)
        self.bundle_hash = bundle_hash
        self.grounds = law.grounds
        self.desk = law.desk
        """The duty desk that a pointer names, with its contact."""
        self._index = AgreementIndex(agreements)
        self._profiles: dict[tuple[str, str, datetime.date], Profile] = {}
        self._gateways: dict[Use, tuple[str, ...]] = {}
        self._speaking: dict[tuple[str, str, str], tuple[Agreement, ...]] = {}
        self.settled: dict[tuple[object, ...], Settled] = {}
        """Answers that were given before; only `broker.decide.decision` reads and adds to it."""
        self._rulings: dict[tuple[Circumstances, str | None], Ruling] = {}
        self._fates: dict[Circumstances, Verdict] = {}

    def profile(
        self, publisher: str, recipient: str, on: datetime.date, known: Reference
    ) -> Profile:
        """The agreements in force between two organisations on a day."""
        key = (publisher, recipient, on)
        found = self._profiles.get(key)
        if found is None:
            one, other = known.organisation(publisher, on), known.organisation(recipient, on)
            found = resolve_profile(self._shared(one, other), one, other, on)
            _keep(self._profiles, key, found)
        return found

    def speaking(self, profile: Profile, kind: str, event_type: str) -> tuple[Agreement, ...]:
        """The agreements of a profile that have a say about this recipient and statement."""
        key = (profile.hash, kind, event_type)
        found = self._speaking.get(key)
        if found is None:
            found = profile.speaking(kind, event_type)
            _keep(self._speaking, key, found)
        return found

    def keep_settled(self, key: tuple[object, ...], value: Settled) -> None:
        """Remembers an answer."""
        _keep(self.settled, key, value)

    def basis(self, facts: PartFacts, decision: Decision) -> LawfulBasis:
        """What a decision of this bundle rests on: gateways and provisions of data law."""
        kind = facts.publisher.kind if facts.publisher else "unknown"
        return lawful_basis(decision, kind, facts.regime, facts.on, self.permits, self.grounds)

    def forget(self, *, parsed_sets: bool = False) -> None:
        """Empties the memory of answers: what follows is asked anew and answered the same."""
        memories = (self._profiles, self._gateways, self._speaking, self._rulings, self._fates)
        for memory in memories:
            memory.clear()
        self.settled.clear()
        if parsed_sets:
            self.court.forget()

    def _shared(self, one: Organisation | None, other: Organisation | None) -> Sequence[Agreement]:
        return () if one is None or other is None else self._index.between(one, other)

    def circumstances(
        self, facts: PartFacts, recipient: Recipient, agreements: tuple[str, ...]
    ) -> Circumstances:
        """What the law may look at for this part and this recipient."""
        kind = facts.publisher.kind if facts.publisher else "unknown"
        held = tuple(one.id for one in self.conditions_for(facts, recipient.kind))
        return Circumstances(
            role=recipient.role,
            kind=recipient.kind,
            country=recipient.country,
            capacity=recipient.capacity,
            event_type=facts.event_type,
            part=facts.part,
            origin_kind=kind,
            handling="C" if held and facts.handling == "P" else facts.handling,
            conditions=held,
            gateways=self.open_gateways(facts, recipient),
            agreements=agreements,
            cross_border=facts.cross_border,
            family_unsafe=facts.family_unsafe,
            recipient_unsafe=recipient.unsafe,
            source_identifiable=facts.source_identifiable,
            grading_unlabelled=facts.grading_unlabelled,
            placed_away=facts.placed_away,
            serves_placement=recipient.serves_placement,
            necessity_stated=facts.necessity_stated,
            is_answer=facts.is_answer,
            adult=facts.adult,
            regime=facts.regime,
            depersonalised=facts.depersonalised,
        )

    def conditions_for(self, facts: PartFacts, kind: str) -> tuple[Condition, ...]:
        """The publisher's conditions that the broker knows and that bind this kind of recipient."""
        if not facts.conditions:
            return ()
        known = (self.conditions[one] for one in facts.conditions if one in self.conditions)
        return tuple(one for one in known if kind not in one.not_for)

    def ruling(self, circumstances: Circumstances, lapsed: str | None) -> Ruling:
        """What holds for every field; asked of Cedar once for the same circumstances."""
        key = (circumstances, lapsed)
        found = self._rulings.get(key)
        if found is None:
            verdicts = self.court.judge(
                circumstances.agreements, circumstances.context(), QUESTIONS
            )
            found = rule(verdicts, self.permits, circumstances.agreements, lapsed)
            _keep(self._rulings, key, found)
        return found

    def fate(self, circumstances: Circumstances) -> Verdict:
        """Whether a publisher may learn what came of its statement; of the law alone."""
        found = self._fates.get(circumstances)
        if found is None:
            found = self.court.judge((), circumstances.context(), [FATE])[FATE]
            _keep(self._fates, circumstances, found)
        return found

    def open_gateways(self, facts: PartFacts, recipient: Recipient) -> tuple[str, ...]:
        """Statutory gateways that are open for this part and this kind of recipient, by id."""
        kind = facts.publisher.kind if facts.publisher else "unknown"
        use = Use(kind, recipient.kind, facts.event_type, facts.part, facts.on)
        found = self._gateways.get(use)
        if found is None:
            found = tuple(one.id for one in self.gateways if one.opens(use))
            _keep(self._gateways, use, found)
        return found


def _keep(memory: dict[Any, Any], key: Any, value: Any) -> None:
    if len(memory) >= _KEPT:
        memory.clear()
    memory[key] = value
