"""From a panel to model inputs: filled, transformed in float64, cast to float32.

`FeatureMap.fit` reads training rows alone and returns a frozen map; `FeatureMap.apply` turns any
panel with the same columns into `Features`, one row per panel row. Nothing here copies windows:
`WindowedFeatures` gathers the rows of one batch at a time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecast.axes import IntArray
from forecast.data.names import name_of
from forecast.data.panel import Columns, Panel
from forecast.transforms import TRANSFORMS, Chain, Log1p, Rows, Standard, Transform
from forecast.transforms.chain import TransformSpec
from forecast.transforms.missing import Filled, MissingPolicy, fill_missing
from forecast.windows.calendar import calendar_columns, calendar_features, weekdays_of
from forecast.windows.index import WindowShape
from forecast.windows.seen_values import ranges_of, seen_categories
from forecast.windows.splits import Part, part_rows
from forecast.windows.window_weights import as_float32, learned_targets


@dataclass(frozen=True)
class FeatureSettings:
    """Settings by which columns become inputs.

    Attributes:
        target: the maps of the targets, in order.
        covariates: the scaler of the numeric covariates, or `none`.
        calendar: names of features made from the stamps.
        missing: policy for missing cells; `mask` adds a 0/1 channel per column.
    """

    target: Sequence[TransformSpec] = ()
    covariates: str = "standard"
    calendar: tuple[str, ...] = ()
    missing: MissingPolicy = "refuse"


@dataclass(frozen=True, eq=False)
class Features:
    """Model inputs for every row of a panel.

    Attributes:
        past: (R, P) float32: transformed targets, past covariates, masks; NaN before the first
            usable row of a series.
        known: (R, K) float32: known covariates and calendar, read in the context and in the
            horizon.
        past_codes: (R, ·) int32 codes of categorical past covariates.
        known_codes: (R, ·) int32 codes of categorical known covariates.
        static: (N, S) float32.
        static_codes: (N, ·) int32.
        target: (R, D) float32 transformed targets to learn; NaN where nothing was measured.
        filled: the panel after the missing policy, in the unit of the data.
        late: the (R, P) twin of `past` with interpolated cells, and (R, P) first row at which each
            may be used.
        sizes: number of codes of every categorical column: past, known, static.
        weekdays: (R,) local weekday, Monday 0; None where steps are beyond a day.
        weights: (R,) float32 how much each row counts in what is learned (`row_weights`); None: all
            alike. Rows of weight 0 have no `target`.
    """

    past: NDArray[np.float32]
    known: NDArray[np.float32]
    past_codes: NDArray[np.int32]
    known_codes: NDArray[np.int32]
    static: NDArray[np.float32]
    static_codes: NDArray[np.int32]
    target: NDArray[np.float32]
    filled: Filled
    late: tuple[NDArray[np.float32], IntArray] | None
    sizes: tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]
    weekdays: NDArray[np.int8] | None = None
    weights: NDArray[np.float32] | None = None

    @cached_property
    def usable(self) -> NDArray[np.bool_]:
        """(R,) rows that can stand in a context."""
        return np.asarray(np.isfinite(self.past).all(axis=1) & np.isfinite(self.known).all(axis=1))

    def shape(self, context_length: int, horizon: int, *, num_quantiles: int = 0) -> WindowShape:
        """Return the shapes of inputs and outputs for a model builder."""
        past, known, static = self.sizes
        return WindowShape(
            context_length=context_length,
            horizon=horizon,
            num_targets=self.target.shape[1],
            num_past=self.past.shape[1] + self.known.shape[1],
            num_known=self.known.shape[1],
            num_static=self.static.shape[1],
            past_categories=past + known,
            known_categories=known,
            static_categories=static,
            num_quantiles=num_quantiles,
        )


@dataclass(frozen=True, eq=False)
class FeatureMap:
    """Fitted state that turns a panel into `Features`; fitted on training rows alone.

    Attributes:
        columns: the roles of the columns.
        settings: settings by which columns become inputs.
        target: the maps of the targets.
        covariates: the scaler of past and known covariates.
        static: the scaler of static covariates.
        vocabulary: categories of each categorical column.
        ranges: smallest and largest value of each numeric covariate; none in models of earlier
            versions.
    """

    columns: Columns
    settings: FeatureSettings
    target: Chain
    covariates: Transform | None
    static: Transform | None
    vocabulary: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    @classmethod
    def fit(
        cls, panel: Panel, filled: Filled, *, part: Part, settings: FeatureSettings
    ) -> FeatureMap:
        """Fit scales and vocabularies on the rows of `part` that were measured.

        Args:
            panel: the series.
            filled: the panel after the missing policy.
            part: the training rows.
            settings: settings by which columns become inputs.
        """
        rows = rows_of(panel)
        train = np.zeros(panel.num_rows, bool)
        train[part_rows(part)] = True
        columns = panel.columns
        num_series = panel.num_series
        chosen = Rows(rows.series[train], rows.positions[train])
        measured = filled.values[train]
        if filled.observed is not None:
            measured[~filled.observed[train]] = np.nan
        num_targets = len(columns.target_cols)
        target = Chain.fit(
            settings.target, measured[:, :num_targets], chosen, num_series=num_series
        )
        numeric = _places(columns, columns.past_covariates + columns.known_covariates)
        covariates = _fit_scaler(settings.covariates, measured[:, numeric], chosen, num_series)
        # series without training rows contribute no statistics
        seen = np.unique(rows.series[train])
        numbers = panel.static_values[seen][:, _static_places(columns)]
        static = _fit_scaler(
            settings.covariates, numbers, Rows(seen, np.zeros_like(seen)), num_series
        )
        vocabulary = {
            name: seen_categories(panel, name, measured, seen) for name in columns.categorical
        }
        ranges = ranges_of(
            _numeric(columns, columns.past_covariates + columns.known_covariates),
            measured[:, numeric],
        )
        ranges |= ranges_of(_numeric(columns, columns.static_covariates), numbers)
        return cls(columns, settings, target, covariates, static, vocabulary, ranges)

    def apply(self, panel: Panel, filled: Filled | None = None) -> Features:
        """Turn a panel into model inputs.

        Args:
            panel: series with the columns the map was fitted on.
            filled: `panel` after the missing policy; optional, computed here by default.
        """
        filled = filled or fill_missing(panel, self.settings.missing)[0]
        rows = rows_of(panel)
        covariates = self._scaled(filled.values, rows)
        past = self._past(filled.values, covariates, filled, rows)
        late = None
        if filled.interpolated is not None and filled.next_observed is not None:
            both_sides = self._scaled(filled.interpolated, rows)
            late = (
                self._past(filled.interpolated, both_sides, filled, rows),
                self._late_rows(filled),
            )
        num_targets = len(self.columns.target_cols)
        target = past[:, :num_targets]
        if filled.observed is not None:
            target = np.where(filled.observed[:, :num_targets], target, np.float32(np.nan))
        columns = self.columns
        return Features(
            past=past,
            known=self._known(covariates, panel),
            past_codes=self._codes(panel, filled.values, columns.past_covariates),
            known_codes=self._codes(panel, filled.values, columns.known_covariates),
            static=self._static(panel),
            static_codes=self._codes(panel, panel.static_values, columns.static_covariates),
            target=learned_targets(target, panel.weights),
            filled=filled,
            late=late,
            sizes=(
                self._sizes(columns.past_covariates),
                self._sizes(columns.known_covariates),
                self._sizes(columns.static_covariates),
            ),
            weekdays=weekdays_of(panel.timestamps, panel.freq),
            weights=as_float32(panel.weights),
        )

    def input_names(self) -> dict[str, tuple[str, ...]]:
        """Return the column of every numeric channel of the inputs `past`, `known` and `static`."""
        columns = self.columns
        calendar = calendar_columns(self.settings.calendar)
        known = _numeric(columns, columns.known_covariates) + calendar
        past = columns.target_cols + _numeric(columns, columns.past_covariates)
        masks: tuple[str, ...] = ()
        if self.settings.missing == "mask":
            masks = tuple(f"{name} observed" for name in columns.dynamic)
        return {
            "past": past + masks + known,
            "known": known,
            "static": _numeric(columns, columns.static_covariates),
        }

    def clip(self, values: NDArray[np.float64]) -> tuple[NDArray[np.float64], tuple[str, ...]]:
        """Raise targets below the floor of their logarithm to it, the value the model reads.

        Args:
            values: (R, C) in the unit of the data.

        Returns:
            (R, C), `values` itself where nothing lies below, and one sentence per target where
            something does.
        """
        names = self.columns.target_cols
        if not self.target.stages:
            return values, ()
        first = self.target.stages[0]
        if not isinstance(first, Log1p):
            return values, ()
        floors = np.broadcast_to(first.floor, len(names))
        counts = (values[:, : len(names)] < floors).sum(axis=0)
        if not counts.any():
            return values, ()
        clipped = values.copy()
        np.maximum(clipped[:, : len(names)], floors, out=clipped[:, : len(names)])
        notes = tuple(
            f"{name}: {count} values lie below {floor:g}, the least its logarithm was fitted on; "
            f"read as {floor:g}"
            for name, count, floor in zip(names, counts, floors, strict=True)
            if count
        )
        return clipped, notes

    def _past(
        self,
        values: NDArray[np.float64],
        covariates: NDArray[np.float64],
        filled: Filled,
        rows: Rows,
    ) -> NDArray[np.float32]:
        num_targets = len(self.columns.target_cols)
        num_past = self._num_past_covariates
        blocks = [self.target.apply(values[:, :num_targets], rows), covariates[:, :num_past]]
        if self.settings.missing == "mask":
            blocks.append(_observed(filled).astype(np.float32))
        return _joined(blocks, len(values))

    def _known(self, covariates: NDArray[np.float64], panel: Panel) -> NDArray[np.float32]:
        scaled = covariates[:, self._num_past_covariates :]
        calendar = calendar_features(panel.timestamps, panel.freq, self.settings.calendar)
        return _joined([scaled, calendar], panel.num_rows)

    @property
    def _num_past_covariates(self) -> int:
        """Number of numeric past covariates, the first columns of `_scaled`."""
        return len(_numeric(self.columns, self.columns.past_covariates))

    def _scaled(self, values: NDArray[np.float64], rows: Rows) -> NDArray[np.float64]:
        """Return numeric covariates, scaled: past ones, then known ones."""
        columns = self.columns
        names = columns.past_covariates + columns.known_covariates
        numeric = values[:, _places(columns, names)]
        if self.covariates is None:
            return numeric
        return self.covariates.apply(numeric, rows)

    def _static(self, panel: Panel) -> NDArray[np.float32]:
        numbers = panel.static_values[:, _static_places(self.columns)]
        if self.static is not None:
            rows = Rows(np.arange(panel.num_series), np.zeros(panel.num_series, np.int64))
            numbers = self.static.apply(numbers, rows)
        return numbers.astype(np.float32)

    def _codes(
        self, panel: Panel, values: NDArray[np.float64], names: tuple[str, ...]
    ) -> NDArray[np.int32]:
        """Translate the panel's codes into the vocabulary of training; 0 is an unseen category."""
        source = self.columns.dynamic
        if names is self.columns.static_covariates:
            source = self.columns.static_covariates
        chosen = [name for name in names if name in self.columns.categorical]
        out = np.zeros((len(values), len(chosen)), np.int32)
        for column, name in enumerate(chosen):
            # earlier versions named some words otherwise; the first of two with one name is kept
            number: dict[str, int] = {}
            for code, word in enumerate(self.vocabulary[name], start=1):
                number.setdefault(name_of(word), code)
            table = np.array(
                [number.get(name_of(word), 0) for word in panel.categories[name]] + [0], np.int32
            )
            codes = values[:, source.index(name)]
            out[:, column] = table[np.where(np.isnan(codes), -1, codes).astype(np.int64)]
        return out

    def _sizes(self, names: tuple[str, ...]) -> tuple[int, ...]:
        chosen = [name for name in names if name in self.columns.categorical]
        return tuple(len(self.vocabulary[name]) + 1 for name in chosen)

    def _late_rows(self, filled: Filled) -> IntArray:
        """Return (R, P) rows from which on the interpolated value of a cell may be used."""
        columns = self.columns
        places = _places(columns, columns.target_cols + columns.past_covariates)
        if filled.next_observed is None:
            raise ValueError("rows of later observations are known with interpolation only")
        return filled.next_observed[:, places]


