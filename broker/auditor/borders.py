"""What crossed the borders between authorities, and what did not: one flow for each part and recipient.

Pure. `from` is the authority that published, or in whose one area the publisher lies: the report is
about whether those who know something tell those across the border, and leaves do not hold where a
child lives. A publisher or recipient that serves several authorities (a force, a care board) stands for
itself: nothing in the ledger says for which of them it spoke. Nobody's identity is read.
"""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from itertools import groupby
from statistics import median

import msgspec

from broker.auditor.recorded import Recorded, RecordedDecision, RecordedIntake, RecordedPart
from broker.model.reference import AREA_KINDS, Reference

NOBODYS = frozenset({"equality_audit_only", "source_identity_protected"})
"""Withheld from everyone, by law: what is left may still be the whole."""
ANSWERS = frozenset({"acknowledge", "consider", "act", "no_further_action"})
"""Acts by which a recipient shows that it has an alert."""
ADJACENT, ORIGINATOR = ("adjacent",), "originator"
ALERTED = frozenset({"alert", "manual"})


class Fate(StrEnum):
    """What became of a part for one recipient, after all its rounds in the period."""

    WHOLE = "whole"
    PARTIAL = "partial"
    EXISTENCE = "existence"
    WITHDRAWN = "withdrawn"
    """It was told, and that was taken back."""
    REVIEW = "review"
    REFUSED = "refused"
    NO_NEXUS = "no_nexus"
    """It was evaluated because it adjoins, and is not concerned."""
    OWN = "own"
    """The publisher itself."""


TOLD = (Fate.WHOLE, Fate.PARTIAL, Fate.EXISTENCE, Fate.WITHDRAWN)
CONCERNED = (*TOLD, Fate.REVIEW, Fate.REFUSED)


class Area(msgspec.Struct, frozen=True, order=True):
    """An authority, or an organisation that serves several."""

    code: str
    name: str
    is_authority: bool


class Flow(msgspec.Struct, frozen=True):
    """One part for one recipient; times in UTC milliseconds since 1970."""

    origin: Area
    to: Area
    kind: str
    """Kind of the recipient, from the register."""
    fate: Fate
    adjoins: bool
    received_at: int
    decided_at: int
    """Of the round that first told it, else of the last one."""
    acknowledged_at: int | None
    told: bool


class Cell(msgspec.Struct, frozen=True):
    """All flows from one area to another, or to one kind of recipient in it."""

    origin: Area
    to: Area
    kind: str
    adjoins: bool
    counts: Mapping[str, int]
    """Fate -> flows; all fates."""
    told: int
    acknowledged: int
    to_decision_s: float | None
    """Median seconds from receipt to the decision; None where there is none."""
    to_acknowledgement_s: float | None
    """Median over those acknowledged; the others are told - acknowledged and in no median."""

    @property
    def total(self) -> int:
        """All flows."""
        return sum(self.counts.values())

    @property
    def concerned(self) -> int:
        """Flows to recipients that had a nexus."""
        return sum(self.counts[one] for one in CONCERNED)


class Silent(msgspec.Struct, frozen=True):
    """Two authorities with a border, neither of which told, asked a person about or refused the other."""

    one: Area
    other: Area
    evaluated: int
    """How often one of them was evaluated and found not concerned."""


class Borders(msgspec.Struct, frozen=True):
    """The report for the authorised reader; `borders_published` makes what may be published."""

    first: int | None
    last: int | None
    cells: tuple[Cell, ...]
    """Between authorities."""
    kinds: tuple[Cell, ...]
    """To recipients that are no authority, under the authority that they serve."""
    silent: tuple[Silent, ...]
    flows: tuple[Flow, ...]

    @property
    def beyond(self) -> tuple[Cell, ...]:
        """Flows between authorities that do not adjoin: adjacent is not nexus."""
        return tuple(
            one
            for one in self.cells
            if one.concerned
            and not one.adjoins
            and one.origin != one.to
            and one.origin.is_authority
        )


def borders(
    recorded: Recorded,
    reference: Reference,
    since: int | None = None,
    until: int | None = None,
) -> Borders:
    """Everything decided from `since` until before `until` (UTC milliseconds since 1970).

    A part belongs to the period of its first round; its later rounds and answers count with it.
    """
    flows = tuple(flows_of(recorded, reference, since, until))
    between = [one for one in flows if one.kind in AREA_KINDS]
    others = [one for one in flows if one.kind not in AREA_KINDS]
    times = [one.received_at for one in flows]
    last = max(times, default=None)
    return Borders(
        first=min(times, default=None),
        last=last,
        cells=tuple(_cells(between)),
        kinds=tuple(_cells(others)),
        silent=tuple(_silent(between, reference, last)),
        flows=flows,
    )


def flows_of(
    recorded: Recorded, reference: Reference, since: int | None, until: int | None
) -> Iterator[Flow]:
    """One flow for each part and recipient that any leaf names, in the order of the ledger."""
    rounds: defaultdict[tuple[str, str, int, str], list[RecordedPart]] = defaultdict(list)
    for part in recorded.parts:
        rounds[*part.statement, part.closing.part_id].append(part)
    answered = _answered(recorded.intake)
    for parts in rounds.values():
        ordered = sorted(parts, key=lambda one: one.closing.round)
        begun = ordered[0].closing.decided_at
        if (since is None or since <= begun) and (until is None or begun < until):
            yield from _of_part(ordered, answered, reference)


