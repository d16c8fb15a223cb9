"""The exceptions of the package, in one tree.

    ForecastError
    |-- ConfigError       a setting that is unknown, of the wrong type or out of range
    |-- DataError         a table that cannot be turned into checked series
    |-- ShapeError        arrays whose shapes do not fit together
    |-- NotFittedError    a forecaster asked to predict or save before it was fitted
    |-- TrainingError     training that diverged or cannot be resumed
    |-- SkillError        a model that was required to beat the best baseline and was not shown to
    |-- SearchError       a search that is damaged, in use or was begun with other settings
    |-- BacktestError     a backtest that is damaged, in use or was begun with other settings
    |-- OutputError       a place to write to that is taken: it holds what the command did not write
    |-- FileError         a file or folder that cannot be written: disk full, no permission, path in use
    `-- ArtifactError     a saved model that is damaged, incomplete or of another version

Every message answers three questions: what was given, what was expected, what to do.
`ForecastWarning` is the category of warnings.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ForecastError(Exception):
    """Base of everything this package raises on purpose."""


class ForecastWarning(UserWarning):
    """Something is done in another way than usual: results hold, time or memory may suffer."""


class ConfigError(ForecastError):
    """A setting is unknown, has the wrong type or is out of range."""


class DataError(ForecastError):
    """A table cannot be turned into checked series."""


class ShapeError(ForecastError):
    """Arrays do not have the shapes that were announced."""


class NotFittedError(ForecastError):
    """A forecaster was asked for something that only a fitted one can give."""


class TrainingError(ForecastError):
    """Training diverged or cannot be resumed."""


class SkillError(ForecastError):
    """A model was required to beat the best baseline and was not shown to."""


class SearchError(ForecastError):
    """A search is damaged, in use, or was begun with other settings, data or packages."""


class BacktestError(ForecastError):
    """A backtest is damaged, in use, or was begun with other settings, data or packages."""


class OutputError(ForecastError):
    """A place to write to holds what the command did not write, or cannot be written to."""


class FileError(ForecastError):
    """A file or folder cannot be written."""


class ArtifactError(ForecastError):
    """A saved model is damaged, incomplete or of another version."""


def nearest(word: str, choices: Iterable[str]) -> str:
    """Return ` (did you mean 'x'?)` for the choice closest to `word`, or an empty string."""
    close = difflib.get_close_matches(word, list(choices), n=1, cutoff=0.5)
    return f" (did you mean {close[0]!r}?)" if close else ""
