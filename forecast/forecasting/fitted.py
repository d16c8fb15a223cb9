"""The fitted state: everything that a forecast needs, frozen once training is over."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from forecast.axes import FloatArray, IntArray
from forecast.baselines.ridge import RidgeWindow
from forecast.data.names import name_of
from forecast.data.panel import Panel
from forecast.errors import DataError
from forecast.experiment.settings import Experiment
from forecast.forecasting.unseen import new_series_note
from forecast.intervals.conformal import Calibration, log_mapped
from forecast.models.network import Network
from forecast.scores.history import History
from forecast.scores.seasonal import seasonal_errors
from forecast.transforms import Chain, Rows
from forecast.transforms.missing import fill_missing
from forecast.windows.features import FeatureMap, rows_of
from forecast.windows.index import WindowShape
from forecast.windows.splits import Part, part_rows

if TYPE_CHECKING:
    import keras


NEVER = np.iinfo(np.int64).min
"""`Fitted.seen_until` of a series training has no row of."""


@dataclass(frozen=True, eq=False)
class Fitted:
    """Everything a forecast needs, frozen once training is over.

    Attributes:
        config: the experiment.
        model: the trained network.
        predict: the same as a function of arrays.
        shape: the arrays the network reads and writes.
        feature_map: scales and vocabularies.
        freq: alias of the frequency of the training data.
        season_length: steps in one season.
        series_ids: (N,) ids seen in training.
        constants: (N, D) value of the series that never changed in training, NaN for all others;
            the forecast of such a series is its last value.
        low: (N, D) smallest training value.
        high: (N, D) largest training value.
        seen_until: (N,) last stamp learned from, chosen on, or calibrated on by a part of its own,
            in ns since 1970 or as the integer index, or `NEVER`.
        unit: (N, D) size of usual changes of each series before it was calibrated: what errors are
            measured in.
        calibration: errors on the calibration windows, for intervals of what follows them; None
            where there were none.
        recent: errors on calibration and test windows, for intervals of what comes after the table
            of training.
        linear: the ridge baseline.
        histories: losses per epoch of each network by name, that with the largest weight first.
        shares: weight of each member of a blend by name; where there is no blend one of 1, or none.
    """

    config: Experiment
    model: keras.Model
    predict: Network
    shape: WindowShape
    feature_map: FeatureMap
    freq: str
    season_length: int
    series_ids: NDArray[np.object_]
    constants: FloatArray
    low: FloatArray
    high: FloatArray
    seen_until: IntArray
    unit: FloatArray
    calibration: Calibration | None
    recent: Calibration | None
    linear: RidgeWindow
    histories: dict[str, History]
    shares: dict[str, float]

    @property
    def history(self) -> History:
        """Losses per epoch; of a blend, those of the network with the largest weight."""
        return next(iter(self.histories.values()))

    @property
    def quantile_levels(self) -> tuple[float, ...]:
        """Levels the network writes; none for a point forecast."""
        return (
            self.config.training.quantile_levels if self.config.training.loss == "quantile" else ()
        )

    @cached_property
    def _place_of(self) -> dict[str, int]:
        return {name_of(series_id): place for place, series_id in enumerate(self.series_ids)}

    def places(self, series_ids: NDArray[np.object_]) -> IntArray:
        """(N',) place of each id among the series of training by its name, -1 where training has not seen it."""
        return np.array(
            [self._place_of.get(name_of(series_id), -1) for series_id in series_ids], np.int64
        )


def training_range(values: FloatArray, panel: Panel, part: Part) -> tuple[FloatArray, FloatArray]:
    """(N, D) smallest and (N, D) largest value of each series in the rows of a part; NaN where there is none."""
    rows = part_rows(part)
    series = panel.series_of_rows()[rows]
    low = np.full((panel.num_series, values.shape[1]), np.inf)
    high = -low
    chosen = values[rows]
    np.fmin.at(low, series, chosen)
    np.fmax.at(high, series, chosen)
    empty = low > high
    return np.where(empty, np.nan, low), np.where(empty, np.nan, high)


def align(fitted: Fitted, panel: Panel, part: Part) -> Fitted:
    """Return the fitted state with its per-series numbers in the order of another panel's series.

    A series that was not seen in training gets scales of its own, from its rows in `part`.

    Args:
        fitted: the state.
        panel: the series to forecast.
        part: the rows of `panel` that may be looked at.

    Raises:
        DataError: a series is new and the model has learned an embedding of the ids.
    """
    index = fitted.places(panel.series_ids)
    if np.array_equal(index, np.arange(len(fitted.series_ids))):
        return fitted
    new, fresh = index < 0, None
    low, high, unit = fitted.low[index], fitted.high[index], fitted.unit[index]
    if new.any():
        _refuse_new_ids(fitted, panel, new)
        fresh, *own = _fit_series(fitted, panel, part)
        low, high = (
            np.where(new[:, None], one, trained)
            for one, trained in zip(own, (low, high), strict=True)
        )
        unit = np.where(
            new[:, None], error_units(fitted.config, panel, part, fitted.season_length), unit
        )
    return replace(
        fitted,
        feature_map=replace(
            fitted.feature_map, target=fitted.feature_map.target.align(index, fresh)
        ),
        series_ids=panel.series_ids,
        constants=np.where(low == high, low, np.nan),
        low=low,
        high=high,
        seen_until=np.where(new, NEVER, fitted.seen_until[index]),
        unit=unit,
    )


def _refuse_new_ids(fitted: Fitted, panel: Panel, new: NDArray[np.bool_]) -> None:
    """Raise where the model has learned an embedding of the ids."""
    columns = panel.columns
    if columns.id_col in columns.static_covariates:
        named = new_series_note(panel.series_ids[new], fitted.series_ids, None)
        raise DataError(
            f"{named}; this model has learned its series by id: "
            f"leave them out, or train again without {columns.id_col!r} among the static covariates"
        )


def error_units(config: Experiment, panel: Panel, part: Part, season_length: int) -> FloatArray:
    """(N, D) mean change over a season in the rows of a part, of logarithms where the experiment works on them.

    A series that has none, or none but 0, takes the middle one of the others.
    """
    if on_logarithms(config):
        values, targets = panel.values.copy(), len(panel.columns.target_cols)
        values[:, :targets] = log_mapped(values[:, :targets])
        panel = replace(panel, values=values)
    found = seasonal_errors(panel, season_length, part=part)
    usable = np.where(found > 0, found, np.nan)
    usual = [float(np.median(one[one > 0])) if (one > 0).any() else 1.0 for one in usable.T]
    return np.where(np.isfinite(usable), usable, usual)


def on_logarithms(config: Experiment) -> bool:
    """Whether the targets are learned as logarithms, so that errors are factors."""
    return any(one.name == "log1p" for one in config.transforms.target)


def _fit_series(fitted: Fitted, panel: Panel, part: Part) -> tuple[Chain, FloatArray, FloatArray]:
    """The maps of the targets and the training range of each series, from its rows in `part`."""
    values = fill_missing(panel, fitted.config.data.missing)[0].measured(
        len(panel.columns.target_cols)
    )
    train, rows = part_rows(part), rows_of(panel)
    chain = Chain.fit(
        fitted.config.transforms.target,
        values[train],
        Rows(rows.series[train], rows.positions[train]),
        num_series=panel.num_series,
        shared=fitted.feature_map.target,
    )
    return chain, *training_range(values, panel, part)
