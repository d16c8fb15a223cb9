"""A list to choose one of several charts from, and the dates along their axes."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np

from forecast.axes import IntArray, evenly_spaced
from forecast.data.frequency import Frequency
from forecast.report.readable import stamp_words

MOST_PRINTED = 6
"""Choices up to which paper shows all of them, each below its name."""

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