def _answered(intake: Iterable[RecordedIntake]) -> Mapping[tuple[str, str], int]:
    """(organisation, alert) -> when it first answered; an answer of anyone else is none."""
    found: dict[tuple[str, str], int] = {}
    for one in intake:
        if one.action in ANSWERS and one.alert_id is not None:
            key = (one.publisher, one.alert_id)
            found[key] = min(one.received_at, found.get(key, one.received_at))
    return found


def _of_part(
    rounds: Sequence[RecordedPart],
    answered: Mapping[tuple[str, str], int],
    reference: Reference,
) -> Iterator[Flow]:
    first = rounds[0].closing
    by_recipient: defaultdict[str, list[tuple[int, RecordedDecision]]] = defaultdict(list)
    for part in rounds:
        for one in part.decisions:
            by_recipient[one.recipient].append((part.closing.decided_at, one))
    on = _day(first.decided_at)
    origin = area_of(first.publisher, reference)
    for leaves in by_recipient.values():
        told = [(at, one) for at, one in leaves if _is_told(one)]
        organisation = leaves[0][1].organisation
        to = area_of(organisation, reference)
        found = reference.organisations.get(reference.current_code(organisation))
        times = [
            answered[organisation, one.message_id]
            for _, one in told
            if one.message_id is not None and (organisation, one.message_id) in answered
        ]
        yield Flow(
            origin=origin,
            to=to,
            kind=found.kind if found else "unknown",
            fate=_fate([one for _, one in leaves]),
            adjoins=to.code in reference.neighbours(origin.code, on),
            received_at=first.decided_at,
            decided_at=told[0][0] if told else leaves[-1][0],
            acknowledged_at=min(times, default=None),
            told=bool(told),
        )


def _fate(leaves: Sequence[RecordedDecision]) -> Fate:
    """By the last word on it; what was told and taken back was told."""
    last = leaves[-1]
    if _is_told(last):
        if last.mode == "EXISTENCE":
            return Fate.EXISTENCE
        kept = any(why not in NOBODYS for _, why in last.withheld)
        return Fate.PARTIAL if kept else Fate.WHOLE
    if any(_is_told(one) for one in leaves) and last.outcome == "DENY":
        return Fate.WITHDRAWN
    if last.outcome == "REVIEW":
        told = [one for one in leaves if _is_told(one)]
        return _fate(told) if told else Fate.REVIEW
    capacity = leaves[0].capacity
    if capacity == ADJACENT:
        return Fate.NO_NEXUS
    return Fate.OWN if ORIGINATOR in capacity else Fate.REFUSED


def _is_told(one: RecordedDecision) -> bool:
    return one.outcome == "PERMIT"


def area_of(organisation: str, reference: Reference) -> Area:
    """The one authority that an organisation is or lies in; else the organisation itself."""
    code = reference.current_code(organisation)
    found = reference.organisations.get(code)
    if found is None:
        return Area(code, code, is_authority=False)
    areas = tuple(dict.fromkeys(reference.current_code(one) for one in found.areas))
    if len(areas) == 1 and areas[0] in reference.organisations:
        return Area(areas[0], reference.organisations[areas[0]].name, is_authority=True)
    return Area(code, found.name, is_authority=False)


def _cells(flows: Iterable[Flow]) -> Iterator[Cell]:
    def between(one: Flow) -> tuple[Area, Area, str]:
        return one.origin, one.to, one.kind

    for (origin, to, kind), group in groupby(sorted(flows, key=between), between):
        yield _cell(origin, to, kind, list(group))


def _cell(origin: Area, to: Area, kind: str, flows: Sequence[Flow]) -> Cell:
    told = [one for one in flows if one.told]
    waited = [
        one.acknowledged_at - one.received_at for one in told if one.acknowledged_at is not None
    ]
    decided = [one.decided_at - one.received_at for one in flows if one.fate in CONCERNED]
    return Cell(
        origin=origin,
        to=to,
        kind=kind,
        adjoins=any(one.adjoins for one in flows),
        counts={fate.value: sum(one.fate is fate for one in flows) for fate in Fate},
        told=len(told),
        acknowledged=len(waited),
        to_decision_s=median(decided) / 1000 if decided else None,
        to_acknowledgement_s=median(waited) / 1000 if waited else None,
    )


def _silent(flows: Sequence[Flow], reference: Reference, last: int | None) -> Iterator[Silent]:
    """Borders as they stood on the day of the last flow."""
    if last is None:
        return
    seen: defaultdict[frozenset[str], int] = defaultdict(int)
    spoke = set[frozenset[str]]()
    for one in flows:
        pair = frozenset((one.origin.code, one.to.code))
        seen[pair] += one.fate is Fate.NO_NEXUS
        if one.fate in CONCERNED:
            spoke.add(pair)
    on = _day(last)
    for code in sorted(reference.borders):
        for other in sorted(reference.neighbours(code, on)):
            pair = frozenset((code, other))
            if code < other and pair not in spoke:
                yield Silent(area_of(code, reference), area_of(other, reference), seen[pair])


def _day(at: int) -> datetime.date:
    return datetime.datetime.fromtimestamp(at / 1000, datetime.UTC).date()
