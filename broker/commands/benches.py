"""`broker bench` without the name of a part: everything that is measured, in one table."""
# ruff: noqa: PLC0415 -- each command loads only what it needs

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
from rich.console import Console

from broker.commands.words import (
    Json,
    complain,
    examples,
    settings_in_force,
    terminal,
    write,
)

if TYPE_CHECKING:
    from broker.shell.bench_suite import Suite

Only = Annotated[
    list[str] | None,
    typer.Option("--only", metavar="PART", help="Only this part; can be given several times."),
]
Quick = Annotated[bool, typer.Option("--quick", help="Small sizes: to see that it runs.")]
Full = Annotated[
    bool, typer.Option("--full", help="To ten million entries and a million subjects.")
]


Plots = Annotated[
    Path | None,
    typer.Option(
        "--plots", metavar="DIR", help="Also write a plot of each key, and a page with the machine."
    ),
]


def add_bench(app: typer.Typer) -> None:
    """Makes `broker bench` alone a command; its parts stay commands of their own."""
    app.callback(
        invoke_without_command=True,
        epilog=examples(
            "broker bench",
            "broker bench --plots docs/speed --json",
            "broker bench --only flow --quick",
        ),
    )(_bench)


def _bench(
    context: typer.Context,
    only: Only = None,
    quick: Quick = False,
    full: Full = False,
    plots: Plots = None,
    as_json: Json = False,
) -> None:
    """Measure everything: rates, ratios, growth. Medians with their spread, of runs taken in turn.

    Figures are of this machine and of what else it does; a key that was not measured is absent.
    """
    if context.invoked_subcommand is not None:
        return
    from broker.shell.bench_suite import DEFAULT, FULL, PARTS, QUICK, bench_suite

    unknown = set(only or ()) - PARTS.keys()
    if unknown:
        raise typer.BadParameter(
            f"{sorted(unknown)} is no part: one of {', '.join(PARTS)}", param_hint="--only"
        )
    sizes = QUICK if quick else FULL if full else DEFAULT
    suite = bench_suite(
        settings_in_force(), sizes, only or (), lambda part: complain(f"bench: {part}")
    )
    if plots is not None:
        from broker.commands.bench_plots import write_plots

        complain(f"bench: {len(write_plots(plots, suite, as_row(suite)))} files in {plots}")
    if as_json:
        write(as_row(suite))
    else:
        show_suite(terminal(), suite)


def as_row(suite: Suite) -> dict[str, Any]:
    """Every key with median, min, max and runs, and beside them the machine and the time taken."""
    row: dict[str, Any] = msgspec.to_builtins(suite)
    keys: dict[str, Any] = row.pop("keys")
    return {**keys, **row}


def show_suite(out: Console, suite: Suite) -> None:
    """One table, and where it was measured."""
    from rich.table import Table

    from broker.commands.bench_plots import machine_words
    from broker.shell.bench_suite import UNITS

    table = Table("key", "median", "min", "max", "runs", "unit", "what it is")
    for key, one in suite.keys.items():
        unit, meaning = UNITS[key]
        figures = (_figure(value) for value in (one.median, one.min, one.max))
        table.add_row(key, *figures, str(one.runs), unit, meaning)
    out.print(table)
    out.print(f"{machine_words(suite.machine)}, after {suite.load_after}; {suite.seconds:.0f} s")


def _figure(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"
