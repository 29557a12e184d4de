"""The chart of a benchmark: rows/s of both plans by size, and where the time of ours goes."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.lakehouse import Size
from benchmarks.measure import Ending, Run
from benchmarks.plans import OURS, PLAIN, PLAIN_2

COLORS = {OURS.name: "#2a6f97", PLAIN.name: "#bc6c25", PLAIN_2.name: "#dda15e"}
ALL_BARS = 0.8
"""How wide the bars of one size are together."""


def draw(sizes: Sequence[Size], file: Path) -> None:
    """Draw both panels into an SVG; equal results give equal files."""
    with mpl.rc_context({"svg.hashsalt": "coinlake", "font.size": 9}):
        figure = Figure(figsize=(10, 4), layout="constrained")
        speed, stages = figure.subplots(1, 2)
        _draw_speed(speed, sizes)
        _draw_stages(stages, sizes)
        figure.savefig(file, format="svg", metadata={"Date": None})


def _draw_speed(axes: Axes, sizes: Sequence[Size]) -> None:
    plans = [plan for plan in COLORS if any(run.plan == plan for size in sizes for run in size.runs)]
    width = ALL_BARS / max(1, len(plans))
    for side, plan in enumerate(plans):
        axes.bar(0, 0, label=plan, color=COLORS[plan])  # for the legend alone
        for place, size in enumerate(sizes):
            for run in (run for run in size.runs if run.plan == plan and run.ending is not Ending.FAILED):
                x = place + (side + 0.5) * width - ALL_BARS / 2
                finished = run.ending is Ending.FINISHED
                axes.bar(
                    x,
                    run.rows_per_second,
                    width,
                    color=COLORS[plan] if finished else "none",
                    edgecolor=COLORS[plan],
                    hatch=None if finished else "///",
                )
                axes.text(x, run.rows_per_second, speed_label(run), ha="center", va="bottom", fontsize=7)
    axes.set_yscale("log")
    axes.margins(y=0.15)
    axes.set_title("Kafka to published tables, rows/s")
    _name_sizes(axes, sizes)
    axes.legend(loc="upper left")


def speed_label(run: Run) -> str:
    """Write a speed over its bar; of a run that did not finish it is a bound."""
    bound = "" if run.ending is Ending.FINISHED else "< "
    return f"{bound}{run.rows_per_second:,.0f}"


def _draw_stages(axes: Axes, sizes: Sequence[Size]) -> None:
    ours = {size.rows: run for size in sizes for run in size.runs if run.plan == OURS.name and run.stages}
    names = list(dict.fromkeys(name for run in ours.values() for name in run.stages))
    below = [0.0] * len(sizes)
    for name in names:
        heights = [ours[size.rows].stages.get(name, 0.0) if size.rows in ours else 0.0 for size in sizes]
        axes.bar(range(len(sizes)), heights, 0.6, bottom=below, label=name)
        below = [low + high for low, high in zip(below, heights, strict=True)]
    axes.set_title("ours, seconds per stage")
    _name_sizes(axes, sizes)
    if names:
        axes.legend()


def _name_sizes(axes: Axes, sizes: Sequence[Size]) -> None:
    axes.set_xticks(range(len(sizes)), [f"{size.rows:,} rows" for size in sizes])
