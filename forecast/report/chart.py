"""Charts as SVG text that stretch with the page while their letters and lines keep their size.

The drawing has its own 1000 by 1000 coordinates and is stretched; tick labels stand outside it,
placed in per cent.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from forecast.axes import FloatArray, evenly_spaced
from forecast.report.plots.style import BASELINES, OTHERS
from forecast.scores.evaluation import BacktestResult

Scale = Callable[[FloatArray], FloatArray]
"""From values to the coordinates of the drawing."""

MAX_POINTS = 400
"""Points of a line at most; a longer one keeps the lowest and the highest value of every
stretch."""

MAX_MARKED = 14
"""Where no line has more points than this they get dots."""

NUM_TONES = 1 + len(BASELINES) + len(OTHERS)
"""Colours in the style sheet, for the lines of networks or baselines."""

MAX_READINGS = 200
"""Places along a chart whose values can be read off."""


@dataclass(frozen=True, eq=False)
class Line:
    """One line.

    Attributes:
        name: what the legend calls it.
        look: the class in the style sheet.
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
        name: what the legend calls it.
        look: the class in the style sheet.
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
        title: what a reader who does not see the chart is told.
        x_title: of the horizontal axis.
        y_title: of the vertical axis.
        lines: drawn over each other, the last on top.
        bands: drawn below the lines.
        bars: edges (P + 1,) and heights (P,), or None.
        rings: (x, y) and the class of circles around points of the lines.
        stems: (x, y) with a line from 0 to each y, or None.
        ticks: places and labels along the horizontal axis; round numbers if left out.
        readings: places and labels at which values can be read off; those of the lines if left out.
        y_range: lowest and highest value; of everything drawn if left out.
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


def baseline_looks(result: BacktestResult, best: str | None) -> dict[str, str]:
    """Class of every line but that of the judged model: a baseline has one colour in all charts, the best is heavy."""
    others = [name for name in result.forecasts if name not in BASELINES and name != result.alias]
    places = {name: 1 + place for place, name in enumerate(BASELINES)}
    places |= {name: 1 + len(BASELINES) + place % len(OTHERS) for place, name in enumerate(others)}
    return {
        name: f"base tone-{places[name]}{' best' * (name == best)}"
        for name in result.forecasts
        if name != result.alias
    }


def draw_chart(chart: Chart) -> str:
    """Return a chart, its legend and the place for what is read off it, as HTML."""
    left, right = _span(
        [*(one.x for one in chart.lines), *(one.x for one in chart.bands), *_bar_x(chart)]
    )
    low, high = chart.y_range or _padded(_span(_heights(chart)))
    heights = [value for value in round_ticks(low, high) if low <= value <= high]
    across = chart.ticks
    if across is None:
        across = [(one, number(one)) for one in round_ticks(left, right) if left <= one <= right]

    def at_x(values: FloatArray) -> FloatArray:
        return 1000.0 * (values - left) / ((right - left) or 1.0)

    def at_y(values: FloatArray) -> FloatArray:
        return 1000.0 * (1.0 - (np.clip(values, low, high) - low) / ((high - low) or 1.0))

    rules = [f'<path class="grid" d="M0 {_short(at_y(np.array(one)))}H1000"/>' for one in heights]
    shapes = [_band(one, at_x, at_y) for one in chart.bands] + _bars(chart, at_x, at_y)
    paths = [_path(one, at_x, at_y) for one in chart.lines]
    texts = [_text(-8, at_y(np.array(one)), number(one)) for one in heights]
    texts += [
        _label(at_x(np.array(place)), words, minor=bool(count % 2) and len(across) > 3)
        for count, (place, words) in enumerate(across)
    ]
    few = all(len(one.x) <= MAX_MARKED for one in chart.lines)
    dots = [dot for one in chart.lines if few for dot in _dots(one, at_x, at_y)]
    dots += [
        _circle("ring", look, at_x(np.array(x)), at_y(np.array(y)), 4.5)
        for x, y, look in chart.rings
    ]
    read = _readings(chart, at_x)
    focus = ' tabindex="0"' if read else ""
    return (
        f'<figure class="chart"><figcaption>{escape(chart.y_title)}</figcaption>'
        f'<svg class="plot" role="img"{focus} aria-label="{escape(chart.title)}"{read}>'
        '<svg viewBox="0 0 1000 1000" preserveAspectRatio="none" width="100%" height="100%" '
        'aria-hidden="true">'
        f"{''.join(rules + shapes + paths)}</svg>{''.join(texts + dots)}</svg>"
        f'<p class="axis">{escape(chart.x_title)}</p>{_legend(chart)}'
        f'<p class="reading" aria-live="polite"></p></figure>'
    )


