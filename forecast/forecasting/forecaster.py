"""`Forecaster`: fit on a table, predict, evaluate, save, load."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from forecast.data.known import future_frame
from forecast.data.panel import Panel
from forecast.data.read import Source
from forecast.errors import ConfigError, NotFittedError, check_kind
from forecast.experiment.keywords import with_keywords
from forecast.experiment.prepare import Prepared, prepare
from forecast.experiment.settings import Experiment
from forecast.forecasting.ahead import (
    levels_by_number,
    steps_to_forecast,
    with_company,
    within_training,
)
from forecast.forecasting.fit_stages import fit_stages
from forecast.forecasting.fitted import Fitted
from forecast.forecasting.forecast_steps import forecast_ahead
from forecast.forecasting.judge import judge, unseen_part
from forecast.forecasting.learned_table import read_history
from forecast.forecasting.path_totals import Asked, Period, totals_ahead
from forecast.forecasting.sample_paths import check_paths, with_paths
from forecast.forecasting.saving import load_fitted, save_fitted
from forecast.layers.runtime import start_quietly
from forecast.scores.evaluation import BacktestResult
from forecast.scores.forecast import Forecast
from forecast.section import AUTO
from forecast.training.events import Reporter
from forecast.training.keras_callbacks import with_callbacks
from forecast.training.progress import both, terminal_reporter

if TYPE_CHECKING:
    import keras
    import pandas as pd


Verbosity = Literal["auto", 0, 1]


class Forecaster:
    """An experiment that is fitted on a table of series, forecasts them, and is saved and loaded.

    Args:
        config: the experiment; default: `Experiment()`, which lets the data choose most settings.
        **settings: settings that replace those of `config`, by name: `id`, `time`, `target`,
            `past`, `known`, `static` and `model` as on the command line, and every setting without
            its section, such as `horizon`, `epochs` or `missing`.

    Raises:
        ConfigError: a keyword is no setting, or a value does not fit.

    Example:
        >>> import pandas as pd
        >>> from forecast import Forecaster
        >>> days = pd.date_range("2026-01-01", periods=91, freq="D")
        >>> table = pd.DataFrame({"day": days, "sales": [5.0, 6, 7, 8, 9, 2, 1] * 13})
        >>> forecaster = Forecaster(
        ...     horizon=7, time="day", target="sales", model="bigru", units=4, epochs=1
        ... )
        >>> forecaster = forecaster.fit(table, verbose=0)
        >>> forecaster
        Forecaster('bigru', model='bigru', horizon=7, fitted on 1 series)
        >>> forecast = forecaster.predict(level=80)
        >>> list(forecast.frame())
        ['unique_id', 'day', 'cutoff', 'bigru', 'bigru-lo-80', 'bigru-hi-80']
        >>> forecaster.save("model")
        >>> bool((Forecaster.load("model").predict(table).values == forecast.values).all())
        True
    """

    def __init__(self, config: Experiment | None = None, **settings: Any) -> None:
        if config is None:
            config = Experiment()
        wanted = "an Experiment, or settings by name, such as horizon=14"
        check_kind("config", config, Experiment, wanted)
        self.config = with_keywords(config, settings)
        self._fitted: Fitted | None = None
        self._prepared: Prepared | None = None
        self._evaluated: BacktestResult | None = None

    def __repr__(self) -> str:
        config = self.config
        state = "not fitted"
        if self._fitted is not None:
            config = self._fitted.config
            state = f"fitted on {len(self._fitted.series.ids):,} series"
        name = ""
        if config.name != AUTO:
            name = f"{config.name!r}, "
        return (
            f"Forecaster({name}model={config.model.name!r}, horizon={config.windows.horizon}, "
            f"{state})"
        )

    @property
    def fitted(self) -> Fitted:
        """The fitted state.

        Raises:
            NotFittedError: neither `fit` nor `load` was called.
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
        callbacks: Sequence[keras.callbacks.Callback] = (),
        verbose: Verbosity = "auto",
    ) -> Forecaster:
        """Train on a table.

        Args:
            table: a frame, a Series, numbers, an Arrow table or a file, as in `load_panel`;
                default: the file `config.data.source`.
            checkpoint: file for the state of training after each epoch; optional.
            resume: whether to resume training from `checkpoint` where it exists.
            reporter: gets each event of training, such as `terminal_reporter()`; optional.
            callbacks: of Keras, called around the epochs of each network, one after another; the
                weights of the best epoch are kept in any case.
            verbose: progress on standard error. `auto`: unless there is a `reporter`; a bar in a
                terminal or a notebook, else lines. 1: always. 0: none.

        Returns:
            This forecaster.

        Raises:
            DataError: the table is refused.
            ConfigError: no table is named, or a setting does not fit the data.
            TrainingError: training diverged, or the checkpoint is that of another training.
        """
        if verbose not in ("auto", 0, 1):
            raise ConfigError(f"verbose is {verbose!r}; expected 'auto', 0 or 1")
        prepared = prepare(self.config, table)
        if verbose == 1 or (verbose == "auto" and reporter is None):
            reporter = both(terminal_reporter(), *filter(None, [reporter]))
        reporter = with_callbacks(reporter, callbacks, prepared.config.training)
        return self.fit_prepared(prepared, checkpoint=checkpoint, resume=resume, reporter=reporter)

    def fit_prepared(
        self,
        prepared: Prepared,
        *,
        checkpoint: Path | None = None,
        resume: bool = False,
        reporter: Reporter | None = None,
        start: Callable[[], Any] | None = None,
    ) -> Forecaster:
        """Train on the windows that `prepare` made with the config of this forecaster.

        Args:
            prepared: the windows, and the data they were made from.
            checkpoint: as in `fit`.
            resume: as in `fit`.
            reporter: as in `fit`.
            start: returns a Keras model from whose weights training goes on; optional.

        Returns:
            This forecaster.

        Raises:
            TrainingError: as in `fit`.
        """
        stages = fit_stages(
            prepared, checkpoint=checkpoint, resume=resume, reporter=reporter, start=start
        )
        self._fitted = stages.fitted
        self._prepared = stages.prepared
        self._evaluated = stages.evaluated
        return self

    def predict(
        self,
        table: Source | Panel | None = None,
        *,
        known: Source | None = None,
        horizon: int | None = None,
        level: float | Sequence[float] | Literal["auto"] = (),
        baseline: str | None = None,
        num_paths: int | None = None,
        seed: int = 0,
    ) -> Forecast:
        """Forecast the steps after the end of each series.

        Args:
            table: the history to forecast from, or its series as they were read; default: the
                training table.
            known: known covariates of the steps ahead, in the rows that `make_future_frame`
                returns; needed where the model has such covariates.
            horizon: steps H to forecast; default: the horizon of training. Further steps are
                forecast from forecasts.
            level: of intervals, in %, such as `80` or `[80, 95]`; default: no intervals. They are
                calibrated on windows outside the training set
                (`forecast.intervals.conformal`), for at most the horizon of training. A level
                that takes more windows than there are is replaced by the widest they suffice for,
                with a note. `auto`: 80 and 95, or a note in `Forecast.notes` where none can be
                given.
            baseline: name of a baseline that forecasts the same steps, such as `seasonal_naive`,
                in columns of its own; default: none.
            num_paths: joint sample paths to draw (`Forecast.paths`), such as 1000, for sums, maxima
                and times of crossing, for at most the horizon of training; default: none.
            seed: of the paths; equal calls give equal paths.

        Returns:
            One forecast per series, in the unit of the data.

        Raises:
            NotFittedError: neither `fit` nor `load` was called.
            DataError: the history is too short or damaged, or known covariates are missing.
            ConfigError: the horizon cannot be reached, or intervals were asked for that cannot be
                given.
        """
        fitted = self.fitted
        if levels_by_number(level):
            within_training(fitted, horizon, "intervals")
        check_paths(fitted, num_paths, seed, horizon)
        reach, forecast = forecast_ahead(fitted, self._history(table), known, horizon)
        paths = with_paths(fitted, reach, forecast, num_paths, seed).paths
        forecast = with_company(fitted, reach, forecast, level, baseline)
        return replace(forecast, paths=paths)

    def totals(
        self,
        table: Source | Panel | None = None,
        *,
        known: Source | None = None,
        period: Period = "horizon",
        by: str | Sequence[str] | None = None,
        level: float = 80.0,
        num_paths: int = 1000,
        seed: int = 0,
    ) -> pd.DataFrame:
        """Add up the forecast over time, and over groups of series, with intervals.

        They come from joint sample paths (`forecast.forecasting.path_totals`).

        Args:
            table: as in `predict`.
            known: as in `predict`.
            period: `day`, `week`, `month` or `horizon`, all steps together. In the first period the
                steps in the table count with their actual values.
            by: id column or static covariate that names the groups; of several each within the one
                before; default: each series alone.
            level: of the intervals, in %.
            num_paths: as in `predict`.
            seed: as in `predict`.

        Returns:
            A row per series or group, target and period: steps, total and highest step of the
            forecast, each with its interval.

        Raises:
            NotFittedError: neither `fit` nor `load` was called.
            DataError: as in `predict`.
            ConfigError: a period or column that there is not, or a model without past windows.
        """
        fitted = self.fitted
        check_paths(fitted, num_paths, seed, None)
        reach, forecast = forecast_ahead(fitted, self._history(table), known, None)
        forecast = with_paths(fitted, reach, forecast, num_paths, seed)
        return totals_ahead(fitted, reach, forecast, Asked.of(period, by, level), seed)

    def make_future_frame(
        self, table: Source | Panel | None = None, *, horizon: int | None = None
    ) -> pd.DataFrame:
        """Return the rows of known covariates that `predict` needs, to be filled in.

        Args:
            table: the history; default: the training table.
            horizon: steps to forecast; default: the horizon of training.

        Returns:
            A row per series and step, with ids, stamps and empty columns of covariates.

        Raises:
            NotFittedError: neither `fit` nor `load` was called.
        """
        ended = self.fitted.config.data.ended_series
        return future_frame(self._history(table), steps_to_forecast(self.fitted, horizon), ended)

    def evaluate(self, table: Source | Panel | None = None) -> BacktestResult:
        """Evaluate the model and the baselines on the rows of a table that training has not seen.

        Rows that training has seen are context only. After `training.refit` the result for the
        training table is the evaluation before the refit. Of a table that is too short for a test
        set, and that simple members forecast alone, it is that of their forecasts from earlier
        cutoffs.

        Args:
            table: the rows to evaluate on; default: the test set of the training table.

        Returns:
            The forecasts of the model and of every baseline, window by window.

        Raises:
            NotFittedError: neither `fit` nor `load` was called.
            DataError: training has seen every row, or no window fits into the others.
        """
        if table is None and self._evaluated is not None:
            return self._evaluated
        fitted = self.fitted
        panel = self._history(table)
        features = None
        if table is None and self._prepared is not None:
            features = self._prepared.features
        return judge(fitted, panel, unseen_part(fitted, panel), features=features)

    def own_result(self) -> BacktestResult | None:
        """Return the evaluation on the training table; None where there are no windows for it.

        Raises:
            NotFittedError: neither `fit` nor `load` was called.
        """
        if self._evaluated is None and (self._prepared is None or not len(self._prepared.test)):
            return None
        return self.evaluate()

    def keras_model(self) -> keras.Model:
        """Return the trained network, or the ensemble, as a Keras model.

        Forecasts do not need it: they run in NumPy. A loaded forecaster builds it when it is first
        asked for, which imports TensorFlow. The model forecasts on the scale of the network, from
        the input dictionary of `WindowShape`.

        Raises:
            NotFittedError: neither `fit` nor `load` was called.
            ConfigError: Keras does not run on TensorFlow, or not eagerly.
        """
        start_quietly()
        return self.fitted.make_model()

    def save(self, path: str | Path) -> None:
        """Write the model to a folder, atomically: a kill leaves the old version or the new one.

        Args:
            path: the folder; a saved model in it is replaced.

        Raises:
            NotFittedError: neither `fit` nor `load` was called.
            OutputError: the folder has files other than those of a saved model.
            FileError: the folder cannot be written.
        """
        check_kind("path", path, (str, Path), "the name of a folder")
        save_fitted(self.fitted, Path(path))

    @classmethod
    def load(cls, path: str | Path) -> Forecaster:
        """Read a model from a folder.

        Args:
            path: a folder that `save` wrote.

        Returns:
            A fitted forecaster, without the training table.

        Raises:
            ArtifactError: the folder is damaged, incomplete or of another version.
        """
        check_kind("path", path, (str, Path), "the name of a folder")
        fitted = load_fitted(Path(path))
        forecaster = cls(fitted.config)
        forecaster._fitted = fitted
        return forecaster

    def _history(self, table: Source | Panel | None) -> Panel:
        """Return the series of a table, or of the training table."""
        if isinstance(table, Panel):
            return table
        if table is not None:
            return read_history(self.fitted, table)
        if self._prepared is None:
            raise ConfigError(
                "no table is given, and a loaded model has no training table: pass the table to "
                "forecast from"
            )
        return self._prepared.panel
