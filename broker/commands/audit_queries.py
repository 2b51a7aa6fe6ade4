"""`broker audit event|part|recipient|agreement|subject|decisions`: who was told, who was not, why and when.

From the published files of a ledger alone, found by the index beside it. All of them are one command
but for what they ask about, so each is made from its line in `QUERIES`.
"""
# ruff: noqa: PLC0415 -- each command loads only what it needs

from __future__ import annotations

import datetime
import inspect
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from broker.commands.audit_index import EXAMPLES, index
from broker.commands.subject_access import app as subject_access
from broker.commands.words import Json, complain, examples, say, settings_in_force, terminal

if TYPE_CHECKING:
    from broker.auditor.asking import Answers, Asked, Ledger

SHOWN = 200
"""Decisions that are shown in words where nobody says how many."""
EVENT = "51000000-0000-4000-8000-000000000001"


class Outcome(StrEnum):
    """What was decided."""

    PERMIT = "PERMIT"
    DENY = "DENY"
    REVIEW = "REVIEW"


class Query(msgspec.Struct, frozen=True):
    """One command: what it asks about and how it says so."""

    field: str | None
    """Of the question; None for all decisions."""
    metavar: str
    argument: str
    help: str
    examples: tuple[str, ...]
    whole: bool = False
    """Whether its answer names everyone who was evaluated."""


QUERIES = {
    "event": Query(
        "event_id",
        "ID",
        "An event id.",
        "Who was told of an event, who was not, why and when.",
        (f"broker audit event {EVENT}", f"broker audit event {EVENT} --fhir"),
        whole=True,
    ),
    "part": Query(
        "part_id",
        "PART_ID",
        "As these commands print it.",
        "Who was told of what one event says about one child, place or group.\n\n"
        "Leaves hold ids of parts and no child's token: a child is looked up by "
        "`broker audit subject`, with its key.",
        ("broker audit part 0123456789abcdef0123456789abcdef --json",),
        whole=True,
    ),
    "recipient": Query(
        "recipient",
        "ORG[:ROLE]",
        "An organisation code, and a role of it.",
        "What an organisation was told, what it was not, why and when.",
        (
            "broker audit recipient SCH-WV-001",
            "broker audit recipient SCH-WV-001:school --from 2026-11-01T00:00:00Z --csv",
        ),
    ),
    "agreement": Query(
        "agreement",
        "ID[/CLAUSE]",
        "An agreement, and a clause of it.",
        "What was decided by an agreement: decisions whose clauses or reasons name it.",
        (
            "broker audit agreement national-baseline",
            "broker audit agreement national-baseline/home-authority --csv",
        ),
    ),
    "subject": Query(
        "subject",
        "TOKEN",
        "A child's token, or the key of a place or group.",
        "Who was told about one child, place or group, who was not, why and when.\n\n"
        "Needs the subject's own key: once that is destroyed nobody can find what was about it.",
        (
            "broker audit subject 0123456789abcdef0123456789abcdef --keys var/keys",
            "broker audit subject 0123456789abcdef0123456789abcdef --parquet who-knew.parquet",
        ),
        whole=True,
    ),
    "decisions": Query(
        None,
        "",
        "",
        "Every decision of a span of time, or with one outcome.",
        (
            "broker audit decisions --from 2026-11-20T00:00:00Z --to 2026-11-21T00:00:00Z",
            "broker audit decisions --outcome REVIEW --parquet waiting.parquet",
        ),
    ),
}


class Form(StrEnum):
    """How an answer is printed."""

    WORDS = "words"
    JSON = "json"
    CSV = "csv"
    FHIR = "fhir"
    PARQUET = "parquet"


def _path(name: str, metavar: str, help_: str) -> Any:
    return Annotated[Path | None, typer.Option(name, metavar=metavar, help=help_)]


OPTIONS: dict[str, tuple[Any, Any]] = {
    "since": (
        Annotated[
            str | None,
            typer.Option(
                "--from", metavar="T", help="Decided then or later: 2026-11-20T09:00:00Z."
            ),
        ],
        None,
    ),
    "until": (
        Annotated[str | None, typer.Option("--to", metavar="T", help="Decided before then.")],
        None,
    ),
    "outcome": (
        Annotated[Outcome | None, typer.Option("--outcome", help="Only what was so decided.")],
        None,
    ),
    "limit": (
        Annotated[
            int | None,
            typer.Option(
                "--limit",
                min=1,
                help=f"So many decisions at most; in words {SHOWN} if nothing is said.",
            ),
        ],
        None,
    ),
    "after": (
        Annotated[
            str | None,
            typer.Option(
                "--after", metavar="PLACE", help="The next page, as the last one named it."
            ),
        ],
        None,
    ),
    "directory": (_path("--ledger", "DIR", "The ledger; default: var/ledger."), None),
    "key": (_path("--key", "FILE", "The log's public key, got on another way."), None),
    "index": (_path("--index", "FILE", "The index; default: beside the ledger's folder."), None),
    "unverified": (
        Annotated[
            bool,
            typer.Option("--no-verify", help="Read all files as they lie, and say so; no index."),
        ],
        False,
    ),
    "as_json": (Json, False),
    "as_csv": (
        Annotated[bool, typer.Option("--csv", help="Print CSV, one decision a line.")],
        False,
    ),
    "as_fhir": (
        Annotated[
            bool,
            typer.Option(
                "--fhir", help="Print FHIR R4 AuditEvents in the shapes of IHE BALP, one a line."
            ),
        ],
        False,
    ),
    "parquet": (_path("--parquet", "FILE", "Write a Parquet file: typed, UTC, zstd."), None),
}
"""Options of every question: annotation and default."""
OF_SUBJECT: dict[str, tuple[Any, Any]] = {
    "keys": (_path("--keys", "DIR", "Subjects' keys; default: DIR/keys, else var/keys."), None),
    "rows_key": (
        _path("--rows-key", "FILE", "The auditors' key of the sealed rows, for the tags."),
        None,
    ),
}


