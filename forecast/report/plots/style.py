"""The common look of all figures, without pyplot and without a change of rcParams."""

from __future__ import annotations

import io
import re
import textwrap
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from forecast.axes import FloatArray
from forecast.errors import ForecastWarning
from forecast.files.atomic import write_file
from forecast.files.outputs import check_file
from forecast.report.plots.letters import find_letters
from forecast.report.words import listed_words

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from forecast.scores.evaluation import BacktestResult
    from forecast.scores.forecast import Forecast

DPI = 150

SOFTWARE = "bigru-forecast"
"""Written into every file, which is recognised by it."""

HEAD_BYTES = 200
"""Bytes at the start of a file that include `SOFTWARE`."""

MISSING_GLYPH = re.compile(r"Glyph (\d+) .* missing from font")
"""Warning of matplotlib about a character, with its number."""

SHOWN_GLYPHS = 5
"""Characters that our warning lists."""

INK = "#262626"

MUTED = "#6b6b6b"

GRID = "#e6e6e6"

LIGHT = "#bdbdbd"

MODEL = "#0072b2"

ACCENT = "#d55e00"

# Without `parse_math` matplotlib reads dollar signs in names from the data as formulas.
TITLE: dict[str, Any] = {"fontsize": 12.5, "fontweight": "bold", "color": INK, "parse_math": False}

LETTERS_PER_INCH = 8.8  # of a title

PANEL_TITLE: dict[str, Any] = {
    "loc": "left",
    "fontsize": 9.5,
    "color": INK,
    "pad": 6,
    "parse_math": False,
}

# Okabe and Ito, Color Universal Design, 2008: distinct with every common colour blindness.
BASELINES = {
    "last_value": "#e69f00",
    "seasonal_naive": "#009e73",
    "drift": "#cc79a7",
    "window_mean": "#56b4e9",
    "linear": "#d55e00",
}

OTHERS = ("#8c6d1f", "#7a5195", "#4d4d4d", "#1b7f79", "#a5442f", "#5c7a1e")

DASHES = ("-", "--", ":", "-.")

DOTTED = (0, (2, 3))
"""Dashes of a thin mark, such as that of a cutoff."""

UP = "\N{UPWARDS ARROW}"
"""Behind the name of a line that leaves the figure."""

LABEL_POINTS = 11.0
"""Height of a label at the end of a line, in points."""

MAX_MARKED = 14
"""Points of a line up to which each point gets a dot."""


def colours_of(names: Sequence[str]) -> dict[str, str]:
    """Give every name a colour; a baseline has the same one in all figures."""
    others = [name for name in names if name not in BASELINES]
    colours = dict(BASELINES)
    for number, name in enumerate(others):
        colours[name] = OTHERS[number % len(OTHERS)]
    return colours


