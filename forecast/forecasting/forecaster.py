"""`Forecaster`: fit on a table, predict, judge, save, load."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from forecast.baselines.ridge import RidgeWindow
from forecast.data.known import future_frame, read_known
from forecast.data.panel import Panel
from forecast.data.read import Source
from forecast.errors import ConfigError, NotFittedError
from forecast.experiment.prepare import (
    Prepared,
    context_length_of,
    open_panel,
    prepare,
    with_all_rows,
)
from forecast.experiment.settings import Experiment
from forecast.forecasting.calibrate import calibrate, forecast_with_intervals
from forecast.forecasting.fitted import NEVER, Fitted, error_units, training_range
from forecast.forecasting.judge import fit_linear, judge, unseen_part
from forecast.forecasting.predict import forecast_future
from forecast.forecasting.saving import load_fitted, save_fitted
from forecast.intervals.levels import check_level
from forecast.models.network import make_network
from forecast.scores.evaluation import BacktestResult
from forecast.scores.forecast import Forecast
from forecast.training.fit import FittedNetwork, fit_network, refit_network
from forecast.windows.splits import Part

if TYPE_CHECKING:
    import pandas as pd

    from forecast.windows.index import WindowShape


Reporter = Callable[[Any], None]


class Forecaster:
    """A model together with everything that must happen before and after it.

    Example:
        >>> config = Experiment(windows=WindowsConfig(horizon=12))
        >>> forecaster = Forecaster(config).fit(frame)
        >>> forecaster.predict().frame()
    """

    def __init__(self, config: Experiment | None = None) -> None:
        self.config = config or Experiment()
        self._fitted: Fitted | None = None
        self._prepared: Prepared | None = None
        self._judged: BacktestResult | None = None

    @property
    def fitted(self) -> Fitted:
        """What `fit` or `load` left.

        Raises:
            NotFittedError: there was neither.
        """
        if self._fitted is None:
            raise NotFittedError(
                "this forecaster was not fitted: call fit(table) first, or Forecaster.load(folder)"
            )
        return self._fitted

    def fit(
        self,
        table: Source | None = None,
        *,
        checkpoint: Path | None = None,
        resume: bool = False,
        reporter: Reporter | None = None,
    ) -> Forecaster:
        """Train on a table.

        Args:
            table: a frame, an Arrow table or a file; `config.data.source` if left out.
            checkpoint: file that holds the state of training after each epoch.
            resume: go on from `checkpoint` where it exists.
            reporter: is told of progress.

        Returns:
            This forecaster.

        Raises:
            DataError: the table is refused.
            TrainingError: training diverged, or the checkpoint belongs to something else.
        """
        prepared = prepare(self.config, table)
        return self.fit_prepared(prepared, checkpoint=checkpoint, resume=resume, reporter=reporter)

    def fit_prepared(
        self,
        prepared: Prepared,
        *,
        checkpoint: Path | None = None,
        resume: bool = False,
        reporter: Reporter | None = None,
    ) -> Forecaster:
        """Train on the windows that `prepare` made with this forecaster's config.

        Args:
            prepared: the windows, and what they were made of.
            checkpoint: as in `fit`.
            resume: as in `fit`.
            reporter: as in `fit`.

        Returns:
            This forecaster.
        """
        network = fit_network(
            prepared, _shape(prepared), checkpoint=checkpoint, resume=resume, reporter=reporter
        )
        linear = fit_linear(prepared)
        fitted = calibrate(_collect(prepared, network, linear), prepared)
        self._fitted, self._prepared, self._judged = fitted, prepared, None
        if prepared.config.training.refit:
            self._judged = self.evaluate() if len(prepared.test) else None
            self._prepared = with_all_rows(prepared)
            network = refit_network(
                self._prepared,
                _shape(self._prepared),
                network,
                checkpoint=checkpoint,
                resume=resume,
                reporter=reporter,
            )
            again = _collect(self._prepared, network, linear)
            self._fitted = replace(
                again, calibration=fitted.calibration, recent=fitted.recent, unit=fitted.unit
            )
        return self

    def predict(
        self,
        table: Source | None = None,
        *,
        known: Source | None = None,
        horizon: int | None = None,
        level: float | Sequence[float] = (),
    ) -> Forecast:
        """Forecast the steps after the end of each series.

        Args:
            table: the history to forecast from; the training table if left out.
            known: known covariates of the steps ahead, with the rows that `make_future_frame`
                lists.
            horizon: steps to forecast; beyond the trained horizon forecasts are fed back.
            level: of intervals, in per cent, such as `[80, 95]`: calibrated on windows no network
                has learned from (`forecast.intervals.conformal`), for at most the trained horizon.

        Returns:
            One forecast per series, in the unit of the data.

        Raises:
            NotFittedError: there is no model yet.
            DataError: the history is too short or damaged, or known covariates are missing.
            ConfigError: the horizon cannot be reached, or a level is none or more than the
                calibration supports.
        """
        fitted, panel, steps = self.fitted, self._history(table), self._steps(horizon)
        levels = (level,) if isinstance(level, int | float) else tuple(level)
        for one in levels:
            check_level(one)
        if levels and steps > fitted.shape.horizon:
            raise ConfigError(
                f"intervals were asked for {steps} steps and are calibrated for "
                f"{fitted.shape.horizon}: ask for no "
                "more, or train with a longer horizon"
            )
        ahead = None
        if known is not None:
            ahead = read_known(panel, known, table_format=fitted.config.data.table_format)
        made = forecast_future(fitted, panel, steps, ahead)
        return forecast_with_intervals(fitted, panel, made, levels) if levels else made

    def make_future_frame(
        self, table: Source | None = None, *, horizon: int | None = None
    ) -> pd.DataFrame:
        """Return the rows of known covariates that `predict` needs, to be filled in.

        Args:
            table: the history; the training table if left out.
            horizon: steps to forecast; the trained horizon if left out.
        """
        return future_frame(self._history(table), self._steps(horizon))

    def evaluate(self, table: Source | None = None) -> BacktestResult:
        """Judge the model beside the baselines on the rows of a table that training has not seen.

        Args:
            table: the rows to judge on; the training table, of which that is the test part, if left
                out. Rows that training has seen are read as context and never judged. With
                `training.refit` the training table was judged before its test part was learned
                from, and that is what is returned.

        Returns:
            The forecasts of the model and of every baseline, window by window.

        Raises:
            DataError: nothing is left to judge.
        """
        if table is None and self._judged is not None:
            return self._judged
        fitted, panel = self.fitted, self._history(table)
        features = self._prepared.features if table is None and self._prepared else None
        return judge(fitted, panel, unseen_part(fitted, panel), features=features)

    def save(self, path: str | Path) -> None:
        """Write the model to a folder; a kill at any moment leaves the old version or the new one.

        Args:
            path: the folder; a saved model that is there is replaced.

        Raises:
            OutputError: the folder holds something that is no saved model.
        """
        save_fitted(self.fitted, Path(path))

    @classmethod
    def load(cls, path: str | Path) -> Forecaster:
        """Read a model from a folder.

        Args:
            path: what `save` wrote.

        Raises:
            ArtifactError: the folder is damaged, incomplete or of another version.
        """
        fitted = load_fitted(Path(path))
        forecaster = cls(fitted.config)
        forecaster._fitted = fitted
        return forecaster

    def _history(self, table: Source | None) -> Panel:
        if table is not None:
            return open_panel(self.config.data, table, freq=self.fitted.freq)
        if self._prepared is None:
            raise ConfigError("a loaded model keeps no data: pass the table to forecast from")
        return self._prepared.panel

    def _steps(self, horizon: int | None) -> int:
        trained, columns = self.fitted.shape.horizon, self.fitted.feature_map.columns
        steps = trained if horizon is None else horizon
        if steps < 1:
            raise ConfigError(f"horizon is {steps}; expected a whole number of at least 1")
        if steps > trained and columns.past_covariates:
            raise ConfigError(
                f"horizon is {steps} and the model was trained for {trained}: beyond that the past "
                f"covariates "
                f"({', '.join(columns.past_covariates)}) would have to be known; ask for at most "
                f"{trained} steps, "
                "or train with a longer horizon or without them"
            )
        return steps


def _shape(prepared: Prepared) -> WindowShape:
    """What the network of a prepared experiment reads and writes."""
    config = prepared.config
    levels = config.training.quantile_levels if config.training.loss == "quantile" else ()
    return prepared.features.shape(
        context_length_of(config), config.windows.horizon, num_quantiles=len(levels)
    )


def _collect(prepared: Prepared, network: FittedNetwork, linear: RidgeWindow) -> Fitted:
    """Gather what a trained model needs later."""
    shape = _shape(prepared)
    panel = prepared.panel
    season_length = prepared.config.data.season_length or panel.freq.season_length
    targets = prepared.filled.measured(shape.num_targets)
    low, high = training_range(targets, panel, prepared.split.train)
    split = prepared.split
    parts = (split.train, split.validation, split.calibration)
    seen = Part(panel.offsets[:-1], np.max([one.last for one in parts], axis=0))
    last = np.maximum(seen.last - 1, panel.offsets[:-1])
    return Fitted(
        config=prepared.config,
        model=network.model,
        predict=make_network(network.model, jit=prepared.config.training.jit),
        shape=shape,
        feature_map=prepared.feature_map,
        freq=panel.freq.alias,
        season_length=season_length,
        series_ids=panel.series_ids,
        constants=np.where(low == high, low, np.nan),
        low=low,
        high=high,
        seen_until=np.where(
            seen.last > panel.offsets[:-1], panel.timestamps[last].astype(np.int64), NEVER
        ),
        unit=error_units(prepared.config, panel, split.train, season_length),
        calibration=None,
        recent=None,
        linear=linear,
        histories=network.histories,
        shares=network.shares,
    )
