"""The policy bundle: law and agreements as loaded, with what was already answered.

Immutable in what it says. It keeps parsed policy sets, profiles and rulings: answers that it would
give again, so that a warm decision asks Cedar nothing.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import Any

from broker.decide.cedar import EXISTENCE, Court
from broker.decide.facts import PartFacts, Recipient
from broker.decide.law import Agreement, Condition, Gateway, Permit, Profile, resolve_profile
from broker.decide.rules import Circumstances, Ruling, rule
from broker.model.fields import GROUPS
from broker.model.reference import Reference

QUESTIONS = (*GROUPS, EXISTENCE)
_KEPT = 50_000
"""Profiles and rulings that are kept; beyond that the memory is emptied and filled anew."""


class PolicyBundle:
    """Law, gateways, conditions and agreements of one version."""

    def __init__(
        self,
        *,
        court: Court,
        permits: Mapping[str, Permit],
        gateways: Sequence[Gateway],
        conditions: Mapping[str, Condition],
        agreements: Sequence[Agreement],
        bundle_hash: str,
    ) -> None:
        """Made by `broker.policies.load_bundle`, which checks that the pieces fit."""
        self.court = court
        self.permits = permits
        self.gateways = tuple(gateways)
        self.conditions = conditions
        self.agreements = tuple(agreements)
        self.bundle_hash = bundle_hash
        self._profiles: dict[tuple[str, str, datetime.date], Profile] = {}
        self._gateways: dict[tuple[str, str, datetime.date], tuple[str, ...]] = {}
        self._rulings: dict[tuple[Circumstances, str | None], Ruling] = {}

    def profile(
        self, publisher: str, recipient: str, on: datetime.date, known: Reference
    ) -> Profile:
        """The agreements in force between two organisations on a day."""
        key = (publisher, recipient, on)
        found = self._profiles.get(key)
        if found is None:
            found = resolve_profile(
                self.agreements,
                known.organisation(publisher, on),
                known.organisation(recipient, on),
                on,
            )
            _keep(self._profiles, key, found)
        return found

    def circumstances(
        self, facts: PartFacts, recipient: Recipient, agreements: tuple[str, ...]
    ) -> Circumstances:
        """What the law may look at for this part and this recipient."""
        kind = facts.publisher.kind if facts.publisher else "unknown"
        return Circumstances(
            role=recipient.role,
            kind=recipient.kind,
            country=recipient.country,
            capacity=recipient.capacity,
            event_type=facts.event_type,
            part=facts.part,
            origin_kind=kind,
            handling=facts.handling,
            conditions=tuple(one for one in facts.conditions if one in self.conditions),
            gateways=self._open_gateways(kind, facts.event_type, facts.on),
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
        )

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

    def _open_gateways(self, kind: str, event_type: str, on: datetime.date) -> tuple[str, ...]:
        key = (kind, event_type, on)
        found = self._gateways.get(key)
        if found is None:
            found = tuple(one.id for one in self.gateways if one.opens(kind, event_type, on))
            _keep(self._gateways, key, found)
        return found


def _keep(memory: dict[Any, Any], key: Any, value: Any) -> None:
    if len(memory) >= _KEPT:
        memory.clear()
    memory[key] = value