def number(value: float) -> str:
    """A number with as many digits as a reader needs."""
    if not np.isfinite(value):
        return "-"
    size = abs(value)
    if size >= 1e7 or 0 < size < 1e-4:
        return f"{value:.3g}"
    return f"{value:,.0f}" if size >= 1e4 else f"{value:,.4g}"


def round_ticks(low: float, high: float, count: int = 5) -> list[float]:
    """About `count` round numbers from `low` to `high`."""
    rough = (high - low) / count
    if not np.isfinite(rough) or rough <= 0:
        return [low]
    power = 10.0 ** np.floor(np.log10(rough))
    step = power * next(one for one in (1.0, 2.0, 5.0, 10.0) if one * power >= rough * 0.999)
    # 0.0 added to -0.0 is 0.0, which has no minus before it
    return [
        float(round(one * step, 12)) + 0.0
        for one in np.arange(np.ceil(low / step), np.floor(high / step) + 1)
    ]


def step_ticks(num_steps: int) -> list[tuple[float, str]]:
    """Ticks from 1 to the number of steps or epochs."""
    return [(float(one), f"{one}") for one in range(1, num_steps + 1, max(1, -(-num_steps // 8)))]


def thin(x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Keep the lowest and the highest value of every stretch of a long line, in their order."""
    if len(x) <= MAX_POINTS:
        return x, y
    kept: list[int] = []
    for part in np.array_split(np.arange(len(x)), MAX_POINTS // 2):
        if np.isfinite(y[part]).any():
            kept += sorted({int(part[np.nanargmin(y[part])]), int(part[np.nanargmax(y[part])])})
        else:
            kept.append(int(part[0]))
    return x[kept], y[kept]


def _path(line: Line, at_x: Scale, at_y: Scale) -> str:
    x, y = thin(line.x, line.y)
    return f'<path class="line {line.look}" d="{_steps(at_x(x), at_y(y))}"/>'


def _band(band: Band, at_x: Scale, at_y: Scale) -> str:
    (x, low), (other, high) = thin(band.x, band.low), thin(band.x, band.high)
    kept, above = np.isfinite(low), np.isfinite(high)
    if not kept.any():
        return ""
    outline = (
        np.concatenate([x[kept], other[above][::-1]]),
        np.concatenate([low[kept], high[above][::-1]]),
    )
    return f'<path class="band {band.look}" d="{_steps(at_x(outline[0]), at_y(outline[1]))}Z"/>'


def _steps(x: FloatArray, y: FloatArray) -> str:
    words, pen_down = [], False
    for one, other in zip(x, y, strict=True):
        if np.isfinite(other):
            words.append(f"{'L' if pen_down else 'M'}{_short(one)} {_short(other)}")
        pen_down = bool(np.isfinite(other))
    return "".join(words)


def _dots(line: Line, at_x: Scale, at_y: Scale) -> list[str]:
    places = zip(at_x(line.x), at_y(line.y), strict=True)
    return [_circle("dot", line.look, x, y, 2.5) for x, y in places if np.isfinite(y)]


def _circle(kind: str, look: str, x: FloatArray, y: FloatArray, radius: float) -> str:
    return f'<circle class="{kind} {look}" cx="{_short(x / 10)}%" cy="{_short(y / 10)}%" r="{radius:g}"/>'


def _bars(chart: Chart, at_x: Scale, at_y: Scale) -> list[str]:
    shapes = []
    if chart.bars is not None:
        edges, tops = at_x(chart.bars[0]), at_y(chart.bars[1])
        for start, end, top in zip(edges[:-1], edges[1:], tops, strict=True):
            size = f'x="{_short(start)}" y="{_short(top)}" width="{_short(end - start)}" height="{_short(1000 - top)}"'
            shapes.append(f'<rect class="bar" {size}/>')
    if chart.stems is not None:
        zero = _short(at_y(np.array(0.0)))
        for x, y in zip(at_x(chart.stems[0]), at_y(chart.stems[1]), strict=True):
            if np.isfinite(y):
                shapes.append(f'<path class="line model" d="M{_short(x)} {zero}V{_short(y)}"/>')
    return shapes


def _readings(chart: Chart, at_x: Scale) -> str:
    """Attributes with the values of the listed lines at up to `MAX_READINGS` places, for the script."""
    listed = [one for one in chart.lines if one.listed]
    if not listed:
        return ""
    places = chart.readings
    if places is None:
        places = [
            (float(one), f"{chart.x_title} {number(one)}")
            for one in np.unique(np.concatenate([o.x for o in listed]))
        ]
    places = [places[one] for one in evenly_spaced(len(places), MAX_READINGS)]
    values = [
        {x: y for x, y in zip(one.x.tolist(), one.y.tolist(), strict=True) if np.isfinite(y)}
        for one in listed
    ]
    rows = [
        [
            round(float(at_x(np.array(place))) / 10, 2),
            label,
            *(number(one[place]) if place in one else "" for one in values),
        ]
        for place, label in places
    ]
    content = json.dumps(
        {"names": [one.name for one in listed], "rows": rows}, separators=(",", ":")
    )
    return f' data-readings="{escape(content)}"'


def _legend(chart: Chart) -> str:
    entries: dict[str, str] = {}
    for band in chart.bands:
        if band.listed:
            entries.setdefault(
                band.name, f'<rect class="band {band.look}" y="2" width="24" height="8"/>'
            )
    for line in chart.lines:
        if line.listed:
            entries.setdefault(line.name, f'<path class="line {line.look}" d="M0 6H24"/>')
    items = [
        f'<li><svg width="24" height="12" aria-hidden="true">{sample}</svg>{escape(name)}</li>'
        for name, sample in entries.items()
    ]
    return f'<ul class="legend">{"".join(items)}</ul>' if items else ""


def _text(x: float, y: FloatArray, words: str) -> str:
    return f'<text class="tick end" x="{x}" y="{_short(y / 10)}%" dy="4" aria-hidden="true">{escape(words)}</text>'


def _label(x: FloatArray, words: str, *, minor: bool) -> str:
    anchor = (
        "end" if x > 990 and len(words) > 4 else "mid"
    )  # a date at the edge would leave a narrow screen
    looks = f"tick {anchor}{' minor' * minor}"
    return f'<text class="{looks}" x="{_short(x / 10)}%" y="100%" dy="18" aria-hidden="true">{escape(words)}</text>'


def _bar_x(chart: Chart) -> list[FloatArray]:
    found = [] if chart.bars is None else [chart.bars[0]]
    return (
        found
        if chart.stems is None
        else [*found, np.array([0.0, chart.stems[0].max(initial=0.0) + 1])]
    )


def _heights(chart: Chart) -> list[FloatArray]:
    found = [one.y for one in chart.lines] + [
        end for one in chart.bands for end in (one.low, one.high)
    ]
    found += [] if chart.bars is None else [chart.bars[1], np.zeros(1)]
    return found if chart.stems is None else [*found, chart.stems[1], np.zeros(1)]


def _span(values: Sequence[FloatArray]) -> tuple[float, float]:
    """Lowest and highest finite value, apart from each other."""
    joined = np.concatenate([*values, np.zeros(0)])
    finite = joined[np.isfinite(joined)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
    return (
        (low, high) if high > low else (low - (abs(low) or 1.0) / 2, high + (abs(high) or 1.0) / 2)
    )


def _padded(span: tuple[float, float]) -> tuple[float, float]:
    """Some air above and below, none below a 0."""
    air = 0.05 * (span[1] - span[0])
    return (0.0 if span[0] == 0 else span[0] - air), span[1] + air


def _short(value: float | FloatArray) -> str:
    return f"{float(value):.1f}".removesuffix(".0")
