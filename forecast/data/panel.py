"""A panel: many checked series in a few contiguous, read-only arrays."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field, model_validator

from forecast.axes import IntArray, check_shape
from forecast.data.findings import Decisions
from forecast.data.frequency import Frequency
from forecast.data.names import join_names, split_names
from forecast.errors import nearest
from forecast.section import AUTO, Auto, Section

if TYPE_CHECKING:
    import pandas as pd

NO_TIME = "none"
"""Time of a table without timestamps, whose rows are counted."""

AUTO_ROLES = ("id_col", "time_col", "target_cols")
"""Roles that may be `auto`, until the table is read."""

Name = Annotated[str, Field(min_length=1)]
"""Text that is not empty."""


def _as_one_name(value: object) -> object:
    """Write a list of names as one text, quoted as in CSV; anything else stays as it is."""
    if isinstance(value, list | tuple) and value and all(isinstance(name, str) for name in value):
        return value[0] if len(value) == 1 else join_names(value)
    return value


OneOrMore = Annotated[
    str,
    BeforeValidator(_as_one_name, json_schema_input_type=Name | tuple[Name, ...]),
    Field(min_length=1),
]
"""A column, or several with commas between."""

TimeName = Annotated[
    str, BeforeValidator(_as_one_name, json_schema_input_type=str | tuple[Name, ...])
]
"""The same; the column may have no name, as that of an index in a file of pandas."""

if TYPE_CHECKING:
    TargetNames = tuple[str, ...]  # `auto` is replaced before anything reads the names
    _OPEN: TargetNames
else:
    TargetNames = Auto | Annotated[tuple[Name, ...], Field(min_length=1)]
    _OPEN = AUTO

_LISTS = ("target_cols", "past_covariates", "known_covariates", "static_covariates")
"""Roles that several columns may have, each of them another one."""

LISTS = (*_LISTS, "categorical")
"""Roles that list columns."""


class Columns(Section):
    """The role of every column that is used; all other columns are ignored.

    Raises:
        ConfigError: a column has two roles, or a categorical column is not a covariate.

    Example:
        >>> from forecast import Columns
        >>> columns = Columns(time_col="date", target_cols=("sales",), known_covariates=("price",))
        >>> columns.dynamic
        ('sales', 'price')
    """

    id_col: OneOrMore = AUTO
    """Column that names the series. Also several that name it together, as `store,item`. `auto`:
    `unique_id`, or the columns without which timestamps repeat, and otherwise the table contains
    one series."""
    time_col: TimeName = AUTO
    """Column of timestamps, or of an integer index; also several with the parts of the time, as
    `date,time` or `year,month,day,hour`, which are joined; `none`: the rows of each series are
    counted. `auto`: `ds`, or the only column of dates."""
    target_cols: TargetNames = _OPEN
    """Columns to forecast; `auto`: `y`, or the only column of numbers."""
    past_covariates: tuple[Name, ...] = ()
    """Columns known up to the cutoff only."""
    known_covariates: tuple[Name, ...] = ()
    """Columns known for the forecast steps as well."""
    static_covariates: tuple[Name, ...] = ()
    """Columns with one value per series; name an id column here to learn an embedding of it."""
    categorical: tuple[Name, ...] = ()
    """Those of the covariates above whose values are categories."""
    weight_col: Name | None = None
    """Column with the weight of each row, or of each series where it is constant in one: how much
    its errors count in training and in the choice of weights of members; 0: not at all. It is no
    covariate, and scores, intervals and forecasts do without it."""

    @property
    def dynamic(self) -> tuple[str, ...]:
        """Columns of `Panel.values`, in order: targets, past covariates, known covariates."""
        return _named(self.target_cols) + self.past_covariates + self.known_covariates

    def with_usual_names(self) -> Columns:
        """Return the roles with `unique_id`, `ds` and `y` in the place of `auto`."""
        usual = {"id_col": "unique_id", "time_col": "ds", "target_cols": ("y",)}
        absent = {role: name for role, name in usual.items() if is_auto(getattr(self, role))}
        if not absent:
            return self
        return self.model_copy(update=absent)  # unchecked: a name may have another role

    def of_series(self, layout: str) -> Columns:
        """Return the roles once a table is read: columns of a wide one are series of one target.

        Args:
            layout: `"long"` or `"wide"`, as the table was found to be.
        """
        if layout != "wide":
            return self
        return self.model_copy(update={"id_col": "unique_id", "target_cols": ("y",)})

    @property
    def weight_cols(self) -> tuple[str, ...]:
        """The column of weights, if there is one."""
        return () if self.weight_col is None else (self.weight_col,)

    def without_weights(self) -> Columns:
        """Return the roles of a table that nothing is learned from."""
        return self.model_copy(update={"weight_col": None})

    @property
    def id_cols(self) -> tuple[str, ...]:
        """Columns that name the series; several where `id_col` lists them.

        An `id_col` with a comma is a list of names here, quoted as in CSV. A panel has it so, also
        where the table has a column with a comma in its name.
        """
        if "," not in self.id_col:
            return (self.id_col,)
        return tuple(split_names(self.id_col))

    @model_validator(mode="after")
    def _check_roles(self) -> Columns:
        """Refuse a column with two roles; an id column may be a static covariate too."""
        for role in LISTS:
            columns = _named(getattr(self, role))
            if len(set(columns)) < len(columns):
                raise ValueError(f"{role} is {list(columns)}; expected each column once")

        taken = dict.fromkeys(_named(self.time_col), "time_col")
        for role in _LISTS:
            for column in _named(getattr(self, role)):
                _refuse_second_role(column, taken.setdefault(column, role), role)
        if self.weight_col is not None:
            first = taken.setdefault(self.weight_col, "weight_col")
            _refuse_second_role(self.weight_col, first, "weight_col")
        if len(set(self.id_cols)) < len(self.id_cols):
            raise ValueError(f"id_col is {self.id_col!r}; expected each column once")
        for column in _named(self.id_col) and (self.id_col, *self.id_cols):
            if taken.get(column) != "static_covariates":
                _refuse_second_role(column, taken.get(column, "id_col"), "id_col")

        covariates = self.past_covariates + self.known_covariates + self.static_covariates
        for column in self.categorical:
            if column not in covariates:
                raise ValueError(
                    f"categorical names {column!r}, which is none of the covariates"
                    f"{nearest(column, covariates)}: add it to one of them"
                )
        return self


def is_auto(value: object) -> bool:
    """Return whether a role is open: the table decides."""
    return isinstance(value, str) and value == AUTO


def _named(value: str | tuple[str, ...]) -> tuple[str, ...]:
    """Return the columns of a role, none where it is open."""
    if is_auto(value):
        return ()
    if isinstance(value, str):
        return (value,)
    return value


def _refuse_second_role(column: str, first: str, second: str) -> None:
    if first != second:
        raise ValueError(f"{first} names {column!r}, and {second} does too: a column has one role")


USUAL_ROLES = Columns().with_usual_names()
"""Names that a table without other roles usually has; those of a wide table made long."""


@dataclass(frozen=True, eq=False)
class Panel:
    """Checked series of one frequency, stored one after another.

    Within a series rows are in time order and timestamps lie on the grid of `freq`. Two rows of one
    series are neighbours in time when their `positions` differ by one; a larger difference is a
    gap.

    Example:
        >>> import pandas as pd
        >>> from forecast import load_panel
        >>> days = pd.date_range("2025-01-01", periods=3)
        >>> panel = load_panel(pd.DataFrame({"ds": days, "y": [3.0, 4.0, 5.0]}))
        >>> panel.num_series, panel.num_rows, panel.freq.alias
        (1, 3, 'D')
        >>> panel.targets[:, 0].tolist()
        [3.0, 4.0, 5.0]

    Attributes:
        columns: the roles of the columns.
        freq: the frequency of all series.
        series_ids: (N,) object array of ids as in the table; where several columns name a series,
            tuples of their values.
        offsets: (N + 1,) int64; the rows of series `i` are `offsets[i]:offsets[i + 1]`.
        timestamps: (R,) datetime64[ns] (UTC where the table had a time zone) or int64.
        positions: (R,) int64, number of every timestamp on the grid of `freq`.
        values: (R, C) float64, C-contiguous, columns as in `columns.dynamic`; NaN where missing;
            categories as their index in `categories`.
        static_values: (N, S) float64, columns as in `columns.static_covariates`.
        categories: the sorted values of every categorical column.
        notes: how the table was read or changed, one sentence each.
        future: known covariates in the rows after the last target of each series, for the series
            that have such rows; None where none has.
        decisions: settings that the form of the table decided, by their path.
        weights: (R,) float64, how much each row counts where a model learns from it, at least 0;
            None: all rows count alike.
    """

    columns: Columns
    freq: Frequency
    series_ids: NDArray[np.object_]
    offsets: NDArray[np.int64]
    timestamps: NDArray[np.generic]
    positions: NDArray[np.int64]
    values: NDArray[np.float64]
    static_values: NDArray[np.float64]
    categories: dict[str, tuple[str, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    future: Panel | None = None
    decisions: Decisions = field(default_factory=dict)
    weights: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        """Check shapes and make the arrays read-only; roles that are open have the usual names."""
        object.__setattr__(self, "columns", self.columns.with_usual_names())
        rows = len(self.positions)
        series = len(self.series_ids)
        check_shape("values", self.values, "RC", R=rows, C=len(self.columns.dynamic))
        check_shape("timestamps", self.timestamps, "R", R=rows)
        check_shape("offsets", self.offsets, "N", N=series + 1)
        check_shape(
            "static_values",
            self.static_values,
            "NS",
            N=series,
            S=len(self.columns.static_covariates),
        )
        if self.weights is not None:
            check_shape("weights", self.weights, "R", R=rows)
            self.weights.setflags(write=False)
        for array in (
            self.series_ids,
            self.offsets,
            self.timestamps,
            self.positions,
            self.values,
            self.static_values,
        ):
            array.setflags(write=False)

    @property
    def num_series(self) -> int:
        """Number of series, N."""
        return len(self.series_ids)

    @property
    def num_rows(self) -> int:
        """Number of rows of all series together, R."""
        return len(self.positions)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """(N,) rows of each series."""
        return self.offsets[1:] - self.offsets[:-1]

    @property
    def targets(self) -> NDArray[np.float64]:
        """(R, D) view of the target columns."""
        return self.values[:, : len(self.columns.target_cols)]

    def column(self, name: str) -> NDArray[np.float64]:
        """Return the (R,) view of one column of `values`.

        Args:
            name: one of `columns.dynamic`.
        """
        return self.values[:, self.columns.dynamic.index(name)]

    def series_of_rows(self) -> NDArray[np.int64]:
        """(R,) index of the series every row belongs to."""
        return np.repeat(np.arange(self.num_series), self.lengths)

    def series_at(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the series of some rows.

        Args:
            rows: (B,) rows of the panel.

        Returns:
            (B,) index of the series of each row.
        """
        return np.searchsorted(self.offsets, rows, side="right").astype(np.int64) - 1


