"""`CategoryForecaster`: forecast the next categories of a column, with a probability of each."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from forecast.classification.categories.category_result import CategoryResult
from forecast.classification.categories.category_settings import CategorySettings
from forecast.classification.categories.category_table import read_series
from forecast.classification.categories.category_windows import CategoryIndex, all_windows
from forecast.classification.categories.fitted_categories import FittedCategories, fit_categories
from forecast.classification.categories.stored_categories import load_categories, save_categories
from forecast.classification.tables.labelled_sequences import Sequences
from forecast.data.formats.readers import Source
from forecast.errors import ConfigError, NotFittedError, check_kind
from forecast.forecasting.saved_kinds import refuse_pickle
from forecast.layers.runtime import start_quietly

if TYPE_CHECKING:
    import pandas as pd


class CategoryForecaster:
    """A bidirectional GRU that forecasts a column of categories some steps ahead.

    Args:
        settings: default: `CategorySettings()`.

    Attributes:
        notes: of the last table that was read, a sentence each: how, and what was left out.

    Example:
        >>> import pandas as pd
        >>> from forecast import CategoryForecaster, CategorySettings
        >>> states = ["idle", "run", "run"] * 30
        >>> table = pd.DataFrame({"id": "press", "step": range(90), "state": states})
        >>> quick = CategorySettings(
        ...     windows={"context_length": 6, "horizon": 2},
        ...     model={"units": 4},
        ...     training={"epochs": 30, "learning_rate": 0.03},
        ... )
        >>> forecaster = CategoryForecaster(quick).fit(table)
        >>> forecaster.predict(table)[["id", "cutoff", "ahead", "bigru"]].to_dict("records")[0]
        {'id': 'press', 'cutoff': 89, 'ahead': 1, 'bigru': 'idle'}
    """

    def __init__(self, settings: CategorySettings | None = None) -> None:
        if settings is None:
            settings = CategorySettings()
        check_kind("settings", settings, CategorySettings, "a CategorySettings")
        self.settings = settings
        self.notes: tuple[str, ...] = ()
        self._fitted: FittedCategories | None = None
        self._test: tuple[Sequences, CategoryIndex] | None = None

    def __repr__(self) -> str:
        state = "not fitted"
        if self._fitted is not None:
            state = f"fitted on {len(self.classes)} categories"
        return f"CategoryForecaster({self.settings.alias!r}, {state})"

    @property
    def fitted(self) -> FittedCategories:
        """The fitted state.

        Raises:
            NotFittedError: neither `fit` nor `load` has run.
        """
        if self._fitted is None:
            raise NotFittedError("this forecaster is not fitted: call fit(table) first, or load")
        return self._fitted

    @property
    def classes(self) -> tuple[str, ...]:
        """The categories that it knows, in order."""
        return self.fitted.encoding.classes

    @property
    def has_test_set(self) -> bool:
        """Whether `fit` has held out rows to judge it on."""
        return self._test is not None

    def fit(self, table: Source) -> CategoryForecaster:
        """Train on the series of a table.

        Args:
            table: one row per series and step, in one of the forms that `load_panel` takes.

        Returns:
            The forecaster itself.

        Raises:
            DataError: the table cannot be read, or has too few rows or categories.
        """
        start_quietly()
        sequences = read_series(table, self.settings.data)
        settings = self.settings.with_columns(sequences.columns)
        self._fitted, test = fit_categories(settings, sequences)
        self._test = (sequences, test) if len(test.starts) else None
        self.notes = (*sequences.notes, *self._fitted.notes)
        return self

    def predict(self, table: Source) -> pd.DataFrame:
        """Forecast the steps after the last row of each series.

        Args:
            table: as for `fit`.

        Returns:
            A row per series and step: id, `cutoff` (the last step that was read), `ahead`, the most
            probable category, and the probability of each.

        Raises:
            DataError: the table cannot be read.
        """
        return self.fitted.predict(self._read_again(table))

    def evaluate(self, table: Source | None = None) -> CategoryResult:
        """Return forecasts beside what came, with those of the baselines.

        Args:
            table: series that it was not trained on, of which every window is judged; default: the
                test windows of `fit`.

        Raises:
            ConfigError: there is no table, and `fit` has held out no test set.
            DataError: the table cannot be read, or no window can be judged.
        """
        if table is not None:
            sequences = self._read_again(table)
            return self.fitted.evaluate(sequences, all_windows(sequences, self.settings.windows))
        if self._test is None:
            raise ConfigError(
                "there is no test set; expected a table, or a share in `split.test` when the "
                "forecaster is fitted"
            )
        return self.fitted.evaluate(*self._test)

    def _read_again(self, table: Source) -> Sequences:
        """Return the series of a table that it was not trained on."""
        series = self.fitted.read(table)
        self.notes = series.notes
        return series

    def save(self, path: str | Path) -> None:
        """Write the fitted forecaster to a folder, atomically.

        Args:
            path: the folder.

        Raises:
            OutputError: the folder has files other than those of a saved model.
        """
        save_categories(self.fitted, Path(path))

    @classmethod
    def load(cls, path: str | Path) -> CategoryForecaster:
        """Read a forecaster that `save` has written.

        Args:
            path: the folder.

        Raises:
            ArtifactError: the folder is damaged, of another version, or of another kind.
        """
        fitted = load_categories(Path(path))
        forecaster = cls(fitted.settings)
        forecaster._fitted = fitted
        return forecaster

    def __getstate__(self) -> dict[str, Any]:
        """Refuse to be pickled: a saved model is a folder."""
        refuse_pickle(self)
