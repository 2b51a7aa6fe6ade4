"""`broker policy why`: one decision of the ledger in plain English, for whoever has to answer for it.

Everything is read from the record: who was evaluated, why, what was decided in which round, by which
clause. Words of clauses and reasons are those of the policies in force now, and it says when these
are not the ones by which was decided.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from broker.auditor import (
    FactsError,
    Recorded,
    RecordedDecision,
    RecordedPart,
    open_facts,
    own_index,
    read_sidecars,
    replay_part,
    subject_of,
)
from broker.auditor.asked import AskedError
from broker.auditor.ledger_rows import SUBJECT_KEYS, keys_dir
from broker.auditor.proposed_compared import recorded_in
from broker.flow import Policy
from broker.model.sealing import SealError
from broker.reference import ReasonCode, load_reason_codes
from broker.shell.keys import KeysError, read_subject_keys
from broker.shell.policy import load_policy
from broker.shell.settings import Settings

MOST_NAMED = 8
NEXUS_IN_WORDS = {
    "home": "the child lives in its area",
    "found_in": "the child was found in its area",
    "placed_by": "it placed the child",
    "placed_in": "the child is placed in its area",
    "schooled_in": "the child goes to school there",
    "responsible": "it is responsible for the child",
    "associate_home": "somebody close to this lives in its area",
    "harm_place": "harm happened or is feared in its area",
    "earlier_concern": "it raised an earlier concern about the same child or place",
    "asked": "the request is put to it",
    "requester": "it asked for this",
    "originator": "it published this itself",
    "adjacent": "it is a neighbour of a place that matters here, and nothing else links it",
}
DECIDED = {
    ("PERMIT", "CONTENT"): "It was told.",
    ("PERMIT", "EXISTENCE"): "It was told only that a concern is held, so that it can ask.",
    ("REVIEW", "CONTENT"): "Nothing was shown: a person has to decide.",
}
REFUSED = "It was not told."


class Named(msgspec.Struct, frozen=True):
    """A clause or a reason code, in words."""

    name: str
    words: str
    source: str = ""
    fields: tuple[str, ...] = ()


class Round(msgspec.Struct, frozen=True):
    """What was decided for the recipient in one round of one part."""

    part_id: str
    round: int
    recipient: str
    decided_at: str
    nexus: tuple[str, ...]
    outcome: str
    mode: str | None
    decision: str
    released: tuple[str, ...]
    clauses: tuple[Named, ...]
    reasons: tuple[Named, ...]
    withheld: tuple[Named, ...]
    """Reason -> the fields that were withheld for it."""
    obligations: tuple[Named, ...]
    flags: tuple[Named, ...]
    weight: str
    weight_explained: tuple[str, ...]
    recorded: str
    delivered: str
    responses: tuple[str, ...]
    bundle: str
    bundle_is_present: bool


class Why(msgspec.Struct, frozen=True):
    """The answer."""

    event_id: str
    publisher: str
    received_at: str
    organisation: str
    name: str
    evaluated: bool
    candidates: tuple[str, ...]
    """Everyone who was evaluated for the event."""
    rounds: tuple[Round, ...]
    present_bundle: str


class _Look(msgspec.Struct, frozen=True):
    """What the words are taken from."""

    folder: Path
    recorded: Recorded
    policy: Policy
    meanings: Mapping[str, ReasonCode]
    keys: Mapping[str, bytes]
    notes: Mapping[str, Mapping[str, str]]
    """Clause -> its annotations."""


def explain(
    settings: Settings, event: str, recipient: str, ledger: Path | None, keys: Path | None
) -> Why:
    """Why the recipient was told what it was told of the event. Raises AskedError for unknown ones."""
    folder, recorded = recorded_in(settings, ledger)
    policy = load_policy(settings)
    court = policy.bundle.court
    policies = (*court.law, *(one for found in court.clauses.values() for one in found))
    look = _Look(
        folder=folder,
        recorded=recorded,
        policy=policy,
        meanings=load_reason_codes(settings.codesets_dir),
        keys=_held(keys_dir(settings, ledger, keys), asked=keys is not None),
        notes={one.id: one.annotations for one in policies},
    )
    parts = _parts_of(look, event)
    organisation, role = _recipient(look, parts, recipient)
    rounds = [
        _round(look, part, decision)
        for part in parts
        for decision in part.decisions
        if decision.organisation == organisation and role in (None, decision.role)
    ]
    first = parts[0].closing
    return Why(
        event_id=first.event_id,
        publisher=f"{first.publisher} ({_name(look, first.publisher)})",
        received_at=_received(look, parts),
        organisation=organisation,
        name=_name(look, organisation),
        evaluated=bool(rounds),
        candidates=tuple(sorted({one.recipient for part in parts for one in part.decisions})),
        rounds=tuple(rounds),
        present_bundle=policy.hashes.bundle,
    )


def _parts_of(look: _Look, event: str) -> list[RecordedPart]:
    """Every decided round of the event, by part and round. Raises AskedError with what there is."""
    found = [one for one in look.recorded.parts if one.closing.event_id == event]
    if found:
        return sorted(found, key=lambda one: (one.closing.part_id, one.closing.round))
    known = sorted({one.closing.event_id for one in look.recorded.parts})
    alike = [one for one in known if len(event) > 3 and one.startswith(event)]
    if len(alike) == 1:
        return _parts_of(look, alike[0])
    taken = [one for one in look.recorded.intake if one.event_id == event]
    if taken:
        last = taken[-1]
        why = f" for {last.reason}" if last.reason else ""
        raise AskedError(
            f"event {event} was {last.kind}{why} and no part of it is decided in {look.folder}"
        )
    named = ", ".join((alike or known)[:MOST_NAMED])
    more = " and others" if len(alike or known) > MOST_NAMED else ""
    raise AskedError(
        f"no event {event} in {look.folder}, which holds {len(known)}"
        + (f": {named}{more}" if known else "")
    )


def _recipient(
    look: _Look, parts: Sequence[RecordedPart], recipient: str
) -> tuple[str, str | None]:
    """Organisation code and, if it was named, role. Raises AskedError where that names nobody or many."""
    code, _, role = recipient.partition(":")
    organisations = look.policy.reference.organisations
    current = look.policy.reference.current_code(code)
    evaluated = {one.organisation for part in parts for one in part.decisions}
    if current in organisations or current in evaluated:
        return current, role or None
    wanted = recipient.casefold()
    exact = [one for one in organisations.values() if one.name.casefold() == wanted]
    named = exact or [one for one in organisations.values() if wanted in one.name.casefold()]
    among = [one for one in named if one.code in evaluated] or named
    if len(among) == 1:
        return among[0].code, None
    if among:
        listed = ", ".join(f"{one.code} ({one.name})" for one in among[:MOST_NAMED])
        raise AskedError(f"{recipient!r} names {len(among)} organisations: say which of {listed}")
    raise AskedError(
        f"{recipient!r} is no code and no name of the register: evaluated for this event were "
        f"{', '.join(f'{one} ({_name(look, one)})' for one in sorted(evaluated))}"
    )


def _round(look: _Look, part: RecordedPart, decision: RecordedDecision) -> Round:
    closing = part.closing
    grouped: dict[str, list[str]] = {}
    for field, reason in decision.withheld:
        grouped.setdefault(reason, []).append(field)
    given = [one for one in decision.reasons if one not in decision.clauses]
    last = part.first + len(part.decisions)
    return Round(
        part_id=closing.part_id,
        round=closing.round,
        recipient=decision.recipient,
        decided_at=_moment(closing.decided_at),
        nexus=tuple(NEXUS_IN_WORDS.get(one, one) for one in decision.capacity),
        outcome=decision.outcome,
        mode=decision.mode,
        decision=DECIDED.get((decision.outcome, decision.mode or ""), REFUSED),
        released=decision.released,
        clauses=tuple(_clause(look, one) for one in decision.clauses),
        reasons=tuple(_reason(look, one) for one in given),
        withheld=tuple(_reason(look, why, fields) for why, fields in grouped.items()),
        obligations=tuple(_reason(look, one) for one in decision.obligations),
        flags=tuple(_reason(look, one) for one in closing.flags),
        weight=f"{decision.weight.value} of 1000, {decision.weight.band.replace('_', ' ')}",
        weight_explained=_weight(look, part, decision),
        recorded=f"Recorded in log {part.shard}: its leaf is entry {part.first + decision.n}, the "
        f"round is closed by entry {last}.",
        delivered=_delivered(look, part, decision),
        responses=_responses(look, decision),
        bundle=closing.policy_bundle,
        bundle_is_present=closing.policy_bundle == look.policy.hashes.bundle,
    )


def _clause(look: _Look, name: str) -> Named:
    notes = look.notes.get(name)
    if notes is None:
        return Named(name, "no clause of the policies in force has this name")
    agreement = notes.get("agreement")
    words = notes.get("duty") or notes.get("source", "")
    source = f"agreement {agreement}" if agreement else notes.get("source", "")
    gateway = notes.get("gateway")
    return Named(name, words, f"{source}; gateway {gateway}" if gateway else source)


def _reason(look: _Look, name: str, fields: Iterable[str] = ()) -> Named:
    found = look.meanings.get(name)
    if found is not None:
        return Named(name, f"{found.meaning} {found.what_to_do}", fields=tuple(fields))
    clause = look.notes.get(name)
    return msgspec.structs.replace(
        _clause(look, name) if clause is not None else Named(name, ""), fields=tuple(fields)
    )


def _weight(look: _Look, part: RecordedPart, decision: RecordedDecision) -> tuple[str, ...]:
    """The sentences of the weight, from the sealed facts; one sentence that says why not."""
    closing = part.closing
    key = subject_of(closing.set_id, part.statement, closing.round, look.keys)
    if key is None:
        return (
            "How it came about is sealed to the child's key, which is not here or was destroyed.",
        )
    sealed = read_sidecars(look.folder / part.shard, "facts").get(closing.set_id)
    if sealed is None or closing.round > 0:
        return ()
    try:
        facts = open_facts(sealed, look.keys[key], closing.set_id)
        weight = replay_part(facts, look.policy, lambda *_: "").weight
    except (SealError, FactsError) as error:
        return (f"How it came about cannot be told: {error}.",)
    if weight.value != decision.weight.value:
        return (f"By the parameters in force now it would be {weight.value}.",)
    return weight.explanation


def _delivered(look: _Look, part: RecordedPart, decision: RecordedDecision) -> str:
    index = own_index(look.folder, part.shard, decision)
    if index is None:
        return "Nothing was sent to it."
    if decision.channel == "manual":
        way = "It is not connected: the duty desk passes it on by telephone"
    else:
        way = f"Sent to it ({decision.channel})"
    due = f", to be acknowledged by {_moment(decision.due)}" if decision.due else ""
    return (
        f"{way}, after it was recorded as entry {index} of its own log "
        f"{part.shard}/{decision.organisation}{due}."
    )


def _responses(look: _Look, decision: RecordedDecision) -> tuple[str, ...]:
    """What it did with the alert, as far as it said so."""
    if decision.message_id is None:
        return ()
    return tuple(
        f"Response: {(one.action or one.kind).replace('_', ' ')}, {_moment(one.received_at)}."
        for one in look.recorded.intake
        if one.alert_id == decision.message_id
    )


def _received(look: _Look, parts: Sequence[RecordedPart]) -> str:
    first = parts[0].closing
    times = [
        one.received_at
        for one in look.recorded.intake
        if one.kind == "accepted"
        and (one.publisher, one.event_id) == (first.publisher, first.event_id)
    ]
    return _moment(min(times, default=first.decided_at))


def _name(look: _Look, code: str) -> str:
    found = look.policy.reference.organisations.get(code)
    return found.name if found else "not in the register"


def _held(directory: Path, *, asked: bool) -> Mapping[str, bytes]:
    """The subjects' keys, none where they are not here and nobody said that they are."""
    try:
        return read_subject_keys(directory / SUBJECT_KEYS)
    except KeysError:
        if asked:
            raise
        return {}


def _moment(milliseconds: int) -> str:
    moment = datetime.datetime.fromtimestamp(milliseconds / 1000, datetime.UTC)
    return f"{moment:%A %d %B %Y, %H:%M} UTC"


def as_row(why: Why) -> dict[str, Any]:
    """The answer as one JSON-ready object."""
    row: dict[str, Any] = msgspec.to_builtins(why)
    return row
