"""Tables of scores as columns of text: for the terminal, for a notebook and for the report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from forecast.scores.measure import Score
from forecast.scores.metrics import SCORES
from forecast.scores.scoring import entry_of, interval_name

Values = Mapping[str, Mapping[str, float]]
"""Score by model and by name."""

MISSING = "-"


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes:
        heading: its name.
        cells: one text per row.
        best: whether each cell is to be marked as best.
    """

    heading: str
    cells: tuple[str, ...]
    best: tuple[bool, ...]

    @classmethod
    def of_texts(cls, heading: str, cells: Iterable[str]) -> Column:
        """Return a column in which nothing is best."""
        texts = tuple(cells)
        return cls(heading, texts, (False,) * len(texts))

    @classmethod
    def of_numbers(cls, heading: str, values: Sequence[float], score: Score) -> Column:
        """Format the numbers of one score; NaN is shown as `-`."""
        cells = _formatted(values, score.style or _column_style(values, score))
        return cls(heading, cells, tuple(_are_best(values, score)))


def point_columns(values: Values) -> list[Column]:
    """Return the column of models, and one for each printed score of point forecasts."""
    columns = [Column.of_texts("model", values)]
    for name, score in SCORES.items():
        is_known = any(name in scores for scores in values.values())
        if score.printed and score.is_of_points and is_known:
            numbers = [scores.get(name, np.nan) for scores in values.values()]
            columns.append(Column.of_numbers(name, numbers, score))
    return columns


def quantile_columns(values: Values) -> list[Column]:
    """Return the table of the scores of quantiles and intervals; empty where there are none.

    Models without quantiles, such as the simple baselines, are not in it. A model has one row per
    central interval, and its scores of all quantiles stand in the first of them.
    """
    rows = [(model, level) for model in values for level in _levels_of(values[model])]
    if not rows:
        return []
    models = [model for model, _ in rows]
    is_first = [models.index(model) == number for number, model in enumerate(models)]
    columns = [Column.of_texts("model", models)]

    for name, score in SCORES.items():
        if score.printed and not score.is_of_points and not score.is_of_intervals:
            numbers = [values[model].get(name, np.nan) for model, _ in rows]
            column = Column.of_numbers(name, numbers, score)
            columns.append(_only_where(is_first, column))

    levels = [level for _, level in rows]
    if levels != [None] * len(rows):
        columns.append(Column.of_texts("interval", map(_level_text, levels)))
        for name, score in SCORES.items():
            if score.printed and score.is_of_intervals:
                columns.append(_interval_column(name, score, rows, values))
    if len(set(models)) == 1:  # nothing to compare with
        columns = [Column.of_texts(column.heading, column.cells) for column in columns]
    return columns


def text_lines(columns: Sequence[Column]) -> list[str]:
    """Return the lines of a table, heading first: names flush left, numbers flush right, best *."""
    first, *rest = columns
    has_marks = any(any(column.best) for column in columns)
    texts = [[first.heading, *first.cells]]
    for column in rest:
        cells = [column.heading, *column.cells]
        if has_marks:
            marks = [" ", *("*" if best else " " for best in column.best)]
            cells = [cell + mark for cell, mark in zip(cells, marks, strict=True)]
        texts.append(cells)
    widths = [max(map(len, column)) for column in texts]
    lines = []
    for name, *numbers in zip(*texts, strict=True):
        aligned = [cell.rjust(width) for cell, width in zip(numbers, widths[1:], strict=True)]
        lines.append("  ".join([name.ljust(widths[0]), *aligned]))
    return lines


def ruled(lines: Sequence[str]) -> list[str]:
    """Return the lines of a table with rules above, below its heading and at its end."""
    rule = "-" * max(map(len, lines))
    return [rule, lines[0], rule, *lines[1:], rule]


def html_table(columns: Sequence[Column]) -> str:
    """Return a table as HTML, every text escaped, the best of a column bold."""
    head = "".join(f'<th scope="col">{escape(column.heading)}</th>' for column in columns)
    body = []
    for row in range(len(columns[0].cells)):
        cells = "".join(_html_cell(column, row) for column in columns[1:])
        body.append(f'<tr><th scope="row">{escape(columns[0].cells[row])}</th>{cells}</tr>')
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table>"


def _interval_column(
    name: str, score: Score, rows: Sequence[tuple[str, float | None]], values: Values
) -> Column:
    """Return a score of intervals, its best marked among the models at each level."""
    numbers = []
    for model, level in rows:
        number = np.nan
        if level is not None:
            number = values[model].get(interval_name(name, level), np.nan)
        numbers.append(number)
    best = np.zeros(len(rows), bool)
    for level in {level for _, level in rows}:
        same = [number for number, row in enumerate(rows) if row[1] == level]
        best[same] = _are_best([numbers[number] for number in same], score)
    cells = _formatted(numbers, score.style or _column_style(numbers, score))
    return Column(name, cells, tuple(best.tolist()))


def _levels_of(scores: Mapping[str, float]) -> list[float | None]:
    """Levels of a model's intervals, narrow first; [None] for quantiles without intervals."""
    entries = [entry for name in scores if (entry := entry_of(name)) is not None]
    levels = sorted({level for _, level in entries if level is not None})
    if levels:
        return list(levels)
    has_quantiles = any(not SCORES[name].is_of_points for name, _ in entries)
    return [None] if has_quantiles else []


def _level_text(level: float | None) -> str:
    if level is None:
        return MISSING
    return f"{level:g} %"


def _only_where(is_shown: Sequence[bool], column: Column) -> Column:
    """Blank the other cells of a column."""
    cells = [cell if shown else "" for cell, shown in zip(column.cells, is_shown, strict=True)]
    best = [mark and shown for mark, shown in zip(column.best, is_shown, strict=True)]
    return Column(column.heading, tuple(cells), tuple(best))


def _column_style(values: Sequence[float], score: Score) -> str:
    """Format of one column: equal decimals, four significant digits in the smallest not 0.

    Where the best number is 0, in the largest: others may be as small as chance has it.
    """
    sizes = [abs(value) for value in values if np.isfinite(value) and value != 0]
    decisive = min(sizes, default=1.0)
    if score.best == "zero":
        decisive = max(sizes, default=1.0)
    decimals = max(3 - int(np.floor(np.log10(decisive))), 0)
    sign = ""
    if score.best == "zero":
        sign = "+"
    if decimals > 7:
        return f"{sign}.3e"
    return f"{sign},.{decimals}f"


def _formatted(values: Sequence[float], style: str) -> tuple[str, ...]:
    cells = []
    for value in values:
        text = MISSING
        if np.isfinite(value):
            text = format(value, style).replace("%", " %")
        cells.append(text)
    return tuple(cells)


def _are_best(values: Sequence[float], score: Score) -> list[bool]:
    """Whether each value is the best one; none where no value is finite or none can be best."""
    ranks = np.asarray(values, np.float64)
    if score.best == "high":
        ranks = -ranks
    if score.best == "zero":
        ranks = np.abs(ranks)
    finite = ranks[np.isfinite(ranks)]
    if score.best == "none" or not len(finite):
        return [False] * len(ranks)
    return list(ranks == finite.min())


def _html_cell(column: Column, row: int) -> str:
    text = escape(column.cells[row])
    if column.best[row]:
        text = f"<b>{text}</b>"
    return f"<td>{text}</td>"
