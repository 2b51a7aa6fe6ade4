"""`broker audit index`: makes the index beside a ledger, or brings it up to what is published."""
# ruff: noqa: PLC0415 -- each command loads only what it needs

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from broker.commands.words import Json, complain, examples, say, settings_in_force, write

EXAMPLES = examples("broker audit index", "broker audit index --ledger copy-of-ledger --json")


def index(
    directory: Annotated[
        Path | None,
        typer.Option("--ledger", metavar="DIR", help="The ledger; default: var/ledger."),
    ] = None,
    key: Annotated[
        Path | None,
        typer.Option("--key", metavar="FILE", help="The log's public key, got on another way."),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option("--index", metavar="FILE", help="Default: beside the ledger's folder."),
    ] = None,
    rows_key: Annotated[
        Path | None,
        typer.Option(
            "--rows-key",
            metavar="FILE",
            help="The auditors' key of the sealed rows: adds the subjects' tags.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Index a ledger, from its published files, or go on where the index ended.

    Every question does this itself; only the first time it takes long. What is interrupted goes on.
    """
    from broker.auditor.asking import Ledger, caught_up, verified_words
    from broker.auditor.index_tags import add_tags
    from broker.auditor.ledger_rows import read_rows_key

    folder = directory or settings_in_force().ledger_dir
    ledger = Ledger(folder, key, index=file, rows_key=rows_key)
    started = time.perf_counter()

    def progress(shard: str, done: int, all_: int) -> None:
        if done < all_:
            complain(f"{shard}: {done} of {all_} entries")

    with caught_up(ledger, progress) as (database, reached):
        tags = add_tags(database, folder, read_rows_key(rows_key)) if rows_key else 0
        (path,) = (row[2] for row in database.execute("PRAGMA database_list"))
        (decisions,) = database.execute("SELECT count(*) FROM decision").fetchone()
    seconds = time.perf_counter() - started
    if as_json:
        write(
            {
                "index": path,
                "logs": [msgspec.to_builtins(one) for one in reached],
                "decisions": decisions,
                "tags_added": tags,
                "bytes": Path(path).stat().st_size if Path(path).exists() else 0,
                "seconds": round(seconds, 3),
            }
        )
        return
    say(f"{path}: {decisions} decisions, {tags} tags added, {seconds:.1f} s")
    say(verified_words(reached, key))


def bench(
    records: Annotated[
        int, typer.Option("--records", min=1000, help="How many decision records.")
    ] = 1_000_000,
    as_json: Json = False,
) -> None:
    """Ask the index of a synthetic ledger of a million decision records; takes a few minutes.

    The ledger is made up, in a folder for this once. Figures are of one run on one machine.
    """
    import tempfile

    from rich.table import Table

    from broker.commands.words import terminal
    from broker.shell.bench_audit import SCANNED, bench_audit

    with tempfile.TemporaryDirectory(prefix="broker-bench-audit-") as folder:
        figures = bench_audit(Path(folder), records, min(records, SCANNED))
    if as_json:
        write(msgspec.to_builtins(figures))
        return
    table = Table(
        title=f"First page of an answer, synthetic ledger of {records} decision records, in ms",
        title_justify="left",
    )
    for name in ("question", "state", "runs", "median", "least", "most", "decisions"):
        table.add_column(name, justify="left" if name in {"question", "state"} else "right")
    for one in figures.timings:
        times = (f"{value:.2f}" for value in (one.median, one.least, one.most))
        table.add_row(one.question, one.state, str(one.runs), *times, f"{one.rows:.0f}")
    terminal().print(table)
    say(
        f"{figures.entries} entries ({figures.ledger_bytes / 1e6:.0f} MB) made in "
        f"{figures.generate_seconds:.1f} s; index built in {figures.build_seconds:.1f} s, "
        f"{figures.index_bytes / 1e6:.0f} MB."
    )
    say(
        f"Without an index, {figures.scan_records} records: {figures.scan_seconds:.2f} s a question; "
        "that grows with the ledger."
    )