def rows_of(panel: Panel) -> Rows:
    """Return series and position of every row of a panel."""
    return Rows(panel.series_of_rows(), panel.positions)


def series_deviations(panel: Panel, values: NDArray[np.float64], part: Part) -> NDArray[np.float64]:
    """Return (N, D) standard deviations of each series over the rows of one set.

    Args:
        panel: the series.
        values: (R, D) in the unit of the data, NaN where nothing was measured.
        part: the rows of the set.
    """
    rows = rows_of(panel)
    chosen = part_rows(part)
    places = Rows(rows.series[chosen], rows.positions[chosen])
    scaler = Standard.fit(values[chosen], places, num_series=panel.num_series, scope="per_series")
    return scaler.scale


def _observed(filled: Filled) -> NDArray[np.bool_]:
    if filled.observed is None:
        return np.isfinite(filled.values)
    return filled.observed


def _numeric(columns: Columns, names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in names if name not in columns.categorical)


def _places(columns: Columns, names: tuple[str, ...]) -> list[int]:
    """Return the indices in `columns.dynamic` of those columns that are numeric."""
    return [columns.dynamic.index(name) for name in _numeric(columns, names)]


def _static_places(columns: Columns) -> list[int]:
    """Return the indices of the numeric static covariates."""
    names = columns.static_covariates
    return [names.index(name) for name in _numeric(columns, names)]


def _fit_scaler(
    name: str, values: NDArray[np.float64], rows: Rows, num_series: int
) -> Transform | None:
    if name == "none" or not values.shape[1]:
        return None
    return TRANSFORMS[name].fit(values, rows, num_series=num_series, scope="global")


def _joined(blocks: Sequence[NDArray[Any]], num_rows: int) -> NDArray[np.float32]:
    wide = [
        block.reshape(num_rows, -1).astype(np.float32, copy=False) for block in blocks if block.size
    ]
    if len(wide) == 1:
        return wide[0]
    return np.concatenate([np.empty((num_rows, 0), np.float32), *wide], axis=1)