def line_looks(names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Give each of many equal lines a colour, and new dashes where the colours start again."""
    colours = (MODEL, *BASELINES.values(), *OTHERS)
    looks = {}
    for number, name in enumerate(names):
        repetition, colour = divmod(number, len(colours))
        dash = DASHES[repetition % len(DASHES)]
        looks[name] = {"color": colours[colour], "linestyle": dash}
    return looks


def marker_of(num_points: int) -> str:
    """Return the marker of the points of a line; none where they stand too close."""
    return "o" if num_points <= MAX_MARKED else ""


def in_unit(words: str, unit: str) -> str:
    """Return the title of an axis with its unit, if there is one."""
    return f"{words} [{unit}]" if unit else words


def new_figure(size: tuple[float, float]) -> Figure:
    """Make an empty figure of some width and height in inches."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, dpi=DPI, layout="constrained", facecolor="white")
    figure.get_layout_engine().set(w_pad=0.08, h_pad=0.06)  # type: ignore[union-attr, call-arg]
    return figure


def subject_of(shown: BacktestResult | Forecast, given: str) -> str:
    """Return the subject of a title: the given one, or the names of the targets."""
    return given or listed_words(shown.columns.target_cols)


def write_finding(figure: Figure, finding: str, subject: str = "") -> None:
    """Write on top of a figure what it is about and what it shows.

    Args:
        figure: the figure.
        finding: in lower case.
        subject: such as `sales, sales.csv`; default: none.
    """
    words = f"{finding[0].upper()}{finding[1:]}"
    if subject:
        words = f"{subject}: {finding}"
    figure.suptitle(_wrapped(words, figure), x=0.012, ha="left", **TITLE)


def write_finding_and_key(figure: Figure, words: str, handles: Sequence[Artist]) -> None:
    """Write the finding of a figure on top of it, and below that the names of the lines."""
    key = figure.legend(
        handles=list(handles),
        title=_wrapped(words, figure),
        title_fontproperties={"size": TITLE["fontsize"], "weight": TITLE["fontweight"]},
        alignment="left",
        loc="outside upper left",
        ncols=len(handles),
        frameon=False,
        fontsize=9,
        labelcolor=INK,
        handlelength=1.6,
        columnspacing=1.6,
        borderpad=0.0,
        borderaxespad=0.75,
    )
    key.get_title().set(color=INK, parse_math=False)
    for text in key.get_texts():
        text.set_parse_math(False)


def write_caption(figure: Figure, words: str) -> None:
    """Write a small line below a figure, such as where the data are from."""
    figure.supxlabel(words, x=0.012, ha="left", fontsize=8.5, color=MUTED, parse_math=False)


def dress(axes: Axes, *, x: str = "", y: str = "") -> None:
    """Give axes the common look: no box, a light grid behind the data, small labels."""
    axes.set_axisbelow(True)
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(LIGHT)
    axes.tick_params(which="both", colors=MUTED, labelsize=8.5, length=0, pad=4)
    axes.tick_params(axis="x", which="major", length=3, color=LIGHT)
    axes.set_xlabel(x, fontsize=9, color=MUTED, parse_math=False)
    axes.set_ylabel(y, fontsize=9, color=MUTED, parse_math=False)


def set_ticks_in_steps(axes: Axes, steps: int, season_length: int = 1) -> None:
    """Put ticks at whole steps, at multiples of the season where that gives a handful of them."""
    from matplotlib.ticker import FixedLocator, MaxNLocator, MultipleLocator

    if steps == 1:
        axes.xaxis.set_major_locator(FixedLocator([1]))
        return
    factors = (0.25, 0.5, 1, 2, 5, 10)
    distances = [season_length * factor for factor in factors]
    suitable = [distance for distance in distances if 3 <= steps / distance <= 9]
    locator: Any = MaxNLocator(8, integer=True)
    if season_length >= 4 and suitable and suitable[0] >= 1 and float(suitable[0]).is_integer():
        locator = MultipleLocator(suitable[0])
    axes.xaxis.set_major_locator(locator)


def set_dates(axes: Axes, stamps: NDArray[Any], tz: str | None = None) -> None:
    """Put few, short dates along an axis; whole numbers on an integer index.

    Args:
        axes: the axes.
        stamps: what is drawn along them.
        tz: the time zone of the dates, where the stamps are in UTC.
    """
    from matplotlib.dates import (
        DAILY,
        HOURLY,
        MICROSECONDLY,
        MINUTELY,
        MONTHLY,
        SECONDLY,
        YEARLY,
        AutoDateLocator,
        ConciseDateFormatter,
    )
    from matplotlib.ticker import MaxNLocator

    if np.issubdtype(stamps.dtype, np.datetime64):
        # With fewer ticks matplotlib has no distance for 61 to 71 hours, or for 31 to 35 months.
        most = dict.fromkeys((MONTHLY, HOURLY, MINUTELY, SECONDLY), 7)
        most |= {YEARLY: 6, DAILY: 6, MICROSECONDLY: 6}
        locator = AutoDateLocator(tz=tz, minticks=3, maxticks=most)  # type: ignore[no-untyped-call]
        axes.xaxis.set_major_locator(locator)
        formatter = ConciseDateFormatter(locator, tz=tz)  # type: ignore[no-untyped-call]
        # by the distance of the ticks: years, months, days, hours, minutes, seconds
        formatter.formats[2] = "%d %b"
        formatter.zero_formats[1:4] = ["%Y", "%d %b", "%d %b"]
        formatter.offset_formats[2:4] = ["%Y", "%Y"]
        axes.xaxis.set_major_formatter(formatter)
        axes.xaxis.get_offset_text().set(fontsize=8.5, color=MUTED)
    else:
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))


def mark_cutoff(axes: Axes, cutoff: Any) -> None:
    """Draw a dotted vertical line at the last stamp the model may see."""
    line = axes.axvline(cutoff, color=MUTED, linewidth=0.9, label="cutoff")
    line.set(linestyle=DOTTED, zorder=1)


