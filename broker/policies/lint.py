"""Looks policies over before they are used: what cannot be loaded, and what loads and does nothing.

An error would keep the bundle from being loaded, or is a clause that can never say anything. A
warning is something that somebody must know: an agreement that gives nothing today, or a late review.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from broker.decide import Circumstances, Court, Gateway, PolicyBundle
from broker.model.fields import FIELD_GROUP
from broker.model.reference import Reference
from broker.policies.agreement_file import AgreementFile, DataItem
from broker.policies.bundle import Found, agreement_paths, bind, check_names, checked_agreement
from broker.policies.compile import clause_id
from broker.policies.errors import PolicyFileError
from broker.policies.law_files import LawFiles, read_law
from broker.policies.yaml_file import Place, line_of

Level = Literal["error", "warning"]
EXAMPLES = "examples.yaml"


class Finding(msgspec.Struct, frozen=True, order=True):
    """One thing to mend or to know."""

    path: Path
    line: int | None
    level: Level
    clause: str
    """Clause or key; empty where it is about the whole file."""
    code: str
    """`broken`, `expired`, `not_yet`, `unsigned`, `review_overdue`, `gateway_not_in_force`,
    `never_applies`, `dead_clause` or `no_examples`."""
    message: str


def lint(policies_dir: Path, reference: Reference, on: datetime.date) -> tuple[Finding, ...]:
    """All findings as of a day, by file and line. Nothing is raised for what a file may hold.

    One broken agreement does not hide what is wrong with the next.
    """
    findings: list[Finding] = []
    try:
        law = read_law(policies_dir / "law")
    except PolicyFileError as error:
        return (_broken(error),)
    found: list[Found] = []
    for path in agreement_paths(policies_dir):
        try:
            found.append((path, checked_agreement(path, reference, law.gateways)))
        except PolicyFileError as error:
            findings.append(_broken(error))
    try:
        if not findings:
            check_names(found)
        bundle = bind(law, found)
    except PolicyFileError as error:
        return (*sorted(findings, key=_place), _broken(error))
    for one in found:
        findings.extend(_standing(one, on))
        findings.extend(_clauses(one, law, bundle, on))
    return tuple(sorted(findings, key=_place))


def _place(finding: Finding) -> tuple[Path, int, str, str]:
    return finding.path, finding.line or 0, finding.clause, finding.code


def _broken(error: PolicyFileError) -> Finding:
    return Finding(error.path, error.line, "error", error.where, "broken", error.what)


def _standing(found: Found, on: datetime.date) -> Iterator[Finding]:
    """What is to know of an agreement as a whole, on that day."""
    path, agreement = found
    if not (path.parent / EXAMPLES).is_file():
        words = f"there is no {EXAMPLES} beside it: write cases that its parties can read and a test can run"
        yield Finding(path, None, "error", "", "no_examples", words)
    for number, party in enumerate(agreement.parties):
        if party.signed_on is None or party.signed_on > on:
            words = "is not signed: the agreement gives its organisations nothing and binds nobody to them"
            place: Place = ("parties", number)
            yield _warning(path, place, f"parties.{party.id}", "unsigned", words)
    if agreement.status == "draft":
        yield _warning(path, ("status",), "status", "unsigned", "it is a draft: it gives nothing")
    yield from _days(path, agreement, on)


def _days(path: Path, agreement: AgreementFile, on: datetime.date) -> Iterator[Finding]:
    if on > agreement.expires or agreement.status == "ended":
        words = f"it has ended (last day {agreement.expires}): it gives nothing"
        yield _warning(path, ("expires",), "expires", "expired", words)
    elif on > agreement.review_by:
        words = f"its review was due by {agreement.review_by}: it still holds, and every disclosure says so"
        yield _warning(path, ("review_by",), "review_by", "review_overdue", words)
    if on < agreement.effective_from:
        words = f"its first day is {agreement.effective_from}: until then it gives nothing"
        yield _warning(path, ("effective_from",), "effective_from", "not_yet", words)


def _warning(path: Path, place: Place, clause: str, code: str, words: str) -> Finding:
    return Finding(path, line_of(path, place), "warning", clause, code, words)


def _clauses(
    found: Found, law: LawFiles, bundle: PolicyBundle, on: datetime.date
) -> Iterator[Finding]:
    """What is wrong with single clauses: shut gateways, clauses that never apply, dead ones."""
    path, agreement = found
    gateways = {one.id: one for one in law.gateways}
    court = Court(law.policies, {agreement.id: bundle.court.clauses[agreement.id]}, law.schema)
    for number, item in enumerate(agreement.data_items):
        name = f"data_items.{item.id}"
        for level, code, words in _wrong_with(agreement, item, gateways[item.gateway], court, on):
            line = line_of(path, ("data_items", number))
            yield Finding(path, line, level, name, code, words)


def _wrong_with(
    agreement: AgreementFile, item: DataItem, gateway: Gateway, court: Court, on: datetime.date
) -> Iterator[tuple[Level, str, str]]:
    if not gateway.in_force(on):
        words = f"{gateway.id} is not in force on this day: the clause gives nothing"
        yield "warning", "gateway_not_in_force", words
    outside = [one.value for one in item.event_types if _never_triggers(one.value, agreement)]
    if item.event_types and len(outside) == len(item.event_types):
        yield "error", "never_applies", f"{outside[0]} is not among the triggers of the agreement"
        return
    strangers = sorted(set(item.recipients.kinds) - _party_kinds(agreement))
    if strangers:
        yield "error", "never_applies", f"no party is of kind {strangers[0]!r}: nobody gets this"
    shut = _groups_never_given(agreement, item, court)
    if shut:
        yield (
            "error",
            "never_applies",
            f"the law never lets these recipients have {', '.join(shut)}",
        )
    stronger = _stronger(agreement, item)
    if stronger is not None:
        yield "error", "dead_clause", f"{stronger} gives the same to the same and more: take it out"


def _never_triggers(event_type: str, agreement: AgreementFile) -> bool:
    return bool(agreement.triggers) and event_type not in agreement.triggers


def _party_kinds(agreement: AgreementFile) -> set[str]:
    """Kinds that its parties can be; a line by organisations may be of any kind."""
    if any(line.organisations for line in agreement.parties):
        return set(_KINDS)
    return {kind for line in agreement.parties for kind in line.kinds}


_KINDS = (
    "authority",
    "police",
    "icb",
    "health_provider",
    "school",
    "charity",
    "advocate",
    "council",
)
_ROLES = {"authority": "csc"}


def _groups_never_given(agreement: AgreementFile, item: DataItem, court: Court) -> list[str]:
    """Field groups of a clause that the law gives to none of its recipients in any of its cases."""
    clause = clause_id(agreement.id, item)
    groups = sorted({FIELD_GROUP[field] for field in item.fields})
    return [group for group in groups if not _given(agreement, item, court, group, clause)]


def _given(agreement: AgreementFile, item: DataItem, court: Court, group: str, clause: str) -> bool:
    return any(
        clause in court.judge((agreement.id,), case.context(), [group])[group].permits
        for case in _cases(agreement, item)
    )


def _cases(agreement: AgreementFile, item: DataItem) -> Iterable[Circumstances]:
    """One plain case for each kind, door, nexus, type and part of a clause: nothing speaks against it."""
    wanted = item.recipients
    types = item.event_types or agreement.triggers
    for kind in wanted.kinds:
        for role in wanted.roles or (_ROLES.get(kind, kind),):
            for nexus in wanted.nexus:
                for event_type in [one.value for one in types] or _usual_types(nexus):
                    for part in item.parts or ("subject",):
                        yield _plain(
                            agreement.id, item.gateway, kind, role, nexus, event_type, part
                        )


def _usual_types(nexus: str) -> list[str]:
    return ["information_request"] if nexus == "asked" else ["concern", "placement_out_of_area"]


def _plain(
    agreement: str, gateway: str, kind: str, role: str, nexus: str, event_type: str, part: str
) -> Circumstances:
    return Circumstances(
        role=role,
        kind=kind,
        country="England",
        capacity=(nexus,),
        event_type=event_type,
        part=part,
        origin_kind="authority",
        handling="P",
        conditions=(),
        gateways=(gateway,),
        agreements=(agreement,),
        cross_border=True,
        family_unsafe=False,
        recipient_unsafe=False,
        source_identifiable=False,
        grading_unlabelled=False,
        placed_away=False,
        serves_placement=True,
        necessity_stated=True,
        is_answer=nexus == "requester",
    )


def _stronger(agreement: AgreementFile, item: DataItem) -> str | None:
    """Another clause of the agreement that gives at least the same to at least the same."""
    for other in agreement.data_items:
        same = _covers(item, other)
        if other.id != item.id and _covers(other, item) and (not same or other.id < item.id):
            return other.id
    return None


def _covers(wide: DataItem, narrow: DataItem) -> bool:
    return (
        set(narrow.fields) <= set(wide.fields)
        and wide.gateway == narrow.gateway
        and wide.transform in {narrow.transform, "as_stated"}
        and set(narrow.recipients.kinds) <= set(wide.recipients.kinds)
        and set(narrow.recipients.nexus) <= set(wide.recipients.nexus)
        and _within(narrow.recipients.roles, wide.recipients.roles)
        and _within(narrow.event_types, wide.event_types)
        and _within(narrow.parts, wide.parts)
        and wide.unless.model_dump(exclude_none=True).items()
        <= narrow.unless.model_dump(exclude_none=True).items()
    )


def _within(narrow: Sequence[str], wide: Sequence[str]) -> bool:
    """Whether one list of allowed values lies within another; an empty one allows all."""
    return not wide or (bool(narrow) and set(narrow) <= set(wide))
