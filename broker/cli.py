"""The command line `broker`: what can be asked, in which words. What is done is in broker.commands.

Exit codes: 0 as asked, 1 not as asked (one sentence on standard error says why), 2 wrong usage.
Each command loads only what it needs: help must not wait for Kafka's client or the policies.
"""
# ruff: noqa: PLC0415 -- see above

from __future__ import annotations

import asyncio
import datetime
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
from rich.console import Console
from typer.core import TyperCommand

from broker.commands.errors import CommandError, sentence_of

if TYPE_CHECKING:
    from broker.client import Refusal
    from broker.commands.statements import StatementLine
    from broker.shell.settings import Settings

PROGRAM = "broker"
FAILED = 1
INTERRUPTED = 130


class Source(StrEnum):
    """Files that others publish and that can be read as statements."""

    POLICE_UK = "police-uk"


def _examples(*lines: str) -> str:
    """The end of a command's help."""
    return "\n".join(["Examples:", "", *(f"- `{line}`" for line in lines)])


app = typer.Typer(
    name=PROGRAM,
    help="A safeguarding information-sharing broker: who may lawfully be told, field by field, "
    "recorded before it is sent.",
    epilog=_examples(
        "broker example concern > warning.jsonl",
        "broker decide warning.jsonl",
        "broker COMMAND --help",
    ),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
schema_app = typer.Typer(
    no_args_is_help=True, rich_markup_mode="markdown", help="The nouns: what every field means."
)
audit_app = typer.Typer(no_args_is_help=True, help="For auditors: verify a ledger from its files.")
bench_app = typer.Typer(no_args_is_help=True, help="How fast it is on this machine.")
app.add_typer(schema_app, name="schema")
app.add_typer(audit_app, name="audit")
app.add_typer(bench_app, name="bench")

Json = Annotated[bool, typer.Option("--json", help="Print JSON, one object a line.")]
From = Annotated[
    Source | None, typer.Option("--from", help="FILE is of this kind instead of JSON lines.")
]
LsoaMap = Annotated[
    Path | None,
    typer.Option("--lsoa-map", help="CSV with lsoa_code and gss_code; default: the bundled one."),
]
PublisherCode = Annotated[
    str | None,
    typer.Option("--publisher", help="Whose statements the rows are; default: the force named."),
]
File = Annotated[str, typer.Argument(metavar="FILE", help="Lines to read; - for standard input.")]


class _WithSettings(TyperCommand):
    """A command whose help ends with every setting, read only when help is asked for."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Typer's own help, with the settings added."""
        from broker.shell.settings import Settings

        listed = [
            f"- `BROKER_{name.upper()}`: {field.description}"
            for name, field in Settings.model_fields.items()
        ]
        title = "Settings (environment variables):"
        self.epilog = "\n".join([self.epilog or "", "", title, "", *listed])
        super().format_help(ctx, formatter)


@app.command(
    cls=_WithSettings,
    epilog=_examples(
        "broker up",
        "broker up --once        # stop when all is delivered and verified",
        "BROKER_KAFKA_BOOTSTRAP=kafka.example:9092 broker up",
    ),
)
def up(
    once: Annotated[
        bool, typer.Option("--once", help="Stop when every delivery has arrived and is verified.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Start Kafka and the broker, and play the bundled scenarios as the agencies in them."""
    from broker.commands import operators

    code, summary = operators.up(_settings(), once=once, as_json=as_json)
    if as_json:
        _write(summary)
    raise typer.Exit(code)


@app.command(
    epilog=_examples(
        "broker publish warning.jsonl",
        "broker example concern --fresh | broker publish -",
        "broker publish street.csv --from police-uk --publisher E23000014",
    )
)
def publish(
    file: File,
    *,
    source: From = None,
    lsoa_map: LsoaMap = None,
    publisher: PublisherCode = None,
    timeout: Annotated[
        float, typer.Option(min=0.1, help="Seconds to wait for a receipt that does not come.")
    ] = 30.0,
    as_json: Json = False,
) -> None:
    """Sign and seal each line as its publisher, with the demonstration's keys, and wait for receipts.

    The last line counts every line of the file. Exit code 1 if one was not accepted, was not sent or
    got no receipt; a duplicate was accepted before and is no failure.
    """
    from broker.commands import agencies

    used = _settings()
    lines = list(_lines(file, used, source, lsoa_map, publisher))
    counts: Counter[str] = Counter()

    async def run() -> None:
        async for row in agencies.publish_lines(lines, used, timeout):
            counts[row["outcome"]] += 1
            _write(row) if as_json else _say(agencies.line_of(row))

    asyncio.run(run())
    if as_json:
        _write({"lines": counts.total(), **{name: counts[name] for name in agencies.OUTCOMES}})
    else:
        _say(agencies.summary_of(counts))
    raise typer.Exit(0 if agencies.all_taken(counts) else FAILED)


@app.command(
    epilog=_examples(
        "broker subscribe E08000028",
        "broker subscribe E23000014 --from-start --count 1 --json",
    )
)
def subscribe(
    organisation: Annotated[str, typer.Argument(metavar="ORG", help="Whose alerts: its code.")],
    from_start: Annotated[
        bool, typer.Option("--from-start", help="All alerts that are kept, without a group.")
    ] = False,
    count: Annotated[int | None, typer.Option(min=1, help="Stop after so many.")] = None,
    as_json: Json = False,
) -> None:
    """Print an organisation's alerts as they come, each after its proof was checked, until Ctrl-C.

    What is refused is named on standard error. What was withheld is not known to a recipient.
    """
    from broker.commands import agencies, rendering

    used = _settings()

    def refused(refusal: Refusal) -> None:
        _complain(f"{refusal.topic} offset {refusal.offset}: {refusal.explanation}")

    async def run() -> None:
        async for alert in agencies.alerts_of(
            organisation, used, from_start=from_start, count=count, on_refusal=refused
        ):
            if as_json:
                _write(rendering.alert_row(alert))
            else:
                rendering.show_alert(_out(), alert)

    with suppress(KeyboardInterrupt):
        asyncio.run(run())


@app.command(
    epilog=_examples(
        "broker decide warning.jsonl",
        "broker example concern | broker decide - --json",
        "broker decide street.csv --from police-uk --json",
        "broker decide warning.jsonl --ledger rehearsal && broker audit verify rehearsal",
    )
)
def decide(  # noqa: PLR0913 -- one argument an option
    file: File,
    *,
    now: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Take all lines as received then: 2026-11-20T09:00:00Z."),
    ] = None,
    ledger: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Record everything in a new ledger there.")
    ] = None,
    source: From = None,
    lsoa_map: LsoaMap = None,
    publisher: PublisherCode = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit code 1 if a line was rejected.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Run the whole flow over a file, without Kafka: who would be told what, and why.

    Lines are events or actions as `broker example` prints them, in the order in which they are
    received: at `received_at` if the line has that key, else when they were reported. They are
    unsigned, and flagged so. A bad line is rejected with its number, and the rest goes on.
    """
    from broker.commands import deciding, rendering
    from broker.reference import load_reason_codes

    used = _settings()
    received_at = _time_of(now)
    meanings = load_reason_codes(used.codesets_dir)
    rejected = 0
    with deciding.decider(used, received_at, ledger) as decide_lines:
        for decided in decide_lines(_lines(file, used, source, lsoa_map, publisher)):
            rejected += decided.rejected
            if as_json:
                _write(*decided.rows)
            else:
                rendering.show_decided(_out(), decided, meanings)
    raise typer.Exit(FAILED if strict and rejected else 0)


@app.command(
    epilog=_examples(
        "broker example concern",
        "broker example ed-attendance-injury --fresh",
        "broker example action",
    )
)
def example(
    kind: Annotated[str, typer.Argument(metavar="TYPE", help="An event type, or action.")],
    fresh: Annotated[
        bool, typer.Option("--fresh", help="New ids, another invented child, and times of today.")
    ] = False,
) -> None:
    """Print one valid statement, invented, as one line of JSON. Without --fresh always the same."""
    from broker.examples import UnknownExampleError, fresh_example, to_line
    from broker.examples import example as fixed

    try:
        now = datetime.datetime.now(datetime.UTC)
        statement = fresh_example(kind, now) if fresh else fixed(kind)
    except UnknownExampleError as error:
        raise CommandError(str(error)) from None
    _say(to_line(statement))


@schema_app.command("list", epilog=_examples("broker schema list", "broker schema list --json"))
def schema_list(as_json: Json = False) -> None:
    """List the nouns with the fingerprints by which records name their schema."""
    from broker.commands import schemas

    if as_json:
        _write(*schemas.listed())
    else:
        schemas.show_list(_out())


@schema_app.command(
    "show", epilog=_examples("broker schema show ConcernEvent", "broker schema show alert --json")
)
def schema_show(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A noun, such as ConcernEvent.")],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the Avro schema as its file holds it.")
    ] = False,
) -> None:
    """Show a noun: its fields, their types and defaults, and what they mean."""
    from broker.commands import schemas

    found = schemas.schema_named(name)
    if as_json:
        _say(schemas.as_json(found))
    else:
        schemas.show(_out(), found)


@audit_app.command(
    "verify",
    epilog=_examples(
        "broker audit verify",
        "broker audit verify copy-of-ledger --key broker.vkey",
        "broker audit verify --json",
    ),
)
def audit_verify(
    directory: Annotated[
        Path | None, typer.Argument(metavar="DIR", help="The ledger; default: var/ledger.")
    ] = None,
    key: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The log's verifier key or its public key in base64, got on another way; "
            "default: the one that lies beside each log.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Verify every leaf, tile, checkpoint and count of a ledger, from its files alone.

    Exit code 1 at the first bad entry, which is named.
    """
    from broker.commands import operators

    report = operators.audit(directory or _settings().ledger_dir, key)
    if as_json:
        _write(msgspec.to_builtins(report))
    else:
        for note in report.notes:
            _say(note)
        _say(report.summary_line())
    raise typer.Exit(0 if report.ok else FAILED)


@bench_app.command(
    "flow", epilog=_examples("broker bench flow", "broker bench flow --events 5000 --json")
)
def bench_flow(
    events: Annotated[int, typer.Option(min=1, help="How many events.")] = 1000,
    as_json: Json = False,
) -> None:
    """Run signed events through the bare flow on one core: no Kafka, no disk.

    Figures are of one run on one machine.
    """
    from broker.commands import operators

    figures = operators.bench(_settings(), events)
    if as_json:
        _write(msgspec.to_builtins(figures))
    else:
        operators.show_figures(_out(), figures)


def run(arguments: Sequence[str]) -> int:
    """Runs one command line; returns its exit code. Errors for people become one sentence."""
    try:
        app(list(arguments), prog_name=PROGRAM)
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
        sentence = sentence_of(error)
        if sentence is None:
            raise
        _complain(sentence)
        return FAILED
    return 0


def main() -> None:
    """Entry point of the command `broker`."""
    sys.exit(run(sys.argv[1:]))


def _settings() -> Settings:
    from pydantic import ValidationError

    from broker.shell.settings import Settings

    try:
        return Settings()
    except ValidationError as error:
        wrong = [
            f"BROKER_{'_'.join(map(str, one['loc'])).upper()}: {one['msg']}"
            for one in error.errors()
        ]
        raise CommandError(f"settings: {'; '.join(wrong)}") from None


def _lines(
    file: str,
    used: Settings,
    source: Source | None,
    lsoa_map: Path | None,
    publisher: str | None,
) -> Iterator[StatementLine]:
    """The statements of a file, of whichever kind it is."""
    from broker.commands import statements

    lines = statements.lines_of(file)
    if source is None:
        return statements.read_statements(lines)
    from broker.reference import load_lsoa_map, load_reference

    reference = load_reference(used.codesets_dir, used.organisations_dir)
    areas = load_lsoa_map(lsoa_map or used.codesets_dir / "lsoa_to_authority.csv")
    return statements.read_police_uk(lines, reference, areas, publisher)


def _time_of(stated: str | None) -> datetime.datetime | None:
    if stated is None:
        return None
    try:
        moment = datetime.datetime.fromisoformat(stated)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise typer.BadParameter(
            f"{stated!r} is no time with a time zone: write it as 2026-11-20T09:00:00Z",
            param_hint="--now",
        )
    return moment


def _out() -> Console:
    return Console()


def _write(*rows: Any) -> None:
    """Each value as one line of JSON on standard output."""
    for row in rows:
        sys.stdout.write(msgspec.json.encode(row).decode() + "\n")
    sys.stdout.flush()


def _say(sentence: str) -> None:
    sys.stdout.write(f"{sentence}\n")
    sys.stdout.flush()


def _complain(sentence: str) -> None:
    sys.stderr.write(f"{PROGRAM}: {sentence}\n")


if __name__ == "__main__":
    main()
