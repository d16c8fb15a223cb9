"""A list to choose one of several charts from, and the dates along their axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from html import escape

import numpy as np

from forecast.axes import FloatArray, IntArray, evenly_spaced
from forecast.data.frequency import Frequency
from forecast.data.grid import DAY, TICKS
from forecast.report.chart import Chart
from forecast.report.readable import stamp_words

MOST_PRINTED = 6
"""Choices up to which paper shows all of them, each below its name."""

_MILLISECOND = TICKS["ms"]

Reading = tuple[float, str]
"""A position on the axis, and its words."""


def selector(kind: str, names: Sequence[str], contents: Sequence[str]) -> str:
    """Return a list of names and the content of each; the script shows the chosen one.

    Args:
        kind: prefix of the identities on the page.
        names: of the choices.
        contents: HTML of each.
    """
    if len(names) == 1:
        return f'<div class="choice" id="{kind}-0">{contents[0]}</div>'
    options = ""
    choices = ""
    for number, (name, content) in enumerate(zip(names, contents, strict=True)):
        options += f'<option value="{kind}-{number}">{escape(name)}</option>'
        choices += (
            f'<div class="choice" id="{kind}-{number}"><h3 class="paper">{escape(name)}</h3>'
            f"{content}</div>"
        )
    look = "few" if len(names) <= MOST_PRINTED else "many"
    select = (
        f'<label for="{kind}">Series </label><select id="{kind}" class="chooser">{options}</select>'
    )
    return f'<div class="{look}"><p class="choose">{select}</p>{choices}</div>'


def readings_of(stamps: IntArray, freq: Frequency) -> list[Reading]:
    """Return every stamp as a position on the axis, with its words."""
    shown = stamps
    if not freq.is_integer:
        shown = stamps.astype("datetime64[ns]")
    return list(zip(stamps.astype(np.float64).tolist(), stamp_words(shown, freq), strict=True))


def axis_dates(readings: Sequence[Reading]) -> list[Reading]:
    """Return five ticks at most: without the time of day, or without the year, where days differ.

    A month or a year has no shorter words.
    """
    chosen = evenly_spaced(len(readings), 5)
    labels = [readings[index][1] for index in chosen]
    words = labels
    if any(":" in label for label in labels):
        words = [label.split(" ")[0] for label in labels]
        if len(set(words)) < len(words):
            words = [label[5:] for label in labels]
    return [(readings[index][0], word) for index, word in zip(chosen, words, strict=True)]


def in_steps(chart: Chart, freq: Frequency) -> Chart:
    """Return a chart over time with even steps where nights, weekends or holidays are no steps.

    Args:
        chart: positions along the horizontal axis are stamps, those of `readings` among them.
        freq: their frequency.
    """
    if not freq.is_trading or not chart.readings or chart.ticks is None:
        return chart
    stamps = np.array([position for position, _ in chart.readings])
    # a float has not all digits of a stamp: whole milliseconds are enough
    whole = np.rint(stamps / _MILLISECOND).astype(np.int64) * _MILLISECOND
    places = freq.positions(whole.view("datetime64[ns]")).astype(np.float64)
    step = np.diff(stamps).min(initial=np.inf) if len(stamps) > 1 else float(DAY)
    known = np.concatenate([[stamps[0] - step], stamps, [stamps[-1] + step]])
    steps = np.concatenate([[places[0] - 1], places, [places[-1] + 1]])

    def at(x: FloatArray) -> FloatArray:
        return np.interp(x, known, steps)

    return replace(
        chart,
        lines=[replace(line, x=at(line.x)) for line in chart.lines],
        bands=[replace(band, x=at(band.x)) for band in chart.bands],
        ticks=[(float(at(np.array(x))), words) for x, words in chart.ticks],
        readings=list(zip(places.tolist(), (words for _, words in chart.readings), strict=True)),
    )
