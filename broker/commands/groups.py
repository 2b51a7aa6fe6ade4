"""The commands that come in groups: `broker schema`, `broker audit` and `broker bench`."""
# ruff: noqa: PLC0415 -- each command loads only what it needs

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from broker.commands.audit_borders import add_borders
from broker.commands.audit_consistency import add_consistency
from broker.commands.audit_index import bench as bench_audit
from broker.commands.audit_parity_command import add_parity
from broker.commands.audit_queries import add_queries
from broker.commands.benches import add_bench
from broker.commands.desk_bench import bench as bench_desk
from broker.commands.words import (
    FAILED,
    MARKUP,
    Json,
    LedgerDir,
    examples,
    say,
    settings_in_force,
    terminal,
    write,
)

schema_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=MARKUP,
    help="The nouns: what every field means.",
)
audit_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=MARKUP,
    help="For auditors: verify a ledger from its files.",
)
bench_app = typer.Typer(rich_markup_mode=MARKUP, help="How fast it is on this machine.")


@schema_app.command("list", epilog=examples("broker schema list", "broker schema list --json"))
def schema_list(as_json: Json = False) -> None:
    """List the nouns with the fingerprints by which records name their schema."""
    from broker.commands import schemas

    if as_json:
        write(*schemas.listed())
    else:
        schemas.show_list(terminal())


@schema_app.command("asyncapi", epilog=examples("broker schema asyncapi > asyncapi.json"))
def schema_asyncapi() -> None:
    """Print what clients send and receive on Kafka, as AsyncAPI 3."""
    from broker.commands.asyncapi import text

    say(text())


@schema_app.command(
    "show", epilog=examples("broker schema show ConcernEvent", "broker schema show alert --json")
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
        say(schemas.as_json(found))
    else:
        schemas.show(terminal(), found)


@audit_app.command(
    "verify",
    epilog=examples(
        "broker audit verify",
        "broker audit verify copy-of-ledger --key broker.vkey",
        "broker audit verify --witness witness.vkey --json",
        "broker audit verify --kafka",
        "broker audit verify --store postgresql://auditor@db/ledger",
    ),
)
def audit_verify(
    directory: LedgerDir = None,
    key: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The log's verifier key or its public key in base64, got on another way; "
            "default: the one that lies beside each log.",
        ),
    ] = None,
    witness: Annotated[
        list[str] | None,
        typer.Option(
            metavar="VKEY",
            help="A witness that must have cosigned: its key, or a file that holds it. Repeatable.",
        ),
    ] = None,
    kafka: Annotated[
        bool,
        typer.Option(
            "--kafka", help="Also hold every topic, as far as Kafka keeps it, to the ledger."
        ),
    ] = False,
    store: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS",
            help="The PostgreSQL whose rows are held to the files; a password belongs in PGPASSFILE. "
            "Default: BROKER_LEDGER_STORE, for the broker's own ledger.",
        ),
    ] = "",
    as_json: Json = False,
) -> None:
    """Verify every leaf, tile, checkpoint and count of a ledger, from its files alone.

    Exit code 1 at the first bad entry, which is named.
    """
    from broker.commands import operators

    settings = settings_in_force()
    folder = directory or settings.ledger_dir
    address = store or ("" if directory else settings.ledger_store.get_secret_value())
    report = operators.audit(folder, key, witness or (), address)
    if kafka and report.ok:
        from broker.commands.audit_kafka import with_kafka

        report = with_kafka(report, settings, folder)
    if as_json:
        write(msgspec.to_builtins(report))
    else:
        operators.show_report(report)
    raise typer.Exit(0 if report.ok else FAILED)


@audit_app.command(
    "copy",
    epilog=examples(
        "broker audit copy copy-of-ledger --store postgresql://auditor@db/ledger",
        "broker audit copy copy-of-ledger && broker audit verify copy-of-ledger --kafka",
    ),
)
def audit_copy(
    target: Annotated[Path, typer.Argument(metavar="DIR", help="A new folder for the copy.")],
    ledger: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The ledger's files; default: var/ledger.")
    ] = None,
    store: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS", help="The PostgreSQL with its rows; default: BROKER_LEDGER_STORE."
        ),
    ] = "",
    as_json: Json = False,
) -> None:
    """Copy a ledger whose rows are in PostgreSQL to a folder, for every command that reads one."""
    from broker.commands.ledger_copy import copy_ledger

    settings = settings_in_force()
    address = store or settings.ledger_store.get_secret_value()
    copied = copy_ledger(ledger or settings.ledger_dir, address, target)
    if as_json:
        write({"copied": copied, "to": str(target)})
    else:
        say(f"copied {', '.join(copied)} to {target}: `broker audit verify {target}` verifies it")


