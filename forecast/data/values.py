"""The values of a panel: dynamic columns as one matrix, static ones as one row per series."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from forecast.data.findings import FindingLog, counted, listed
from forecast.data.names import as_numbers, name_of
from forecast.data.order import SortedRows
from forecast.data.panel import Columns
from forecast.data.parse import read_categories, read_numbers
from forecast.data.table import RowNames

_LARGEST, _SMALLEST = (
    1e100,
    1e-100,
)  # beyond these, squares and ratios of float64 overflow or vanish


@dataclass(frozen=True)
class Cells:
    """The columns of a table as numbers, rows in the order of the table.

    Attributes:
        columns: the roles.
        dynamic: (R,) cells of each column of `columns.dynamic` that could be read.
        static: (R,) cells of each static covariate that could be read.
        categories: the sorted values of each categorical column.
    """

    columns: Columns
    dynamic: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    static: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    categories: dict[str, tuple[str, ...]] = field(default_factory=dict)


def read_cells(names: RowNames, log: FindingLog, allow_missing: bool) -> Cells:
    """Read every declared column; a column that cannot be read is left out, its finding kept."""
    table = names.table
    cells = Cells(table.columns)
    for name in (*table.columns.dynamic, *table.columns.static_covariates):
        is_static = name in table.columns.static_covariates
        group = cells.static if is_static else cells.dynamic
        missing = allow_missing and not is_static
        if name == table.columns.id_col and name not in table.data:
            _read_id_covariate(cells, names, log)
        elif name in table.columns.categorical:
            read = log.attempt(read_categories, table, name, names, log, missing)
            if read is not None:
                group[name], cells.categories[name] = read
        else:
            numbers = log.attempt(read_numbers, table, name, names, log, missing)
            if numbers is not None:
                group[name] = numbers
    return cells


def _read_id_covariate(cells: Cells, names: RowNames, log: FindingLog) -> None:
    """Use the ids themselves as a static covariate."""
    name = cells.columns.id_col
    if names.ids is None or names.codes is None or not len(names.ids):
        return
    words = [name_of(one) for one in names.ids]
    if name in cells.columns.categorical:
        cells.categories[name] = tuple(sorted(words))
        place = {word: float(index) for index, word in enumerate(cells.categories[name])}
        cells.static[name] = np.array([place[word] for word in words])[names.codes]
    elif (numbers := as_numbers(words)) is not None:
        cells.static[name] = np.array(numbers, np.float64)[names.codes]
    else:
        log.error(
            "text_covariate", f"static covariate {name!r} is text", f"add {name!r} to categorical"
        )


def arrange(
    cells: Cells, rows: SortedRows, log: FindingLog
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Bring the cells into the order of the panel and check each series.

    Args:
        cells: gives its dynamic columns away.
        rows: the order.
        log: gets series that cannot be used, and those that are worth a look.

    Returns:
        (R, C) dynamic and (N, S) static values; a column that could not be read is NaN.
    """
    columns = cells.columns
    values = np.full((len(rows.stamps), len(columns.dynamic)), np.nan)
    for place, name in enumerate(columns.dynamic):
        column = cells.dynamic.pop(name, None)
        if column is not None:
            values[:, place] = column = rows.sorted(column)
            if name not in columns.categorical:
                _check_range(column, name, name in columns.target_cols, rows, log)
    static = np.full((len(rows.offsets) - 1, len(columns.static_covariates)), np.nan)
    for place, name in enumerate(columns.static_covariates):
        if name in cells.static:
            static[:, place] = _one_per_series(rows.sorted(cells.static[name]), name, rows, log)
    return values, static


def _check_range(
    cells: NDArray[np.float64], name: str, is_target: bool, rows: SortedRows, log: FindingLog
) -> None:
    """Report series of one column that are empty, beyond the limits of the arithmetic, or constant."""
    starts = rows.offsets[:-1]
    high, low = np.fmax.reduceat(cells, starts), np.fmin.reduceat(cells, starts)
    largest = np.fmax(np.abs(high), np.abs(low))
    if is_target:
        _report(
            np.isnan(high),
            f"{name} has no value at all",
            "leave these series out",
            ("all_missing", rows, log),
        )
    fix = "rescale the column, for example to thousands or millionths"
    _report(
        (largest > _LARGEST) & np.isfinite(largest),
        f"{name} exceeds {_LARGEST:g}",
        fix,
        ("too_large", rows, log),
    )
    tiny = (largest < _SMALLEST) & (largest > 0)
    _report(
        tiny,
        f"{name} is never as large as {_SMALLEST:g} but not zero",
        fix,
        ("too_small", rows, log),
    )
    constant = np.flatnonzero((high == low) & (np.diff(rows.offsets) > 1))
    if is_target and len(constant) and not log.failed and rows.names.ids is not None:
        named = listed(rows.names.ids[constant], 5)
        log.warn(
            "constant",
            f"{name} is constant in {counted(len(constant), 'series')}: {named}; the forecast is "
            f"that constant",
        )


def _report(
    bad: NDArray[np.bool_], what: str, fix: str, where: tuple[str, SortedRows, FindingLog]
) -> None:
    """Report the series for which something holds."""
    code, rows, log = where
    if bad.any() and rows.names.ids is not None:
        log.error(code, f"{what} in {bad.sum()} series: {listed(rows.names.ids[bad], 5)}", fix)


def _one_per_series(
    cells: NDArray[np.float64], name: str, rows: SortedRows, log: FindingLog
) -> NDArray[np.float64]:
    """Return the one value each series has; report series that have several."""
    first = cells[rows.offsets[:-1]]
    differs = np.flatnonzero(cells != np.repeat(first, np.diff(rows.offsets)))
    differs = differs[~np.isnan(cells[differs])]
    if len(differs):
        count = counted(len(differs), "row")
        message = f"static covariate {name!r} changes within a series, in {count}: {rows.several(differs)}"
        log.error(
            "static_changes",
            message,
            "give it one value per series, or list it under past_covariates",
        )
    return first
