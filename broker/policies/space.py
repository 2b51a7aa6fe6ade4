"""The space of decisions that a data protection officer reads: every combination of what matters.

Every combination is decided by `broker.decide.decide`, as in production, for a statement that holds
every field of the catalogue. Values that no rule can tell apart are asked about once and counted as
many times as they are: types of event, kinds of publisher, handling.
"""

from __future__ import annotations

import datetime
import itertools
import math
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any, TypeVar

import msgspec

from broker.decide import Agreement, PartFacts, PolicyBundle, decide
from broker.decide.decision import ENGLAND
from broker.decide.grounds import PART3, UK_GDPR
from broker.model.fields import FIELD_GROUP
from broker.model.reference import Organisation, Reference
from broker.model.types import Audience, EventType, NexusKind, PartKind
from broker.model.values import Candidate, Decision
from broker.policies.discern import DiscerningBundle

AXES = (
    "recipient",
    "agreements",
    "capacity",
    "event_type",
    "part",
    "handling",
    "facts",
    "publisher",
)
"""What a combination is made of, in the order in which a reader asks."""
CAPACITIES = (
    *(one.value for one in NexusKind),
    "harm_place",
    "earlier_concern",
    "asked",
    "requester",
    "originator",
    "adjacent",
)
POLICE = "police"
UNKNOWN = "unknown"
HANDLING_P, HANDLING_C = "P", "C"
ValueT = TypeVar("ValueT")


class About(msgspec.Struct, frozen=True):
    """What the part is about."""

    name: str
    kind: PartKind
    changes: dict[str, Any] = {}


PARTS = (
    About("a child", PartKind.SUBJECT),
    About("a place", PartKind.PLACE),
    About("a place, naming no person", PartKind.PLACE, {"depersonalised": True}),
    About("a group", PartKind.GROUP),
)


class Handling(msgspec.Struct, frozen=True):
    """A handling code with at most one condition."""

    name: str
    code: str
    conditions: tuple[str, ...] = ()


class Situation(msgspec.Struct, frozen=True):
    """One fact about the statement that changes what may be told; the others stay ordinary."""

    name: str
    changes: dict[str, Any]
    serves_placement: bool = False


SITUATIONS = (
    Situation("across a border", {}),
    Situation("within one area", {"cross_border": False}),
    Situation("not known to be safe to tell the family", {"family_unsafe": True}),
    Situation("source could be recognised", {"source_identifiable": True}),
    Situation("placed away, near this recipient", {"placed_away": True}, serves_placement=True),
    Situation("placed away, elsewhere", {"placed_away": True}),
    Situation("asked for without a reason", {"necessity_stated": False}),
    Situation("answers a request", {"is_answer": True}),
)
"""One special fact at a time; `across a border` is the ordinary one."""


class Relation(msgspec.Struct, frozen=True):
    """Two organisations that stand for all with the same kind, door and agreements between them."""

    publisher: Organisation
    recipient: Organisation
    agreements: tuple[str, ...]
    lapsed: str | None
    regime: str = UK_GDPR
    """`part3` for what police hold for law enforcement."""

    @property
    def publisher_in_words(self) -> str:
        """The kind of publisher, as rows have it."""
        if self.publisher.country != ENGLAND:
            return f"{self.publisher.kind} elsewhere"
        if self.regime == PART3:
            return f"{self.publisher.kind}, for law enforcement"
        return self.publisher.kind

    @property
    def agreements_in_words(self) -> str:
        """Ids of the agreements in force between the two, or why there is none."""
        return " + ".join(self.agreements) or self.lapsed or "no_agreement"


class Combination(msgspec.Struct, frozen=True):
    """Values that are decided alike, by axis; each stands for all its values, and is counted so."""

    values: tuple[frozenset[str], ...]
    """In the order of AXES."""
    decision: Decision


