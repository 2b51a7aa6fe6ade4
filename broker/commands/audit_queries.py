"""`broker audit event|part|recipient|agreement`: who was told, who was not, why and when.

From the published files of a ledger alone, which are verified first.
"""
# ruff: noqa: PLC0415 -- each command loads only what it needs

from __future__ import annotations

import csv
import datetime
import itertools
import sys
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.text import Text

from broker.commands.errors import CommandError
from broker.commands.words import Json, complain, examples, settings_in_force, terminal, write

if TYPE_CHECKING:
    from broker.auditor.who_knew import Answer, Knew, Question

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the beginning of a formula."""
BY_EVENT, BY_PART, BY_RECIPIENT, BY_AGREEMENT = "event_id", "part_id", "recipient", "agreement"
WHOLE = (BY_EVENT, BY_PART)
"""Questions whose answer names everyone who was evaluated."""


class Form(StrEnum):
    """How an answer is printed."""

    WORDS = "words"
    JSON = "json"
    CSV = "csv"
    FHIR = "fhir"


class Ledger(msgspec.Struct, frozen=True):
    """Which ledger is asked, and whether it is verified first, by which key."""

    directory: Path | None
    key: Path | None
    unverified: bool


class Answered(msgspec.Struct, frozen=True):
    """What was found, and how sure it is."""

    found: tuple[Any, ...]
    """Values of `broker.auditor.who_knew.Knew`."""
    assurance: str


Since = Annotated[
    str | None,
    typer.Option("--from", metavar="T", help="Decided then or later: 2026-11-20T09:00:00Z."),
]
Until = Annotated[str | None, typer.Option("--to", metavar="T", help="Decided before then.")]
Directory = Annotated[
    Path | None, typer.Option("--ledger", metavar="DIR", help="The ledger; default: var/ledger.")
]
Key = Annotated[
    Path | None,
    typer.Option("--key", metavar="FILE", help="The log's public key, got on another way."),
]
Unverified = Annotated[
    bool, typer.Option("--no-verify", help="Take the files as they lie, and say so.")
]
Csv = Annotated[bool, typer.Option("--csv", help="Print CSV, one decision a line.")]
Fhir = Annotated[
    bool,
    typer.Option("--fhir", help="Print FHIR R4 AuditEvents in the shapes of IHE BALP, one a line."),
]


def add_queries(group: typer.Typer) -> None:
    """The four questions as commands of `broker audit`."""
    for name, command in (
        ("event", event),
        ("part", part),
        ("recipient", recipient),
        ("agreement", agreement),
    ):
        group.command(name, epilog=EXAMPLES[name])(command)


EXAMPLES = {
    "event": examples(
        "broker audit event 51000000-0000-4000-8000-000000000001",
        "broker audit event 51000000-0000-4000-8000-000000000001 --fhir",
    ),
    "part": examples("broker audit part 0123456789abcdef0123456789abcdef --json"),
    "recipient": examples(
        "broker audit recipient SCH-WV-001",
        "broker audit recipient SCH-WV-001:school --from 2026-11-01T00:00:00Z --csv",
    ),
    "agreement": examples(
        "broker audit agreement national-baseline",
        "broker audit agreement national-baseline/home-authority --csv",
    ),
}


def event(  # noqa: PLR0913 -- one argument an option
    event_id: Annotated[str, typer.Argument(metavar="ID", help="An event id.")],
    *,
    since: Since = None,
    until: Until = None,
    directory: Directory = None,
    key: Key = None,
    unverified: Unverified = False,
    as_json: Json = False,
    as_csv: Csv = False,
    as_fhir: Fhir = False,
) -> None:
    """Who was told of an event, who was not, why and when."""
    ledger = Ledger(directory, key, unverified)
    _answer(BY_EVENT, event_id, (since, until), ledger, _form(as_json, as_csv, as_fhir))


def part(  # noqa: PLR0913 -- one argument an option
    part_id: Annotated[str, typer.Argument(metavar="PART_ID", help="As these commands print it.")],
    *,
    since: Since = None,
    until: Until = None,
    directory: Directory = None,
    key: Key = None,
    unverified: Unverified = False,
    as_json: Json = False,
    as_csv: Csv = False,
    as_fhir: Fhir = False,
) -> None:
    """Who was told of what one event says about one child, place or group.

    Leaves hold ids of parts and no child's token, so a child cannot be looked up here.
    """
    ledger = Ledger(directory, key, unverified)
    _answer(BY_PART, part_id, (since, until), ledger, _form(as_json, as_csv, as_fhir))


def recipient(  # noqa: PLR0913 -- one argument an option
    code: Annotated[
        str, typer.Argument(metavar="ORG[:ROLE]", help="An organisation code, and a role of it.")
    ],
    *,
    since: Since = None,
    until: Until = None,
    directory: Directory = None,
    key: Key = None,
    unverified: Unverified = False,
    as_json: Json = False,
    as_csv: Csv = False,
    as_fhir: Fhir = False,
) -> None:
    """What an organisation was told, what it was not, why and when."""
    ledger = Ledger(directory, key, unverified)
    _answer(BY_RECIPIENT, code, (since, until), ledger, _form(as_json, as_csv, as_fhir))


def agreement(  # noqa: PLR0913 -- one argument an option
    agreement_id: Annotated[
        str, typer.Argument(metavar="ID[/CLAUSE]", help="An agreement, and a clause of it.")
    ],
    *,
    since: Since = None,
    until: Until = None,
    directory: Directory = None,
    key: Key = None,
    unverified: Unverified = False,
    as_json: Json = False,
    as_csv: Csv = False,
    as_fhir: Fhir = False,
) -> None:
    """What was decided by an agreement: decisions whose clauses or reasons name it."""
    ledger = Ledger(directory, key, unverified)
    _answer(BY_AGREEMENT, agreement_id, (since, until), ledger, _form(as_json, as_csv, as_fhir))


def _form(as_json: bool, as_csv: bool, as_fhir: bool) -> Form:
    chosen = [
        form
        for form, asked in ((Form.JSON, as_json), (Form.CSV, as_csv), (Form.FHIR, as_fhir))
        if asked
    ]
    if len(chosen) > 1:
        raise typer.BadParameter("take one of --json, --csv and --fhir")
    return chosen[0] if chosen else Form.WORDS


def _moment(stated: str | None, option: str) -> datetime.datetime | None:
    if stated is None:
        return None
    try:
        found = datetime.datetime.fromisoformat(stated)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise typer.BadParameter(
            f"{stated!r} is no time with a time zone: write it as 2026-11-20T09:00:00Z",
            param_hint=option,
        )
    return found


def _answer(
    by: str, name: str, span: tuple[str | None, str | None], ledger: Ledger, form: Form
) -> None:
    from broker.auditor.who_knew import Question

    since, until = _moment(span[0], "--from"), _moment(span[1], "--to")
    if since is not None and until is not None and since >= until:
        raise typer.BadParameter("--to must be later than --from", param_hint="--to")
    asked = msgspec.structs.replace(Question(since=since, until=until), **{by: name})
    answered = answer(asked, ledger)
    if form is Form.WORDS:
        show(terminal(), answered.found)
        if by in WHOLE and since is None and until is None:
            _line(terminal(), "Who is not named was not evaluated: nothing stated concerned it.")
        _line(terminal(), f"{answered.assurance[:1].upper()}{answered.assurance[1:]}.")
    else:
        complain(answered.assurance)
        _print(answered.found, form)
    if not answered.found:
        complain(
            f"no decision in this ledger and range is about {name}: an id must be written in full, "
            "as the ledger has it"
        )


def answer(asked: Question, ledger: Ledger) -> Answered:
    """Verifies the ledger unless told not to, and asks it.

    Raises CommandError where there is no ledger, or where it does not hold.
    """
    from broker.auditor.who_knew import who_knew
    from broker.commands.policy_shadow import recorded_in

    settings = settings_in_force()
    folder = ledger.directory or settings.ledger_dir
    assurance = "the ledger was NOT verified (--no-verify): its files are taken as they lie"
    if not ledger.unverified:
        assurance = _verified(folder, ledger.key)
    _, recorded = recorded_in(settings, folder)
    return Answered(who_knew(recorded, asked), assurance)


def _verified(folder: Path, key: Path | None) -> str:
    """How sure it is. Parts that are not decided yet are no fault of a running ledger."""
    from broker.auditor import keys_from_file, shards_of, verify_ledger

    if not shards_of(folder):
        raise CommandError(f"{folder} holds no ledger: name its folder with --ledger")
    report = verify_ledger(folder, keys_from_file(key) if key else None, allow_open=True)
    if not report.ok:
        raise CommandError(
            f"{report.summary_line()}; nothing is told from it: see `broker audit verify {folder}`, "
            "or take it as it lies with --no-verify"
        )
    open_ = f"; {report.open_parts} accepted parts are not decided yet" if report.open_parts else ""
    own = "" if key else ", by the key that lies beside it"
    return f"{report.summary_line()}{own}{open_}"


def _print(found: Sequence[Knew], form: Form) -> None:
    if form is Form.JSON:
        write(*found)
    elif form is Form.FHIR:
        from broker.auditor.fhir import audit_event

        write(*(audit_event(one) for one in found))
    else:
        _write_csv(found)


def _write_csv(found: Sequence[Knew]) -> None:
    """A heading, then one line a decision: RFC 4180 but for the line end, which is this system's."""
    from broker.auditor.who_knew import Knew

    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(Knew.__struct_fields__)
    for one in found:
        plain = msgspec.to_builtins(one)
        out.writerow([_cell(plain[name]) for name in Knew.__struct_fields__])
    sys.stdout.flush()