@audit_app.command(
    "replay",
    epilog=examples(
        "broker audit replay",
        "broker audit replay rehearsal --json",
        "broker audit replay copy-of-ledger --keys var/keys",
    ),
)
def audit_replay(
    directory: LedgerDir = None,
    keys: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Keys of subjects, and the broker's own; default: DIR/keys, else var/keys.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Decide everything again from the sealed facts by the present policies, and compare each leaf.

    Exit code 1 at any difference that no change of rules explains.
    """
    from broker.commands import audit_replay as replaying

    run = replaying.replay(settings_in_force(), directory, keys)
    if as_json:
        write(*replaying.rows_of(run))
    else:
        replaying.show(terminal(), run)
    raise typer.Exit(0 if run.ok else FAILED)


@audit_app.command(
    "place-counts",
    epilog=examples("broker audit place-counts", "broker audit place-counts --json"),
)
def audit_place_counts(
    directory: LedgerDir = None,
    rows_key: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The auditors' key of the sealed rows; default: the broker's own rows.key.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Count incidents by place and time of day over all authorities, fit to be published.

    From statements about places, never about children. Numbers 1 to 5 are suppressed.
    """
    from broker.commands import place_counts

    settings = settings_in_force()
    key_file = rows_key or settings.keys_dir / "broker" / "rows.key"
    counts = place_counts.counted(directory or settings.ledger_dir, key_file)
    if as_json:
        write(msgspec.to_builtins(counts))
    else:
        place_counts.show(terminal(), counts)


add_queries(audit_app)
add_parity(audit_app)
add_consistency(audit_app)
add_borders(audit_app)
add_bench(bench_app)
bench_app.command(
    "audit", epilog=examples("broker bench audit", "broker bench audit --records 100000 --json")
)(bench_audit)
bench_app.command(
    "desk", epilog=examples("broker bench desk", "broker bench desk --warnings 500 --json")
)(bench_desk)


@bench_app.command(
    "flow", epilog=examples("broker bench flow", "broker bench flow --events 5000 --json")
)
def bench_flow(
    events: Annotated[int, typer.Option(min=1, help="How many events.")] = 1000,
    as_json: Json = False,
) -> None:
    """Run signed events with 8 and with 10 candidates through the bare flow: no Kafka, no disk.

    Figures are of one run on one machine.
    """
    from broker.commands import operators

    figures = operators.bench(settings_in_force(), events)
    if as_json:
        write(msgspec.to_builtins(figures))
    else:
        operators.show_figures(terminal(), figures)


@bench_app.command(
    "security", epilog=examples("broker bench security", "broker bench security --rounds 9 --json")
)
def bench_security(
    records: Annotated[int, typer.Option(min=1000, help="Records a round.")] = 10_000,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds that count, on each side.")] = 7,
    as_json: Json = False,
) -> None:
    """Measure what TLS, certificates and rights cost a simple relay, on two embedded Kafkas.

    Takes about a minute. Figures are of one run on one machine.
    """
    from broker.commands import operators
    from broker.shell.bench_security import bench_security as measured

    figures = measured(records, rounds)
    if as_json:
        write(msgspec.to_builtins(figures))
    else:
        operators.show_security_figures(terminal(), figures)


@bench_app.command("decide", epilog=examples("broker bench decide", "broker bench decide --json"))
def bench_decide(as_json: Json = False) -> None:
    """Measure one decision, warm and cold, under 60 and under 2,000 agreements.

    Takes about a minute. Figures are of one run on one machine.
    """
    from broker.commands import operators

    figures = operators.bench_decisions(settings_in_force())
    if as_json:
        write(msgspec.to_builtins(figures))
    else:
        operators.show_decide_figures(terminal(), figures)
