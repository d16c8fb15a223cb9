"""Results as pictures: one colour per contender in all of them, ours the strongest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

Result = Mapping[str, Any]

COLORS = {
    "ours": "#c1121f",
    "ours_default": "#f08080",
    "keras": "#457b9d",
    "keras_xla": "#1d3557",
    "torch": "#e9a03b",
    "torch_compile": "#b5651d",
    "darts": "#457b9d",
    "neuralforecast": "#e9a03b",
    "tfts": "#6a994e",
}
CLOCKS = {1: "1 thread, processor time", 2: "2 threads, wall clock"}
MODES = {"train": "Train step", "forward": "Inference step"}


def steps_picture(result: Result, labels: Mapping[str, str]) -> Figure:
    """Draw bars of milliseconds by size, a panel per step and thread count, the floor as a line."""
    threads = sorted({row["threads"] for row in result["rows"]}, reverse=True)
    figure = Figure(figsize=(11, 3.6 * len(threads)), layout="constrained")
    panels = figure.subplots(len(threads), len(MODES), squeeze=False)
    for line, count in zip(panels, threads, strict=True):
        for axes, mode in zip(line, MODES, strict=True):
            rows = [
                row for row in result["rows"] if row["threads"] == count and row["mode"] == mode
            ]
            draw_bars(axes, rows, labels)
            axes.set_title(f"{MODES[mode]}, {CLOCKS[count]}")
    figure.legend(
        *panels[0, 0].get_legend_handles_labels(),
        loc="outside lower center",
        ncols=6,
        frameon=False,
    )
    return figure


def draw_bars(axes: Axes, rows: Sequence[Result], labels: Mapping[str, str]) -> None:
    """Groups of bars, one per size; the height is the median and is written above."""
    names = [name for name in labels if any(name in row["milliseconds"] for row in rows)]
    width = 0.8 / max(1, len(names))
    for place, name in enumerate(names):
        x = [group + (place - (len(names) - 1) / 2) * width for group in range(len(rows))]
        heights = [median(row["milliseconds"].get(name, [float("nan")])) for row in rows]
        bars = axes.bar(
            x, heights, width * 0.92, color=COLORS[name], label=labels[name].replace("`", "")
        )
        axes.bar_label(
            bars,
            [f"{height:.0f}" if height >= 100 else f"{height:.3g}" for height in heights],
            fontsize=7,
            padding=1,
        )
    for group, row in enumerate(rows):
        label = "floor: matrix products alone" if not group else None
        axes.plot(
            [group - 0.42, group + 0.42],
            [row["floor"]] * 2,
            color="black",
            linewidth=1.5,
            label=label,
        )
    sizes = [f"{row['case']}\n{'x'.join(map(str, row['sizes']))}" for row in rows]
    axes.set_xticks(range(len(rows)), sizes)
    axes.set_xlabel("size: batch x steps x features x units")
    axes.set_ylabel("ms per step, logarithmic")
    axes.set_yscale("log")
    axes.margins(y=0.15)
    axes.spines[["top", "right"]].set_visible(False)


def sweep_picture(result: Result, labels: Mapping[str, str], mode: str) -> Figure:
    """Milliseconds over one size at a time, one row of panels per number of threads."""
    rows = [row for row in result["rows"] if row["mode"] == mode]
    threads = sorted({row["threads"] for row in rows}, reverse=True)
    axes_names = list(dict.fromkeys(row["case"].split()[0] for row in rows))
    figure = Figure(figsize=(3.6 * len(axes_names), 3.2 * len(threads)), layout="constrained")
    panels = figure.subplots(len(threads), len(axes_names), squeeze=False, sharey="row")
    for line, count in zip(panels, threads, strict=True):
        for axes, axis in zip(line, axes_names, strict=True):
            draw_lines(
                axes,
                [row for row in rows if row["threads"] == count and row["case"].split()[0] == axis],
                labels,
            )
            axes.set_xlabel(axis)
        line[0].set_ylabel(f"ms, {CLOCKS[count]}")
    figure.suptitle(
        f"{MODES[mode]}: one size varied around batch 64, 96 steps, 7 features, 64 units"
    )
    figure.legend(
        *panels[0, 0].get_legend_handles_labels(),
        loc="outside lower center",
        ncols=6,
        frameon=False,
    )
    return figure


def draw_lines(axes: Axes, rows: Sequence[Result], labels: Mapping[str, str]) -> None:
    """A line per contender and the floor, both axes logarithmic."""
    for name, label in labels.items():
        found = [
            (number_of(row), median(row["milliseconds"][name]))
            for row in rows
            if name in row["milliseconds"]
        ]
        if found:
            width, over = (2.5, 3) if name == "ours" else (1.5, 2)
            lines = axes.plot(
                *zip(*found, strict=True), "o-", markersize=4, linewidth=width, zorder=over
            )
            lines[0].set(color=COLORS[name], label=label.replace("`", ""))
    x = [number_of(row) for row in rows]
    axes.plot(
        x,
        [row["floor"] for row in rows],
        "--",
        color="black",
        linewidth=1,
        label="floor: matrix products alone",
    )
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xticks(x, [str(one) for one in x])
    axes.minorticks_off()
    axes.grid(alpha=0.3)


def number_of(row: Result) -> int:
    """The value of the varied size."""
    return int(row["case"].split()[1])


def fits_picture(result: Result, labels: Mapping[str, str]) -> Figure:
    """Seconds of a whole fit by part, and validation loss over time."""
    worked = {name: one for name, one in result["contenders"].items() if "error" not in one}
    figure = Figure(figsize=(12, 4), layout="constrained")
    bars, curves = figure.subplots(1, 2)
    names = [labels[name].replace("`", "") for name in worked]
    left = [0.0] * len(worked)
    for title, parts, alpha in fit_parts(worked):
        bars.barh(
            names,
            parts,
            left=left,
            color=[COLORS[name] for name in worked],
            alpha=alpha,
            label=title,
        )
        left = [begin + part for begin, part in zip(left, parts, strict=True)]
    for place, end in enumerate(left):
        bars.text(end, place, f" {end:.1f} s", va="center")
    bars.invert_yaxis()
    bars.margins(x=0.18)
    bars.set_xlabel("seconds: pale imports and start, middle first epoch, full the rest")
    bars.set_title("A whole fit, from the start of the process to the artifact")
    for name, one in worked.items():
        curves.plot(
            *median_curve(one), "o-", color=COLORS[name], label=labels[name].replace("`", "")
        )
    for name, title in (
        ("loss", "loss whose reach is timed"),
        ("least_loss", "best possible forecast"),
    ):
        style = "dotted" if name == "loss" else "solid"
        curves.axhline(
            result["setting"][name], color="black", linestyle=style, linewidth=1, label=title
        )
    curves.set_yscale("log")
    curves.set_xlabel("seconds since the imports began")
    curves.set_ylabel("validation loss, scaled series")
    curves.set_title("Validation loss after each epoch, median round")
    curves.legend(frameon=False)
    return figure


def fit_parts(worked: Mapping[str, Result]) -> list[tuple[str, list[float], float]]:
    """Title, seconds of each contender and opacity of the parts of a whole fit."""
    whole, fit, first = (
        [median(one[key]) for one in worked.values()] for key in ("whole", "fit", "first_epoch")
    )
    return [
        (
            "start and imports",
            [all_of - part for all_of, part in zip(whole, fit, strict=True)],
            0.3,
        ),
        ("first epoch", first, 0.6),
        (
            "later epochs, artifact",
            [part - begin for part, begin in zip(fit, first, strict=True)],
            1.0,
        ),
    ]


def median_curve(one: Result) -> tuple[list[float], list[float]]:
    """Seconds and losses of the round whose fit took the median time."""
    order = sorted(range(len(one["fit"])), key=one["fit"].__getitem__)
    middle = order[(len(order) - 1) // 2]
    return [one["import"][middle] + end for end in one["ends"][middle]], one["losses"][middle]
