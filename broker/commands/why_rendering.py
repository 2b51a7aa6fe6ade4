"""The answer of `broker policy why` on a terminal. Text that comes from statements is never markup."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.text import Text

from broker.auditor.why import Named, Round, Why


def show(out: Console, why: Why) -> None:
    """The answer on a terminal."""
    _line(out, f"{why.organisation}, {why.name}: event {why.event_id}", "bold")
    _line(out, f"Published by {why.publisher}, received {why.received_at}.")
    if not why.evaluated:
        _line(
            out,
            "It was not evaluated: nothing that was stated links it to this child or place, and it "
            "is no neighbour of an area that matters here. So nothing was decided for it and "
            "nothing was sent to it.",
        )
        _line(out, f"Evaluated were {', '.join(why.candidates)}.")
        return
    for one in why.rounds:
        _show_round(out, one, why.present_bundle)


def _show_round(out: Console, one: Round, present: str) -> None:
    out.print()
    _line(out, f"Part {one.part_id[:12]}, round {one.round}, {one.recipient}", "bold underline")
    reason = "; ".join(one.nexus) or "a round after it was told"
    _line(out, f"Why it was evaluated: {reason}.")
    _line(out, f"Decided {one.decided_at}: {one.decision}", "bold")
    _named(out, "Permitted by", one.clauses)
    if one.released:
        _line(out, f"Shown: {_fields(one.released)}.")
    _named(out, "Because", one.reasons)
    _named(out, "Not shown", one.withheld)
    _named(out, "It must observe", one.obligations)
    _named(out, "Flags", one.flags)
    _line(out, " ".join((f"Weight: {one.weight}.", *one.weight_explained)))
    _line(out, one.recorded)
    _line(out, one.delivered)
    for response in one.responses:
        _line(out, response)
    if one.bundle_is_present:
        _line(out, f"Decided by bundle {one.bundle[:12]}, which is the one in force.")
    else:
        _line(
            out,
            f"Decided by bundle {one.bundle[:12]}; in force now is {present[:12]}. Clauses are given "
            "in the words of the one in force: see `broker policy shadow` for what it would change.",
            "yellow",
        )


def _named(out: Console, title: str, named: Sequence[Named]) -> None:
    if not named:
        return
    _line(out, f"{title}:")
    for one in named:
        said = Text("  ")
        if one.fields:
            said.append(f"{_fields(one.fields)}: ")
        said.append(one.name, style="cyan")
        said.append(f": {one.words}" if one.words else "")
        said.append(f" [{one.source}]" if one.source and one.source != one.words else "")
        out.print(said)


def _line(out: Console, words: str, style: str = "") -> None:
    out.print(Text(words, style=style))


def _fields(names: Iterable[str]) -> str:
    return ", ".join(one.replace("_", " ") for one in names)
