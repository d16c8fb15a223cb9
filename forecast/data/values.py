"""The values of a panel: dynamic columns as one matrix, static ones as one row per series."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from forecast.axes import FloatArray
from forecast.data.findings import Change, FindingLog, counted, listed
from forecast.data.names import as_numbers, name_of
from forecast.data.order import SortedRows
from forecast.data.panel import Columns
from forecast.data.parse import read_categories, read_numbers
from forecast.data.per_series.keys import id_columns
from forecast.data.per_series.row_weights import read_weights
from forecast.data.table import RowNames
from forecast.errors.interface import Settings

# beyond these, squares and ratios in float64 overflow or vanish
_LARGEST = 1e100
_SMALLEST = 1e-100


@dataclass(frozen=True)
class Cells:
    """The columns of a table as numbers, rows in the order of the table.

    Attributes:
        columns: the roles.
        dynamic: (R,) cells of each column of `columns.dynamic` that could be read.
        static: (R,) cells of each static covariate that could be read.
        categories: the sorted values of each categorical column.
        weights: (R,) weight of each row; None where there is no such column.
    """

    columns: Columns
    dynamic: dict[str, FloatArray] = field(default_factory=dict)
    static: dict[str, FloatArray] = field(default_factory=dict)
    categories: dict[str, tuple[str, ...]] = field(default_factory=dict)
    weights: FloatArray | None = None


@dataclass(frozen=True, eq=False)
class Arranged:
    """The values of a panel, rows in its order; a column that could not be read is NaN.

    Attributes:
        columns: the roles.
        dynamic: (R, C) values, columns as in `columns.dynamic`.
        static: (N, S) values, columns as in `columns.static_covariates`.
        categories: the sorted values of each categorical column.
        unread: dynamic columns that could not be read.
        weights: (R,) weight of each row; None where there is no such column.
    """

    columns: Columns
    dynamic: FloatArray
    static: FloatArray
    categories: dict[str, tuple[str, ...]]
    unread: tuple[str, ...] = ()
    weights: FloatArray | None = None


def read_cells(names: RowNames, log: FindingLog, allow_missing: bool) -> Cells:
    """Read every declared column; a column that cannot be read is left out, its finding kept."""
    table = names.table
    columns = table.columns
    weights = None
    if columns.weight_col is not None:
        weights = log.attempt(read_weights, names, columns.weight_col, log)
    cells = Cells(columns, weights=weights)
    for name in (*columns.dynamic, *columns.static_covariates):
        group = cells.dynamic
        missing = allow_missing
        if name in columns.static_covariates:
            group = cells.static
            missing = False

        if name in columns.id_cols and name not in table.data:  # read already, as the ids
            _read_id_covariate(cells, name, names, log)
        elif name in columns.categorical:
            read = log.attempt(read_categories, table, name, names, log, missing)
            if read is not None:
                group[name], cells.categories[name] = read
        else:
            numbers = log.attempt(read_numbers, table, name, names, log, missing)
            if numbers is not None:
                group[name] = numbers
    return cells


def _read_id_covariate(cells: Cells, name: str, names: RowNames, log: FindingLog) -> None:
    """Use an id column as a static covariate."""
    if names.ids is None or names.codes is None or not len(names.ids):
        return
    words = [name_of(value) for value in id_columns(cells.columns, names.ids)[name]]
    if name in cells.columns.categorical:
        categories = tuple(sorted(set(words)))
        code = {word: float(number) for number, word in enumerate(categories)}
        cells.categories[name] = categories
        cells.static[name] = np.array([code[word] for word in words])[names.codes]
        return
    numbers = as_numbers(words)
    if numbers is None:
        log.error(
            "text_covariate",
            f"static covariate {name!r} is text",
            settings=({"data.categorical": (*cells.columns.categorical, name)},),
        )
        return
    cells.static[name] = np.array(numbers, np.float64)[names.codes]


def arrange(cells: Cells, rows: SortedRows, log: FindingLog) -> Arranged:
    """Bring the cells into the order of the panel; static covariates become one row per series.

    Args:
        cells: the columns; the dynamic ones are removed one by one, to free their memory.
        rows: the order.
        log: gets errors and warnings about single series.
    """
    columns = cells.columns
    values = np.full((len(rows.stamps), len(columns.dynamic)), np.nan)
    unread = []
    for index, name in enumerate(columns.dynamic):
        column = cells.dynamic.pop(name, None)
        if column is None:
            unread.append(name)
            continue
        values[:, index] = rows.sorted(column)

    static = np.full((len(rows.offsets) - 1, len(columns.static_covariates)), np.nan)
    for index, name in enumerate(columns.static_covariates):
        if name in cells.static:
            static[:, index] = _one_per_series(rows.sorted(cells.static[name]), name, rows, log)
    weights = cells.weights
    if weights is not None:
        weights = rows.sorted(weights)
    return Arranged(columns, values, static, cells.categories, tuple(unread), weights)


def check_ranges(arranged: Arranged, rows: SortedRows, log: FindingLog) -> None:
    """Report series whose numbers are missing, too large or small for the arithmetic, or constant.

    Args:
        arranged: the values.
        rows: their rows.
        log: gets errors and warnings about single series.
    """
    columns = arranged.columns
    for index, name in enumerate(columns.dynamic):
        if name in arranged.unread or name in columns.categorical:
            continue
        _check_range(arranged.dynamic[:, index], name, name in columns.target_cols, rows, log)


def _check_range(
    cells: FloatArray, name: str, is_target: bool, rows: SortedRows, log: FindingLog
) -> None:
    """Check each series of one column: empty, too large or small for the arithmetic, constant."""
    starts = rows.offsets[:-1]
    high = np.fmax.reduceat(cells, starts)  # (N,)
    low = np.fmin.reduceat(cells, starts)
    largest = np.fmax(np.abs(high), np.abs(low))
    if is_target:
        ways: tuple[Change, ...] = ()
        if not np.isnan(high).all():
            ways = (Change({"data.empty_series": "leave_out"}, "to leave them out"),)
        _report(
            np.isnan(high),
            f"{name} has no value at all",
            "remove these series from the table",
            ("all_missing", rows, log),
            ways,
        )

    fix = "rescale the column, for example to thousands or millionths"
    _report(
        (largest > _LARGEST) & np.isfinite(largest),
        f"{name} exceeds {_LARGEST:g}",
        fix,
        ("too_large", rows, log),
    )
    _report(
        (largest < _SMALLEST) & (largest > 0),
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
    bad: NDArray[np.bool_],
    message: str,
    fix: str,
    where: tuple[str, SortedRows, FindingLog],
    ways: tuple[Change, ...] = (),
) -> None:
    """Add an error that names the bad series (N,), if there are any."""
    code, rows, log = where
    if bad.any() and rows.names.ids is not None:
        named = listed(rows.names.ids[bad], 5)
        log.error(code, f"{message} in {bad.sum()} series: {named}", fix, settings=ways)


def _as_past(name: str, columns: Columns) -> Settings:
    """Return the settings that make a past covariate of a static one."""
    return {
        "data.static_covariates": tuple(
            other for other in columns.static_covariates if other != name
        ),
        "data.past_covariates": (*columns.past_covariates, name),
    }


def _one_per_series(cells: FloatArray, name: str, rows: SortedRows, log: FindingLog) -> FloatArray:
    """Return the one value of each series; add an error where a series has several."""
    first = cells[rows.offsets[:-1]]
    differs = np.flatnonzero(cells != np.repeat(first, np.diff(rows.offsets)))
    differs = differs[~np.isnan(cells[differs])]
    if len(differs):
        log.error(
            "static_changes",
            f"static covariate {name!r} changes within a series, in "
            f"{counted(len(differs), 'row')}: {rows.several(differs)}",
            "give it one value per series",
            settings=(_as_past(name, rows.names.table.columns),),
        )
    return first
