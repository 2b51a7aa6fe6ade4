"""The plots of the parity report as inline SVG: no script, no outside request, readable on a phone.

Colours are Okabe and Ito's for colour-blind readers, and each side has a mark of its own as well.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from typing import Any

from broker.auditor.parity.times import Waited
from broker.auditor.parity.words import StageRow, words

BLUE, ORANGE, GREY, INK = "#0072B2", "#D55E00", "#7a7a7a", "#1d2733"
WIDTH = 4.6
"""Inches: about as wide as a phone, so that letters are read at their size."""
AXIS = ((0.25, "¼"), (0.5, "½"), (0.8, "0.8"), (1.25, "1.25"), (2.0, "2"), (4.0, "4"))
OF_VERDICT = {"breach": (ORANGE, "D"), "pass": (BLUE, "o")}
APART = 0.13
"""How far the marks of one stage stand apart, so that neither hides the other."""
OTHERWISE = (GREY, "s")


def ratios(
    rows: Sequence[StageRow],
    points: Sequence[tuple[float, float, float]],
    band: tuple[float, float],
) -> str:
    """Each ratio with its interval, on a scale on which half and double are as far from 1."""
    figure, axes = _figure(0.9 + 0.42 * len(rows))
    axes.axvspan(*band, color="#dfe7ee", zorder=0)
    axes.axvline(1, color=INK, linewidth=0.8)
    for place, (row, (ratio, low, high)) in enumerate(zip(rows, points, strict=True)):
        colour, mark = OF_VERDICT.get(row.verdict, OTHERWISE)
        axes.plot([low, high], [place, place], color=colour, linewidth=2.2, solid_capstyle="round")
        axes.plot([ratio], [place], mark, color=colour, markersize=7, markeredgecolor="white")
    axes.set_xscale("log")
    low = min([0.5, *(one for _, one, _ in points)]) / 1.08
    high = max([2.0, *(one for _, _, one in points)]) * 1.08
    axes.set_xlim(max(low, 0.02), min(high, 50))
    ticks = [(at, name) for at, name in AXIS if low <= at <= high]
    axes.set_xticks([at for at, _ in ticks], [name for _, name in ticks])
    axes.minorticks_off()
    axes.set_yticks(range(len(rows)), [row.title for row in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlabel("ratio of rates; shaded: within the band")
    return _svg(figure, "ratios")


def rates(rows: Sequence[StageRow]) -> str:
    """The two rates of each stage, one above the other."""
    figure, axes = _figure(1.0 + 0.5 * len(rows))
    for place, row in enumerate(rows):
        one, other = (row.one or 0) * 100, (row.other or 0) * 100
        axes.plot(
            [one, other], [place - APART, place + APART], color="#c9d1da", linewidth=3, zorder=1
        )
        axes.plot([one], [place - APART], "D", color=ORANGE, markersize=8, markeredgecolor="white")
        axes.plot([other], [place + APART], "o", color=BLUE, markersize=8, markeredgecolor="white")
    axes.plot([], [], "D", color=ORANGE, label="family or community")
    axes.plot([], [], "o", color=BLUE, label="professional")
    axes.legend(loc="lower center", bbox_to_anchor=(0.4, 1.0), ncols=2, frameon=False)
    axes.set_xlim(-3, 103)
    axes.set_yticks(range(len(rows)), [row.title for row in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlabel("of a hundred that reached the stage before")
    return _svg(figure, "rates")


def curves(found: Sequence[Waited]) -> str:
    """Share not yet considered by hours since the alert."""
    figure, axes = _figure(3.0)
    for one, (colour, style) in zip(found, ((ORANGE, "--"), (BLUE, "-")), strict=False):
        hours = [0.0, *(time for time, _ in one.curve)]
        left = [1.0, *(share for _, share in one.curve)]
        axes.step(
            hours, [100 * x for x in left], style, where="post", color=colour, label=words(one.key)
        )
    axes.set_ylim(0, 103)
    axes.set_xlim(left=0)
    axes.set_xlabel("hours since the alert")
    axes.set_ylabel("not yet considered, %")
    axes.legend(frameon=False)
    return _svg(figure, "curves")


def _figure(height: float) -> tuple[Any, Any]:
    from matplotlib.figure import Figure  # noqa: PLC0415 -- only where a page is made

    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    axes = figure.subplots()
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.grid(axis="x", color="#e3e8ed", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, labelsize=10.5, colors=INK)
    return figure, axes


def _svg(figure: Any, name: str) -> str:
    import matplotlib as mpl  # noqa: PLC0415

    out = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    with mpl.rc_context({"svg.hashsalt": name, "svg.fonttype": "path", "font.size": 10.5}):
        figure.savefig(out, format="svg", metadata=nothing, transparent=True)
    text = out.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    text = re.sub(r'(id="|href="#|url\(#)', rf"\g<1>{name}-", text)
    return text.replace("<svg ", '<svg aria-hidden="true" focusable="false" ', 1)