def _cell(value: Any) -> str:
    """One cell: lists by blanks, pairs and values inside by `=`; never what a spreadsheet executes."""
    if value is None:
        return ""
    if isinstance(value, dict):
        text = " ".join(f"{name}={_cell(one)}" for name, one in value.items())
    elif isinstance(value, list | tuple):
        pairs = all(isinstance(one, list | tuple) for one in value)
        text = " ".join("=".join(one) if pairs else _cell(one) for one in value)
    else:
        text = str(value)
    return f"'{text}" if text.startswith(FORMULA) else text


def show(out: Console, found: Sequence[Knew]) -> None:
    """Part by part and round by round: one paragraph for each recipient, then the counts."""
    from broker.auditor.who_knew import standings

    for _, same in itertools.groupby(found, key=_round):
        decisions = tuple(same)
        first = decisions[0]
        _line(out, f"Event {first.event_id} of {first.publisher}", "bold")
        _line(
            out,
            f"Part {first.part_id}, round {first.round}, decided {_time(first.decided_at)} by bundle "
            f"{first.policy_bundle[:12]}",
        )
        if first.flags:
            _line(out, f"Flags: {', '.join(first.flags)}.")
        for one in decisions:
            for number, words in enumerate(_said(one)):
                _line(out, f"  {words}" if number == 0 else f"    {words}")
        out.print()
    counted = ", ".join(f"{count} {name}" for name, count in standings(found).items())
    _line(out, f"{len(found)} decisions: {counted or 'none'}.", "bold")


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
        yield f"withdrawn {_time(taken.at)} in round {taken.round}: {_list(taken.reasons)}"
    if one.outcome == "REVIEW" and one.due is not None:
        yield f"a person must have looked by {_time(one.due)}"
    if one.message_id is not None:
        yield _acknowledged(one)
        yield from (_answered(answer) for answer in one.answers)


def _acknowledged(one: Knew) -> str:
    if one.acknowledged_at is not None:
        return f"acknowledged {_time(one.acknowledged_at)}"
    if one.withdrawn is not None or one.due is None:
        return "not acknowledged"
    return f"not acknowledged; due {_time(one.due)}"


def _not_shown(withheld: Iterable[tuple[str, str]]) -> Iterator[str]:
    """One line for each reason, with the fields that were withheld for it."""
    fields: dict[str, list[str]] = {}
    for field, reason in withheld:
        fields.setdefault(reason, []).append(field)
    for reason, names in fields.items():
        yield f"not shown, {reason}: {_list(names)}"


def _answered(answer: Answer) -> str:
    return f"answer of {answer.organisation}, {_time(answer.at)}: {answer.kind.replace('_', ' ')}"


def _list(names: Iterable[str]) -> str:
    return ", ".join(names) or "no reason is on record"


def _time(moment: datetime.datetime) -> str:
    return moment.isoformat(sep=" ", timespec="seconds").replace("+00:00", " UTC")


def _line(out: Console, words: str, style: str = "") -> None:
    """Ids are the publishers' own: what would steer a terminal is shown as a mark."""
    shown = "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in words)
    out.print(Text(shown, style=style))
