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
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from broker.commands import (
    desk,
    desk_group,
    groups,
    keys_group,
    ledger_group,
    policy_group,
    respond_group,
    retention_group,
)
from broker.commands.errors import CommandError, sentence_of
from broker.commands.words import (
    FAILED,
    INTERRUPTED,
    MARKUP,
    PROGRAM,
    File,
    From,
    Json,
    LsoaMap,
    PublisherCode,
    Source,
    complain,
    examples,
    say,
    settings_in_force,
    terminal,
    time_of,
    write,
)

if TYPE_CHECKING:
    from broker.client import Refusal
    from broker.commands.statements import StatementLine
    from broker.shell.settings import Settings

app = typer.Typer(
    name=PROGRAM,
    help="A safeguarding information-sharing broker: who may lawfully be told, field by field, "
    "recorded before it is sent.",
    epilog=examples(
        "broker example concern > warning.jsonl",
        "broker decide warning.jsonl",
        "broker COMMAND --help",
    ),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=MARKUP,
)
app.add_typer(groups.schema_app, name="schema")
app.add_typer(policy_group.policy_app, name="policy")
app.add_typer(groups.audit_app, name="audit")
app.add_typer(groups.bench_app, name="bench")
app.add_typer(keys_group.keys_app, name="keys")
app.add_typer(ledger_group.ledger_app, name="ledger")
app.add_typer(desk_group.desk_app, name="desk")
app.add_typer(desk.review_app, name="review")
app.add_typer(desk.break_glass_app, name="break-glass")
app.add_typer(retention_group.retention_app, name="retention")
app.add_typer(respond_group.respond_app, name="respond")
app.command("fate", epilog=examples("broker fate ADV-WM-001", "broker fate ADV-WM-001 --json"))(
    respond_group.fate
)


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
    epilog=examples(
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

    code, summary = operators.up(settings_in_force(), once=once, as_json=as_json)
    if as_json:
        write(summary)
    raise typer.Exit(code)


@app.command(
    epilog=examples(
        "broker publish warning.jsonl",
        "broker example concern --fresh | broker publish -",
        "broker publish street.csv --from police-uk --publisher CODE",
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

    used = settings_in_force()
    lines = list(_lines(file, used, source, lsoa_map, publisher))
    counts: Counter[str] = Counter()

    async def run() -> None:
        async for row in agencies.publish_lines(lines, used, timeout):
            counts[row["outcome"]] += 1
            write(row) if as_json else say(agencies.line_of(row))

    asyncio.run(run())
    if as_json:
        write({"lines": counts.total(), **{name: counts[name] for name in agencies.OUTCOMES}})
    else:
        say(agencies.summary_of(counts))
    raise typer.Exit(0 if agencies.all_taken(counts) else FAILED)


@app.command(
    epilog=examples(
        "broker subscribe SCH-WV-001",
        "broker subscribe SCH-WV-001 --from-start --count 1 --json",
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

    used = settings_in_force()

    def refused(refusal: Refusal) -> None:
        complain(f"{refusal.topic} offset {refusal.offset}: {refusal.explanation}")

    async def run() -> None:
        async for alert in agencies.alerts_of(
            organisation, used, from_start=from_start, count=count, on_refusal=refused
        ):
            if as_json:
                write(rendering.alert_row(alert))
            else:
                rendering.show_alert(terminal(), alert)

    with suppress(KeyboardInterrupt):
        asyncio.run(run())


@app.command(
    epilog=examples(
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

    used = settings_in_force()
    received_at = time_of(now)
    meanings = load_reason_codes(used.codesets_dir)
    rejected = 0
    with deciding.decider(used, received_at, ledger) as decide_lines:
        for decided in decide_lines(_lines(file, used, source, lsoa_map, publisher)):
            rejected += decided.rejected
            if as_json:
                write(*decided.rows)
            else:
                rendering.show_decided(terminal(), decided, meanings)
    raise typer.Exit(FAILED if strict and rejected else 0)


@app.command(
    epilog=examples(
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
    say(to_line(statement))


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
        complain(sentence)
        return FAILED
    return 0


def main() -> None:
    """Entry point of the command `broker`."""
    sys.exit(run(sys.argv[1:]))


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


if __name__ == "__main__":
    main()
