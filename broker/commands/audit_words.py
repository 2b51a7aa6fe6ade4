"""Who knew what, when, in words: event by event and round by round, and what each did, by when."""

from __future__ import annotations

import datetime
import itertools
from collections import Counter
from collections.abc import Iterable, Iterator

from rich.console import Console
from rich.text import Text

from broker.auditor.subject_sets import Tokens
from broker.auditor.who_knew import STANDINGS, Answer, Knew


def show(out: Console, found: Iterable[Knew]) -> int:
    """Part by part and round by round: one paragraph for each recipient, then the counts.

    Returns how many decisions there were.
    """
    counted: Counter[str] = Counter()
    for _, same in itertools.groupby(found, key=_round):
        decisions = tuple(same)
        counted.update(one.standing for one in decisions)
        first = decisions[0]
        line(out, f"Event {first.event_id} of {first.publisher}", "bold")
        line(
            out,
            f"Part {first.part_id}, round {first.round}, decided {time_of(first.decided_at)} "
            f"by bundle {first.policy_bundle[:12]}",
        )
        if first.flags:
            line(out, f"Flags: {', '.join(first.flags)}.")
        for one in decisions:
            for number, words in enumerate(_said(one)):
                line(out, f"  {words}" if number == 0 else f"    {words}")
        out.print()
    names = ", ".join(f"{counted[name]} {name}" for name in STANDINGS if counted[name])
    line(out, f"{counted.total()} decisions: {names or 'none'}.", "bold")
    return counted.total()


def show_tokens(out: Console, asked: str, tokens: Tokens) -> None:
    """Whom the answer is about, and what of it cannot be found any more."""
    joined = [one for one in tokens.held if one != asked]
    if asked in tokens.held:
        line(out, f"Subject {asked}.", "bold")
    if joined:
        line(out, f"Joined with: {', '.join(joined)}.")
    for words in without_key(tokens):
        line(out, words)
    out.print()


def without_key(tokens: Tokens) -> Iterator[str]:
    """One sentence for each token under which nothing can be found."""
    for token, at in tokens.erased:
        yield (
            f"{token}: erased on {time_of(at)}, commitments verify: the ledger's certificate says so, "
            "and nobody can find any more what was about it."
        )
    for token in tokens.unknown:
        yield (
            f"{token}: no key here, and no certificate of an erasure in this ledger: another "
            "ledger's, mistyped, or the keys lie elsewhere (--keys)."
        )


def time_of(moment: datetime.datetime) -> str:
    """UTC with its weekday: Thu 2026-11-19 17:20:00 UTC."""
    return moment.astimezone(datetime.UTC).strftime("%a %Y-%m-%d %H:%M:%S UTC")


def line(out: Console, words: str, style: str = "") -> None:
    """Ids are the publishers' own: what would steer a terminal is shown as a mark."""
    shown = "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in words)
    out.print(Text(shown, style=style))


def _round(one: Knew) -> tuple[str, str, str, int]:
    return one.publisher, one.event_id, one.part_id, one.round


def _said(one: Knew) -> Iterator[str]:
    """What was decided for one recipient and what came of it."""
    capacity = f" ({', '.join(one.capacity)})" if one.capacity else ""
    only = ", only that a concern is held" if one.mode == "EXISTENCE" else ""
    yield f"{one.recipient}{capacity}: {one.standing}{only}"
    yield f"because: {_list(one.reasons)}"
    if one.clauses:
        yield f"permitted by: {_list(one.clauses)}"
    if one.released:
        yield f"shown: {_list(one.released)}"
    if one.withheld:
        yield from _not_shown(one.withheld)
    if one.withdrawn is not None:
        taken = one.withdrawn
        yield f"withdrawn {time_of(taken.at)} in round {taken.round}: {_list(taken.reasons)}"
    if one.outcome == "REVIEW" and one.due is not None:
        yield f"a person must have looked by {time_of(one.due)}"
    if one.message_id is not None:
        yield _acknowledged(one)
        yield from (_answered(answer) for answer in one.answers)


def _acknowledged(one: Knew) -> str:
    if one.acknowledged_at is not None:
        said = f"acknowledged {time_of(one.acknowledged_at)}"
        if one.due is None:
            return said
        late = "in time" if one.acknowledged_at <= one.due else "LATE"
        return f"{said}, {late}: due {time_of(one.due)}"
    if one.withdrawn is not None or one.due is None:
        return "not acknowledged"
    return f"not acknowledged; due {time_of(one.due)}"


def _not_shown(withheld: Iterable[tuple[str, str]]) -> Iterator[str]:
    """One line for each reason, with the fields that were withheld for it."""
    fields: dict[str, list[str]] = {}
    for field, reason in withheld:
        fields.setdefault(reason, []).append(field)
    for reason, names in fields.items():
        yield f"not shown, {reason}: {_list(names)}"


def _answered(answer: Answer) -> str:
    plan = ", and it went into a plan or an assessment" if answer.plan else ""
    kind = answer.kind.replace("_", " ")
    return f"answer of {answer.organisation}, {time_of(answer.at)}: {kind}{plan}"


def _list(names: Iterable[str]) -> str:
    return ", ".join(names) or "no reason is on record"