def find_rows(
    series: IntArray, positions: IntArray, wanted_series: IntArray, wanted_positions: IntArray
) -> IntArray:
    """Find the row of each wanted series and position.

    Series and position are packed into one whole number, so that one binary search finds both.

    Args:
        series: (R,) series of the rows; no two rows have the same series and position.
        positions: (R,) position of each row on the time grid.
        wanted_series: any shape; -1 for a series that has no rows.
        wanted_positions: the same shape, or one that is broadcast to it.

    Returns:
        Rows in the wanted shape, -1 where there is none.
    """
    wanted_series, wanted_positions = np.broadcast_arrays(wanted_series, wanted_positions)
    if not len(positions) or not wanted_positions.size:
        return np.full(wanted_positions.shape, -1, np.int64)
    low = min(int(positions.min()), int(wanted_positions.min()))
    high = max(int(positions.max()), int(wanted_positions.max()))
    width = high - low + 1

    keys = series * width + (positions - low)
    order = None
    if not (keys[1:] > keys[:-1]).all():
        order = np.argsort(keys)
    wanted = wanted_series * width + (wanted_positions - low)
    rows = np.minimum(np.searchsorted(keys, wanted, sorter=order), len(keys) - 1)
    if order is not None:
        rows = order[rows]
    return np.where(keys[rows] == wanted, rows, -1)


def shown_stamps(
    panel: Panel, stamps: NDArray[np.generic]
) -> NDArray[np.generic] | pd.DatetimeIndex:
    """Return timestamps as in the table: in its time zone, or whole numbers."""
    if panel.freq.is_integer:
        return stamps
    return panel.freq.local(stamps)


def panel_digest(panel: Panel) -> str:
    """Return the SHA-256 of values, timestamps, series and columns as 64 hexadecimal digits.

    Known covariates in the rows after the last target count too, and weights where there are any.
    """
    digest = hashlib.sha256()
    for array in (panel.values, panel.timestamps, panel.offsets, panel.static_values):
        digest.update(array.tobytes())
    digest.update(json.dumps([str(series_id) for series_id in panel.series_ids]).encode())
    names: list[object] = [panel.columns.dynamic, panel.categories]
    if panel.columns.static_covariates:
        names.append(panel.columns.static_covariates)
    digest.update(json.dumps(names).encode())
    if panel.weights is not None:
        digest.update(panel.weights.tobytes())
    if panel.future is not None:
        digest.update(panel_digest(panel.future).encode())
    return digest.hexdigest()
