"""Law and agreements as values: gateways with their days, parties, clauses, agreements, profiles."""

from __future__ import annotations

import datetime
from collections.abc import Iterable

import msgspec

from broker.model.canonical import digest_text
from broker.model.reference import Organisation

IN_FORCE = "in_force"
EXPIRED = "agreement_expired"
NOT_SIGNED = "agreement_not_signed"
NOT_YET = "agreement_not_yet_in_force"
ENDED = "ended"


class Use(msgspec.Struct, frozen=True):
    """For what a gateway is asked about: who tells what to whom, and when."""

    publisher_kind: str
    recipient_kind: str
    event_type: str
    part: str
    on: datetime.date


class Gateway(msgspec.Struct, frozen=True):
    """A statutory gateway and the days on which it is law. `in_force_from` None: not commenced."""

    id: str
    title: str
    source: str
    in_force_from: datetime.date | None
    in_force_to: datetime.date | None = None
    never_from: frozenset[str] = frozenset()
    """Kinds of publisher for whose information it is no gateway."""
    never_for: frozenset[str] = frozenset()
    """Types of event for which it is no gateway."""
    only_to: frozenset[str] = frozenset()
    """Kinds of recipient that it reaches; empty means any."""
    only_parts: frozenset[str] = frozenset()
    """Parts (`subject`, `place`, `group`) that it is about; empty means any."""
    never_fields: frozenset[str] = frozenset()
    """Fields that no clause may give on its strength."""
    switched_on: bool = True
    """False: it is from general knowledge, and its setting is off until somebody has looked."""

    def in_force(self, on: datetime.date) -> bool:
        """True on its days, the last one included."""
        return (
            self.switched_on
            and self.in_force_from is not None
            and self.in_force_from <= on
            and (self.in_force_to is None or on <= self.in_force_to)
        )

    def opens(self, use: Use) -> bool:
        """Whether it is a gateway for that use of information."""
        return (
            self.in_force(use.on)
            and use.publisher_kind not in self.never_from
            and use.event_type not in self.never_for
            and (not self.only_to or use.recipient_kind in self.only_to)
            and (not self.only_parts or use.part in self.only_parts)
        )


class Condition(msgspec.Struct, frozen=True):
    """A handling condition that the broker understands."""

    id: str
    title: str
    needs_person: str | None = None
    """Reason code under which what no duty requires waits for a person."""
    duties_wait: bool = False
    """What a duty requires waits as well: even a duty's telling could show a covert source."""
    not_for: frozenset[str] = frozenset()
    """Kinds of recipient whom the condition does not hold back."""
    obligation: str | None = None
    """What every recipient must observe."""


class Party(msgspec.Struct, frozen=True):
    """One line of an agreement's parties: organisations by code, or by kind and area."""

    id: str
    organisations: frozenset[str] = frozenset()
    kinds: frozenset[str] = frozenset()
    areas: frozenset[str] = frozenset()
    """Empty: anywhere in the country of the agreement."""
    signed_on: datetime.date | None = None

    def signs_for(self, organisation: Organisation, on: datetime.date) -> bool:
        """Whether it is signed by that day, for an organisation that was there to sign.

        A line by kind speaks for those of the kind that existed when it was signed. A renamed, split or
        merged authority is a new one: it signs anew and inherits nothing (policies/organisations/README.md).
        """
        if self.signed_on is None or self.signed_on > on:
            return False
        named = organisation.code in self.organisations
        return named or organisation.valid_from <= self.signed_on

    def covers(self, organisation: Organisation) -> bool:
        """Whether that organisation is bound by this line, once it is signed."""
        if organisation.code in self.organisations:
            return True
        if organisation.kind not in self.kinds:
            return False
        return not self.areas or not self.areas.isdisjoint(organisation.areas)


class Permit(msgspec.Struct, frozen=True):
    """What must be known of a permitting policy besides its Cedar text."""

    id: str
    duty: bool
    agreement: str | None
    gateway: str
    only_fields: frozenset[str] = frozenset()
    """If not empty: of its groups, only these fields."""
    transforms: tuple[tuple[str, str], ...] = ()
    """(field group, transform) where not `as_stated`."""

    def names(self, field: str) -> bool:
        """Whether it reaches that field of its groups."""
        return not self.only_fields or field in self.only_fields

    def transform(self, group: str) -> str:
        """How that group is shown under this permit."""
        return dict(self.transforms).get(group, "as_stated")