def label_ends(
    axes: Axes, x: float, ends: Sequence[tuple[str, float, str]], *, bold: str = ""
) -> None:
    """Write names at the right ends of lines, moved apart where they would overlap.

    Args:
        axes: with its final limits.
        x: where the lines end.
        ends: name, height and colour of each.
        bold: the name that stands out.
    """
    limits = axes.get_ylim()
    heights = np.array([*limits, *(height for _, height, _ in ends)])
    points = axes.transScale.transform(np.column_stack([np.ones_like(heights), heights]))
    low, high, *scaled = points[:, 1]
    shares = np.clip((np.array(scaled) - low) / (high - low), 0.0, 1.0)
    shares = _spread(shares, LABEL_POINTS / _height_in_points(axes))
    for (name, height, colour), share in zip(ends, shares, strict=True):
        words = name
        if height > limits[1]:
            words += f" {UP}"
        text = axes.annotate(
            words,
            (x, share),
            xycoords=("data", "axes fraction"),
            xytext=(7, 0),
            textcoords="offset points",
            va="center",
            fontsize=8.5,
            color=colour,
            annotation_clip=False,
            parse_math=False,
        )
        if name == bold:
            text.set_fontweight("bold")


def save_figure(figure: Figure, path: str | Path) -> Path:
    """Write a figure as PNG, atomically.

    Args:
        figure: result of a plot function.
        path: the file; a missing folder is created.

    Returns:
        The path.

    Raises:
        OutputError: the file exists and is no picture of this package.
        FileError: the file cannot be written.
    """
    check_file(path, is_picture, "picture of this package")
    find_letters(figure)
    write_file(path, _png_of(figure))
    return Path(path)


def _png_of(figure: Figure) -> bytes:
    """Draw a figure; characters that the font lacks are named in one warning of our own."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    buffer = io.BytesIO()
    with warnings.catch_warnings(record=True) as issued:
        warnings.simplefilter("always")
        # `Figure.savefig` draws a figure twice to lay it out; the canvas draws it once. Without the
        # version of matplotlib in the file, equal pictures are equal files.
        canvas: Any = FigureCanvasAgg(figure)
        canvas.print_png(buffer, metadata={"Software": SOFTWARE})
    lacking = []
    for warning in issued:
        glyph = MISSING_GLYPH.match(str(warning.message))
        if glyph:
            lacking.append(chr(int(glyph[1])))
        else:
            warnings.warn_explicit(
                warning.message, warning.category, warning.filename, warning.lineno
            )
    if lacking:
        listed = ", ".join(sorted(set(lacking))[:SHOWN_GLYPHS])
        warnings.warn(
            f"the font of the pictures lacks some characters ({listed}) and shows boxes for them; "
            f"the report shows them",
            ForecastWarning,
            stacklevel=3,
        )
    return buffer.getvalue()


def is_picture(path: Path) -> bool:
    """Return whether a file was written by `save_figure`, by the text after its PNG head."""
    return path.is_file() and f"Software\0{SOFTWARE}".encode() in _head_of(path)


def is_our_output(path: Path) -> bool:
    """Return whether a file is ours: a picture by the mark in it, any other by its name."""
    return path.suffix != ".png" or is_picture(path)


def _head_of(path: Path) -> bytes:
    with open(path, "rb") as file:
        return file.read(HEAD_BYTES)


def _wrapped(words: str, figure: Figure) -> str:
    """Break a title that is wider than its figure."""
    return textwrap.fill(words, int(LETTERS_PER_INCH * figure.get_figwidth()))


def _height_in_points(axes: Axes) -> float:
    """Rough height of the axes; the layout is only known once the figure is drawn."""
    rows = axes.get_subplotspec().get_gridspec().nrows  # type: ignore[union-attr]
    figure: Any = axes.figure
    return float(figure.get_figheight()) * 72.0 * 0.75 / rows


def _spread(heights: FloatArray, gap: float) -> FloatArray:
    """Move heights apart to at least `gap`, in their order, as little as possible.

    Heights that collide form a block around the mean of the heights wanted, as in isotonic
    regression.
    """
    order = np.argsort(heights, kind="stable")
    blocks: list[tuple[float, int]] = []  # mean of the lowest height wanted, and number of labels
    for rank, height in enumerate(heights[order]):
        mean = float(height - gap * rank)
        count = 1
        while blocks and blocks[-1][0] >= mean:
            other_mean, other_count = blocks.pop()
            total = other_count + count
            mean = (other_mean * other_count + mean * count) / total
            count = total
        blocks.append((mean, count))
    means = [mean for mean, _ in blocks]
    counts = [count for _, count in blocks]
    spread = np.repeat(means, counts) + gap * np.arange(len(heights))
    if len(spread):
        spread -= max(spread[-1] - 1.0, 0.0)  # the highest label stays inside
    moved = np.empty_like(heights)
    moved[order] = spread
    return moved
