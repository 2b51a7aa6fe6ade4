"""What `broker bench --plots DIR` writes: a plot of each key, and one page with the machine and every figure.

Median as a point, least to most as a line, and the limit that is asked for, where there is one, as a dashed
line. SVG with letters as paths: no script, no outside request.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from broker.shell.bench_measured import Measured
    from broker.shell.bench_suite import Machine, Suite

BLUE, ORANGE, INK = "#0072B2", "#D55E00", "#1d2733"
SIZE = (5.6, 1.3)
"""Inches."""
PAGE = "README.md"
RESULTS = "results.json"
LIMITS: Mapping[str, tuple[str, float]] = {
    "flow_events_per_s": (">=", 1000),
    "faust_over_flow": (">=", 0.7),
    "faust_over_aiokafka": (">=", 0.9),
    "faust_over_quix": (">=", 0.9),
    "two_workers_over_one": (">=", 1.3),
    "latency_p99_over_relay": ("<=", 3),
    "latency_p99_ms_at_100": ("<=", 250),
    "takeover_stall_s": ("<=", 2),
    "growth_ledger": ("<=", 1.2),
    "growth_subjects": ("<=", 1.2),
    "growth_agreements": ("<=", 1.2),
    "growth_history": ("<=", 1.2),
    "catch_up_over_real_time": (">=", 3),
}
"""Key -> what it is to reach."""


def write_plots(folder: Path, suite: Suite, row: Mapping[str, Any]) -> list[Path]:
    """One SVG a key, `README.md` and `results.json` in `folder`, which is made; what was written.

    `row` is what `--json` prints.
    """
    from broker.shell.bench_suite import UNITS  # noqa: PLC0415 -- loads Kafka's clients

    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for key, one in suite.keys.items():
        path = folder / f"{key}.svg"
        path.write_text(plot(key, one, *UNITS[key]), encoding="utf-8")
        written.append(path)
    page, results = folder / PAGE, folder / RESULTS
    page.write_text(_page(suite, UNITS), encoding="utf-8")
    results.write_text(json.dumps(row, indent=1) + "\n", encoding="utf-8")
    return [*written, page, results]


def reached(key: str, value: float) -> str:
    """`yes` or `no` where something is to be reached, else nothing."""
    if key not in LIMITS:
        return ""
    sign, limit = LIMITS[key]
    return "yes" if (value >= limit if sign == ">=" else value <= limit) else "no"


def plot(key: str, one: Measured, unit: str, meaning: str) -> str:
    """The SVG of one key."""
    import matplotlib as mpl  # noqa: PLC0415 -- only where a plot is made
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=SIZE, layout="constrained")
    axes = figure.subplots()
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.grid(axis="x", color="#e3e8ed", linewidth=0.7)
    axes.plot([one.min, one.max], [0, 0], color=BLUE, linewidth=2.5, solid_capstyle="round")
    axes.plot([one.median], [0], "o", color=BLUE, markersize=8, markeredgecolor="white")
    shown = [one.min, one.median, one.max]
    if key in LIMITS:
        sign, limit = LIMITS[key]
        axes.axvline(limit, color=ORANGE, linestyle="--", linewidth=1.3)
        axes.set_title(f"{key}: {sign} {limit:g} is asked for", fontsize=9.5, color=INK, loc="left")
        shown.append(limit)
    else:
        axes.set_title(key, fontsize=9.5, color=INK, loc="left")
    room = (max(shown) - min(shown)) * 0.08 or abs(one.median) * 0.1 or 1
    axes.set_xlim(min(0.0, *shown) - room / 4, max(shown) + room)
    axes.set_yticks([])
    axes.tick_params(length=0, labelsize=9, colors=INK)
    axes.set_xlabel(f"{meaning} ({unit})", fontsize=8.5)
    out = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    with mpl.rc_context({"svg.hashsalt": key, "svg.fonttype": "path"}):
        figure.savefig(out, format="svg", metadata=nothing)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


def machine_words(machine: Machine) -> str:
    """The machine in one sentence."""
    return (
        f"{machine.processor}, {machine.cores} cores, {machine.memory_gib} GiB, {machine.system}; "
        f"Python {machine.python}, Kafka {machine.kafka}, Java {machine.java}; "
        f"load before {machine.load_before}"
    )


def _page(suite: Suite, units: Mapping[str, tuple[str, str]]) -> str:
    lines = [
        "# What was measured",
        "",
        "Written by `broker bench --plots DIR`. Medians with the least and the most of the runs; ratios",
        "are of figures taken in turn. What else the machine did counts: see the load before and after.",
        "",
        f"**Machine:** {machine_words(suite.machine)}, after {suite.load_after}.",
        f"**Took:** {suite.seconds:.0f} s.",
        "",
        "| key | median | min | max | runs | unit | asked for | reached | what it is |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for key, one in suite.keys.items():
        unit, meaning = units[key]
        figures = " | ".join(f"{value:.4g}" for value in (one.median, one.min, one.max))
        asked = "{} {:g}".format(*LIMITS[key]) if key in LIMITS else ""
        lines.append(
            f"| `{key}` | {figures} | {one.runs} | {unit} | {asked} | {reached(key, one.median)} "
            f"| {meaning} |"
        )
    lines += ["", *(f"![{key}]({key}.svg)" for key in suite.keys)]
    return "\n".join(lines) + "\n"
