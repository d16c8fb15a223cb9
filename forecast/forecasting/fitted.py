"""The fitted state: everything that a forecast needs, frozen after training."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from forecast.axes import FloatArray, IntArray
from forecast.baselines.compare import history_reader
from forecast.baselines.lengths import smoothed_rows
from forecast.baselines.ridge import RidgeWindow
from forecast.baselines.seasonal_ridge import SEASONAL, SeasonalRidge
from forecast.baselines.simple import ETS
from forecast.baselines.smoothing import Smoothing
from forecast.data.load import Request
from forecast.data.names import name_of
from forecast.data.panel import Panel
from forecast.data.per_series.keys import id_columns
from forecast.errors import DataError
from forecast.experiment.enough import context_length_of
from forecast.experiment.prepare import Prepared, request_of
from forecast.experiment.settings import Experiment
from forecast.forecasting.series_facts import NEVER, SeriesFacts
from forecast.forecasting.unseen import new_series_note
from forecast.intervals.conformal import Calibration, log_mapped
from forecast.intervals.trajectories import Trajectories
from forecast.models.keras_network import Network
from forecast.scores.history import History
from forecast.scores.seasonal import seasonal_errors
from forecast.section import decided
from forecast.training.fitted_network import FittedNetwork, TrainingRecord
from forecast.transforms import TRANSFORMS, Chain, Rows
from forecast.transforms.missing import Filled, fill_missing
from forecast.windows.features import FeatureMap, rows_of
from forecast.windows.index import WindowShape
from forecast.windows.splits import Part, Split, part_rows

if TYPE_CHECKING:
    import keras


MODEL = "model"
"""Key of the weight of the trained model beside those of the baselines."""


@dataclass(frozen=True, eq=False)
class Fitted:
    """Everything that a forecast needs, frozen after training.

    Attributes:
        config: the experiment.
        network: the trained network, or the ensemble, as a function of arrays.
        make_model: returns it as a Keras model.
        shape: the arrays that the network reads and writes.
        feature_map: scales and vocabularies.
        freq: alias of the frequency of the training table.
        season_length: steps in one season.
        series: facts about each series of the training set.
        calibration: errors on the calibration windows, for intervals of the test set; None without
            calibration windows.
        recent: errors on calibration and test windows, for intervals after the end of the training
            table; None without such windows.
        linear: the ridge baseline.
        smoothing: the baseline of exponential smoothing; None in models of earlier versions.
        training: losses and weights of the members of the model.
        weights: weight of the model, as `MODEL`, and of each baseline that forecasts with it.
        seasonal: the ridge regression for each step of the season, if it forecasts with them.
        trajectories: whole errors of the windows of `recent`, for sample paths; None without such
            windows and in models of earlier versions.
    """

    config: Experiment
    network: Network
    make_model: Callable[[], keras.Model]
    shape: WindowShape
    feature_map: FeatureMap
    freq: str
    season_length: int
    series: SeriesFacts
    calibration: Calibration | None
    recent: Calibration | None
    linear: RidgeWindow
    smoothing: Smoothing | None
    training: TrainingRecord
    weights: Mapping[str, float] = field(default_factory=lambda: {MODEL: 1.0})
    seasonal: SeasonalRidge | None = None
    trajectories: Trajectories | None = None

    @property
    def model(self) -> keras.Model:
        """The network as a Keras model; a loaded one is built when it is first asked for."""
        return self.make_model()

    @cached_property
    def learning_request(self) -> Request:
        """The settings with which a table to learn from is read, with its weights."""
        return request_of(self.config.data, self.freq)

    @cached_property
    def request(self) -> Request:
        """The settings with which a table to forecast from is read."""
        request = self.learning_request
        return replace(request, columns=request.columns.without_weights())

    @cached_property
    def read_features(self) -> FeatureMap:
        """The map to what the members read: no calendar where neither network nor regression does.

        A calendar has a value at every row, so the rows that can be forecast are the same.
        """
        if self.weights[MODEL] or self.weights.get(SEASONAL):
            return self.feature_map
        settings = replace(self.feature_map.settings, calendar=())
        return replace(self.feature_map, settings=settings)

    @property
    def members(self) -> dict[str, float]:
        """Weight of every member of the forecast: networks, ridge regressions and baselines."""
        own = self.weights[MODEL]
        members = {name: own * weight for name, weight in self.training.weights.items()}
        members |= {name: weight for name, weight in self.weights.items() if name != MODEL}
        return members

    @property
    def history(self) -> History:
        """Losses per epoch; of an ensemble, those of the network with the largest weight."""
        return self.training.history

    @property
    def quantile_levels(self) -> tuple[float, ...]:
        """Levels that the network writes; none for a point forecast."""
        return _quantile_levels(self.config)


def collect(
    prepared: Prepared, network: FittedNetwork, linear: RidgeWindow, smoothing: Smoothing
) -> Fitted:
    """Return the fitted state of a trained network, not yet calibrated.

    Args:
        prepared: the windows that the network was trained on.
        network: the result of training.
        linear: the ridge baseline.
        smoothing: the baseline of exponential smoothing.
    """
    config = prepared.config
    panel = prepared.panel
    shape = shape_of(prepared)
    season_length = config.data.season_length or panel.freq.season_length
    series = SeriesFacts.fit(
        panel,
        prepared.filled.measured(shape.num_targets),
        prepared.split.train,
        seen_until=_last_stamps(panel, prepared.split),
        unit=_error_units(config, panel, prepared.split.train, season_length),
    )
    return Fitted(
        config=config,
        network=network.network,
        make_model=network.make_model,
        shape=shape,
        feature_map=prepared.feature_map,
        freq=panel.freq.alias,
        season_length=season_length,
        series=series,
        calibration=None,
        recent=None,
        linear=linear,
        smoothing=smoothing,
        training=network.record,
    )


def shape_of(prepared: Prepared) -> WindowShape:
    """Return the shapes of the arrays that the network of an experiment reads and writes."""
    config = prepared.config
    return prepared.features.shape(
        context_length_of(config),
        config.windows.horizon,
        num_quantiles=len(_quantile_levels(config)),
    )


def _quantile_levels(config: Experiment) -> tuple[float, ...]:
    if config.training.forecasts_quantiles:
        return config.training.quantile_levels
    return ()


def _last_stamps(panel: Panel, split: Split) -> IntArray:
    """Return the (N,) last stamp of each series before the test set, `NEVER` if there is none."""
    first = panel.offsets[:-1]
    end = np.max([split.train.last, split.validation.last, split.calibration.last], axis=0)
    last = np.maximum(end - 1, first)
    return np.where(end > first, panel.timestamps[last].astype(np.int64), NEVER)


def align(fitted: Fitted, panel: Panel, part: Part) -> Fitted:
    """Return the fitted state with its series in the order of another panel.

    A series that training has not seen gets its scales from its rows in `part`.

    Args:
        fitted: the state.
        panel: the series to forecast.
        part: the rows of `panel` before the cutoff.

    Raises:
        DataError: a series is new, and the model has learned an embedding of the ids.
    """
    index = fitted.series.index_of(panel.series_ids)
    if np.array_equal(index, np.arange(len(fitted.series.ids))):
        return fitted

    chain = None
    new_facts = None
    is_new = index < 0
    if is_new.any():
        _refuse_new_ids(fitted, panel, is_new)
        chain, new_facts = _fit_series(fitted, panel, part)

    target = fitted.feature_map.target.align(index, chain)
    return replace(
        fitted,
        feature_map=replace(fitted.feature_map, target=target),
        series=fitted.series.take(index, panel.series_ids, new_facts),
        smoothing=smoothing_for(fitted, panel, part) if ETS in fitted.weights else None,
    )


def smoothing_for(fitted: Fitted, panel: Panel, part: Part) -> Smoothing | None:
    """Return exponential smoothing of the series of another panel; None in earlier models.

    A series that training has not seen is fitted on its rows in `part`.

    Args:
        fitted: the state, not aligned.
        panel: the series to forecast.
        part: the rows of `panel` before the cutoff.
    """
    if fitted.smoothing is None:
        return None
    index = fitted.series.index_of(panel.series_ids)
    new = None
    if (index < 0).any():
        filled, _ = fill_missing(panel, fitted.config.data.missing)
        new = fit_smoothing(panel, filled, part, fitted.season_length)
    return fitted.smoothing.take(index, new)


def _refuse_new_ids(fitted: Fitted, panel: Panel, is_new: NDArray[np.bool_]) -> None:
    """Raise where the model has learned an embedding of an id column with new values in it."""
    columns = panel.columns
    known = id_columns(columns, fitted.series.ids)
    given = id_columns(columns, panel.series_ids[is_new])
    for name in columns.id_cols:
        if name not in columns.static_covariates:
            continue
        if set(map(name_of, given[name])) <= set(map(name_of, known[name])):
            continue
        named = new_series_note(panel.series_ids[is_new], fitted.series.ids, None, panel.series_ids)
        raise DataError(
            f"{named}; this model has learned its series by id: leave them out, or train again "
            f"without {name!r} among the static covariates"
        )


def _fit_series(fitted: Fitted, panel: Panel, part: Part) -> tuple[Chain, SeriesFacts]:
    """Return the target transforms and the facts of each series, from its rows in `part`."""
    config = fitted.config
    filled, _ = fill_missing(panel, config.data.missing)
    values = filled.measured(len(panel.columns.target_cols))
    rows = part_rows(part)
    all_rows = rows_of(panel)
    chain = Chain.fit(
        decided(config.transforms.target, "transforms.target"),
        values[rows],
        Rows(all_rows.series[rows], all_rows.positions[rows]),
        num_series=panel.num_series,
        shared=fitted.feature_map.target,
    )
    facts = SeriesFacts.fit(
        panel,
        values,
        part,
        seen_until=np.full(panel.num_series, NEVER),
        unit=_error_units(config, panel, part, fitted.season_length),
    )
    return chain, facts


def fit_smoothing(panel: Panel, filled: Filled, part: Part, season_length: int) -> Smoothing:
    """Fit exponential smoothing to the last rows of each series in a part.

    Args:
        panel: the series.
        filled: its rows after the missing policy.
        part: the rows to learn from.
        season_length: m.
    """
    values = filled.values[:, : len(panel.columns.target_cols)]
    history_of = history_reader(panel, values, smoothed_rows(season_length))
    history = history_of(np.maximum(part.last - 1, 0))
    is_empty = part.last <= part.first
    return Smoothing.fit(np.where(is_empty[:, None, None], np.nan, history), season_length)


def _error_units(config: Experiment, panel: Panel, part: Part, season_length: int) -> FloatArray:
    """Return the (N, D) mean change over a season in the rows of a part.

    The changes are those of logarithms where the experiment works on logarithms. A series without
    a change gets the median of the others.
    """
    if on_logarithms(config):
        num_targets = len(panel.columns.target_cols)
        values = panel.values.copy()
        values[:, :num_targets] = log_mapped(values[:, :num_targets])
        panel = replace(panel, values=values)

    changes = seasonal_errors(panel, season_length, part=part)
    usual = np.ones(changes.shape[1])
    for target, of_target in enumerate(changes.T):
        positive = of_target[of_target > 0]
        if len(positive):
            usual[target] = np.median(positive)
    is_usable = np.isfinite(changes) & (changes > 0)
    return np.where(is_usable, changes, usual)


def on_logarithms(config: Experiment) -> bool:
    """Return whether the targets are learned as logarithms, so that errors are factors."""
    target = decided(config.transforms.target, "transforms.target")
    return any(TRANSFORMS[transform.name].is_logarithm for transform in target)