def add_queries(group: typer.Typer) -> None:
    """The questions as commands of `broker audit`, and the index that answers them."""
    group.command("index", epilog=EXAMPLES)(index)
    group.add_typer(subject_access, name="subject-access")
    for name, query in QUERIES.items():
        group.command(name, help=query.help, epilog=examples(*query.examples))(_command(query))


def _command(query: Query) -> Callable[..., None]:
    """The command of one question, with the options that all have."""

    def ask(**given: Any) -> None:
        _answer(query, given)

    accepted: dict[str, tuple[Any, Any]] = {}
    if query.field is not None:
        named = Annotated[str, typer.Argument(metavar=query.metavar, help=query.argument)]
        accepted["name"] = (named, inspect.Parameter.empty)
    accepted |= OF_SUBJECT if query.field == "subject" else {}
    accepted |= OPTIONS
    ask.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            inspect.Parameter(
                name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation
            )
            for name, (annotation, default) in accepted.items()
        ]
    )
    ask.__annotations__ = {name: annotation for name, (annotation, _) in accepted.items()}
    return ask


def _answer(query: Query, given: dict[str, Any]) -> None:
    from broker.auditor.asking import answers

    form = _form(given)
    asked, ledger = _asked(query, given, form), _ledger(query, given)
    with answers(asked, ledger) as answered:
        if form is Form.WORDS:
            count = _show(query, asked, answered)
        else:
            complain(answered.assurance)
            count = _write(asked, answered, given, form)
        _say_tokens(asked, answered, form)
        if answered.after is not None:
            complain(f"there is more: --after {answered.after}")
    if not count and (answered.tokens is None or answered.tokens.held):
        complain(
            f"no decision in this ledger and range is about {given.get('name', 'that')}: an id must "
            "be written in full, as the ledger has it"
        )


def _show(query: Query, asked: Asked, answered: Answers) -> int:
    from broker.commands.audit_words import line, show, show_tokens

    out = terminal()
    if asked.subject is not None and answered.tokens is not None:
        show_tokens(out, asked.subject, answered.tokens)
    count = show(out, answered.found)
    one = asked.question
    narrowed = (one.since, one.until, one.outcome, asked.after, answered.after)
    if query.whole and count and all(some is None for some in narrowed):
        line(out, "Who is not named was not evaluated: nothing stated concerned it.")
    line(out, f"{answered.assurance[:1].upper()}{answered.assurance[1:]}.")
    return count


def _write(asked: Asked, answered: Answers, given: dict[str, Any], form: Form) -> int:
    from broker.auditor.exports import export_of, stated
    from broker.commands import audit_exports as exports

    question = stated(asked.question, subject=asked.subject, limit=asked.limit, after=asked.after)
    export = export_of(answered.reached, question, verified=not given["unverified"])
    if form is Form.PARQUET:
        from broker.auditor.parquet import write_parquet

        count = write_parquet(given["parquet"], answered.found, export)
        say(f"{given['parquet']}: {count} decisions")
        return count
    writers = {
        Form.JSON: exports.write_json,
        Form.CSV: exports.write_csv,
        Form.FHIR: exports.write_fhir,
    }
    return writers[form](answered.found, export)


def _say_tokens(asked: Asked, answered: Answers, form: Form) -> None:
    """What cannot be found any more, beside an export."""
    from broker.commands.audit_words import without_key

    if form is not Form.WORDS and answered.tokens is not None and asked.subject is not None:
        for words in without_key(answered.tokens):
            complain(words)


def _asked(query: Query, given: dict[str, Any], form: Form) -> Asked:
    from broker.auditor.asking import Asked
    from broker.auditor.ledger_rows import keys_dir
    from broker.auditor.who_knew import Question

    since, until = _moment(given["since"], "--from"), _moment(given["until"], "--to")
    if since is not None and until is not None and since >= until:
        raise typer.BadParameter("--to must be later than --from", param_hint="--to")
    outcome = None if given["outcome"] is None else given["outcome"].value
    question = Question(since=since, until=until, outcome=outcome)
    limit = given["limit"] or (SHOWN if form is Form.WORDS else None)
    if query.field == "subject":
        keys = keys_dir(settings_in_force(), given["directory"], given["keys"])
        return Asked(question, given["name"], keys, limit, given["after"])
    if query.field is not None:
        question = msgspec.structs.replace(question, **{query.field: given["name"]})
    return Asked(question, limit=limit, after=given["after"])


def _ledger(query: Query, given: dict[str, Any]) -> Ledger:
    from broker.auditor.asking import Ledger
    from broker.auditor.ledger_rows import keys_dir

    settings = settings_in_force()
    rows_key = None
    if query.field == "subject" and not given["unverified"]:
        beside = keys_dir(settings, given["directory"], given["keys"]) / "broker" / "rows.key"
        rows_key = given["rows_key"] or (beside if beside.is_file() else None)
    return Ledger(
        given["directory"] or settings.ledger_dir,
        given["key"],
        given["unverified"],
        given["index"],
        rows_key,
    )


def _form(given: dict[str, Any]) -> Form:
    chosen = [
        form
        for form, asked in (
            (Form.JSON, given["as_json"]),
            (Form.CSV, given["as_csv"]),
            (Form.FHIR, given["as_fhir"]),
            (Form.PARQUET, given["parquet"] is not None),
        )
        if asked
    ]
    if len(chosen) > 1:
        raise typer.BadParameter("take one of --json, --csv, --fhir and --parquet")
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
