"""Models of a backtest: the experiment, the baselines and models of statsforecast."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecast.axes import FloatArray, IntArray
from forecast.backtest.peers import STATISTICAL, StatisticalModel, find_python
from forecast.backtest.rolling import Levels, Model
from forecast.baselines.compare import all_baselines, batches_of_history, history_reader
from forecast.baselines.lengths import Steps
from forecast.baselines.simple import BASELINE_NAMES, BASELINES, ETS, LINEAR, Baseline
from forecast.data.findings import counted
from forecast.data.panel import Panel, panel_digest
from forecast.data.per_series.subset import select_series
from forecast.errors import ConfigError, nearest
from forecast.experiment.enough import context_length_of
from forecast.experiment.prepare import prepare_panel, resolve
from forecast.experiment.settings import EnsembleConfig, Experiment
from forecast.forecasting.calibrate import quantile_levels_of, shown_levels, with_intervals
from forecast.forecasting.fitted import Fitted, align
from forecast.forecasting.forecaster import Forecaster
from forecast.forecasting.predict import forecast_windows
from forecast.forecasting.simple_members import fit_linear, smoothing_of
from forecast.models import MODELS
from forecast.section import AUTO, decided
from forecast.training import Reporter
from forecast.transforms.missing import MissingPolicy, fill_missing
from forecast.windows.index import index_after
from forecast.windows.splits import Part
from forecast.windows.windowed import WindowedFeatures


def named(config: Experiment, panel: Panel) -> Experiment:
    """Return the experiment with the name that it has on all rows, where its name is auto."""
    if config.name != AUTO:
        return config
    return config.model_copy(update={"name": resolve(config, panel).name})


def names_of(config: Experiment) -> tuple[str, ...]:
    """Return the names of the models of a backtest, in order.

    Args:
        config: the experiment, with a name.

    Raises:
        ConfigError: a name is unknown, or stands for two models.
    """
    architectures = [name for name in MODELS if name != config.name]
    known = (config.name, *architectures, *BASELINE_NAMES, *STATISTICAL)
    names = config.backtest.models or (config.name, *BASELINE_NAMES)
    for name in names:
        if name not in known:
            raise ConfigError(
                f"`backtest.models` names {name!r}{nearest(name, known)}; expected some of "
                f"{', '.join(known)}"
            )
    for name in known:
        if known.count(name) > 1 or names.count(name) > 1:
            raise ConfigError(
                f"backtest.models is {list(names)} and {name!r} stands for two models: expected "
                f"each once"
            )
    return names


def make_models(
    config: Experiment, *, checkpoints: Path | None = None, reporter: Reporter | None = None
) -> dict[str, Model]:
    """Return the models of a backtest by name.

    Args:
        config: the experiment, with a name.
        checkpoints: optional; folder of checkpoints, written after each epoch.
        reporter: optional; called with the progress of trainings.

    Raises:
        ConfigError: a name is unknown, or statsforecast is missing.
    """
    config = at_a_cutoff(config)
    names = names_of(config)
    python = ""
    if set(names) & set(STATISTICAL):
        python = find_python()

    models: dict[str, Model] = {}
    for name in names:
        if name == config.name:
            models[name] = NetworkModel(config, checkpoints, reporter)
        elif name in MODELS:
            models[name] = NetworkModel(config, checkpoints, reporter, architecture=name)
        elif name in STATISTICAL:
            models[name] = StatisticalModel(
                name,
                horizon=config.windows.horizon,
                season_length=config.data.season_length,
                missing=config.data.missing,
                python=python,
            )
        else:
            models[name] = BaselineModel(config, name)
    return models


def alone(config: Experiment, architecture: str) -> Experiment:
    """Return an experiment with a single network of an architecture in place of its model.

    Args:
        config: the experiment, resolved, so that both have the same rows, windows and training.
        architecture: one of `MODELS`; that of the experiment keeps its settings, another one has
            its defaults.
    """
    model: Any = config.model
    if model.name != architecture:
        model = MODELS[architecture].config()
    single = EnsembleConfig(seeds=1, context_lengths=(), linear="none", simple=())
    return config.model_copy(update={"name": architecture, "model": model, "ensemble": single})


def descriptions(config: Experiment, panel: Panel) -> dict[str, str]:
    """Describe each model of a backtest in a few words.

    Args:
        config: the experiment, with a name.
        panel: all rows.
    """
    found = {}
    for name in names_of(config):
        if name == config.name:
            found[name] = _members_of(resolve(config, panel))
        elif name in MODELS:
            found[name] = f"one network of the architecture {name}"
        elif name in STATISTICAL:
            found[name] = "of statsforecast"
        elif name == LINEAR:
            found[name] = "ridge regression from the context to the horizon"
        elif name == ETS:
            found[name] = "exponential smoothing, its forms weighted by their AICc"
        else:
            first = (BASELINES[name].__doc__ or "").strip().splitlines()[0]
            found[name] = f"{first[0].lower()}{first[1:].rstrip('.')}"
    return found


def _members_of(config: Experiment) -> str:
    """Describe the members of a resolved experiment."""
    ensemble = config.ensemble
    architecture = config.model.name
    contexts = max(1, len(decided(ensemble.context_lengths, "ensemble.context_lengths")))
    networks = contexts * decided(ensemble.seeds, "ensemble.seeds")
    text = f"one network of the architecture {architecture}"
    if networks > 1:
        text = f"{networks} networks of the architecture {architecture}"
    if ensemble.linear == "none":
        return text
    return f"{text} and {counted(contexts, 'ridge regression')}, weighted on validation windows"


def at_a_cutoff(config: Experiment) -> Experiment:
    """Return the settings of a fit at a cutoff: no test set, and too short series are skipped."""
    return config.model_copy(
        update={
            "evaluation": config.evaluation.model_copy(update={"test_size": 0}),
            "data": config.data.model_copy(update={"short_series": "skip"}),
        }
    )


@dataclass(frozen=True)
class BaselineModel:
    """A baseline, with the context length that the experiment has on the same rows.

    Attributes:
        config: the experiment at a cutoff.
        name: one of `BASELINE_NAMES`.
    """

    config: Experiment
    name: str

    def fit(self, panel: Panel) -> _FittedBaseline:
        """Take context and season length from the rows; for `linear`, fit the ridge regression."""
        ridge = None
        smoothing = None
        if self.name in (ETS, LINEAR):
            prepared = prepare_panel(self.config, panel)
            config = prepared.config
            if self.name == LINEAR:
                ridge = fit_linear(prepared)
            else:
                panel = prepared.panel
                smoothing = smoothing_of(prepared)
        else:
            config = resolve(self.config, panel)
        season_length = config.data.season_length or panel.freq.season_length
        steps = Steps(
            config.windows.horizon,
            context_length_of(config),
            season_length,
            panel.freq.steps_per_week,
        )
        baseline = all_baselines(steps, ridge=ridge, smoothing=smoothing)[self.name]
        return _FittedBaseline(baseline, steps, config.data.missing, panel.series_ids)


@dataclass(frozen=True)
class _FittedBaseline:
    """A baseline as a function of the history.

    Attributes:
        function: (B, M, D) -> (B, H, D).
        steps: lengths of context, horizon and season.
        missing: policy for missing values.
        series_ids: ids of the series that it was fitted on.
    """

    function: Baseline
    steps: Steps
    missing: MissingPolicy
    series_ids: NDArray[np.object_]

    @property
    def quantile_levels(self) -> Levels:
        """Empty: a baseline forecasts points."""
        return ()

    def predict(self, panel: Panel, last: IntArray) -> tuple[FloatArray, None]:
        """Forecast (B, H, D); see `backtest.rolling.FittedModel`."""
        num_targets = len(panel.columns.target_cols)
        filled = fill_missing(panel, self.missing)[0]
        length = self.steps.history_length
        history_of = history_reader(panel, filled.values[:, :num_targets], length)

        number_of = {series_id: number for number, series_id in enumerate(self.series_ids)}
        numbers_fitted = np.array([number_of.get(name, -1) for name in panel.series_ids])
        series = numbers_fitted[panel.series_at(last)]
        out = np.full((len(last), self.steps.horizon, num_targets), np.nan)
        known = np.flatnonzero(series >= 0)
        for batch in batches_of_history(len(known), length * num_targets):
            numbers = known[batch]
            out[numbers] = self.function(history_of(last[numbers]), series[numbers])
        return out, None


@dataclass(frozen=True)
class NetworkModel:
    """The experiment: network or ensemble, trained as `forecast fit` trains it.

    Attributes:
        config: the experiment at a cutoff.
        checkpoints: optional; folder of checkpoints, written after each epoch.
        reporter: optional; called with the progress of a training.
        architecture: a single network of it alone, if given.
    """

    config: Experiment
    checkpoints: Path | None = None
    reporter: Reporter | None = None
    architecture: str | None = None

    def fit(self, panel: Panel) -> FittedNetworkModel:
        """Train, or resume where there is a checkpoint of the same rows."""
        config = self.config
        if self.architecture is not None:
            config = alone(resolve(config, panel), self.architecture)
        checkpoint = None
        if self.checkpoints is not None:
            rows = f"{config.name} {panel_digest(panel)}"  # several models learn the same rows
            name = hashlib.sha256(rows.encode()).hexdigest()[:16]
            checkpoint = self.checkpoints / f"{name}.checkpoint"
        prepared = prepare_panel(config, panel)
        forecaster = Forecaster(config)
        forecaster.fit_prepared(
            prepared, checkpoint=checkpoint, resume=True, reporter=self.reporter
        )
        return FittedNetworkModel(forecaster.fitted)


@dataclass(frozen=True, eq=False)
class FittedNetworkModel:
    """A trained experiment; it forecasts the series that it was fitted on.

    Attributes:
        fitted: the fitted state.
    """

    fitted: Fitted

    @property
    def quantile_levels(self) -> Levels:
        """Levels of the calibrated intervals, or of the network where there are none."""
        levels = shown_levels(self.fitted)
        if levels:
            return quantile_levels_of(self.fitted, levels)
        return self.fitted.quantile_levels

    @property
    def lowest_end(self) -> FloatArray | None:
        """(D,) lower bound of calibrated interval ends; None where intervals are not calibrated."""
        if self.fitted.calibration is None or not shown_levels(self.fitted):
            return None
        return self.fitted.calibration.lowest

    def predict(self, panel: Panel, last: IntArray) -> tuple[FloatArray, FloatArray | None]:
        """Forecast (B, H, D), and (B, H, D, Q) quantiles; see `backtest.rolling.FittedModel`."""
        shape = self.fitted.shape
        levels = self.quantile_levels
        points = np.full((len(last), shape.horizon, shape.num_targets), np.nan)
        quantiles = None
        if levels:
            quantiles = np.full((*points.shape, len(levels)), np.nan)

        known, row_of = _learned_series(self.fitted, panel)
        rows = row_of(last)
        learned = np.flatnonzero(rows >= 0)  # windows of series that the network knows
        if not len(learned):
            return points, quantiles

        aligned = align(self.fitted, known, Part.whole(known))
        features = aligned.feature_map.apply(known)
        index, whole = index_after(
            known, shape.context_length, shape.horizon, rows[learned], usable=features.usable
        )
        if not len(whole):
            return points, quantiles

        numbers = learned[whole]  # windows with a whole context
        windows = WindowedFeatures(features, index)
        points[numbers], spread = forecast_windows(aligned, known, windows, np.arange(len(index)))
        interval_levels = shown_levels(aligned)
        if interval_levels:
            series = known.series_at(rows[numbers])
            weekdays = None
            if features.weekdays is not None:
                weekdays = features.weekdays[rows[numbers, None] + np.arange(1, shape.horizon + 1)]
            unit = aligned.series.step_units(series, weekdays, points[numbers])
            _, spread = with_intervals(
                aligned, aligned.calibration, points[numbers], spread, unit, interval_levels
            )
        if quantiles is not None and spread is not None:
            quantiles[numbers] = spread
        return points, quantiles


def _learned_series(fitted: Fitted, panel: Panel) -> tuple[Panel, Callable[[IntArray], IntArray]]:
    """Return the series of a panel that were fitted on, and a function from rows to their rows.

    The function returns -1 for rows of other series.
    """
    is_known = fitted.series.index_of(panel.series_ids) >= 0
    if is_known.all():
        return panel, lambda rows: rows
    known = select_series(panel, np.flatnonzero(is_known))
    shift = np.zeros(panel.num_series, np.int64)
    shift[is_known] = known.offsets[:-1] - panel.offsets[:-1][is_known]

    def row_of(rows: IntArray) -> IntArray:
        series = panel.series_at(rows)
        return np.where(is_known[series], rows + shift[series], -1)

    return known, row_of