class Space:
    """The enumerated space of one bundle on one day."""

    def __init__(
        self,
        bundle: PolicyBundle,
        reference: Reference,
        on: datetime.date,
        *,
        agreement: str | None = None,
        publisher: str | None = None,
    ) -> None:
        """With `agreement` only where it is in force; with `publisher` only that kind's statements."""
        self.bundle = DiscerningBundle(bundle)
        self.reference = reference
        self.on = on
        self.handlings = _handlings(bundle)
        self.relations = [
            one
            for one in _relations(bundle, reference, on)
            if (agreement is None or agreement in one.agreements)
            and publisher in (None, one.publisher.kind)
        ]
        doors = sum(len(one.recipient.roles) for one in self.relations)
        of_each = (CAPACITIES, EventType, PARTS, self.handlings, SITUATIONS)
        self.size = doors * math.prod(len(one) for one in of_each)
        """How many single combinations there are: all axes for each pair that can meet."""

    def combinations(self) -> Iterator[Combination]:
        """Every combination, each once: disjoint, and together the whole space."""
        for relation, publishers in self._alike():
            agreements = frozenset({relation.agreements_in_words})
            kind = relation.recipient.kind
            for doors in _classes(relation.recipient.roles, self._door_key(relation)):
                recipients = frozenset(f"{kind}:{door}" for door in doors)
                for rest, decision in self._of_relation(relation, doors[0]):
                    yield Combination((recipients, agreements, *rest, publishers), decision)

    def decide(self, relation: Relation, role: str, capacity: str, facts: PartFacts) -> Decision:
        """The decision for one combination, by the same code as in production."""
        organisation = relation.recipient
        candidate = Candidate(
            organisation.code, role, (capacity,), organisation.kind, organisation.country
        )
        return decide(facts, candidate, self.bundle, self.reference)

    def facts(
        self,
        relation: Relation,
        event_type: str = EventType.CONCERN.value,
        about: About = PARTS[0],
        handling: Handling | None = None,
        situation: Situation = SITUATIONS[0],
    ) -> PartFacts:
        """A statement that holds every field, with these facts and otherwise ordinary."""
        handled = handling or self.handlings[0]
        areas = relation.recipient.areas if situation.serves_placement else ()
        ordinary = PartFacts(
            on=self.on,
            event_type=event_type,
            part=about.kind.value,
            publisher=relation.publisher,
            handling=handled.code,
            conditions=handled.conditions,
            withheld_from=frozenset(),
            placement_areas=frozenset(areas),
            placed_away=False,
            cross_border=True,
            family_unsafe=False,
            parents_unsafe=False,
            child_unsafe=False,
            source_identifiable=False,
            grading_unlabelled=False,
            adult=False,
            at_a_distance=False,
            emergency_placement=False,
            missing_for_placement=(),
            audiences=frozenset(one.value for one in Audience),
            present=tuple(FIELD_GROUP),
            equality=(),
            necessity_stated=True,
            is_answer=False,
            regime=relation.regime,
        )
        return msgspec.structs.replace(ordinary, **about.changes, **situation.changes)

    def _alike(self) -> Iterator[tuple[Relation, frozenset[str]]]:
        """Relations that differ only by kinds of publisher that no rule can tell apart."""
        found: dict[Hashable, list[Relation]] = {}
        for one in self.relations:
            to = (one.recipient.kind, one.recipient.country, one.recipient.roles)
            probes = tuple(
                self._probe(one, one.recipient.roles[0], self.facts(one, kind.value))
                for kind in EventType
            )
            found.setdefault((to, one.agreements, one.lapsed, probes), []).append(one)
        for alike in found.values():
            yield alike[0], frozenset(one.publisher_in_words for one in alike)

    def _of_relation(
        self, relation: Relation, role: str
    ) -> Iterator[tuple[tuple[frozenset[str], ...], Decision]]:
        """Every combination of the other axes, special facts that change nothing put together."""

        def probe(**chosen: Any) -> Hashable:
            return self._probe(relation, role, self.facts(relation, **chosen))

        types = _classes([one.value for one in EventType], lambda one: probe(event_type=one))
        parts = _classes(PARTS, lambda one: probe(about=one))
        ways = _classes(self.handlings, lambda one: probe(handling=one))
        for of_types, of_parts, of_ways in itertools.product(types, parts, ways):
            statements = [
                (one.name, self.facts(relation, of_types[0], of_parts[0], of_ways[0], one))
                for one in SITUATIONS
            ]
            shared = (
                frozenset(of_types),
                frozenset(one.name for one in of_parts),
                frozenset(one.name for one in of_ways),
            )
            for capacity in CAPACITIES:
                alike: dict[Hashable, tuple[Decision, list[str]]] = {}
                for name, facts in statements:
                    decision = self.decide(relation, role, capacity, facts)
                    alike.setdefault(answer_of(decision), (decision, []))[1].append(name)
                for decision, names in alike.values():
                    yield (frozenset({capacity}), *shared, frozenset(names)), decision

    def _door_key(self, relation: Relation) -> Callable[[str], Hashable]:
        """Doors are alike only if they are for every type of event: an agreement may speak of a few."""
        return lambda role: tuple(
            self._probe(relation, role, self.facts(relation, kind.value)) for kind in EventType
        )

    def _probe(self, relation: Relation, role: str, facts: PartFacts) -> Hashable:
        """For each capacity what is decided and what the policies saw: equal where nothing differs."""
        found = []
        for capacity in CAPACITIES:
            self.bundle.last_seen = None
            decision = self.decide(relation, role, capacity, facts)
            found.append((answer_of(decision), self.bundle.last_seen))
        return tuple(found)


