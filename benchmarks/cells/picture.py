"""Results as pictures: what each question is answered, and the error of every network and seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import TYPE_CHECKING, Any

from compare import QUESTIONS, Difference, Results
from grid import ATTENTION, KINDS, LAYERS, Choice

from forecast.report.plots.style import (
    ACCENT,
    GRID,
    INK,
    MODEL,
    MUTED,
    PANEL_TITLE,
    dress,
    new_figure,
    write_finding_and_key,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TITLES = {
    "etth1": "ETTh1, 96 hours",
    "bike_sharing": "Bicycles, 24 hours",
    "m4_weekly": "M4 Weekly, 13 weeks",
}
COLOURS = {"none": MODEL, "dot": ACCENT}
SHIFTS = {"none": -0.13, "dot": 0.13}


def answers_picture(found: Mapping[str, Mapping[str, Difference]]) -> Figure:
    """Draw a panel per data set, a line per question: pairs as dots, mean with 95 % interval."""
    from matplotlib.lines import Line2D

    figure = new_figure((9.4, 4.2))
    handles = [
        Line2D(
            [],
            [],
            color=MODEL,
            marker="o",
            markersize=6,
            linewidth=2.4,
            label="mean and 95 %: measurably better",
        ),
        Line2D([], [], color=ACCENT, marker="o", markersize=6, linewidth=2.4, label="worse"),
        Line2D(
            [],
            [],
            color=MUTED,
            marker="o",
            markersize=6,
            linewidth=2.4,
            label="no measurable difference",
        ),
        Line2D(
            [], [], color=MUTED, marker="o", markersize=3, linewidth=0, label="one pair of networks"
        ),
    ]
    write_finding_and_key(
        figure, "What each part changes at equal parameters, in percent of the error", handles
    )
    panels: Sequence[Any] = figure.subplots(1, len(found), sharey=True, squeeze=False)[0]
    for axes, (name, differences) in zip(panels, found.items(), strict=True):
        axes.set_title(TITLES[name], **PANEL_TITLE)
        for place, question in enumerate(QUESTIONS):
            draw_answer(axes, place, differences[question])
        dress(axes, x="change of the error, %")
        axes.grid(visible=False, axis="y")
        axes.grid(axis="x", color=GRID, linewidth=0.8)
        axes.axvline(0, color=MUTED, linewidth=1.0, zorder=1)
    panels[0].set_yticks(range(len(QUESTIONS)), list(QUESTIONS))
    panels[0].tick_params(axis="y", labelsize=9, colors=INK)
    panels[0].set_ylim(len(QUESTIONS) - 0.5, -0.5)
    return figure


def draw_answer(axes: Axes, place: int, one: Difference) -> None:
    """Draw a line of dots with mean and interval; grey where the interval includes 0."""
    colour = MUTED if not one.is_measurable else MODEL if one.mean < 0 else ACCENT
    low, high = one.interval
    axes.plot(
        one.each,
        [place + 0.22] * len(one.each),
        "o",
        color=colour,
        alpha=0.35,
        markersize=3,
        markeredgewidth=0,
    )
    axes.plot(
        [low, high],
        [place - 0.05] * 2,
        color=colour,
        linewidth=2.4,
        solid_capstyle="round",
        zorder=3,
    )
    axes.plot(
        one.mean, place - 0.05, "o", color=colour, markersize=6.5, markeredgecolor="white", zorder=4
    )
    axes.annotate(
        f"{one.mean:+.1f}",
        (one.mean, place - 0.05),
        xytext=(0, 5.5),
        textcoords="offset points",
        ha="center",
        fontsize=8,
        color=colour,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6},
        zorder=2,
    )


def errors_picture(found: Sequence[Results]) -> Figure:
    """One row of panels per set, one panel per cell: error over layers, every seed a point."""
    from matplotlib.lines import Line2D

    figure = new_figure((9.4, 1.2 + 2.1 * len(found)))
    labels = {"none": "no attention", "dot": "dot attention"}
    handles = [
        Line2D([], [], color=COLOURS[one], marker="o", markersize=4, label=labels[one])
        for one in ATTENTION
    ]
    write_finding_and_key(
        figure, "Error by cell, layers and attention, about 60,000 parameters each", handles
    )
    panels = figure.subplots(len(found), len(KINDS), sharex=True, sharey="row", squeeze=False)
    for number, one in enumerate(found):
        for axes, kind in zip(panels[number], KINDS, strict=True):
            for attention in ATTENTION:
                draw_seeds(axes, kind, attention, one)
            dress(axes, x="layers" if number == len(found) - 1 else "")
            axes.set_title("" if number else kind, **PANEL_TITLE)
        panels[number, 0].set_ylabel(f"{TITLES[one.name]}\n{one.score}", fontsize=9, color=INK)
    panels[0, 0].set_xticks(LAYERS)
    panels[0, 0].set_xlim(0.6, len(LAYERS) + 0.4)
    return figure


def draw_seeds(axes: Axes, kind: str, attention: str, found: Results) -> None:
    """The seeds of three depths as points, their means joined by a line."""
    means, colour = [], COLOURS[attention]
    for layers in LAYERS:
        key = Choice(kind, attention, layers).key
        errors = found.errors(key, found.seeds())
        axes.plot(
            [layers + SHIFTS[attention]] * len(errors),
            errors,
            "o",
            color=colour,
            alpha=0.55,
            markersize=3.6,
        )
        means.append(fmean(errors))
    axes.plot([one + SHIFTS[attention] for one in LAYERS], means, color=colour, linewidth=1.5)
