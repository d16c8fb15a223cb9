"""Charts as SVG text that stretch with the page while their letters and lines keep their size.

A drawing has its own 1000 by 1000 coordinates and is stretched; tick labels stand outside it,
placed in %.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from forecast.axes import FloatArray, evenly_spaced
from forecast.report.plots.style import BASELINES, OTHERS
from forecast.report.readable import tick_words

Scale = Callable[[FloatArray], FloatArray]
"""From values to the coordinates of the drawing."""

MAX_POINTS = 400
"""Points of a line at most; a longer one keeps the lowest and the highest value of every
stretch."""

MAX_MARKED = 14
"""Points of a line up to which each point gets a dot."""

NUM_TONES = 1 + len(BASELINES) + len(OTHERS)
"""Colours in the style sheet, for the lines of networks or baselines."""

MAX_READINGS = 200
"""Positions along a chart whose values can be read off."""


@dataclass(frozen=True, eq=False)
class Line:
    """One line.

    Attributes:
        name: its name in the legend.
        look: its class in the style sheet.
        x: (P,) ascending.
        y: (P,) NaN where the line is broken.
        listed: whether the legend and the readings name it.
    """

    name: str
    look: str
    x: FloatArray
    y: FloatArray
    listed: bool = True


@dataclass(frozen=True, eq=False)
class Band:
    """A filled stretch between two lines.

    Attributes:
        name: its name in the legend.
        look: its class in the style sheet.
        x: (P,) ascending.
        low: (P,).
        high: (P,).
        listed: whether the legend names it.
    """

    name: str
    look: str
    x: FloatArray
    low: FloatArray
    high: FloatArray
    listed: bool = True


@dataclass(frozen=True, eq=False)
class Chart:
    """Lines, bands and bars over one pair of axes.

    Attributes:
        title: description for readers who cannot see the chart.
        x_title: of the horizontal axis.
        y_title: of the vertical axis.
        lines: drawn over each other, the last on top.
        bands: drawn below the lines.
        bars: edges (P + 1,) and heights (P,), or None.
        rings: (x, y) and the class of circles around points of the lines.
        stems: (x, y) with a line from 0 to each y, or None.
        ticks: positions and labels along the horizontal axis; default: round numbers.
        readings: positions and labels at which values can be read off; default: those of the
            lines.
        y_range: lowest and highest value; default: of everything drawn.
    """

    title: str
    x_title: str
    y_title: str
    lines: Sequence[Line] = ()
    bands: Sequence[Band] = ()
    rings: Sequence[tuple[float, float, str]] = ()
    bars: tuple[FloatArray, FloatArray] | None = None
    stems: tuple[FloatArray, FloatArray] | None = None
    ticks: Sequence[tuple[float, str]] | None = None
    readings: Sequence[tuple[float, str]] | None = None
    y_range: tuple[float, float] | None = None


def baseline_looks(names: Sequence[str], best: str | None) -> dict[str, str]:
    """Return the class of the line of every baseline.

    A baseline has one colour in all charts, and the best one is heavier.
    """
    others = [name for name in names if name not in BASELINES]
    tones = {name: 1 + number for number, name in enumerate(BASELINES)}
    for number, name in enumerate(others):
        tones[name] = 1 + len(BASELINES) + number % len(OTHERS)
    return {name: f"base tone-{tones[name]}{' best' * (name == best)}" for name in names}


def draw_chart(chart: Chart) -> str:
    """Return a chart, its legend and the line for values that are read off it, as HTML."""
    left, right = _span(_widths(chart))
    low, high = chart.y_range or _padded(_span(_heights(chart)))
    y_ticks = [value for value in round_ticks(low, high) if low <= value <= high]
    x_ticks = chart.ticks
    if x_ticks is None:
        inside = [value for value in round_ticks(left, right) if left <= value <= right]
        x_ticks = [(value, number(value)) for value in inside]

    def at_x(values: FloatArray) -> FloatArray:
        return 1000.0 * (values - left) / ((right - left) or 1.0)

    def at_y(values: FloatArray) -> FloatArray:
        return 1000.0 * (1.0 - (np.clip(values, low, high) - low) / ((high - low) or 1.0))

    heights = [at_y(np.array(value)) for value in y_ticks]
    rules = [f'<path class="grid" d="M0 {_short(height)}H1000"/>' for height in heights]
    shapes = [_band(band, at_x, at_y) for band in chart.bands]
    shapes += _bars(chart, at_x, at_y)
    shapes += _stems(chart, at_x, at_y)
    paths = [_path(line, at_x, at_y) for line in chart.lines]

    texts = [
        _text(-8, height, words) for words, height in zip(tick_words(y_ticks), heights, strict=True)
    ]
    for count, (position, words) in enumerate(x_ticks):
        is_minor = count % 2 == 1 and len(x_ticks) > 3
        texts.append(_label(at_x(np.array(position)), words, minor=is_minor))

    dots = []
    if all(len(line.x) <= MAX_MARKED for line in chart.lines):
        dots = [dot for line in chart.lines for dot in _dots(line, at_x, at_y)]
    for x, y, look in chart.rings:
        dots.append(_circle("ring", look, at_x(np.array(x)), at_y(np.array(y)), 4.5))

    readings = _readings(chart, at_x)
    focus = ' tabindex="0"' * bool(readings)
    return (
        f'<figure class="chart"><figcaption>{escape(chart.y_title)}</figcaption>'
        f'<svg class="plot" role="img"{focus} aria-label="{escape(chart.title)}"{readings}>'
        '<svg viewBox="0 0 1000 1000" preserveAspectRatio="none" width="100%" height="100%" '
        'aria-hidden="true">'
        f"{''.join(rules + shapes + paths)}</svg>{''.join(texts + dots)}</svg>"
        f'<p class="axis">{escape(chart.x_title)}</p>{_legend(chart)}'
        f'<p class="reading" aria-live="polite"></p></figure>'
    )


def number(value: float) -> str:
    """Return a number with as many digits as a reader needs."""
    if not np.isfinite(value):
        return "-"
    size = abs(value)
    if size >= 1e7 or 0 < size < 1e-4:
        return f"{value:.3g}"
    if size >= 1e4:
        return f"{value:,.0f}"
    return f"{value:,.4g}"


def round_ticks(low: float, high: float, count: int = 6) -> list[float]:
    """Return about `count` round numbers from `low` to `high`."""
    rough = (high - low) / count
    if not np.isfinite(rough) or rough <= 0:
        return [low]
    power = 10.0 ** np.floor(np.log10(rough))
    factor = next(factor for factor in (1.0, 2.0, 5.0, 10.0) if factor * power >= rough * 0.999)
    step = power * factor
    multiples = np.arange(np.ceil(low / step), np.floor(high / step) + 1)
    # 0.0 added to -0.0 is 0.0, which has no minus before it
    return [float(round(multiple * step, 12)) + 0.0 for multiple in multiples]


def step_ticks(num_steps: int) -> list[tuple[float, str]]:
    """Return ticks from 1 to the number of steps or epochs, about eight of them."""
    distance = max(1, math.ceil(num_steps / 8))
    return [(float(step), f"{step}") for step in range(1, num_steps + 1, distance)]


def thin(x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the lowest and the highest value of every stretch of a long line, in their order."""
    if len(x) <= MAX_POINTS:
        return x, y
    chosen: list[int] = []
    for stretch in np.array_split(np.arange(len(x)), MAX_POINTS // 2):
        if not np.isfinite(y[stretch]).any():
            chosen.append(int(stretch[0]))
            continue
        lowest = int(stretch[np.nanargmin(y[stretch])])
        highest = int(stretch[np.nanargmax(y[stretch])])
        chosen += sorted({lowest, highest})
    return x[chosen], y[chosen]


def _path(line: Line, at_x: Scale, at_y: Scale) -> str:
    x, y = thin(line.x, line.y)
    return f'<path class="line {line.look}" d="{_moves(at_x(x), at_y(y))}"/>'


def _band(band: Band, at_x: Scale, at_y: Scale) -> str:
    """Return the outline of a band: its lower end forwards, its upper end backwards."""
    low_x, low = thin(band.x, band.low)
    high_x, high = thin(band.x, band.high)
    has_low = np.isfinite(low)
    has_high = np.isfinite(high)
    if not has_low.any():
        return ""
    x = np.concatenate([low_x[has_low], high_x[has_high][::-1]])
    y = np.concatenate([low[has_low], high[has_high][::-1]])
    return f'<path class="band {band.look}" d="{_moves(at_x(x), at_y(y))}Z"/>'


def _moves(x: FloatArray, y: FloatArray) -> str:
    """Return the commands of an SVG path: `M` after a break, `L` along a line."""
    commands = []
    command = "M"
    for across, down in zip(x, y, strict=True):
        if not np.isfinite(down):
            command = "M"
            continue
        commands.append(f"{command}{_short(across)} {_short(down)}")
        command = "L"
    return "".join(commands)


def _dots(line: Line, at_x: Scale, at_y: Scale) -> list[str]:
    points = zip(at_x(line.x), at_y(line.y), strict=True)
    return [_circle("dot", line.look, x, y, 2.5) for x, y in points if np.isfinite(y)]


def _circle(kind: str, look: str, x: FloatArray, y: FloatArray, radius: float) -> str:
    position = f'cx="{_short(x / 10)}%" cy="{_short(y / 10)}%"'
    return f'<circle class="{kind} {look}" {position} r="{radius:g}"/>'


def _bars(chart: Chart, at_x: Scale, at_y: Scale) -> list[str]:
    if chart.bars is None:
        return []
    edges = at_x(chart.bars[0])
    tops = at_y(chart.bars[1])
    shapes = []
    for start, end, top in zip(edges[:-1], edges[1:], tops, strict=True):
        corner = f'x="{_short(start)}" y="{_short(top)}"'
        size = f'width="{_short(end - start)}" height="{_short(1000 - top)}"'
        shapes.append(f'<rect class="bar" {corner} {size}/>')
    return shapes


def _stems(chart: Chart, at_x: Scale, at_y: Scale) -> list[str]:
    if chart.stems is None:
        return []
    zero = _short(at_y(np.array(0.0)))
    return [
        f'<path class="line model" d="M{_short(x)} {zero}V{_short(y)}"/>'
        for x, y in zip(at_x(chart.stems[0]), at_y(chart.stems[1]), strict=True)
        if np.isfinite(y)
    ]


def _readings(chart: Chart, at_x: Scale) -> str:
    """Return the values of the listed lines at up to `MAX_READINGS` positions, for the script."""
    lines = [line for line in chart.lines if line.listed]
    if not lines:
        return ""
    positions = chart.readings
    if positions is None:
        all_x = np.unique(np.concatenate([line.x for line in lines]))
        positions = [(float(x), f"{chart.x_title} {number(x)}") for x in all_x]
    count = min(len(positions), MAX_READINGS)
    chosen = evenly_spaced(len(positions), count)

    values = [_finite_values(line) for line in lines]
    rows = []
    for index in chosen:
        x, label = positions[index]
        words = [_reading(line_values, x) for line_values in values]
        rows.append([round(float(at_x(np.array(x))) / 10, 2), label, *words])
    names = [line.name for line in lines]
    content = json.dumps({"names": names, "rows": rows}, separators=(",", ":"))
    return f' data-readings="{escape(content)}"'


def _finite_values(line: Line) -> dict[float, float]:
    points = zip(line.x.tolist(), line.y.tolist(), strict=True)
    return {x: y for x, y in points if np.isfinite(y)}


def _reading(values: Mapping[float, float], x: float) -> str:
    return number(values[x]) if x in values else ""


def _legend(chart: Chart) -> str:
    samples: dict[str, str] = {}
    for band in chart.bands:
        if band.listed:
            shape = f'<rect class="band {band.look}" y="2" width="24" height="8"/>'
            samples.setdefault(band.name, shape)
    for line in chart.lines:
        if line.listed:
            samples.setdefault(line.name, f'<path class="line {line.look}" d="M0 6H24"/>')
    if not samples:
        return ""
    entries = [
        f'<li><svg width="24" height="12" aria-hidden="true">{sample}</svg>{escape(name)}</li>'
        for name, sample in samples.items()
    ]
    return f'<ul class="legend">{"".join(entries)}</ul>'


def _text(x: float, y: FloatArray, words: str) -> str:
    position = f'x="{x}" y="{_short(y / 10)}%" dy="4"'
    return f'<text class="tick end" {position} aria-hidden="true">{escape(words)}</text>'


def _label(x: FloatArray, words: str, *, minor: bool) -> str:
    anchor = "mid"
    if x > 990 and len(words) > 4:
        anchor = "end"  # a date at the edge would leave a narrow screen
    look = f"tick {anchor}{' minor' * minor}"
    position = f'x="{_short(x / 10)}%" y="100%" dy="18"'
    return f'<text class="{look}" {position} aria-hidden="true">{escape(words)}</text>'


def _widths(chart: Chart) -> list[FloatArray]:
    """Return all horizontal values that must be inside."""
    values = [line.x for line in chart.lines] + [band.x for band in chart.bands]
    if chart.bars is not None:
        values.append(chart.bars[0])
    if chart.stems is not None:
        values.append(np.array([0.0, chart.stems[0].max(initial=0.0) + 1]))
    return values


def _heights(chart: Chart) -> list[FloatArray]:
    """Return all vertical values that must be inside."""
    values = [line.y for line in chart.lines]
    for band in chart.bands:
        values += [band.low, band.high]
    if chart.bars is not None:
        values += [chart.bars[1], np.zeros(1)]
    if chart.stems is not None:
        values += [chart.stems[1], np.zeros(1)]
    return values


def _span(values: Sequence[FloatArray]) -> tuple[float, float]:
    """Return the lowest and the highest finite value, apart from each other."""
    joined = np.concatenate([*values, np.zeros(0)])
    finite = joined[np.isfinite(joined)]
    if not len(finite):
        return 0.0, 1.0
    low = float(finite.min())
    high = float(finite.max())
    if high > low:
        return low, high
    return low - (abs(low) or 1.0) / 2, high + (abs(high) or 1.0) / 2


def _padded(span: tuple[float, float]) -> tuple[float, float]:
    """Return a range with some air above and below, none below a 0."""
    low, high = span
    air = 0.05 * (high - low)
    if low == 0:
        return 0.0, high + air
    return low - air, high + air


def _short(value: float | FloatArray) -> str:
    return f"{float(value):.1f}".removesuffix(".0")