def answer_of(decision: Decision) -> Hashable:
    """What was decided, without for whom: equal where a reader sees no difference."""
    return (
        decision.outcome,
        decision.mode,
        decision.released,
        decision.withheld,
        decision.reasons,
    )


def _handlings(bundle: PolicyBundle) -> tuple[Handling, ...]:
    return (
        Handling("P", HANDLING_P),
        Handling("C", HANDLING_C),
        *(Handling(f"C {name}", HANDLING_C, (name,)) for name in sorted(bundle.conditions)),
        Handling("C with an unknown condition", HANDLING_C, ("a condition that nobody knows",)),
        Handling("unknown code", UNKNOWN),
    )


def _classes(values: Sequence[ValueT], key: Callable[[ValueT], Hashable]) -> list[list[ValueT]]:
    """The values in groups of equal key, in order of appearance."""
    found: dict[Hashable, list[ValueT]] = {}
    for value in values:
        found.setdefault(key(value), []).append(value)
    return list(found.values())


def _relations(bundle: PolicyBundle, reference: Reference, on: datetime.date) -> Iterator[Relation]:
    """One for each kind of publisher, kind of recipient and set of agreements that can meet."""
    firsts: dict[Hashable, Organisation] = {}
    for one in reference.organisations.values():
        if one.in_force(on):
            firsts.setdefault((_kind_of(one), _lines(bundle, one)), one)
    found: dict[Hashable, Relation] = {}
    for publisher, recipient in itertools.product(firsts.values(), repeat=2):
        profile = bundle.profile(publisher.code, recipient.code, on, reference)
        ids = tuple(one.id for one in profile.agreements if _ever_speaks(one, recipient.kind))
        for regime in (UK_GDPR, PART3) if publisher.kind == POLICE else (UK_GDPR,):
            key = (_kind_of(publisher), _kind_of(recipient), ids, profile.lapsed, regime)
            relation = Relation(publisher, recipient, ids, profile.lapsed, regime)
            found.setdefault(key, relation)
    yield from found.values()


def _ever_speaks(agreement: Agreement, kind: str) -> bool:
    """Whether it says anything to this kind of recipient; if not, it changes nothing for it."""
    return any(agreement.speaks(kind, one.value) for one in EventType)


def _kind_of(organisation: Organisation) -> tuple[str, bool, tuple[str, ...]]:
    return organisation.kind, organisation.country == ENGLAND, organisation.roles


def _lines(bundle: PolicyBundle, one: Organisation) -> tuple[tuple[str, str], ...]:
    """Which lines of which agreements cover an organisation: what its agreements depend on."""
    return tuple(
        (agreement.id, party.id)
        for agreement in bundle.agreements
        for party in agreement.parties
        if party.covers(one) and one.country == agreement.country
    )
