"""`broker up`, `broker audit verify` and `broker bench`: for those who run it and who check it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from rich.console import Console
from rich.table import Table

from broker.auditor import Report, keys_from_file, verdict, verify_ledger, witness_from
from broker.commands.errors import CommandError
from broker.commands.words import say
from broker.ledger.database import Stores
from broker.shell.bench import FlowFigures, bench_flow
from broker.shell.bench_decide import DecideFigures, bench_decide
from broker.shell.bench_security import SecurityFigures
from broker.shell.policy import load_policy
from broker.shell.settings import Settings
from broker.shell.up import run_up

PER_CENT = 100


def up(settings: Settings, *, once: bool, as_json: bool) -> tuple[int, dict[str, object]]:
    """Runs the broker; (exit code, summary). With `as_json` its words go to standard error.

    The auditor is handed in here: what runs the broker does not itself know how it is checked.
    """
    lines: list[str] = []

    def verify(ledger_dir: Path) -> tuple[bool, str]:
        with _stores(settings.ledger_store.get_secret_value()) as stores:
            holds, line = verdict(ledger_dir, stores)
        lines.append(line)
        return holds, line

    console = Console(file=sys.stderr) if as_json else Console()
    code = run_up(settings, once=once, verify=verify, console=console)
    return code, {"exit_code": code, "ledger": lines[-1] if lines else None}


def audit(
    ledger_dir: Path, key_file: Path | None, witnesses: Sequence[str] = (), store: str = ""
) -> Report:
    """Verifies a ledger from its files, by the public key of `key_file` or by those beside the logs.

    `store`: address of the PostgreSQL that holds its rows. Each of `witnesses`, keys or files of keys,
    must have cosigned it. Raises CommandError where there is nothing to verify, BadLedgerError for a
    key that is none.
    """
    if not ledger_dir.is_dir():
        raise CommandError(
            f"{ledger_dir} is no folder: name the folder of a ledger, such as var/ledger or a copy"
        )
    with _stores(store) as stores:
        return verify_ledger(
            ledger_dir,
            keys_from_file(key_file) if key_file else None,
            witnesses=[witness_from(one) for one in witnesses],
            stores=stores,
        )


def _stores(address: str) -> AbstractContextManager[Stores | None]:
    """The rows in a PostgreSQL; nothing where there is none."""
    if not address:
        return nullcontext()
    from broker.ledger.copying import stores_in  # noqa: PLC0415 -- loads PostgreSQL's client

    return stores_in(address)


def show_report(report: Report) -> None:
    """Notes, what was cosigned, what Kafka has, and the one line that says whether it holds."""
    for note in report.notes:
        say(note)
    for one in report.cosigned:
        say(one.line())
    if report.kafka is not None:
        say(report.kafka.line())
    say(report.summary_line())


def bench(settings: Settings, events: int) -> FlowFigures:
    """One run of the benchmark of the bare flow."""
    return bench_flow(load_policy(settings), events)


def bench_decisions(settings: Settings) -> DecideFigures:
    """One run of the benchmark of single decisions."""
    return bench_decide(settings)


def show_decide_figures(out: Console, figures: DecideFigures) -> None:
    """What one candidate costs, with few and with many agreements."""
    few, many = figures.agreements
    table = Table(
        "one candidate, every field",
        f"{few} agreements",
        f"{many} agreements",
        title=f"{figures.candidates} candidates, {figures.clauses_per_agreement} clauses an agreement",
        title_justify="left",
    )
    table.add_row("warm, microseconds", f"{figures.warm_us:.1f}", f"{figures.warm_us_many:.1f}")
    table.add_row("cold, microseconds", f"{figures.cold_us:.0f}", f"{figures.cold_us_many:.0f}")
    table.add_row("loading the bundle, seconds", *(f"{one:.2f}" for one in figures.load_seconds))
    out.print(table)
    out.print(
        f"growth {figures.growth * PER_CENT:+.1f} % warm, {figures.growth_cold * PER_CENT:+.1f} % "
        f"cold; the first time that an agreement is used at all: {figures.first_us:.0f} microseconds"
    )


def show_security_figures(out: Console, figures: SecurityFigures) -> None:
    """Rates of a relay with and without security, and the share that it costs."""
    table = Table(
        "records a second",
        "median",
        "least",
        "most",
        title=f"a relay of {figures.records} records of {figures.record_bytes} bytes, "
        f"{figures.rounds} rounds in turn",
        title_justify="left",
    )
    rows = (("open", figures.plaintext), ("TLS, certificates, rights", figures.secured))
    for name, rates in rows:
        table.add_row(name, f"{rates.median:.0f}", f"{rates.minimum:.0f}", f"{rates.maximum:.0f}")
    out.print(table)
    out.print(f"security costs {figures.loss * PER_CENT:.0f} % of the rate (medians)")


def show_figures(out: Console, figures: FlowFigures) -> None:
    """Rates of one run, and what each step takes of it."""
    out.print(f"{figures.events} events of each shape, verified, decided and sealed on one core")
    for rate in (figures.at_eight, figures.at_ten):
        out.print(
            f"{rate.candidates_per_event:.0f} candidates and {rate.sealed_per_event:.0f} alerts: "
            f"{rate.events_per_processor_second:.0f} events/s of processor time, "
            f"{rate.events_per_second:.0f} by the clock"
        )
    table = Table("step", "share of the whole", title="each step timed alone", title_justify="left")
    for step, share in figures.share_of_step.items():
        table.add_row(step, f"{share * PER_CENT:.1f} %")
    out.print(table)