class Agreement(msgspec.Struct, frozen=True):
    """A data-sharing agreement. Its clauses are Cedar policies; this is what surrounds them."""

    id: str
    version: int
    status: str
    country: str
    parties: tuple[Party, ...]
    effective_from: datetime.date
    expires: datetime.date
    recipients: frozenset[str]
    """Kinds of recipient that it speaks about. For others it says nothing and restricts nothing."""
    triggers: frozenset[str]
    """Types of event that bring it into play; empty means all."""
    prevails_over: frozenset[str]
    """Agreements that it replaces between its own parties."""
    onward_allowed: bool
    consult_originator: bool
    review_by: datetime.date = datetime.date.max
    """From the day after it is still in force, and its review is overdue."""

    def speaks(self, kind: str, event_type: str) -> bool:
        """Whether it has a say about this kind of recipient and type of event."""
        return kind in self.recipients and (not self.triggers or event_type in self.triggers)

    def standing(self, one: Organisation, other: Organisation, on: datetime.date) -> str | None:
        """`in_force`, or why not between these two on that day; None if they are not its parties.

        Both must lie in its country and both their lines must be signed by that day: an organisation
        whose line is unsigned is not bound and has no right under the agreement.
        """
        lines = {organisation: self._lines(organisation) for organisation in (one, other)}
        if not all(lines.values()):
            return None
        if self.status == ENDED or on > self.expires:
            return EXPIRED
        signed = (
            any(line.signs_for(organisation, on) for line in found)
            for organisation, found in lines.items()
        )
        if self.status != IN_FORCE or not all(signed):
            return NOT_SIGNED
        return IN_FORCE if self.effective_from <= on else NOT_YET

    def _lines(self, organisation: Organisation) -> tuple[Party, ...]:
        if organisation.country != self.country:
            return ()
        return tuple(party for party in self.parties if party.covers(organisation))


class AgreementIndex:
    """Finds the agreements that two organisations can share without looking through all of them."""

    def __init__(self, agreements: Iterable[Agreement]) -> None:
        """By organisation, by kind and area, and by kind alone, as the parties' lines name them."""
        self._held: dict[str, Agreement] = {}
        self._by: dict[tuple[str, str], set[str]] = {}
        for agreement in agreements:
            self._held[agreement.id] = agreement
            for line in agreement.parties:
                for key in _keys_of_line(line):
                    self._by.setdefault(key, set()).add(agreement.id)

    def between(self, one: Organisation, other: Organisation) -> tuple[Agreement, ...]:
        """Every agreement that may have both as parties, by id; none that has them is missing."""
        shared = self._of(one) & self._of(other)
        return tuple(self._held[name] for name in sorted(shared))

    def _of(self, organisation: Organisation) -> set[str]:
        kind = organisation.kind
        keys = [(organisation.code, ""), ("", kind), *((area, kind) for area in organisation.areas)]
        return set().union(*(self._by.get(key, set()) for key in keys))


def _keys_of_line(line: Party) -> Iterable[tuple[str, str]]:
    yield from ((code, "") for code in line.organisations)
    for kind in line.kinds:
        yield from ((area, kind) for area in line.areas or ("",))


class Profile(msgspec.Struct, frozen=True):
    """The agreements in force between one publisher and one recipient on one day."""

    hash: str
    agreements: tuple[Agreement, ...]
    lapsed: str | None
    """Why none is in force where there is one that has expired, is not signed or has not begun."""

    def speaking(self, kind: str, event_type: str) -> tuple[Agreement, ...]:
        """Those that have a say about this recipient and statement.

        One that another prevails over is left out only where that other has a say itself.
        """
        held = [one for one in self.agreements if one.speaks(kind, event_type)]
        replaced = frozenset[str]().union(*(one.prevails_over for one in held))
        return tuple(one for one in held if one.id not in replaced)


def resolve_profile(
    agreements: Iterable[Agreement],
    one: Organisation | None,
    other: Organisation | None,
    on: datetime.date,
) -> Profile:
    """The profile of two organisations on a day. An unknown organisation has no agreement."""
    standing: list[tuple[Agreement, str]] = []
    if one is not None and other is not None:
        for agreement in agreements:
            stands = agreement.standing(one, other, on)
            if stands is not None:
                standing.append((agreement, stands))
    held = [agreement for agreement, stands in standing if stands == IN_FORCE]
    chosen = tuple(sorted(held, key=lambda agreement: agreement.id))
    lapsed = None if chosen else min((stands for _, stands in standing), default=None)
    named = [f"{agreement.id}@{agreement.version}" for agreement in chosen]
    return Profile(digest_text("profile", *named, lapsed or ""), chosen, lapsed)
