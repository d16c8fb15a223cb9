"""Who takes part in a backtest: the experiment, the baselines and models of statsforecast, each with `fit`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from forecast.axes import FloatArray, IntArray
from forecast.backtest.peers import STATISTICAL, StatisticalModel, find_python
from forecast.backtest.rolling import Levels, Model
from forecast.baselines.compare import all_baselines, batches_of_history, history_reader
from forecast.baselines.simple import BASELINES, Baseline, Steps
from forecast.data.panel import Panel, panel_digest
from forecast.data.subset import select_series
from forecast.errors import ConfigError, nearest
from forecast.experiment.prepare import context_length_of, prepare_panel, resolve
from forecast.experiment.settings import Experiment
from forecast.forecasting.calibrate import quantile_levels_of, shown_levels, with_intervals
from forecast.forecasting.fitted import Fitted, align
from forecast.forecasting.forecaster import Forecaster
from forecast.forecasting.judge import fit_linear
from forecast.forecasting.predict import forecast_windows
from forecast.training import Reporter
from forecast.transforms.missing import MissingPolicy, fill_missing
from forecast.windows.index import index_after
from forecast.windows.splits import Part
from forecast.windows.windowed import WindowedFeatures

LINEAR = "linear"


BASELINE_NAMES = (*BASELINES, LINEAR)


def names_of(config: Experiment) -> tuple[str, ...]:
    """The models of a backtest, in order.

    Raises:
        ConfigError: a name stands for nothing, or twice.
    """
    known = (config.name, *BASELINE_NAMES, *STATISTICAL)
    names = config.backtest.models or (config.name, *BASELINE_NAMES)
    for name in names:
        if name not in known:
            raise ConfigError(
                f"backtest.models names {name!r}{nearest(name, known)}; expected some of "
                f"{', '.join(known)}"
            )
    double = next((name for name in known if known.count(name) > 1 or names.count(name) > 1), None)
    if double is not None:
        raise ConfigError(
            f"backtest.models is {list(names)} and {double!r} stands for two models: expected each "
            f"once"
        )
    return names


def make_models(
    config: Experiment, *, checkpoints: Path | None = None, reporter: Reporter | None = None
) -> dict[str, Model]:
    """Return the models of a backtest by name.

    Args:
        config: the experiment.
        checkpoints: folder in which the state of a training is kept after each epoch.
        reporter: is told of the progress of trainings.

    Raises:
        ConfigError: a name stands for nothing, or there is no statsforecast.
    """
    config, names = at_a_cutoff(config), names_of(config)
    python = find_python() if set(names) & set(STATISTICAL) else ""

    def model(name: str) -> Model:
        if name == config.name:
            return NetworkModel(config, checkpoints, reporter)
        if name in STATISTICAL:
            horizon, missing = config.windows.horizon, config.data.missing
            return StatisticalModel(name, horizon, config.data.season_length, missing, python)
        return BaselineModel(config, name)

    return {name: model(name) for name in names}


def at_a_cutoff(config: Experiment) -> Experiment:
    """The settings of a fit in a backtest: no test part, and series that are too short at that time left out."""
    return config.model_copy(
        update={
            "evaluation": config.evaluation.model_copy(update={"test_size": 0}),
            "data": config.data.model_copy(update={"short_series": "skip"}),
        }
    )


@dataclass(frozen=True)
class BaselineModel:
    """A baseline; its context is what the experiment would see of the same rows.

    Attributes:
        config: the experiment at a cutoff.
        name: one of `BASELINE_NAMES`.
    """

    config: Experiment
    name: str

    def fit(self, panel: Panel) -> FittedBaseline:
        """Take context and season from the rows; of `linear`, solve the regression too."""
        ridge = None
        if self.name == LINEAR:
            prepared = prepare_panel(self.config, panel)
            config, ridge = prepared.config, fit_linear(prepared)
        else:
            config = resolve(self.config, panel)
        season_length = config.data.season_length or panel.freq.season_length
        steps = Steps(config.windows.horizon, context_length_of(config), season_length)
        return FittedBaseline(all_baselines(steps, ridge)[self.name], steps, config.data.missing)


@dataclass(frozen=True)
class FittedBaseline:
    """A function of the history.

    Attributes:
        function: (B, M, D) -> (B, H, D).
        steps: how far it looks back and ahead.
        missing: what stands in for missing values.
    """

    function: Baseline
    steps: Steps
    missing: MissingPolicy

    @property
    def quantile_levels(self) -> Levels:
        """None."""
        return ()

    def predict(self, panel: Panel, last: IntArray) -> tuple[FloatArray, None]:
        """Forecast (B, H, D); see `backtest.rolling.FittedModel`."""
        num_targets = len(panel.columns.target_cols)
        values = fill_missing(panel, self.missing)[0].values[:, :num_targets]
        history_of = history_reader(panel, values, self.steps.history_length)
        out = np.empty((len(last), self.steps.horizon, num_targets))
        for numbers in batches_of_history(len(last), self.steps.history_length * num_targets):
            out[numbers] = self.function(history_of(last[numbers]))
        return out, None


@dataclass(frozen=True)
class NetworkModel:
    """The experiment: network or blend, trained as `forecast fit` trains it.

    Attributes:
        config: the experiment at a cutoff.
        checkpoints: folder in which the state of a training is kept after each epoch.
        reporter: is told of the progress of a training.
    """

    config: Experiment
    checkpoints: Path | None = None
    reporter: Reporter | None = None

    def fit(self, panel: Panel) -> FittedNetworkModel:
        """Train, going on from the last epoch where a checkpoint of the same rows is left."""
        checkpoint = (
            self.checkpoints and self.checkpoints / f"{panel_digest(panel)[:16]}.checkpoint"
        )
        prepared = prepare_panel(self.config, panel)
        forecaster = Forecaster(self.config)
        forecaster.fit_prepared(
            prepared, checkpoint=checkpoint, resume=True, reporter=self.reporter
        )
        return FittedNetworkModel(forecaster.fitted)


@dataclass(frozen=True, eq=False)
class FittedNetworkModel:
    """A trained experiment; it forecasts the series that it has learned.

    Attributes:
        fitted: the trained state.
    """

    fitted: Fitted

    @property
    def quantile_levels(self) -> Levels:
        """Levels of the calibrated intervals, or those the network writes where there are none."""
        shown = shown_levels(self.fitted)
        return quantile_levels_of(self.fitted, shown) if shown else self.fitted.quantile_levels

    @property
    def lowest_end(self) -> FloatArray | None:
        """(D,) below which no calibrated interval ends; None where intervals are not calibrated."""
        return (
            self.fitted.calibration.lowest
            if self.fitted.calibration and shown_levels(self.fitted)
            else None
        )

    def predict(self, panel: Panel, last: IntArray) -> tuple[FloatArray, FloatArray | None]:
        """Forecast (B, H, D), and (B, H, D, Q) quantiles; see `backtest.rolling.FittedModel`."""
        shape, levels = self.fitted.shape, self.quantile_levels
        points = np.full((len(last), shape.horizon, shape.num_targets), np.nan)
        quantiles = np.full((*points.shape, len(levels)), np.nan) if levels else None
        known, row_of = _learned_series(self.fitted, panel)
        rows = row_of(last)
        learned = np.flatnonzero(rows >= 0)
        if not len(learned):
            return points, quantiles
        aligned = align(self.fitted, known, Part.whole(known))
        features = aligned.feature_map.apply(known)
        index, whole = index_after(
            known, shape.context_length, shape.horizon, rows[learned], usable=features.usable
        )
        if len(whole):
            place = learned[whole]
            windows = WindowedFeatures(features, index)
            points[place], spread = forecast_windows(aligned, windows, np.arange(len(index)))
            if shown := shown_levels(aligned):
                unit = aligned.unit[known.series_at(rows[place])]
                spread = with_intervals(
                    aligned, aligned.calibration, points[place], spread, unit, shown
                )[1]
            if quantiles is not None and spread is not None:
                quantiles[place] = spread
        return points, quantiles


def _learned_series(fitted: Fitted, panel: Panel) -> tuple[Panel, Callable[[IntArray], IntArray]]:
    """The series of a panel that training has seen, and what turns rows of the panel into rows of those, or -1."""
    seen = fitted.places(panel.series_ids) >= 0
    if seen.all():
        return panel, lambda rows: rows
    known = select_series(panel, np.flatnonzero(seen))
    shift = np.zeros(panel.num_series, np.int64)
    shift[seen] = known.offsets[:-1] - panel.offsets[:-1][seen]

    def row_of(rows: IntArray) -> IntArray:
        series = panel.series_at(rows)
        return np.where(seen[series], rows + shift[series], -1)

    return known, row_of
